/* The readable reference in bfloat16. */
#define BFLOAT16 1
#define PATH plain_bfloat16
#include "plain.h"
