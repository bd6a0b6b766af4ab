#include <algorithm>
#include <bit>
#include <queue>
#include <utility>

#include "core/tokenizer/merge_model.hpp"

namespace ctxmem {
namespace {

constexpr Symbol kLongest = Symbol{1}
                            << 31;    // free in a symbol: no longer one matches at its place
constexpr std::size_t kScanned = 24;  // symbols that are merged without a heap
constexpr std::size_t kKept = std::size_t{1} << 18;  // room that is kept from one piece to the next

}  // namespace

MergeTable::MergeTable(std::size_t merges) {
    std::size_t places = 16;
    while (places < 2 * merges) places *= 2;
    places_.assign(places, {0, 0, 0, 0});
    mask_ = places - 1;
    shift_ = 64u - static_cast<unsigned>(std::countr_zero(places));
}

void MergeTable::set(const Merge& merge) {
    Entry& entry = const_cast<Entry&>(find(merge.left, merge.right));
    entry = {merge.left, merge.right, merge.result, merge.rank};
}

void CharacterTable::set(char32_t character, Symbol symbol) {
    const std::size_t block = character >> 8;
    if (block >= blocks_.size()) blocks_.resize(block + 1, 0);
    if (blocks_[block] == 0) {
        blocks_[block] = static_cast<std::uint32_t>(symbols_.size());
        symbols_.resize(symbols_.size() + 256, kNoSymbol);
    }
    symbols_[blocks_[block] + (character & 0xFF)] = symbol;
}

MergeEncoder::MergeEncoder(std::span<const Merge> merges, std::span<const std::string_view> texts,
                           const std::vector<bool>& is_base)
    : table_(merges.size()), parts_(texts.size(), {kNoSymbol, kNoSymbol, 0, 0, 0, 0}) {
    for (const Merge& merge : merges) table_.set(merge);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        parts_[i].size = static_cast<std::uint32_t>(texts[i].size());
        parts_[i].made = is_base[i];
    }
    find_parts(merges);
    if (!ordered_) return;
    std::vector<std::pair<std::string_view, std::uint32_t>> made;
    for (std::uint32_t i = 0; i < texts.size(); ++i)
        if (parts_[i].made) made.emplace_back(texts[i], i);
    trie_ = Trie(std::move(made));
}

// How each symbol is made. Requires merges by rank.
void MergeEncoder::find_parts(std::span<const Merge> merges) {
    // Merges wait for a part that is not made yet: lists of them for each symbol.
    constexpr std::uint32_t kEnd = 0xFFFFFFFFu;
    std::vector<std::uint32_t> waiting(parts_.size(), kEnd);
    std::vector<std::uint32_t> next(merges.size(), kEnd);
    std::vector<std::uint32_t> ready;
    for (std::uint32_t given = 0; given < merges.size() && ordered_; ++given) {
        const Merge& merge = merges[given];
        if (table_.find(merge.left, merge.right).rank != merge.rank) continue;  // given again later
        ready.assign(1, given);
        while (!ready.empty()) {
            const std::uint32_t i = ready.back();
            ready.pop_back();
            const Symbol left = merges[i].left;
            const Symbol right = merges[i].right;
            Parts& result = parts_[merges[i].result];
            if (!parts_[left].made || !parts_[right].made) {
                const Symbol missing = parts_[left].made ? right : left;
                next[i] = waiting[missing];
                waiting[missing] = i;
                continue;
            }
            if (result.made && result.rank == 0) ordered_ = false;  // a base symbol is made again
            if (result.made || !neighbours(left, right, true)) continue;
            result.left = left;
            result.right = right;
            result.rank = merges[i].rank;
            result.time = std::max({result.rank, parts_[left].time, parts_[right].time});
            result.made = 1;
            for (std::uint32_t w = std::exchange(waiting[merges[i].result], kEnd); w != kEnd;
                 w = next[w])
                ready.push_back(w);
        }
    }
}

// Whether two symbols that are made are the encoding of their text. `left_is_longest` says that no
// longer symbol that is made matches where `left` begins: then the merge of the two, if there is
// one, is forestalled by another.
bool MergeEncoder::neighbours(Symbol left, Symbol right, bool left_is_longest) const {
    std::uint32_t limit = kNoSymbol;  // of ranks that come before the merge undone last
    for (;;) {
        if (!left_is_longest) {
            const std::uint32_t rank = table_.find(left, right).rank;
            if (rank != 0 && rank < limit) return false;
        }
        left_is_longest = false;
        const Parts& one = parts_[left];
        const Parts& two = parts_[right];
        // Of equal times, what is on the left was made first.
        if (one.time > two.time) {
            limit = parts_[one.right].time == one.time ? one.rank : one.time;
            left = one.right;
        } else if (two.time > 0) {
            const bool at_once =
                parts_[two.left].time == two.time && parts_[two.right].time != two.time;
            limit = (at_once ? two.rank : two.time) + 1;
            right = two.left;
        } else {
            return true;
        }
    }
}

std::optional<std::int64_t> MergeEncoder::encode(std::string_view text, MergeWork& work) const {
    if (work.tokens.size() < text.size()) work.tokens.resize(text.size());
    Symbol* tokens = work.tokens.data();
    // One bit a position: no encoding leads on from there.
    work.dead.assign(text.size() / 64 + 1, 0);
    std::uint64_t* dead = work.dead.data();
    auto& candidates = work.candidates;
    std::size_t count = 0;
    std::size_t at = 0;
    std::size_t most = text.size();  // bytes that the next symbol may have
    std::size_t questions = 0;       // about neighbours
    std::size_t furthest = 0;
    while (at < text.size()) {
        candidates.clear();
        trie_.prefixes(text.substr(at), [&](std::size_t size, Symbol symbol) {
            candidates.emplace_back(static_cast<std::uint32_t>(size), symbol);
        });
        const Symbol last = count == 0 ? kNoSymbol : tokens[count - 1];
        Symbol next = kNoSymbol;
        std::size_t size = 0;
        for (std::size_t i = candidates.size(); i-- > 0;) {
            size = candidates[i].first;
            if (size > most || (dead[(at + size) / 64] >> (at + size) % 64 & 1) != 0) continue;
            if (count > 0) {
                // In long runs of one symbol the questions outnumber the bytes by far.
                if (++questions > 256 + furthest) return std::nullopt;
                if (!neighbours(last & ~kLongest, candidates[i].second, (last & kLongest) != 0))
                    continue;
            }
            next = candidates[i].second | (i + 1 == candidates.size() ? kLongest : 0);
            break;
        }
        if (next != kNoSymbol) {
            tokens[count++] = next;
            at += size;
            furthest = std::max(furthest, at);
            most = text.size() - at;
        } else if (count > 0) {
            dead[at / 64] |= std::uint64_t{1} << at % 64;
            const std::size_t undone = parts_[last & ~kLongest].size;
            --count;
            at -= undone;
            most = undone - 1;
        } else {
            return std::nullopt;
        }
    }
    if (text.size() > kKept) {
        work.tokens = {};
        work.dead = {};
    }
    return static_cast<std::int64_t>(count);
}

std::size_t MergeEncoder::merge(std::vector<Symbol>& symbols, MergeWork& work) const {
    if (symbols.size() <= kScanned) {
        std::uint32_t ranks[kScanned];  // of each symbol with its right neighbour, 0 for none
        const auto look = [&](std::size_t i) {
            ranks[i] = i + 1 < symbols.size() ? table_.find(symbols[i], symbols[i + 1]).rank : 0;
        };
        for (std::size_t i = 0; i < symbols.size(); ++i) look(i);
        for (;;) {
            std::size_t least = symbols.size();
            for (std::size_t i = 0; i < symbols.size(); ++i)
                if (ranks[i] != 0 && (least == symbols.size() || ranks[i] < ranks[least]))
                    least = i;
            if (least == symbols.size()) return symbols.size();
            symbols[least] = table_.find(symbols[least], symbols[least + 1]).result;
            symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(least) + 1);
            for (std::size_t i = least + 1; i < symbols.size(); ++i) ranks[i] = ranks[i + 1];
            look(least);
            if (least > 0) look(least - 1);
        }
    }
    // An entry is stale unless the two symbols at its place still have its merge.
    struct Pair {
        std::uint32_t rank;
        std::int32_t at;
        Symbol result;
        bool operator<(const Pair& other) const {  // the lowest rank, leftmost, is on top
            return rank != other.rank ? rank > other.rank : at > other.at;
        }
    };
    if (symbols.size() > 0x7FFFFFFF) throw std::invalid_argument("a piece of more than 2 GB");
    auto& nodes = work.nodes;
    nodes.resize(symbols.size());
    const auto last = static_cast<std::int32_t>(symbols.size()) - 1;
    for (std::int32_t i = 0; i <= last; ++i)
        nodes[static_cast<std::size_t>(i)] = {symbols[static_cast<std::size_t>(i)], i - 1,
                                              i == last ? -1 : i + 1};
    const auto node = [&](std::int32_t i) -> MergeWork::Node& {
        return nodes[static_cast<std::size_t>(i)];
    };
    std::priority_queue<Pair> heap;
    const auto push = [&](std::int32_t at) {
        if (at < 0 || node(at).next < 0) return;
        const auto& merge = table_.find(node(at).symbol, node(node(at).next).symbol);
        if (merge.rank != 0) heap.push({merge.rank, at, merge.result});
    };
    for (std::int32_t i = 0; i < last; ++i) push(i);
    while (!heap.empty()) {
        const Pair pair = heap.top();
        heap.pop();
        MergeWork::Node& left = node(pair.at);
        if (left.next < 0) continue;
        MergeWork::Node& right = node(left.next);
        const auto& merge = table_.find(left.symbol, right.symbol);
        if (merge.rank == 0 || merge.result != pair.result) continue;
        left.symbol = pair.result;
        left.next = right.next;
        if (right.next >= 0) node(right.next).previous = pair.at;
        right.next = -2;
        push(left.previous);
        push(pair.at);
    }
    symbols.clear();
    for (std::int32_t i = nodes.empty() ? -1 : 0; i >= 0; i = node(i).next)
        symbols.push_back(node(i).symbol);
    if (nodes.size() > kKept) nodes = {};
    return symbols.size();
}

}  // namespace ctxmem
