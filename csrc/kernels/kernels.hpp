// The hot loops of ctxmem, one table of function pointers per CPU level.
//
// level.cpp is compiled once per level (base = x86-64-v2 or arm64 with NEON, v3 = AVX2, v4 = AVX-512)
// and fills one table; dispatch.cpp picks the best table that the machine supports, once.
// The environment variable CTXMEM_CPU=base|v3|v4 forces a lower level, so that tests can run them all.
// Every kernel gives the same bits at every level: integers only, or floats in a fixed order.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ctxmem {

struct WordKey;  // word_hash.hpp

struct Kernels {
    // out[i] = hash of words[i .. i+n), i in [0, count-n]. Requires 1 <= n <= count.
    void (*shingle)(const std::uint64_t* words, std::size_t count, int n, std::uint64_t* out);

    // best[i] = max(best[i], from[i] + gain), i in [0, count). The arrays must not overlap.
    void (*relax32)(const std::int32_t* from, std::size_t count, std::int32_t gain,
                    std::int32_t* best);
    void (*relax64)(const std::int64_t* from, std::size_t count, std::int64_t gain,
                    std::int64_t* best);

    // out[i] = least a[i] * (hash >> 32) + b[i] modulo 2^32 over the hashes, i in [0, k).
    // Requires k to be a multiple of 64; all ones for no hashes.
    void (*minhash)(const std::uint64_t* hashes, std::size_t count, const std::uint32_t* a,
                    const std::uint32_t* b, std::size_t k, std::uint32_t* out);

    // Write the keyed hashes of the words from text[*from] on, where none is open; return how many. Leaves
    // *from at the end, or where the word begins that the kernel cannot read: one of 64 bytes or
    // more, or one that touches a byte that is not ASCII. Requires room for a word every two bytes.
    std::size_t (*split_ascii)(const char* text, std::size_t size, std::size_t* from,
                               std::uint64_t* out, const WordKey& key);

    // leaves[i] &= kept where values[i] > threshold, i in [0, count).
    void (*mask_leaves)(const float* values, std::size_t count, float threshold, std::uint32_t kept,
                        std::uint32_t* leaves);

    // total[i] += values[index of the lowest bit of leaves[i]], i in [0, count). Requires a bit in
    // each, and room for 32 values.
    void (*leaf_sum)(const std::uint32_t* leaves, std::size_t count, const float* values,
                     float* total);
};

// The table of the chosen level; chosen at the first call, the same for the life of the process.
// Throws std::invalid_argument when CTXMEM_CPU names a level that is unknown or not supported here.
const Kernels& kernels();

// "base", "v3" or "v4".
const char* cpu_level();

// The first set of instructions that the base level is compiled with and this machine lacks;
// nullptr if it has all. Asked before anything else of the core is called.
const char* missing_instructions();

}  // namespace ctxmem
