/* model.c - bytes as a model file. What loads must run, export, and save to a file that loads as the
 * same model. */
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cae_context *context = fuzz_begin();
    cae_model *model = FUZZ_JUNK, *again = NULL;

    const cae_status status = cae_model_load_memory(&model, context, data, size);
    fuzz_check_peak(size);
    fuzz_check_made(context, status, model);
    if (model) {
        fuzz_check_filled(data, size, model);
        struct fuzz_bytes first = fuzz_model_bytes(model), second;
        CHECK(cae_model_load_memory(&again, context, first.data, first.size) == CAE_OK);
        second = fuzz_model_bytes(again);
        fuzz_check_same(first, second);
        CHECK(strcmp(cae_model_note(model), cae_model_note(again)) == 0);
        fuzz_bytes_free(&first);
        fuzz_bytes_free(&second);
        fuzz_run_model(context, again, 8, 8);
        fuzz_run_model(context, again, (int)(size % 13) + 1, (int)(size % 7) + 1);
        fuzz_score_model(context, again, 8, 8);
        fuzz_export_model(context, again);
    }
    cae_model_destroy(model);
    cae_model_destroy(again);
    fuzz_end(context);
    return 0;
}
