#include "core/dedup/text_sets.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/support/parallel.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kBlock = 1 << 22;  // shingles an arena has room for, if no text has more

bool same_set(const Slice& a, const Slice& b) {
    if (a.size != b.size) return false;
    if (std::memcmp(a.shingles, b.shingles, a.size * sizeof *a.shingles) == 0) return true;
    // The same set of another sequence of words.
    std::vector<std::uint64_t> left(a.shingles, a.shingles + a.size);
    std::vector<std::uint64_t> right(b.shingles, b.shingles + b.size);
    std::sort(left.begin(), left.end());
    std::sort(right.begin(), right.end());
    return left == right;
}

// Finds equal sets by the sum of their hashes, which does not depend on the order.
class Folder {
public:
    explicit Folder(std::size_t most)
        : table_(std::bit_ceil(std::max<std::size_t>(16, 2 * most)), kNone) {}

    // The number of the node with this set; `next` is the number that a new one is given.
    std::uint32_t fold(std::uint64_t sum, const Slice& slice, std::uint32_t next,
                       const std::vector<Slice>& slices, const std::vector<std::uint64_t>& sums) {
        std::size_t place = (sum ^ sum >> 32) & (table_.size() - 1);
        for (; table_[place] != kNone; place = (place + 1) & (table_.size() - 1)) {
            const std::uint32_t node = table_[place];
            if (sums[node] == sum && same_set(slices[node], slice)) return node;
        }
        table_[place] = next;
        return next;
    }

private:
    std::vector<std::uint32_t> table_;
};

void prefetch_range(const char* begin, std::size_t size) {
    constexpr std::size_t kLine = 64;
    constexpr std::size_t kMost = 16;  // lines; the hardware follows from there
    for (std::size_t at = 0; at < std::min(size, kMost * kLine); at += kLine) prefetch(begin + at);
}

// Nodes of some texts that follow one another. No arena of it grows once it has a set, so that slices
// stay where they are.
struct Run {
    std::vector<Arena> arenas;
    std::vector<Slice> slices;
    std::vector<std::uint64_t> sums;
    std::vector<std::int32_t> first;
    std::vector<std::uint32_t> of;
};

Run read(std::span<const std::string_view> texts, std::int32_t number, Unit unit, int ngram,
         const WordKey& key, StopToken& stop) {
    Run run;
    run.of.reserve(texts.size());
    std::size_t bytes = 0;  // of the texts to come
    for (const std::string_view text : texts) bytes += text.size();
    Folder folder(texts.size());
    Shingler shingler(unit, ngram, key);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::size_t most = shingler.most(texts[i]);
        if (run.arenas.empty() || run.arenas.back().left() < most) {
            const std::size_t expected = bytes / 6 + 16 * (texts.size() - i);
            run.arenas.emplace_back().room(std::max(most, std::min(expected, kBlock)));
        }
        bytes -= texts[i].size();
        // Texts of a list lie anywhere; by the time this one is read the next one is near.
        if (i + 1 < texts.size()) prefetch_range(texts[i + 1].data(), texts[i + 1].size());
        Arena& arena = run.arenas.back();
        std::uint64_t* set = arena.data() + arena.size();
        const std::size_t size = shingler.append(texts[i], arena);
        stop.check(15 * size + 100);
        std::uint64_t sum = 0;
        for (std::size_t k = 0; k < size; ++k) sum += set[k];
        const Slice slice{set, static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(size)};
        const auto next = static_cast<std::uint32_t>(run.slices.size());
        run.of.push_back(folder.fold(sum, slice, next, run.slices, run.sums));
        if (run.of.back() != next) {
            arena.truncate(arena.size() - size);
            continue;
        }
        run.slices.push_back(slice);
        run.sums.push_back(sum);
        run.first.push_back(number + static_cast<std::int32_t>(i));
    }
    return run;
}

}  // namespace

TextSets sets_of_texts(std::span<const std::string_view> texts, Unit unit, int ngram,
                       std::size_t threads, StopToken& stop, const WordKey& key) {
    (void)Shingler(unit, ngram);  // throws for an ngram below 1
    const std::size_t count = runs_of(texts.size(), threads);
    std::vector<Run> runs(count);
    in_parallel(threads, count, stop, [&](std::size_t run, StopToken& own) {
        const std::size_t begin = texts.size() * run / count;
        const std::size_t end = texts.size() * (run + 1) / count;
        runs[run] = read(texts.subspan(begin, end - begin), static_cast<std::int32_t>(begin), unit,
                         ngram, key, own);
    });
    TextSets sets;
    std::size_t nodes = 0;
    for (const Run& run : runs) nodes += run.slices.size();
    sets.slices.reserve(nodes);
    sets.first.reserve(nodes);
    sets.of.reserve(texts.size());
    Folder folder(runs.size() > 1 ? nodes : 0);
    std::vector<std::uint64_t> sums;
    std::vector<std::uint32_t> renamed;
    for (Run& run : runs) {
        renamed.clear();
        for (std::size_t i = 0; i < run.slices.size(); ++i) {
            const auto next = static_cast<std::uint32_t>(sets.slices.size());
            const Slice& slice = run.slices[i];
            renamed.push_back(
                runs.size() > 1 ? folder.fold(run.sums[i], slice, next, sets.slices, sums) : next);
            if (renamed.back() != next) continue;
            sets.slices.push_back(slice);
            sets.first.push_back(run.first[i]);
            sums.push_back(run.sums[i]);
        }
        for (const std::uint32_t node : run.of) sets.of.push_back(renamed[node]);
        for (Arena& arena : run.arenas) sets.arenas.push_back(std::move(arena));
    }
    return sets;
}

}  // namespace ctxmem
