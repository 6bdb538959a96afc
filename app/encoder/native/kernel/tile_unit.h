/* Intel's tile unit (AMX): eight registers, tmm0 to tmm7, of up to 16 rows × 64 bytes, and the product of two of them.
 *
 *   TILE_LOAD(t, from, stride)   rows of tmm t from memory, `stride` bytes apart; 0: the same row again and again
 *   TILE_STORE(t, to, stride)    rows of tmm t to memory
 *   TILE_MULTIPLY(c, a, b)       c[m][n] += Σ a[m][2k] × b[k][2n] + a[m][2k + 1] × b[k][2n + 1]:
 *                                floats += pairs of bfloat16
 *   TILE_MULTIPLY_BYTES(c, a, b) c[m][n] += Σ a[m][4k + i] × b[k][4n + i], i from 0 to 3: int32 += bytes × signed bytes
 *
 * By inline assembly, because gcc 12's own intrinsics name no memory that they read, so that stores before them get
 * lost. Tile numbers must be literal digits. Who uses tiles says how many rows they have by `shape_tiles` first, and
 * gives them back by `release_tiles`. With KERNEL_EMULATED or KERNEL_EMULATED_TILES all of it is plain C
 * (tile_emulated.inc). */
#ifndef TILE_UNIT_H
#define TILE_UNIT_H

#include <stdint.h>

#include "x86.h"

#define TILE_SIDE 16    /* rows of a tile, and floats in its row */
#define TILE_PRODUCT 32 /* inputs that one product takes: pairs of bfloat16 in 64 bytes */
#define TILE_BYTES 1024
#define TILE_ROW_BYTES 64

/* 64 bytes, as LDTILECFG reads them. */
struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

#if defined(KERNEL_EMULATED) || defined(KERNEL_EMULATED_TILES)
#include "tile_emulated.inc"
#else
#define TILE_SHAPE(shapes) __asm__ volatile("ldtilecfg %0" ::"m"(shapes) : "memory")
#define TILE_RELEASE() __asm__ volatile("tilerelease" ::: "memory")
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t::)
#define TILE_LOAD(t, from, stride) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t::"r"((const void *)(from)), "r"((long)(stride)) : "memory")
#define TILE_STORE(t, to, stride) \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"((void *)(to)), "r"((long)(stride)) : "memory")
#define TILE_MULTIPLY(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c::)
#define TILE_MULTIPLY_BYTES(c, a, b) __asm__ volatile("tdpbusd %%tmm" #b ", %%tmm" #a ", %%tmm" #c::)
#endif

/* tmm0 to tmm3 (sums) and tmm4 and tmm5 (inputs) get so many rows; tmm6 and tmm7 (weights) have 16. */
static void shape_tiles(long rows)
{
    struct tile_shapes shapes = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        shapes.row_bytes[tile] = TILE_ROW_BYTES;
        shapes.rows[tile] = tile < 6 ? (uint8_t)rows : TILE_SIDE;
    }
    TILE_SHAPE(shapes);
}

/* While tiles hold something, the core must keep it at each switch to another process. */
static void release_tiles(void) { TILE_RELEASE(); }

/* How many tiles so many rows take, all of one height, so that one shape serves them: 22 rows are 11 + 11. The rows
 * that fill up the last one, 15 at most, are read and written too; what is in them does not matter. */
struct tiling {
    long count, height;
};

static struct tiling tile_rows(long rows)
{
    long count = (rows + TILE_SIDE - 1) / TILE_SIDE;
    return (struct tiling){count, (rows + count - 1) / count};
}

#endif
