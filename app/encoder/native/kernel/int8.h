/* One int8 path without a tile unit, written once for every instruction set. A file that includes this has said PATH
 * and included vector_*.h and int8_*.h. What is between products adds as the tile unit does, so that int8 has the same
 * bits on every processor. */
#include "path.h"

#include "functions.h"
#include "tile_functions.h"

#define EIGHT 1
#define SUMS_BEGIN_AS_RESIDUAL 0
#define PANEL_VECTORS (BERT_COLUMNS / LANES)

typedef uint16_t weight, element; /* of the word table; that attention takes and leaves: bfloat16 */
INLINE vector load_row(const weight *from) { return v_load_bf16(from); }
INLINE vector load_element(const element *from) { return v_load_bf16(from); }
INLINE void store(element *to, vector x) { v_store_bf16(to, x); }

#include "int8_rows.h"

#include "int8_product.h"

#include "chain_product.h"

#include "chain_attention.h"
#include "rows.h"

/* As many sums as a tile has, and nothing from memory. */
static double peak(int64_t rounds)
{
    const int vectors = TILE_PANELS * PANEL_VECTORS;
    ints sum[TILE_ROWS][TILE_PANELS * PANEL_VECTORS], x = i_zero();
    UNROLL for (int r = 0; r < TILE_ROWS; r++)
        UNROLL for (int v = 0; v < vectors; v++)
            sum[r][v] = i_zero();
    for (int64_t i = 0; i < rounds; i++)
        UNROLL for (int r = 0; r < TILE_ROWS; r++)
            UNROLL for (int v = 0; v < vectors; v++) {
                PIN_ALWAYS(x); /* so that no product is made once for all */
                sum[r][v] = i_dot(sum[r][v], x, x);
                PIN_ALWAYS(sum[r][v]);
            }
    return 2.0 * (double)rounds * TILE_ROWS * TILE_COLUMNS * PRODUCT_STEP / PHASES;
}

const struct path PATH = {
    .sums = BERT_INTEGERS,
    .feed_rows = 48, /* so that its wide activations stay in the second cache */
    FUNCTIONS_OF_A_PATH,
};
