/* Buffers cut from one piece of memory. Under AddressSanitizer a gap follows each and is poisoned, so that whoever runs
 * from one buffer into the next is caught. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "bert.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define GAP 64
#else
#define GAP 0
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

static inline long round_up(long number, long multiple) { return (number + multiple - 1) / multiple * multiple; }

/* The next so many bytes, aligned; `used` grows. Of no scratch (NULL) it only counts. */
static inline void *cut(char *scratch, size_t *used, size_t bytes)
{
    size_t end = *used + (size_t)round_up((long)bytes, BERT_ALIGNMENT) + GAP;
    char *taken = scratch ? scratch + *used : NULL;
    if (scratch)
        ASAN_POISON_MEMORY_REGION(taken + bytes, end - *used - bytes);
    *used = end;
    return taken;
}

/* Before it is cut anew, and before its owner has it back. */
static inline void make_whole(void *scratch, size_t bytes) { ASAN_UNPOISON_MEMORY_REGION(scratch, bytes); }

#endif
