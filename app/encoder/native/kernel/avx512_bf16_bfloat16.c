/* AVX512_BF16: the processor multiplies pairs of bfloat16 and adds both products to a float. */
#if defined(__x86_64__)
#include "x86.h"

BEGIN_TARGET("avx2,fma,avx512f,avx512bf16")
#include "vector_avx512_bf16.h"

#define BFLOAT16 1
#define DOT 1
#define PATH avx512_bf16_bfloat16
#include "fast.inc"
END_TARGET
#endif
