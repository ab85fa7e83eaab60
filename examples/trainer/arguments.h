/* arguments.h - a command line from a table: parsed, explained, and printed again. */
#ifndef TRAINER_ARGUMENTS_H
#define TRAINER_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What an option takes, and the type of the field that it goes into. */
enum argument_kind {
    ARGUMENT_NAME,   /* const char *: a path or a word */
    ARGUMENT_WHOLE,  /* int64_t */
    ARGUMENT_REAL,   /* double, above `least` */
    ARGUMENT_FROM,   /* the same, or `least` */
    ARGUMENT_CHOICE, /* int64_t: which of `choices` */
    ARGUMENT_FLAG,   /* bool */
    ARGUMENT_HELP,   /* none: a question, and so is the next */
    ARGUMENT_VERSION
};

struct argument {
    const char *name;           /* without dashes */
    const char *value;          /* what stands for the value in --help; NULL: takes none */
    enum argument_kind kind;
    size_t field;               /* offset in the struct of options */
    const char *expects;        /* completes "--name: expected ..." */
    int64_t least, most;        /* of a number; for a real one `most` 0 is no limit */
    const char *help;
    const char *const *choices; /* NULL after the last */
};

enum { MOST_ARGUMENTS = 32 }; /* rows of a table */

enum arguments_found { ARGUMENTS_READ, ARGUMENTS_HELP, ARGUMENTS_VERSION, ARGUMENTS_WRONG };

/* Read the options of argv into `options`, which holds the defaults. What is no option is moved to
 * the end of argv, from argv[*first] on. A message has said what is wrong. */
enum arguments_found arguments_read(void *options, int *first, const struct argument *rows, int count,
                                    int argc, char **argv);

/* One line of --help for each row, with its default where `shows_default` says so. */
void arguments_explain(const struct argument *rows, int count, const void *defaults,
                       bool (*shows_default)(const struct argument *row, const void *defaults));

/* Print " --name value", quoted for a shell, for what is not as in `defaults`. */
void arguments_print(FILE *file, const struct argument *rows, int count, const void *options,
                     const void *defaults);

/* Print one text, quoted for a shell where it has to be. */
void print_quoted(FILE *file, const char *text);

/* The shortest text that reads back as `value`. */
enum { REAL_TEXT = 32 };
const char *format_real(char text[REAL_TEXT], double value);

/* The whole text as a number, in the C locale; false for anything else, and out of range. */
bool parse_whole(int64_t *value, const char *text, int64_t least, int64_t most);

#endif
