/* A "vector" of one float, so that functions.inc is the same arithmetic for the plain path. */
#ifndef VECTOR_PLAIN_H
#define VECTOR_PLAIN_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline
#define UNROLLED(...) for (__VA_ARGS__)

typedef float vector;

INLINE vector v_zero(void) { return 0; }
INLINE vector v_all(float x) { return x; }
INLINE vector v_add(vector x, vector y) { return x + y; }
INLINE vector v_subtract(vector x, vector y) { return x - y; }
INLINE vector v_multiply(vector x, vector y) { return x * y; }
INLINE vector v_divide(vector x, vector y) { return x / y; }
INLINE vector v_max(vector x, vector y) { return x > y ? x : y; }
INLINE vector v_min(vector x, vector y) { return x < y ? x : y; }
INLINE vector v_fma(vector x, vector y, vector z) { return fmaf(x, y, z); }
INLINE vector v_nearest(vector x) { return nearbyintf(x); }

/* x × 2^n, n a whole number between -126 and 127: the exponent's bits, written. */
INLINE vector v_scale(vector x, vector n)
{
    uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
    memcpy(&n, &bits, sizeof n);
    return x * n;
}

INLINE vector v_absolute(vector x) { return fabsf(x); }

INLINE uint32_t v_bits(vector x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* table[n mod 16] and x × 2^(n / 16), n in the lowest bits of a float: of x the bits are what counts, so that a table
 * can take off what n mod 16 adds. */
INLINE vector v_pick(const float table[16], vector n) { return table[v_bits(n) & 15]; }
INLINE vector v_add_exponent(vector x, vector n)
{
    uint32_t bits = v_bits(x) + (v_bits(n) << 19);
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Of two v_whole (tile_functions.inc) the later, by their bits as integers. */
INLINE vector v_later(vector x, vector y) { return (int32_t)v_bits(x) > (int32_t)v_bits(y) ? x : y; }

#endif
