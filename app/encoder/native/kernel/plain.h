/* The reference: the same arithmetic as fast.h in loops that one can read, for any processor. Every other path is
 * tested against it: in bfloat16 they agree to the bit, since each sum is made in the same order (subnormal numbers
 * aside, which AVX512_BF16 takes for zero); in float32 to a few 1e-6, since here a product is rounded before it is
 * added. A file that includes this has said BFLOAT16 (0 or 1) and PATH. */
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

/* sums[column] += input × panel[column], one input of a step. */
static void add_products(float input, const weight *step, float *sums)
{
    for (long column = 0; column < BERT_COLUMNS; column++)
        sums[column] += input * widened(step[column * STEP]);
}

/* sums[column] += Σ inputs[i] × panel[i][column], in the order of i; of a pair the second input first. */
static void multiply_panel(const float *inputs, const weight *panel, long count, float *sums)
{
    for (long i = 0; i < count; i += STEP, panel += BERT_COLUMNS * STEP) {
        if (STEP == 2)
            add_products(inputs[i + 1], panel + 1, sums);
        add_products(inputs[i], panel, sums);
    }
}

static void multiply(const struct bert_linear *linear, const void *inputs, long rows, int activation,
                     enum target target, void *outputs)
{
    float sums[BERT_COLUMNS], *out = outputs;
    for (long first = 0; first < linear->outputs; first += BERT_COLUMNS)
        for (long r = 0; r < rows; r++) {
            const weight *panel = (const weight *)linear->weights + first * linear->inputs;
            memcpy(sums, linear->bias + first, sizeof sums);
            multiply_panel((const float *)inputs + r * linear->inputs, panel, linear->inputs, sums);
            for (long column = 0; column < BERT_COLUMNS; column++) {
                float *to = out + r * linear->outputs + first + column;
                if (target == ONTO_RESIDUAL)
                    *to += sums[column];
                else
                    *to = v_activate(sums[column], activation);
                if (target == TO_ACTIVATIONS)
                    *to = rounded(*to);
            }
        }
}

/* Sixteen sums to one, by halves. */
static float sum_16(float *sums)
{
    for (long half = 8; half > 0; half /= 2)
        for (long i = 0; i < half; i++)
            sums[i] += sums[i + half];
    return sums[0];
}

/* scores[i] becomes 2^(scale × (scores[i] - largest)); returns 1 / their sum. */
static float softmax(float *scores, long tokens, float scale)
{
    float largest = scores[0], sums[16] = {0};
    for (long i = 1; i < tokens; i++)
        largest = v_max(largest, scores[i]);
    for (long i = 0; i < tokens; i++) {
        scores[i] = rounded(v_exp2(fmaf(scores[i], scale, -(largest * scale))));
        sums[i % 16] += scores[i];
    }
    return 1.0f / sum_16(sums);
}

/* Σ x[i] × y[i × stride], of each pair the second first. */
static float dot(const float *x, const float *y, long stride, long count)
{
    float sum = 0;
    for (long i = 0; i < count; i += STEP)
        for (long k = STEP - 1; k >= 0; k--)
            if (i + k < count)
                sum += x[i + k] * y[(i + k) * stride];
    return sum;
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

static void normalize_row(const struct bert_norm *norm, float epsilon, long hidden, float *row, float *out)
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
    }
}

static void normalize(const struct bert_norm *norm, float epsilon, long rows, long hidden, float *residual,
                      void *activations)
{
    for (long r = 0; r < rows; r++)
        normalize_row(norm, epsilon, hidden, residual + r * hidden, (float *)activations + r * hidden);
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
    normalize(&model->embedded, model->epsilon, rows, hidden, residual, activations);
}

static void convert(const float *from, long count, void *to)
{
    for (long i = 0; i < count; i++)
        ((float *)to)[i] = rounded(from[i]);
}

/* What plain loops can do is up to the compiler, so no peak is claimed. */
static double peak(int64_t rounds)
{
    (void)rounds;
    return 0;
}

const struct path PATH = {sizeof(float), embed, normalize, multiply, attend, convert, peak};
