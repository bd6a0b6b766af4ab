// In how many sets each shingle is, from above.
//
// A counter serves all shingles whose hashes share their upper bits, so it is never too low, and for
// most shingles right. A table of counters for millions of shingles would miss the cache at every
// step; so the hashes are dealt out to parts by their upper bits, in order, and a part is counted and
// read back with a table that stays in the second-level cache. Each part is work for a thread of its
// own, and so is each run of sets while they are dealt out and taken back.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/support/huge_page_array.hpp"
#include "core/support/parallel.hpp"
#include "core/support/stop_token.hpp"
#include "core/dedup/text_sets.hpp"

namespace ctxmem {

constexpr int kPartBits = 4;
constexpr std::size_t kParts = std::size_t{1} << kPartBits;

inline std::size_t part_of(std::uint64_t hash) { return hash >> (64 - kPartBits); }

constexpr std::size_t kManyShingles = 1 << 20;  // above this many, they are dealt out

// The tables below go through many hashes in a call, the cell of each being its upper bits: so their
// pointers stay in registers, which a byte written to `out` could otherwise change.

// Whether a hash came more than once. Two bits a cell. One hash in three or four is wrongly held for a
// repeat; more cells would be right more often, and miss the cache.
class Repeats {
public:
    explicit Repeats(std::size_t cells) : words_(cells / 32) {}
    template <class Hash>
    void add(const Hash* hashes, std::size_t count, int shift) {
        std::uint64_t* const words = words_.data();
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t cell = hashes[i] >> shift;
            const int bit = static_cast<int>(cell & 31) * 2;
            std::uint64_t& word = words[cell >> 5];
            word |= std::uint64_t{1} << bit << (word >> bit & 1);
        }
    }
    // 1 or 2 of each.
    template <class Hash>
    void read(const Hash* hashes, std::size_t count, int shift, std::uint8_t* out) const {
        const std::uint64_t* const words = words_.data();
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t cell = hashes[i] >> shift;
            const int bit = static_cast<int>(cell & 31) * 2;
            out[i] = static_cast<std::uint8_t>(1 + (words[cell >> 5] >> bit >> 1 & 1));
        }
    }

private:
    HugePageArray<std::uint64_t> words_;
};

// The number of occurrences; 255 means 255 or more.
class Counts {
public:
    explicit Counts(std::size_t cells) : counts_(cells) {}
    template <class Hash>
    void add(const Hash* hashes, std::size_t count, int shift) {
        std::uint8_t* const counts = counts_.data();
        for (std::size_t i = 0; i < count; ++i) {
            std::uint8_t& cell = counts[hashes[i] >> shift];
            cell = static_cast<std::uint8_t>(cell + (cell != 0xFF));
        }
    }
    template <class Hash>
    void read(const Hash* hashes, std::size_t count, int shift, std::uint8_t* out) const {
        const std::uint8_t* const counts = counts_.data();
        for (std::size_t i = 0; i < count; ++i) out[i] = counts[hashes[i] >> shift];
    }

private:
    HugePageArray<std::uint8_t> counts_;
};

// The hashes of one part in one run of sets, and their counts, in the order of the sets.
struct Dealt {
    HugePageArray<std::uint32_t> hashes;  // the 32 bits below those of the part
    HugePageArray<std::uint8_t> counts;
    std::size_t size = 0;
};
using DealtParts = std::array<Dealt, kParts>;

inline void deal(const std::uint64_t* hashes, std::size_t count, DealtParts& parts) {
    std::uint32_t* next[kParts];
    for (std::size_t part = 0; part < kParts; ++part) {
        Dealt& dealt = parts[part];
        const std::size_t most = dealt.size + count;
        if (most > dealt.hashes.size()) dealt.hashes.grow(most + most / 2 + 1024);
        next[part] = dealt.hashes.data() + dealt.size;
    }
    for (std::size_t k = 0; k < count; ++k)
        *next[part_of(hashes[k])]++ = static_cast<std::uint32_t>(hashes[k] << kPartBits >> 32);
    for (std::size_t part = 0; part < kParts; ++part)
        parts[part].size = static_cast<std::size_t>(next[part] - parts[part].hashes.data());
}

inline void deal(const Slice& slice, DealtParts& parts) {
    // A long set in pieces, so that no part makes room for all of it.
    constexpr std::size_t kPiece = 4096;
    for (std::size_t begin = 0; begin < slice.kept; begin += kPiece)
        deal(slice.shingles + begin, std::min<std::size_t>(kPiece, slice.kept - begin), parts);
}

// The counts of the next slice of those dealt; `next` is where they begin in each part.
inline void take_back(const Slice& slice, const std::uint8_t** next, std::uint8_t* counts) {
    for (std::uint32_t k = 0; k < slice.kept; ++k) counts[k] = *next[part_of(slice.shingles[k])]++;
}

// Count what was dealt of one part, in all runs, and read the counts.
template <class Table>
void count_part(std::vector<DealtParts>& dealt, std::size_t part, int bits, StopToken& stop) {
    Table table(std::size_t{1} << bits);
    for (const DealtParts& run : dealt) {
        stop.check(2 * run[part].size);
        table.add(run[part].hashes.data(), run[part].size, 32 - bits);
    }
    for (DealtParts& run : dealt) {
        Dealt& one = run[part];
        stop.check(2 * one.size);
        one.counts.grow(one.size);
        table.read(one.hashes.data(), one.size, 32 - bits, one.counts.data());
        one.hashes = {};
    }
}

// Count the shingles kept of the slices of `nodes`, and call take(run, i, counts, stop) for every i,
// where counts[k] is that of shingle k of the slice of nodes[i]. Runs are of nodes that follow one
// another; each is handled by one thread, in order, and `take` may change the slice.
template <class Table, class Take>
void count_frequencies(const std::vector<Slice>& slices, const std::vector<std::uint32_t>& nodes,
                       std::size_t threads, StopToken& stop, Take&& take) {
    std::size_t total = 0;
    for (const std::uint32_t node : nodes) total += slices[node].kept;
    const std::size_t parts = total > kManyShingles ? kParts : 1;
    const int bits =
        std::min(31, std::countr_zero(std::bit_ceil(std::max<std::size_t>(64, 2 * total / parts))));
    const std::size_t runs = runs_of(nodes.size(), threads);
    // Call each(i, slice) for the nodes of a run, in order.
    const auto for_run = [&](std::size_t run, auto&& each) {
        const std::size_t end = nodes.size() * (run + 1) / runs;
        for (std::size_t i = nodes.size() * run / runs; i < end; ++i) each(i, slices[nodes[i]]);
    };
    std::vector<DealtParts> dealt(parts > 1 ? runs : 0);
    Table all(parts > 1 ? 0 : std::size_t{1} << bits);
    if (parts > 1) {
        in_parallel(threads, runs, stop, [&](std::size_t run, StopToken& own) {
            for_run(run, [&](std::size_t, const Slice& slice) {
                own.check(2 * slice.kept + 10);
                deal(slice, dealt[run]);
            });
        });
        in_parallel(threads, parts, stop, [&](std::size_t part, StopToken& own) {
            count_part<Table>(dealt, part, bits, own);
        });
    } else {
        for (const std::uint32_t node : nodes) {
            stop.check(2 * slices[node].kept + 10);
            all.add(slices[node].shingles, slices[node].kept, 64 - bits);
        }
    }
    in_parallel(threads, runs, stop, [&](std::size_t run, StopToken& own) {
        const std::uint8_t* next[kParts] = {};
        for (std::size_t part = 0; part < kParts && parts > 1; ++part)
            next[part] = dealt[run][part].counts.data();
        std::vector<std::uint8_t> counts;
        for_run(run, [&](std::size_t i, const Slice& slice) {
            if (counts.size() < slice.kept) counts.resize(slice.kept);
            if (parts > 1)
                take_back(slice, next, counts.data());
            else
                all.read(slice.shingles, slice.kept, 64 - bits, counts.data());
            take(run, i, counts.data(), own);
        });
        if (parts > 1) dealt[run] = {};
    });
}

}  // namespace ctxmem
