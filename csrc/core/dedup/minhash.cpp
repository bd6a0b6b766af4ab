#include "core/dedup/minhash.hpp"

#include <cmath>
#include <stdexcept>

#include "core/support/parallel.hpp"
#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

// SplitMix64 (Steele, Lea and Flood 2014).
std::uint64_t next(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

}  // namespace

MinHash::MinHash(std::size_t k, std::uint64_t seed) : word_key_(word_key_of_seed(seed)) {
    if (k < 64 || k > 4096 || k % 64 != 0)
        throw std::invalid_argument("permutations must be a multiple of 64 from 64 to 4096");
    for (std::size_t i = 0; i < k; ++i) {
        const std::uint64_t bits = next(seed);
        a_.push_back(static_cast<std::uint32_t>(bits) | 1);
        b_.push_back(static_cast<std::uint32_t>(bits >> 32));
    }
}

void MinHash::sign(std::span<const std::uint64_t> set, std::uint32_t* out) const {
    kernels().minhash(set.data(), set.size(), a_.data(), b_.data(), k(), out);
}

void sign_texts(std::span<const std::string_view> texts, Unit unit, int ngram,
                const MinHash& minhash, std::size_t threads, StopToken& stop, std::uint32_t* out) {
    if (threads < 1) throw std::invalid_argument("threads must be at least 1");
    const std::size_t runs = runs_of(texts.size(), threads);
    in_parallel(threads, runs, stop, [&](std::size_t run, StopToken& own) {
        Shingler shingler(unit, ngram, minhash.word_key());
        Arena hashes;
        for (std::size_t i = texts.size() * run / runs; i < texts.size() * (run + 1) / runs; ++i) {
            hashes.truncate(0);
            const std::size_t count = shingler.append_with_repeats(texts[i], hashes);
            own.check(texts[i].size() + count * minhash.k() / 16);
            minhash.sign({hashes.data(), count}, out + i * minhash.k());
        }
    });
}

BandPlan band_plan(double threshold, std::size_t k, double recall) {
    if (!(threshold > 0.0 && threshold <= 1.0))
        throw std::invalid_argument("threshold must be above 0 and at most 1");
    if (!(recall > 0.0 && recall < 1.0))
        throw std::invalid_argument("recall must be between 0 and 1");
    if (k < 1) throw std::invalid_argument("permutations must be at least 1");
    // At threshold 1 every plan finds equal sets; 16 places distinguish unequal ones well enough.
    const int longest = static_cast<int>(k < 16 ? k : 16);
    for (int rows = longest; rows > 1; --rows) {
        const int bands = static_cast<int>(k) / rows;
        const double missed = std::pow(1.0 - std::pow(threshold, rows), bands);
        if (1.0 - missed >= recall) return {bands, rows};
    }
    return {static_cast<int>(k), 1};
}

void band_keys(const std::uint32_t* signature, const BandPlan& plan, std::uint64_t* out) {
    for (int band = 0; band < plan.bands; ++band) {
        std::uint64_t key = 0x243F6A8885A308D3ull + static_cast<std::uint64_t>(band);
        for (int row = 0; row < plan.rows; ++row) {
            key = (key ^ signature[band * plan.rows + row]) * 0xD6E8FEB86659FD93ull;
            key ^= key >> 32;
        }
        out[band] = key;
    }
}

}  // namespace ctxmem
