/* eval.c - cae eval: how well a model does. */
#include "output.h"
#include "quality.h"
#include "setup.h"

#include "../trainer/message.h"
#include "../trainer/progress.h"

#include <inttypes.h>
#include <string.h>

static const struct argument arguments[] = {
    ROW_MODEL("what `cae train` saved"),
    {"data", "PATH", ARGUMENT_NAME, FIELD(data), "a directory or a .npy", 0, 0,
     "CIFAR-10, a folder of pictures or a .npy (the built-in images)", NULL},
    {"sigma", "X", ARGUMENT_FROM, FIELD(sigma), "a number from 0 to 1000", 0, 1000,
     "standard deviation of the noise (that of the training, else 0)", NULL},
    ROW_CROP,
    ROW_LIMIT("use the first N images only (all)"),
    ROW_SCALE,
    ROW_THREADS,
    {"quiet", NULL, ARGUMENT_FLAG, FIELD(quiet), NULL, 0, 0, "do not name files that are left out", NULL},
    ROW_JSON,
    ROW_HELP,
};

/* --- What others share ----------------------------------------------------------------------- */

bool quality_measure(cae_evaluation *quality, const struct call *call, const cae_model *model,
                     const struct data *data, double sigma)
{
    cae_evaluation_options options;
    cae_status status;

    cae_evaluation_options_init(&options, sizeof options);
    options.noise_sigma = sigma;
    cae_evaluation_init(quality, sizeof *quality);
    status = cae_model_evaluate(quality, model, NULL, data->dataset, &options);
    return !status || fail_status(call->context, status, "cannot evaluate the model");
}

static void print_row(const char *name, double psnr, double ssim, double ssim_uniform7)
{
    printf("%-12s %8.2f %8.4f %9.4f\n", name, psnr, ssim, ssim_uniform7);
}

void quality_print(const cae_evaluation *e, const struct data *data, double sigma)
{
    char text[REAL_TEXT];

    printf("%" PRId64 " images of %s, noise of sigma %s\n", e->images, data->kind,
           format_real(text, sigma));
    printf("%-12s %8s %8s %9s\n", "", "PSNR dB", "SSIM", "SSIM 7x7");
    if (sigma > 0)
        print_row("noisy input", e->noisy_psnr, e->noisy_ssim, e->noisy_ssim_uniform7);
    print_row("output", e->psnr, e->ssim, e->ssim_uniform7);
}

static json_t *real_if(bool known, double value)
{
    return known ? output_real(value) : json_null();
}

json_t *quality_describe(const cae_evaluation *e, double sigma)
{
    const bool noisy = sigma > 0;

    return json_pack("{s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "test_images", (json_int_t)e->images,
                     "sigma", sigma,
                     "test_mse", output_real(e->mse),
                     "psnr_db", output_real(e->psnr),
                     "psnr_of_mean_mse_db", output_real(e->psnr_global),
                     "ssim", output_real(e->ssim),
                     "ssim_uniform7", output_real(e->ssim_uniform7),
                     "noisy_mse", real_if(noisy, e->noisy_mse),
                     "noisy_psnr_db", real_if(noisy, e->noisy_psnr),
                     "noisy_ssim", real_if(noisy, e->noisy_ssim),
                     "noisy_ssim_uniform7", real_if(noisy, e->noisy_ssim_uniform7));
}

/* --- cae eval -------------------------------------------------------------------------------- */

/* What the model was trained with, if its note says so. */
static double sigma_of(const cae_model *model)
{
    json_t *note = json_loads(cae_model_note(model), 0, NULL);
    const double sigma = json_number_value(json_object_get(note, "sigma"));

    json_decref(note);
    return sigma > 0 && sigma <= 1000 ? sigma : 0;
}

static bool report(const struct call *call, const cae_evaluation *quality, const struct data *data,
                   double sigma, double seconds)
{
    json_t *all = json_pack("{s:s, s:o, s:s, s:f, s:i}", "command", "eval",
                            "model", output_text(call->settings.model), "dataset", data->kind,
                            "seconds", seconds,
                            "threads", (int)cae_context_threads(call->context));
    json_t *figures = quality_describe(quality, sigma);

    if (all && figures)
        json_object_update(all, figures);
    json_decref(figures);
    return output_report(all, false);
}

static bool evaluate(const struct call *call, const struct data *data)
{
    const double sigma = call->settings.sigma >= 0 ? call->settings.sigma : sigma_of(call->model);
    const double before = seconds_now();
    cae_evaluation quality;

    if (!quality_measure(&quality, call, call->model, data, sigma))
        return false;
    if (call->settings.json)
        return report(call, &quality, data, sigma, seconds_now() - before);
    quality_print(&quality, data, sigma);
    return true;
}

static int run(struct call *call)
{
    struct data data = {0};
    int64_t size[2];
    int32_t channels = 0;
    int code = EXIT_FAILED;

    if (!parse_extents(size, "crop", call->settings.crop))
        return EXIT_USAGE;
    if (!call->settings.model) {
        fail("--model: expected a model file, found nothing");
        return EXIT_USAGE;
    }
    if (open_model(call)) {
        cae_model_channels(&channels, NULL, call->model, NULL, CAE_PART_WHOLE);
        if (data_open(&data, call, CAE_SPLIT_TEST, channels) && evaluate(call, &data))
            code = EXIT_DONE;
    }
    data_close(&data);
    return code;
}

const struct command command_eval = {
    .name = "eval",
    .summary = "measure how well a model does on images",
    .synopsis = "--model FILE [--data PATH] [OPTION]...",
    .least = 0, .most = 0, .files = "options only",
    .arguments = arguments, .argument_count = COUNT(arguments),
    .defaults = {.sigma = -1, .crop = "64", .limit = -1},
    .description =
        "DESCRIPTION\n"
        "  Adds Gaussian noise to images, runs the model, and compares what comes out with the clean\n"
        "  images: PSNR and SSIM, means over the images, of the noisy input and of the output. SSIM is\n"
        "  that of Wang et al. 2004 and, as `SSIM 7x7`, scikit-image's default. The noise is the same\n"
        "  every time.\n"
        "\n"
        "  --data is a directory in CIFAR-10's binary format (its test images), another directory,\n"
        "  from whose pictures parts are cut out, or a .npy, [count][channels][height][width] or\n"
        "  [count][height][width][channels].\n"
        "\n"
        "EXIT STATUS\n"
        "  0 done, 1 failed, 2 wrong usage.\n"
        "\n"
        "EXAMPLES\n"
        "  cae eval --model denoiser.safetensors --data cifar-10-batches-bin --sigma 0.1\n"
        "  cae eval --model denoiser.safetensors --data photos --crop 128 --json\n",
    .run = run,
};
