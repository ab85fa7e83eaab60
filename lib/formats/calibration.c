/* calibration.c - a model's threshold as JSON text, and back. */
#include "calibration.h"

#include <inttypes.h>
#include <string.h>

#define VERSION 1 /* of what is written */
#define MOST_IMAGES ((int64_t)1 << 53)
#define WHAT "threshold"

static const char *const kinds[] = {"mean", "peak"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

void cae__calibration_write(struct cae__text *text, const struct cae__calibration *c)
{
    uint64_t threshold, quantile;
    memcpy(&threshold, &c->threshold, sizeof threshold);
    memcpy(&quantile, &c->quantile, sizeof quantile);
    cae__text_add(text, "{\"version\":%d,\"threshold_bits\":\"%" PRIu64
                  "\",\"quantile_bits\":\"%" PRIu64 "\"", VERSION, threshold, quantile);
    cae__text_add(text, ",\"kind\":\"%s\",\"smoothing\":%d,\"images\":%" PRId64 "}",
                  kinds[c->kind], (int)c->smoothing, c->images);
}

static int32_t kind_of(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(name, kinds[i]) == 0)
            return i;
    return -1;
}

static bool read_double(double *value, const char *bits)
{
    uint64_t number;
    const bool is = cae__json_u64(&number, bits);
    memcpy(value, &number, sizeof number);
    return is;
}

static cae_status read_members(struct cae__calibration *c, const cae_context *context,
                               const struct cae__json *json)
{
    int64_t version, smoothing;
    const char *threshold, *quantile, *kind;
    const struct cae__json *early = cae__json_get(json, "version");
    if (json->kind != CAE__OBJECT)
        return cae__fail(context, CAE_ERR_FORMAT, WHAT ": not a JSON object");
    if (early && early->kind == CAE__INTEGER && early->integer > VERSION)
        return cae__fail(context, CAE_ERR_FORMAT,
                         "the threshold is of version %" PRId64 ", this library reads up to %d",
                         early->integer, VERSION);
    const struct cae__field fields[] = {
        {"version", CAE__FIELD_INTEGER, &version, false},
        {"threshold_bits", CAE__FIELD_TEXT, &threshold, false},
        {"quantile_bits", CAE__FIELD_TEXT, &quantile, false},
        {"kind", CAE__FIELD_TEXT, &kind, false},
        {"smoothing", CAE__FIELD_INTEGER, &smoothing, false},
        {"images", CAE__FIELD_INTEGER, &c->images, false},
    };
    const cae_status status =
        cae__json_fields(context, json, fields, sizeof fields / sizeof fields[0], WHAT);
    if (status != CAE_OK)
        return status;

    c->kind = kind_of(kind);
    if (c->kind < 0)
        return cae__fail(context, CAE_ERR_FORMAT,
                         WHAT ": kind \"%.32s\", expected \"mean\" or \"peak\"", kind);
    if (version != VERSION || !read_double(&c->threshold, threshold) ||
        !cae__is_not_negative(c->threshold) || !read_double(&c->quantile, quantile) ||
        !cae__is_share(c->quantile) || smoothing < 0 || smoothing > CAE__MOST_SMOOTHING ||
        c->images < 1 || c->images > MOST_IMAGES)
        return cae__fail(context, CAE_ERR_FORMAT, WHAT ": a number is out of range");
    c->smoothing = (int32_t)smoothing;
    return CAE_OK;
}

cae_status cae__calibration_read(struct cae__calibration *calibration, const cae_context *context,
                                 const char *text)
{
    struct cae__json_document json;
    cae_status status = cae__json_parse(&json, context, text, strlen(text), "the threshold");
    if (status != CAE_OK)
        return status;
    struct cae__calibration read = {0};
    status = read_members(&read, context, json.root);
    cae__json_close(&json);
    if (status == CAE_OK)
        *calibration = read;
    return status;
}
