/* Integers beside vector_plain.h, one at a time. */
#ifndef INTEGERS_PLAIN_H
#define INTEGERS_PLAIN_H

#include "vector_plain.h"

#define LANES 1
#define UNROLLED_ALL UNROLLED

typedef int32_t ints;

INLINE vector v_load(const float *from) { return *from; }
INLINE void v_store(float *to, vector x) { *to = x; }
INLINE float v_smallest(vector x) { return x; }
INLINE float v_largest(vector x) { return x; }
INLINE vector v_rotate_lanes(vector x) { return x; }

INLINE ints i_zero(void) { return 0; }
INLINE ints i_or(ints x, ints y) { return x | y; }
INLINE int i_any_negative(ints x) { return x < 0; }
INLINE vector i_float(ints x) { return (float)x; }

/* The nearest whole number, ties to even; the most negative one for what has none. */
INLINE ints i_nearest(vector x) { return fabsf(x) < 0x1p31f ? (int32_t)nearbyintf(x) : INT32_MIN; }

INLINE void i_store_bytes(uint8_t *to, const ints bytes[64])
{
    for (int i = 0; i < 64; i++)
        to[i] = (uint8_t)bytes[i];
}

#endif
