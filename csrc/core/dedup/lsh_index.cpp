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

LshIndex::LshIndex(const SimilarityOptions& options, std::size_t k, std::uint64_t seed)
    : options_(options), minhash_(k, seed), plan_(band_plan(options.threshold, k, kRecall)) {
    if (options.measure != Measure::jaccard)
        throw std::invalid_argument("MinHash estimates Jaccard similarity only");
    (void)Shingler(options.unit, options.ngram);  // throws for an ngram below 1
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
    if (wanted * bands > BandBuckets::kMostEntries)
        throw std::invalid_argument("too many distinct texts for one index");
    tables.shingles.room(shingles);
    if (!tables.by_sum.empty() && wanted <= tables.by_sum.size() / 2) return;
    const std::size_t places = std::bit_ceil(std::max<std::size_t>(16, 4 * wanted));
    std::vector<std::uint32_t> by_sum(places, kNone);
    tables.nodes.reserve(places / 2);
    tables.bitmaps.reserve(places / 2);
    tables.next_sum.reserve(places / 2);
    tables.band_keys.reserve(places / 2 * bands);
    {
        BandBuckets more(wanted * bands);
        for (std::uint32_t node = 0; node < tables.nodes.size(); ++node) link(tables, node, more);
        tables.buckets = std::move(more);
    }
    tables.by_sum.swap(by_sum);
    for (std::uint32_t node = 0; node < tables.nodes.size(); ++node) {
        const Node& known = tables.nodes[node];
        std::uint32_t& head = tables.by_sum[known.sum & (places - 1)];
        tables.next_sum[node] = head;
        head = node;
    }
}

// Enter the node into the buckets of its band keys.
void LshIndex::link(const Tables& tables, std::uint32_t node, BandBuckets& buckets) const {
    const auto bands = static_cast<std::size_t>(plan_.bands);
    const std::uint64_t* const keys = tables.band_keys.data() + node * bands;
    for (std::size_t band = 0; band < bands; ++band) buckets.add(keys[band], node);
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
    tables.nodes.push_back({begin, static_cast<std::uint32_t>(size), 0, -1, -1, sum});
    tables.bitmaps.push_back(BitmapFilter::of({set, size}));
    tables.next_sum.push_back(kNone);
    tables.band_keys.insert(tables.band_keys.end(), keys, keys + plan_.bands);
    ++tables.gone;  // until an entry names it
    // If this throws, the node stays without an entry, and no query finds its set.
    link(tables, node, tables.buckets);
    std::uint32_t& head = tables.by_sum[sum & (tables.by_sum.size() - 1)];
    tables.next_sum[node] = head;
    head = node;
    return node;
}

void LshIndex::enter(std::int64_t entry, std::uint32_t node) {
    Node& known = tables_.nodes[node];
    entries_.emplace(entry, Entry{node, known.last, -1});
    (known.last >= 0 ? entries_.at(known.last).next : known.first) = entry;
    known.last = entry;
    if (known.entries++ == 0) --tables_.gone;
}

LshIndex::Readings LshIndex::read(std::span<const std::string_view> texts, StopToken& stop) const {
    const auto bands = static_cast<std::size_t>(plan_.bands);
    Readings readings;
    readings.keys.resize(texts.size() * bands);
    std::uint64_t* keys = readings.keys.data();
    std::vector<std::uint32_t> signature(minhash_.k());
    Shingler of_sets(options_.unit, options_.ngram, set_key_);
    Shingler of_signatures(options_.unit, options_.ngram, minhash_.word_key());
    Arena shingles;
    for (const std::string_view text : texts) {
        stop.check(6 * text.size() + 2000);
        (void)of_sets.append(text, readings.sets);
        readings.start.push_back(readings.sets.size());
        const std::size_t i = readings.size() - 1;
        std::uint64_t* const sets = readings.sets.data();
        std::sort(sets + readings.start[i], sets + readings.start[i + 1]);
        shingles.truncate(0);
        const std::size_t count = of_signatures.append_with_repeats(text, shingles);
        minhash_.sign({shingles.data(), count}, signature.data());
        band_keys(signature.data(), plan_, keys);
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
        if (entry.next >= 0)
            entries_.at(entry.next).previous = entry.previous;
        else
            node.last = entry.previous;
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
    const auto bands = static_cast<std::size_t>(plan_.bands);
    for (std::uint32_t node = 0; node < tables_.nodes.size(); ++node) {
        const Node& old = tables_.nodes[node];
        if (old.entries == 0) continue;
        renamed[node] = enter_set(kept, tables_.shingles.data() + old.begin, old.size,
                                  tables_.band_keys.data() + node * bands);
        Node& one = kept.nodes[renamed[node]];
        one.entries = old.entries;
        one.first = old.first;
        one.last = old.last;
    }
    kept.gone = 0;
    for (auto& [number, entry] : entries_) entry.node = renamed[entry.node];
    tables_ = std::move(kept);
}

LshIndex::Matches LshIndex::query(std::span<const std::string_view> texts, std::size_t limit,
                                  StopToken& stop) const {
    constexpr std::size_t kBlock = 256;  // texts read at once: more would be memory for nothing
    Matches matches;
    for (std::size_t begin = 0; begin < texts.size(); begin += kBlock) {
        const std::size_t count = std::min(kBlock, texts.size() - begin);
        const Readings readings = read(texts.subspan(begin, count), stop);
        for (std::size_t i = 0; i < count; ++i) query(readings, i, limit, matches, stop);
    }
    return matches;
}

// The nodes to compare, in any order: those that share a bucket, as many as the bounds allow for a
// limit, or all.
SharedBuckets LshIndex::candidates(const std::uint64_t* keys, std::size_t limit) const {
    const bool all = limit == kNoLimit;
    std::vector<std::pair<std::size_t, int>> by_size;
    for (int band = 0; band < plan_.bands; ++band)
        by_size.emplace_back(tables_.buckets.of(keys[band]).size(), band);
    std::sort(by_size.begin(), by_size.end());
    std::vector<std::uint32_t> found;
    std::size_t steps = all ? kNoLimit : kMostSteps;
    for (const auto& [size, band] : by_size) {
        const std::uint32_t check = BandBuckets::check_of(keys[band]);
        const auto bucket = tables_.buckets.of(keys[band]).first(std::min(size, steps));
        for (const BandBuckets::Entry& entry : bucket)
            if (entry.check == check) found.push_back(entry.node);
        steps -= bucket.size();
    }
    SharedBuckets shared(found);
    if (!all) shared.keep(std::clamp(limit, kLeastCompared, kMostCompared));
    return shared;
}

// Append the first `limit` entries of the nodes, the most similar first, ties by entry.
void LshIndex::append_best(std::vector<std::pair<double, std::uint32_t>>& nodes, std::size_t limit,
                           Matches& matches) const {
    std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    std::vector<std::int64_t> entries;  // of the nodes of one similarity
    for (std::size_t i = 0; i < nodes.size() && limit > 0;) {
        const double similarity = nodes[i].first;
        entries.clear();
        for (; i < nodes.size() && nodes[i].first == similarity; ++i) {
            std::int64_t entry = tables_.nodes[nodes[i].second].first;
            for (std::size_t k = 0; entry >= 0 && k < limit; ++k) {
                entries.push_back(entry);
                entry = entries_.at(entry).next;
            }
        }
        std::sort(entries.begin(), entries.end());
        if (entries.size() > limit) entries.resize(limit);
        limit -= entries.size();
        matches.entry.insert(matches.entry.end(), entries.begin(), entries.end());
        matches.similarity.insert(matches.similarity.end(), entries.size(), similarity);
    }
    matches.start.push_back(static_cast<std::int64_t>(matches.entry.size()));
}

void LshIndex::query(const Readings& readings, std::size_t i, std::size_t limit, Matches& matches,
                     StopToken& stop) const {
    const auto set = readings.set(i);
    const auto size = static_cast<std::uint32_t>(set.size());
    const std::uint64_t* keys = readings.keys.data() + i * static_cast<std::size_t>(plan_.bands);
    const BitmapFilter bitmaps = BitmapFilter::of(set);
    const auto similarity_of = [size](std::uint32_t shared, const Node& node) {
        return shared / (static_cast<double>(size) + node.size - shared);
    };
    std::vector<std::pair<double, std::uint32_t>> similar;
    const auto compare = [&](std::uint32_t candidate) {
        const Node& node = tables_.nodes[candidate];
        const std::uint32_t most =
            BitmapFilter::most_shared(bitmaps, size, tables_.bitmaps[candidate], node.size);
        if (node.entries == 0 || similarity_of(most, node) < options_.threshold) return;
        stop.check(size + node.size);
        const double similarity = similarity_of(
            overlap(set.data(), size, tables_.shingles.data() + node.begin, node.size), node);
        if (similarity >= options_.threshold) similar.emplace_back(similarity, candidate);
    };
    const std::shared_lock lock(mutex_);
    const std::uint32_t same = find_set(tables_, set.data(), size);
    const SharedBuckets compared = candidates(keys, limit);
    stop.check(1000 + 20 * compared.counts().size());
    if (same != kNone) compare(same);
    for (const auto& [buckets, node] : compared.counts())
        if (node != same) compare(node);
    append_best(similar, limit, matches);
}

LshIndex::State LshIndex::state() const {
    const std::shared_lock lock(mutex_);
    State state;
    state.key = set_key_;
    const auto bands = static_cast<std::size_t>(plan_.bands);
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
            const std::uint64_t* keys = tables_.band_keys.data() + node * bands;
            state.band_keys.insert(state.band_keys.end(), keys, keys + bands);
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
    const auto bands = static_cast<std::size_t>(plan_.bands);
    fits(state.band_keys.size() / bands == state.sizes.size() &&
         state.band_keys.size() % bands == 0);
    std::size_t begin = 0;
    for (std::size_t node = 0; node < state.sizes.size(); ++node) {
        const std::size_t size = state.sizes[node];
        fits(size > 0 && size <= state.shingles.size() - begin);
        const std::uint64_t* set = state.shingles.data() + begin;
        fits(set[0] != 0);
        for (std::size_t i = 1; i < size; ++i) fits(set[i - 1] < set[i]);
        const std::uint64_t* keys = state.band_keys.data() + node * bands;
        fits(fresh.enter_set(fresh.tables_, set, size, keys) == node);
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
    set_key_ = state.key;
    tables_ = std::move(fresh.tables_);
    entries_ = std::move(fresh.entries_);
    next_entry_ = fresh.next_entry_;
}

Groups near_duplicate_groups_sketched(std::span<const std::string_view> texts,
                                      std::span<const double> priority,
                                      const SimilarityOptions& options, std::size_t k,
                                      std::uint64_t seed, std::size_t threads, StopToken& stop) {
    if (threads < 1) throw std::invalid_argument("threads must be at least 1");
    const std::vector<std::int32_t> order = by_priority(priority, texts.size());
    LshIndex index(options, k, seed);
    Groups groups;
    groups.exact = false;
    groups.representative.resize(texts.size());
    groups.similarity.resize(texts.size(), 1.0);
    std::vector<std::int32_t> centres;  // by entry
    threads = useful_threads(threads);
    const auto place = [&](std::int32_t text, const LshIndex::Readings& readings, std::size_t i) {
        LshIndex::Matches matches;
        index.query(readings, i, texts.size(), matches, stop);
        if (matches.entry.empty()) {
            (void)index.add(readings, i, i + 1);
            centres.push_back(text);
            groups.representative[static_cast<std::size_t>(text)] = text;
            return;
        }
        const auto first = std::min_element(matches.entry.begin(), matches.entry.end());
        groups.representative[static_cast<std::size_t>(text)] =
            centres[static_cast<std::size_t>(*first)];
        groups.similarity[static_cast<std::size_t>(text)] =
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
    return groups;
}

}  // namespace ctxmem
