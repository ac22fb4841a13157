/* executor_int.h: what executor.c and request.c share. Internal to the engine room. */
#ifndef IG_ENGINE_EXECUTOR_INT_H
#define IG_ENGINE_EXECUTOR_INT_H

#include "engine/engine_int.h"
#include "engine/stop_text.h"
#include "exec/exec.h"
#include "ingot/executor.h"

struct ingot_executor {
    ingot_model *model;
    ig_exec *exec;
    ingot_executor_facts facts;
    uint64_t scope_seed;
};

/* field_names.c: fields in a message of the rooms below get their public names. */
void ig_engine_face_names(ig_err *err);

/* Public timeouts are microseconds, those of the room nanoseconds; the largest means for ever. */
static inline uint64_t ig_engine_ns(uint64_t us) {
    return us > UINT64_MAX / 1000 ? UINT64_MAX : us * 1000;
}

#endif
