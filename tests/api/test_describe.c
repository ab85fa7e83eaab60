/* test_describe.c - what a model says of itself: its layers, and the note that its files carry. */
#include "fixture.h"

/* --- Layers ---------------------------------------------------------------------------------- */

/* No two fields of a layer alike, so that none can stand for another. */
static cae_spec *strange_spec(int encoder)
{
    cae_conv_options o;
    cae_spec *spec = NULL;
    int channels = 3;

    assert_ok(context, cae_spec_create(&spec, context));
    for (int i = 0; i < 10; i++) {
        assert_ok(context, cae_conv_options_init(&o, sizeof o));
        o.kernel_h = 2 + i, o.kernel_w = 13 + i;
        o.stride_h = 5, o.stride_w = 6;
        o.padding_h = 7 + i, o.padding_w = 8 + i;
        o.dilation_h = 1 + i % 2, o.dilation_w = 9;
        o.output_padding_h = i % 2 ? 3 : 0, o.output_padding_w = i % 2 ? 4 : 0;
        o.bias = i % 3 != 0, o.activation = i % 5, o.slope = 0.1 * i;
        assert_ok(context, i % 2 ? cae_spec_add_conv_transpose(spec, channels, channels + 1, &o)
                                 : cae_spec_add_conv(spec, channels, channels + 1, &o));
        channels++;
        if (i + 1 == encoder)
            assert_ok(context, cae_spec_end_encoder(spec));
    }
    return spec;
}

/* A description made of what the model says makes the same model again. */
START_TEST(layers_say_what_they_were_made_from)
{
    const int encoder = _i;
    cae_spec *spec = strange_spec(encoder), *again = NULL;
    cae_model *model = NULL, *twin = NULL;

    assert_ok(context, cae_model_create(&model, context, spec, 5));
    ck_assert_int_eq(cae_model_encoder_layers(model), encoder ? encoder : 5);
    assert_ok(context, cae_spec_create(&again, context));
    for (int32_t i = 0; i < cae_model_layer_count(model); i++) {
        int32_t transposed = -1, in = -1, out = -1;
        cae_conv_options o;

        assert_ok(context, cae_conv_options_init(&o, sizeof o));
        assert_ok(context, cae_model_layer(&transposed, &in, &out, &o, model, i));
        ck_assert_int_eq(transposed, i % 2);
        ck_assert_int_eq(in, 3 + i);
        ck_assert_int_eq(out, 4 + i);
        ck_assert_uint_eq(o.size, sizeof o);
        ck_assert_uint_eq(o.reserved, 0);
        assert_ok(context, transposed ? cae_spec_add_conv_transpose(again, in, out, &o)
                                      : cae_spec_add_conv(again, in, out, &o));
        if (i + 1 == cae_model_encoder_layers(model))
            assert_ok(context, cae_spec_end_encoder(again));
    }
    assert_ok(context, cae_model_create(&twin, context, again, 5));
    assert_same_models(model, twin, "made from what the other says");
    cae_spec_destroy(spec);
    cae_spec_destroy(again);
    cae_model_destroy(model);
    cae_model_destroy(twin);
}
END_TEST

START_TEST(a_layer_at_a_time_and_a_result_at_a_time)
{
    cae_model *model = small_model(context, 1);
    int32_t value = -1;
    cae_conv_options o;

    assert_ok(context, cae_model_layer(NULL, NULL, NULL, NULL, model, 0));
    assert_ok(context, cae_model_layer(&value, NULL, NULL, NULL, model, 1));
    ck_assert_int_eq(value, 1);
    assert_ok(context, cae_model_layer(NULL, &value, NULL, NULL, model, 1));
    ck_assert_int_eq(value, 2);
    assert_ok(context, cae_model_layer(NULL, NULL, &value, NULL, model, 0));
    ck_assert_int_eq(value, 2);
    memset(&o, 0xee, sizeof o); /* a shorter struct: no more of it is written */
    o.size = offsetof(cae_conv_options, padding_w);
    assert_ok(context, cae_model_layer(NULL, NULL, NULL, &o, model, 0));
    ck_assert_int_eq(o.kernel_w, 3);
    ck_assert_int_eq(o.stride_w, 1);
    ck_assert_int_eq(o.padding_h, 0);
    ck_assert_int_eq(o.padding_w, (int32_t)0xeeeeeeee);
    cae_model_destroy(model);
}
END_TEST

START_TEST(layers_that_are_not_there)
{
    const int32_t none[] = {-1, 2, INT32_MAX, INT32_MIN};
    cae_model *model = small_model(context, 1);
    int32_t transposed = -7, in = -7, out = -7;
    cae_conv_options o;

    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    for (int i = 0; i < COUNT(none); i++)
        fails_saying(CAE_ERR_ARGUMENT, "expected 0 to 1",
                     cae_model_layer(&transposed, &in, &out, &o, model, none[i]));
    ck_assert_int_eq(transposed + in + out, -21);
    o.size = 3;
    fails_saying(CAE_ERR_OPTIONS, "size is 3",
                 cae_model_layer(&transposed, &in, &out, &o, model, 0));
    ck_assert_int_eq(transposed + in + out, -21);
    ck_assert_int_eq(cae_model_layer(&transposed, NULL, NULL, NULL, NULL, 0), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(cae_model_encoder_layers(NULL), 0);
    cae_model_destroy(model);
}
END_TEST

/* --- Notes ----------------------------------------------------------------------------------- */

enum { MOST = 65536 };

/* "" for none; control characters and quotes are what JSON has to escape. */
static const char *const notes[] = {
    "a", "two\nlines\ttab \"quoted\" back\\slash /slash \x01 \x7f", "{\"command\": \"x\", \"psnr\": 27.5}",
    "\xc3\xa4\xc3\xb6 \xe2\x82\xac \xf0\x9f\x8c\xb3 \xf4\x8f\xbf\xbf \xef\xbf\xbd", "\\u0041"};

START_TEST(a_note_comes_back)
{
    cae_model *model = small_model(context, 1), *loaded = NULL, *resumed = NULL;
    cae_optimizer *optimizer = NULL;
    cae_dataset *dataset = float_images(context, NULL, 2, 4);
    cae_trainer *trainer = NULL;
    const char *path = in_directory("noted"), *checkpoint = in_directory("checkpoint");

    ck_assert_str_eq(cae_model_note(model), "");
    assert_ok(context, cae_model_set_note(model, notes[_i]));
    ck_assert_str_eq(cae_model_note(model), notes[_i]);
    assert_ok(context, cae_model_save(model, path));
    assert_ok(context, cae_model_load(&loaded, context, path));
    ck_assert_str_eq(cae_model_note(loaded), notes[_i]);
    assert_same_models(model, loaded, "with a note");

    assert_ok(context, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, dataset, NULL));
    assert_ok(context, cae_trainer_step(NULL, trainer));
    assert_ok(context, cae_trainer_save(trainer, checkpoint));
    assert_ok(context, cae_model_load(&resumed, context, checkpoint));
    ck_assert_str_eq(cae_model_note(resumed), notes[_i]);
    assert_ok(context, cae_model_set_note(model, "of the one that is there"));
    assert_ok(context, cae_trainer_resume(trainer, checkpoint));
    assert_ok(context, cae_model_load_weights(model, path));
    ck_assert_str_eq(cae_model_note(model), "of the one that is there");
    cae_trainer_destroy(trainer);
    cae_dataset_destroy(dataset);
    cae_optimizer_destroy(optimizer);
    cae_model_destroy(model);
    cae_model_destroy(loaded);
    cae_model_destroy(resumed);
}
END_TEST

/* A model without one writes what 1.0.0 wrote, and so does one whose note was taken away. */
START_TEST(a_note_can_go)
{
    cae_model *model = small_model(context, 1);
    struct bytes before = model_bytes(model), with, after;

    for (int way = 0; way < 2; way++) {
        assert_ok(context, cae_model_set_note(model, "for a while"));
        with = model_bytes(model);
        ck_assert_uint_gt(with.size, before.size);
        assert_ok(context, cae_model_set_note(model, cae_model_note(model))); /* itself */
        ck_assert_str_eq(cae_model_note(model), "for a while");
        assert_ok(context, cae_model_set_note(model, way ? "" : NULL));
        ck_assert_str_eq(cae_model_note(model), "");
        after = model_bytes(model);
        assert_same_bytes(before, after, "with the note taken away");
        bytes_free(&with);
        bytes_free(&after);
    }
    ck_assert_str_eq(cae_model_note(NULL), "");
    ck_assert_int_eq(cae_model_set_note(NULL, "x"), CAE_ERR_ARGUMENT);
    bytes_free(&before);
    cae_model_destroy(model);
}
END_TEST

/* 65,536 bytes are a note, in memory and in a file; one more is not. The longest there is in a file
 * is one of control characters, six bytes for each. */
START_TEST(the_longest_note)
{
    char *text = malloc(MOST + 2);
    cae_model *model = small_model(context, 1), *loaded = NULL;
    struct bytes file;

    ck_assert_ptr_nonnull(text);
    memset(text, _i ? '\x01' : 'n', MOST + 1);
    text[MOST + 1] = '\0';
    fails_saying(CAE_ERR_ARGUMENT, "65537 bytes, expected at most 65536",
                 cae_model_set_note(model, text));
    ck_assert_str_eq(cae_model_note(model), "");
    text[MOST] = '\0';
    assert_ok(context, cae_model_set_note(model, text));
    file = model_bytes(model);
    assert_ok(context, cae_model_load_memory(&loaded, context, file.data, file.size));
    ck_assert_str_eq(cae_model_note(loaded), text);
    cae_model_destroy(loaded);

    struct bytes longer = edited(file, "\"libcae.note\":\"", "\"libcae.note\":\"+");
    loaded = (void *)model;
    fails_saying(CAE_ERR_FORMAT, "65537",
                 cae_model_load_memory(&loaded, context, longer.data, longer.size));
    ck_assert_ptr_null(loaded);
    bytes_free(&file);
    bytes_free(&longer);
    free(text);
    cae_model_destroy(model);
}
END_TEST

static const struct {
    const char *text, *says;
} not_utf8[] = {
    {"\x80", "byte 0"}, {"a\xff", "byte 1"}, {"ab\xc0\x80", "byte 2"}, {"\xe0\x80\x80", "byte 0"},
    {"\xed\xa0\x80", "byte 0"}, {"\xf4\x90\x80\x80", "byte 0"}, {"abc\xe2\x82", "byte 3"},
    {"\xf5\x80\x80\x80", "byte 0"}};

START_TEST(a_note_that_is_not_utf8)
{
    cae_model *model = small_model(context, 1);

    assert_ok(context, cae_model_set_note(model, "kept"));
    fails_saying(CAE_ERR_ARGUMENT, not_utf8[_i].says,
                 cae_model_set_note(model, not_utf8[_i].text));
    assert_says(context, "UTF-8");
    ck_assert_str_eq(cae_model_note(model), "kept");
    cae_model_destroy(model);
}
END_TEST

/* What is no text is refused by the container; a note of nothing is none. */
static const struct {
    const char *value;
    cae_status status;
} in_files[] = {{"7", CAE_ERR_FORMAT}, {"null", CAE_ERR_FORMAT}, {"{}", CAE_ERR_FORMAT},
                {"\"\\ud800\"", CAE_ERR_FORMAT}, {"\"a\\u0000b\"", CAE_ERR_FORMAT},
                {"\"\x80\"", CAE_ERR_FORMAT}, {"\"\"", CAE_OK}, {"\"\\u00e4\"", CAE_OK}};

START_TEST(notes_in_files)
{
    cae_model *model = small_model(context, 1), *loaded = NULL;
    struct bytes plain = model_bytes(model), file;
    char to[64];

    snprintf(to, sizeof to, "\"libcae.note\":%s,\"format\"", in_files[_i].value);
    file = edited(plain, "\"format\"", to);
    if (in_files[_i].status != CAE_OK) {
        assert_fails(context, in_files[_i].status,
                     cae_model_load_memory(&loaded, context, file.data, file.size));
        ck_assert_ptr_null(loaded);
    } else {
        assert_ok(context, cae_model_load_memory(&loaded, context, file.data, file.size));
        ck_assert_str_eq(cae_model_note(loaded), strlen(in_files[_i].value) > 2 ? "\xc3\xa4" : "");
    }
    bytes_free(&plain);
    bytes_free(&file);
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("describe");
    TCase *layers = tcase_create("layers"), *texts = tcase_create("notes");

    tcase_add_checked_fixture(layers, setup, teardown);
    tcase_add_loop_test(layers, layers_say_what_they_were_made_from, 0, 11);
    tcase_add_test(layers, a_layer_at_a_time_and_a_result_at_a_time);
    tcase_add_test(layers, layers_that_are_not_there);
    suite_add_tcase(suite, layers);
    tcase_add_unchecked_fixture(texts, directory_setup, directory_teardown);
    tcase_add_checked_fixture(texts, setup, teardown);
    tcase_add_loop_test(texts, a_note_comes_back, 0, COUNT(notes));
    tcase_add_test(texts, a_note_can_go);
    tcase_add_loop_test(texts, the_longest_note, 0, 2);
    tcase_add_loop_test(texts, a_note_that_is_not_utf8, 0, COUNT(not_utf8));
    tcase_add_loop_test(texts, notes_in_files, 0, COUNT(in_files));
    suite_add_tcase(suite, texts);
    return test_main(suite);
}
