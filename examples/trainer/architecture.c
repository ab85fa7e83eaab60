/* architecture.c - what layers a model has, as it tells itself when it is saved. */
#include "architecture.h"

#include "message.h"

#include <stdlib.h>
#include <string.h>

/* The model file as it would be on disk. */
static unsigned char *save(size_t *size, const cae_model *model)
{
    unsigned char *file = NULL;

    if (!cae_model_save_memory(NULL, 0, size, model))
        file = malloc(*size);
    if (file && cae_model_save_memory(file, *size, size, model)) {
        free(file);
        file = NULL;
    }
    return file;
}

/* A safetensors file begins with the length of its header, 8 bytes little-endian. */
static json_t *header_of(const unsigned char *file, size_t size)
{
    uint64_t length = 0;

    for (size_t i = 0; i < 8 && size >= 8; i++)
        length |= (uint64_t)file[i] << 8 * i;
    if (!length || length > size - 8)
        return NULL;
    return json_loadb((const char *)file + 8, (size_t)length, 0, NULL);
}

json_t *architecture_of(const cae_model *model)
{
    size_t size = 0;
    unsigned char *file = save(&size, model);
    json_t *header = file ? header_of(file, size) : NULL;
    const json_t *metadata = json_object_get(header, "__metadata__");
    const char *text = json_string_value(json_object_get(metadata, "libcae.architecture"));
    json_t *architecture = text ? json_loads(text, 0, NULL) : NULL;

    json_decref(header);
    free(file);
    if (!architecture)
        fail("cannot find out what layers the model has");
    return architecture;
}

int64_t architecture_number(const json_t *layer, const char *key)
{
    return json_integer_value(json_object_get(layer, key));
}

int64_t architecture_part(const json_t *layer, const char *key, size_t part)
{
    return json_integer_value(json_array_get(json_object_get(layer, key), part));
}

static bool is_transposed(const json_t *layer)
{
    const char *type = json_string_value(json_object_get(layer, "type"));

    return type && !strcmp(type, "conv_transpose");
}

/* The formulas of cae_spec_add_conv and cae_spec_add_conv_transpose. */
int64_t architecture_output(const json_t *layer, size_t axis, int64_t size)
{
    const int64_t reach = architecture_part(layer, "dilation", axis) *
                          (architecture_part(layer, "kernel", axis) - 1);
    const int64_t stride = architecture_part(layer, "stride", axis);
    const int64_t padding = 2 * architecture_part(layer, "padding", axis);

    if (is_transposed(layer))
        return (size - 1) * stride - padding + reach +
               architecture_part(layer, "output_padding", axis) + 1;
    return stride > 0 ? (size + padding - reach - 1) / stride + 1 : 0;
}

int64_t architecture_parameters(const json_t *layer)
{
    const int64_t in = architecture_number(layer, "in"), out = architecture_number(layer, "out");
    const int64_t taps = architecture_part(layer, "kernel", 0) *
                         architecture_part(layer, "kernel", 1);

    return in * out * taps + (json_is_true(json_object_get(layer, "bias")) ? out : 0);
}
