/* A "vector" of one float, so that functions.h is the same arithmetic for the plain path. */
#ifndef VECTOR_PLAIN_H
#define VECTOR_PLAIN_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline
#define UNROLL

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

#endif
