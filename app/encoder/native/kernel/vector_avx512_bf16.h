/* What AVX512_BF16 adds to vector_avx512.h: bfloat16 in pairs, and activations stored as bfloat16. */
#ifndef VECTOR_AVX512_BF16_H
#define VECTOR_AVX512_BF16_H

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

/* 32 floats as bfloat16 in a row. */
INLINE void v_store_bf16_twice(uint16_t *to, vector low, vector high)
{
    _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* 16 of the first and 16 of the second as 16 pairs. */
INLINE void v_store_pairs(uint16_t *to, const uint16_t *first, const uint16_t *second)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)first));
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)second));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

/* 16 rows of 16 pairs, `stride` elements apart, turned round: row p of `to` is pair p of each. `half`: only the first
 * 8 pairs of each are there; zeros take the others' place. */
INLINE void v_turn(const uint16_t *from, long stride, int half, uint16_t *to)
{
    __m512i a[16], b[16];
    UNROLLED_ALL(int i = 0; i < 16; i++)
        a[i] = _mm512_loadu_si512(from + i * stride);
    UNROLLED_ALL(int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    UNROLLED_ALL(int i = 0; i < 16; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    UNROLLED_ALL(int i = 0; i < 16; i += 8)
        UNROLLED_ALL(int j = 0; j < 4; j++) {
            b[i + j] = _mm512_shuffle_i32x4(a[i + j], a[i + j + 4], 0x88);
            b[i + j + 4] = _mm512_shuffle_i32x4(a[i + j], a[i + j + 4], 0xDD);
        }
    UNROLLED_ALL(int j = 0; j < 8; j++) {
        __m512i later = _mm512_shuffle_i32x4(b[j], b[j + 8], 0xDD);
        _mm512_storeu_si512(to + j * 32, _mm512_shuffle_i32x4(b[j], b[j + 8], 0x88));
        _mm512_storeu_si512(to + (j + 8) * 32, half ? _mm512_setzero_si512() : later);
    }
}

#endif
