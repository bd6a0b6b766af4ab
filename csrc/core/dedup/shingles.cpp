#include "core/dedup/shingles.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "core/text/words.hpp"
#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

constexpr std::uint64_t kShort = 0xA5A5F00D5EED0001ull;     // shingles of too few words
constexpr std::uint64_t kWordless = 0xC0FFEE00BADC0DE5ull;  // shingles of bytes
constexpr std::size_t kLong = 4096;       // above this many shingles the bitmap is no longer small
constexpr std::size_t kManySuspects = 6;  // above this many, comparing each costs more than a table

// Eight bytes a step; the last step takes the rest, and the size says how many those are.
std::uint64_t hash_bytes(std::string_view bytes, const WordKey& key) {
    std::uint64_t hash = kWordless ^ bytes.size();
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
        std::uint64_t block = 0;
        std::memcpy(&block, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
        hash = mix_word(hash, block, key);
    }
    return mix_word(hash, key.words[3], key);
}

}  // namespace

Shingler::Shingler(Unit unit, int n, const WordKey& key) : unit_(unit), n_(n), key_(key) {
    if (n < 1) throw std::invalid_argument("ngram must be at least 1");
}

std::size_t Shingler::append(std::string_view text, Arena& sets) {
    const std::size_t begin = sets.size();
    const std::size_t count = append_with_repeats(text, sets);
    const std::size_t kept = distinct(sets.data() + begin, count);
    sets.truncate(begin + kept);
    return kept;
}

std::size_t Shingler::append_with_repeats(std::string_view text, Arena& hashes) {
    std::size_t count;
    if (unit_ == Unit::word) {
        units_.resize(std::max(units_.size(), most_words(text.size())));
        count = split_words(text, units_.data(), key_);
    } else {
        units_.clear();
        split_characters(text, units_, key_);
        count = units_.size();
    }
    const auto n = static_cast<std::size_t>(n_);
    const std::size_t shingles = count < n ? 1 : count - n + 1;
    if (shingles > 0x7FFFFFFFu) throw std::invalid_argument("a text has 2**31 shingles or more");
    std::uint64_t* out = hashes.room(shingles);
    if (count >= n) {
        kernels().shingle(units_.data(), count, n_, out);
    } else if (count > 0) {
        kernels().shingle(units_.data(), count, static_cast<int>(count), out);
        *out ^= kShort;
    } else {
        *out = hash_bytes(text, key_);
    }
    for (std::size_t i = 0; i < shingles; ++i) out[i] += out[i] == 0;  // tables mark empty by 0
    hashes.take(shingles);
    return shingles;
}

std::size_t Shingler::most(std::string_view text) const {
    return unit_ == Unit::word ? most_words(text.size()) : text.size() + 1;
}

// Nearly every shingle of most texts is new, so a bitmap finds the few that may not be and only those
// are compared with what went before; where they are many, a table of all finds the repeats.
std::size_t Shingler::distinct(std::uint64_t* hashes, std::size_t count) {
    if (count > kLong) return distinct_by_table(hashes, count);
    int bits = 12;
    while ((std::size_t{1} << bits) < 64 * count) ++bits;
    seen_.assign(std::size_t{1} << (bits - 6), 0);
    suspicious_.resize(count + 1);
    std::size_t suspects = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t place = hashes[i] >> (64 - bits);
        std::uint64_t& word = seen_[place >> 6];
        suspicious_[suspects] = static_cast<std::uint32_t>(i);
        suspects += (word >> (place & 63)) & 1;
        word |= std::uint64_t{1} << (place & 63);
    }
    if (suspects == 0) return count;
    if (suspects > kManySuspects) return distinct_by_table(hashes, count);
    std::size_t kept = suspicious_[0];
    suspicious_[suspects] = static_cast<std::uint32_t>(count);
    for (std::size_t s = 0; s < suspects; ++s) {
        const std::size_t at = suspicious_[s];
        const std::size_t next = suspicious_[s + 1];
        bool repeated = false;
        for (std::size_t k = 0; k < kept; ++k) repeated |= hashes[k] == hashes[at];
        const std::size_t from = at + repeated;
        if (kept != from) std::copy(hashes + from, hashes + next, hashes + kept);
        kept += next - from;
    }
    return kept;
}

// Open addressing; a slot holds the position of a hash among the kept, plus 1.
std::size_t Shingler::distinct_by_table(std::uint64_t* hashes, std::size_t count) {
    const std::size_t places = std::bit_ceil(2 * count);
    const int shift = 64 - std::countr_zero(places);
    slots_.assign(places, 0);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t hash = hashes[i];
        std::size_t place = hash >> shift;
        while (slots_[place] != 0 && hashes[slots_[place] - 1] != hash)
            place = (place + 1) & (places - 1);
        if (slots_[place] != 0) continue;
        hashes[kept++] = hash;
        slots_[place] = static_cast<std::uint32_t>(kept);
    }
    return kept;
}

std::vector<std::uint64_t> word_shingles(std::string_view text, int n, const WordKey& key) {
    if (n < 1) throw std::invalid_argument("n must be at least 1");
    std::vector<std::uint64_t> words;
    split_words(text, words, key);
    const auto size = static_cast<std::size_t>(n);
    if (words.size() < size) return {};
    std::vector<std::uint64_t> hashes(words.size() - size + 1);
    kernels().shingle(words.data(), words.size(), n, hashes.data());
    return hashes;
}

}  // namespace ctxmem
