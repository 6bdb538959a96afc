/* AVX2 and FMA, float32. */
#if defined(__x86_64__)
#include "x86.h"

BEGIN_TARGET("avx2,fma")
#include "vector_avx2.h"

#define BFLOAT16 0
#define DOT 0
#define PATH avx2_float32
#include "fast.inc"
END_TARGET
#endif
