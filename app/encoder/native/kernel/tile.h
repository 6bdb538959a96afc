/* The matrix product: where nine tenths of the time goes. ../README.md draws the tile. */

#define TILE_ROWS 6
#define TILE_COLUMNS (TILE_PANELS * BERT_COLUMNS)

/* One tile's work: outputs[row][column] = start[column] + Σ inputs[row][i] × weights[i][column]. */
struct product {
    const element *inputs;
    long input_stride;
    const weight *weights;
    long panel_stride, steps;
    const float *start; /* NULL: zeros */
    void *outputs;      /* float, or activation elements: as the target says */
    long output_stride;
    /* A stretch of memory to bring into the second cache meanwhile: some bytes of it, of each panel, at each step. */
    uintptr_t ahead;
    long ahead_bytes;
};

/* Leaves 16 (or 8) results in a row, from the place `at` on. */
INLINE void put(vector x, enum target target, void *outputs, long at)
{
    if (target == TO_ACTIVATIONS)
        store((element *)outputs + at, x);
    else
        v_store((float *)outputs + at, target == ONTO_RESIDUAL ? v_add(v_load((float *)outputs + at), x) : x);
}

/* The heart, for `rows` <= 6 rows and `panels` panels of 16 columns. Every sum is made in the order of i, whatever the
 * rows and panels around it: so a text's vector does not depend on its company. rows, panels and target
 * are constants once this is inlined. */
INLINE void tile(int rows, int panels, enum target target, const struct product *product)
{
    vector sum[TILE_ROWS][TILE_PANELS * PANEL_VECTORS];
    const element *inputs = product->inputs;
    const weight *weights = product->weights;
    const long input_stride = product->input_stride, panel_stride = product->panel_stride;
    void *outputs = product->outputs;
    const long output_stride = product->output_stride;
    uintptr_t ahead = product->ahead;
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++)
            sum[r][v] = product->start ? v_load(product->start + v * LANES) : v_zero();
    for (long i = product->steps; i > 0; i--) {
        UNROLL for (int p = 0; p < panels; p++)
            _mm_prefetch((const char *)(ahead + (size_t)(p * panel_stride) * sizeof(weight)), _MM_HINT_T1);
        UNROLL for (int phase = 0; phase < PHASES; phase++) {
            loaded w[TILE_PANELS * PANEL_VECTORS];
            UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++)
                w[v] = load(weights + v / PANEL_VECTORS * panel_stride + v % PANEL_VECTORS * LANES * STEP, phase);
            UNROLL for (int r = 0; r < rows; r++)
                UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++) {
                    sum[r][v] = accumulate(sum[r][v], inputs + r * input_stride, w[v], phase);
                    PIN(sum[r][v]);
                }
        }
        weights += BERT_COLUMNS * STEP;
        inputs += STEP;
        ahead += (uintptr_t)product->ahead_bytes;
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++)
            put(sum[r][v], target, outputs, r * output_stride + v * LANES);
}

/* The tile for any number of rows from 1 to 6. Not inlined: one copy for each width and target is enough. */
#define TILE_OF(name, panels, target)                                                    \
    static __attribute__((noinline)) void name(long rows, const struct product *product) \
    {                                                                                    \
        switch (rows) {                                                                  \
        case 1: tile(1, panels, target, product); break;                                 \
        case 2: tile(2, panels, target, product); break;                                 \
        case 3: tile(3, panels, target, product); break;                                 \
        case 4: tile(4, panels, target, product); break;                                 \
        case 5: tile(5, panels, target, product); break;                                 \
        default: tile(6, panels, target, product); break;                                \
        }                                                                                \
    }
TILE_OF(wide_to_activations, TILE_PANELS, TO_ACTIVATIONS)
TILE_OF(wide_onto_residual, TILE_PANELS, ONTO_RESIDUAL)
TILE_OF(wide, TILE_PANELS, TO_FLOATS)
#if TILE_PANELS > 2
TILE_OF(middle, 2, TO_FLOATS)
#endif
#if TILE_PANELS > 1
TILE_OF(narrow, 1, TO_FLOATS)
#endif

/* Any number of panels to float, for attention: nothing to bring ahead, all of it was written just now. */
static void multiply_panels(long rows, struct product product, long panels)
{
    product.ahead = (uintptr_t)product.weights;
    product.ahead_bytes = 0;
    while (panels > 0) {
        long width = TILE_PANELS;
        if (panels >= TILE_PANELS)
            wide(rows, &product);
#if TILE_PANELS > 2
        else if (panels >= 2)
            middle(rows, &product), width = 2;
#endif
#if TILE_PANELS > 1
        else
            narrow(rows, &product), width = 1;
#endif
        product.weights += width * product.panel_stride;
        product.outputs = (float *)product.outputs + width * BERT_COLUMNS;
        panels -= width;
    }
}

/* The activation function on a tile's sums, while they are in the first cache. */
INLINE void activate_by(int activation, const float *sums, long rows, enum target target, void *outputs,
                        long output_stride)
{
    for (long r = 0; r < rows; r++)
        UNROLL for (long c = 0; c < TILE_COLUMNS; c += LANES)
            put(v_activate(v_load(sums + r * TILE_COLUMNS + c), activation), target, outputs, r * output_stride + c);
}

/* Each function a loop of its own, so that its coefficients stay in registers. */
static void activate(int activation, const float *sums, long rows, enum target target, void *outputs,
                     long output_stride)
{
#define BY(name) \
    case name: activate_by(name, sums, rows, target, outputs, output_stride); break;
    switch (activation) {
    BY(BERT_GELU)
    BY(BERT_GELU_TANH)
    BY(BERT_RELU)
    BY(BERT_TANH)
    }
#undef BY
}

/* One tile with what follows it: straight from the registers, or by way of `sums` where there is more to do. */
static void multiply_tile(long rows, struct product product, int activation, enum target target)
{
    float sums[TILE_ROWS * TILE_COLUMNS];
    void *outputs = product.outputs;
    long output_stride = product.output_stride;
    if (activation == BERT_IDENTITY) {
        (target == TO_ACTIVATIONS  ? wide_to_activations
         : target == ONTO_RESIDUAL ? wide_onto_residual
                                   : wide)(rows, &product);
        return;
    }
    product.outputs = sums;
    product.output_stride = TILE_COLUMNS;
    wide(rows, &product);
    activate(activation, sums, rows, target, outputs, output_stride);
}

static void multiply(const struct bert_linear *linear, const void *inputs, enum rows kind, long rows, int activation,
                     enum target target, const struct bert_linear *next, void *outputs)
{
    (void)kind, (void)next;
    if (target == TO_ATTENTION)
        target = TO_ACTIVATIONS;
    struct product product = {.input_stride = linear->inputs, .panel_stride = linear->inputs * BERT_COLUMNS,
                              .steps = linear->inputs / STEP, .output_stride = linear->outputs};
    long blocks = (rows + TILE_ROWS - 1) / TILE_ROWS;
    long output_bytes = target == TO_ACTIVATIONS ? sizeof(element) : sizeof(float);
    product.ahead_bytes = (64 + blocks - 1) / blocks;
    for (long column = 0; column < linear->outputs; column += TILE_COLUMNS) {
        product.weights = (const weight *)linear->weights + column * linear->inputs;
        product.start = linear->bias + column;
        uintptr_t following = (uintptr_t)(product.weights + TILE_PANELS * product.panel_stride);
        for (long block = 0; block < blocks; block++) {
            long row = block * TILE_ROWS;
            product.inputs = (const element *)inputs + row * linear->inputs;
            product.outputs = (char *)outputs + (row * linear->outputs + column) * output_bytes;
            /* Each block of rows brings its share of the panels that come next. */
            product.ahead = following + (uintptr_t)(product.steps * block / blocks * 64);
            multiply_tile(rows - row < TILE_ROWS ? rows - row : TILE_ROWS, product, activation, target);
        }
    }
}
