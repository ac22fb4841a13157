/* ref.h: face of the ref backend: scalar truth. Plain loops, double accumulators, no cleverness;
 * every other backend is tested against it. */
#ifndef IG_BACKEND_REF_REF_H
#define IG_BACKEND_REF_REF_H

#include "backend/backend.h"

extern const ig_backend_fns ig_backend_ref;

#endif
