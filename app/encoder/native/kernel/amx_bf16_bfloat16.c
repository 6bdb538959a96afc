/* AMX_BF16: Intel's tile unit multiplies tiles of bfloat16 and adds the products to tiles of floats. */
#if defined(__x86_64__) && !defined(KERNEL_WITHOUT_TILES)
#include "x86.h"

BEGIN_TARGET("avx2,fma,avx512f,avx512bf16,amx-tile,amx-bf16")
#include "vector_avx512_bf16.h"

#define BFLOAT16 1
#define DOT 1
#define EIGHT 0
#define SUMS_BEGIN_AS_RESIDUAL 1
#include "path.h"

#include "elements.inc"
#include "functions.inc"

#include "tile_functions.inc"
#include "tile_unit.h"

#include "tile_finish.inc"

#include "tile_product.inc"

#include "tile_block.inc"

#include "tile_attention.inc"

#include "rows.inc"

const struct path amx_bf16_bfloat16 = {
    .sums = BERT_TILES,
    .slack_rows = TILE_SIDE - 1,
    .feed_rows = 256, /* most calls whole: else the weights would come from the third cache once more */
    FUNCTIONS_OF_A_PATH,
    .convert = convert,
};
END_TARGET
#endif
