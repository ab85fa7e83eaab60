/* history.c - bytes as the trainers' log.csv. What is taken in, written out, is taken in again. */
#include "fuzz.h"

#include <string.h>

#include "../../examples/trainer/history.h"
#include "../../examples/trainer/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("log.csv", data, size), *copy = fuzz_path("copy.csv");
    struct history history = {0}, again = {0};

    if (history_load(&history, path, size % 2 ? INT64_MAX : 100)) {
        int64_t previous = 0;
        for (size_t i = 0; i < history.count; i++) {
            CHECK(history.rows[i].step > previous);
            previous = history.rows[i].step;
        }
        if (history.count) {
            CHECK(history_save(&history, copy));
            CHECK(history_load(&again, copy, INT64_MAX));
            CHECK(again.count == history.count);
            CHECK(again.rows[again.count - 1].step == previous);
        }
    }
    history_free(&again);
    history_free(&history);
    return 0;
}
