/* How the plain path adds as the tile unit does: 32 inputs at a time, the firsts of 16 pairs in one chain, their
 * seconds in another, then both onto the sum. Subnormal numbers are zero, before and after each step. */
#include "tile_functions.h"

#define TILE_INPUTS 32

static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

/* x × y + sum, rounded once: the product and the sum with it are exact in double, or near enough to it to be rounded
 * alike (a double has more than twice a float's bits). What would be subnormal is so before its bits are cut; on the
 * very edge the unit also weighs what a double cannot hold (tile_emulated.h), this does not. */
static inline float add_product(double x, float y, float sum)
{
    double exact = x * y + sum;
    return (float)(fabs(exact) < 0x1p-126 - 0x1p-151 ? exact * 0 : exact);
}

static float add(float x, float y) { return flushed(flushed(x) + flushed(y)); }

/* chains[column] += input × the first (or second) of each pair of a step, in each column. */
static void add_products(float input, const weight *first, float *chains)
{
    const double x = flushed(input);
    for (long column = 0; column < BERT_COLUMNS; column++)
        chains[column] = add_product(x, flushed(widened(first[column * STEP])), chains[column]);
}

/* sums[column] += Σ inputs[i] × panel[i][column]. Inputs that are missing from the last 32 are zeros in a tile: that
 * changes nothing (but for a chain that is -0, next to a sum that is). */
static inline void multiply_panel(const float *inputs, const weight *panel, long count, float *sums)
{
    for (long start = 0; start < count; start += TILE_INPUTS) {
        float firsts[BERT_COLUMNS] = {0}, seconds[BERT_COLUMNS] = {0};
        for (long i = start; i < start + TILE_INPUTS && i < count; i += STEP) {
            add_products(inputs[i], panel + i * BERT_COLUMNS, firsts);
            add_products(inputs[i + 1], panel + i * BERT_COLUMNS + 1, seconds);
        }
        for (long column = 0; column < BERT_COLUMNS; column++)
            sums[column] = add(sums[column], add(firsts[column], seconds[column]));
    }
}

/* Σ x[i] × y[i × stride]. */
static float dot(const float *x, const float *y, long stride, long count)
{
    float sum = 0;
    for (long start = 0; start < count; start += TILE_INPUTS) {
        float chains[STEP] = {0};
        for (long i = start; i < start + TILE_INPUTS; i++)
            chains[i % STEP] = add_product(i < count ? flushed(x[i]) : 0, i < count ? flushed(y[i * stride]) : 0,
                                           chains[i % STEP]);
        sum = add(sum, add(chains[0], chains[1]));
    }
    return sum;
}

/* What is taken off each score of a row before its power: nothing if the largest is near 0, else that. */
static float shift_of(const float *scores, long tokens, float by)
{
    float largest = -INFINITY, whole = -INFINITY;
    for (long i = 0; i < tokens; i++) {
        largest = v_max(largest, scores[i] * by);
        whole = v_later(whole, v_whole(scores[i] * by));
    }
    return is_near_zero(whole) ? 0 : largest;
}

/* scores[i] becomes a softmax's power, rounded; returns 1 / the sum of the powers before they are rounded. */
static float softmax(float *scores, long tokens, float scale)
{
    float sums[16] = {0}, by = 16 * scale, shift = shift_of(scores, tokens, by);
    for (long i = 0; i < tokens; i++) {
        float x = scores[i] * by - shift;
        scores[i] = v_power(x, v_whole(x));
    }
    for (long start = 0; start < tokens; start += TILE_INPUTS)
        for (long i = start; i < start + 16 && i < tokens; i++)
            sums[i % 16] += scores[i] + (i + 16 < tokens ? scores[i + 16] : 0);
    for (long i = 0; i < tokens; i++)
        scores[i] = rounded(scores[i]);
    return 1.0f / sum_16(sums);
}

static float activated(float x, int activation) { return v_activate_in_pieces(x, activation); }
