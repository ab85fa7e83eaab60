/** @file views.hpp
 * What the caller owns and a call looks at: arrays, bytes, zero-terminated text, image shapes. */
#ifndef CAE_VIEWS_HPP
#define CAE_VIEWS_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <type_traits>

namespace cae {

/** Elements side by side in somebody else's memory, as C++20's std::span, to and from which it
 * converts. A type of its own, so that programs of either standard may be linked together. */
template <class T>
class span {
    template <class C> // is C an array, vector, std::span ... of T, or of what T adds const to?
    using elements_of =
        std::enable_if_t<std::is_convertible_v<
            std::remove_pointer_t<decltype(std::data(std::declval<C &>()))> (*)[], T (*)[]>>;

public:
    using element_type = T;
    using value_type = std::remove_cv_t<T>;
    using iterator = T *;

    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    template <class C, class = elements_of<C>>
    constexpr span(C &container) : data_(std::data(container)), size_(std::size(container))
    {
    }

    /** A temporary: a view of something else, or, for what is only read, any container. */
    template <class C, class = elements_of<const C>>
    constexpr span(const C &container) : data_(std::data(container)), size_(std::size(container))
    {
    }

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/** The bytes of an array, vector, ... of any plain type. */
template <class C>
span<const std::byte> as_bytes(const C &container) noexcept
{
    using element = std::remove_reference_t<decltype(*std::data(container))>;
    static_assert(std::is_trivially_copyable_v<element>);
    return {reinterpret_cast<const std::byte *>(std::data(container)),
            std::size(container) * sizeof(element)};
}

/** Text that ends with a zero, as C wants it: a path or a name. Made from a literal, a std::string,
 * a std::filesystem::path; a std::string_view promises no zero and is refused. */
class zstring {
public:
    constexpr zstring(const char *text) noexcept : text_(text) {}

    template <class S, class = std::enable_if_t<std::is_convertible_v<
                           decltype(std::declval<const S &>().c_str()), const char *>>>
    zstring(const S &text) noexcept : text_(text.c_str())
    {
    }

    constexpr const char *c_str() const noexcept { return text_; }
    constexpr operator std::string_view() const noexcept { return text_; }

private:
    const char *text_;
};

/** Of one image, or of one latent. */
struct image_shape {
    std::int32_t channels = 0;
    std::int32_t height = 0;
    std::int32_t width = 0;

    constexpr std::size_t elements() const noexcept
    {
        return static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) *
               static_cast<std::size_t>(width);
    }

    friend constexpr bool operator==(const image_shape &a, const image_shape &b) noexcept
    {
        return a.channels == b.channels && a.height == b.height && a.width == b.width;
    }

    friend constexpr bool operator!=(const image_shape &a, const image_shape &b) noexcept
    {
        return !(a == b);
    }
};

} // namespace cae

#endif
