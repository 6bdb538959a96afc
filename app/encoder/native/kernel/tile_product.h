/* The matrix product on the tile unit. ../README.md draws it.
 *
 * It goes in units of two tiles of rows × two panels (32 columns): four sums in tmm0 to tmm3, two tiles of inputs, two
 * of weights. While a unit is multiplied, the rows of the one before it get what follows their sums (activation
 * function, conversion), a few after each step: written so in the source, because the core does not look far enough
 * ahead to find by itself what it could do beside the tiles.
 *
 * A file that includes this has said
 *
 *   input, panel_weight     what is multiplied; PRODUCT_INPUTS of them go into one product, MULTIPLY
 *   BEGIN_SUM(t, from)      gives tmm t the sums of 16 columns to begin with; `from` is their bias
 *   struct unit, finish_row a unit's row of sums to where the product's results go
 *   leave_for_next          what is done to all results at the end
 *   SUMS_BEGIN_AS_RESIDUAL  1: sums that go onto the residual begin as it, and end there; 0: they go by finish_row, too
 */

/* Weights that all rows go through before the next ones, and which stay in the second cache for so long. The next group
 * is brought there meanwhile, unless it is used so few times that the processor's own streaming is faster: at 22 tokens
 * 0.98 ms without, 1.02 with; at 242 7.09 and 6.86 (bfloat16, best of many, alternating). */
#define STREAMED_BLOCKS 2
#define GROUP_BYTES (144 << 10)

INLINE void finish_rows(const struct product *product, int activation, struct unit *unit, long count)
{
    long end = unit->done + count < unit->rows ? unit->done + count : unit->rows;
    for (; unit->done < end; unit->done++)
        finish_row(product, activation, unit, unit->done);
}

/* One step of a unit: one or two tiles of inputs by two of weights. */
INLINE void multiply_unit(int tall)
{
    MULTIPLY(0, 4, 6);
    MULTIPLY(1, 4, 7);
    if (tall) {
        MULTIPLY(2, 5, 6);
        MULTIPLY(3, 5, 7);
    }
}

/* All whole steps of one unit onto the sums in tmm0 to tmm3, the rows of the unit before finished between them. */
INLINE void multiply_steps(struct product *product, int tall, const char *upper, const panel_weight *panel,
                           int activation, struct unit *before, long rows_a_step)
{
    const long stride = product->input_bytes;
    const char *lower = upper + product->tiling.height * stride;
    const char *left = (const char *)panel,
        *right = left + product->columns * BERT_COLUMNS * (long)sizeof(panel_weight);
    for (long step = 0; step < product->steps; step++) {
        TILE_LOAD(6, left + step * TILE_BYTES, TILE_ROW_BYTES);
        TILE_LOAD(4, upper + step * TILE_ROW_BYTES, stride);
        TILE_LOAD(7, right + step * TILE_BYTES, TILE_ROW_BYTES);
        if (tall)
            TILE_LOAD(5, lower + step * TILE_ROW_BYTES, stride);
        multiply_unit(tall);
        for (long line = 0; line < product->ahead_bytes; line += BERT_ALIGNMENT)
            _mm_prefetch((const char *)(product->ahead + (uintptr_t)line), _MM_HINT_T1);
        product->ahead += (uintptr_t)product->ahead_bytes;
        if (before)
            finish_rows(product, activation, before, rows_a_step);
    }
}

/* The inputs that do not fill a step: their weights are copied, since behind a panel's end another one begins. */
static __attribute__((noinline)) void multiply_rest(long rest, int tall, const char *upper, const char *lower,
                                                    long stride, const panel_weight *left, const panel_weight *right)
{
    _Alignas(BERT_ALIGNMENT) panel_weight copies[2][PRODUCT_INPUTS * BERT_COLUMNS] = {{0}};
    memcpy(copies[0], left, (size_t)(rest * BERT_COLUMNS) * sizeof(panel_weight));
    memcpy(copies[1], right, (size_t)(rest * BERT_COLUMNS) * sizeof(panel_weight));
    TILE_LOAD(6, copies[0], TILE_ROW_BYTES);
    TILE_LOAD(7, copies[1], TILE_ROW_BYTES);
    TILE_LOAD(4, upper, stride);
    if (tall)
        TILE_LOAD(5, lower, stride);
    multiply_unit(tall);
}

/* tmm0 to tmm3 from or to [rows][columns] of sums. */
#define UNIT_TILES(what, tall, at, row_bytes)                                         \
    do {                                                                              \
        char *first_ = (char *)(at), *second_ = first_ + TILE_ROW_BYTES;              \
        long down_ = product->tiling.height * (row_bytes);                            \
        (void)second_, (void)down_;                                                   \
        what(0, first_, row_bytes);                                                   \
        what(1, second_, row_bytes);                                                  \
        if (tall) {                                                                   \
            what(2, first_ + down_, row_bytes);                                       \
            what(3, second_ + down_, row_bytes);                                      \
        }                                                                             \
    } while (0)
#define BEGIN(t, from, row_bytes) BEGIN_SUM(t, from)

/* A group of columns for one or two tiles of rows. */
INLINE void multiply_block(struct product *product, int tall, int activation, long tile, long column, long columns,
                           char (*sums)[2 * TILE_SIDE * UNIT_BYTES], struct unit *before)
{
    const long row = tile * product->tiling.height, rows = (tall ? 2 : 1) * product->tiling.height;
    const char *inputs = product->inputs + row * product->input_bytes;
    const long rows_a_step = (2 * TILE_SIDE + product->steps - 1) / (product->steps ? product->steps : 1);
    const long whole = product->steps * PRODUCT_INPUTS, rest = product->columns - whole;
    for (long end = column + columns; column < end; column += UNIT_COLUMNS) {
        const panel_weight *panel = (const panel_weight *)product->linear.weights + column * product->columns;
        char *here = before->sums == sums[0] ? sums[1] : sums[0];
        UNIT_TILES(BEGIN, tall, product->linear.bias + column, 0);
        multiply_steps(product, tall, inputs, panel, activation, before, rows_a_step);
        if (rest) {
            const char *upper = inputs + whole * (long)sizeof(input);
            multiply_rest(rest, tall, upper, upper + product->tiling.height * product->input_bytes,
                          product->input_bytes,
                          panel + whole * BERT_COLUMNS, panel + (product->columns + whole) * BERT_COLUMNS);
        }
        UNIT_TILES(TILE_STORE, tall, here, UNIT_BYTES);
        finish_rows(product, activation, before, before->rows);
        *before = (struct unit){here, row, product->rows - row < rows ? product->rows - row : rows, column, 0};
    }
}

#if SUMS_BEGIN_AS_RESIDUAL
/* The same where the sums begin as the residual, which holds the bias already, and end as it: nothing is left to do. */
INLINE void multiply_block_onto_residual(struct product *product, int tall, long tile, long column, long columns)
{
    const long row = tile * product->tiling.height;
    const char *inputs = product->inputs + row * product->input_bytes;
    for (long end = column + columns; column < end; column += UNIT_COLUMNS) {
        char *residual = product->results + row * product->result_bytes + column * (long)sizeof(float);
        UNIT_TILES(TILE_LOAD, tall, residual, product->result_bytes);
        multiply_steps(product, tall, inputs, (const panel_weight *)product->linear.weights + column * product->columns,
                       BERT_IDENTITY, NULL, 0);
        UNIT_TILES(TILE_STORE, tall, residual, product->result_bytes);
    }
}
#endif

INLINE void multiply_some(struct product *product, int tall, int activation, int onto_residual, long tile, long column,
                          long columns, char (*sums)[2 * TILE_SIDE * UNIT_BYTES], struct unit *before)
{
#if SUMS_BEGIN_AS_RESIDUAL
    if (onto_residual) {
        multiply_block_onto_residual(product, tall, tile, column, columns);
        return;
    }
#endif
    (void)onto_residual;
    multiply_block(product, tall, activation, tile, column, columns, sums, before);
}

/* All columns, group by group, and in each all rows. */
INLINE void multiply_all(struct product product, int activation, int onto_residual)
{
    _Alignas(BERT_ALIGNMENT) char sums[2][2 * TILE_SIDE * UNIT_BYTES];
    struct unit before = {.sums = sums[1]};
    const long count = product.tiling.count, blocks = (count + 1) / 2;
    if (blocks > STREAMED_BLOCKS)
        product.ahead_bytes = (2 * TILE_BYTES / BERT_ALIGNMENT + blocks - 1) / blocks * BERT_ALIGNMENT;
    const long fits = GROUP_BYTES / (product.columns * (long)sizeof(panel_weight));
    const long group = round_up(fits ? fits : 1, UNIT_COLUMNS);
    for (long column = 0; column < product.outputs; column += group) {
        long columns = product.outputs - column < group ? product.outputs - column : group;
        product.ahead = (uintptr_t)((const panel_weight *)product.linear.weights
                                    + (column + columns) * product.columns);
        for (long tile = 0; tile < count; tile += 2)
            if (count - tile > 1)
                multiply_some(&product, 1, activation, onto_residual, tile, column, columns, sums, &before);
            else
                multiply_some(&product, 0, activation, onto_residual, tile, column, columns, sums, &before);
    }
    finish_rows(&product, activation, &before, before.rows);
}

/* A copy for each function that is much used, so that its tables stay in registers; the others look up which it is. */
static __attribute__((noinline)) void multiply_identity(struct product product)
{
    multiply_all(product, BERT_IDENTITY, 0);
}
static __attribute__((noinline)) void multiply_gelu(struct product product) { multiply_all(product, BERT_GELU, 0); }
static __attribute__((noinline)) void multiply_by_any(struct product product)
{
    multiply_all(product, product.activation, 0);
}
static __attribute__((noinline)) void multiply_onto_residual(struct product product)
{
    multiply_all(product, BERT_IDENTITY, 1);
}

static void multiply(const struct bert_linear *linear, const void *inputs, enum rows kind, long rows, int activation,
                     enum target target, const struct bert_linear *next, void *outputs)
{
    const struct product product = {
        .linear = *linear,
        .columns = linear->inputs,
        .outputs = linear->outputs,
        .inputs = inputs,
        .input_bytes = row_bytes(kind, linear->inputs),
        .rows = rows,
        .tiling = tile_rows(rows),
        .steps = linear->inputs / PRODUCT_INPUTS,
        .activation = activation,
        .target = target,
        .results = outputs,
        .result_bytes = result_bytes(target, linear->outputs),
    };
    shape_tiles(product.tiling.height);
    if (target == ONTO_RESIDUAL)
        multiply_onto_residual(product);
    else if (activation == BERT_IDENTITY)
        multiply_identity(product);
    else if (activation == BERT_GELU)
        multiply_gelu(product);
    else
        multiply_by_any(product);
    release_tiles();
    leave_for_next(rows, linear->outputs, target, next, outputs);
}

/* Four sums, two tiles of inputs and two of weights, and nothing from memory. */
static double peak(int64_t rounds)
{
    shape_tiles(TILE_SIDE);
    for (int64_t i = 0; i < rounds; i++)
        multiply_unit(1);
    release_tiles();
    return 2.0 * (double)rounds * 4 * TILE_SIDE * TILE_SIDE * PRODUCT_INPUTS;
}
