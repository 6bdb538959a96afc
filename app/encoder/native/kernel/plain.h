/* The reference: the arithmetic of the faster paths in loops that one can read, for any processor. Each of them is
 * tested against the plain one that adds in its order: in bfloat16 they agree to the bit (subnormal numbers aside,
 * which AVX512_BF16 takes for zero); in float32 to a few 1e-6, since here a product is rounded before it is added. A
 * file that includes this has said BFLOAT16 (0 or 1), TILES (1: the tile unit's order, plain_tiles.h; 0:
 * plain_pairs.h), EIGHT (1: products of bytes, plain_int8.h; what is between them as with BFLOAT16 and TILES) and PATH.
 * */
#include "path.h"
#include "vector_plain.h"

#include "functions.h"

#if BFLOAT16
#define STEP 2
typedef uint16_t weight;

static float widened(weight x)
{
    uint32_t bits = (uint32_t)x << 16;
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

/* To the nearest bfloat16, ties to even, as a float; as the instruction does it, subnormal numbers are zero. */
static float rounded(float x)
{
    uint32_t bits;
    if (TILES && fabsf(x) < 0x1p-126f)
        return copysignf(0, x);
    memcpy(&bits, &x, sizeof bits);
    bits = x != x ? bits : (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}
#else
#define STEP 1
typedef float weight;

static float widened(weight x) { return x; }
static float rounded(float x) { return x; }
#endif

/* Sixteen sums to one, by halves. */
static float sum_16(float *sums)
{
    for (long half = 8; half > 0; half /= 2)
        for (long i = 0; i < half; i++)
            sums[i] += sums[i + half];
    return sums[0];
}

#if TILES
#include "plain_tiles.h"
#else
#include "plain_pairs.h"
#endif

/* Each sum of a product begins as the residual, the bias in it, and not with the bias to go onto the residual at its
 * end. */
#define SUMS_BEGIN_AS_RESIDUAL (TILES && !EIGHT)

#if EIGHT
#include "plain_int8.h"
#else
#include "plain_product.h"
#endif

static void attend_query(const float *query, const float *keys, const float *values, long stride, long tokens,
                         long head, float *scores, float *mixed)
{
    for (long token = 0; token < tokens; token++)
        scores[token] = dot(query, keys + token * stride, 1, head);
    float share = softmax(scores, tokens, softmax_scale(head));
    for (long i = 0; i < head; i++)
        mixed[i] = rounded(dot(scores, values + i, stride, tokens) * share);
}

/* What a head's query has found takes its place. */
static void attend(void *qkv, long tokens, long hidden, long heads, void *scratch, const struct bert_linear *next,
                   void *mixed)
{
    long head = hidden / heads, stride = 3 * hidden;
    float *scores = scratch, *found = scores + tokens;
    for (long h = 0; h < heads; h++) {
        float *queries = (float *)qkv + h * head;
        for (long token = 0; token < tokens; token++) {
            float *query = queries + token * stride;
            attend_query(query, queries + hidden, queries + 2 * hidden, stride, tokens, head, scores, found);
            memcpy(query, found, (size_t)head * sizeof(float));
        }
    }
    for (long token = 0; token < tokens; token++)
        leave_row((float *)qkv + token * stride, hidden, next, (char *)mixed + token * row_bytes(ACTIVATIONS, hidden));
}

static void normalize_row(const struct bert_norm *norm, float epsilon, const struct bert_linear *next,
                          const float *next_bias, long hidden, float *row, void *out)
{
    float sums[16] = {0}, squares[16] = {0};
    for (long i = 0; i < hidden; i++)
        sums[i % 16] += row[i];
    float mean = sum_16(sums) / (float)hidden;
    for (long i = 0; i < hidden; i++)
        squares[i % 16] = fmaf(row[i] - mean, row[i] - mean, squares[i % 16]);
    float scale = 1.0f / sqrtf(sum_16(squares) / (float)hidden + epsilon);
    for (long i = 0; i < hidden; i++)
        row[i] = fmaf((row[i] - mean) * scale, norm->gain[i], norm->bias[i]);
    if (next)
        leave_row(row, hidden, next, out);
    for (long i = 0; i < hidden && SUMS_BEGIN_AS_RESIDUAL && next_bias; i++)
        row[i] += next_bias[i];
}

static void normalize(const struct bert_norm *norm, float epsilon, const struct bert_linear *next,
                      const float *next_bias, long rows, long hidden, float *residual, void *activations)
{
    for (long r = 0; r < rows; r++)
        normalize_row(norm, epsilon, next, next_bias, hidden, residual + r * hidden,
                      (char *)activations + r * row_bytes(ACTIVATIONS, hidden));
}

static void embed(const struct bert_model *model, const int32_t *ids, const int32_t *types, const int32_t *positions,
                  long rows, float *residual, void *activations)
{
    long hidden = model->hidden;
    const weight *words = model->words;
    for (long r = 0; r < rows; r++)
        for (long i = 0; i < hidden; i++)
            residual[r * hidden + i] = widened(words[ids[r] * hidden + i]) + model->type[types[r] * hidden + i] +
                                       model->position[positions[r] * hidden + i];
    normalize(&model->embedded, model->epsilon, &model->layer->qkv, model->layer->project.bias, rows, hidden, residual,
              activations);
}

/* What plain loops can do is up to the compiler, so no peak is claimed. */
static double peak(int64_t rounds)
{
    (void)rounds;
    return 0;
}

/* Of one query's scores, and what comes of them. */
static size_t attention_bytes(long tokens, long head) { return (size_t)(tokens + head) * sizeof(float); }

const struct path PATH = {
    .sums = EIGHT ? BERT_INTEGERS : TILES ? BERT_TILES : BFLOAT16 ? BERT_PAIRS : BERT_SINGLES,
    .feed_rows = 48,
    FUNCTIONS_OF_A_PATH,
#if !EIGHT
    .convert = convert,
#endif
};
