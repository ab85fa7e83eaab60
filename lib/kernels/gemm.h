/* gemm.h - the only way to a matrix product: every BLAS call of the library is in gemm.c. */
#ifndef CAE_GEMM_H
#define CAE_GEMM_H

#include <stddef.h>

/* Products of at most so many multiplications stay on the calling thread, see gemm.c. */
#define CAE__ONE_THREAD_LIMIT 262144

enum cae__transpose { CAE__PLAIN = 0, CAE__TRANSPOSED = 1 };

/* C [m][n] = op(A) [m][k] op(B) [k][n] + beta C, row-major, leading dimensions in floats; beta is 0
 * or 1. Runs on the calling thread, see gemm.c. */
void cae__gemm(enum cae__transpose a_op, enum cae__transpose b_op, int m, int n, int k,
               const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

struct cae__kernels;
/* cae_build_info for those kernels. */
size_t cae__build_text(char *text, size_t capacity, const struct cae__kernels *kernels);

#endif
