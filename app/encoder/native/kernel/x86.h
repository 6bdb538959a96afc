/* The processor's intrinsics and how a file asks for an instruction set, in gcc's way and in clang's.
 *
 * With KERNEL_EMULATED those of AVX-512 are made of AVX2's (emulated.h), so that the tests can run every path on a
 * processor that has no AVX-512.
 */
#ifndef X86_H
#define X86_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define PRAGMA(text) _Pragma(#text)
#if defined(KERNEL_EMULATED) /* build.py gives the whole compilation AVX2 */
#include "emulated.h"
#define BEGIN_TARGET(features)
#define END_TARGET
#else
#include <immintrin.h>
#if defined(__clang__)
#define BEGIN_TARGET(features) PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define END_TARGET PRAGMA(clang attribute pop)
#else
#define BEGIN_TARGET(features) PRAGMA(GCC push_options) PRAGMA(GCC target(features))
#define END_TARGET PRAGMA(GCC pop_options)
#endif
#endif

/* Holds a sum in its register where it is: left to itself gcc 12 mixes the phases of a tile, runs out of registers and
 * spills four sums in each step (bfloat16 on AVX2: 7.5 ms for 22 tokens instead of 5.8). */
#if defined(KERNEL_EMULATED)
#define PIN(x) (void)(x)
#define PIN_ALWAYS(x) (void)(x)
#else
#define PIN(x) __asm__("" : "+v"(x))
#define PIN_ALWAYS(x) __asm__ volatile("" : "+v"(x))
#endif

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLLED(...) PRAGMA(clang loop unroll(full)) for (__VA_ARGS__)
#define UNROLLED_ALL UNROLLED
#else
#define UNROLLED(...) PRAGMA(GCC unroll 8) for (__VA_ARGS__)
#define UNROLLED_ALL(...) PRAGMA(GCC unroll 16) for (__VA_ARGS__)
#endif

#endif
