/* CPUID, and the system's leave to use the tile unit. */
#define _GNU_SOURCE /* syscall */
#include "processor.h"

#include <stdatomic.h>
#include <stdio.h>

#include "bert.h"

const char NO_TILES[] = "the processor has none";

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* XCR0: the states that the system saves at a switch. */
#define TILE_SHAPES_SAVED (1u << 17)
#define TILE_DATA_SAVED (1u << 18)
/* CPUID leaf 7, EDX. */
#define HAS_AMX_BF16 (1u << 22)
#define HAS_AMX_TILE (1u << 24)
#define HAS_AMX_INT8 (1u << 25)
/* Linux's arch_prctl, since 5.16. */
#define ARCH_GET_XCOMP_PERM 0x1022
#define ARCH_REQ_XCOMP_PERM 0x1023
#define TILE_DATA 18

struct registers {
    unsigned a, b, c, d;
};

static struct registers cpuid(unsigned leaf, unsigned part)
{
    struct registers found = {0, 0, 0, 0};
    __get_cpuid_count(leaf, part, &found.a, &found.b, &found.c, &found.d);
    return found;
}

static unsigned saved_states(void)
{
    unsigned low = 0, high;
    if (cpuid(1, 0).c & bit_OSXSAVE)
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int has_tiles(void)
{
    unsigned features = HAS_AMX_BF16 | HAS_AMX_TILE | HAS_AMX_INT8, states = TILE_SHAPES_SAVED | TILE_DATA_SAVED;
    return (cpuid(7, 0).d & features) == features && (saved_states() & states) == states;
}

static const char *ask(void)
{
    unsigned long given = 0;
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA))
        switch (errno) {
        case ENOSPC: return "a thread's signal stack is too small for the tile unit's registers";
        case EINVAL:
        case ENOSYS: return "this system (Linux before 5.16, or a sandbox) knows no tile unit";
        default: return "the system refuses the tile unit (arch_prctl)";
        }
    if (syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &given) || !(given >> TILE_DATA & 1))
        return "the system says that it gives the tile unit, and does not (arch_prctl)";
    return NULL;
}

const char *ask_for_tiles(void)
{
    static const char not_asked[] = "";
    static _Atomic(const char *) answer = not_asked;
    const char *known = atomic_load(&answer);
    if (known == not_asked) { /* two threads at once ask twice, and hear the same */
        known = has_tiles() ? ask() : NO_TILES;
        atomic_store(&answer, known);
    }
    return known;
}

void bert_processor(char *text, size_t bytes)
{
    struct registers maker = cpuid(0, 0), kind = cpuid(1, 0), more = cpuid(7, 0), last = cpuid(7, 1);
    struct registers brand[3] = {cpuid(0x80000002, 0), cpuid(0x80000003, 0), cpuid(0x80000004, 0)};
    (void)snprintf(text, bytes, "%.48s %.4s%.4s%.4s %x features %x %x %x %x %x %x states %x tiles %d", (char *)brand,
                   (char *)&maker.b, (char *)&maker.d, (char *)&maker.c, kind.a, kind.c, kind.d, more.b, more.c, more.d,
                   last.a, saved_states(), !ask_for_tiles());
}
#else
const char *ask_for_tiles(void) { return NO_TILES; }
void bert_processor(char *text, size_t bytes) { snprintf(text, bytes, "%s", ""); }
#endif
