/* One text's attention, head by head, six queries at a time. ../README.md draws it. */

#define MOST_HEAD_COLUMNS 256 /* checks.h refuses wider heads */

/* Scratch of one head: its keys and values as panels, and six rows of scores and of probabilities. Sized for 4-byte
 * elements throughout; each part starts aligned. */
struct attention_scratch {
    void *keys, *values, *probabilities;
    float *scores;
};

static struct attention_scratch cut_attention(void *scratch, size_t *used, long tokens, long head)
{
    size_t keys = (size_t)round_up(tokens, BERT_COLUMNS);
    struct attention_scratch parts;
    parts.keys = cut(scratch, used, keys * (size_t)head * sizeof(float));
    parts.values = cut(scratch, used, keys * (size_t)head * sizeof(float));
    parts.scores = cut(scratch, used, TILE_ROWS * keys * sizeof(float));
    parts.probabilities = cut(scratch, used, TILE_ROWS * keys * sizeof(float));
    return parts;
}

static size_t attention_bytes(long tokens, long head)
{
    size_t used = 0;
    cut_attention(NULL, &used, tokens, head);
    return used;
}

static struct attention_scratch lay_out_attention(void *scratch, long tokens, long head)
{
    size_t used = 0;
    make_whole(scratch, attention_bytes(tokens, head));
    return cut_attention(scratch, &used, tokens, head);
}

/* A head's keys as panels whose columns are tokens: the scores are then a matrix product like any other. */
static void pack_keys(const element *keys, long stride, long tokens, long head, weight *panels)
{
    for (long first = 0; first < tokens; first += BERT_COLUMNS, panels += BERT_COLUMNS * head) {
        long columns = tokens - first < BERT_COLUMNS ? tokens - first : BERT_COLUMNS;
        const element *from = keys + first * stride;
        if (columns < BERT_COLUMNS)
            memset(panels, 0, (size_t)(BERT_COLUMNS * head) * sizeof(weight));
        for (long i = 0; i < head; i += STEP)
            for (long column = 0; column < columns; column++)
                narrow_step(from + column * stride + i, panels + i * BERT_COLUMNS + column * STEP);
    }
}

/* A head's values as panels whose columns are the head's; a last odd token is paired with zeros. */
static void pack_values(const element *values, long stride, long tokens, long head, weight *panels)
{
    static const element zeros[BERT_COLUMNS];
    for (long first = 0; first < head; first += BERT_COLUMNS)
        for (long token = 0; token < tokens; token += STEP, panels += BERT_COLUMNS * STEP) {
            const element *from = values + token * stride + first;
            interleave(from, token + 1 < tokens ? from + stride : zeros, panels);
        }
}

/* The largest score of a row. Columns from `tokens` to `padded` get one that makes them nothing beside it. */
INLINE float find_largest(float *scores, long tokens, long padded)
{
    for (long i = tokens; i < padded; i++)
        scores[i] = -1e30f;
    vector largest = v_load(scores);
    for (long i = LANES; i < padded; i += LANES)
        largest = v_max(largest, v_load(scores + i));
    return v_largest(largest);
}

/* One row of scores to weights of values, not yet divided by their sum; returns 1 / that sum. The sum is of the
 * weights as they are used, rounding included. */
INLINE float softmax(const float *scores, long padded, float scale, float largest, element *weights)
{
    vector by = v_all(scale), less = v_all(-(largest * scale)), sum[PANEL_VECTORS];
    UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
        sum[v] = v_zero();
    for (long i = 0; i < padded; i += BERT_COLUMNS)
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++) {
            long at = i + v * LANES;
            vector x = v_exp2(v_fma(v_load(scores + at), by, less));
            sum[v] = v_add(sum[v], store(weights + at, x));
        }
    return 1.0f / v_sum_16(sum);
}

static void attend_head(const element *queries, long stride, long tokens, long head,
                        struct attention_scratch at, element *mixed, long mixed_stride)
{
    float sums[TILE_ROWS * MOST_HEAD_COLUMNS], largest[TILE_ROWS], shares[TILE_ROWS];
    long padded = round_up(tokens, BERT_COLUMNS), value_steps = round_up(tokens, STEP) / STEP;
    float scale = softmax_scale(head);
    struct product scores = {.input_stride = stride, .weights = at.keys, .panel_stride = head * BERT_COLUMNS,
                             .steps = head / STEP, .outputs = at.scores, .output_stride = padded};
    struct product mixing = {.inputs = at.probabilities, .input_stride = padded, .weights = at.values,
                             .panel_stride = value_steps * STEP * BERT_COLUMNS, .steps = value_steps, .outputs = sums,
                             .output_stride = head};
    for (long row = 0; row < tokens; row += TILE_ROWS) {
        long rows = tokens - row < TILE_ROWS ? tokens - row : TILE_ROWS;
        scores.inputs = queries + row * stride;
        multiply_panels(rows, scores, padded / BERT_COLUMNS);
        for (long r = 0; r < rows; r++) /* apart, so that no row waits for its own largest score */
            largest[r] = find_largest(at.scores + r * padded, tokens, padded);
        for (long r = 0; r < rows; r++)
            shares[r] = softmax(at.scores + r * padded, padded, scale, largest[r],
                                (element *)at.probabilities + r * padded);
        multiply_panels(rows, mixing, head / BERT_COLUMNS);
        for (long r = 0; r < rows; r++)
            for (long i = 0; i < head; i += LANES)
                store(mixed + (row + r) * mixed_stride + i,
                      v_multiply(v_load(sums + r * head + i), v_all(shares[r])));
    }
}

static void attend(void *qkv, long tokens, long hidden, long heads, void *scratch, const struct bert_linear *next,
                   void *mixed)
{
    (void)next;
    long head = hidden / heads, stride = 3 * hidden;
    struct attention_scratch at = lay_out_attention(scratch, tokens, head);
    for (long h = 0; h < heads; h++) {
        const element *queries = (const element *)qkv + h * head;
        pack_keys(queries + hidden, stride, tokens, head, at.keys);
        pack_values(queries + 2 * hidden, stride, tokens, head, at.values);
        attend_head(queries, stride, tokens, head, at, (element *)mixed + h * head, hidden);
    }
}
