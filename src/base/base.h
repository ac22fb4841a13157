/* base.h: face of the base room, floor 0. What every room may use. */
#ifndef IG_BASE_BASE_H
#define IG_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/board.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/compiler.h"
#include "base/cursor.h"
#include "base/lazy.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/ring.h"
#include "base/slice.h"
#include "base/status.h"

#endif
