/* What this processor is, and whether the system lets a program use its tile unit. */
#ifndef PROCESSOR_H
#define PROCESSOR_H

/* The answer where there is no tile unit for bfloat16 and int8, or none whose registers the system keeps. */
extern const char NO_TILES[];

/* Asks the system for the tile unit, once a process: CPUID and the question take microseconds, the answer afterwards
 * none. Threads and forked children have what was given. NULL if it may be used, else what stands in the way. */
const char *ask_for_tiles(void);

#endif
