#include "core/shingles.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/words.hpp"
#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

constexpr std::uint64_t kShort = 0xA5A5F00D5EED0001ull;     // shingles of too few words
constexpr std::uint64_t kWordless = 0xC0FFEE00BADC0DE5ull;  // shingles of bytes
constexpr std::size_t kLong = 4096;        // above this many shingles, sort instead of a bitmap
constexpr std::size_t kManyRepeats = 128;  // above this many suspects, sort too

std::uint64_t hash_bytes(std::string_view bytes) {
    std::uint64_t hash = kWordless ^ bytes.size();
    for (const char c : bytes) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0xD6E8FEB86659FD93ull;
        hash ^= hash >> 32;
    }
    return hash;
}

}  // namespace

Shingler::Shingler(Unit unit, int n) : unit_(unit), n_(n) {
    if (n < 1) throw std::invalid_argument("ngram must be at least 1");
}

std::size_t Shingler::append(std::string_view text, Arena& sets) {
    std::size_t count;
    if (unit_ == Unit::word) {
        units_.resize(std::max(units_.size(), most_words(text.size())));
        count = split_words(text, units_.data());
    } else {
        units_.clear();
        split_characters(text, units_);
        count = units_.size();
    }
    return append_units({units_.data(), count}, count == 0 ? hash_bytes(text) : 0, sets);
}

std::size_t Shingler::most(std::string_view text) const {
    return unit_ == Unit::word ? most_words(text.size()) : text.size() + 1;
}

std::size_t Shingler::append_units(std::span<const std::uint64_t> units, std::uint64_t otherwise,
                                   Arena& sets) {
    std::size_t count = units.size();
    const auto n = static_cast<std::size_t>(n_);
    if (count < n) {
        std::uint64_t* out = sets.room(1);
        if (count == 0) {
            *out = otherwise;
        } else {
            kernels().shingle(units.data(), count, static_cast<int>(count), out);
            *out ^= kShort;
        }
        *out += *out == 0;
        sets.take(1);
        return 1;
    }
    std::uint64_t* out = sets.room(count - n + 1);
    kernels().shingle(units.data(), count, n_, out);
    count = distinct(out, count - n + 1);
    sets.take(count);
    return count;
}

// Nearly every shingle of a text is new, so a bitmap finds the few that may not be and only those
// are compared with what went before; a text of many repeats is sorted.
std::size_t Shingler::distinct(std::uint64_t* hashes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) hashes[i] += hashes[i] == 0;  // tables mark empty by 0
    if (count <= kLong) {
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
        if (suspects <= kManyRepeats) {
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
    }
    std::sort(hashes, hashes + count);
    return static_cast<std::size_t>(std::unique(hashes, hashes + count) - hashes);
}

}  // namespace ctxmem
