/* static.cpp - what the compiler alone can check; that it compiles is the test. */
#include <array>
#include <cae/cae.hpp>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>
#if __has_include(<span>) && __cplusplus >= 202002L
#include <span>
#endif

template <class H>
constexpr bool move_only =
    !std::is_copy_constructible_v<H> && !std::is_copy_assignable_v<H> &&
    std::is_nothrow_move_constructible_v<H> && std::is_nothrow_move_assignable_v<H> &&
    std::is_nothrow_destructible_v<H> && noexcept(std::declval<H &>().close());

static_assert(move_only<cae::context>);
static_assert(move_only<cae::spec>);
static_assert(move_only<cae::model>);
static_assert(move_only<cae::dataset>);
static_assert(move_only<cae::optimizer>);
static_assert(move_only<cae::trainer>);

/* A handle is two pointers: no allocation, no virtual functions. */
static_assert(sizeof(cae::trainer) == 2 * sizeof(void *));
static_assert(sizeof(cae::trainer_options) == sizeof(cae_trainer_options));

/* No handle turns into another, nor a context into a handle. */
static_assert(!std::is_convertible_v<cae::context &, cae::spec>);
static_assert(!std::is_convertible_v<cae::model &, cae::optimizer>);
static_assert(!std::is_convertible_v<cae::model, bool>);

/* Every error is a cae::error, and that a std::runtime_error, once. */
static_assert(std::is_convertible_v<cae::shape_error *, cae::error *>);
static_assert(std::is_convertible_v<cae::memory_error *, std::exception *>);

/* Spans: from what has elements side by side, adding const and never taking it away. */
template <class To, class From>
constexpr bool spans = std::is_convertible_v<From, cae::span<To>>;

static_assert(spans<float, std::vector<float> &>);
static_assert(spans<const float, std::vector<float> &>);
static_assert(spans<const float, const std::vector<float> &>);
static_assert(spans<const float, std::vector<float>>);
static_assert(spans<float, std::array<float, 3> &>);
static_assert(spans<float, float (&)[3]>);
static_assert(spans<const float, cae::span<float>>);
static_assert(!spans<float, const std::vector<float> &>);
static_assert(!spans<float, std::vector<float>>);
static_assert(!spans<float, cae::span<const float>>);
static_assert(!spans<const float, std::vector<double> &>);
static_assert(!spans<const float, float *>);
static_assert(std::is_trivially_copyable_v<cae::span<float>>);
#if __has_include(<span>) && __cplusplus >= 202002L
static_assert(spans<float, std::span<float>>);
static_assert(spans<const float, std::span<const float>>);
static_assert(std::is_convertible_v<cae::span<float> &, std::span<float>>);
static_assert(std::is_convertible_v<cae::span<float> &, std::span<const float>>);
#endif

/* Text ends with a zero, or does not compile. */
static_assert(std::is_convertible_v<const char *, cae::zstring>);
static_assert(std::is_convertible_v<std::string, cae::zstring>);
static_assert(std::is_convertible_v<std::filesystem::path, cae::zstring>);
static_assert(!std::is_convertible_v<std::string_view, cae::zstring>);

/* A container that dies at the end of the expression cannot be borrowed; a span of one that lives
 * can, and a copy may be made of either. */
template <class C, class = void>
constexpr bool can_borrow = false;
template <class C>
constexpr bool can_borrow<C, std::void_t<decltype(cae::dataset::borrow(
                                 std::declval<cae::context &>(), std::declval<C>(), 1,
                                 std::declval<cae::image_shape>()))>> = true;

static_assert(can_borrow<std::vector<float> &>);
static_assert(can_borrow<const std::vector<std::uint8_t> &>);
static_assert(can_borrow<cae::span<const float>>);
static_assert(!can_borrow<std::vector<float>>);
static_assert(!can_borrow<std::vector<double> &>);

/* Nor can a logger that dies before the context. */
struct logger {
    void operator()(cae::log_level, std::string_view) const {}
};
template <class L, class = void>
constexpr bool can_log = false;
template <class L>
constexpr bool can_log<L, std::void_t<decltype(cae::context_options().log(std::declval<L>()))>> =
    true;

static_assert(can_log<logger &>);
static_assert(can_log<const logger &>);
static_assert(!can_log<logger>);

int main() {}
