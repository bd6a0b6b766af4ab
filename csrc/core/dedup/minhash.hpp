// MinHash signatures and the plan of their bands.
//
// Two sets agree in a place of their signatures with probability about their Jaccard similarity s
// (Broder 1997). Cut into bands of r places, signatures of n bands share a whole band with
// probability 1 - (1 - s^r)^n (Indyk and Motwani 1998): pairs that do are candidates, and candidates
// are compared as sets, so bands cost recall, never precision.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"
#include "core/dedup/shingles.hpp"

namespace ctxmem {

class MinHash {
public:
    // Throws std::invalid_argument unless k is a multiple of 64 from 64 to 4096.
    MinHash(std::size_t k, std::uint64_t seed);

    std::size_t k() const { return a_.size(); }

    // The key of the words of sets whose signatures are to be the same in every process.
    const WordKey& word_key() const { return word_key_; }

    // Write the k places of the signature of a set. Linear in k times the set.
    void sign(std::span<const std::uint64_t> set, std::uint32_t* out) const;

private:
    WordKey word_key_;
    std::vector<std::uint32_t> a_;
    std::vector<std::uint32_t> b_;
};

// Write the signatures of texts, k places each, one after the other.
// Throws std::invalid_argument for ngram < 1 or threads < 1.
void sign_texts(std::span<const std::string_view> texts, Unit unit, int ngram,
                const MinHash& minhash, std::size_t threads, StopToken& stop, std::uint32_t* out);

struct BandPlan {
    int bands;
    int rows;
};

// The plan with the longest bands (so the fewest candidates) by which a pair at the threshold shares
// a band with probability `recall` or more; bands of one place if none does.
// Throws std::invalid_argument unless 0 < threshold <= 1, 0 < recall < 1 and k >= 1.
BandPlan band_plan(double threshold, std::size_t k, double recall);

// One number a band: equal bands have equal ones.
void band_keys(const std::uint32_t* signature, const BandPlan& plan, std::uint64_t* out);

}  // namespace ctxmem
