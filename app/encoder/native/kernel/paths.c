/* The instruction sets, from the plainest to the fastest, and whether this processor has them. */
#include "paths.h"

struct entry {
    const char *name;
    int (*runs)(void);
    const struct path *float32, *bfloat16;
};

static int runs_anywhere(void) { return 1; }

#if defined(__x86_64__)
#if defined(KERNEL_EMULATED)
#define HAS_AVX512(feature) 1
#else
#define HAS_AVX512(feature) __builtin_cpu_supports(feature)
#endif
static int runs_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static int runs_avx512(void) { return runs_avx2() && HAS_AVX512("avx512f"); }
static int runs_avx512_bf16(void) { return runs_avx512() && HAS_AVX512("avx512bf16"); }
#endif

static const struct entry entries[] = {
    {"plain", runs_anywhere, &plain_float32, &plain_bfloat16},
#if defined(__x86_64__)
    {"avx2", runs_avx2, &avx2_float32, &avx2_bfloat16},
    {"avx512", runs_avx512, &avx512_float32, &avx512_bfloat16},
    {"avx512_bf16", runs_avx512_bf16, &avx512_float32, &avx512_bf16_bfloat16},
#endif
};

static int is_known(int32_t path) { return path >= 0 && path < (int32_t)(sizeof entries / sizeof *entries); }

int32_t bert_abi(void) { return BERT_ABI; }

const char *bert_path_name(int32_t path) { return is_known(path) ? entries[path].name : NULL; }

int32_t bert_path_runs(int32_t path) { return is_known(path) && entries[path].runs(); }

const struct path *find_path(int32_t path, int32_t precision)
{
    if (!bert_path_runs(path))
        return NULL;
    if (precision == BERT_FLOAT32)
        return entries[path].float32;
    return precision == BERT_BFLOAT16 ? entries[path].bfloat16 : NULL;
}
