/* system_int.h: the CPU order of system.c for pinning in thread.c. */
#ifndef IG_OS_SYSTEM_INT_H
#define IG_OS_SYSTEM_INT_H

#include <stdbool.h>
#include <stdint.h>

/* Number of the nth CPU this process may use, every core once before second hardware threads. */
bool ig_cpu_nth(uint32_t nth, uint32_t *cpu);

#endif
