/** @file handle.hpp
 * What all classes share: the ownership of a C handle, and the way options are kept. */
#ifndef CAE_HANDLE_HPP
#define CAE_HANDLE_HPP

#include "error.hpp"
#include <cstdint>
#include <utility>

namespace cae {
namespace detail {

/** Owns a C handle, and knows the context that keeps its error texts. That pointer needs no owner:
 * the C handle keeps its context alive. */
template <class T, void (*Destroy)(T *)>
class handle {
public:
    handle(handle &&other) noexcept
        : raw_(std::exchange(other.raw_, nullptr)),
          context_(std::exchange(other.context_, nullptr))
    {
    }

    handle &operator=(handle &&other) noexcept
    {
        if (this != &other) {
            Destroy(raw_);
            raw_ = std::exchange(other.raw_, nullptr);
            context_ = std::exchange(other.context_, nullptr);
        }
        return *this;
    }

    /** Give the C handle back now instead of in the destructor; twice is harmless. */
    void close() noexcept
    {
        Destroy(std::exchange(raw_, nullptr));
        context_ = nullptr;
    }

    /** Is there a C handle? Not after close(), nor after being moved from. */
    explicit operator bool() const noexcept { return raw_ != nullptr; }

    /** The C handle, still owned by this object, for calls of one's own; argument_error when there
     * is none. Every member goes through here: a closed handle is an exception, never a crash. */
    T *native_handle() const
    {
        if (!raw_)
            fail(CAE_ERR_ARGUMENT, "this handle is closed, or was moved from");
        return raw_;
    }

    /** The C context that keeps the error texts; NULL when there is no C handle. */
    cae_context *native_context() const noexcept { return context_; }

protected:
    explicit handle(cae_context *context) noexcept : context_(context) {}

    ~handle() { Destroy(raw_); }

    cae_status check(cae_status status) const { return detail::check(status, context_); }

    T *raw_ = nullptr;
    cae_context *context_;
};

/** A C struct of options, born with the library's defaults. Setters return *this, to be chained. */
template <class C, cae_status (*Init)(C *, std::uint32_t)>
class options {
public:
    options() { check(Init(&c_, sizeof c_)); }

    /** The C struct: to read, or for fields that have no setter yet. */
    C &native() noexcept { return c_; }
    const C &native() const noexcept { return c_; }

protected:
    C c_{};
};

} // namespace detail
} // namespace cae

#endif
