/** @file context.hpp
 * Threads, instruction set, log: what would otherwise be global. */
#ifndef CAE_CONTEXT_HPP
#define CAE_CONTEXT_HPP

#include "handle.hpp"
#include <string_view>

namespace cae {

enum class log_level : std::int32_t { info = CAE_LOG_INFO, warning = CAE_LOG_WARNING };

enum class engine : std::int32_t {
    automatic = CAE_ENGINE_AUTO,
    gemm = CAE_ENGINE_GEMM,
    direct = CAE_ENGINE_DIRECT
};

enum class cpu : std::int32_t {
    automatic = CAE_CPU_AUTO,
    baseline = CAE_CPU_BASELINE,
    avx2 = CAE_CPU_AVX2,
    avx512 = CAE_CPU_AVX512
};

/** How to make a context: one thread, the fastest engine and instruction set, silent. */
class context_options : public detail::options<cae_context_options, cae_context_options_init> {
public:
    /** 0 asks for one per available processor. */
    context_options &threads(std::int32_t value) { return c_.threads = value, *this; }

    context_options &engine(cae::engine value)
    {
        return c_.engine = static_cast<std::int32_t>(value), *this;
    }

    context_options &cpu(cae::cpu value)
    {
        return c_.cpu = static_cast<std::int32_t>(value), *this;
    }

    /** Have `logger` called with (cae::log_level, std::string_view). It is borrowed: it has to live
     * until the context and everything made from it are gone. What it throws is dropped: a warning
     * is no reason for the call that gives it to fail. */
    template <class Logger>
    context_options &log(Logger &logger)
    {
        c_.log_user = const_cast<void *>(static_cast<const void *>(&logger));
        c_.log = [](void *user, std::int32_t level, const char *text) {
            auto &hear = *static_cast<Logger *>(user);
            try {
                hear(static_cast<log_level>(level), std::string_view(text));
            } catch (...) {
            }
        };
        return *this;
    }

    template <class Logger>
    context_options &log(const Logger &&) = delete; // would be gone before the context is
};

/** Threads, memory and the text of the last error. It belongs to one thread at a time, as does what
 * is made from it. The C context lives on while a handle made from it does. */
class context : public detail::handle<cae_context, cae_context_destroy> {
public:
    explicit context(const context_options &options = {}) : handle(nullptr)
    {
        check(cae_context_create(&raw_, &options.native()));
        context_ = raw_;
    }

    /** Threads in use, the caller's included. */
    std::int32_t threads() const { return cae_context_threads(native_handle()); }

    /** 0 asks for one per available processor. Results have the same bits for any number. */
    void set_threads(std::int32_t threads)
    {
        check(cae_context_set_threads(native_handle(), threads));
    }

    /** The instruction set in use, never automatic. */
    cae::cpu cpu() const { return static_cast<cae::cpu>(cae_context_cpu(native_handle())); }
};

} // namespace cae

#endif
