/* Vectors of 8 floats, AVX2 and FMA. The names that fast.inc is written in; vector_avx512.h has the same ones. */
#ifndef VECTOR_AVX2_H
#define VECTOR_AVX2_H

#include "x86.h"

#define LANES 8
/* Panels in a tile of the matrix product: 6 rows × 1 panel = 12 sums, of 16 registers. */
#define TILE_PANELS 1
#define REGISTERS 16

typedef __m256 vector;

INLINE vector v_zero(void) { return _mm256_setzero_ps(); }
INLINE vector v_all(float x) { return _mm256_set1_ps(x); }
INLINE vector v_load(const float *from) { return _mm256_loadu_ps(from); }
INLINE void v_store(float *to, vector x) { _mm256_storeu_ps(to, x); }
INLINE vector v_add(vector x, vector y) { return _mm256_add_ps(x, y); }
INLINE vector v_subtract(vector x, vector y) { return _mm256_sub_ps(x, y); }
INLINE vector v_multiply(vector x, vector y) { return _mm256_mul_ps(x, y); }
INLINE vector v_divide(vector x, vector y) { return _mm256_div_ps(x, y); }
INLINE vector v_max(vector x, vector y) { return _mm256_max_ps(x, y); }
INLINE vector v_min(vector x, vector y) { return _mm256_min_ps(x, y); }
/* x × y + z */
INLINE vector v_fma(vector x, vector y, vector z) { return _mm256_fmadd_ps(x, y, z); }
INLINE vector v_nearest(vector x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

/* x × 2^n, n a whole number between -126 and 127: the exponent's bits, written. */
INLINE vector v_scale(vector x, vector n)
{
    __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(bits));
}

/* Each float rounded to the nearest bfloat16, ties to even. NaN stays one. */
INLINE vector v_round_bf16(vector x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    vector result = _mm256_castsi256_ps(_mm256_and_si256(rounded, _mm256_set1_epi32((int)0xffff0000)));
    return _mm256_blendv_ps(result, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

/* 8 bfloat16 in a row, as floats. */
INLINE vector v_load_bf16(const uint16_t *from)
{
    __m128i narrow = _mm_loadu_si128((const __m128i *)from);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
}

/* Of 8 pairs of bfloat16: the first of each, and the second, as floats. */
INLINE vector v_load_first(const uint16_t *from)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)from), 16));
}
INLINE vector v_load_second(const uint16_t *from)
{
    __m256i pairs = _mm256_loadu_si256((const __m256i *)from);
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000)));
}

INLINE vector v_absolute(vector x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

/* table[n mod 16] and x × 2^(n / 16), n in the lowest bits of a float: of x the bits are what counts, so that a table
 * can take off what n mod 16 adds. */
INLINE vector v_pick(const float table[16], vector n)
{
    const __m256i place = _mm256_castps_si256(n), upper = _mm256_slli_epi32(place, 28); /* bit 3 is the sign */
    vector low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), place);
    vector high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), place);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(upper));
}
INLINE vector v_add_exponent(vector x, vector n)
{
    __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(n), 19);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}

/* Of two v_whole (tile_functions.inc) the later, and the latest of 8, by their bits as integers. */
INLINE vector v_later(vector x, vector y)
{
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(x), _mm256_castps_si256(y)));
}
INLINE float v_latest(vector x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m128i half = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(half, _mm_shuffle_epi32(half, 0xB1))));
}

/* The first `count` lanes, 0 or more, of one vector and the others of another. */
INLINE vector v_first_lanes(vector x, long count, vector others)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i past = _mm256_cmpgt_epi32(_mm256_set1_epi32(count < LANES ? (int)count : LANES), lanes);
    return _mm256_blendv_ps(others, x, _mm256_castsi256_ps(past));
}

INLINE float v_largest(vector x)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_shuffle_ps(half, half, 1)));
}

/* The sum of 16 numbers in two vectors, by halves: 16 to 8 to 4 to 2 to 1, the order that every path sums in. */
INLINE float v_sum_16(const vector x[2])
{
    vector eight = v_add(x[0], x[1]);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#endif
