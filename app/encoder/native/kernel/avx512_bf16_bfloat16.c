/* AVX512_BF16: the processor multiplies pairs of bfloat16 and adds both products to a float. */
#if defined(__x86_64__)
#include "x86.h"

BEGIN_TARGET("avx2,fma,avx512f,avx512bf16")
#include "vector_avx512.h"

typedef __m512bh pairs;

INLINE pairs v_load_pairs(const uint16_t *from) { return (pairs)_mm512_loadu_si512(from); }

/* The same pair in every lane. */
INLINE pairs v_all_pairs(const uint16_t *from)
{
    int32_t pair;
    memcpy(&pair, from, sizeof pair);
    return (pairs)_mm512_set1_epi32(pair);
}

/* sum + x.first × y.first + x.second × y.second, in each of 16 lanes. */
INLINE vector v_dot(vector sum, pairs x, pairs y) { return _mm512_dpbf16_ps(sum, x, y); }

INLINE void v_store_bf16(uint16_t *to, vector x)
{
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(x));
}

#define BFLOAT16 1
#define DOT 1
#define PATH avx512_bf16_bfloat16
#include "fast.h"
END_TARGET
#endif
