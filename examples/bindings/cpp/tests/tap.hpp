/* tap.hpp - checks that speak TAP; test.sh numbers the lines of all programs and adds the plan. */
#ifndef TAP_HPP
#define TAP_HPP

#include <cstdio>
#include <exception>
#include <string>
#include <utility>

namespace tap {

inline int failures = 0;

inline void ok(bool passed, const std::string &name)
{
    std::printf("%s - %s\n", passed ? "ok" : "not ok", name.c_str());
    failures += !passed;
}

/** Passes when `body` throws exactly an E for which `fits` holds. */
template <class E, class Body, class Fits>
void throws(const std::string &name, Body &&body, Fits &&fits)
{
    try {
        std::forward<Body>(body)();
        std::printf("# nothing was thrown\n");
        ok(false, name);
    } catch (const E &caught) {
        std::printf("# %s\n", caught.what());
        ok(fits(caught), name);
    } catch (const std::exception &other) {
        std::printf("# another exception: %s\n", other.what());
        ok(false, name);
    }
}

/** Run a group of checks; an exception that nobody wanted fails it. */
template <class Group>
void group(const char *name, Group &&checks)
{
    try {
        std::forward<Group>(checks)();
    } catch (const std::exception &unwanted) {
        std::printf("# %s\n", unwanted.what());
        ok(false, name);
    }
}

} // namespace tap

#endif
