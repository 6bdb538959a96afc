/* The readable reference in bfloat16, in the order in which the tile unit adds. */
#define BFLOAT16 1
#define TILES 1
#define EIGHT 0
#define PATH plain_tiles_bfloat16
#include "plain.inc"
