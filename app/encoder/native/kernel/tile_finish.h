/* What the tile unit's product (tile_product.h) is made of: the product and its units, and what follows a unit's sums
 * in bfloat16 (EIGHT 0), where they are floats that began as the bias, and in int8 (EIGHT 1), where they are integers.
 * */

#define UNIT_COLUMNS 32
#define UNIT_BYTES (UNIT_COLUMNS * 4)

/* Kept by value by whoever multiplies: what lies behind a pointer is loaded again after each tile instruction. */
struct product {
    struct bert_linear linear;
    long columns, outputs;
    const char *inputs;
    long input_bytes, rows; /* from one row to the next; how many */
    struct tiling tiling;
    long steps; /* whole ones: a Dense may have inputs left over */
    int activation; /* for multiply_by_any alone */
    enum target target;
    char *results;
    long result_bytes;
    /* What is brought to the second cache meanwhile: the next group of weights, some lines at each step. */
    uintptr_t ahead;
    long ahead_bytes;
};

/* Rows whose sums are finished while the next unit is multiplied. */
struct unit {
    const char *sums; /* [rows][UNIT_BYTES] */
    long row, rows, column, done;
};

/* 32 results of a row to where they belong. */
INLINE void put_row(const struct product *product, long row, long column, vector low, vector high)
{
    char *to = product->results + row * product->result_bytes;
    if (product->target == TO_ATTENTION || (product->target == TO_ACTIVATIONS && !EIGHT)) {
        v_store_bf16_twice((element *)to + column, low, high);
        return;
    }
    float *at = (float *)to + column;
    if (product->target == ONTO_RESIDUAL) {
        low = v_add(v_load(at), low);
        high = v_add(v_load(at + LANES), high);
    }
    v_store(at, low);
    v_store(at + LANES, high);
}

/* From one row of bfloat16 to the next: whole steps, and no multiple of 1 KB, from which 16 rows would fall into 4 of
 * the first cache's 64 sets. */
static long row_stride(long columns)
{
    long stride = round_up(columns, TILE_PRODUCT);
    return stride % 512 ? stride : stride + TILE_PRODUCT;
}

#if EIGHT
typedef uint8_t input;
typedef int8_t panel_weight;
#define PRODUCT_INPUTS 64
#define MULTIPLY TILE_MULTIPLY_BYTES
#define BEGIN_SUM(t, from) TILE_ZERO(t)

static long row_bytes(enum rows rows, long columns)
{
    return rows == ACTIVATIONS ? byte_row_bytes(columns)
           : rows == FED       ? float_row_bytes(columns)
                               : row_stride(columns) * (long)sizeof(element);
}

static long result_bytes(enum target target, long columns)
{
    return target == TO_ATTENTION     ? row_bytes(ATTENTION, columns)
           : target == TO_ACTIVATIONS ? row_bytes(FED, columns)
                                      : columns * (long)sizeof(float);
}

INLINE void finish_row(const struct product *product, int activation, const struct unit *unit, long r)
{
    const int32_t *sums = (const int32_t *)(unit->sums + r * UNIT_BYTES);
    const struct row_scale scale = scale_of(product->inputs + (unit->row + r) * product->input_bytes, product->columns);
    vector low = dequantised(i_load(sums), scale, &product->linear, unit->column);
    vector high = dequantised(i_load(sums + LANES), scale, &product->linear, unit->column + LANES);
    put_row(product, unit->row + r, unit->column, v_activate_in_pieces(low, activation),
            v_activate_in_pieces(high, activation));
}

static void leave_for_next(long rows, long columns, enum target target, const struct bert_linear *next, void *results)
{
    if (target == TO_ACTIVATIONS)
        leave_rows(results, rows, row_bytes(FED, columns), columns, next);
}
#else
typedef element input;
typedef weight panel_weight;
#define PRODUCT_INPUTS TILE_PRODUCT
#define MULTIPLY TILE_MULTIPLY
#define BEGIN_SUM(t, from) TILE_LOAD(t, from, 0) /* the bias in each row */

static long row_bytes(enum rows rows, long columns) { return (void)rows, row_stride(columns) * (long)sizeof(element); }

static long result_bytes(enum target target, long columns)
{
    const int stay_floats = target == ONTO_RESIDUAL || target == TO_FLOATS;
    return stay_floats ? columns * (long)sizeof(float) : row_bytes(FED, columns);
}

INLINE void finish_row(const struct product *product, int activation, const struct unit *unit, long r)
{
    const float *sums = (const float *)(unit->sums + r * UNIT_BYTES);
    put_row(product, unit->row + r, unit->column, v_activate_in_pieces(v_load(sums), activation),
            v_activate_in_pieces(v_load(sums + LANES), activation));
}

static void leave_for_next(long rows, long columns, enum target target, const struct bert_linear *next, void *results)
{
    (void)rows, (void)columns, (void)target, (void)next, (void)results;
}
#endif
