/* replay.c - a fuzz target without a fuzzer: each input once, and, if asked for, some mutations of each.
 *
 *   replay [--mutations N] FILE|DIRECTORY...
 *
 * What a mutation does is a function of the input and its number alone, so a failure comes again: with
 * CAE_FUZZ_KEEP=FILE in the environment the input at hand is in that file. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static long mutations, runs;

static uint32_t below(uint64_t *state, size_t limit)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* SplitMix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) % limit);
}

static void run(const uint8_t *data, size_t size)
{
    const char *keep = getenv("CAE_FUZZ_KEEP");
    uint8_t *exact = malloc(size ? size : 1); /* so that sanitizers see its end */
    FILE *file = keep ? fopen(keep, "wb") : NULL;

    if (file) {
        CHECK(fwrite(data, 1, size, file) == size);
        CHECK(fclose(file) == 0);
    }
    CHECK(exact);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    runs++;
}

/* Between one and four small changes, in place; what follows a change of length moves. The room at
 * `data` is a little more than `size`. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *state)
{
    static const char *const words[] = {"-1", "0", "9", "4294967296", "65535", "null", "\"", "}", "]", ","};

    for (uint32_t i = 0, count = 1 + below(state, 4); i < count && size > 0; i++) {
        const size_t at = below(state, size);
        const char *word = words[below(state, sizeof words / sizeof words[0])];
        const size_t length = strlen(word);
        switch (below(state, 5)) {
        case 0: data[at] ^= (uint8_t)(1u << below(state, 8)); break;
        case 1: data[at] = (uint8_t)below(state, 256); break;
        case 2: /* a piece goes */
            memmove(data + at, data + at + 1, size - at - 1);
            size--;
            break;
        case 3: /* a word comes */
            memmove(data + at + length, data + at, size - at);
            /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes, which end nowhere */
            memcpy(data + at, word, length);
            size += length;
            break;
        default: /* or takes the place of what was there */
            memcpy(data + at, word, length < size - at ? length : size - at);
        }
    }
    return size;
}

/* A safetensors header that grew or shrank says so, or every such change would end at the first check. */
static void mend_length(uint8_t *data, size_t before, size_t after)
{
    uint64_t length = 0;

    if (before < 10 || data[8] != '{')
        return;
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)data[i] << 8 * i;
    length += after - before;
    for (int i = 0; i < 8; i++)
        data[i] = (uint8_t)(length >> 8 * i);
}

static void run_file(const char *path)
{
    enum { MOST = 1 << 22, ROOM = 64 };
    static uint8_t original[MOST], changed[MOST + ROOM];
    FILE *file = fopen(path, "rb");

    if (!file) {
        perror(path);
        exit(2);
    }
    const size_t size = fread(original, 1, MOST, file);
    fclose(file);
    run(original, size);
    for (long i = 0; i < mutations; i++) {
        uint64_t state = (uint64_t)i << 32 ^ size;
        memcpy(changed, original, size);
        const size_t length = mutate(changed, size, &state);
        if (i % 2)
            mend_length(changed, size, length);
        run(changed, length);
    }
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the folders of a corpus are */
static void run_path(const char *path)
{
    struct stat info;
    struct dirent **entries;

    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        run_file(path);
        return;
    }
    const int count = scandir(path, &entries, visible, alphasort);
    for (int i = 0; i < count; i++) {
        char *inside;
        CHECK(asprintf(&inside, "%s/%s", path, entries[i]->d_name) > 0);
        run_path(inside);
        free(inside);
        free(entries[i]);
    }
    free(entries);
}

int main(int count, char **arguments)
{
    int first = 1;

    if (count > 2 && strcmp(arguments[1], "--mutations") == 0) {
        mutations = atol(arguments[2]);
        first = 3;
    }
    if (first == count) {
        fprintf(stderr, "usage: replay [--mutations N] FILE|DIRECTORY...\n");
        return 2;
    }
    for (int i = first; i < count; i++)
        run_path(arguments[i]);
    printf("%ld inputs\n", runs);
    return runs == 0;
}
