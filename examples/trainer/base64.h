/* base64.h - bytes as text (RFC 4648). */
#ifndef TRAINER_BASE64_H
#define TRAINER_BASE64_H

#include "files.h"

/* Add the text of `size` bytes to `text`, padded, in one line. False when there is no memory. */
bool base64_add(struct bytes *text, const void *data, size_t size);

#endif
