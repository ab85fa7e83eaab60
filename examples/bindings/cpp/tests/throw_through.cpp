/* throw_through.cpp - the C header's promise to C++: a callback of cae_trainer_epoch may leave by
 * an exception that flies through the library uncaught. The binding itself does not rely on it. */
#include "tap.hpp"
#include <cae/cae.hpp>
#include <cstdlib>
#include <vector>

using tap::ok;

namespace {

std::vector<std::byte> bytes(const cae::model &model)
{
    std::vector<std::byte> file(model.saved_size());
    model.save_memory(file);
    return file;
}

void checks(int threads)
{
    const std::string suffix = ", " + std::to_string(threads) + " thread(s)";
    cae::context context(cae::context_options().threads(threads));
    const auto data = cae::dataset::dead_leaves(context, 64, {3, 32, 32}, 1);
    auto a = cae::model::reference(context, 1), b = cae::model::reference(context, 1);
    cae::optimizer adam_a(a), adam_b(b);
    const auto options = cae::trainer_options().batch(8);
    cae::trainer thrown(a, adam_a, data, options), plain(b, adam_b, data, options);

    const cae_progress_fn leave = [](void *, const cae_progress *now) -> std::int32_t {
        throw now->step; // straight through C
    };
    std::int64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        try {
            cae_trainer_epoch(nullptr, thrown.native_handle(), leave, nullptr);
        } catch (std::int64_t step) {
            sum += step;
        }
    }
    ok(sum == 1 + 2 + 3 && thrown.progress().step == 3, "every step was complete" + suffix);

    thrown.epoch();
    plain.epoch();
    ok(thrown.progress().epoch == 1 && bytes(a) == bytes(b),
       "the epoch goes on to the same bits" + suffix);
}

} // namespace

int main()
{
    tap::group("one thread", [] { checks(1); });
    tap::group("two threads", [] { checks(2); });
    return tap::failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
