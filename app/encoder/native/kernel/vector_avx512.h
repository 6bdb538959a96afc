/* Vectors of 16 floats, AVX-512F. The names that fast.inc is written in; vector_avx2.h has the same ones. */
#ifndef VECTOR_AVX512_H
#define VECTOR_AVX512_H

#include "x86.h"

#define LANES 16
/* Panels in a tile of the matrix product: 6 rows × 4 panels = 24 sums, of 32 registers. */
#define TILE_PANELS 4
#define REGISTERS 32

typedef __m512 vector;

INLINE vector v_zero(void) { return _mm512_setzero_ps(); }
INLINE vector v_all(float x) { return _mm512_set1_ps(x); }
INLINE vector v_load(const float *from) { return _mm512_loadu_ps(from); }
INLINE void v_store(float *to, vector x) { _mm512_storeu_ps(to, x); }
INLINE vector v_add(vector x, vector y) { return _mm512_add_ps(x, y); }
INLINE vector v_subtract(vector x, vector y) { return _mm512_sub_ps(x, y); }
INLINE vector v_multiply(vector x, vector y) { return _mm512_mul_ps(x, y); }
INLINE vector v_divide(vector x, vector y) { return _mm512_div_ps(x, y); }
INLINE vector v_max(vector x, vector y) { return _mm512_max_ps(x, y); }
INLINE vector v_min(vector x, vector y) { return _mm512_min_ps(x, y); }
/* x × y + z */
INLINE vector v_fma(vector x, vector y, vector z) { return _mm512_fmadd_ps(x, y, z); }
INLINE vector v_nearest(vector x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

/* x × 2^n, n a whole number. */
INLINE vector v_scale(vector x, vector n) { return _mm512_scalef_ps(x, n); }

/* Each float rounded to the nearest bfloat16, ties to even. NaN stays one. */
INLINE vector v_round_bf16(vector x)
{
    __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    vector result = _mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32((int)0xffff0000)));
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), result, x);
}

/* 16 bfloat16 in a row, as floats. */
INLINE vector v_load_bf16(const uint16_t *from)
{
    __m256i narrow = _mm256_loadu_si256((const __m256i *)from);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
}

/* Of 16 pairs of bfloat16: the first of each, and the second, as floats. */
INLINE vector v_load_first(const uint16_t *from)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(from), 16));
}
INLINE vector v_load_second(const uint16_t *from)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(from), _mm512_set1_epi32((int)0xffff0000)));
}

INLINE vector v_absolute(vector x)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
}

/* table[n mod 16] and x × 2^(n / 16), n in the lowest bits of a float: of x the bits are what counts, so that a table
 * can take off what n mod 16 adds. */
INLINE vector v_pick(const float table[16], vector n)
{
    return _mm512_permutexvar_ps(_mm512_castps_si512(n), _mm512_loadu_ps(table));
}
INLINE vector v_add_exponent(vector x, vector n)
{
    __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(n), 19);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), exponent));
}

/* Of two v_whole (tile_functions.inc) the later, and the latest of 16, by their bits as integers: no tile slows it. */
INLINE vector v_later(vector x, vector y)
{
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(x), _mm512_castps_si512(y)));
}
INLINE float v_latest(vector x)
{
    int32_t bits = _mm512_reduce_max_epi32(_mm512_castps_si512(x));
    float latest;
    memcpy(&latest, &bits, sizeof latest);
    return latest;
}

/* The first `count` lanes, 0 or more, of one vector and the others of another. */
INLINE __mmask16 v_first(long count) { return count < LANES ? (__mmask16)((1u << count) - 1) : (__mmask16)0xffff; }
INLINE vector v_first_lanes(vector x, long count, vector others)
{
    return _mm512_mask_mov_ps(others, v_first(count), x);
}

INLINE float v_largest(vector x) { return _mm512_reduce_max_ps(x); }

/* The sum of 16 numbers in one vector, by halves: 16 to 8 to 4 to 2 to 1, the order that every path sums in. */
INLINE float v_sum_16(const vector x[1])
{
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x[0]), 1));
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x[0]), high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#endif
