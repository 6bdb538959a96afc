/* AVX-512F, float32. */
#if defined(__x86_64__)
#include "x86.h"

BEGIN_TARGET("avx2,fma,avx512f")
#include "vector_avx512.h"

#define BFLOAT16 0
#define DOT 0
#define PATH avx512_float32
#include "fast.inc"
END_TARGET
#endif
