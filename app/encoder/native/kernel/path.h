/* What one instruction set does for one precision: the inner work of the forward pass (forward.c calls it).
 *
 * An "activation element" is what a path keeps activations in between two matrix products: bfloat16 where the
 * processor multiplies bfloat16, else float (rounded to bfloat16 in that precision, so that all paths agree). In int8 a
 * row of activations is bytes with a scale of its own (int8_rows.inc).
 */
#ifndef PATH_H
#define PATH_H

#include <math.h>

#include "bert.h"
#include "scratch.h"

/* Where the results of a matrix product go. */
enum target {
    TO_ACTIVATIONS, /* become what another product takes */
    TO_ATTENTION,   /* become what attention takes */
    ONTO_RESIDUAL,  /* are added to float */
    TO_FLOATS       /* stay float */
};

/* Kinds of rows: what embedding, norms and attention leave for a product; what a product leaves for another, and for
 * attention. */
enum rows { ACTIVATIONS, FED, ATTENTION };

struct path {
    enum bert_sums sums; /* the order in which it adds */
    long slack_rows;     /* that may be read and written past the last row of residual and activations (tile_rows) */
    long feed_rows;      /* that go through the feed-forward block at once */

    /* Bytes from one row of so many columns to the next. */
    long (*row_bytes)(enum rows rows, long columns);

    /* In what follows `next` is the product that takes the activations: in int8 it says what becomes of them. */

    /* residual[r] = LayerNorm(word + type + position), and the same as activations for the first layer. */
    void (*embed)(const struct bert_model *model, const int32_t *ids, const int32_t *types, const int32_t *positions,
                  long rows, float *residual, void *activations);

    /* residual[r] = LayerNorm(residual[r]), and the same as activations, unless `next` is NULL. `next_bias` (or NULL)
     * is that of the product which goes onto the residual next: paths whose sums begin as the residual add it here
     * already. */
    void (*normalize)(const struct bert_norm *norm, float epsilon, const struct bert_linear *next,
                      const float *next_bias, long rows, long hidden, float *residual, void *activations);

    /* outputs[r] = activation(bias + inputs[r] × weights); outputs have `linear->outputs` columns. Onto the residual
     * without an activation, from a multiple of 64 inputs, and without the bias where the norm before has added it. */
    void (*multiply)(const struct bert_linear *linear, const void *inputs, enum rows kind, long rows, int activation,
                     enum target target, const struct bert_linear *next, void *outputs);

    /* One text's attention: qkv [tokens][3 × hidden], which it may use up, to mixed [tokens][hidden]; the scratch that
     * it needs. */
    void (*attend)(void *qkv, long tokens, long hidden, long heads, void *scratch, const struct bert_linear *next,
                   void *mixed);
    size_t (*attention_bytes)(long tokens, long head);

    /* Rows of floats to rows of activation elements; not in int8. */
    void (*convert)(const float *from, long rows, long columns, void *to);

    double (*peak)(int64_t rounds);
};

/* Each file that defines a path has them under these names; `convert` too, except in int8. */
#define FUNCTIONS_OF_A_PATH                                                                                 \
    .row_bytes = row_bytes, .embed = embed, .normalize = normalize, .multiply = multiply, .attend = attend, \
    .attention_bytes = attention_bytes, .peak = peak

/* 1 / √head, and for exp2 to be exp: log2 e. */
static inline float softmax_scale(long head) { return 1.44269504f / sqrtf((float)head); }

/* A path for each precision; the faster ones exist on x86-64 alone. */
extern const struct path plain_float32, plain_bfloat16, plain_tiles_bfloat16, plain_int8;
#if defined(__x86_64__)
extern const struct path avx2_float32, avx2_bfloat16, avx2_int8;
extern const struct path avx512_float32, avx512_bfloat16;
extern const struct path avx512_bf16_bfloat16, avx512_vnni_int8;
#if !defined(KERNEL_WITHOUT_TILES)
extern const struct path amx_bf16_bfloat16, amx_int8_int8;
#endif
#endif

#endif
