/* The matrix product of bytes and int8 weights on vectors: the tile of tile.h (../README.md draws it) with integer
 * sums, each of which becomes a float, with all that follows, once its row of the tile is done. */

#define TILE_ROWS 6
#define TILE_COLUMNS (TILE_PANELS * BERT_COLUMNS)
#define PRODUCT_STEP 4 /* inputs that one step of a panel holds */

static long row_bytes(enum rows rows, long columns)
{
    return rows == ACTIVATIONS ? byte_row_bytes(columns)
           : rows == FED       ? float_row_bytes(columns)
                               : columns * (long)sizeof(element);
}

/* One tile's work: sums[row][column] = Σ inputs[row][i] × weights[i][column]. */
struct product {
    const uint8_t *inputs;
    long input_bytes;
    const int8_t *weights;
    long panel_bytes, steps;
    int32_t *sums; /* [TILE_ROWS][TILE_COLUMNS] */
    /* A stretch of memory to bring into the second cache meanwhile: some bytes of it, of each panel, at each step. */
    uintptr_t ahead;
    long ahead_bytes;
};

INLINE void tile(int rows, const struct product *product)
{
    ints sum[TILE_ROWS][TILE_PANELS * PANEL_VECTORS];
    const uint8_t *inputs = product->inputs;
    const int8_t *weights = product->weights;
    const long input_bytes = product->input_bytes, panel_bytes = product->panel_bytes;
    uintptr_t ahead = product->ahead;
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < TILE_PANELS * PANEL_VECTORS; v++)
            sum[r][v] = i_zero();
    for (long i = product->steps; i > 0; i--) {
        UNROLL for (int p = 0; p < TILE_PANELS; p++)
            _mm_prefetch((const char *)(ahead + (uintptr_t)(p * panel_bytes)), _MM_HINT_T1);
        UNROLL for (int phase = 0; phase < PHASES; phase++) {
            ints w[TILE_PANELS * PANEL_VECTORS];
            UNROLL for (int v = 0; v < TILE_PANELS * PANEL_VECTORS; v++)
                w[v] = i_load_weights(weights + v / PANEL_VECTORS * panel_bytes
                                      + v % PANEL_VECTORS * LANES * PRODUCT_STEP, phase);
            UNROLL for (int r = 0; r < rows; r++) {
                ints bytes = i_all_bytes(inputs + r * input_bytes, phase);
                UNROLL for (int v = 0; v < TILE_PANELS * PANEL_VECTORS; v++) {
                    sum[r][v] = i_dot(sum[r][v], bytes, w[v]);
                    PIN(sum[r][v]);
                }
            }
        }
        weights += BERT_COLUMNS * PRODUCT_STEP;
        inputs += PRODUCT_STEP;
        ahead += (uintptr_t)product->ahead_bytes;
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < TILE_PANELS * PANEL_VECTORS; v++)
            i_store(product->sums + r * TILE_COLUMNS + v * LANES, sum[r][v]);
}

static __attribute__((noinline)) void multiply_tile(long rows, const struct product *product)
{
    switch (rows) {
    case 1: tile(1, product); break;
    case 2: tile(2, product); break;
    case 3: tile(3, product); break;
    case 4: tile(4, product); break;
    case 5: tile(5, product); break;
    default: tile(6, product); break;
    }
}

/* Where a tile's results go. */
struct results {
    const struct bert_linear *linear;
    long column;
    enum target target;
    char *first; /* of the tile's rows, at column 0 */
    long bytes;  /* from one row to the next */
};

INLINE void put(vector x, enum target target, void *row, long column)
{
    if (target == TO_ATTENTION) {
        store((element *)row + column, x);
        return;
    }
    float *to = (float *)row + column;
    v_store(to, target == ONTO_RESIDUAL ? v_add(v_load(to), x) : x);
}

INLINE void finish_by(int activation, enum target target, long rows, const struct product *product,
                      const struct results *results)
{
    for (long r = 0; r < rows; r++) {
        const struct row_scale scale = scale_of(product->inputs + r * product->input_bytes, results->linear->inputs);
        const int32_t *sums = product->sums + r * TILE_COLUMNS;
        UNROLL for (long c = 0; c < TILE_COLUMNS; c += LANES) {
            vector x = dequantised(i_load(sums + c), scale, results->linear, results->column + c);
            put(v_activate_in_pieces(x, activation), target, results->first + r * results->bytes, results->column + c);
        }
    }
}

/* What follows a tile; a loop of its own for what is much used, so that its tables stay in registers. */
static void finish(int activation, long rows, const struct product *product, const struct results *results)
{
    const enum target target = results->target;
    if (activation == BERT_IDENTITY && target == ONTO_RESIDUAL)
        finish_by(BERT_IDENTITY, ONTO_RESIDUAL, rows, product, results);
    else if (activation == BERT_IDENTITY && target == TO_ATTENTION)
        finish_by(BERT_IDENTITY, TO_ATTENTION, rows, product, results);
    else if (activation == BERT_GELU && target == TO_ACTIVATIONS)
        finish_by(BERT_GELU, TO_ACTIVATIONS, rows, product, results);
    else
        finish_by(activation, target, rows, product, results);
}

static void multiply(const struct bert_linear *linear, const void *inputs, enum rows kind, long rows, int activation,
                     enum target target, const struct bert_linear *next, void *outputs)
{
    _Alignas(BERT_ALIGNMENT) int32_t sums[TILE_ROWS * TILE_COLUMNS];
    struct product product = {.input_bytes = row_bytes(kind, linear->inputs),
                              .panel_bytes = linear->inputs * BERT_COLUMNS,
                              .steps = linear->inputs / PRODUCT_STEP, .sums = sums};
    struct results results = {.linear = linear, .target = target,
                              .bytes = target == TO_ATTENTION     ? row_bytes(ATTENTION, linear->outputs)
                                       : target == TO_ACTIVATIONS ? row_bytes(FED, linear->outputs)
                                                                  : linear->outputs * (long)sizeof(float)};
    const long blocks = (rows + TILE_ROWS - 1) / TILE_ROWS;
    product.ahead_bytes = (BERT_ALIGNMENT + blocks - 1) / blocks;
    for (results.column = 0; results.column < linear->outputs; results.column += TILE_COLUMNS) {
        product.weights = (const int8_t *)linear->weights + results.column * linear->inputs;
        const uintptr_t following = (uintptr_t)(product.weights + TILE_PANELS * product.panel_bytes);
        for (long block = 0; block < blocks; block++) {
            const long row = block * TILE_ROWS, here = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
            product.inputs = (const uint8_t *)inputs + row * product.input_bytes;
            results.first = (char *)outputs + row * results.bytes;
            /* Each block of rows brings its share of the panels that come next. */
            product.ahead = following + (uintptr_t)(product.steps * block / blocks * BERT_ALIGNMENT);
            multiply_tile(here, &product);
            finish(activation, here, &product, &results);
        }
    }
    if (target == TO_ACTIVATIONS)
        leave_rows(outputs, rows, results.bytes, linear->outputs, next);
}
