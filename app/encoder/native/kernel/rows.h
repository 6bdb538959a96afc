/* What is done row by row: embedding, LayerNorm, conversion. */

#define ROWS_AT_ONCE 4

/* LayerNorm of some rows in place, in two passes over each: mean first, so that the variance loses nothing. Several at
 * once, because each row's sums are a chain in which every addition waits for the last. */
INLINE void normalize_rows(int rows, const struct bert_norm *norm, float epsilon, const struct bert_linear *next,
                           const float *next_bias, long hidden, float *residual, void *out)
{
    vector sum[ROWS_AT_ONCE][PANEL_VECTORS], squares[ROWS_AT_ONCE][PANEL_VECTORS];
    vector mean[ROWS_AT_ONCE], scale[ROWS_AT_ONCE];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
            sum[r][v] = squares[r][v] = v_zero();
    for (long i = 0; i < hidden; i += BERT_COLUMNS)
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
                sum[r][v] = v_add(sum[r][v], v_load(residual + r * hidden + i + v * LANES));
    UNROLL for (int r = 0; r < rows; r++)
        mean[r] = v_all(v_sum_16(sum[r]) / (float)hidden);
    for (long i = 0; i < hidden; i += BERT_COLUMNS)
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < PANEL_VECTORS; v++) {
                vector x = v_subtract(v_load(residual + r * hidden + i + v * LANES), mean[r]);
                squares[r][v] = v_fma(x, x, squares[r][v]);
            }
    UNROLL for (int r = 0; r < rows; r++)
        scale[r] = v_all(1.0f / sqrtf(v_sum_16(squares[r]) / (float)hidden + epsilon));
    for (long i = 0; i < hidden; i += LANES)
        UNROLL for (int r = 0; r < rows; r++) {
            float *row = residual + r * hidden;
            vector x = v_multiply(v_subtract(v_load(row + i), mean[r]), scale[r]);
            x = v_fma(x, v_load(norm->gain + i), v_load(norm->bias + i));
            v_store(row + i, next_bias ? v_add(x, v_load(next_bias + i)) : x);
            if (!EIGHT && next)
                store((element *)((char *)out + r * row_bytes(ACTIVATIONS, hidden)) + i, x);
        }
#if EIGHT
    for (int r = 0; r < rows && next; r++)
        leave_row(residual + r * hidden, hidden, next, (char *)out + r * row_bytes(ACTIVATIONS, hidden));
#endif
}

static void normalize(const struct bert_norm *norm, float epsilon, const struct bert_linear *next,
                      const float *next_bias, long rows, long hidden, float *residual, void *activations)
{
    const float *bias = SUMS_BEGIN_AS_RESIDUAL ? next_bias : NULL;
    long r = 0;
    for (; r + ROWS_AT_ONCE <= rows; r += ROWS_AT_ONCE)
        normalize_rows(ROWS_AT_ONCE, norm, epsilon, next, bias, hidden, residual + r * hidden,
                       (char *)activations + r * row_bytes(ACTIVATIONS, hidden));
    for (; r < rows; r++)
        normalize_rows(1, norm, epsilon, next, bias, hidden, residual + r * hidden,
                       (char *)activations + r * row_bytes(ACTIVATIONS, hidden));
}

static void embed(const struct bert_model *model, const int32_t *ids, const int32_t *types,
                  const int32_t *positions, long rows, float *residual, void *activations)
{
    long hidden = model->hidden;
    for (long r = 0; r < rows; r++) {
        const weight *word = (const weight *)model->words + ids[r] * hidden;
        const float *type = model->type + types[r] * hidden, *position = model->position + positions[r] * hidden;
        for (long i = 0; i < hidden; i += LANES) {
            vector both = v_add(load_row(word + i), v_load(type + i));
            v_store(residual + r * hidden + i, v_add(both, v_load(position + i)));
        }
    }
    normalize(&model->embedded, model->epsilon, &model->layer->qkv, model->layer->project.bias, rows, hidden, residual,
              activations);
}

#if !EIGHT
/* What is left of a row's stride is zeros. */
static void convert_row(const float *from, long columns, element *to)
{
    float last[LANES] = {0};
    long whole = columns / LANES * LANES;
    memset(to + whole, 0, (size_t)(row_stride(columns) - whole) * sizeof(element));
    for (long i = 0; i < whole; i += LANES)
        store(to + i, v_load(from + i));
    if (whole < columns) {
        element rest[LANES];
        memcpy(last, from + whole, (size_t)(columns - whole) * sizeof(float));
        store(rest, v_load(last));
        memcpy(to + whole, rest, (size_t)(columns - whole) * sizeof(element));
    }
}

static void convert(const float *from, long rows, long columns, void *to)
{
    for (long r = 0; r < rows; r++)
        convert_row(from + r * columns, columns, (element *)to + r * row_stride(columns));
}
#endif
