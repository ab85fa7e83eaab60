/* check_library.cpp - prints what cae::check_library() says about the library it finds: test.sh
 * links it with others, which have the three version calls and nothing else. */
#include <cae/version.hpp>
#include <cstdio>

int main()
{
    try {
        cae::check_library();
        std::puts("accepted");
    } catch (const cae::unsupported_error &refused) {
        std::printf("refused: %s\n", refused.what());
    }
}
