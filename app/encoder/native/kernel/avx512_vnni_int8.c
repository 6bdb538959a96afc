/* AVX512_VNNI: the processor multiplies four bytes with four int8 weights and adds all products to an int32. */
#if defined(__x86_64__)
#include "x86.h"

BEGIN_TARGET("avx2,fma,avx512f,avx512bw,avx512vnni")
#include "vector_avx512.h"

#define DOT 0
#include "integers_avx512.h"

#define PATH avx512_vnni_int8
#include "int8.inc"
END_TARGET
#endif
