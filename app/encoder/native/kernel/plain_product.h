/* The matrix product of the plain paths in float32 and bfloat16, and their rows of activations: floats, rounded. */

static long row_bytes(enum rows rows, long columns) { return (void)rows, columns * (long)sizeof(float); }

static void leave_row(const float *row, long columns, const struct bert_linear *next, void *to)
{
    (void)next;
    for (long i = 0; i < columns; i++)
        ((float *)to)[i] = rounded(row[i]);
}

static void multiply(const struct bert_linear *linear, const void *inputs, enum rows kind, long rows, int activation,
                     enum target target, const struct bert_linear *next, void *outputs)
{
    (void)kind, (void)next;
    float sums[BERT_COLUMNS], *out = outputs;
    for (long first = 0; first < linear->outputs; first += BERT_COLUMNS)
        for (long r = 0; r < rows; r++) {
            const weight *panel = (const weight *)linear->weights + first * linear->inputs;
            float *to = out + r * linear->outputs + first;
            const int onto_sums = SUMS_BEGIN_AS_RESIDUAL && target == ONTO_RESIDUAL; /* which hold the bias already */
            memcpy(sums, onto_sums ? to : linear->bias + first, sizeof sums);
            multiply_panel((const float *)inputs + r * linear->inputs, panel, linear->inputs, sums);
            for (long column = 0; column < BERT_COLUMNS; column++) {
                if (target == ONTO_RESIDUAL)
                    to[column] = onto_sums ? sums[column] : to[column] + sums[column];
                else
                    to[column] = activated(sums[column], activation);
                if (target == TO_ACTIVATIONS || target == TO_ATTENTION)
                    to[column] = rounded(to[column]);
            }
        }
}

static void convert(const float *from, long rows, long columns, void *to) { leave_row(from, rows * columns, NULL, to); }
