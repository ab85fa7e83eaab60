/* events.c - files that TensorBoard reads. */
#include "events.h"

#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAMES = 100 };

/* --- Protocol buffers: a field is a key, number << 3 | kind, and a value --------------------- */

enum kind { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

/* Messages and the numbers of their fields, as in event.proto and summary.proto. */
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5,
       EVENT_SESSION_LOG = 7 };
enum { SUMMARY_VALUE = 1 };
enum { VALUE_TAG = 1, VALUE_SIMPLE_VALUE = 2, VALUE_IMAGE = 4 };
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH = 2, IMAGE_COLORSPACE = 3, IMAGE_ENCODED = 4, RGB = 3 };
enum { SESSION_LOG_STATUS = 1, START = 1 };

static bool little_endian(struct bytes *to, uint64_t value, size_t size)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
    return bytes_add(to, bytes, size);
}

static bool varint(struct bytes *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        if (!little_endian(to, (value & 0x7f) | 0x80, 1))
            return false;
    return little_endian(to, value, 1);
}

static bool key(struct bytes *to, int field, enum kind kind)
{
    return varint(to, (uint64_t)field << 3 | kind);
}

static bool add_varint(struct bytes *to, int field, uint64_t value)
{
    return key(to, field, VARINT) && varint(to, value);
}

static bool add_double(struct bytes *to, int field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return key(to, field, FIXED64) && little_endian(to, bits, sizeof bits);
}

static bool add_float(struct bytes *to, int field, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return key(to, field, FIXED32) && little_endian(to, bits, sizeof bits);
}

/* Texts, bytes, and messages inside of messages. */
static bool add_bytes(struct bytes *to, int field, const void *data, size_t size)
{
    return key(to, field, LENGTH) && varint(to, size) && bytes_add(to, data, size);
}

/* --- Records: length, its checksum, data, its checksum ---------------------------------------- */

/* CRC-32C (Castagnoli; RFC 3720), bits reflected. */
static uint32_t crc32c(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78 & (0 - (crc & 1)));
    }
    return ~crc;
}

/* TFRecord masks its checksums, for data that holds checksums itself. */
static uint32_t masked_crc(const void *data, size_t size)
{
    const uint32_t crc = crc32c(data, size);

    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static bool add_record(struct bytes *records, const struct bytes *event)
{
    const size_t start = records->size;

    return little_endian(records, event->size, 8) &&
           little_endian(records, masked_crc(records->data + start, 8), 4) &&
           bytes_add(records, event->data, event->size) &&
           little_endian(records, masked_crc(event->data, event->size), 4);
}

/* --- Events ----------------------------------------------------------------------------------- */

static void note(struct events *events, bool good)
{
    events->failed = events->failed || !good;
}

static double wall_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void events_begin(struct events *events, int64_t step)
{
    if (!events->path)
        return;
    events->event.size = 0;
    note(events, add_double(&events->event, EVENT_WALL_TIME, wall_time()) &&
                 (!step || add_varint(&events->event, EVENT_STEP, (uint64_t)step)));
}

/* The lengths of messages come before them, so they are composed from the inside. Values may come
 * in summaries of one each: what is there more than once is put together. */
static bool add_value(struct bytes *event, const char *tag, const struct bytes *rest)
{
    struct bytes value = {0}, summary = {0};
    const bool good = add_bytes(&value, VALUE_TAG, tag, strlen(tag)) &&
                      bytes_add(&value, rest->data, rest->size) &&
                      add_bytes(&summary, SUMMARY_VALUE, value.data, value.size) &&
                      add_bytes(event, EVENT_SUMMARY, summary.data, summary.size);

    bytes_free(&value);
    bytes_free(&summary);
    return good;
}

void events_scalar(struct events *events, const char *tag, double value)
{
    struct bytes rest = {0};

    if (!events->path)
        return;
    note(events, add_float(&rest, VALUE_SIMPLE_VALUE, (float)value) &&
                 add_value(&events->event, tag, &rest));
    bytes_free(&rest);
}

void events_png(struct events *events, const char *tag, const struct bytes *png, int32_t height,
                int32_t width)
{
    struct bytes image = {0}, rest = {0};

    if (!events->path)
        return;
    note(events, add_varint(&image, IMAGE_HEIGHT, (uint64_t)height) &&
                 add_varint(&image, IMAGE_WIDTH, (uint64_t)width) &&
                 add_varint(&image, IMAGE_COLORSPACE, RGB) &&
                 add_bytes(&image, IMAGE_ENCODED, png->data, png->size) &&
                 add_bytes(&rest, VALUE_IMAGE, image.data, image.size) &&
                 add_value(&events->event, tag, &rest));
    bytes_free(&image);
    bytes_free(&rest);
}

void events_end(struct events *events)
{
    if (!events->path)
        return;
    note(events, add_record(&events->records, &events->event));
}

void events_restart(struct events *events, int64_t step)
{
    struct bytes log = {0};

    if (!events->path)
        return;
    events_begin(events, step);
    note(events, add_varint(&log, SESSION_LOG_STATUS, START) &&
                 add_bytes(&events->event, EVENT_SESSION_LOG, log.data, log.size));
    events_end(events);
    bytes_free(&log);
}

/* --- The file --------------------------------------------------------------------------------- */

/* The first event of every file. */
static void say_version(struct events *events)
{
    static const char version[] = "brain.Event:2";

    events_begin(events, 0);
    note(events, add_bytes(&events->event, EVENT_FILE_VERSION, version, strlen(version)));
    events_end(events);
}

/* events.out.tfevents.<seconds>.<host>, with a number where two begin in the same second. */
static char *name_in(const char *directory, int number)
{
    char host[256] = "localhost", name[320], suffix[16] = "";

    gethostname(host, sizeof host - 1);
    for (char *slash = strchr(host, '/'); slash; slash = strchr(slash, '/'))
        *slash = '_';
    if (number)
        snprintf(suffix, sizeof suffix, ".%d", number);
    snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s%s", (long long)time(NULL), host,
             suffix);
    return path_join(directory, name);
}

static bool create(struct events *events, const char *directory)
{
    for (int number = 0; number < NAMES; number++) {
        free(events->path);
        events->path = name_in(directory, number);
        if (!events->path)
            return fail("out of memory");
        if (file_create(events->path))
            return true;
        if (errno != EEXIST)
            break;
    }
    return fail("cannot write %s: %s", events->path, strerror(errno));
}

bool events_open(struct events *events, const char *directory)
{
    if (!create(events, directory))
        return false;
    say_version(events);
    return events_flush(events);
}

bool events_flush(struct events *events)
{
    if (!events->path || (!events->records.size && !events->failed))
        return true;
    if (events->failed)
        return fail("out of memory for %s", events->path);
    if (!file_append(events->path, events->records.data, events->records.size))
        return false;
    events->records.size = 0;
    return true;
}

void events_close(struct events *events)
{
    free(events->path);
    bytes_free(&events->records);
    bytes_free(&events->event);
    *events = (struct events){0};
}
