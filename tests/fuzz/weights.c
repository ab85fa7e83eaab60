/* weights.c - bytes as a file of weights for a model that exists. Refused, the model is what it was. */
#include "fuzz.h"

#include <string.h>

#include "../../lib/network/network.h"

enum { PARAMETERS = 39 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cae_context *context = fuzz_begin();
    cae_model *model = fuzz_small_model(context, false);
    const char *path = fuzz_file("weights", data, size);
    float before[PARAMETERS];

    CHECK(model->parameter_count == PARAMETERS);
    memcpy(before, model->parameters, sizeof before);
    fuzz_mark();
    const cae_status status = cae_model_load_weights(model, path);
    fuzz_check_peak(size);
    fuzz_check_status(context, status);
    if (status == CAE_OK) {
        fuzz_check_filled(data, size, model);
        CHECK(cae__all_finite(model->parameters, PARAMETERS));
        fuzz_run_model(context, model, 5, 6);
    } else {
        CHECK(memcmp(before, model->parameters, sizeof before) == 0);
    }
    cae_model_destroy(model);
    fuzz_end(context);
    return 0;
}
