// One CPU level of every kernel. Compiled once per level with -DCTXMEM_LEVEL=base|v3|v4.
//
// No STL here: an inline function compiled with AVX flags could be picked by the linker for callers
// on older machines. So: plain loops, fixed-width integers, static functions.
#include "kernels/kernels.hpp"
#include "kernels/word_hash.hpp"

#if defined(__SSE2__) || (defined(_MSC_VER) && defined(_M_X64))
#include <immintrin.h>
#endif
#if defined(_MSC_VER)
#include <intrin.h>
#endif

#ifndef CTXMEM_LEVEL
#define CTXMEM_LEVEL base
#endif
#define CTXMEM_JOIN_(a, b) a##b
#define CTXMEM_JOIN(a, b) CTXMEM_JOIN_(a, b)

namespace ctxmem {
namespace {
#include "kernels/leaf_sum.hpp"
#include "kernels/minhash.hpp"
#include "kernels/relax.hpp"
#include "kernels/shingle.hpp"
#include "kernels/split.hpp"
#include "kernels/mask_leaves.hpp"
}  // namespace

extern const Kernels CTXMEM_JOIN(kernels_, CTXMEM_LEVEL);
const Kernels CTXMEM_JOIN(kernels_, CTXMEM_LEVEL) = {
    .shingle = shingle,
    .relax32 = relax32,
    .relax64 = relax64,
    .minhash = minhash,
    .split_ascii = split_ascii,
    .mask_leaves = mask_leaves,
    .leaf_sum = leaf_sum,
};

}  // namespace ctxmem
