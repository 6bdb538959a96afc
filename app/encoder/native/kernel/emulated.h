/* AVX-512 on a processor that has AVX2 alone, for the tests: SIMDe's intrinsics (Debian: libsimde-dev), and here those
 * that its version 0.7.4 lacks, each as Intel's manual defines it. */
#ifndef EMULATED_H
#define EMULATED_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <float.h>
#include <simde/x86/avx512.h>

#define __m512 simde__m512
#define __m512i simde__m512i
#define __m512bh simde__m512bh

static inline __m512i emulated_cvtepu16_epi32(__m256i x)
{
    simde__m512i_private wide;
    wide.m256i[0] = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(x));
    wide.m256i[1] = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1));
    return simde__m512i_from_private(wide);
}
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32

/* By halves. */
static inline __m512 emulated_cvtepi32_ps(__m512i x)
{
    simde__m512i_private from = simde__m512i_to_private(x);
    simde__m512_private to;
    for (int i = 0; i < 2; i++)
        to.m256[i] = _mm256_cvtepi32_ps(from.m256i[i]);
    return simde__m512_from_private(to);
}
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps

static inline __m512i emulated_cvtps_epi32(__m512 x)
{
    simde__m512_private from = simde__m512_to_private(x);
    simde__m512i_private to;
    for (int i = 0; i < 2; i++)
        to.m256i[i] = _mm256_cvtps_epi32(from.m256[i]);
    return simde__m512i_from_private(to);
}
#define _mm512_cvtps_epi32 emulated_cvtps_epi32

static inline __m256i emulated_cvtepi32_epi16(__m512i x)
{
    simde__m512i_private from = simde__m512i_to_private(x);
    int16_t narrow[16];
    for (int i = 0; i < 16; i++)
        narrow[i] = (int16_t)from.i32[i];
    return _mm256_loadu_si256((const __m256i *)narrow);
}
#define _mm512_cvtepi32_epi16 emulated_cvtepi32_epi16

static inline __m512 emulated_scalef_ps(__m512 x, __m512 n)
{
    simde__m512_private from = simde__m512_to_private(x), by = simde__m512_to_private(n);
    for (int i = 0; i < 16; i++)
        from.f32[i] = ldexpf(from.f32[i], (int)by.f32[i]);
    return simde__m512_from_private(from);
}
#undef _mm512_scalef_ps
#define _mm512_scalef_ps emulated_scalef_ps

/* Of 16 lanes the one that stands before all others. */
#define EMULATED_REDUCE(name, lane, vector_of, lanes, before)               \
    static inline lane name(vector_of x)                                    \
    {                                                                       \
        simde##vector_of##_private from = simde##vector_of##_to_private(x); \
        lane found = from.lanes[0];                                         \
        for (int i = 1; i < 16; i++)                                        \
            found = from.lanes[i] before found ? from.lanes[i] : found;     \
        return found;                                                       \
    }

EMULATED_REDUCE(emulated_reduce_max_ps, float, __m512, f32, >)
#define _mm512_reduce_max_ps emulated_reduce_max_ps

EMULATED_REDUCE(emulated_reduce_min_ps, float, __m512, f32, <)
#define _mm512_reduce_min_ps emulated_reduce_min_ps

static inline unsigned emulated_cmplt_epi32_mask(__m512i x, __m512i y)
{
    simde__m512i_private a = simde__m512i_to_private(x), b = simde__m512i_to_private(y);
    unsigned mask = 0;
    for (int i = 0; i < 16; i++)
        mask |= (unsigned)(a.i32[i] < b.i32[i]) << i;
    return mask;
}
#define _mm512_cmplt_epi32_mask emulated_cmplt_epi32_mask

EMULATED_REDUCE(emulated_reduce_max_epi32, int32_t, __m512i, i32, >)
#undef _mm512_reduce_max_epi32
#define _mm512_reduce_max_epi32 emulated_reduce_max_epi32

/* VDPBF16PS and VCVTNEPS2BF16 take subnormal numbers for zero and give none, whatever MXCSR says. */
static inline float emulated_flush(float x) { return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; }

static inline float emulated_widen(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return emulated_flush(wide);
}

/* Of each pair first the second product is added, then the first, each sum rounded. SIMDe adds them to each other. */
static inline __m512 emulated_dpbf16_ps(__m512 sum, __m512bh x, __m512bh y)
{
    simde__m512_private to = simde__m512_to_private(sum);
    simde__m512bh_private a = simde__m512bh_to_private(x), b = simde__m512bh_to_private(y);
    for (int i = 0; i < 32; i++) {
        int at = i ^ 1;
        float before = emulated_flush(to.f32[i / 2]);
        to.f32[i / 2] = emulated_flush(fmaf(emulated_widen(a.u16[at]), emulated_widen(b.u16[at]), before));
    }
    return simde__m512_from_private(to);
}
#undef _mm512_dpbf16_ps
#define _mm512_dpbf16_ps emulated_dpbf16_ps

static inline __m256i emulated_cvtneps_pbh(__m512 x)
{
    simde__m512_private from = simde__m512_to_private(x);
    uint16_t narrow[16];
    for (int i = 0; i < 16; i++) {
        float flushed = emulated_flush(from.f32[i]);
        uint32_t bits;
        memcpy(&bits, &flushed, sizeof bits);
        bits = flushed != flushed ? bits | 1u << 22 : bits + 0x7fff + (bits >> 16 & 1);
        narrow[i] = (uint16_t)(bits >> 16);
    }
    return _mm256_loadu_si256((const __m256i *)narrow);
}
#define _mm512_cvtneps_pbh emulated_cvtneps_pbh

static inline __m512i emulated_cvtne2ps_pbh(__m512 high, __m512 low)
{
    simde__m512i_private both;
    both.m256i[0] = emulated_cvtneps_pbh(low);
    both.m256i[1] = emulated_cvtneps_pbh(high);
    return simde__m512i_from_private(both);
}
#define _mm512_cvtne2ps_pbh emulated_cvtne2ps_pbh

#endif
