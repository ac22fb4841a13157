/* kv_audit.h: what must hold of a pool after every call. */
#ifndef IG_TESTS_KV_AUDIT_H
#define IG_TESTS_KV_AUDIT_H

#include "kv/kv_int.h"

/* Counts users, pins, roles, nodes and links afresh from the n live sequences (NULLs are passed
 * over) and the copies to be made. NULL when all is well, else what is not. */
const char *kv_audit(const ig_kv *kv, ig_kv_seq *const *seqs, uint32_t n);

/* Nodes that are alive. */
uint32_t kv_audit_nodes(const ig_kv *kv);

#endif
