/* The tile unit in plain C, bit for bit, for tests on any processor; tests/unit/test_native_tiles.py holds it against
 * what the hardware answered. Included by tile_unit.h.
 *
 * TDPBF16PS: for each sum even = odd = +0; for k upwards even = fma(a[2k], b[2k], even), odd the same of the seconds;
 * then sum + (even + odd). Each step is rounded once, to nearest, ties to even. Subnormal inputs count as zero of their
 * sign, and so does a step's subnormal result, judged as FTZ does: after rounding to 24 bits without a least exponent.
 * MXCSR plays no part. NaN: the first operand's that is one, made quiet. */
#ifndef TILE_EMULATED_H
#define TILE_EMULATED_H

#include <math.h>
#include <string.h>

struct emulated_tile {
    uint8_t bytes[16][64];
};

/* Each .c file that includes this has tiles of its own; whoever uses them does so within one function. */
static _Thread_local struct emulated_tile emulated_tiles[8];
static _Thread_local struct tile_shapes emulated_shapes;

static float bits_to_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t float_to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float without_subnormals(float x)
{
    uint32_t bits = float_to_bits(x);
    return bits & 0x7f800000 ? x : bits_to_float(bits & 0x80000000);
}

static float quiet(float nan) { return bits_to_float(float_to_bits(nan) | 0x400000); }

/* Whether x + y is subnormal once it is rounded to 24 bits: `sum` + `rest` is exactly x + y. */
static int is_tiny(double x, double y)
{
    double sum = x + y, part = sum - x, rest = (x - (sum - part)) + (y - part);
    double edge = 0x1p-126 - 0x1p-151, more = sum < 0 ? -rest : rest;
    return fabs(sum) < edge || (fabs(sum) == edge && more < 0);
}

static float emulated_fused(float x, float y, float z)
{
    x = without_subnormals(x), y = without_subnormals(y), z = without_subnormals(z);
    if (x != x || y != y || z != z)
        return quiet(x != x ? x : y != y ? y : z);
    float sum = fmaf(x, y, z);
    if (sum != sum)
        return bits_to_float(0xffc00000);
    if (fabsf(sum) <= 0x1p-126f && is_tiny((double)x * y, z))
        return bits_to_float(float_to_bits(sum) & 0x80000000);
    return sum;
}

static float emulated_added(float x, float y)
{
    x = without_subnormals(x), y = without_subnormals(y);
    if (x != x || y != y)
        return quiet(x != x ? x : y);
    float sum = x + y;
    return sum != sum ? bits_to_float(0xffc00000) : without_subnormals(sum);
}

static float emulated_half(const uint8_t *bytes)
{
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    return bits_to_float((uint32_t)half << 16);
}

static void emulated_shape(struct tile_shapes shapes)
{
    emulated_shapes = shapes;
    memset(emulated_tiles, 0, sizeof emulated_tiles);
}

static void emulated_zero(int t) { memset(&emulated_tiles[t], 0, sizeof emulated_tiles[t]); }

static void emulated_load(int t, const void *from, long stride)
{
    emulated_zero(t);
    for (long row = 0; row < emulated_shapes.rows[t]; row++)
        memcpy(emulated_tiles[t].bytes[row], (const char *)from + row * stride, emulated_shapes.row_bytes[t]);
}

static void emulated_store(int t, void *to, long stride)
{
    for (long row = 0; row < emulated_shapes.rows[t]; row++)
        memcpy((char *)to + row * stride, emulated_tiles[t].bytes[row], emulated_shapes.row_bytes[t]);
}

/* One sum of a product: row m of a, column n of b, so many pairs deep. */
static float emulated_sum(float sum, const struct emulated_tile *a, const struct emulated_tile *b, int m, int n,
                          int depth)
{
    float even = 0, odd = 0;
    for (int k = 0; k < depth; k++) {
        even = emulated_fused(emulated_half(&a->bytes[m][4 * k]), emulated_half(&b->bytes[k][4 * n]), even);
        odd = emulated_fused(emulated_half(&a->bytes[m][4 * k + 2]), emulated_half(&b->bytes[k][4 * n + 2]), odd);
    }
    return emulated_added(sum, emulated_added(even, odd));
}

static void emulated_multiply(int c, int a, int b)
{
    for (int m = 0; m < emulated_shapes.rows[c]; m++)
        for (int n = 0; n < emulated_shapes.row_bytes[c] / 4; n++) {
            float sum;
            memcpy(&sum, &emulated_tiles[c].bytes[m][4 * n], sizeof sum);
            sum = emulated_sum(sum, &emulated_tiles[a], &emulated_tiles[b], m, n, emulated_shapes.row_bytes[a] / 4);
            memcpy(&emulated_tiles[c].bytes[m][4 * n], &sum, sizeof sum);
        }
}

/* TDPBUSD: sums of int32 wrap around. */
static void emulated_multiply_bytes(int c, int a, int b)
{
    for (int m = 0; m < emulated_shapes.rows[c]; m++)
        for (int n = 0; n < emulated_shapes.row_bytes[c] / 4; n++) {
            uint32_t sum;
            memcpy(&sum, &emulated_tiles[c].bytes[m][4 * n], sizeof sum);
            for (int k = 0; k < emulated_shapes.row_bytes[a]; k++)
                sum += (uint32_t)(emulated_tiles[a].bytes[m][k]
                                  * (int8_t)emulated_tiles[b].bytes[k / 4][4 * n + k % 4]);
            memcpy(&emulated_tiles[c].bytes[m][4 * n], &sum, sizeof sum);
        }
}

#define TILE_SHAPE(shapes) emulated_shape(shapes)
#define TILE_RELEASE() emulated_shape((struct tile_shapes){0})
#define TILE_ZERO(t) emulated_zero(t)
#define TILE_LOAD(t, from, stride) emulated_load(t, from, stride)
#define TILE_STORE(t, to, stride) emulated_store(t, to, stride)
#define TILE_MULTIPLY(c, a, b) emulated_multiply(c, a, b)
#define TILE_MULTIPLY_BYTES(c, a, b) emulated_multiply_bytes(c, a, b)

#endif
