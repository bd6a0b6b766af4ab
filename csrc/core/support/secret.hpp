// Keys of hashes whose input an outsider may choose (kernels/word_hash.hpp).
//
// A key is drawn at random once a process where only the equality of hashes matters: then no result
// depends on it. Where a result depends on the hashes themselves, as a sketch does, the key is made
// from a seed or from a digest of the input.
#pragma once
#include <cstdint>
#include <random>

#include "kernels/word_hash.hpp"

namespace ctxmem {

// A key made from 128 bits (SplitMix64: Steele, Lea and Flood 2014).
inline WordKey word_key(std::uint64_t first, std::uint64_t second) {
    const auto next = [](std::uint64_t& state) {
        std::uint64_t z = (state += 0x9E3779B97F4A7C15ull);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    };
    WordKey key{};
    for (std::uint64_t& word : key.words) word = next(first) ^ next(second);
    return key;
}

// The key of a seed, which is as public as the seed.
inline WordKey word_key_of_seed(std::uint64_t seed) { return word_key(seed, 0x5EED0F5161A7EDull); }

inline WordKey random_word_key() {
    std::random_device device;  // the system's source of randomness
    const auto draw = [&device] { return std::uint64_t{device()} << 32 | device(); };
    WordKey key{};
    for (std::uint64_t& word : key.words) word = draw();
    return key;
}

// The key of this process.
inline const WordKey& process_key() {
    static const WordKey key = random_word_key();
    return key;
}

}  // namespace ctxmem
