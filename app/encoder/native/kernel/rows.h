/* What is done row by row: embedding, LayerNorm, conversion. */

/* LayerNorm of one row in place, in two passes over it: mean first, so that the variance loses nothing. */
static void normalize_row(const struct bert_norm *norm, float epsilon, long hidden, float *row, element *out)
{
    vector sum[PANEL_VECTORS], squares[PANEL_VECTORS];
    UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
        sum[v] = squares[v] = v_zero();
    for (long i = 0; i < hidden; i += BERT_COLUMNS)
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
            sum[v] = v_add(sum[v], v_load(row + i + v * LANES));
    vector mean = v_all(v_sum_16(sum) / (float)hidden);
    for (long i = 0; i < hidden; i += BERT_COLUMNS)
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++) {
            vector x = v_subtract(v_load(row + i + v * LANES), mean);
            squares[v] = v_fma(x, x, squares[v]);
        }
    vector scale = v_all(1.0f / sqrtf(v_sum_16(squares) / (float)hidden + epsilon));
    for (long i = 0; i < hidden; i += LANES) {
        vector x = v_multiply(v_subtract(v_load(row + i), mean), scale);
        x = v_fma(x, v_load(norm->gain + i), v_load(norm->bias + i));
        v_store(row + i, x);
        store(out + i, x);
    }
}

static void normalize(const struct bert_norm *norm, float epsilon, long rows, long hidden, float *residual,
                      void *activations)
{
    for (long r = 0; r < rows; r++)
        normalize_row(norm, epsilon, hidden, residual + r * hidden, (element *)activations + r * hidden);
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
    normalize(&model->embedded, model->epsilon, rows, hidden, residual, activations);
}

static void convert(const float *from, long count, void *to)
{
    float last[LANES] = {0};
    long whole = count / LANES * LANES;
    for (long i = 0; i < whole; i += LANES)
        store((element *)to + i, v_load(from + i));
    if (whole < count) {
        element rest[LANES];
        memcpy(last, from + whole, (size_t)(count - whole) * sizeof(float));
        store(rest, v_load(last));
        memcpy((element *)to + whole, rest, (size_t)(count - whole) * sizeof(element));
    }
}
