// Keys of hashes whose input an outsider may choose (kernels/word_hash.hpp).
//
// A key is drawn at random once a process where only the equality of hashes matters: then no result
// depends on it. Where a result depends on the hashes themselves, as a sketch does, the key is made
// from a seed or from a digest of the input.
#pragma once
#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string_view>

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

// Drawn from the system's source of randomness.
inline std::uint64_t random_seed() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
}

inline WordKey random_word_key() {
    WordKey key{};
    for (std::uint64_t& word : key.words) word = random_seed();
    return key;
}

// The key of this process.
inline const WordKey& process_key() {
    static const WordKey key = random_word_key();
    return key;
}

// The key of a digest of 16 bytes; of none, the key of this process.
// Throws std::invalid_argument for another size.
inline WordKey word_key_of_digest(std::string_view digest) {
    if (digest.empty()) return process_key();
    if (digest.size() != 16) throw std::invalid_argument("expected a key of 16 bytes, or none");
    std::uint64_t halves[2];
    std::memcpy(halves, digest.data(), sizeof halves);
    return word_key(halves[0], halves[1]);
}

}  // namespace ctxmem
