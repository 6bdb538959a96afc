/* The matrix product on the tile unit. ../README.md draws it.
 *
 * It goes in units of two tiles of rows × two panels (32 columns): four sums in tmm0 to tmm3, two tiles of inputs, two of
 * weights. While a unit is multiplied, the rows of the one before it get what follows their sums (activation function,
 * conversion), a few after each step: written so in the source, because the core does not look far enough ahead to
 * find by itself what it could do beside the tiles. */

#define UNIT_COLUMNS 32
/* Weights that all rows go through before the next ones, and which stay in the second cache for so long. The next group
 * is brought there meanwhile, unless it is used so few times that the processor's own streaming is faster: at 22 tokens
 * 0.98 ms without, 1.02 with; at 242 7.09 and 6.86 (best of many, alternating). */
#define STREAMED_BLOCKS 2
#define GROUP_BYTES (144 << 10)

/* From one row of activation elements to the next: whole steps, and no multiple of 1 KB, from which 16 rows would fall
 * into 4 of the first cache's 64 sets. */
static long row_stride(long columns)
{
    long stride = round_up(columns, TILE_PRODUCT);
    return stride % 512 ? stride : stride + TILE_PRODUCT;
}

/* Kept by value by whoever multiplies: what lies behind a pointer is loaded again after each tile instruction. */
struct product {
    const weight *weights;
    const float *bias;
    long columns, outputs;
    const element *inputs;
    long input_stride, rows;
    struct tiling tiling;
    long steps; /* whole ones: a Dense may have inputs left over */
    int activation; /* for multiply_by_any alone */
    enum target target;
    void *results;
    long result_stride;
    /* What is brought to the second cache meanwhile: the next group of weights, some lines at each step. */
    uintptr_t ahead;
    long ahead_bytes;
};

/* Rows whose sums are finished while the next unit is multiplied. */
struct unit {
    const float *sums; /* [rows][UNIT_COLUMNS] */
    long row, rows, column, done;
};

INLINE void finish_row(const struct product *product, int activation, const struct unit *unit, long r)
{
    const float *sums = unit->sums + r * UNIT_COLUMNS;
    vector low = v_activate_in_pieces(v_load(sums), activation);
    vector high = v_activate_in_pieces(v_load(sums + LANES), activation);
    const long at = (unit->row + r) * product->result_stride + unit->column;
    if (product->target == TO_ACTIVATIONS)
        v_store_bf16_twice((element *)product->results + at, low, high);
    else {
        v_store((float *)product->results + at, low);
        v_store((float *)product->results + at + LANES, high);
    }
}

INLINE void finish_rows(const struct product *product, int activation, struct unit *unit, long count)
{
    long end = unit->done + count < unit->rows ? unit->done + count : unit->rows;
    for (; unit->done < end; unit->done++)
        finish_row(product, activation, unit, unit->done);
}

/* One step of a unit: one or two tiles of inputs by two of weights. */
INLINE void multiply_unit(int tall)
{
    TILE_MULTIPLY(0, 4, 6);
    TILE_MULTIPLY(1, 4, 7);
    if (tall) {
        TILE_MULTIPLY(2, 5, 6);
        TILE_MULTIPLY(3, 5, 7);
    }
}

/* All whole steps of one unit onto the sums in tmm0 to tmm3, the rows of the unit before finished between them. */
INLINE void multiply_steps(struct product *product, int tall, const element *inputs, const weight *panel, int activation,
                           struct unit *before, long rows_a_step)
{
    const long stride = product->input_stride * (long)sizeof(element);
    const char *upper = (const char *)inputs, *lower = upper + product->tiling.height * stride;
    const char *left = (const char *)panel, *right = left + product->columns * BERT_COLUMNS * (long)sizeof(weight);
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
static __attribute__((noinline)) void multiply_rest(long rest, int tall, const element *upper, const element *lower,
                                                    long stride, const weight *left, const weight *right)
{
    _Alignas(BERT_ALIGNMENT) weight copies[2][TILE_PRODUCT * BERT_COLUMNS] = {{0}};
    memcpy(copies[0], left, (size_t)(rest * BERT_COLUMNS) * sizeof(weight));
    memcpy(copies[1], right, (size_t)(rest * BERT_COLUMNS) * sizeof(weight));
    TILE_LOAD(6, copies[0], TILE_ROW_BYTES);
    TILE_LOAD(7, copies[1], TILE_ROW_BYTES);
    TILE_LOAD(4, upper, stride);
    if (tall)
        TILE_LOAD(5, lower, stride);
    multiply_unit(tall);
}

/* tmm0 to tmm3 from and to [rows][columns] of floats; a stride of 0 loads one row, such as the bias, into all. */
#define UNIT_TILES(what, tall, at, row_bytes)                                         \
    do {                                                                              \
        char *first_ = (char *)(at), *second_ = first_ + TILE_ROW_BYTES;              \
        long down_ = product->tiling.height * (row_bytes);                            \
        what(0, first_, row_bytes);                                                   \
        what(1, second_, row_bytes);                                                  \
        if (tall) {                                                                   \
            what(2, first_ + down_, row_bytes);                                       \
            what(3, second_ + down_, row_bytes);                                      \
        }                                                                             \
    } while (0)

/* A group of columns for one or two tiles of rows, whose sums begin as the bias. */
INLINE void multiply_block(struct product *product, int tall, int activation, long tile, long column, long columns,
                           float (*sums)[2 * TILE_SIDE * UNIT_COLUMNS], struct unit *before)
{
    const long row = tile * product->tiling.height, rows = (tall ? 2 : 1) * product->tiling.height;
    const element *inputs = product->inputs + row * product->input_stride;
    const long rows_a_step = (2 * TILE_SIDE + product->steps - 1) / (product->steps ? product->steps : 1);
    const long whole = product->steps * TILE_PRODUCT, rest = product->columns - whole;
    for (long end = column + columns; column < end; column += UNIT_COLUMNS) {
        const weight *panel = product->weights + column * product->columns;
        float *here = before->sums == sums[0] ? sums[1] : sums[0];
        UNIT_TILES(TILE_LOAD, tall, product->bias + column, 0);
        multiply_steps(product, tall, inputs, panel, activation, before, rows_a_step);
        if (rest)
            multiply_rest(rest, tall, inputs + whole,
                          inputs + whole + product->tiling.height * product->input_stride,
                          product->input_stride * (long)sizeof(element), panel + whole * BERT_COLUMNS,
                          panel + (product->columns + whole) * BERT_COLUMNS);
        UNIT_TILES(TILE_STORE, tall, here, UNIT_COLUMNS * (long)sizeof(float));
        finish_rows(product, activation, before, before->rows);
        *before = (struct unit){here, row, product->rows - row < rows ? product->rows - row : rows, column, 0};
    }
}

/* The same where the sums begin as the residual, which holds the bias already, and end as it: nothing is left to do. */
INLINE void multiply_block_onto_residual(struct product *product, int tall, long tile, long column, long columns)
{
    const long row = tile * product->tiling.height, row_bytes = product->result_stride * (long)sizeof(float);
    const element *inputs = product->inputs + row * product->input_stride;
    for (long end = column + columns; column < end; column += UNIT_COLUMNS) {
        float *residual = (float *)product->results + row * product->result_stride + column;
        UNIT_TILES(TILE_LOAD, tall, residual, row_bytes);
        multiply_steps(product, tall, inputs, product->weights + column * product->columns, BERT_IDENTITY, NULL, 0);
        UNIT_TILES(TILE_STORE, tall, residual, row_bytes);
    }
}

/* All columns, group by group, and in each all rows. */
INLINE void multiply_all(struct product product, int activation, int onto_residual)
{
    _Alignas(BERT_ALIGNMENT) float sums[2][2 * TILE_SIDE * UNIT_COLUMNS];
    struct unit before = {.sums = sums[1]};
    const long count = product.tiling.count, blocks = (count + 1) / 2;
    if (blocks > STREAMED_BLOCKS)
        product.ahead_bytes = (2 * TILE_BYTES / BERT_ALIGNMENT + blocks - 1) / blocks * BERT_ALIGNMENT;
    const long fits = GROUP_BYTES / (product.columns * (long)sizeof(weight));
    const long group = round_up(fits ? fits : 1, UNIT_COLUMNS);
    for (long column = 0; column < product.outputs; column += group) {
        long columns = product.outputs - column < group ? product.outputs - column : group;
        product.ahead = (uintptr_t)(product.weights + (column + columns) * product.columns);
        for (long tile = 0; tile < count; tile += 2) {
            if (onto_residual && count - tile > 1)
                multiply_block_onto_residual(&product, 1, tile, column, columns);
            else if (onto_residual)
                multiply_block_onto_residual(&product, 0, tile, column, columns);
            else if (count - tile > 1)
                multiply_block(&product, 1, activation, tile, column, columns, sums, &before);
            else
                multiply_block(&product, 0, activation, tile, column, columns, sums, &before);
        }
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

static void multiply(const struct bert_linear *linear, const void *inputs, long rows, int activation,
                     enum target target, void *outputs)
{
    const struct product product = {
        .weights = linear->weights,
        .bias = linear->bias,
        .columns = linear->inputs,
        .outputs = linear->outputs,
        .inputs = inputs,
        .input_stride = row_stride(linear->inputs),
        .rows = rows,
        .tiling = tile_rows(rows),
        .steps = linear->inputs / TILE_PRODUCT,
        .activation = activation,
        .target = target,
        .results = outputs,
        .result_stride = target == TO_ACTIVATIONS ? row_stride(linear->outputs) : linear->outputs,
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
}
