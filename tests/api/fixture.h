/* fixture.h - the context that every test of a program has, with its memory counted: all of it is given
 * back. One program has one; add them by tcase_add_checked_fixture(..., setup, teardown). */
#ifndef CAE_TESTS_FIXTURE_H
#define CAE_TESTS_FIXTURE_H

#include "api.h"

static struct heap heap;
static cae_context *context;

static void setup(void)
{
    heap = (struct heap)HEAP;
    context = heap_context(&heap, 1);
}

static void teardown(void)
{
    cae_context_destroy(context);
    assert_balanced(&heap, "at the end of the test");
}

#endif
