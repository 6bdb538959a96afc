/* The readable reference in bfloat16. */
#define BFLOAT16 1
#define TILES 0
#define EIGHT 0
#define PATH plain_bfloat16
#include "plain.inc"
