/* AVX2 and FMA, bytes and int8 weights, widened to 16 bits as they are loaded. */
#if defined(__x86_64__)
#include "x86.h"

BEGIN_TARGET("avx2,fma")
#include "vector_avx2.h"

#define DOT 0
#include "integers_avx2.h"

#define PATH avx2_int8
#include "int8.inc"
END_TARGET
#endif
