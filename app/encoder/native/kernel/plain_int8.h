/* The matrix product of the plain int8 path, and its rows: bytes between two products, floats for attention. */
#include "int8_plain.h"

typedef float element; /* that attention takes and leaves: rounded to bfloat16 */
static vector load_element(const element *from) { return *from; }

#include "int8_rows.h"

static long row_bytes(enum rows rows, long columns)
{
    return rows == ACTIVATIONS ? byte_row_bytes(columns)
           : rows == FED       ? float_row_bytes(columns)
                               : columns * (long)sizeof(float);
}

/* Σ bytes[i] × panel[i][column]; in a panel four inputs of a column lie together. */
static int32_t sum_of_column(const uint8_t *bytes, const int8_t *panel, long inputs, long column)
{
    int32_t sum = 0;
    for (long i = 0; i < inputs; i++)
        sum += bytes[i] * panel[i / 4 * 4 * BERT_COLUMNS + column * 4 + i % 4];
    return sum;
}

static void put(float x, enum target target, float *to)
{
    if (target == ONTO_RESIDUAL)
        x += *to;
    *to = target == TO_ATTENTION ? rounded(x) : x;
}

static void multiply(const struct bert_linear *linear, const void *inputs, enum rows kind, long rows, int activation,
                     enum target target, const struct bert_linear *next, void *outputs)
{
    const long outputs_bytes = row_bytes(target == TO_ACTIVATIONS ? FED : ATTENTION, linear->outputs);
    for (long r = 0; r < rows; r++) {
        const uint8_t *bytes = (const uint8_t *)inputs + r * row_bytes(kind, linear->inputs);
        const struct row_scale scale = scale_of(bytes, linear->inputs);
        float *out = (float *)((char *)outputs + r * outputs_bytes);
        for (long column = 0; column < linear->outputs; column++) {
            const int8_t *panel = (const int8_t *)linear->weights
                + column / BERT_COLUMNS * BERT_COLUMNS * linear->inputs;
            int32_t sum = sum_of_column(bytes, panel, linear->inputs, column % BERT_COLUMNS);
            put(activated(dequantised(sum, scale, linear, column), activation), target, out + column);
        }
        if (target == TO_ACTIVATIONS)
            leave_in_place(out, linear->outputs, next);
    }
}
