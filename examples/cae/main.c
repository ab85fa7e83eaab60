/* main.c - cae: one command line for what the library does with files. */
#include "command.h"
#include "output.h"

#include "../trainer/files.h"
#include "../trainer/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_denoise, &command_train, &command_eval, &command_info, &command_encode,
    &command_decode, &command_calibrate, &command_score};

const char *const format_choices[] = {
    [CAE_FILE_NPY] = "npy", [CAE_FILE_PNG] = "png", [CAE_FILE_JPEG] = "jpg", NULL};
const char *const scale_choices[] = {
    [CAE_SCALE_SIGNED] = "signed", [CAE_SCALE_UNIT] = "unit", NULL};

/* --- --help, --version ----------------------------------------------------------------------- */

static void print_commands(void)
{
    printf("NAME\n  cae - train, run and look at convolutional auto-encoders\n\n"
           "SYNOPSIS\n  cae COMMAND [OPTION]... ARGUMENT...\n  cae COMMAND --help\n"
           "  cae --help | --version\n\nCOMMANDS\n");
    for (int i = 0; i < COUNT(commands); i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n"
           "FILES\n"
           "  Pictures are .png, .jpg or .npy, known by what is in them; `-` is standard input or\n"
           "  output. What is written appears whole or not at all.\n"
           "\n"
           "EXIT STATUS\n"
           "  0 done, 1 failed, 2 wrong usage, 3 anomalies found (score), 128 + N ended by signal N.\n"
           "\n"
           "EXAMPLES\n"
           "  cae train --data photos --out denoiser.safetensors\n"
           "  cae denoise noisy.png clean.png --model denoiser.safetensors\n"
           "  cat noisy.png | cae denoise - - --model denoiser.safetensors | cae encode - z.npy \\\n"
           "    --model denoiser.safetensors\n"
           "\n"
           "SEE ALSO\n"
           "  docs/cae.md is the manual; include/cae/cae.h is the library.\n");
}

/* Under each other what follows "cae NAME", a form a line. */
static void print_synopsis(const struct command *command)
{
    for (const char *line = command->synopsis; *line;) {
        const size_t length = strcspn(line, "\n");
        printf("  cae %s %.*s\n", command->name, (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static bool shows_default(const struct argument *row, const void *defaults)
{
    const void *field = (const char *)defaults + row->field;

    switch (row->kind) {
    case ARGUMENT_NAME: return *(const char *const *)field;
    case ARGUMENT_REAL:
    case ARGUMENT_FROM: return *(const double *)field >= 0;
    default: return *(const int64_t *)field >= 0;
    }
}

static void print_help(const struct command *command)
{
    printf("NAME\n  cae %s - %s\n\nSYNOPSIS\n", command->name, command->summary);
    print_synopsis(command);
    printf("\nOPTIONS\n");
    arguments_explain(command->arguments, command->argument_count, &command->defaults, shows_default);
    printf("\n%s", command->description);
}

static void print_version(void)
{
    char build[256];

    cae_build_info(build, sizeof build);
    printf("cae, %s\n", build);
}

/* --- Usage ----------------------------------------------------------------------------------- */

static int refuse_usage(const struct command *command)
{
    if (command)
        fprintf(stderr, "Try 'cae %s --help'.\n", command->name);
    else
        fprintf(stderr, "Try 'cae --help'.\n");
    return EXIT_USAGE;
}

static const struct command *find(const char *name)
{
    for (int i = 0; i < COUNT(commands); i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    fprintf(stderr, "cae: %s: no such command, expected", name);
    for (int i = 0; i < COUNT(commands); i++)
        fprintf(stderr, "%s %s", i == 0 ? "" : i == COUNT(commands) - 1 ? " or" : ",",
                commands[i]->name);
    fputc('\n', stderr);
    return NULL;
}

static bool right_number_of_files(const struct call *call)
{
    const struct command *command = call->command;

    if (call->count >= command->least && call->count <= command->most)
        return true;
    return fail("expected %s, found %d argument%s", command->files, call->count,
                call->count == 1 ? "" : "s");
}

static bool bits_are_right(const struct settings *s)
{
    return s->bits <= 8 || s->bits == 16 || fail("--bits: expected 8 or 16, found %d", (int)s->bits);
}

/* --- Running --------------------------------------------------------------------------------- */

static int run(const struct command *command, int argc, char **argv)
{
    struct call call = {.command = command, .settings = command->defaults};
    static char name[32]; /* begins every message from here on */
    int first = argc, code;

    snprintf(name, sizeof name, "cae %s", command->name);
    message_begin_with(name);
    switch (arguments_read(&call.settings, &first, command->arguments, command->argument_count, argc,
                           argv)) {
    case ARGUMENTS_HELP: print_help(command); return EXIT_DONE;
    case ARGUMENTS_VERSION: print_version(); return EXIT_DONE;
    case ARGUMENTS_WRONG: return refuse_usage(command);
    case ARGUMENTS_READ: break;
    }
    call.files = argv + first;
    call.count = argc - first;
    if (!right_number_of_files(&call) || !bits_are_right(&call.settings))
        return refuse_usage(command);
    code = command->run(&call);
    cae_model_destroy(call.model);
    cae_context_destroy(call.context);
    if (code == EXIT_USAGE)
        refuse_usage(command);
    return code;
}

static int dispatch(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        fail("expected a command, found nothing");
        return refuse_usage(NULL);
    }
    if (!strcmp(argv[1], "--help")) {
        print_commands();
        return EXIT_DONE;
    }
    if (!strcmp(argv[1], "--version")) {
        print_version();
        return EXIT_DONE;
    }
    command = find(argv[1]);
    return command ? run(command, argc - 1, argv + 1) : refuse_usage(NULL);
}

int main(int argc, char **argv)
{
    int code;

    if (!streams_begin())
        return EXIT_FAILED;
    message_begin_with("cae");
    code = dispatch(argc, argv);
    if (fflush(stdout) || ferror(stdout)) {
        if (!output_pipe_is_broken())
            say("cannot write to standard output: %s", strerror(errno));
        code = code ? code : EXIT_FAILED;
    }
    return code;
}
