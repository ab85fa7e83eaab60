/* contract.cpp - the binding does what the C program of the contract does, to the bit; its errors,
 * callbacks and handles behave.
 *
 * contract CONTRACT SCRATCH: reads what the C program wrote to the first directory, writes to the
 * second. */
#include "tap.hpp"
#include <cae/cae.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>
#if __has_include(<span>) && __cplusplus >= 202002L
#include <span>
#endif

using tap::ok;
using tap::throws;

namespace {

constexpr int count = 320;
constexpr cae::image_shape shape{3, 32, 32};
constexpr std::size_t pixels = shape.elements();
constexpr std::uint64_t seed = 7;

std::string contract_dir, scratch_dir;

std::vector<std::uint8_t> read_file(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/* expected.txt: "name value" lines, with digits enough for the exact double. */
std::map<std::string, std::string> read_expected()
{
    std::ifstream file(contract_dir + "/expected.txt");
    std::map<std::string, std::string> values;
    for (std::string name, value; file >> name >> value;)
        values[name] = value;
    return values;
}

bool same(double found, const std::string &expected)
{
    const bool equal = found == std::strtod(expected.c_str(), nullptr);
    if (!equal)
        std::printf("# found %.17g, expected %s\n", found, expected.c_str());
    return equal;
}

cae::model build(cae::context &context)
{
    const auto relu = cae::conv_options().relu();
    cae::spec spec(context);
    spec.conv(3, 8, relu)
        .conv(8, 8, relu)
        .end_encoder()
        .conv_transpose(8, 8, relu)
        .conv_transpose(8, 3);
    return cae::model(context, spec, seed);
}

cae::trainer_options training()
{
    return cae::trainer_options().batch(16).seed(seed).noise_sigma(0.1);
}

/* A model at work on the contract's images; every check that trains has one of its own. */
struct bench {
    cae::context context;
    std::vector<std::uint8_t> images = read_file(contract_dir + "/images.u8");
    cae::model model = build(context);
    cae::dataset data = cae::dataset::copy(context, images, count, shape);
    cae::optimizer adam{model};
    cae::trainer trainer{model, adam, data, training()};

    std::vector<std::byte> bytes() const
    {
        std::vector<std::byte> file(model.saved_size());
        model.save_memory(file);
        return file;
    }
};

bool equals_file(cae::span<const std::byte> bytes, const std::string &path)
{
    const auto file = read_file(path);
    return bytes.size() == file.size() && !std::memcmp(bytes.data(), file.data(), file.size());
}

void version()
{
    std::printf("# libcae %s\n", cae::version());
    ok(std::strncmp(cae::version(), "1.", 2) == 0 && cae::version_number() >= 0x010100 &&
           cae::abi_version() == CAE_ABI_VERSION,
       "version");
    const std::string info = cae::build_info();
    std::printf("# %s\n", info.c_str());
    ok(info.rfind("libcae 1.", 0) == 0 && info.back() != '\0', "build info");
    cae::check_library();
    ok(true, "check_library accepts this library");
}

void contexts()
{
    std::string heard;
    auto logger = [&heard](cae::log_level level, std::string_view text) {
        heard += level == cae::log_level::warning ? "warning: " : "info: ";
        heard += text;
        throw std::runtime_error("dropped");
    };
    auto options = cae::context_options().threads(2).cpu(cae::cpu::baseline).log(logger);
    cae::context context(options);
    ok(context.threads() == 2 && context.cpu() == cae::cpu::baseline, "context: threads, cpu");
    context.set_threads(1);
    ok(context.threads() == 1, "context: set_threads");
    options.native().log(options.native().log_user, CAE_LOG_WARNING, "few threads");
    ok(heard == "warning: few threads", "context: log callback, whose exception is dropped");
    throws<cae::options_error>(
        "context: options_error before there is a context", [] {
            cae::context(cae::context_options().threads(-1));
        },
        [](const cae::error &e) { return e.status() == CAE_ERR_OPTIONS; });
}

void network()
{
    cae::context context;
    const cae::model model = build(context);
    std::string names;
    for (int i = 0; i < model.tensor_count(); i++)
        names += std::string(std::string_view(model.tensor_name(i))) + " ";
    ok(model.parameter_count() == 1611 && model.layer_count() == 4, "reference network by layers");
    ok(names == "0.weight 0.bias 2.weight 2.bias 4.weight 4.bias 6.weight 6.bias ", "tensor names");

    const auto weight = model.shape_of("6.weight");
    ok(weight.rank == 4 && weight.extents == std::array<std::int64_t, 4>{8, 3, 3, 3} &&
           weight.elements() == 216,
       "tensor shape");
    ok(model.output_shape(cae::part::encoder, 32, 32) == cae::image_shape{8, 28, 28} &&
           model.output_shape(cae::part::whole, 40, 50) == cae::image_shape{3, 40, 50},
       "output shapes");
    const auto decoder = model.channels(cae::part::decoder);
    ok(decoder.in == 8 && decoder.out == 3, "channels");

    const auto ready_made = cae::model::reference(context, seed);
    cae::spec spec(context);
    const cae::model from_spec(context, spec.reference(), seed);
    std::vector<float> a(216), b(216), c(216);
    model.get_tensor(a, "6.weight");
    ready_made.get_tensor(b, "6.weight");
    from_spec.get_tensor(c, "6.weight");
    ok(a == b && a == c, "the same as model::reference and spec::reference");

    cae::model changed = build(context);
    a[5] = 0.25f;
    changed.set_tensor("6.weight", a);
    changed.get_tensor(b, "6.weight");
    ok(a == b && a != c, "set_tensor");
    throws<cae::numeric_error>("set_tensor refuses what is not finite",
                               [&] {
                                   const std::vector<float> infinite(216, INFINITY);
                                   changed.set_tensor("6.weight", infinite);
                               },
                               [](const cae::error &e) { return e.status() == CAE_ERR_NUMERIC; });
    throws<cae::name_error>("name_error", [&] { model.get_tensor(b, "9.weight"); },
                            [](const cae::error &e) {
                                return e.status() == CAE_ERR_NAME &&
                                       std::strstr(e.what(), "9.weight");
                            });
    throws<cae::name_error>("tensor_name out of range", [&] { model.tensor_name(8); },
                            [](const cae::error &) { return true; });
}

void residual()
{
    auto expected = read_expected();
    bench b;
    cae::spec spec(b.context);
    spec.reference().residual();
    cae::model model(b.context, spec, seed);
    ok(model.residual() && !b.model.residual(), "a residual connection");
    cae::optimizer adam{model};
    cae::trainer trainer{model, adam, b.data,
                         training().charbonnier(0.01).noise_sigma(0.05, 0.2).average_decay(0.9).augment(
                             cae::augment::mirror | cae::augment::flip | cae::augment::transpose)};
    cae::progress now{};
    for (int step = 0; step < 20; step++)
        now = trainer.step();
    ok(same(now.loss, expected["residual_loss"]), "loss of step 20 with all that can be drawn");
    const cae::model average = trainer.average();
    trainer.close();
    std::vector<std::byte> file(average.saved_size());
    average.save_memory(file);
    ok(average.residual() && equals_file(file, contract_dir + "/average.safetensors"),
       "the moving average, byte for byte");
}

void contract()
{
    auto expected = read_expected();
    bench b;
    cae::progress now{};
    for (int step = 0; step < 20; step++)
        now = b.trainer.step();
    ok(now.step == 20 && now.epoch == 1 && now.epoch_done && same(now.loss, expected["loss"]),
       "loss of step 20");
    ok(b.trainer.steps_per_epoch() == 20 && b.trainer.progress().loss == now.loss, "progress");

    const auto noisy = cae::evaluation_options().noise_sigma(0.1);
    const auto is_expected = [&](const cae::evaluation &e) {
        return e.images == count && same(e.mse, expected["mse"]) &&
               same(e.psnr, expected["psnr"]) && same(e.ssim, expected["ssim"]);
    };
    ok(is_expected(b.model.evaluate(b.data, noisy)), "mse, psnr, ssim");

    const std::string path = scratch_dir + "/model.safetensors";
    b.model.save(path);
    ok(equals_file(b.bytes(), path) &&
           equals_file(b.bytes(), contract_dir + "/model.safetensors"),
       "save, save_memory: the contract's bytes");
    b.model.export_onnx(scratch_dir + "/model.onnx");
    std::vector<std::byte> onnx(b.model.onnx_size());
    ok(b.model.export_onnx_memory(onnx) == onnx.size() &&
           equals_file(onnx, scratch_dir + "/model.onnx") &&
           equals_file(onnx, contract_dir + "/model.onnx"),
       "export_onnx, export_onnx_memory: the contract's bytes");
    ok(b.model.onnx_size(cae::part::encoder) < onnx.size(), "export of a part");

    const auto loaded = cae::model::load(b.context, path);
    ok(is_expected(loaded.evaluate(b.data, noisy)), "load, evaluate");
    const auto file = b.bytes();
    cae::model::load_memory(b.context, file).save(scratch_dir + "/from-memory.safetensors");
    ok(equals_file(file, scratch_dir + "/from-memory.safetensors"), "load_memory");
    auto filled = cae::model::reference(b.context, 1);
    filled.load_weights(path);
    filled.save(scratch_dir + "/filled.safetensors");
    ok(equals_file(file, scratch_dir + "/filled.safetensors"), "load_weights");

    std::vector<float> x(pixels), y(pixels), z(pixels), latent(8 * 28 * 28);
    b.data.get(x, 0);
    loaded.forward(y, x, 1, 32, 32);
    ok(y[0] == std::strtof(expected["first"].c_str(), nullptr), "forward: the first value");
    loaded.encode(latent, x, 1, 32, 32);
    loaded.decode(z, latent, 1, 28, 28);
    ok(y == z, "decode(encode(x)) == forward(x)");

    std::vector<float> other(pixels), whole(pixels);
    const auto few = b.data.slice(0, 8);
    double psnr = 0;
    std::thread([&] { // the model's own context stays with the thread it belongs to
        try {
            cae::context own;
            loaded.encode(own, latent, x, 1, 32, 32);
            loaded.decode(own, other, latent, 1, 28, 28);
            loaded.forward(own, whole, x, 1, 32, 32);
            psnr = loaded.evaluate(own, few).psnr;
        } catch (const cae::error &) {
        }
    }).join();
    ok(other == y && whole == y && psnr == loaded.evaluate(few).psnr,
       "another thread lends its own context");
#if __has_include(<span>) && __cplusplus >= 202002L
    std::vector<float> w(pixels);
    loaded.forward(std::span<float>(w), std::span<const float>(x), 1, 32, 32);
    ok(w == y, "std::span is as good");
#endif
}

void datasets()
{
    cae::context context;
    const auto leaves = cae::dataset::dead_leaves(context, 10, {3, 16, 20}, 1);
    ok(leaves.count() == 10 && leaves.shape() == cae::image_shape{3, 16, 20} && leaves.range() == 2,
       "dead leaves");

    const std::size_t size = leaves.shape().elements();
    std::vector<float> a(size), b(size);
    cae::dataset slice = leaves.slice(4, 3);
    leaves.get(a, 5);
    slice.get(b, 1);
    ok(slice.count() == 3 && a == b, "slice");

    std::vector<std::uint8_t> bytes{0, 255, 51, 102}; // two pixels of two channels
    const auto nhwc = cae::dataset::copy(
        context, bytes, 1, {2, 1, 2},
        cae::dataset_options().layout(cae::layout::nhwc).scale(cae::scale::unit));
    std::vector<float> four(4);
    nhwc.get(four, 0);
    ok(nhwc.range() == 1 && four == std::vector<float>{0, 51 / 255.f, 1, 102 / 255.f},
       "bytes, NHWC, unit scale");

    std::vector<float> mine(2 * 12, 0.5f), seen(12);
    const auto borrowed = cae::dataset::borrow(context, mine, 2, {3, 2, 2});
    const auto copied = cae::dataset::copy(context, mine, 2, {3, 2, 2});
    mine[12] = -1;
    borrowed.get(seen, 1);
    const bool sees = seen[0] == -1;
    copied.get(seen, 1);
    ok(sees && seen[0] == 0.5f, "borrow sees the caller's memory, copy does not");

    bytes[1] = 0;
    const auto looks = cae::dataset::borrow(context, bytes, 1, {1, 2, 2});
    bytes[1] = 255;
    looks.get(four, 0);
    ok(four[1] == 1, "borrow, of bytes");

    {
        std::ofstream record(scratch_dir + "/test_batch.bin", std::ios::binary);
        record << std::string(1, '\3') + std::string(3072, '\377');
    }
    const auto cifar = cae::dataset::cifar10(context, scratch_dir, cae::split::test);
    std::vector<float> image(3072);
    cifar.get(image, 0);
    ok(cifar.count() == 1 && image == std::vector<float>(3072, 1.f), "cifar10");

    auto noise = a;
    cae::add_noise(noise, 0.1, 1, cae::evaluation_visit, 5);
    auto again = a;
    cae::add_noise(again, 0.1, 1, cae::evaluation_visit, 5);
    ok(noise != a && noise == again, "add_noise");
    const double error = cae::mse(a, noise);
    ok(std::fabs(cae::psnr(a, noise, 2) - 10 * std::log10(4 / error)) < 1e-12 &&
           std::isinf(cae::psnr(a, a, 2)),
       "mse, psnr");
    ok(cae::ssim(context, a, a, leaves.shape(), 2) == 1 &&
           cae::ssim(context, a, noise, leaves.shape(), 2, cae::ssim_kind::uniform7) < 1,
       "ssim");
}

void errors()
{
    cae::context context;
    throws<cae::shape_error>(
        "shape_error: a layer that does not fit",
        [&] { cae::spec(context).conv(3, 8).conv(4, 8, cae::conv_options().relu()); },
        [](const cae::error &e) {
            return e.status() == CAE_ERR_SHAPE && std::strstr(e.what(), "4") &&
                   std::strstr(e.what(), "8");
        });
    throws<cae::io_error>(
        "io_error: a missing file",
        [&] { cae::model::load(context, scratch_dir + "/missing.safetensors"); },
        [](const cae::error &e) {
            return e.status() == CAE_ERR_IO && std::strstr(e.what(), "missing.safetensors");
        });
    const std::string garbage = scratch_dir + "/garbage.safetensors";
    std::ofstream(garbage, std::ios::binary) << std::string(1000, 'x');
    throws<cae::format_error>("format_error: a file of garbage",
                              [&] { cae::model::load(context, garbage); },
                              [](const cae::error &e) {
                                  return e.status() == CAE_ERR_FORMAT && *e.what() &&
                                         e.what() != std::string(cae_status_string(e.status()));
                              });
    throws<cae::options_error>(
        "options_error: a batch of 0",
        [&] {
            auto model = build(context);
            cae::optimizer adam(model);
            cae::trainer(model, adam, cae::dataset::dead_leaves(context, 4, shape, 1),
                         cae::trainer_options().batch(0));
        },
        [](const cae::error &e) {
            return e.status() == CAE_ERR_OPTIONS && std::strstr(e.what(), "batch");
        });
    throws<cae::shape_error>("shape_error: arrays of two sizes",
                             [] {
                                 const float a[2] = {}, b[3] = {};
                                 cae::mse(a, b);
                             },
                             [](const cae::error &e) { return e.status() == CAE_ERR_SHAPE; });
    const auto model = build(context);
    throws<cae::argument_error>(
        "argument_error: a buffer too short", [&] { model.save_memory({}); },
        [](const cae::error &e) { return e.status() == CAE_ERR_ARGUMENT; });
    cae::context lent;
    throws<cae::error>("the text comes from the context that was lent",
                       [&] { model.forward(lent, {}, {}, 1, 2, 2); },
                       [&](const cae::error &e) {
                           return std::string(e.what()).find("layer 0") == 0 &&
                                  !std::strcmp(e.what(), cae_context_error(lent.native_handle()));
                       });
}

void callbacks()
{
    bench b, plain;
    int calls = 0;
    const auto stopped = b.trainer.epoch([&](const cae::progress &) { return ++calls < 3; });
    ok(stopped.stopped && calls == 3 && stopped.step == 3, "a callback stops after 3 steps");

    struct own_exception {
        int value;
    };
    int arrived = 0;
    try {
        b.trainer.epoch([](const cae::progress &now) {
            if (now.step == 5)
                throw own_exception{42};
        });
    } catch (const own_exception &caught) {
        arrived = caught.value;
    }
    ok(arrived == 42 && b.trainer.progress().step == 5, "what a callback throws arrives");
    ok(b.trainer.step().step == 6, "the trainer takes a step afterwards");

    const auto finished = b.trainer.epoch([&](const cae::progress &) { calls++; });
    ok(!finished.stopped && finished.epoch_done && finished.step == 20 && calls == 17,
       "a callback that returns nothing goes on");
    plain.trainer.epoch();
    ok(b.bytes() == plain.bytes(), "the model is as after an epoch without a break");
}

/* A handle that counts how often it is given back: an int stands for the C handle. */
int given_back = 0;

void give_back(int *raw) { given_back += raw != nullptr; }

struct counted : cae::detail::handle<int, give_back> {
    counted(int &raw, cae_context *context) : handle(context) { raw_ = &raw; }
};

void ownership()
{
    cae::context context;
    int one = 1, two = 2;
    {
        counted a(one, nullptr), b(two, context.native_handle());
        counted &self = a;
        a = std::move(self);
        ok(given_back == 0 && a.native_handle() == &one, "moving onto itself changes nothing");
        a = std::move(b);
        ok(given_back == 1 && a.native_handle() == &two && !b, "assignment gives the old one back");
        ok(a.native_context() == context.native_handle() && !b.native_context(),
           "the context goes with the handle");
        counted c(std::move(a));
        c.close();
        c.close();
        ok(given_back == 2 && !c, "closing twice gives back once");
        counted d(one, nullptr);
    }
    ok(given_back == 3, "a destructor gives back, an empty one does not");
}

void handles()
{
    bench b;
    cae::model moved = std::move(b.model);
    ok(moved && !b.model, "moving leaves an empty handle");
    throws<cae::argument_error>("use after a move",
                                [&] { b.model.parameter_count(); }, // NOLINT: that is the check
                                [](const cae::error &e) { return e.status() == CAE_ERR_ARGUMENT; });
    b.context.close();
    moved.close();
    b.data.close();
    b.adam.close();
    ok(b.trainer.step().step == 1, "the trainer lives on without what it was made from");
    throws<cae::name_error>("and so does the context's error text",
                            [&] {
                                float none = 0;
                                b.trainer.get_gradient({&none, 1}, "no.such");
                            },
                            [](const cae::error &e) { return std::strstr(e.what(), "no.such"); });
    b.trainer.close();
    b.trainer.close();
    ok(!b.trainer, "closing twice is harmless");
    throws<cae::argument_error>(
        "use after close", [&] { b.trainer.step(); },
        [](const cae::error &e) { return std::strstr(e.what(), "closed"); });
    throws<cae::argument_error>("a closed handle as an argument",
                                [&] { cae::spec(b.context).conv(3, 8); },
                                [](const cae::error &) { return true; });
    bench fresh;
    b.trainer = std::move(fresh.trainer);
    ok(b.trainer.step().step == 1, "a closed handle may be assigned to");
}

void checkpoints()
{
    const std::string path = scratch_dir + "/checkpoint.safetensors";
    bench whole, first, second;
    for (int step = 0; step < 12; step++)
        whole.trainer.step();
    for (int step = 0; step < 5; step++)
        first.trainer.step();
    first.trainer.save(path);
    second.model.load_weights(path); // a checkpoint is a model file, too
    second.trainer.resume(path);
    ok(second.trainer.progress().step == 5 && second.bytes() == first.bytes(), "save and resume");
    for (int step = 5; step < 12; step++)
        second.trainer.step();
    ok(second.bytes() == whole.bytes(), "resumed: the bits of an uninterrupted training");

    std::vector<float> a(8), b(8);
    whole.trainer.get_gradient(a, "0.bias");
    second.trainer.get_gradient(b, "0.bias");
    ok(a == b && a != std::vector<float>(8), "gradients");
}

/* What has no effect that is easily seen is looked up in the C struct. */
void setters()
{
    const auto o = cae::optimizer_options().betas(0.5, 0.25).epsilon(1e-4).weight_decay(0.125);
    ok(o.native().beta1 == 0.5 && o.native().beta2 == 0.25 && o.native().epsilon == 1e-4 &&
           o.native().weight_decay == 0.125 && o.native().learning_rate == 1e-3,
       "optimizer setters");
    const auto t = cae::trainer_options().huber(0.5).shuffle(false).clip_norm(3);
    auto stepped = t;
    stepped.step_schedule(7, 0.5);
    auto cosine = t;
    cosine.cosine_schedule(9, 0.25);
    ok(t.native().loss == CAE_LOSS_HUBER && t.native().huber_delta == 0.5 &&
           t.native().shuffle == 0 && t.native().clip_norm == 3 && t.native().batch == 64 &&
           stepped.native().schedule == CAE_SCHEDULE_STEP && stepped.native().decay_steps == 7 &&
           stepped.native().decay_factor == 0.5 &&
           cosine.native().schedule == CAE_SCHEDULE_COSINE && cosine.native().decay_steps == 9 &&
           cosine.native().final_fraction == 0.25,
       "trainer setters");
    const auto c = cae::conv_options().dilation(2, 3).sigmoid();
    ok(c.native().dilation_h == 2 && c.native().dilation_w == 3 &&
           c.native().activation == CAE_ACTIVATION_SIGMOID && c.native().kernel_h == 3,
       "convolution setters");
    ok(cae::context_options().engine(cae::engine::direct).native().engine == CAE_ENGINE_DIRECT,
       "context setters");
    ok(cae::evaluation_options().noise_seed(9).native().noise_seed == 9, "evaluation setters");
}

void options()
{
    bench b;
    cae::optimizer sgd(b.model, cae::optimizer_options()
                                    .kind(cae::optimizer_kind::sgd)
                                    .learning_rate(0.01)
                                    .momentum(0.9)
                                    .nesterov(true));
    ok(sgd.learning_rate() == 0.01, "optimizer options");
    sgd.set_learning_rate(0.5);
    cae::trainer trainer(b.model, sgd, b.data,
                         training().warmup_steps(2).cosine_schedule(20).huber(0.5).clip_norm(1));
    ok(trainer.step().learning_rate == 0.25, "learning rate, warm-up");

    const auto conv =
        cae::conv_options().kernel(5, 3).stride(2).padding(2, 1).bias(false).leaky_relu(0.2);
    auto adjoint = conv;
    adjoint.output_padding(1);
    cae::spec spec(b.context);
    spec.conv(1, 4, conv).end_encoder().conv_transpose(4, 1, adjoint);
    const cae::model strided(b.context, spec, 1);
    ok(strided.output_shape(cae::part::encoder, 8, 8) == cae::image_shape{4, 4, 4} &&
           strided.output_shape(cae::part::whole, 8, 8) == cae::image_shape{1, 8, 8} &&
           strided.tensor_count() == 2 && conv.native().slope == 0.2,
       "convolution options");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        return std::fprintf(stderr, "usage: contract CONTRACT SCRATCH\n"), 2;
    contract_dir = argv[1];
    scratch_dir = argv[2];
    tap::group("version", version);
    tap::group("contexts", contexts);
    tap::group("network", network);
    tap::group("contract", contract);
    tap::group("residual", residual);
    tap::group("datasets", datasets);
    tap::group("errors", errors);
    tap::group("callbacks", callbacks);
    tap::group("ownership", ownership);
    tap::group("handles", handles);
    tap::group("checkpoints", checkpoints);
    tap::group("setters", setters);
    tap::group("options", options);
    return tap::failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
