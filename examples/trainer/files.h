/* files.h - files that appear whole or not at all. Every call says on stderr what went wrong. */
#ifndef TRAINER_FILES_H
#define TRAINER_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* A growing run of bytes, such as a file being composed. {0} is empty. */
struct bytes {
    char *data;
    size_t size, capacity;
};

/* False when there is no memory; what was there stays. */
bool bytes_add(struct bytes *bytes, const void *data, size_t size);
void bytes_free(struct bytes *bytes);

/* Replace `path` by these bytes: written to a sibling, synced, renamed. On failure the file that
 * was there is untouched. */
bool file_save(const char *path, const void *data, size_t size);

/* Add to the end of `path`, synced; on failure the file is cut back to what it was. */
bool file_append(const char *path, const void *data, size_t size);

/* Read all of `path`, with a zero byte after the last. A file that does not exist is empty. */
bool file_read(struct bytes *bytes, const char *path);

/* Make a directory and its parents, and see that files can be made in it. */
bool directory_make(const char *path);

/* directory/name, to be freed; NULL when there is no memory. */
char *path_join(const char *directory, const char *name);

#endif
