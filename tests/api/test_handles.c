/* test_handles.c - handles in the wrong order, twice, or of the wrong kind; callbacks that leave by
 * another door. */
#include "api.h"

#include <pthread.h>
#include <setjmp.h>

static struct heap heap;
static cae_context *context;

static void setup(void)
{
    heap = (struct heap)HEAP;
    context = heap_context(&heap, 2);
}

struct world {
    cae_model *model;
    cae_dataset *data, *slice;
    cae_optimizer *adam;
    cae_trainer *trainer;
};

static struct world world_make(void)
{
    static float images[12 * 64];
    struct world w;
    random_floats(1, images, COUNT(images), -1, 1);
    w.model = small_model(context, 1);
    w.data = float_images(context, images, 12, 8);
    assert_ok(context, cae_dataset_slice(&w.slice, w.data, 0, 12));
    assert_ok(context, cae_optimizer_create(&w.adam, w.model, NULL));
    cae_trainer_options options;
    cae_trainer_options_init(&options, sizeof options);
    options.batch = 3;
    assert_ok(context, cae_trainer_create(&w.trainer, w.model, w.adam, w.slice, &options));
    return w;
}

/* The trainer refers to everything: a second destroy must not take its reference. */
START_TEST(a_second_destroy_is_ignored)
{
    struct world w = world_make();
    cae_progress progress = {.size = sizeof progress};

    for (int twice = 0; twice < 3; twice++) {
        cae_model_destroy(w.model);
        cae_dataset_destroy(w.data);
        cae_dataset_destroy(w.slice);
        cae_optimizer_destroy(w.adam);
        cae_context_destroy(context);
    }
    for (int step = 0; step < 6; step++)
        ck_assert_int_eq(cae_trainer_step(&progress, w.trainer), CAE_OK);
    ck_assert_int_eq(progress.step, 6);
    cae_trainer_destroy(w.trainer);
    assert_balanced(&heap, "after the trainer, the last of all");
}
END_TEST

START_TEST(a_destroy_of_another_kind_is_ignored)
{
    struct world w = world_make();
    void *const handles[] = {context, w.model, w.data, w.slice, w.adam, w.trainer};

    for (int i = 0; i < COUNT(handles); i++) {
        if (handles[i] != context)
            cae_context_destroy(handles[i]);
        if (handles[i] != w.model)
            cae_model_destroy(handles[i]);
        if (handles[i] != w.data && handles[i] != w.slice)
            cae_dataset_destroy(handles[i]);
        if (handles[i] != w.adam)
            cae_optimizer_destroy(handles[i]);
        if (handles[i] != w.trainer)
            cae_trainer_destroy(handles[i]);
        cae_spec_destroy(handles[i]);
    }
    assert_ok(context, cae_trainer_step(NULL, w.trainer));
    cae_trainer_destroy(w.trainer);
    cae_optimizer_destroy(w.adam);
    cae_dataset_destroy(w.slice);
    cae_dataset_destroy(w.data);
    cae_model_destroy(w.model);
    cae_context_destroy(context);
    assert_balanced(&heap, "after each in its own way");
}
END_TEST

static void *give_back(void *argument)
{
    struct world *w = argument;

    cae_model_destroy(w->model);
    cae_dataset_destroy(w->slice);
    cae_optimizer_destroy(w->adam);
    cae_dataset_destroy(w->data);
    cae_context_destroy(context);
    return NULL;
}

/* As a finalizer of a host with a garbage collector does, while this thread trains. */
START_TEST(destroy_from_another_thread)
{
    pthread_t thread;
    struct world w = world_make();
    cae_trainer *const trainer = w.trainer;

    ck_assert_int_eq(pthread_create(&thread, NULL, give_back, &w), 0);
    for (int step = 0; step < 200; step++)
        ck_assert_int_eq(cae_trainer_step(NULL, trainer), CAE_OK);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    cae_trainer_destroy(trainer);
    assert_balanced(&heap, "after the trainer, the last of all");
}
END_TEST

static jmp_buf away;

static int32_t leave(void *user, const cae_progress *progress)
{
    if (progress->step == *(int64_t *)user)
        longjmp(away, 1);
    return 0;
}

static int32_t stop(void *user, const cae_progress *progress)
{
    return progress->step == *(int64_t *)user;
}

/* Out of the callback by longjmp, with two threads at work: the same as a stop, to the bit. */
START_TEST(a_callback_may_jump)
{
    struct world jumping = world_make(), stopping = world_make();
    int64_t step = 2;
    cae_progress a = {.size = sizeof a}, b = {.size = sizeof b};

    if (setjmp(away) == 0) {
        cae_trainer_epoch(NULL, jumping.trainer, leave, &step);
        ck_abort_msg("it came back");
    }
    ck_assert_int_eq(cae_trainer_epoch(NULL, stopping.trainer, stop, &step), CAE_STOPPED);
    assert_ok(context, cae_trainer_progress(&a, jumping.trainer));
    assert_ok(context, cae_trainer_progress(&b, stopping.trainer));
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
    ck_assert_int_eq(a.step, 2);
    assert_ok(context, cae_trainer_epoch(&a, jumping.trainer, NULL, NULL));
    assert_ok(context, cae_trainer_epoch(&b, stopping.trainer, NULL, NULL));
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
    assert_same_models(jumping.model, stopping.model, "after a jump and after a stop");

    struct world *const worlds[] = {&jumping, &stopping};
    for (int i = 0; i < COUNT(worlds); i++) {
        cae_trainer_destroy(worlds[i]->trainer);
        cae_optimizer_destroy(worlds[i]->adam);
        cae_dataset_destroy(worlds[i]->slice);
        cae_dataset_destroy(worlds[i]->data);
        cae_model_destroy(worlds[i]->model);
    }
    cae_context_destroy(context);
    assert_balanced(&heap, "after a jump");
}
END_TEST

static int32_t take_another(void *user, const cae_progress *progress)
{
    (void)progress;
    assert_ok(context, cae_trainer_step(NULL, user));
    return 0;
}

/* A callback's own steps count: the call ends with the epoch, wherever it ends. */
START_TEST(a_callback_may_take_steps)
{
    struct world w = world_make(); /* four steps an epoch */
    cae_progress progress = {.size = sizeof progress};

    assert_ok(context, cae_trainer_epoch(&progress, w.trainer, take_another, w.trainer));
    ck_assert_int_eq(progress.step, 4);
    ck_assert_int_eq(progress.epoch, 1);
    assert_ok(context, cae_trainer_step(&progress, w.trainer));
    assert_ok(context, cae_trainer_epoch(&progress, w.trainer, take_another, w.trainer));
    ck_assert_int_eq(progress.step, 9); /* the last callback's began the next */
    ck_assert_int_eq(progress.epoch, 2);
    cae_trainer_destroy(w.trainer);
    cae_optimizer_destroy(w.adam);
    cae_dataset_destroy(w.slice);
    cae_dataset_destroy(w.data);
    cae_model_destroy(w.model);
    cae_context_destroy(context);
    assert_balanced(&heap, "after steps in steps");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("handles");
    TCase *c = tcase_create("handles");
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, a_second_destroy_is_ignored);
    tcase_add_test(c, a_destroy_of_another_kind_is_ignored);
    tcase_add_test(c, destroy_from_another_thread);
    tcase_add_test(c, a_callback_may_jump);
    tcase_add_test(c, a_callback_may_take_steps);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
