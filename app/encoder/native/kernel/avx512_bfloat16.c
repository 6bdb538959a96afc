/* AVX-512F, bfloat16 weights, widened to float as they are loaded. */
#if defined(__x86_64__)
#include "x86.h"

BEGIN_TARGET("avx2,fma,avx512f")
#include "vector_avx512.h"

#define BFLOAT16 1
#define DOT 0
#define PATH avx512_bfloat16
#include "fast.inc"
END_TARGET
#endif
