/* Sixteen integers beside vector_avx512.h: AVX512F, AVX512BW for bytes, AVX512_VNNI for their products. */
#ifndef INTEGERS_AVX512_H
#define INTEGERS_AVX512_H

#include "vector_avx512.h"

typedef __m512i ints;

INLINE ints i_zero(void) { return _mm512_setzero_si512(); }
INLINE ints i_or(ints x, ints y) { return _mm512_or_si512(x, y); }
INLINE int i_any_negative(ints x) { return _mm512_cmplt_epi32_mask(x, _mm512_setzero_si512()) != 0; }
INLINE vector i_float(ints x) { return _mm512_cvtepi32_ps(x); }
INLINE void i_store(int32_t *to, ints x) { _mm512_storeu_si512(to, x); }
INLINE ints i_load(const int32_t *from) { return _mm512_loadu_si512(from); }

/* The nearest whole number, ties to even; the most negative one for what has none. */
INLINE ints i_nearest(vector x) { return _mm512_cvtps_epi32(x); }

/* 64 integers between 0 and 255 as bytes in a row. */
INLINE void i_store_bytes(uint8_t *to, const ints x[4])
{
    const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i first = _mm512_packs_epi32(x[0], x[1]), second = _mm512_packs_epi32(x[2], x[3]);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi32(in_order, _mm512_packus_epi16(first, second)));
}

#if !DOT /* which else comes from vector_avx512_bf16.h, beside tiles for the products */
/* Four bytes in every lane; 16 columns' four weights; sum + the four products in each lane. */
#define PHASES 1
INLINE ints i_all_bytes(const uint8_t *from, int phase)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return (void)phase, _mm512_set1_epi32(four);
}
INLINE ints i_load_weights(const int8_t *from, int phase) { return (void)phase, _mm512_loadu_si512(from); }
INLINE ints i_dot(ints sum, ints bytes, ints weights)
{
#if defined(KERNEL_EMULATED)
    return _mm512_dpbusd_epi32(sum, bytes, weights);
#else /* around the intrinsic gcc 12 spills the sums */
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(weights));
    return sum;
#endif
}

/* Rounded to bfloat16 as the instruction does it: subnormal numbers are zero. */
INLINE void v_store_bf16(uint16_t *to, vector x)
{
    const __m512i sign = _mm512_set1_epi32((int)0x80000000);
    __mmask16 is_tiny = _mm512_cmp_ps_mask(v_absolute(x), v_all(0x1p-126f), _CMP_LT_OQ);
    x = _mm512_castsi512_ps(_mm512_mask_and_epi32(_mm512_castps_si512(x), is_tiny, _mm512_castps_si512(x), sign));
    __m512i narrow = _mm512_srli_epi32(_mm512_castps_si512(v_round_bf16(x)), 16);
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(narrow));
}
#endif

INLINE float v_smallest(vector x) { return _mm512_reduce_min_ps(x); }

/* Its quarters in another order. */
#define QUARTERS(x, order) \
    _mm512_castsi512_ps(_mm512_shuffle_i32x4(_mm512_castps_si512(x), _mm512_castps_si512(x), order))

/* The levels of the Hadamard transform within a vector: the lane with the lower number gets the sum of both. */
INLINE vector v_rotate_lanes(vector x)
{
    const vector eights = _mm512_setr_ps(1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1);
    const vector fours = _mm512_setr_ps(1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1);
    const vector twos = _mm512_setr_ps(1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1);
    const vector ones = _mm512_setr_ps(1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1);
    x = _mm512_fmadd_ps(x, eights, QUARTERS(x, 0x4E));
    x = _mm512_fmadd_ps(x, fours, QUARTERS(x, 0xB1));
    x = _mm512_fmadd_ps(x, twos, _mm512_shuffle_ps(x, x, 0x4E));
    return _mm512_fmadd_ps(x, ones, _mm512_shuffle_ps(x, x, 0xB1));
}

#endif
