/* The readable reference in float32. */
#define BFLOAT16 0
#define TILES 0
#define EIGHT 0
#define PATH plain_float32
#include "plain.inc"
