/** @file cae.hpp
 * libcae for C++17: the whole of <cae/cae.h> as header-only classes, one header a noun.
 *
 * - Handles are move-only; their destructor gives the C handle back. Any order will do, as the
 *   library keeps alive what a handle was made from.
 * - Every call that can fail throws a cae::error: error.hpp.
 * - What a call writes comes first, as in the C interface, and goes where the caller says. Besides
 *   the library itself only error texts and build_info() allocate.
 * - A context, and the handles made from it, belong to one thread at a time. A model that nobody
 *   changes may be used by many threads, each lending a context of its own. */
#ifndef CAE_CAE_HPP
#define CAE_CAE_HPP

#include "context.hpp"
#include "dataset.hpp"
#include "error.hpp"
#include "metrics.hpp"
#include "model.hpp"
#include "optimizer.hpp"
#include "spec.hpp"
#include "trainer.hpp"
#include "version.hpp"
#include "views.hpp"

#endif
