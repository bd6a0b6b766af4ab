#include "core/dedup/join.hpp"

#include <bit>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "core/support/parallel.hpp"
#include "core/dedup/frequency_order.hpp"
#include "core/dedup/df_counter.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kManyListings = 1 << 17;  // above this many, lists are built in parts
constexpr std::size_t kLongList = 48;           // lists up to here are not split
constexpr std::uint32_t kMostCommon = 4;        // shingles that all sets of a list have
constexpr double kListing = 8;                  // what an entry of a part costs, in candidates
// Most entries of the parts of a list for each of its sets, and of all parts for each entry of the
// lists: of long sets, so many parts would cost more than reading the texts.
constexpr std::size_t kMostForSet = 12;
constexpr std::size_t kMostForListing = 8;

}  // namespace

void Lookup::fill(const std::uint64_t* hashes, std::size_t count) {
    const std::size_t places = std::bit_ceil(std::max<std::size_t>(16, 4 * count));
    slots_.assign(places, 0);
    shift_ = 64 - std::countr_zero(places);
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t place = hashes[i] >> shift_;
        while (slots_[place] != 0) place = (place + 1) & (places - 1);
        slots_[place] = hashes[i];
    }
}

std::uint32_t Lookup::overlap(const std::uint64_t* hashes, std::size_t count) const {
    const std::size_t mask = slots_.size() - 1;
    std::uint32_t shared = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t place = hashes[i] >> shift_;
        while (slots_[place] != 0 && slots_[place] != hashes[i]) place = (place + 1) & mask;
        shared += slots_[place] != 0;
    }
    return shared;
}

std::uint32_t least_overlap(double threshold, std::uint32_t size) {
    const double exact = threshold * size;
    const double slack = 1e-9 * (1.0 + exact);
    return std::max(1u, static_cast<std::uint32_t>(std::ceil(exact - slack)));
}

Join::Join(TextSets& sets, const SimilarityOptions& options, std::size_t threads, StopToken& stop)
    : sets_(sets),
      threshold_(options.threshold),
      reach_((1.0 + options.threshold) / options.threshold),
      containment_(options.measure == Measure::containment),
      stop_(stop) {
    drop_singles(threads);
    {
        const std::vector<Arena> keys = order_shingles(threads);
        order_members();
        build_lists(threads);
        if (!containment_) split_long_lists();
    }
    seen_.assign(members_.size(), kNone);
    gone_.assign(members_.size(), false);
    bitmaps_ = HugePageArray<BitmapFilter>(members_.size());
    has_bitmap_.assign(members_.size(), false);
}

bool Join::alive(const Slice& slice) const {
    // A large set may contain a small one whatever it has alone, so containment keeps it.
    return slice.kept > 0 && (containment_ || slice.kept >= least_overlap(threshold_, slice.size));
}

// Step 2, first round: keep the shingles that more than one set may have, and the sets that may have
// a partner.
void Join::drop_singles(std::size_t threads) {
    std::vector<std::uint32_t> nodes(sets_.slices.size());
    std::iota(nodes.begin(), nodes.end(), 0u);
    count_frequencies<Repeats>(
        sets_.slices, nodes, threads, stop_,
        [&](std::size_t, std::size_t i, const std::uint8_t* counts, StopToken& stop) {
            Slice& slice = sets_.slices[i];
            stop.check(3 * slice.size + 20);
            std::uint64_t* const set = slice.shingles;
            std::uint32_t kept = 0;
            for (std::uint32_t k = 0; k < slice.size; ++k) {
                set[kept] = set[k];
                kept += counts[k] > 1;
            }
            slice.kept = kept;
        });
    for (const std::uint32_t node : nodes)
        if (alive(sets_.slices[node])) members_.push_back({node, sets_.slices[node].size});
}

// Step 2, second round, among the sets that are left: drop once more what is alone now; give the rest
// of each set its keys, those of the prefix first and in order.
std::vector<Arena> Join::order_shingles(std::size_t threads) {
    std::vector<std::uint32_t> nodes;
    for (const Member& member : members_) nodes.push_back(member.node);
    const std::size_t runs = runs_of(nodes.size(), threads);
    std::vector<Arena> arenas(runs);
    std::vector<FrequencyOrder> orders(runs);
    for (std::size_t run = 0; run < runs; ++run) {
        // Enough for all, so that it never moves; what is not written costs nothing.
        std::size_t most = 0;
        for (std::size_t i = nodes.size() * run / runs; i < nodes.size() * (run + 1) / runs; ++i)
            most += sets_.slices[nodes[i]].kept;
        arenas[run].room(most);
    }
    count_frequencies<Counts>(
        sets_.slices, nodes, threads, stop_,
        [&](std::size_t run, std::size_t i, const std::uint8_t* counts, StopToken& stop) {
            Member& member = members_[i];
            Slice& slice = sets_.slices[member.node];
            stop.check(8 * slice.kept + 20);
            std::uint64_t* const keys = arenas[run].room(slice.kept);
            std::uint64_t* const set = slice.shingles;
            std::uint32_t kept = 0;
            for (std::uint32_t k = 0, size = slice.kept; k < size; ++k) {
                const std::uint64_t shingle = set[k];
                keys[kept] = rarity_key(shingle, counts[k]);
                set[kept] = shingle;
                kept += counts[k] > 1;
            }
            slice.kept = kept;
            if (!alive(slice)) return;
            const std::uint32_t least = least_overlap(threshold_, slice.size);
            member.singles = slice.size - kept;
            member.prefix = kept < least ? 0 : kept - least + 1;
            member.listed = containment_ ? kept : member.prefix;
            member.keys = keys;
            // Those behind the prefix are for lists that are split.
            const std::uint32_t first =
                member.prefix == 0 ? 0 : std::min(kept, member.prefix + kMostCommon - 1);
            orders[run].smallest_first(keys, kept, first);
            arenas[run].take(std::max(member.listed, first));
        });
    std::erase_if(members_, [](const Member& member) { return member.keys == nullptr; });
    return arenas;
}

// Ranks: small sets first.
void Join::order_members() {
    ranks_.assign(sets_.slices.size(), kNone);
    // Stable, so equal sizes stay in the order of their nodes.
    std::stable_sort(members_.begin(), members_.end(),
                     [](const Member& a, const Member& b) { return a.size < b.size; });
    sizes_.resize(members_.size());
    std::size_t listed = 0;
    for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
        Member& member = members_[rank];
        ranks_[member.node] = rank;
        sizes_[rank] = member.size;
        member.lists = listed;
        listed += member.listed;
    }
    lists_.grow(listed);
}

// Step 3. Keys are dealt out to parts first, so that the table that numbers the keys of one part
// stays in the cache; a part is built in one go, on any thread.
void Join::build_lists(std::size_t threads) {
    // Each list has a head, and two entries or more; for containment two heads.
    if (lists_.size() >= kNone / 2)
        throw std::invalid_argument(
            "too many shingles to join; raise the threshold, or use a sketch");
    const std::size_t parts = lists_.size() > kManyListings ? kParts : 1;
    std::vector<std::vector<Listing>> listings(parts);
    const auto part_of_key = [&](std::uint64_t key) {
        return parts == 1 ? 0 : part_of(key * 0x9E3779B97F4A7C15ull);
    };
    std::vector<std::size_t> count(parts + 1, 0);
    for (const Member& member : members_)
        for (std::uint32_t i = 0; i < member.listed; ++i) ++count[part_of_key(member.keys[i]) + 1];
    for (std::size_t part = 0; part < parts; ++part) {
        listings[part].reserve(count[part + 1]);
        count[part + 1] += count[part];
    }
    // By ascending rank, so every list ascends by size.
    for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
        const Member& member = members_[rank];
        stop_.check(4 * member.listed);
        for (std::uint32_t i = 0; i < member.listed; ++i)
            listings[part_of_key(member.keys[i])].push_back({member.keys[i], rank, i});
    }
    postings_.grow(2 * lists_.size());
    in_parallel(threads, parts, stop_, [&](std::size_t part, StopToken& stop) {
        stop.check(10 * listings[part].size());
        build_part(listings[part], 2 * count[part]);
        listings[part] = {};
    });
}

void Join::build_part(std::vector<Listing>& listings, std::size_t begin) {
    struct List {
        std::uint32_t first = 0;  // entries in prefixes
        std::uint32_t second = 0;
        std::uint32_t at = kNone;
    };
    std::vector<List> lists;
    const auto in_prefix = [&](const Listing& listing) {
        return listing.at < members_[listing.rank].prefix;
    };
    KeyNumbers numbers(listings.size());
    for (Listing& listing : listings) {
        if (!in_prefix(listing)) continue;
        listing.key = numbers.insert(listing.key);
        if (listing.key == lists.size()) lists.emplace_back();
        ++lists[listing.key].first;
    }
    if (containment_)
        for (Listing& listing : listings) {
            if (in_prefix(listing)) continue;
            listing.key = numbers.find(listing.key);
            if (listing.key != KeyNumbers::kUnknown) ++lists[listing.key].second;
        }
    std::size_t at = begin;
    for (List& list : lists) {
        if (list.first + list.second < 2) continue;  // no other member can find it
        list.at = static_cast<std::uint32_t>(at);
        PostingList::make(&postings_[at], list.first);
        at += 1 + list.first;
        if (!containment_) continue;
        PostingList::make(&postings_[at], list.second);
        at += 1 + list.second;
    }
    for (const Listing& listing : listings) {
        const Member& member = members_[listing.rank];
        std::uint32_t& found = lists_[member.lists + listing.at];
        found = listing.key == KeyNumbers::kUnknown ? kNone : lists[listing.key].at;
        if (found == kNone) continue;
        if (!in_prefix(listing))
            list(found).next().append({listing.rank, kNone});
        else if (containment_)
            list(found).append({listing.rank, kNone});
        else
            list(found).append({listing.rank, cap_at(member.size, member.singles + listing.at)});
    }
}

// Deal items out by `number_of` them, which is below `numbers`: those of number i are [begin[i],
// begin[i + 1]) of the result, in the order in which they were.
template <class Item, class NumberOf>
std::vector<Item> deal_by(const std::vector<Item>& items, std::size_t numbers, NumberOf&& number_of,
                          std::vector<std::size_t>& begin) {
    begin.assign(numbers + 1, 0);
    for (const Item& item : items) ++begin[number_of(item) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<Item> dealt(items.size());
    std::vector<std::size_t> next(begin.begin(), begin.end() - 1);
    for (const Item& item : items) dealt[next[number_of(item)]++] = item;
    return dealt;
}

// The candidates of a list of n sets are n * n, and an entry of a part costs as much as some of them.
void Join::split_long_lists() {
    std::size_t entries = 0;
    const auto each = [&](auto&& call) {
        for (std::uint32_t rank = 0; rank < members_.size(); ++rank)
            for (std::uint32_t i = 0; i < members_[rank].prefix; ++i)
                if (const std::uint32_t at = lists_[members_[rank].lists + i];
                    at != kNone && list(at).size() > kLongList)
                    call(at, rank, i);
    };
    each([&](std::uint32_t, std::uint32_t, std::uint32_t) { ++entries; });
    if (entries == 0) return;
    KeyNumbers numbers(entries / kLongList);
    std::vector<std::uint32_t> long_lists;
    std::vector<Listing> all;
    all.reserve(entries);
    each([&](std::uint32_t at, std::uint32_t rank, std::uint32_t i) {
        all.push_back({numbers.insert(at), rank, i});
        if (numbers.size() > long_lists.size()) long_lists.push_back(at);
    });
    std::vector<std::size_t> begin;
    all = deal_by(
        all, long_lists.size(), [](const Listing& one) { return one.key; }, begin);
    used_ = postings_.size();
    splits_left_ = kMostForListing * lists_.size();
    for (std::size_t i = 0; i < long_lists.size(); ++i) {
        if (!split(std::span(all).subspan(begin[i], begin[i + 1] - begin[i]), 1)) continue;
        PostingList whole = list(long_lists[i]);
        whole.truncate(whole.begin());
    }
    further_ = deal_by(
        further_, members_.size(), [](const Further& one) { return one.rank; }, further_first_);
}

// Split a list of sets that have `common` shingles in common, the last of them at `at`, by the next
// one. Returns whether that is less work; else there is no part.
bool Join::split(std::span<const Listing> list, std::uint32_t common) {
    const auto last = [&](const Member& member) {  // behind those of the prefix for one more
        return std::min(member.prefix + common, member.size - member.singles);
    };
    const double candidates = static_cast<double>(list.size()) * static_cast<double>(list.size());
    std::size_t entries = 0;
    for (const Listing& one : list) entries += last(members_[one.rank]) - one.at - 1;
    if (kListing * static_cast<double>(entries) > candidates ||
        entries > std::min(kMostForSet * list.size(), splits_left_))
        return false;
    splits_left_ -= entries;
    stop_.check(40 * entries + list.size());
    KeyNumbers numbers(entries);
    std::vector<Listing> found;
    found.reserve(entries);
    for (const Listing& one : list) {
        const Member& member = members_[one.rank];
        for (std::uint32_t at = one.at + 1; at < last(member); ++at)
            found.push_back({numbers.insert(member.keys[at]), one.rank, at});
    }
    std::vector<std::size_t> begin;
    const std::vector<Listing> parts = deal_by(
        found, numbers.size(), [](const Listing& one) { return one.key; }, begin);
    // Of sets that are as small as this, two may have no further shingle in common.
    std::vector<Listing> small;
    for (const Listing& one : list)
        if (least_overlap(threshold_, members_[one.rank].size) <= common) small.push_back(one);
    double left = kListing * static_cast<double>(entries) +
                  static_cast<double>(small.size()) * static_cast<double>(small.size());
    for (std::size_t part = 0; part < numbers.size(); ++part) {
        const auto size = static_cast<double>(begin[part + 1] - begin[part]);
        left += size * size;
    }
    if (left > candidates) return false;
    for (std::size_t part = 0; part < numbers.size(); ++part) {
        const std::span<const Listing> sets =
            std::span(parts).subspan(begin[part], begin[part + 1] - begin[part]);
        if (sets.size() < 2) continue;
        if (sets.size() > kLongList && common + 1 < kMostCommon && split(sets, common + 1))
            continue;
        add_list(sets, common + 1);
    }
    if (small.size() > 1) add_list(small, common);
    return true;
}

void Join::add_list(std::span<const Listing> list, std::uint32_t common) {
    const std::size_t end = used_ + 1 + list.size();
    if (end >= kNone)
        throw std::invalid_argument(
            "too many shingles to join; raise the threshold, or use a sketch");
    if (end > postings_.size()) postings_.grow(end + end / 2);
    const auto head = static_cast<std::uint32_t>(used_);
    PostingList part = PostingList::make(&postings_[head], static_cast<std::uint32_t>(list.size()));
    for (const Listing& one : list) {
        const Member& member = members_[one.rank];
        const std::uint32_t position = member.singles + one.at - (common - 1);
        part.append({one.rank, cap_at(member.size, position)});
        further_.push_back({one.rank, head, position});
    }
    used_ = end;
}

// The size of the largest partner that can still share enough when the first shared shingle is at
// this position: size - position >= t / (1 + t) (size + partner).
std::uint32_t Join::cap_at(std::uint32_t size, std::uint32_t position) const {
    const double left = size - position;
    const double cap = left * reach_ - size;
    const double padded = cap + 1e-9 * (1.0 + std::fabs(cap) + size);
    if (padded < 0.0) return 0;
    return padded >= kNone ? kNone : static_cast<std::uint32_t>(padded);
}

std::uint32_t Join::first_of_size(std::uint32_t size) const {
    return static_cast<std::uint32_t>(std::lower_bound(sizes_.begin(), sizes_.end(), size) -
                                      sizes_.begin());
}

// Step 4, and before it a bound that costs a hundredth.
double Join::compare_whole(std::uint32_t x, std::uint32_t y) {
    const Slice& left = sets_.slices[members_[x].node];
    const Slice& right = sets_.slices[members_[y].node];
    visits_ += 8;
    const std::uint32_t shared =
        BitmapFilter::most_shared(bitmap_of(x), left.kept, bitmap_of(y), right.kept);
    const double most = similarity(shared, left, right);
    if (most < threshold_) return most;
    if (!lookup_filled_) {
        lookup_.fill(left.shingles, left.kept);
        lookup_filled_ = true;
    }
    stop_.check(2 * right.kept);
    visits_ += right.kept;
    return similarity(lookup_.overlap(right.shingles, right.kept), left, right);
}

double Join::similarity(std::uint32_t shared, const Slice& left, const Slice& right) const {
    const double base =
        containment_ ? std::min(left.size, right.size) : double(left.size) + right.size - shared;
    return shared / base;
}

const BitmapFilter& Join::bitmap_of(std::uint32_t rank) {
    if (!has_bitmap_[rank]) {
        const Slice& slice = sets_.slices[members_[rank].node];
        bitmaps_[rank] = BitmapFilter::of({slice.shingles, slice.kept});
        has_bitmap_[rank] = true;
    }
    return bitmaps_[rank];
}

}  // namespace ctxmem
