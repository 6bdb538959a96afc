/* Eight integers beside vector_avx2.h. */
#ifndef INTEGERS_AVX2_H
#define INTEGERS_AVX2_H

#include "vector_avx2.h"

typedef __m256i ints;

INLINE ints i_zero(void) { return _mm256_setzero_si256(); }
INLINE ints i_or(ints x, ints y) { return _mm256_or_si256(x, y); }
INLINE int i_any_negative(ints x) { return _mm256_movemask_ps(_mm256_castsi256_ps(x)) != 0; }
INLINE vector i_float(ints x) { return _mm256_cvtepi32_ps(x); }
INLINE void i_store(int32_t *to, ints x) { _mm256_storeu_si256((__m256i *)to, x); }
INLINE ints i_load(const int32_t *from) { return _mm256_loadu_si256((const __m256i *)from); }

/* The nearest whole number, ties to even; the most negative one for what has none. */
INLINE ints i_nearest(vector x) { return _mm256_cvtps_epi32(x); }

/* 64 integers between 0 and 255 as bytes in a row. */
INLINE void i_store_bytes(uint8_t *to, const ints x[8])
{
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    UNROLLED(int i = 0; i < 8; i += 4) {
        __m256i first = _mm256_packs_epi32(x[i], x[i + 1]), second = _mm256_packs_epi32(x[i + 2], x[i + 3]);
        __m256i bytes = _mm256_packus_epi16(first, second);
        _mm256_storeu_si256((__m256i *)(to + i * 8), _mm256_permutevar8x32_epi32(bytes, in_order));
    }
}

/* Four bytes in every lane; 8 columns' four weights. A product in phases: first each four's second and fourth, then the
 * others, widened to 16 bits, because the instruction for bytes (VPMADDUBSW) gives up what is over 32767. */
#define PHASES 2
INLINE ints i_all_bytes(const uint8_t *from, int phase)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    ints all = _mm256_set1_epi32(four);
    return phase == 0 ? _mm256_srli_epi16(all, 8) : _mm256_and_si256(all, _mm256_set1_epi16(0xff));
}
INLINE ints i_load_weights(const int8_t *from, int phase)
{
    ints all = _mm256_loadu_si256((const __m256i *)from);
    return _mm256_srai_epi16(phase == 0 ? all : _mm256_slli_epi16(all, 8), 8);
}
INLINE ints i_dot(ints sum, ints bytes, ints weights)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(bytes, weights));
}

/* Rounded to bfloat16 as the instruction does it: subnormal numbers are zero. */
INLINE void v_store_bf16(uint16_t *to, vector x)
{
    vector is_tiny = _mm256_cmp_ps(v_absolute(x), v_all(0x1p-126f), _CMP_LT_OQ);
    x = v_round_bf16(_mm256_blendv_ps(x, _mm256_and_ps(x, v_all(-0.0f)), is_tiny));
    __m256i narrow = _mm256_srli_epi32(_mm256_castps_si256(x), 16);
    __m128i both = _mm_packus_epi32(_mm256_castsi256_si128(narrow), _mm256_extracti128_si256(narrow, 1));
    _mm_storeu_si128((__m128i *)to, both);
}

INLINE float v_smallest(vector x)
{
    __m128 half = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_min_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_min_ss(half, _mm_shuffle_ps(half, half, 1)));
}

/* The levels of the Hadamard transform within a vector: the lane with the lower number gets the sum of both. */
INLINE vector v_rotate_lanes(vector x)
{
    const vector fours = _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1), twos = _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1);
    const vector ones = _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1);
    x = _mm256_fmadd_ps(x, fours, _mm256_permute2f128_ps(x, x, 1));
    x = _mm256_fmadd_ps(x, twos, _mm256_permute_ps(x, 0x4E));
    return _mm256_fmadd_ps(x, ones, _mm256_permute_ps(x, 0xB1));
}

#endif
