/* fuzz.h - what the fuzz targets share.
 *
 * A target is one file with LLVMFuzzerTestOneInput, as libFuzzer and AFL++ call it and as replay.c does
 * without either. It makes a context whose allocator counts, does its work, and ends the context:
 * fuzz_end fails unless every block came back. What is wrong ends the process with a line on stderr; the
 * fuzzers keep the input.
 *
 * Work is bounded, so that an input is slow only if the library is. */
#ifndef CAE_TESTS_FUZZ_H
#define CAE_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cae/cae.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert, in every build type. */
#define CHECK(condition) \
    ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/* What handles hold before a call that must overwrite them: an address with nothing at it, so that
 * whoever follows it falls. */
/* NOLINTNEXTLINE(performance-no-int-to-ptr): it has to be a number, an object could be read */
#define FUZZ_JUNK ((void *)(uintptr_t)0x5a5a5a50)

/* --- A context that counts -------------------------------------------------------------------- */

struct fuzz_heap {
    size_t blocks, bytes; /* handed out and not yet given back */
    size_t peak;          /* the largest that `bytes` has been since fuzz_mark */
    size_t marked;        /* `bytes` at fuzz_mark */
    size_t limit;         /* `bytes` never passes it: NULL instead */
    long requests;
    long fail_at;         /* this request gets NULL; -1: none */
    bool refused;         /* some request got NULL */
};

extern struct fuzz_heap fuzz_heap;

cae_context *fuzz_begin(void);
void fuzz_end(cae_context *context);

/* From here on `peak` counts anew. */
void fuzz_mark(void);
/* What a file of `size` bytes may make the library allocate at once: docs/file-format.md. */
void fuzz_check_peak(size_t size);

/* What loaded fills its file: 4 bytes a parameter and nothing else, unless it is a checkpoint. */
void fuzz_check_filled(const uint8_t *data, size_t size, const cae_model *model);

/* A status that the header knows; a failure left a text and, if there is one, a handle of NULL. */
void fuzz_check_status(const cae_context *context, cae_status status);
void fuzz_check_made(const cae_context *context, cae_status status, const void *handle);

/* --- Bytes as numbers ------------------------------------------------------------------------- */

/* What is left of an input; reading beyond its end gives zeros. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

uint8_t fuzz_u8(struct fuzz_input *in);
uint32_t fuzz_u32(struct fuzz_input *in);
uint64_t fuzz_u64(struct fuzz_input *in);
/* A number below `limit`, from one byte. */
int fuzz_below(struct fuzz_input *in, int limit);
/* Mostly `small` numbers, now and then one of those that break things. */
int32_t fuzz_int(struct fuzz_input *in, int32_t least, int32_t most);
double fuzz_double(struct fuzz_input *in);
float fuzz_float(struct fuzz_input *in);

/* --- Files ------------------------------------------------------------------------------------ */

/* A directory in memory that goes with the process. */
const char *fuzz_directory(void);
/* These bytes as a file of that name there; its path, which stays. */
const char *fuzz_file(const char *name, const void *data, size_t size);
/* A path there without a file. */
const char *fuzz_path(const char *name);
/* Remove all files there. */
void fuzz_clear(void);

/* --- Models ----------------------------------------------------------------------------------- */

/* Conv 1->2 3x3 ReLU | ConvTranspose 2->1 3x3; 39 parameters. */
cae_model *fuzz_small_model(cae_context *context, bool residual);

/* It, with or without a residual connection, six images, an optimizer of that kind, batches of four, with or
 * without a moving average: the trainer that checkpoints are for. */
enum { FUZZ_IMAGES = 6 };
struct fuzz_training {
    int32_t kind;
    bool residual, average;
};
cae_trainer *fuzz_trainer(cae_context *context, struct fuzz_training how);

struct fuzz_bytes {
    uint8_t *data;
    size_t size;
};

struct fuzz_bytes fuzz_model_bytes(const cae_model *model);
void fuzz_check_same(struct fuzz_bytes a, struct fuzz_bytes b);
void fuzz_bytes_free(struct fuzz_bytes *bytes);

/* Multiplications, about, for one image; 0 when it does not fit. */
double fuzz_work(const cae_model *model, int32_t part, int height, int width);

/* Run each part on an image of height x width: sizes that do not fit, and the one that does when the
 * work for it is small. */
void fuzz_run_model(cae_context *context, const cae_model *model, int height, int width);
/* Ask for its threshold, and score such an image as it was calibrated, when it fits and is small. */
void fuzz_score_model(cae_context *context, const cae_model *model, int height, int width);
/* As ONNX, each part, twice the same. */
void fuzz_export_model(cae_context *context, const cae_model *model);

#endif
