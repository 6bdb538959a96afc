/* One path, written once for every instruction set and precision. A file that includes this has said
 *
 *   BFLOAT16   1: weights are bfloat16; 0: they are float
 *   DOT        1: the processor multiplies pairs of bfloat16 (v_dot), so activations are bfloat16 too; 0: floats
 *   PATH       the name of the struct path to define
 *
 * and included vector_*.h. ../README.md has the drawings.
 */
#define EIGHT 0
#include "path.h"

#include "elements.h"
#include "functions.h"

/* Each sum of a product begins with the bias and goes onto the residual at its end; rows lie without gaps. */
#define SUMS_BEGIN_AS_RESIDUAL 0
static long row_stride(long columns) { return columns; }
static long row_bytes(enum rows rows, long columns) { return (void)rows, columns * (long)sizeof(element); }

#include "tile.h"

#include "attention.h"
#include "rows.h"

/* As many sums as a tile has, and nothing from memory: more multiplications than this a core cannot do. */
static double peak(int64_t rounds)
{
    vector sum[TILE_ROWS][TILE_PANELS * PANEL_VECTORS];
    element input[STEP] = {0};
    weight weights[BERT_COLUMNS * STEP] = {0};
    loaded w = load(weights, 0);
    UNROLL for (int r = 0; r < TILE_ROWS; r++)
        UNROLL for (int v = 0; v < TILE_PANELS * PANEL_VECTORS; v++)
            sum[r][v] = v_zero();
    for (int64_t i = 0; i < rounds; i++)
        UNROLL for (int r = 0; r < TILE_ROWS; r++)
            UNROLL for (int v = 0; v < TILE_PANELS * PANEL_VECTORS; v++) {
                sum[r][v] = accumulate(sum[r][v], input, w, 0);
                PIN_ALWAYS(sum[r][v]); /* so that no multiplication is left out */
            }
    return 2.0 * (double)rounds * TILE_ROWS * TILE_COLUMNS * STEP / PHASES;
}

const struct path PATH = {
    .sums = BFLOAT16 ? BERT_PAIRS : BERT_SINGLES,
    .feed_rows = 48, /* so that its wide activations stay in the second cache */
    FUNCTIONS_OF_A_PATH,
    .convert = convert,
};
