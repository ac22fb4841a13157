/* cpu.h: face of the cpu backend: SIMD kernels chosen at run time, a team of worker threads. */
#ifndef IG_BACKEND_CPU_CPU_H
#define IG_BACKEND_CPU_CPU_H

#include "backend/backend.h"

extern const ig_backend_fns ig_backend_cpu;

#endif
