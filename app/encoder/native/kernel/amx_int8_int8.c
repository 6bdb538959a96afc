/* AMX_INT8: Intel's tile unit multiplies tiles of bytes and adds the products to tiles of int32; what is between
 * products on AVX-512, attention on the tile unit in bfloat16. */
#if defined(__x86_64__) && !defined(KERNEL_WITHOUT_TILES)
#include "x86.h"

BEGIN_TARGET("avx2,fma,avx512f,avx512bw,avx512bf16,amx-tile,amx-bf16,amx-int8")
#include "vector_avx512_bf16.h"

#define BFLOAT16 1
#define DOT 1
#include "integers_avx512.h"

#define EIGHT 1
#define SUMS_BEGIN_AS_RESIDUAL 0
#include "path.h"

#include "elements.inc"
#include "functions.inc"

INLINE vector load_element(const element *from) { return v_load_bf16(from); }
#include "int8_rows.inc"

#include "tile_functions.inc"
#include "tile_unit.h"

#include "tile_finish.inc"

#include "tile_product.inc"

#include "tile_block.inc"

#include "tile_attention.inc"

#include "rows.inc"

const struct path amx_int8_int8 = {
    .sums = BERT_INTEGERS,
    .slack_rows = TILE_SIDE - 1,
    .feed_rows = 64,
    FUNCTIONS_OF_A_PATH,
};
END_TARGET
#endif
