/** @file trainer.hpp
 * Training: pull style, nothing runs unless you call it. */
#ifndef CAE_TRAINER_HPP
#define CAE_TRAINER_HPP

#include "optimizer.hpp"
#include <exception>
#include <memory>

namespace cae {

/** What a step makes smaller. */
enum class loss : std::int32_t {
    mse = CAE_LOSS_MSE,
    l1 = CAE_LOSS_L1,
    huber = CAE_LOSS_HUBER,
    charbonnier = CAE_LOSS_CHARBONNIER
};

/** What may happen to an image on its way into a batch, drawn by halves for each visit:
 * mirror | flip | transpose. */
enum class augment : std::int32_t {
    none = 0,
    mirror = CAE_AUGMENT_MIRROR,
    flip = CAE_AUGMENT_FLIP,
    transpose = CAE_AUGMENT_TRANSPOSE /**< square images only */
};

constexpr augment operator|(augment a, augment b) noexcept
{
    return static_cast<augment>(static_cast<std::int32_t>(a) | static_cast<std::int32_t>(b));
}

/** How to train: batches of 64, seed 1, mean squared error, shuffled, no noise, no clipping, a
 * constant rate. */
class trainer_options : public detail::options<cae_trainer_options, cae_trainer_options_init> {
public:
    /** Images per step; the last batch of an epoch may be smaller. */
    trainer_options &batch(std::int32_t value) { return c_.batch = value, *this; }

    /** Keys the shuffle and the noise. */
    trainer_options &seed(std::uint64_t value) { return c_.seed = value, *this; }

    trainer_options &shuffle(bool value) { return c_.shuffle = value, *this; }

    trainer_options &loss(cae::loss value)
    {
        return c_.loss = static_cast<std::int32_t>(value), *this;
    }

    trainer_options &huber(double delta)
    {
        c_.huber_delta = delta;
        return loss(cae::loss::huber);
    }

    /** sqrt(d^2 + epsilon^2) - epsilon; 0 means 1e-3. */
    trainer_options &charbonnier(double epsilon = 0)
    {
        c_.epsilon = epsilon;
        return loss(cae::loss::charbonnier);
    }

    /** Gaussian noise added to the input, never to the target. */
    trainer_options &noise_sigma(double value) { return c_.noise_sigma = value, *this; }

    /** The same, of a strength that each visit of an image draws between the two. */
    trainer_options &noise_sigma(double least, double most)
    {
        return c_.noise_sigma = least, c_.noise_sigma_max = most, *this;
    }

    trainer_options &augment(cae::augment ways)
    {
        return c_.augment = static_cast<std::int32_t>(ways), *this;
    }

    /** `weight` times 1 - SSIM is added to the loss; 0 is off. */
    trainer_options &ssim_weight(double value) { return c_.ssim_weight = value, *this; }

    /** Below 1: trainer::average() gives a moving average of the parameters; 0 is off. */
    trainer_options &average_decay(double value) { return c_.average_decay = value, *this; }

    /** The longest gradient that is not scaled down; 0 is off. */
    trainer_options &clip_norm(double value) { return c_.clip_norm = value, *this; }

    /** The rate rises from 0 during the first steps, whatever the schedule. */
    trainer_options &warmup_steps(std::int64_t value) { return c_.warmup_steps = value, *this; }

    /** The rate is multiplied by `factor` every `steps` steps. */
    trainer_options &step_schedule(std::int64_t steps, double factor = 0.1)
    {
        c_.schedule = CAE_SCHEDULE_STEP;
        return c_.decay_steps = steps, c_.decay_factor = factor, *this;
    }

    /** The rate falls to `final_fraction` of itself along half a cosine; `steps` is all steps, the
     * warm-up's too. */
    trainer_options &cosine_schedule(std::int64_t steps, double final_fraction = 0)
    {
        c_.schedule = CAE_SCHEDULE_COSINE;
        return c_.decay_steps = steps, c_.final_fraction = final_fraction, *this;
    }
};

/** Where training stands: step, epoch, images, loss, epoch_loss, learning_rate, gradient_norm. */
using progress = cae_progress;

/** Where training stands after trainer::epoch; `loss` is the mean per image. */
struct epoch_result : progress {
    bool stopped = false; /**< the callback asked to stop */
};

/** A model, its optimizer and a dataset, at work. It keeps all three alive, but not the memory that
 * a dataset borrows. */
class trainer : public detail::handle<cae_trainer, cae_trainer_destroy> {
public:
    trainer(model &model, optimizer &optimizer, const dataset &data,
            const trainer_options &options = {})
        : handle(model.native_context())
    {
        check(cae_trainer_create(&raw_, model.native_handle(), optimizer.native_handle(),
                                 data.native_handle(), &options.native()));
    }

    /** One optimizer step on the next batch. numeric_error when something is not finite: nothing is
     * updated then, and training may go on at another rate. */
    cae::progress step()
    {
        cae::progress now = empty();
        check(cae_trainer_step(&now, native_handle()));
        return now;
    }

    /** Steps to the end of the current epoch. */
    epoch_result epoch()
    {
        epoch_result result{empty()};
        check(cae_trainer_epoch(&result, native_handle(), nullptr, nullptr));
        return result;
    }

    /** The same, with `callback(const cae::progress &)` after every step. It returns void, or a
     * bool: true goes on, false stops, and the result says so. What it throws ends the call and
     * arrives at the caller; the step is complete and the trainer usable. It must not close what
     * this call works with. */
    template <class Callback>
    epoch_result epoch(Callback &&callback)
    {
        using answer = std::invoke_result_t<Callback &, const cae::progress &>;
        static_assert(std::is_void_v<answer> || std::is_same_v<answer, bool>,
                      "return void, or a bool: true goes on, false stops");
        struct courier {
            std::remove_reference_t<Callback> *callback;
            std::exception_ptr thrown;
        } courier{std::addressof(callback), nullptr};

        const cae_progress_fn call = [](void *user, const cae_progress *now) -> std::int32_t {
            auto &c = *static_cast<struct courier *>(user);
            try {
                if constexpr (std::is_void_v<answer>)
                    (*c.callback)(*now);
                else
                    return (*c.callback)(*now) ? 0 : 1;
                return 0;
            } catch (...) {
                c.thrown = std::current_exception();
                return 1;
            }
        };
        epoch_result result{empty()};
        const cae_status status = cae_trainer_epoch(&result, native_handle(), call, &courier);
        if (courier.thrown)
            std::rethrow_exception(courier.thrown);
        result.stopped = check(status) == CAE_STOPPED;
        return result;
    }

    std::int64_t steps_per_epoch() const { return cae_trainer_steps_per_epoch(native_handle()); }

    /** Where training stands, without taking a step. */
    cae::progress progress() const
    {
        cae::progress now = empty();
        check(cae_trainer_progress(&now, native_handle()));
        return now;
    }

    /** The gradient of the last step for a tensor, after clipping; as many floats as it has. */
    void get_gradient(span<float> values, zstring name) const
    {
        check(cae_trainer_get_gradient(values.data(), values.size(), native_handle(),
                                       name.c_str()));
    }

    /** A model of its own with the moving average of the parameters; without averaging, with the
     * parameters as they are. */
    model average() const
    {
        model made(context_);
        check(cae_trainer_average(&made.raw_, native_handle()));
        return made;
    }

    /** Write a checkpoint: a model file with the optimizer's moments and the counters in it. */
    void save(zstring path) const { check(cae_trainer_save(native_handle(), path.c_str())); }

    /** Continue from a checkpoint to the same bits as if training had never stopped. The trainer is
     * made with the same model, optimizer, dataset and options. A failure changes nothing. */
    void resume(zstring path) { check(cae_trainer_resume(native_handle(), path.c_str())); }

private:
    static cae::progress empty()
    {
        cae::progress none;
        detail::check(cae_progress_init(&none, sizeof none));
        return none;
    }
};

} // namespace cae

#endif
