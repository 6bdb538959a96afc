/* The matrix product: where nine tenths of the time goes. ../README.md draws the tile. */

#define TILE_ROWS 6
#define TILE_COLUMNS (TILE_PANELS * BERT_COLUMNS)

/* A stretch of memory to bring into the second cache while a tile is computed: some bytes of it at each step. */
struct ahead { uintptr_t at; long step_bytes; };

/* The heart: sums[row][column] = Σ inputs[row][i] × weights[i][column] over `steps` steps, for `rows` <= 6 rows and
 * `panels` panels of 16 columns. Every sum is made in the order of i, whatever the rows and panels around it: so a
 * text's vector does not depend on its company. rows and panels are constants once this is inlined. */
INLINE void tile(int rows, int panels, const element *inputs, long input_stride, const weight *weights,
                 long panel_stride, long steps, float *sums, long sum_stride, struct ahead ahead)
{
    vector sum[TILE_ROWS][TILE_PANELS * PANEL_VECTORS];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++)
            sum[r][v] = v_zero();
    for (long i = 0; i < steps; i++) {
        UNROLL for (int p = 0; p < panels; p++)
            _mm_prefetch((const char *)(ahead.at + (size_t)(p * panel_stride) * sizeof(weight)), _MM_HINT_T1);
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
        ahead.at += (uintptr_t)ahead.step_bytes;
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++)
            v_store(sums + r * sum_stride + v * LANES, sum[r][v]);
}

/* The tile for any number of rows from 1 to 6. */
INLINE void tile_rows(long rows, int panels, const element *inputs, long input_stride, const weight *weights,
                      long panel_stride, long steps, float *sums, long sum_stride, struct ahead ahead)
{
#define OF_ROWS(n) \
    tile(n, panels, inputs, input_stride, weights, panel_stride, steps, sums, sum_stride, ahead)
    switch (rows) {
    case 1: OF_ROWS(1); break;
    case 2: OF_ROWS(2); break;
    case 3: OF_ROWS(3); break;
    case 4: OF_ROWS(4); break;
    case 5: OF_ROWS(5); break;
    default: OF_ROWS(6); break;
    }
#undef OF_ROWS
}

/* A full tile's width, and a single panel. Not inlined: two copies of the heart are enough. */
static __attribute__((noinline)) void wide(long rows, const element *inputs, long input_stride,
                                           const weight *weights, long panel_stride, long steps, float *sums,
                                           long sum_stride, struct ahead ahead)
{
    tile_rows(rows, TILE_PANELS, inputs, input_stride, weights, panel_stride, steps, sums, sum_stride, ahead);
}
#if TILE_PANELS > 1
static __attribute__((noinline)) void narrow(long rows, const element *inputs, long input_stride,
                                             const weight *weights, long steps, float *sums, long sum_stride)
{
    struct ahead nothing = {(uintptr_t)weights, 0};
    tile_rows(rows, 1, inputs, input_stride, weights, 0, steps, sums, sum_stride, nothing);
}
#endif

/* Any number of panels, for attention: nothing to bring ahead, all of it was written just now. */
static void multiply_panels(long rows, const element *inputs, long input_stride, const weight *weights,
                            long panel_count, long steps, float *sums, long sum_stride)
{
    long stride = steps * BERT_COLUMNS * STEP, panel = 0;
    struct ahead nothing = {(uintptr_t)weights, 0};
    for (; panel + TILE_PANELS <= panel_count; panel += TILE_PANELS)
        wide(rows, inputs, input_stride, weights + panel * stride, stride, steps, sums + panel * BERT_COLUMNS,
             sum_stride, nothing);
#if TILE_PANELS > 1
    for (; panel < panel_count; panel++)
        narrow(rows, inputs, input_stride, weights + panel * stride, steps, sums + panel * BERT_COLUMNS,
               sum_stride);
#endif
}

/* What is done with a tile's sums while they are in the first cache. */
static void finish(const float *sums, long rows, const float *bias, int activation, enum target target,
                   void *outputs, long output_stride, long column)
{
    for (long r = 0; r < rows; r++)
        for (long c = 0; c < TILE_COLUMNS; c += LANES) {
            vector x = v_add(v_load(sums + r * TILE_COLUMNS + c), v_load(bias + column + c));
            long at = r * output_stride + column + c;
            if (target == TO_ACTIVATIONS)
                store((element *)outputs + at, v_activate(x, activation));
            else if (target == TO_FLOATS)
                v_store((float *)outputs + at, v_activate(x, activation));
            else
                v_store((float *)outputs + at, v_add(v_load((float *)outputs + at), x));
        }
}

static void multiply(const struct bert_linear *linear, const void *inputs, long rows, int activation,
                     enum target target, void *outputs)
{
    float sums[TILE_ROWS * TILE_COLUMNS];
    long steps = linear->inputs / STEP, panel_stride = linear->inputs * BERT_COLUMNS;
    long blocks = (rows + TILE_ROWS - 1) / TILE_ROWS;
    long output_bytes = target == TO_ACTIVATIONS ? sizeof(element) : sizeof(float);
    for (long column = 0; column < linear->outputs; column += TILE_COLUMNS) {
        const weight *weights = (const weight *)linear->weights + column * linear->inputs;
        uintptr_t next = (uintptr_t)(weights + TILE_PANELS * panel_stride);
        for (long block = 0; block < blocks; block++) {
            long row = block * TILE_ROWS, height = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
            /* Each block of rows brings its share of the panels that come next. */
            struct ahead ahead = {next + (uintptr_t)(steps * block / blocks * 64), (64 + blocks - 1) / blocks};
            wide(height, (const element *)inputs + row * linear->inputs, linear->inputs, weights, panel_stride,
                 steps, sums, TILE_COLUMNS, ahead);
            finish(sums, height, linear->bias, activation, target,
                   (char *)outputs + row * linear->outputs * output_bytes, linear->outputs, column);
        }
    }
}
