/* arguments.c - a command line from a table: parsed, explained, and printed again. */
#include "arguments.h"

#include "message.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ID = 256 /* above every character */ };

/* --- Text to value: the whole text, in the C locale, or not at all ---------------------------- */

/* A leading dash is the next option, taken for the value that is missing. */
static bool parse_name(const char **value, const char *text)
{
    *value = text;
    return *text && *text != '-';
}

bool parse_whole(int64_t *value, const char *text, int64_t least, int64_t most)
{
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;                         /* strtoll would take signs and blanks */
    errno = 0;
    *value = strtoll(text, NULL, 10);
    return !errno && *value >= least && *value <= most;
}

static bool parse_real(double *value, const char *text, const struct argument *row)
{
    const double least = (double)row->least;
    char *end;

    if (strspn(text, "0123456789.eE+-") != strlen(text))
        return false;                         /* strtod would take blanks, hex, inf and nan */
    *value = strtod(text, &end);
    return end != text && !*end && isfinite(*value) &&
           (row->kind == ARGUMENT_FROM ? *value >= least : *value > least) &&
           (!row->most || *value <= (double)row->most);
}

static bool parse_choice(int64_t *value, const char *text, const char *const *choices)
{
    for (*value = 0; choices[*value]; ++*value)
        if (!strcmp(text, choices[*value]))
            return true;
    return false;
}

static bool parse(void *options, const struct argument *row, const char *text)
{
    void *field = (char *)options + row->field;

    switch (row->kind) {
    case ARGUMENT_NAME: return parse_name(field, text);
    case ARGUMENT_WHOLE: return parse_whole(field, text, row->least, row->most);
    case ARGUMENT_REAL:
    case ARGUMENT_FROM: return parse_real(field, text, row);
    case ARGUMENT_CHOICE: return parse_choice(field, text, row->choices);
    default: *(bool *)field = true; return true;
    }
}

/* --- Value to text ---------------------------------------------------------------------------- */

const char *format_real(char text[REAL_TEXT], double value)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, REAL_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return text;
}

void print_quoted(FILE *file, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789%+,-./:=@_";

    if (*text && strspn(text, plain) == strlen(text)) {
        fputs(text, file);
        return;
    }
    putc('\'', file);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", file);
        else
            putc(*text, file);
    putc('\'', file);
}

static void print_value(FILE *file, const struct argument *row, const void *options)
{
    const void *field = (const char *)options + row->field;
    char text[REAL_TEXT];

    switch (row->kind) {
    case ARGUMENT_NAME: print_quoted(file, *(const char *const *)field); break;
    case ARGUMENT_WHOLE: fprintf(file, "%lld", (long long)*(const int64_t *)field); break;
    case ARGUMENT_REAL:
    case ARGUMENT_FROM: fputs(format_real(text, *(const double *)field), file); break;
    case ARGUMENT_CHOICE: fputs(row->choices[*(const int64_t *)field], file); break;
    default: break;
    }
}

static bool same(const struct argument *row, const void *a, const void *b)
{
    const void *x = (const char *)a + row->field, *y = (const char *)b + row->field;

    switch (row->kind) {
    case ARGUMENT_NAME: return *(const char *const *)x == *(const char *const *)y;
    case ARGUMENT_REAL:
    case ARGUMENT_FROM: return *(const double *)x == *(const double *)y;
    case ARGUMENT_FLAG: return *(const bool *)x == *(const bool *)y;
    case ARGUMENT_WHOLE:
    case ARGUMENT_CHOICE: return *(const int64_t *)x == *(const int64_t *)y;
    default: return true;
    }
}

void arguments_print(FILE *file, const struct argument *rows, int count, const void *options,
                     const void *defaults)
{
    for (const struct argument *row = rows; row < rows + count; row++) {
        if (same(row, options, defaults))
            continue;
        fprintf(file, " --%s", row->name);
        if (row->value) {
            putc(' ', file);
            print_value(file, row, options);
        }
    }
}

/* Columns as wide as their widest entry. */
void arguments_explain(const struct argument *rows, int count, const void *defaults,
                       bool (*shows_default)(const struct argument *row, const void *defaults))
{
    int name_width = 0, value_width = 0;

    for (const struct argument *row = rows; row < rows + count; row++) {
        const int name = (int)strlen(row->name), value = row->value ? (int)strlen(row->value) : 0;
        name_width = name > name_width ? name : name_width;
        value_width = value > value_width ? value : value_width;
    }
    for (const struct argument *row = rows; row < rows + count; row++) {
        printf("  --%-*s %-*s %s", name_width, row->name, value_width, row->value ? row->value : "",
               row->help);
        if (row->value && shows_default(row, defaults)) {
            fputs(" (", stdout);
            print_value(stdout, row, defaults);
            putchar(')');
        }
        putchar('\n');
    }
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void list_for_getopt(struct option *list, const struct argument *rows, int count)
{
    for (int i = 0; i < count; i++)
        list[i] = (struct option){rows[i].name, rows[i].value ? required_argument : no_argument,
                                  NULL, FIRST_ID + i};
    list[count] = (struct option){0};
}

/* getopt_long has said only that something is wrong; argv[optind - 1] is where. */
static enum arguments_found refuse(const struct argument *rows, int found, char **argv)
{
    if (found == ':')
        fail("--%s: expected %s, found nothing", rows[optopt - FIRST_ID].name,
             rows[optopt - FIRST_ID].expects);
    else if (optopt >= FIRST_ID)
        fail("--%s: expected no value", rows[optopt - FIRST_ID].name);
    else if (optopt)
        fail("-%c: no such option", optopt);
    else
        fail("%s: no such option, or not the only one that begins so", argv[optind - 1]);
    return ARGUMENTS_WRONG;
}

enum arguments_found arguments_read(void *options, int *first, const struct argument *rows, int count,
                                    int argc, char **argv)
{
    struct option list[MOST_ARGUMENTS + 1];
    int found;

    list_for_getopt(list, rows, count);
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":", list, NULL)) != -1) {
        if (found < FIRST_ID)
            return refuse(rows, found, argv);
        const struct argument *row = &rows[found - FIRST_ID];
        if (row->kind == ARGUMENT_HELP || row->kind == ARGUMENT_VERSION)
            return row->kind == ARGUMENT_HELP ? ARGUMENTS_HELP : ARGUMENTS_VERSION;
        if (!parse(options, row, optarg)) {
            fail("--%s: expected %s, found '%s'", row->name, row->expects, optarg);
            return ARGUMENTS_WRONG;
        }
    }
    *first = optind;
    return ARGUMENTS_READ;
}
