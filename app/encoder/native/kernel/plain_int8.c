/* The readable reference in int8: products of bytes, attention as the tile unit adds. */
#define BFLOAT16 1
#define TILES 1
#define EIGHT 1
#define PATH plain_int8
#include "plain.inc"
