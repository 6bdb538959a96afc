/* The paths, from the plainest to the fastest as a rule, and whether they can run here. */
#include "paths.h"

#include "processor.h"

struct entry {
    const char *name;
    int (*runs)(void);
    const struct path *float32, *bfloat16, *int8;
};

#if defined(KERNEL_EMULATED) || defined(KERNEL_EMULATED_TILES)
static const char *tiles_obstacle(void) { return NULL; }
#elif defined(KERNEL_WITHOUT_TILES)
static const char *tiles_obstacle(void)
{
    return ask_for_tiles() == NO_TILES ? NO_TILES : "the compiler that built the kernel does not know it";
}
#else
static const char *tiles_obstacle(void) { return ask_for_tiles(); }
#endif

const char *bert_tiles_obstacle(void) { return tiles_obstacle() == NO_TILES ? NULL : tiles_obstacle(); }

static int runs_anywhere(void) { return 1; }

#if defined(__x86_64__)
#if defined(KERNEL_EMULATED)
#define HAS_AVX512(feature) 1
#else
#define HAS_AVX512(feature) __builtin_cpu_supports(feature)
#endif
static int runs_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static int runs_avx512(void) { return runs_avx2() && HAS_AVX512("avx512f"); }
static int runs_avx512_vnni(void) { return runs_avx512() && HAS_AVX512("avx512bw") && HAS_AVX512("avx512vnni"); }
static int runs_avx512_bf16(void) { return runs_avx512() && HAS_AVX512("avx512bf16"); }
#if !defined(KERNEL_WITHOUT_TILES)
static int runs_amx_bf16(void) { return runs_avx512_bf16() && !tiles_obstacle(); }
static int runs_amx_int8(void) { return runs_amx_bf16() && runs_avx512_vnni(); }
#endif
#endif

static const struct entry entries[] = {
    {"plain", runs_anywhere, &plain_float32, &plain_bfloat16, &plain_int8},
    {"plain_tiles", runs_anywhere, &plain_float32, &plain_tiles_bfloat16, &plain_int8},
#if defined(__x86_64__)
    {"avx2", runs_avx2, &avx2_float32, &avx2_bfloat16, &avx2_int8},
    {"avx512", runs_avx512, &avx512_float32, &avx512_bfloat16, &avx2_int8},
    {"avx512_vnni", runs_avx512_vnni, &avx512_float32, &avx512_bfloat16, &avx512_vnni_int8},
    {"avx512_bf16", runs_avx512_bf16, &avx512_float32, &avx512_bf16_bfloat16, &avx2_int8},
#if !defined(KERNEL_WITHOUT_TILES)
    {"amx_bf16", runs_amx_bf16, &avx512_float32, &amx_bf16_bfloat16, &avx2_int8},
    {"amx_int8", runs_amx_int8, &avx512_float32, &amx_bf16_bfloat16, &amx_int8_int8},
#endif
#endif
};

static int is_known(int32_t path) { return path >= 0 && path < (int32_t)(sizeof entries / sizeof *entries); }

int32_t bert_abi(void) { return BERT_ABI; }

size_t bert_struct_bytes(int32_t number)
{
    static const size_t bytes[] = {
        sizeof(struct bert_linear), sizeof(struct bert_norm),  sizeof(struct bert_layer),
        sizeof(struct bert_model),  sizeof(struct bert_texts), sizeof(struct bert_watch),
    };
    return number >= 0 && (size_t)number < sizeof bytes / sizeof *bytes ? bytes[number] : 0;
}

const char *bert_path_name(int32_t path) { return is_known(path) ? entries[path].name : NULL; }

int32_t bert_path_runs(int32_t path) { return is_known(path) && entries[path].runs(); }

int32_t bert_path_code(int32_t path, int32_t precision)
{
    const struct path *found = find_path(path, precision);
    for (int32_t other = 0; found && other <= path; other++)
        if (find_path(other, precision) == found)
            return other;
    return -1;
}

int32_t bert_path_sums(int32_t path, int32_t precision)
{
    const struct path *found = find_path(path, precision);
    return found ? (int32_t)found->sums : -1;
}

const struct path *find_path(int32_t path, int32_t precision)
{
    if (!bert_path_runs(path))
        return NULL;
    switch (precision) {
    case BERT_FLOAT32: return entries[path].float32;
    case BERT_BFLOAT16: return entries[path].bfloat16;
    case BERT_INT8: return entries[path].int8;
    default: return NULL;
    }
}
