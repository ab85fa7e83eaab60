/** @file optimizer.hpp
 * How gradients change parameters. */
#ifndef CAE_OPTIMIZER_HPP
#define CAE_OPTIMIZER_HPP

#include "model.hpp"

namespace cae {

/** Update rules as in torch.optim. */
enum class optimizer_kind : std::int32_t {
    sgd = CAE_OPTIMIZER_SGD,
    adam = CAE_OPTIMIZER_ADAM,
    adamw = CAE_OPTIMIZER_ADAMW
};

/** An update rule: Adam, rate 1e-3, betas 0.9 and 0.999, epsilon 1e-8, no weight decay. */
class optimizer_options
    : public detail::options<cae_optimizer_options, cae_optimizer_options_init> {
public:
    optimizer_options &kind(optimizer_kind value)
    {
        return c_.kind = static_cast<std::int32_t>(value), *this;
    }

    optimizer_options &learning_rate(double value) { return c_.learning_rate = value, *this; }
    optimizer_options &momentum(double value) { return c_.momentum = value, *this; }
    optimizer_options &nesterov(bool value) { return c_.nesterov = value, *this; }
    optimizer_options &betas(double first, double second)
    {
        return c_.beta1 = first, c_.beta2 = second, *this;
    }
    optimizer_options &epsilon(double value) { return c_.epsilon = value, *this; }
    optimizer_options &weight_decay(double value) { return c_.weight_decay = value, *this; }
};

/** An update rule and its moments, for one model, which it keeps alive. */
class optimizer : public detail::handle<cae_optimizer, cae_optimizer_destroy> {
public:
    explicit optimizer(model &model, const optimizer_options &options = {})
        : handle(model.native_context())
    {
        check(cae_optimizer_create(&raw_, model.native_handle(), &options.native()));
    }

    /** The base rate that a schedule multiplies. */
    double learning_rate() const { return cae_optimizer_learning_rate(native_handle()); }

    /** From the next step on; > 0. */
    void set_learning_rate(double rate)
    {
        check(cae_optimizer_set_learning_rate(native_handle(), rate));
    }
};

} // namespace cae

#endif
