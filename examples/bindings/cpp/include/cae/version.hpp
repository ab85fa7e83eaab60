/** @file version.hpp
 * Which library is this? The one loaded at run time may be newer than the headers. */
#ifndef CAE_VERSION_HPP
#define CAE_VERSION_HPP

#include "error.hpp"
#include <cstdint>
#include <cstdio>
#include <string>

namespace cae {

/** The loaded library's version, "1.1.0". Static. */
inline const char *version() noexcept { return cae_version_string(); }

/** The same as major << 16 | minor << 8 | patch. */
inline std::uint32_t version_number() noexcept { return cae_version_number(); }

/** The loaded library's count of ABI breaks. */
inline std::uint32_t abi_version() noexcept { return cae_abi_version(); }

/** One line on how the library was built and what it found. */
inline std::string build_info()
{
    std::string text(cae_build_info(nullptr, 0) + 1, '\0');
    text.resize(cae_build_info(text.data(), text.size()));
    return text;
}

/** Throw unsupported_error unless the loaded library can do all that these headers say. The dynamic
 * linker has compared sonames already; this is for programs that load the library by its path, or
 * that may meet an older one. */
inline void check_library()
{
    constexpr std::uint32_t needed =
        CAE_VERSION_MAJOR << 16 | CAE_VERSION_MINOR << 8 | CAE_VERSION_PATCH;
    if (cae_abi_version() == CAE_ABI_VERSION && cae_version_number() >= needed)
        return;
    char text[160];
    std::snprintf(text, sizeof text,
                  "libcae %.40s with ABI %u was found, but ABI %d and at least %d.%d.%d are needed",
                  cae_version_string(), static_cast<unsigned>(cae_abi_version()), CAE_ABI_VERSION,
                  CAE_VERSION_MAJOR, CAE_VERSION_MINOR, CAE_VERSION_PATCH);
    throw unsupported_error(CAE_ERR_UNSUPPORTED, text);
}

} // namespace cae

#endif
