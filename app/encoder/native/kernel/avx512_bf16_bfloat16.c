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

/* Gives back what it stored, as floats. */
INLINE vector v_store_bf16(uint16_t *to, vector x)
{
    __m256i narrow = (__m256i)_mm512_cvtneps_pbh(x);
    _mm256_storeu_si256((__m256i *)to, narrow);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
}

/* 16 of the first and 16 of the second as 16 pairs. */
INLINE void v_store_pairs(uint16_t *to, const uint16_t *first, const uint16_t *second)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)first));
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)second));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

#define BFLOAT16 1
#define DOT 1
#define PATH avx512_bf16_bfloat16
#include "fast.h"
END_TARGET
#endif
