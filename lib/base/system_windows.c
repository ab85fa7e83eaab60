/* system_windows.c - Windows, with the threads of winpthreads. */
#define WIN32_LEAN_AND_MEAN
#include "system.h"

#include <windows.h>

long cae__processors(void)
{
    DWORD_PTR ours, all;
    long count = 0;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &ours, &all))
        return 0;
    for (; ours; ours &= ours - 1)
        count++;
    return count;
}

long cae__process(void)
{
    return (long)GetCurrentProcessId();
}

void cae__signals_block(struct cae__signals *signals)
{
    signals->none = 0;
}

void cae__signals_restore(const struct cae__signals *signals)
{
    (void)signals;
}
