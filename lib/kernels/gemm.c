/* gemm.c - matrix products that stay on the calling thread.
 *
 * OpenBLAS hands a product to its own process-wide pool when m n k exceeds 65536 x 4 (0.3.21,
 * interface/gemm.c; later versions start further up). The pool serialises callers, spins after
 * use and belongs to the host, so every product is cut until it is below: we have threads of our
 * own, one per block of images, and the same bits whatever their number. The cuts depend on
 * the shape alone. */
#include "gemm.h"

#include "kernels.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cae/cae.h>

#if CAE__HAVE_OPENBLAS

#include <cblas.h>

static void product(enum cae__transpose a_op, enum cae__transpose b_op, int m, int n, int k,
                    const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    cblas_sgemm(CblasRowMajor, a_op ? CblasTrans : CblasNoTrans, b_op ? CblasTrans : CblasNoTrans,
                m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}

/* Its name and version, and the processor it found. The rest of the text is written anew at every call,
 * into one place of OpenBLAS's own, for all threads: these two words come out the same each time. */
static void blas_name(char *text, size_t capacity)
{
    const char *config = openblas_get_config(), *first = strchr(config, ' ');
    const size_t length = first ? (size_t)(first - config) + 1 + strcspn(first + 1, " ") : 0;
    snprintf(text, capacity, "%.*s %s", (int)length, config, openblas_get_corename());
}

#else

/* The plain product for builds without BLAS. A piece of a row of C is summed over a stretch of k
 * before it is added: rows of B stream through while it stays in registers and cache, and long sums
 * lose less to rounding. */
enum { PIECE = 128, STRETCH = 256 };

static void product(enum cae__transpose a_op, enum cae__transpose b_op, int m, int n, int k,
                    const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    const ptrdiff_t a_row = a_op ? 1 : lda, a_column = a_op ? lda : 1;
    const ptrdiff_t b_row = b_op ? 1 : ldb, b_column = b_op ? ldb : 1;

    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j += PIECE) {
            const int width = n - j < PIECE ? n - j : PIECE;
            float *to = c + (ptrdiff_t)i * ldc + j;
            for (int first = 0; first < k; first += STRETCH) {
                const int end = k - first < STRETCH ? k : first + STRETCH;
                float sum[PIECE] = {0};
                for (int l = first; l < end; l++) {
                    const float factor = a[i * a_row + l * a_column];
                    const float *from = b + l * b_row + j * b_column;
                    if (b_op)
                        for (int x = 0; x < width; x++)
                            sum[x] += factor * from[x * b_column];
                    else
                        for (int x = 0; x < width; x++)
                            sum[x] += factor * from[x];
                }
                for (int x = 0; x < width; x++)
                    to[x] = (first == 0 && beta == 0.0f ? 0.0f : to[x]) + sum[x];
            }
        }
}

static void blas_name(char *text, size_t capacity)
{
    snprintf(text, capacity, "built-in products (no BLAS)");
}

#endif

/* NOLINTNEXTLINE(misc-no-recursion): each halves a side, so at most 3 * 31 deep */
void cae__gemm(enum cae__transpose a_op, enum cae__transpose b_op, int m, int n, int k,
               const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    if ((int64_t)m * n * k <= CAE__ONE_THREAD_LIMIT) {
        product(a_op, b_op, m, n, k, a, lda, b, ldb, beta, c, ldc);
        return;
    }

    /* Halve the longest side, in the order in which the halves add up: deterministic. */
    if (n >= m && n >= k) {
        const int half = n / 2;
        const ptrdiff_t skip = b_op ? (ptrdiff_t)half * ldb : half;
        cae__gemm(a_op, b_op, m, half, k, a, lda, b, ldb, beta, c, ldc);
        cae__gemm(a_op, b_op, m, n - half, k, a, lda, b + skip, ldb, beta, c + half, ldc);
    } else if (m >= k) {
        const int half = m / 2;
        const ptrdiff_t skip = a_op ? half : (ptrdiff_t)half * lda;
        cae__gemm(a_op, b_op, half, n, k, a, lda, b, ldb, beta, c, ldc);
        cae__gemm(a_op, b_op, m - half, n, k, a + skip, lda, b, ldb, beta,
                  c + (ptrdiff_t)half * ldc, ldc);
    } else {
        const int half = k / 2;
        const ptrdiff_t a_skip = a_op ? (ptrdiff_t)half * lda : half;
        const ptrdiff_t b_skip = b_op ? half : (ptrdiff_t)half * ldb;
        cae__gemm(a_op, b_op, m, n, half, a, lda, b, ldb, beta, c, ldc);
        cae__gemm(a_op, b_op, m, n, k - half, a + a_skip, lda, b + b_skip, ldb, 1.0f, c, ldc);
    }
}

size_t cae__build_text(char *text, size_t capacity, const struct cae__kernels *kernels)
{
    char blas[128];
    blas_name(blas, sizeof blas);
    const int length = snprintf(text, text ? capacity : 0, "libcae %s, %s kernels, %s",
                                cae_version_string(), kernels->name, blas);
    return length < 0 ? 0 : (size_t)length;
}

size_t cae_build_info(char *text, size_t capacity)
{
    return cae__build_text(text, capacity, cae__kernels_at(CAE_CPU_AUTO));
}
