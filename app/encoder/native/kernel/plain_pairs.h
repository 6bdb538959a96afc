/* How the plain path adds in float32, and in bfloat16 as AVX512_BF16 does: of each pair the second product first. */

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

static float activated(float x, int activation) { return v_activate(x, activation); }
