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
 * was there is untouched. The directory must be locked. */
bool file_save(const char *path, const void *data, size_t size);

/* Make an empty file where there is none; errno says why not. */
bool file_create(const char *path);

/* Add to the end of `path`, synced; on failure the file is cut back to what it was. */
bool file_append(const char *path, const void *data, size_t size);

/* Remove what a run that was killed while it saved `path` has left. */
void file_tidy(const char *path);

bool file_rename(const char *from, const char *to);
void file_remove(const char *path);
/* Written to before the other was. False when one is not there. */
bool file_is_older(const char *path, const char *other);

/* Read all of `path`, with a zero byte after the last. A file that does not exist is empty. */
bool file_read(struct bytes *bytes, const char *path);

/* The first thing a program does. A file that is opened must not get the number of a standard stream
 * that is closed: what is printed would go into it. Reading from what writes only, and the other way
 * round, fails. And when whoever reads has gone, or a file gets longer than the process may make it
 * (ulimit -f), that is a write that fails, and no end of a training. */
bool streams_begin(void);

/* Make a directory and its parents, and see that files can be made in it. */
bool directory_make(const char *path);

/* Keep other runs out of a directory until directory_unlock. */
bool directory_lock(int *lock, const char *path);
void directory_unlock(int lock);

/* directory/name, to be freed; NULL when there is no memory. */
char *path_join(const char *directory, const char *name);

#endif
