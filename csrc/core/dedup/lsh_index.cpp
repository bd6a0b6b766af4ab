#include "core/dedup/lsh_index.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <stdexcept>

#include "core/support/parallel.hpp"

namespace ctxmem {
namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFFu;
constexpr double kRecall = 0.99;  // of pairs at the threshold; above it the bands miss far fewer

std::uint64_t sum_of(const std::uint64_t* set, std::size_t size) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < size; ++i) sum += set[i];
    return sum ^ sum >> 32;
}

// |A and B| of two ascending sets.
std::uint32_t overlap(const std::uint64_t* a, std::size_t a_size, const std::uint64_t* b,
                      std::size_t b_size) {
    std::uint32_t shared = 0;
    for (std::size_t i = 0, j = 0; i < a_size && j < b_size;) {
        const std::uint64_t x = a[i];
        const std::uint64_t y = b[j];
        shared += x == y;
        i += x <= y;
        j += y <= x;
    }
    return shared;
}

}  // namespace

// Sets are kept ascending, so that equal sets are equal bytes and a comparison is a merge.

LshIndex::LshIndex(const SimilarityOptions& likeness, std::size_t k, std::uint64_t seed)
    : options_(likeness), minhash_(k, seed), plan_(band_plan(likeness.threshold, k, kRecall)) {
    if (likeness.measure != Measure::jaccard)
        throw std::invalid_argument("MinHash estimates Jaccard similarity only");
    (void)Shingler(likeness.unit, likeness.ngram);  // throws for an ngram below 1
    reserve(tables_, 0, 0);
}

std::size_t LshIndex::size() const {
    const std::shared_lock lock(mutex_);
    return entries_.size();
}

// Make room for so many more nodes, doubling: after this, entering them allocates nothing.
void LshIndex::reserve(Tables& tables, std::size_t nodes, std::size_t shingles) const {
    const std::size_t wanted = tables.nodes.size() + nodes;
    const auto bands = static_cast<std::size_t>(plan_.bands);
    if (wanted * bands >= kNone)
        throw std::invalid_argument("too many distinct texts for one index");
    tables.shingles.room(shingles);
    if (!tables.by_sum.empty() && wanted <= tables.by_sum.size() / 2) return;
    const std::size_t places = std::bit_ceil(std::max<std::size_t>(16, 4 * wanted));
    std::vector<std::uint32_t> by_sum(places, kNone);
    std::vector<std::uint32_t> heads(std::bit_ceil(std::max<std::size_t>(16, wanted * bands)),
                                     kNone);
    tables.nodes.reserve(places / 2);
    tables.bitmaps.reserve(places / 2);
    tables.next_sum.reserve(places / 2);
    tables.links.reserve(places / 2 * bands);
    tables.marks.reserve(places / 2 * bands);
    // The keys of the buckets are computed anew rather than kept: they would be most of a node.
    std::vector<std::uint32_t> signature;
    std::vector<std::uint64_t> keys(bands);
    tables.by_sum.swap(by_sum);
    const bool more_heads = heads.size() > tables.heads.size();
    if (more_heads) {
        tables.heads.swap(heads);
        tables.links.clear();
        tables.marks.clear();
    }
    for (std::uint32_t node = 0; node < tables.nodes.size(); ++node) {
        const Node& known = tables.nodes[node];
        std::uint32_t& head = tables.by_sum[known.sum & (places - 1)];
        tables.next_sum[node] = head;
        head = node;
        if (!more_heads) continue;
        keys_of({tables.shingles.data() + known.begin, known.size}, signature, keys.data());
        link(tables, node, keys.data());
    }
}

// Enter the node, the last one so far, into its buckets.
void LshIndex::link(Tables& tables, std::uint32_t node, const std::uint64_t* keys) const {
    for (int band = 0; band < plan_.bands; ++band) {
        std::uint32_t& head = tables.heads[keys[band] & (tables.heads.size() - 1)];
        tables.links.push_back(head);
        tables.marks.push_back(static_cast<std::uint32_t>(keys[band] >> 32));
        head = node * static_cast<std::uint32_t>(plan_.bands) + static_cast<std::uint32_t>(band);
    }
}

std::uint32_t LshIndex::find_set(const Tables& tables, const std::uint64_t* set,
                                 std::size_t size) const {
    const std::uint64_t sum = sum_of(set, size);
    std::uint32_t node = tables.by_sum[sum & (tables.by_sum.size() - 1)];
    for (; node != kNone; node = tables.next_sum[node]) {
        const Node& known = tables.nodes[node];
        if (known.sum == sum && known.size == size &&
            std::memcmp(tables.shingles.data() + known.begin, set, size * sizeof *set) == 0)
            break;
    }
    return node;
}

void LshIndex::keys_of(std::span<const std::uint64_t> set, std::vector<std::uint32_t>& signature,
                       std::uint64_t* keys) const {
    signature.resize(minhash_.k());
    minhash_.sign(set, signature.data());
    band_keys(signature.data(), plan_, keys);
}

std::uint32_t LshIndex::enter_set(Tables& tables, const std::uint64_t* set, std::size_t size,
                                  const std::uint64_t* keys) const {
    const std::uint32_t known = find_set(tables, set, size);
    if (known != kNone) return known;
    reserve(tables, 1, size);
    const std::size_t begin = tables.shingles.size();
    std::memcpy(tables.shingles.room(size), set, size * sizeof *set);
    tables.shingles.take(size);
    const auto node = static_cast<std::uint32_t>(tables.nodes.size());
    const std::uint64_t sum = sum_of(set, size);
    std::uint32_t& head = tables.by_sum[sum & (tables.by_sum.size() - 1)];
    tables.nodes.push_back({begin, static_cast<std::uint32_t>(size), 0, -1, sum});
    tables.bitmaps.push_back(BitmapFilter::of({set, size}));
    tables.next_sum.push_back(head);
    head = node;
    link(tables, node, keys);
    ++tables.gone;  // until an entry names it
    return node;
}

void LshIndex::enter(std::int64_t entry, std::uint32_t node) {
    Node& known = tables_.nodes[node];
    if (known.first >= 0) entries_.at(known.first).previous = entry;
    entries_.emplace(entry, Entry{node, -1, known.first});
    known.first = entry;
    if (known.entries++ == 0) --tables_.gone;
}

LshIndex::Readings LshIndex::read(std::span<const std::string_view> texts, StopToken& stop) const {
    const auto bands = static_cast<std::size_t>(plan_.bands);
    Readings readings;
    readings.keys.resize(texts.size() * bands);
    std::uint64_t* keys = readings.keys.data();
    std::vector<std::uint32_t> signature;
    Shingler shingler(options_.unit, options_.ngram);
    for (const std::string_view text : texts) {
        stop.check(4 * text.size() + 2000);
        (void)shingler.append(text, readings.sets);
        readings.start.push_back(readings.sets.size());
        const std::size_t i = readings.size() - 1;
        std::uint64_t* const sets = readings.sets.data();
        std::sort(sets + readings.start[i], sets + readings.start[i + 1]);
        keys_of(readings.set(i), signature, keys);
        keys += bands;
    }
    return readings;
}

std::vector<std::int64_t> LshIndex::add(std::span<const std::string_view> texts, StopToken& stop) {
    // What can fail comes first, in memory of its own: reading the texts may be interrupted.
    const Readings readings = read(texts, stop);
    return add(readings, 0, readings.size());
}

std::vector<std::int64_t> LshIndex::add(const Readings& readings, std::size_t begin,
                                        std::size_t end) {
    std::vector<std::int64_t> added;
    added.reserve(end - begin);
    std::vector<std::uint32_t> nodes;
    nodes.reserve(end - begin);
    const std::unique_lock lock(mutex_);
    // Nodes without entries are harmless, so a failure among them leaves the index as it was.
    for (std::size_t i = begin; i < end; ++i) {
        const auto set = readings.set(i);
        const std::uint64_t* keys =
            readings.keys.data() + i * static_cast<std::size_t>(plan_.bands);
        nodes.push_back(enter_set(tables_, set.data(), set.size(), keys));
    }
    for (const std::uint32_t node : nodes) {
        added.push_back(next_entry_++);
        enter(added.back(), node);
    }
    return added;
}

void LshIndex::remove(std::span<const std::int64_t> entries) {
    std::vector<std::int64_t> sorted(entries.begin(), entries.end());
    std::sort(sorted.begin(), sorted.end());
    const std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        if (!entries_.contains(sorted[i])) throw std::out_of_range("no such entry");
        if (i > 0 && sorted[i] == sorted[i - 1]) throw std::out_of_range("entry named twice");
    }
    for (const std::int64_t gone : sorted) {
        const Entry entry = entries_.at(gone);
        Node& node = tables_.nodes[entry.node];
        if (entry.previous >= 0)
            entries_.at(entry.previous).next = entry.next;
        else
            node.first = entry.next;
        if (entry.next >= 0) entries_.at(entry.next).previous = entry.previous;
        entries_.erase(gone);
        if (--node.entries == 0) ++tables_.gone;
    }
    if (tables_.gone > 16 && 2 * tables_.gone > tables_.nodes.size()) rebuild();
}

// Keep the nodes that have entries.
void LshIndex::rebuild() {
    Tables kept;
    reserve(kept, tables_.nodes.size() - tables_.gone, 0);
    std::vector<std::uint32_t> renamed(tables_.nodes.size(), kNone);
    std::vector<std::uint32_t> signature;
    std::vector<std::uint64_t> keys(static_cast<std::size_t>(plan_.bands));
    for (std::uint32_t node = 0; node < tables_.nodes.size(); ++node) {
        const Node& old = tables_.nodes[node];
        if (old.entries == 0) continue;
        const std::uint64_t* set = tables_.shingles.data() + old.begin;
        keys_of({set, old.size}, signature, keys.data());
        renamed[node] = enter_set(kept, set, old.size, keys.data());
        kept.nodes[renamed[node]].entries = old.entries;
        kept.nodes[renamed[node]].first = old.first;
    }
    kept.gone = 0;
    for (auto& [number, entry] : entries_) entry.node = renamed[entry.node];
    tables_ = std::move(kept);
}

LshIndex::Matches LshIndex::query(std::span<const std::string_view> texts, StopToken& stop) const {
    constexpr std::size_t kBlock = 256;  // texts read at once: more would be memory for nothing
    Matches matches;
    for (std::size_t begin = 0; begin < texts.size(); begin += kBlock) {
        const std::size_t count = std::min(kBlock, texts.size() - begin);
        const Readings readings = read(texts.subspan(begin, count), stop);
        for (std::size_t i = 0; i < count; ++i) query(readings, i, matches, stop);
    }
    return matches;
}

void LshIndex::query(const Readings& readings, std::size_t i, Matches& matches,
                     StopToken& stop) const {
    const auto set = readings.set(i);
    const auto size = static_cast<std::uint32_t>(set.size());
    const auto bands = static_cast<std::size_t>(plan_.bands);
    const std::uint64_t* keys = readings.keys.data() + i * bands;
    const BitmapFilter bitmaps = BitmapFilter::of(set);
    const auto similarity_of = [size](std::uint32_t shared, const Node& node) {
        return shared / (static_cast<double>(size) + node.size - shared);
    };
    struct Row {
        double similarity;
        std::int64_t entry;
    };
    std::vector<Row> rows;
    std::vector<std::uint32_t> candidates;
    const std::shared_lock lock(mutex_);
    const std::uint32_t same = find_set(tables_, set.data(), size);
    if (same != kNone) candidates.push_back(same);
    for (std::size_t band = 0; band < bands; ++band) {
        std::uint32_t place = tables_.heads[keys[band] & (tables_.heads.size() - 1)];
        for (; place != kNone; place = tables_.links[place])
            if (tables_.marks[place] == static_cast<std::uint32_t>(keys[band] >> 32))
                candidates.push_back(place / static_cast<std::uint32_t>(bands));
    }
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    stop.check(1000 + 20 * candidates.size());
    for (const std::uint32_t candidate : candidates) {
        const Node& node = tables_.nodes[candidate];
        const std::uint32_t most =
            BitmapFilter::most_shared(bitmaps, size, tables_.bitmaps[candidate], node.size);
        if (node.entries == 0 || similarity_of(most, node) < options_.threshold) continue;
        const double similarity = similarity_of(
            overlap(set.data(), size, tables_.shingles.data() + node.begin, node.size), node);
        if (similarity < options_.threshold) continue;
        for (std::int64_t entry = node.first; entry >= 0; entry = entries_.at(entry).next)
            rows.push_back({similarity, entry});
    }
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
        return a.similarity != b.similarity ? a.similarity > b.similarity : a.entry < b.entry;
    });
    for (const Row& row : rows) {
        matches.entry.push_back(row.entry);
        matches.similarity.push_back(row.similarity);
    }
    matches.start.push_back(static_cast<std::int64_t>(matches.entry.size()));
}

LshIndex::State LshIndex::state() const {
    const std::shared_lock lock(mutex_);
    State state;
    for (const auto& [number, entry] : entries_) state.entries.push_back(number);
    std::sort(state.entries.begin(), state.entries.end());
    // Nodes by their first entry, so that the same content has the same bytes whatever came before.
    std::vector<std::uint32_t> renamed(tables_.nodes.size(), kNone);
    for (const std::int64_t number : state.entries) {
        const std::uint32_t node = entries_.at(number).node;
        if (renamed[node] == kNone) {
            renamed[node] = static_cast<std::uint32_t>(state.sizes.size());
            const Node& known = tables_.nodes[node];
            const std::uint64_t* set = tables_.shingles.data() + known.begin;
            state.sizes.push_back(known.size);
            state.shingles.insert(state.shingles.end(), set, set + known.size);
        }
        state.nodes.push_back(renamed[node]);
    }
    return state;
}

void LshIndex::restore(const State& state, StopToken& stop) {
    const auto fits = [](bool condition) {
        if (!condition) throw std::invalid_argument("the parts of the index do not fit together");
    };
    fits(state.entries.size() == state.nodes.size());
    LshIndex fresh(options_, minhash_.k(), 0);
    fresh.minhash_ = minhash_;
    std::size_t begin = 0;
    std::vector<std::uint32_t> signature;
    std::vector<std::uint64_t> keys(static_cast<std::size_t>(plan_.bands));
    for (std::size_t node = 0; node < state.sizes.size(); ++node) {
        const std::size_t size = state.sizes[node];
        fits(size > 0 && size <= state.shingles.size() - begin);
        const std::uint64_t* set = state.shingles.data() + begin;
        fits(set[0] != 0);
        for (std::size_t i = 1; i < size; ++i) fits(set[i - 1] < set[i]);
        keys_of({set, size}, signature, keys.data());
        fits(fresh.enter_set(fresh.tables_, set, size, keys.data()) == node);
        begin += size;
        stop.check(20 * size + 1000);
    }
    fits(begin == state.shingles.size());
    for (std::size_t i = 0; i < state.entries.size(); ++i) {
        fits(state.nodes[i] < state.sizes.size());
        // Numbers above the last one are given next, so it leaves room for them.
        fits(state.entries[i] >= fresh.next_entry_ && state.entries[i] < std::int64_t{1} << 62);
        fresh.enter(state.entries[i], state.nodes[i]);
        fresh.next_entry_ = state.entries[i] + 1;
    }
    fits(fresh.tables_.gone == 0);
    const std::unique_lock lock(mutex_);
    tables_ = std::move(fresh.tables_);
    entries_ = std::move(fresh.entries_);
    next_entry_ = fresh.next_entry_;
}

Stars near_duplicate_stars_sketched(std::span<const std::string_view> texts,
                                    std::span<const double> priority,
                                    const SimilarityOptions& likeness, std::size_t k,
                                    std::uint64_t seed, std::size_t threads, StopToken& stop) {
    if (threads < 1) throw std::invalid_argument("threads must be at least 1");
    const std::vector<std::int32_t> order = by_priority(priority, texts.size());
    LshIndex index(likeness, k, seed);
    Stars stars;
    stars.exact = false;
    stars.representative.resize(texts.size());
    stars.similarity.resize(texts.size(), 1.0);
    std::vector<std::int32_t> centres;  // by entry
    const auto place = [&](std::int32_t text, const LshIndex::Readings& readings, std::size_t i) {
        LshIndex::Matches matches;
        index.query(readings, i, matches, stop);
        if (matches.entry.empty()) {
            (void)index.add(readings, i, i + 1);
            centres.push_back(text);
            stars.representative[static_cast<std::size_t>(text)] = text;
            return;
        }
        const auto first = std::min_element(matches.entry.begin(), matches.entry.end());
        stars.representative[static_cast<std::size_t>(text)] =
            centres[static_cast<std::size_t>(*first)];
        stars.similarity[static_cast<std::size_t>(text)] =
            matches.similarity[static_cast<std::size_t>(first - matches.entry.begin())];
    };
    // Texts are read by all threads, and placed one after the other, since each depends on those
    // before.
    constexpr std::size_t kRun = 256;
    std::vector<LshIndex::Readings> runs(threads);
    for (std::size_t begin = 0; begin < order.size(); begin += kRun * threads) {
        const auto block =
            std::span(order).subspan(begin).first(std::min(kRun * threads, order.size() - begin));
        in_parallel(threads, runs.size(), stop, [&](std::size_t run, StopToken& own) {
            std::vector<std::string_view> views;
            for (std::size_t i = run * kRun; i < std::min((run + 1) * kRun, block.size()); ++i)
                views.push_back(texts[static_cast<std::size_t>(block[i])]);
            runs[run] = index.read(views, own);
        });
        for (std::size_t i = 0; i < block.size(); ++i) place(block[i], runs[i / kRun], i % kRun);
    }
    return stars;
}

}  // namespace ctxmem
