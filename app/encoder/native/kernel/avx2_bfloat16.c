/* AVX2 and FMA, bfloat16 weights, widened to float as they are loaded. */
#if defined(__x86_64__)
#include "x86.h"

BEGIN_TARGET("avx2,fma")
#include "vector_avx2.h"

#define BFLOAT16 1
#define DOT 0
#define PATH avx2_bfloat16
#include "fast.inc"
END_TARGET
#endif
