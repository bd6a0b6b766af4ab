#include "core/setjoin.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "core/lsh_index.hpp"
#include "core/parities.hpp"

namespace ctxmem {
namespace {

// Of the signatures, where the join gives up.
constexpr std::size_t kPermutations = 128;
constexpr std::uint64_t kSeed = 1;

constexpr std::uint32_t kNone = 0xFFFFFFFFu;

void check(const Likeness& likeness, std::size_t texts) {
    if (!(likeness.threshold > 0.0 && likeness.threshold <= 1.0))
        throw std::invalid_argument("threshold must be above 0 and at most 1");
    if (likeness.ngram < 1) throw std::invalid_argument("ngram must be at least 1");
    if (texts > 0x7FFFFFFFu) throw std::invalid_argument("more than 2**31 - 1 texts");
}

std::size_t power_of_two_above(std::size_t wanted) {
    std::size_t power = 16;
    while (power < wanted) power *= 2;
    return power;
}

int log2_of(std::size_t power_of_two) {
    int bits = 0;
    while ((std::size_t{1} << bits) < power_of_two) ++bits;
    return bits;
}

// Ask for the cache line that will be written or read soon: tables of tens of megabytes are walked at
// random, and a whole set's look-ups can be under way at once.
inline void prefetch(const void* at) {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(at);
#else
    (void)at;
#endif
}

// Which hashes came more than once: two bits a cell and two to four cells a hash. One hash in four is
// wrongly held for a repeat; a larger table would be right more often, but miss the cache.
class Repeats {
public:
    explicit Repeats(std::size_t expected) {
        const std::size_t cells = power_of_two_above(2 * expected);
        cells_ = BigArray<std::uint64_t>(cells / 32 + 1);
        shift_ = 64 - log2_of(cells);
    }
    void expect(const std::uint64_t* hashes, std::size_t count) const {
        for (std::size_t i = 0; i < count; ++i) prefetch(&cells_[hashes[i] >> shift_ >> 5]);
    }
    void add(const std::uint64_t* hashes, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t cell = hashes[i] >> shift_;
            const int bit = static_cast<int>(cell & 31) * 2;
            std::uint64_t& word = cells_[cell >> 5];
            word |= std::uint64_t{1} << bit << (word >> bit & 1);
        }
    }
    bool has(std::uint64_t hash) const {
        const std::uint64_t cell = hash >> shift_;
        return cells_[cell >> 5] >> ((cell & 31) * 2 + 1) & 1;
    }

private:
    BigArray<std::uint64_t> cells_;
    int shift_ = 0;
};

// A set of shingles in an arena.
struct Slice {
    std::size_t begin;
    std::uint32_t size;  // distinct shingles of the text
    std::uint32_t kept;  // of those, the ones that may be in another set; they stand first
};

// The distinct sets of the texts.
struct Nodes {
    Arena shingles;
    std::vector<Slice> slices;
    std::vector<std::int32_t> first;   // node -> its first text
    std::vector<std::uint32_t> of;     // text -> node
    Repeats repeats;                   // shingles that more than one node may have
};

bool same_set(const std::uint64_t* a, const std::uint64_t* b, std::size_t size) {
    if (std::memcmp(a, b, size * sizeof *a) == 0) return true;
    std::vector<std::uint64_t> left(a, a + size);
    std::vector<std::uint64_t> right(b, b + size);
    std::sort(left.begin(), left.end());
    std::sort(right.begin(), right.end());
    return left == right;
}

// Step 1. A set's place in the table comes from sums over it, which do not depend on the order.
// `append(i, arena)` appends the set of text i and returns its size; `expected` is about how many
// shingles there are in all.
template <class Append>
Nodes collect(std::size_t texts, std::size_t expected, Append&& append, Pulse& pulse) {
    Nodes nodes{.shingles = {}, .slices = {}, .first = {}, .of = {}, .repeats = Repeats(expected)};
    nodes.of.resize(texts);
    const std::size_t places = power_of_two_above(2 * texts);
    std::vector<std::uint32_t> table(places, kNone);
    std::vector<std::uint64_t> sums;  // of each node
    std::size_t counted = 0;  // nodes whose shingles are entered into `repeats`
    const auto count = [&](std::size_t node) {
        const Slice& slice = nodes.slices[node];
        nodes.repeats.add(nodes.shingles.data() + slice.begin, slice.size);
    };
    nodes.shingles.room(expected + 16 * texts);
    for (std::size_t i = 0; i < texts; ++i) {
        const std::size_t begin = nodes.shingles.size();
        const std::size_t known = nodes.slices.size();
        const std::size_t size = append(i, nodes.shingles);
        pulse(15 * size + 100);
        if (size > 0x7FFFFFFFu) throw std::invalid_argument("a text has 2**31 shingles or more");
        const std::uint64_t* set = nodes.shingles.data() + begin;
        nodes.repeats.expect(set, size);
        // The set before: its lines had the time of one text to arrive.
        for (; counted < known; ++counted) count(counted);
        std::uint64_t sum = 0;
        for (std::size_t k = 0; k < size; ++k) sum += set[k];
        std::size_t place = (sum ^ sum >> 32) & (places - 1);
        for (;; place = (place + 1) & (places - 1)) {
            const std::uint32_t node = table[place];
            if (node == kNone) {
                table[place] = static_cast<std::uint32_t>(nodes.slices.size());
                nodes.of[i] = table[place];
                nodes.slices.push_back({begin, static_cast<std::uint32_t>(size), 0});
                nodes.first.push_back(static_cast<std::int32_t>(i));
                sums.push_back(sum);
                break;
            }
            const Slice& other = nodes.slices[node];
            if (sums[node] == sum && other.size == size &&
                same_set(nodes.shingles.data() + other.begin, set, size)) {
                nodes.of[i] = node;
                nodes.shingles.truncate(begin);
                break;
            }
        }
    }
    for (; counted < nodes.slices.size(); ++counted) count(counted);
    return nodes;
}

Nodes collect(std::span<const std::string_view> texts, const Likeness& likeness, Pulse& pulse) {
    std::size_t bytes = 0;
    for (const std::string_view text : texts) bytes += text.size();
    Shingler shingler(likeness.unit, likeness.ngram);
    return collect(
        texts.size(), bytes / 6,
        [&](std::size_t i, Arena& sets) { return shingler.append(texts[i], sets); }, pulse);
}

// How much of a set of this size a partner must share at least; never more than the exact bound.
std::uint32_t least_overlap(double threshold, std::uint32_t size) {
    const double exact = threshold * size;
    const double slack = 1e-9 * (1.0 + exact);
    return std::max(1u, static_cast<std::uint32_t>(std::ceil(exact - slack)));
}

// Keys that order shingles from rare to frequent: the count (255 stands for all above), then the
// hash's upper bits. Two shingles may share a key (2^-48); they then share a posting list, which costs
// a comparison and no more.
constexpr std::uint64_t kCountLimit = 0xFF;
std::uint64_t key_of(std::uint64_t shingle, std::uint64_t count) {
    return count << 48 | shingle >> 16;
}

// Puts the rarest keys of a set first. A histogram over counts, each split by the hash, finds the few
// keys worth sorting: most counts are small, and those of a text with one copy are all 2.
class RareFirst {
public:
    // Move the `first` smallest keys to the front, in order; the rest follows in any order.
    void smallest_first(std::uint64_t* keys, std::size_t count, std::size_t first) {
        if (first == 0) return;
        std::uint32_t histogram[kClasses] = {};
        for (std::size_t i = 0; i < count; ++i) ++histogram[class_of(keys[i])];
        std::size_t last = 0;
        std::size_t below = histogram[0];
        while (below < first) below += histogram[++last];
        frequent_.resize(count + 1);
        std::size_t rare = 0;
        std::size_t frequent = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t key = keys[i];
            const bool is_rare = class_of(key) <= last;
            keys[rare] = key;
            frequent_[frequent] = key;
            rare += is_rare;
            frequent += !is_rare;
        }
        std::copy(frequent_.begin(), frequent_.begin() + static_cast<std::ptrdiff_t>(frequent),
                  keys + rare);
        if (first < rare && rare > 64) std::nth_element(keys, keys + first, keys + rare);
        std::sort(keys, keys + (rare > 64 ? first : rare));
    }

private:
    // Sixteen classes for each count from 2 to 16, in the order of the keys, and one for the rest.
    static constexpr std::size_t kClasses = 241;
    static std::size_t class_of(std::uint64_t key) {
        return std::min<std::size_t>((key >> 44) - 32, kClasses - 1);
    }
    std::vector<std::uint64_t> frequent_;
};

// Open addressing from keys to dense list numbers. The table holds numbers only, the keys lie by
// number: a quarter of the memory, so more of it is in the cache.
class ListNumbers {
public:
    explicit ListNumbers(std::size_t most) : slots_(power_of_two_above(2 * most)) {
        shift_ = 64 - log2_of(slots_.size());
        keys_.reserve(most);
    }
    std::uint32_t insert(std::uint64_t key) {
        std::uint32_t& slot = slots_[place_of(key)];
        if (slot == 0) {
            keys_.push_back(key);
            slot = static_cast<std::uint32_t>(keys_.size());
        }
        return slot - 1;
    }
    std::uint32_t find(std::uint64_t key) const {
        return slots_[place_of(key)] - 1;  // kNone for an empty place
    }
    std::size_t size() const { return keys_.size(); }

private:
    std::size_t place_of(std::uint64_t key) const {
        std::size_t place = (key * 0x9E3779B97F4A7C15ull) >> shift_;
        while (slots_[place] != 0 && keys_[slots_[place] - 1] != key)
            place = (place + 1) & (slots_.size() - 1);
        return place;
    }

    BigArray<std::uint32_t> slots_;  // number + 1; 0 is empty
    std::vector<std::uint64_t> keys_;
    int shift_ = 0;
};

// A set of the hashes of one node, to compare many others with.
class Lookup {
public:
    void fill(const std::uint64_t* hashes, std::size_t count) {
        const std::size_t places = power_of_two_above(4 * count);
        slots_.assign(places, 0);
        shift_ = 64 - log2_of(places);
        for (std::size_t i = 0; i < count; ++i) {
            std::size_t place = hashes[i] >> shift_;
            while (slots_[place] != 0) place = (place + 1) & (places - 1);
            slots_[place] = hashes[i];
        }
    }
    std::uint32_t overlap(const std::uint64_t* hashes, std::size_t count) const {
        const std::size_t mask = slots_.size() - 1;
        std::uint32_t shared = 0;
        for (std::size_t i = 0; i < count; ++i) {
            std::size_t place = hashes[i] >> shift_;
            while (slots_[place] != 0 && slots_[place] != hashes[i]) place = (place + 1) & mask;
            shared += slots_[place] != 0;
        }
        return shared;
    }

private:
    std::vector<std::uint64_t> slots_;
    int shift_ = 0;
};

// Posting lists, one after the other.
struct Postings {
    struct Entry {
        std::uint32_t rank;
        std::uint32_t cap;  // no partner larger than this can share enough from here on
    };
    std::vector<std::size_t> begin;  // list -> its first entry; one more at the end
    std::vector<std::uint32_t> size;
    std::vector<Entry> entries;
};

// Steps 2 to 4. Nodes that may have a partner are numbered by rank, small sets first.
class Join {
public:
    Join(Nodes& nodes, const Likeness& likeness, Pulse& pulse)
        : nodes_(nodes),
          threshold_(likeness.threshold),
          containment_(likeness.measure == Measure::containment),
          pulse_(pulse) {
        drop_singles();
        count_shingles();
        order_shingles();
        order_members();
        build_lists();
        seen_.assign(members_.size(), kNone);
        gone_.assign(members_.size(), false);
        parities_ = BigArray<Parities>(members_.size());
        has_parities_.assign(members_.size(), false);
    }

    std::size_t size() const { return members_.size(); }
    std::uint32_t node(std::uint32_t rank) const { return members_[rank].node; }
    std::uint32_t rank(std::uint32_t node) const { return ranks_[node]; }

    // No later probe finds this rank.
    void forget(std::uint32_t rank) { gone_[rank] = true; }

    // Steps taken by all probes so far.
    std::uint64_t visits() const { return visits_; }

    // Call found(other rank, similarity) for every rank >= from, not forgotten and not x itself, that
    // is a near-duplicate of x.
    template <class Found>
    void probe(std::uint32_t x, std::uint32_t from, Found&& found) {
        const Member& member = members_[x];
        const std::uint32_t size = member.size;
        lookup_filled_ = false;
        const auto compare = [&](std::uint32_t y) {
            if (seen_[y] == x || y == x) return;
            seen_[y] = x;
            const double similarity = compare_whole(x, y);
            if (similarity >= threshold_) found(y, similarity);
        };
        const std::uint32_t* lists = lists_.data() + member.lists;
        if (!containment_) {
            const std::uint32_t low = first_of_size(least_overlap(threshold_, size));
            for (std::uint32_t i = 0; i < member.prefix; ++i) {
                if (lists[i] == kNone) continue;
                const std::uint32_t cap = cap_at(size, member.singles + i);
                scan(prefixes_, lists[i], std::max(from, low), cap, size, compare);
            }
            return;
        }
        // The smaller set of a pair shares a shingle of its prefix, the larger one any shingle.
        const std::uint32_t larger = std::max(from, first_of_size(size));
        for (std::uint32_t i = 0; i < member.prefix; ++i) {
            if (lists[i] == kNone) continue;
            scan(prefixes_, lists[i], from, kNone, size, compare);
            scan(others_, lists[i], larger, kNone, size, compare);
        }
        for (std::uint32_t i = member.prefix; i < member.listed; ++i)
            scan(prefixes_, lists[i], from, size, size, compare);
    }

private:
    struct Member {
        std::uint32_t node;
        std::uint32_t size;
        std::uint32_t singles = 0;  // shingles counted once; they stand before all others
        std::uint32_t prefix = 0;   // of the listed shingles, those of the prefix; they stand first
        std::uint32_t listed = 0;
        std::size_t lists = 0;  // the first of its list numbers
    };

    // Step 2, first round: keep the shingles that more than one set may have, and the sets that may
    // have a partner. A large set may contain a small one whatever it has alone, so containment
    // keeps it.
    void drop_singles() {
        const Repeats repeats = std::move(nodes_.repeats);
        for (std::uint32_t node = 0; node < nodes_.slices.size(); ++node) {
            Slice& slice = nodes_.slices[node];
            if (node + 1 < nodes_.slices.size()) {
                const Slice& next = nodes_.slices[node + 1];
                repeats.expect(nodes_.shingles.data() + next.begin, next.size);
            }
            pulse_(4 * slice.size + 20);
            std::uint64_t* set = nodes_.shingles.data() + slice.begin;
            std::uint32_t kept = 0;
            for (std::uint32_t k = 0; k < slice.size; ++k) {
                const std::uint64_t shingle = set[k];
                set[kept] = shingle;
                kept += repeats.has(shingle);
            }
            slice.kept = kept;
            if (alive(slice)) members_.push_back({node, slice.size});
        }
    }

    bool alive(const Slice& slice) const {
        return slice.kept > 0 && (containment_ || slice.kept >= least_overlap(threshold_, slice.size));
    }

    // Step 2, second round, among the sets that are left: counters, an upper bound of how many of
    // them each shingle is in.
    void count_shingles() {
        std::size_t total = 0;
        for (const Member& member : members_) total += nodes_.slices[member.node].kept;
        counts_ = BigArray<std::uint8_t>(power_of_two_above(2 * total));
        shift_ = 64 - log2_of(counts_.size());
        for (std::size_t m = 0; m < members_.size(); ++m) {
            const Slice& slice = nodes_.slices[members_[m].node];
            pulse_(4 * slice.kept + 20);
            expect_counts(m + 1);
            const std::uint64_t* set = nodes_.shingles.data() + slice.begin;
            for (std::uint32_t k = 0; k < slice.kept; ++k) {
                std::uint8_t& count = counts_[set[k] >> shift_];
                count = static_cast<std::uint8_t>(count + (count != kCountLimit));
            }
        }
    }

    void expect_counts(std::size_t member) const {
        if (member >= members_.size()) return;
        const Slice& slice = nodes_.slices[members_[member].node];
        const std::uint64_t* set = nodes_.shingles.data() + slice.begin;
        for (std::uint32_t k = 0; k < slice.kept; ++k) prefetch(&counts_[set[k] >> shift_]);
    }

    // Drop once more what is alone now; give the rest of each set its keys, those of the prefix
    // first and in order.
    void order_shingles() {
        std::size_t alive_members = 0;
        for (std::size_t m = 0; m < members_.size(); ++m) {
            const Member member = members_[m];
            Slice& slice = nodes_.slices[member.node];
            expect_counts(m + 1);
            pulse_(8 * slice.kept + 20);
            std::uint64_t* set = nodes_.shingles.data() + slice.begin;
            std::uint64_t* keys = keys_.room(slice.kept);
            std::uint32_t kept = 0;
            for (std::uint32_t k = 0; k < slice.kept; ++k) {
                const std::uint64_t shingle = set[k];
                const std::uint64_t count = counts_[shingle >> shift_];
                keys[kept] = key_of(shingle, count);
                set[kept] = shingle;
                kept += count > 1;
            }
            slice.kept = kept;
            if (!alive(slice)) continue;
            const std::uint32_t least = least_overlap(threshold_, slice.size);
            const std::uint32_t prefix = kept < least ? 0 : kept - least + 1;
            order_.smallest_first(keys, kept, prefix);
            members_[alive_members++] = {member.node, slice.size, slice.size - kept,
                                         prefix,      kept,       keys_.size()};
            keys_.take(containment_ ? kept : prefix);
        }
        members_.resize(alive_members);
        counts_ = {};
    }

    // Ranks: small sets first.
    void order_members() {
        ranks_.assign(nodes_.slices.size(), kNone);
        // Stable, so equal sizes stay in the order of their nodes.
        std::stable_sort(members_.begin(), members_.end(),
                         [](const Member& a, const Member& b) { return a.size < b.size; });
        for (std::uint32_t rank = 0; rank < members_.size(); ++rank)
            ranks_[members_[rank].node] = rank;
        sizes_.resize(members_.size());
        for (std::size_t rank = 0; rank < sizes_.size(); ++rank) sizes_[rank] = members_[rank].size;
    }

    // Step 3: lists of the shingles of the prefixes; `others_` has those past the prefix, for the
    // larger side of a containment.
    void build_lists() {
        std::size_t in_prefixes = 0;
        for (const Member& member : members_) in_prefixes += member.prefix;
        ListNumbers numbers(in_prefixes);
        lists_.assign(keys_.size(), kNone);
        std::vector<std::uint32_t> first(in_prefixes);
        std::vector<std::uint32_t> second(containment_ ? in_prefixes : 0);
        for (const Member& member : members_)
            for (std::uint32_t i = 0; i < member.prefix; ++i) {
                const std::uint32_t list = numbers.insert(keys_.data()[member.lists + i]);
                lists_[member.lists + i] = list;
                ++first[list];
            }
        first.resize(numbers.size());
        if (containment_) {
            second.resize(numbers.size());
            for (Member& member : members_) {
                std::uint32_t listed = member.prefix;
                for (std::uint32_t i = member.prefix; i < member.listed; ++i) {
                    const std::uint32_t list = numbers.find(keys_.data()[member.lists + i]);
                    if (list == kNone) continue;
                    lists_[member.lists + listed++] = list;
                    ++second[list];
                }
                member.listed = listed;
            }
        } else {
            for (Member& member : members_) member.listed = member.prefix;
        }
        pulse_(8 * keys_.size());
        open(prefixes_, first);
        if (containment_) open(others_, second);
        // By ascending rank, so every list ascends by size.
        for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
            const Member& member = members_[rank];
            for (std::uint32_t i = 0; i < member.listed; ++i) {
                std::uint32_t& list = lists_[member.lists + i];
                const bool alone = first[list] + (containment_ ? second[list] : 0) < 2;
                if (i < member.prefix) {
                    if (alone) {
                        list = kNone;
                        continue;
                    }
                    const std::uint32_t cap =
                        containment_ ? kNone : cap_at(member.size, member.singles + i);
                    append(prefixes_, list, {rank, cap});
                } else {
                    append(others_, list, {rank, kNone});
                }
            }
        }
        keys_ = Arena();
    }

    static void open(Postings& postings, const std::vector<std::uint32_t>& counts) {
        postings.begin.resize(counts.size() + 1);
        postings.size.assign(counts.size(), 0);
        std::size_t total = 0;
        for (std::size_t list = 0; list < counts.size(); ++list) {
            postings.begin[list] = total;
            total += counts[list];
        }
        postings.begin[counts.size()] = total;
        postings.entries.resize(total);
    }

    static void append(Postings& postings, std::uint32_t list, Postings::Entry entry) {
        postings.entries[postings.begin[list] + postings.size[list]++] = entry;
    }

    // The size of the largest partner that can still share enough when the first shared shingle is
    // at this position: size - position >= t / (1 + t) (size + partner).
    std::uint32_t cap_at(std::uint32_t size, std::uint32_t position) const {
        const double left = size - position;
        const double cap = left * (1.0 + threshold_) / threshold_ - size;
        const double padded = cap + 1e-9 * (1.0 + std::fabs(cap) + size);
        if (padded < 0.0) return 0;
        return padded >= kNone ? kNone : static_cast<std::uint32_t>(padded);
    }

    std::uint32_t first_of_size(std::uint32_t size) const {
        return static_cast<std::uint32_t>(
            std::lower_bound(sizes_.begin(), sizes_.end(), size) - sizes_.begin());
    }

    // Call compare(rank) for the entries from rank `from` on, of sizes up to `cap`, that admit a
    // partner of size `size`. Forgotten entries are swept out when they are half of the list, so a
    // list is walked over its dead only once.
    template <class Compare>
    void scan(Postings& postings, std::uint32_t list, std::uint32_t from, std::uint32_t cap,
              std::uint32_t size, Compare&& compare) {
        Postings::Entry* begin = postings.entries.data() + postings.begin[list];
        Postings::Entry* end = begin + postings.size[list];
        Postings::Entry* at = begin;
        if (from > 0 && end - begin > 8)
            at = std::lower_bound(begin, end, from, [](const Postings::Entry& entry,
                                                       std::uint32_t rank) { return entry.rank < rank; });
        std::size_t dead = 0;
        Postings::Entry* start = at;
        for (; at < end && sizes_[at->rank] <= cap; ++at) {
            if (gone_[at->rank]) {
                ++dead;
            } else if (at->rank >= from && size <= at->cap) {
                compare(at->rank);
            }
        }
        const auto visited = static_cast<std::uint64_t>(at - start);
        pulse_(visited);
        visits_ += visited;
        if (dead > 16 && 2 * dead > static_cast<std::size_t>(end - begin)) {
            end = std::remove_if(begin, end, [&](const Postings::Entry& entry) {
                return gone_[entry.rank] != 0;
            });
            postings.size[list] = static_cast<std::uint32_t>(end - begin);
        }
    }

    // Step 4, and before it a bound that costs a hundredth.
    double compare_whole(std::uint32_t x, std::uint32_t y) {
        const Slice& left = nodes_.slices[members_[x].node];
        const Slice& right = nodes_.slices[members_[y].node];
        visits_ += 8;
        const std::uint32_t shared =
            Parities::most_shared(parities_of(x), left.kept, parities_of(y), right.kept);
        const double most = similarity(shared, left, right);
        if (most < threshold_) return most;
        if (!lookup_filled_) {
            lookup_.fill(nodes_.shingles.data() + left.begin, left.kept);
            lookup_filled_ = true;
        }
        pulse_(2 * right.kept);
        visits_ += right.kept;
        return similarity(lookup_.overlap(nodes_.shingles.data() + right.begin, right.kept), left,
                          right);
    }

    double similarity(std::uint32_t shared, const Slice& left, const Slice& right) const {
        const double base = containment_ ? std::min(left.size, right.size)
                                         : double(left.size) + right.size - shared;
        return shared / base;
    }

    const Parities& parities_of(std::uint32_t rank) {
        if (!has_parities_[rank]) {
            const Slice& slice = nodes_.slices[members_[rank].node];
            parities_[rank] =
                Parities::of({nodes_.shingles.data() + slice.begin, slice.kept});
            has_parities_[rank] = true;
        }
        return parities_[rank];
    }

    Nodes& nodes_;
    const double threshold_;
    const bool containment_;
    Pulse& pulse_;
    BigArray<std::uint8_t> counts_;
    int shift_ = 0;  // of a hash, to its counter
    Arena keys_;
    RareFirst order_;
    std::vector<Member> members_;         // by rank
    std::vector<std::uint32_t> ranks_;    // node -> rank, or kNone
    std::vector<std::uint32_t> sizes_;    // rank -> size, ascending
    std::vector<std::uint32_t> lists_;    // list numbers of all members, kNone for a list of one
    Postings prefixes_;
    Postings others_;
    std::vector<std::uint32_t> seen_;  // rank -> the last probe that compared it
    std::vector<std::uint8_t> gone_;
    Lookup lookup_;
    bool lookup_filled_ = false;
    BigArray<Parities> parities_;  // by rank; filled in when first asked for
    std::vector<std::uint8_t> has_parities_;
    std::uint64_t visits_ = 0;
};

// Beyond so many steps the texts are made to be alike but not alike enough, as when all are of the
// same few words. A step takes 1 to 4 ns: about a second in all, and .01 ms a text.
std::uint64_t most_visits(std::size_t texts) { return 300'000'000 + 3'000 * std::uint64_t{texts}; }

}  // namespace

Pairs near_duplicate_pairs(std::span<const std::string_view> texts, const Likeness& likeness,
                           Pulse& pulse) {
    check(likeness, texts.size());
    Nodes nodes = collect(texts, likeness, pulse);
    Join join(nodes, likeness, pulse);
    struct Pair {
        std::int32_t left;
        std::int32_t right;
        double similarity;
    };
    std::vector<Pair> pairs;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::int32_t first = nodes.first[nodes.of[i]];
        if (first != static_cast<std::int32_t>(i))
            pairs.push_back({first, static_cast<std::int32_t>(i), 1.0});
    }
    for (std::uint32_t x = 0; x < join.size(); ++x)
        join.probe(x, x + 1, [&](std::uint32_t y, double similarity) {
            const std::int32_t a = nodes.first[join.node(x)];
            const std::int32_t b = nodes.first[join.node(y)];
            pairs.push_back({std::min(a, b), std::max(a, b), similarity});
        });
    std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
        return a.left != b.left ? a.left < b.left : a.right < b.right;
    });
    Pairs out;
    out.left.reserve(pairs.size());
    out.right.reserve(pairs.size());
    out.similarity.reserve(pairs.size());
    for (const Pair& pair : pairs) {
        out.left.push_back(pair.left);
        out.right.push_back(pair.right);
        out.similarity.push_back(pair.similarity);
    }
    return out;
}

namespace {

// All texts of a node have the same set, so whoever takes one takes all: nodes are enough.
// Nothing, if it would take too long.
std::optional<Stars> gather(Nodes& nodes, std::span<const std::int32_t> order,
                            const Likeness& likeness, Pulse& pulse, bool bounded) {
    Join join(nodes, likeness, pulse);
    std::vector<std::int32_t> centre(nodes.slices.size(), -1);
    std::vector<double> similarity(nodes.slices.size(), 1.0);
    for (const std::int32_t text : order) {
        const std::uint32_t node = nodes.of[static_cast<std::size_t>(text)];
        if (centre[node] >= 0) continue;
        centre[node] = text;
        const std::uint32_t x = join.rank(node);
        if (x == kNone) continue;
        join.forget(x);
        join.probe(x, 0, [&](std::uint32_t y, double found) {
            centre[join.node(y)] = text;
            similarity[join.node(y)] = found;
            join.forget(y);
        });
        if (bounded && join.visits() > most_visits(order.size())) return std::nullopt;
    }
    Stars stars;
    stars.representative.resize(order.size());
    stars.similarity.resize(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        stars.representative[i] = centre[nodes.of[i]];
        stars.similarity[i] = similarity[nodes.of[i]];
    }
    return stars;
}

}  // namespace

Stars near_duplicate_stars(std::span<const std::string_view> texts,
                           std::span<const double> priority, const Likeness& likeness,
                           Pulse& pulse) {
    check(likeness, texts.size());
    if (priority.size() != texts.size())
        throw std::invalid_argument("expected as many priorities as texts");
    for (const double p : priority)
        if (std::isnan(p)) throw std::invalid_argument("a priority is NaN");
    std::vector<std::int32_t> order(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return priority[a] > priority[b]; });
    {
        Nodes nodes = collect(texts, likeness, pulse);
        const bool bounded = likeness.measure == Measure::jaccard;
        if (auto stars = gather(nodes, order, likeness, pulse, bounded)) return *std::move(stars);
    }
    return near_duplicate_stars_sketched(texts, priority, likeness, kPermutations, kSeed, pulse);
}

Stars near_duplicate_stars(const WordView& texts, std::span<const std::int32_t> order,
                           const Likeness& likeness, Pulse& pulse) {
    check(likeness, texts.size());
    if (likeness.unit != Unit::word) throw std::invalid_argument("words have no characters");
    std::vector<bool> named(texts.size(), false);
    for (const std::int32_t text : order) {
        const auto i = static_cast<std::size_t>(text);
        if (text < 0 || i >= texts.size() || named[i])
            throw std::invalid_argument("order must name every text once");
        named[i] = true;
    }
    if (order.size() != texts.size())
        throw std::invalid_argument("order must name every text once");
    Shingler shingler(Unit::word, likeness.ngram);
    Nodes nodes = collect(
        texts.size(), texts.words.size(),
        [&](std::size_t i, Arena& sets) { return shingler.append(texts[i], i, sets); }, pulse);
    return *gather(nodes, order, likeness, pulse, false);
}

}  // namespace ctxmem
