/* Rows of bytes: what a product of int8 weights takes, written in the names of vector_*.h so that every path makes the
 * same bits. ../README.md explains the rotation and the rounding.
 *
 *   x = the row, each column stretched and moved as the product wants it, then block by block of 128 (64) columns
 *       turned by the Hadamard transform, which spreads what stands out
 *   byte[i] = nearest((x[i] - least) / scale), 0 to 255;  scale = (largest - least) / 255
 *
 * so that Σ x[i] w[i] = scale Σ byte[i] w[i] + least Σ w[i], and the weights were turned the same way. A row's two
 * numbers lie behind its bytes. */

#define MOST_BLOCK 128
#define MOST_HIDDEN 16384 /* checks.h refuses wider models */

struct row_scale {
    float scale, least;
};

/* Bytes from one row to the next: its own, the two numbers, whole cache lines; and no multiple of 1 KB, from which 16
 * rows would fall into 4 of the first cache's 64 sets. */
static long byte_row_bytes(long columns)
{
    long bytes = columns + BERT_ALIGNMENT;
    return bytes % 1024 ? bytes : bytes + BERT_ALIGNMENT;
}

/* Of a row that a product leaves as floats, and which becomes bytes where it is. */
static long float_row_bytes(long columns) { return columns * (long)sizeof(float) + BERT_ALIGNMENT; }

static struct row_scale scale_of(const void *row, long columns)
{
    struct row_scale found;
    memcpy(&found, (const char *)row + columns, sizeof found);
    return found;
}

/* The Hadamard transform of a block, not divided by its root: the packed weights are. Each level makes of two numbers
 * their sum and their difference; between vectors first, then inside them. */
INLINE void rotate(vector *x, int block)
{
    UNROLL for (int apart = block / 2 / LANES; apart > 0; apart /= 2)
        UNROLL_ALL for (int i = 0; i < block / LANES; i++)
            if (!(i & apart)) {
                vector first = x[i], second = x[i + apart];
                x[i] = v_add(first, second);
                x[i + apart] = v_subtract(first, second);
            }
    UNROLL_ALL for (int i = 0; i < block / LANES; i++)
        x[i] = v_rotate_lanes(x[i]);
}

/* The ends of what a row's lanes have seen. */
struct range {
    vector low, high;
};

static struct range no_range(void) { return (struct range){v_all(INFINITY), v_all(-INFINITY)}; }

/* A block of a row: rotated, stored, its ends found. */
INLINE void rotate_block(vector *x, int block, float *rotated, struct range *range)
{
    struct range seen = *range;
    rotate(x, block);
    UNROLL_ALL for (int i = 0; i < block / LANES; i++) {
        v_store(rotated + i * LANES, x[i]);
        seen.low = v_min(x[i], seen.low);
        seen.high = v_max(x[i], seen.high);
    }
    *range = seen;
}

INLINE vector stretched(vector x, const struct bert_linear *next, long column)
{
    return v_fma(x, v_load(next->stretch + column), v_load(next->offset + column));
}

/* The first pass over a row: stretched, moved, rotated. Elements are what attention leaves. */
INLINE struct range rotate_row(const void *from, int are_elements, long columns, const struct bert_linear *next,
                               int block, float *rotated)
{
    struct range range = no_range();
    for (long start = 0; start < columns; start += block) {
        vector x[MOST_BLOCK / LANES];
        UNROLL_ALL for (int i = 0; i < block / LANES; i++) {
            const long at = start + i * LANES;
            vector given = are_elements ? load_element((const element *)from + at) : v_load((const float *)from + at);
            x[i] = stretched(given, next, at);
        }
        rotate_block(x, block, rotated + start, &range);
    }
    return range;
}

/* The second: floats to bytes, in place if need be, since a byte never lies behind its float. A number that is none, or
 * infinite, has no byte: then the whole row's scale is no number, and with it all that is made of the row. */
INLINE void round_row(const float *rotated, long columns, struct range range, uint8_t *to)
{
    /* + 0, so that no path has -0 where another has 0. */
    const float least = v_smallest(range.low) + 0.0f, width = v_largest(range.high) - least;
    const float inverse = width > 1e-30f ? 255.0f / width : 0.0f;
    struct row_scale scale = {width * (1.0f / 255), least};
    ints seen = i_zero();
    for (long start = 0; start < columns; start += 64) {
        ints bytes[64 / LANES];
        UNROLL_ALL for (int i = 0; i < 64 / LANES; i++) {
            vector x = v_subtract(v_load(rotated + start + i * LANES), v_all(least));
            bytes[i] = i_nearest(v_multiply(x, v_all(inverse)));
            seen = i_or(seen, bytes[i]);
        }
        i_store_bytes(to + start, bytes);
    }
    if (i_any_negative(seen))
        scale.scale = scale.least = NAN;
    memcpy(to + columns, &scale, sizeof scale);
}

static int block_of(long columns) { return columns % MOST_BLOCK ? MOST_BLOCK / 2 : MOST_BLOCK; }

INLINE void leave_bytes(const void *from, int are_elements, long columns, const struct bert_linear *next,
                        float *rotated, uint8_t *to)
{
    if (block_of(columns) == MOST_BLOCK)
        round_row(rotated, columns, rotate_row(from, are_elements, columns, next, MOST_BLOCK, rotated), to);
    else
        round_row(rotated, columns, rotate_row(from, are_elements, columns, next, MOST_BLOCK / 2, rotated), to);
}

/* A product's row of floats, where it is; and all of them. */
static inline void leave_in_place(void *row, long columns, const struct bert_linear *next)
{
    leave_bytes(row, 0, columns, next, row, row);
}

static inline void leave_rows(void *rows, long count, long bytes, long columns, const struct bert_linear *next)
{
    for (long r = 0; r < count; r++)
        leave_in_place((char *)rows + r * bytes, columns, next);
}

/* A norm's, and attention's. */
static void leave_row(const float *row, long columns, const struct bert_linear *next, void *to)
{
    float rotated[MOST_HIDDEN];
    leave_bytes(row, 0, columns, next, rotated, to);
}

static inline void leave_elements(const element *row, long columns, const struct bert_linear *next, void *to)
{
    float rotated[MOST_HIDDEN];
    leave_bytes(row, 1, columns, next, rotated, to);
}

/* What a sum of bytes × weights stands for, bias included. */
INLINE vector dequantised(ints sum, struct row_scale row, const struct bert_linear *linear, long column)
{
    vector start = v_fma(v_all(row.least), v_load(linear->sums + column), v_load(linear->bias + column));
    return v_fma(i_float(sum), v_multiply(v_all(row.scale), v_load(linear->scale + column)), start);
}
