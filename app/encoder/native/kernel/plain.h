/* The reference: the arithmetic of the faster paths in loops that one can read, for any processor. Each of them is
 * tested against the plain one that adds in its order: in bfloat16 they agree to the bit (subnormal numbers aside, which
 * AVX512_BF16 takes for zero); in float32 to a few 1e-6, since here a product is rounded before it is added. A file that
 * includes this has said BFLOAT16 (0 or 1), TILES (1: the tile unit's order, plain_tiles.h; 0: plain_pairs.h) and PATH. */
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

/* To the nearest bfloat16, ties to even, as a float. */
static float rounded(float x)
{
    uint32_t bits;
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

static void multiply(const struct bert_linear *linear, const void *inputs, long rows, int activation,
                     enum target target, void *outputs)
{
    float sums[BERT_COLUMNS], *out = outputs;
    for (long first = 0; first < linear->outputs; first += BERT_COLUMNS)
        for (long r = 0; r < rows; r++) {
            const weight *panel = (const weight *)linear->weights + first * linear->inputs;
            float *to = out + r * linear->outputs + first;
            const int onto_sums = TILES && target == ONTO_RESIDUAL; /* which hold the bias already */
            memcpy(sums, onto_sums ? to : linear->bias + first, sizeof sums);
            multiply_panel((const float *)inputs + r * linear->inputs, panel, linear->inputs, sums);
            for (long column = 0; column < BERT_COLUMNS; column++) {
                if (target == ONTO_RESIDUAL)
                    to[column] = onto_sums ? sums[column] : to[column] + sums[column];
                else
                    to[column] = activated(sums[column], activation);
                if (target == TO_ACTIVATIONS)
                    to[column] = rounded(to[column]);
            }
        }
}

static void attend_query(const float *query, const float *keys, const float *values, long stride, long tokens,
                         long head, float *scores, float *mixed)
{
    for (long token = 0; token < tokens; token++)
        scores[token] = dot(query, keys + token * stride, 1, head);
    float share = softmax(scores, tokens, softmax_scale(head));
    for (long i = 0; i < head; i++)
        mixed[i] = rounded(dot(scores, values + i, stride, tokens) * share);
}

static void attend(const void *qkv, long tokens, long hidden, long heads, void *scratch, void *mixed)
{
    long head = hidden / heads, stride = 3 * hidden;
    for (long h = 0; h < heads; h++) {
        const float *queries = (const float *)qkv + h * head;
        for (long token = 0; token < tokens; token++)
            attend_query(queries + token * stride, queries + hidden, queries + 2 * hidden, stride, tokens, head,
                         scratch, (float *)mixed + token * hidden + h * head);
    }
}

static void normalize_row(const struct bert_norm *norm, float epsilon, const float *next_bias, long hidden, float *row,
                          float *out)
{
    float sums[16] = {0}, squares[16] = {0};
    for (long i = 0; i < hidden; i++)
        sums[i % 16] += row[i];
    float mean = sum_16(sums) / (float)hidden;
    for (long i = 0; i < hidden; i++)
        squares[i % 16] = fmaf(row[i] - mean, row[i] - mean, squares[i % 16]);
    float scale = 1.0f / sqrtf(sum_16(squares) / (float)hidden + epsilon);
    for (long i = 0; i < hidden; i++) {
        row[i] = fmaf((row[i] - mean) * scale, norm->gain[i], norm->bias[i]);
        out[i] = rounded(row[i]);
        if (TILES && next_bias)
            row[i] += next_bias[i];
    }
}

static void normalize(const struct bert_norm *norm, float epsilon, const float *next_bias, long rows, long hidden,
                      float *residual, void *activations)
{
    for (long r = 0; r < rows; r++)
        normalize_row(norm, epsilon, next_bias, hidden, residual + r * hidden, (float *)activations + r * hidden);
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
    normalize(&model->embedded, model->epsilon, model->layer->project.bias, rows, hidden, residual, activations);
}

static void convert(const float *from, long rows, long columns, void *to)
{
    for (long i = 0; i < rows * columns; i++)
        ((float *)to)[i] = rounded(from[i]);
}

/* What plain loops can do is up to the compiler, so no peak is claimed. */
static double peak(int64_t rounds)
{
    (void)rounds;
    return 0;
}

static long row_stride(long columns) { return columns; }

/* Of one query's scores. */
static size_t attention_bytes(long tokens, long head)
{
    (void)head;
    return (size_t)tokens * sizeof(float);
}

const struct path PATH = {
    .sums = TILES ? BERT_TILES : BFLOAT16 ? BERT_PAIRS : BERT_SINGLES,
    .element_bytes = sizeof(float),
    .feed_rows = 48,
    .row_stride = row_stride,
    .embed = embed,
    .normalize = normalize,
    .multiply = multiply,
    .attend = attend,
    .attention_bytes = attention_bytes,
    .convert = convert,
    .peak = peak,
};
