/** @file error.hpp
 * The statuses of the library as exceptions: one class each, all of them a cae::error.
 *
 * what() is the library's own text, which says what was expected and what was found. */
#ifndef CAE_ERROR_HPP
#define CAE_ERROR_HPP

#include <cae/cae.h>
#include <stdexcept>

namespace cae {

/** A call that failed. Never CAE_STOPPED, which is no failure. */
class error : public std::runtime_error {
public:
    error(cae_status status, const char *text) : std::runtime_error(text), status_(status) {}

    /** One of enum cae_status_code, or what a newer library added to it. */
    cae_status status() const noexcept { return status_; }

private:
    cae_status status_;
};

/** A NULL, a size or a value that no call could accept; a handle that is closed or moved from. */
struct argument_error : error { using error::error; };

/** No memory. Not a std::bad_alloc: that, too, is a std::exception, and one is enough. */
struct memory_error : error { using error::error; };

/** Sizes that are fine alone and do not fit together. */
struct shape_error : error { using error::error; };

/** An option out of range. */
struct options_error : error { using error::error; };

/** The operating system refused: missing, unreadable, full. */
struct io_error : error { using error::error; };

/** A file that was read and is not what it should be. */
struct format_error : error { using error::error; };

/** A loss, gradient, parameter or output that is not finite. */
struct numeric_error : error { using error::error; };

/** Valid, but not with this library or machine. */
struct unsupported_error : error { using error::error; };

/** No tensor of that name. */
struct name_error : error { using error::error; };

namespace detail {

[[noreturn]] inline void fail(cae_status status, const char *text)
{
    switch (status) {
    case CAE_ERR_ARGUMENT: throw argument_error(status, text);
    case CAE_ERR_MEMORY: throw memory_error(status, text);
    case CAE_ERR_SHAPE: throw shape_error(status, text);
    case CAE_ERR_OPTIONS: throw options_error(status, text);
    case CAE_ERR_IO: throw io_error(status, text);
    case CAE_ERR_FORMAT: throw format_error(status, text);
    case CAE_ERR_NUMERIC: throw numeric_error(status, text);
    case CAE_ERR_UNSUPPORTED: throw unsupported_error(status, text);
    case CAE_ERR_NAME: throw name_error(status, text);
    default: throw error(status, text);
    }
}

/** Let a status >= 0 pass; throw any other with the context's text, if there is one. */
inline cae_status check(cae_status status, const cae_context *context = nullptr)
{
    if (status < 0) {
        const char *text = cae_context_error(context);
        fail(status, *text ? text : cae_status_string(status));
    }
    return status;
}

} // namespace detail
} // namespace cae

#endif
