/* note.c - what a model says of itself: a text that its files carry. */
#include <string.h>

#include "json.h"
#include "model_file.h"

#define MOST_BYTES 65536

/* How far it is UTF-8: all of it, or up to what is not. */
static size_t utf8_end(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        const int step = cae__utf8_length((const unsigned char *)text + at, length - at);
        if (step == 0)
            break;
        at += (size_t)step;
    }
    return at;
}

static cae_status check(const cae_context *context, const char *text, size_t length)
{
    if (length > MOST_BYTES)
        return cae__fail(context, CAE_ERR_ARGUMENT, "the note has %zu bytes, expected at most %d",
                         length, MOST_BYTES);
    const size_t end = utf8_end(text, length);
    if (end < length)
        return cae__fail(context, CAE_ERR_ARGUMENT, "the note is not UTF-8 at byte %zu", end);
    return CAE_OK;
}

cae_status cae_model_set_note(cae_model *model, const char *text)
{
    if (!model)
        return CAE_ERR_ARGUMENT;
    const cae_context *context = model->handle.context;
    const size_t length = text ? strlen(text) : 0;
    char *note = NULL;
    if (length > 0) {
        const cae_status status = check(context, text, length);
        if (status != CAE_OK)
            return status;
        note = cae__alloc(context, 1, length + 1);
        if (!note)
            return cae__fail_memory(context);
        memcpy(note, text, length + 1); /* `text` may be the note that is there */
    }
    cae__free(context, model->note);
    model->note = note;
    return CAE_OK;
}

const char *cae_model_note(const cae_model *model)
{
    return model && model->note ? model->note : "";
}

/* The text is UTF-8, as all of a header is. */
cae_status cae__note_read(cae_model *model, const struct cae__safetensors *file)
{
    const char *text = cae__safetensors_text(file, CAE__NOTE_KEY);
    const cae_status status = cae_model_set_note(model, text);
    return status == CAE_ERR_ARGUMENT ? CAE_ERR_FORMAT : status;
}
