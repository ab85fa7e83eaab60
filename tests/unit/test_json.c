/* test_json.c - the reader takes what RFC 8259 allows, less real numbers, and nothing else. */
#include "../../lib/formats/json.h"
#include "../common/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const good[] = {
    "null", "true", "false", "0", "-0", "7", "-1", "9223372036854775807", "-9223372036854775808",
    "\"\"", "\"a\"", "[]", "{}", " [ ] ", "\t\r\n{ }\n", "[1,2,3]", "[[],[[]],{}]", "{\"\":1}",
    "{\"a\":1,\"b\":{\"a\":[true,null]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0041\"",
    "\"\\ud83d\\ude00\"", "\"\\uD7FF\\uE000\"", "\"\xc3\xa9\"", "\"\xe2\x82\xac\"",
    "\"\xf0\x9f\x98\x80\"", "\"\x7f\"", "{\"a\":\"\\u0041\",\"A\":1}",
    /* the ends of what UTF-8 and its surrogates encode */
    "\"\xc2\x80\xdf\xbf\"", "\"\xe0\xa0\x80\xed\x9f\xbf\"", "\"\xee\x80\x80\xef\xbf\xbf\"",
    "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"", "\"\\ud800\\udc00\"", "\"\\udbff\\udfff\"",
    "\"\\u09aF\\uafAF\"",
};

static const char *const bad[] = {
    "", " ", "nul", "nulll", "True", "tru", "01", "-", "-01", "+1", ".5", "1.5", "1.0", "1e3", "1E3",
    "0e0", "0x10", "9223372036854775808", "-9223372036854775809", "99999999999999999999999", "NaN",
    "Infinity", "-Infinity", "\"", "\"a", "'a'", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u\"", "\"\\u00\"",
    "\"\\u00g0\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\"",
    "\"\\ud800\\ud800\"", "\"\n\"", "\"\t\"", "\"\x01\"", "\"\x80\"", "\"\xc3\"", "\"\xc3(\"",
    "\"\xc0\xaf\"", "\"\xc1\xbf\"", "\"\xe0\x80\xaf\"", "\"\xed\xa0\x80\"", "\"\xf0\x80\x80\xaf\"",
    "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xff\"", "[", "]", "[1", "[1,", "[1,]", "[,1]",
    "[1 2]", "[1}", "{", "}", "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{,}",
    "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{a:1}", "{\"a\":1]", "{\"a\":1,\"a\":1}",
    "{\"a\":1,\"b\":2,\"\\u0061\":3}", "[{\"x\":{\"k\":1,\"k\":2}}]", "1 2", "[] []", "{}x", "/**/1",
    "[1]//", "\xef\xbb\xbf[]",
    "\"\\u00G0\"", "\"\\u00@0\"", "\"\\u00`0\"", "\"\\u00/0\"", "\"\\u00:0\"", "\"\\ud800\\x\"",
    "\"\\ud800\\ue000\"", "\"\\udbff\\udbff\"", "\"\\ud800\\\"", "\"\\ud800\\u00\"", "\"\\udfff\"",
    "\"\xe0\x9f\xbf\"", "\"\xf0\x8f\xbf\xbf\"", "\"\xe2\x28\x80\"", "\"\xe2\x82\x28\"",
};

enum { GOOD = sizeof good / sizeof good[0], BAD = sizeof bad / sizeof bad[0] };

/* In memory of exactly its size, for valgrind and the sanitizers to see a byte too far. */
static cae_status parse(struct cae__json_document *document, const cae_context *context,
                        const char *text, size_t length)
{
    char *bytes = malloc(length ? length : 1);
    memcpy(bytes, text, length);
    const cae_status status = cae__json_parse(document, context, bytes, length, "test");
    free(bytes);
    return status;
}

START_TEST(what_is_json_is_read)
{
    cae_context *context = test_context();
    struct cae__json_document document;
    assert_ok(context, parse(&document, context, good[_i], strlen(good[_i])));
    ck_assert_ptr_nonnull(document.root);
    cae__json_close(&document);
    cae_context_destroy(context);
}
END_TEST

START_TEST(what_is_not_is_refused)
{
    cae_context *context = test_context();
    struct cae__json_document document;
    ck_assert_msg(parse(&document, context, bad[_i], strlen(bad[_i])) == CAE_ERR_FORMAT, "\"%s\"",
                  bad[_i]);
    ck_assert_ptr_nonnull(strstr(cae_context_error(context), "test: "));
    cae_context_destroy(context);
}
END_TEST

/* Every beginning of a valid text that is not valid itself. */
START_TEST(what_is_cut_off_is_refused)
{
    static const char text[] = "{\"a\": [1, -2, true, null, \"\\ud83d\\ude00\xe2\x82\xac\"], \"b\": {}}";
    cae_context *context = test_context();
    struct cae__json_document document;
    for (size_t length = 0; length < sizeof text - 1; length++)
        ck_assert_msg(parse(&document, context, text, length) == CAE_ERR_FORMAT, "%zu", length);
    assert_ok(context, parse(&document, context, text, sizeof text - 1));
    cae__json_close(&document);
    cae_context_destroy(context);
}
END_TEST

START_TEST(a_zero_byte_ends_nothing)
{
    cae_context *context = test_context();
    struct cae__json_document document;
    ck_assert_int_eq(parse(&document, context, "[1]\0", 4), CAE_ERR_FORMAT);
    ck_assert_int_eq(parse(&document, context, "\"a\0b\"", 5), CAE_ERR_FORMAT);
    cae_context_destroy(context);
}
END_TEST

START_TEST(levels_are_limited)
{
    cae_context *context = test_context();
    struct cae__json_document document;
    char text[201];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    assert_ok(context, parse(&document, context, text + 36, 128));
    cae__json_close(&document);
    ck_assert_int_eq(parse(&document, context, text + 35, 130), CAE_ERR_FORMAT);
    cae_context_destroy(context);
}
END_TEST

/* What was written is what is read. */
START_TEST(texts_survive_the_round_trip)
{
    cae_context *context = test_context();
    struct cae__json_document document;
    struct cae__text text;
    char value[128];
    for (int i = 0; i < 127; i++)
        value[i] = (char)(i + 1);
    value[127] = '\0';
    cae__text_init(&text, context);
    cae__text_add(&text, "{\"n\":%d,\"t\":", -5);
    cae__text_add_string(&text, value);
    cae__text_add(&text, "}");
    ck_assert(!text.failed);
    assert_ok(context, parse(&document, context, text.bytes, text.length));
    ck_assert_str_eq(cae__json_text(cae__json_get(document.root, "t")), value);
    ck_assert_int_eq(cae__json_get(document.root, "n")->integer, -5);
    ck_assert_ptr_null(cae__json_get(document.root, "x"));
    ck_assert_ptr_null(cae__json_text(cae__json_get(document.root, "n")));
    cae__json_close(&document);
    cae__text_finish(&text);
    cae_context_destroy(context);
}
END_TEST

/* Time must grow with the length, not its square: 200,000 members would take minutes. */
START_TEST(many_members_are_quick)
{
    cae_context *context = test_context();
    struct cae__json_document document;
    struct cae__text text;
    cae__text_init(&text, context);
    cae__text_add(&text, "{\"k\":0");
    for (int i = 0; i < 200000; i++)
        cae__text_add(&text, ",\"k%d\":%d", i, i);
    cae__text_add(&text, "}");
    assert_ok(context, parse(&document, context, text.bytes, text.length));
    ck_assert_uint_eq(document.root->count, 200001);
    cae__json_close(&document);
    cae__text_finish(&text);
    cae_context_destroy(context);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("json");
    TCase *c = tcase_create("json");
    tcase_set_timeout(c, 20);
    tcase_add_loop_test(c, what_is_json_is_read, 0, GOOD);
    tcase_add_loop_test(c, what_is_not_is_refused, 0, BAD);
    tcase_add_test(c, what_is_cut_off_is_refused);
    tcase_add_test(c, a_zero_byte_ends_nothing);
    tcase_add_test(c, levels_are_limited);
    tcase_add_test(c, texts_survive_the_round_trip);
    tcase_add_test(c, many_members_are_quick);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
