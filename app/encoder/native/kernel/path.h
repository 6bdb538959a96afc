/* What one instruction set does for one precision: the inner work of the forward pass (forward.c calls it).
 *
 * An "activation element" is what a path keeps activations in between two matrix products: bfloat16 where the
 * processor multiplies bfloat16, else float (rounded to bfloat16 in that precision, so that all paths agree).
 */
#ifndef PATH_H
#define PATH_H

#include <math.h>

#include "bert.h"
#include "scratch.h"

/* Where the results of a matrix product go. */
enum target {
    TO_ACTIVATIONS, /* become activation elements */
    ONTO_RESIDUAL,  /* are added to float */
    TO_FLOATS       /* stay float */
};

struct path {
    size_t element_bytes; /* of an activation element */

    /* residual[r] = LayerNorm(word + type + position), and the same as activation elements. */
    void (*embed)(const struct bert_model *model, const int32_t *ids, const int32_t *types, const int32_t *positions,
                  long rows, float *residual, void *activations);

    /* residual[r] = LayerNorm(residual[r]), and the same as activation elements. */
    void (*normalize)(const struct bert_norm *norm, float epsilon, long rows, long hidden, float *residual,
                      void *activations);

    /* outputs[r] = activation(bias + inputs[r] × weights); outputs have `linear->outputs` columns. */
    void (*multiply)(const struct bert_linear *linear, const void *inputs, long rows, int activation,
                     enum target target, void *outputs);

    /* One text's attention: qkv [tokens][3 × hidden] to mixed [tokens][hidden]; see attention_bytes. */
    void (*attend)(const void *qkv, long tokens, long hidden, long heads, void *scratch, void *mixed);

    /* float to activation elements. */
    void (*convert)(const float *from, long count, void *to);

    double (*peak)(int64_t rounds);
};

/* Scratch of one head's attention: its keys and values as panels, and six rows of scores and of probabilities.
 * Sized for 4-byte elements throughout; each part starts aligned. */
struct attention_scratch {
    void *keys, *values, *probabilities;
    float *scores;
};

static inline struct attention_scratch cut_attention(void *scratch, size_t *used, long tokens, long head)
{
    size_t keys = (size_t)round_up(tokens, BERT_COLUMNS);
    struct attention_scratch parts;
    parts.keys = cut(scratch, used, keys * (size_t)head * sizeof(float));
    parts.values = cut(scratch, used, keys * (size_t)head * sizeof(float));
    parts.scores = cut(scratch, used, 6 * keys * sizeof(float));
    parts.probabilities = cut(scratch, used, 6 * keys * sizeof(float));
    return parts;
}

/* 1 / √head, and for exp2 to be exp: log2 e. */
static inline float softmax_scale(long head) { return 1.44269504f / sqrtf((float)head); }

static inline size_t attention_bytes(long tokens, long head)
{
    size_t used = 0;
    cut_attention(NULL, &used, tokens, head);
    return used;
}

static inline struct attention_scratch lay_out_attention(void *scratch, long tokens, long head)
{
    size_t used = 0;
    make_whole(scratch, attention_bytes(tokens, head));
    return cut_attention(scratch, &used, tokens, head);
}

/* A path for each precision; the faster ones exist on x86-64 alone. */
extern const struct path plain_float32, plain_bfloat16;
#if defined(__x86_64__)
extern const struct path avx2_float32, avx2_bfloat16;
extern const struct path avx512_float32, avx512_bfloat16;
extern const struct path avx512_bf16_bfloat16;
#endif

#endif
