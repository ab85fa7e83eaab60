/* program.c - an outside project: one step of training and a picture, then the version. */
#include <cae/cae.h>
#include <stdio.h>

int main(void)
{
    static float images[64 * 1 * 12 * 12];
    cae_context *context = NULL;
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    cae_dataset *data = NULL;
    cae_optimizer *adam = NULL;
    cae_trainer *trainer = NULL;
    cae_array *picture = NULL;
    const int64_t shape[3] = {8, 8, 3};
    size_t size = 0;
    cae_dataset_options in_floats;
    cae_progress progress = {0};
    cae_status status;

    progress.size = sizeof progress;
    for (int i = 0; i < 64 * 12 * 12; i++)
        images[i] = (float)(i % 7) / 7;
    cae_dataset_options_init(&in_floats, sizeof in_floats);
    in_floats.type = CAE_TYPE_F32;
    status = cae_context_create(&context, NULL);
    if (!status) status = cae_spec_create(&spec, context);
    if (!status) status = cae_spec_add_conv(spec, 1, 40, NULL); /* wide and strided: through BLAS */
    if (!status) status = cae_spec_add_conv_transpose(spec, 40, 1, NULL);
    if (!status) status = cae_model_create(&model, context, spec, 1);
    if (!status) status = cae_dataset_create(&data, context, images, sizeof images, 64, 1, 12, 12,
                                             &in_floats);
    if (!status) status = cae_optimizer_create(&adam, model, NULL);
    if (!status) status = cae_trainer_create(&trainer, model, adam, data, NULL);
    if (!status) status = cae_trainer_step(&progress, trainer);
    if (!status) status = cae_array_create(&picture, context, CAE_TYPE_U8, shape, 3);
    for (int32_t format = CAE_FILE_NPY; format <= CAE_FILE_JPEG; format++) {
        if (!status) status = cae_array_write_memory(NULL, 0, &size, picture, format);
        if (status == CAE_ERR_UNSUPPORTED) status = CAE_OK; /* a build without these */
    }
    printf("libcae %s, %s: loss %g\n", cae_version_string(), cae_status_string(status),
           progress.loss);
    cae_array_destroy(picture);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(adam);
    cae_dataset_destroy(data);
    cae_model_destroy(model);
    cae_spec_destroy(spec);
    cae_context_destroy(context);
    return status != CAE_OK || progress.loss <= 0 || size == 0;
}
