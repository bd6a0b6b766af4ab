#include "core/dedup/alignment.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/support/secret.hpp"

namespace ctxmem {
namespace {

constexpr std::int32_t kMostEdits = 512;
constexpr std::int64_t kMostSteps = 16;  // per item, in addition to kFreeSteps
constexpr std::int64_t kFreeSteps = 1 << 18;
constexpr std::uint32_t kNone = 0xFFFFFFFF;

using Item = ReadText::Item;
using Row = std::vector<std::uint32_t>;
using Hashes = std::vector<std::uint64_t>;
using Texts = std::array<const ReadText*, 2>;
using Match = std::pair<std::uint32_t, std::uint32_t>;  // positions in the two rows

// Myers' algorithm --------------------------------------------------------------------------------

// The states of a search, from which its path is read.
struct Trace {
    // Row d has the furthest x before edit d on each of the diagonals -d .. d. The rows before it
    // have 1 + 3 + ... + (2d - 1) values, so row d begins at d * d.
    std::vector<std::int32_t> furthest;
    std::int32_t edits = 0;

    std::int32_t at(std::int32_t d, std::int32_t k) const {
        return furthest[static_cast<std::size_t>(d) * static_cast<std::size_t>(d) +
                        static_cast<std::size_t>(k + d)];
    }
};

// Whether edit d reaches diagonal k by an insertion (from k + 1) or by a deletion (from k - 1).
template <class Furthest>
bool inserts(const Furthest& furthest, std::int32_t d, std::int32_t k) {
    return k == -d || (k != d && furthest(k - 1) < furthest(k + 1));
}

// How many items of the two rows have no equal in the other row: no path has fewer edits.
std::size_t unmatched_items(Hashes a, Hashes b, StopToken& stop) {
    stop.check(10 * (a.size() + b.size()));
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    std::size_t common = 0;
    for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
        common += *x == *y;
        const bool both = *x == *y, first = *x < *y;
        x += both || first;
        y += both || !first;
    }
    return a.size() + b.size() - 2 * common;
}

// The furthest point on each diagonal for 0, 1, 2 ... edits; nothing if that exceeds the limits.
std::optional<Trace> search(const Hashes& a, const Hashes& b, StopToken& stop) {
    const auto n = static_cast<std::int32_t>(a.size()), m = static_cast<std::int32_t>(b.size());
    const std::int32_t most = std::min(n + m, kMostEdits);
    std::int64_t steps = kFreeSteps + kMostSteps * (static_cast<std::int64_t>(n) + m);
    if (n + m > kMostEdits && unmatched_items(a, b, stop) > kMostEdits) return std::nullopt;
    std::vector<std::int32_t> furthest(static_cast<std::size_t>(2 * most + 3), 0);
    std::int32_t* const middle = furthest.data() + most + 1;
    const auto at = [middle](std::int32_t k) { return middle[k]; };
    const auto equal = [&](std::int32_t x, std::int32_t y) {
        return a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(y)];
    };
    Trace trace;
    for (std::int32_t d = 0; d <= most; ++d) {
        bool done = false;
        std::int64_t matched = 0;
        trace.furthest.insert(trace.furthest.end(), middle - d, middle + d + 1);
        for (std::int32_t k = -d; k <= d && !done; k += 2) {
            std::int32_t x = d == 0 ? 0 : inserts(at, d, k) ? at(k + 1) : at(k - 1) + 1;
            const std::int32_t from = x;
            while (x < n && x - k < m && equal(x, x - k)) ++x;
            middle[k] = x;
            steps -= x - from + 1;
            matched += x - from;
            done = x >= n && x - k >= m;
        }
        stop.check(static_cast<std::uint64_t>(matched + 4 * (d + 1)));
        if (steps < 0) return std::nullopt;
        trace.edits = d;
        if (done) return trace;
    }
    return std::nullopt;
}

// The matches on the path that a search found, in order. The path is followed from its end (n, m).
std::vector<Match> follow_back(const Trace& trace, std::int32_t n, std::int32_t m) {
    std::vector<Match> matches;
    std::int32_t x = n, y = m;
    for (std::int32_t d = trace.edits; d >= 0; --d) {
        const auto furthest = [&](std::int32_t k) { return trace.at(d, k); };
        const std::int32_t k = x - y;
        std::int32_t before_x = 0, before_y = 0;  // the point from which edit d starts
        if (d > 0) {
            const std::int32_t diagonal = inserts(furthest, d, k) ? k + 1 : k - 1;
            before_x = furthest(diagonal);
            before_y = before_x - diagonal;
        }
        while (x > before_x && y > before_y) matches.emplace_back(--x, --y);
        x = before_x;
        y = before_y;
    }
    std::reverse(matches.begin(), matches.end());
    return matches;
}

// The matched positions in order; nothing if finding them exceeds the limits.
std::optional<std::vector<Match>> match_items(const Hashes& a, const Hashes& b, StopToken& stop) {
    const std::optional<Trace> trace = search(a, b, stop);
    if (!trace) return std::nullopt;
    return follow_back(*trace, static_cast<std::int32_t>(a.size()),
                       static_cast<std::int32_t>(b.size()));
}

// Sentences ---------------------------------------------------------------------------------------

struct Sentence {
    std::uint64_t hash;
    std::uint32_t from, to;  // items
};
using Sentences = std::vector<Sentence>;

// The sentences that lie within [from, to).
Sentences split_sentences(const ReadText& text, std::uint32_t from, std::uint32_t to) {
    Sentences out;
    std::uint32_t begin = from;
    const auto add = [&](std::uint32_t end) {
        if (end <= begin) return;
        std::uint64_t hash = end - begin;
        for (std::uint32_t i = begin; i < end; ++i)
            hash = mix_word(hash, text.items()[i].hash, process_key());
        out.push_back({hash, begin, end});
        begin = end;
    };
    for (const std::uint32_t end : text.ends())
        if (end > from && end < to) add(end);
    add(to);
    return out;
}

// The sentences that overlap [head, end). A sentence may begin in the common beginning and end in
// the common end; only as a whole can it have moved.
Sentences sentences_around(const ReadText& text, std::uint32_t head, std::uint32_t end) {
    const std::vector<std::uint32_t>& stops = text.ends();
    const auto before = std::upper_bound(stops.begin(), stops.end(), head);
    const auto after = std::lower_bound(stops.begin(), stops.end(), end);
    const auto size = static_cast<std::uint32_t>(text.items().size());
    return split_sentences(text, before == stops.begin() ? 0 : *(before - 1),
                           after == stops.end() ? size : *after);
}

// (hash, index) of each sentence, sorted.
std::vector<std::pair<std::uint64_t, std::uint32_t>> by_hash(const Sentences& sentences) {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> out;
    for (std::uint32_t i = 0; i < sentences.size(); ++i) out.emplace_back(sentences[i].hash, i);
    std::sort(out.begin(), out.end());
    return out;
}

// Whether the indices, without kNone, are not ascending.
bool out_of_order(const std::vector<std::uint32_t>& indices) {
    std::uint32_t last = 0;
    for (const std::uint32_t index : indices) {
        if (index == kNone) continue;
        if (index < last) return true;
        last = index;
    }
    return false;
}

// For each side, which sentences both texts contain; nothing if these come in the same order.
using Moved = std::array<std::vector<bool>, 2>;
std::optional<Moved> find_moved(const std::array<Sentences, 2>& sentences) {
    const auto one = by_hash(sentences[0]), two = by_hash(sentences[1]);
    Moved moved{std::vector<bool>(one.size()), std::vector<bool>(two.size())};
    std::vector<std::uint32_t> partner(one.size(), kNone);
    for (std::size_t i = 0, j = 0; i < one.size() && j < two.size();) {
        if (one[i].first == two[j].first) {
            partner[one[i].second] = two[j].second;
            moved[0][one[i++].second] = moved[1][two[j++].second] = true;
        } else {
            one[i].first < two[j].first ? ++i : ++j;
        }
    }
    if (!out_of_order(partner)) return std::nullopt;
    return moved;
}

// Rows and hunks ----------------------------------------------------------------------------------

// The items between the common beginning and the common end, which starts at `ends`.
std::array<Row, 2> plain_rows(std::uint32_t head, const std::array<std::uint32_t, 2>& ends) {
    std::array<Row, 2> rows;
    for (int side = 0; side < 2; ++side)
        for (std::uint32_t i = head; i < ends[side]; ++i) rows[side].push_back(i);
    return rows;
}

// The same without sentences that only moved.
std::array<Row, 2> select_rows(const Texts& texts, std::uint32_t head,
                               const std::array<std::uint32_t, 2>& ends) {
    if (head >= ends[0] || head >= ends[1]) return plain_rows(head, ends);
    const std::array<Sentences, 2> sentences = {sentences_around(*texts[0], head, ends[0]),
                                                sentences_around(*texts[1], head, ends[1])};
    const std::optional<Moved> moved = find_moved(sentences);
    if (!moved) return plain_rows(head, ends);
    std::array<Row, 2> rows;
    for (int side = 0; side < 2; ++side)
        for (std::size_t k = 0; k < sentences[side].size(); ++k) {
            if ((*moved)[side][k]) continue;
            const Sentence& sentence = sentences[side][k];
            for (std::uint32_t i = sentence.from; i < sentence.to; ++i) rows[side].push_back(i);
        }
    return rows;
}

Hashes hashes_of(const ReadText& text, const Row& row) {
    Hashes out;
    out.reserve(row.size());
    for (const std::uint32_t i : row) out.push_back(text.items()[i].hash);
    return out;
}

// The gaps between matches.
std::vector<Hunk> hunks_between(const std::vector<Match>& matches, std::uint32_t a_size,
                                std::uint32_t b_size) {
    std::vector<Hunk> hunks;
    std::uint32_t i = 0, j = 0;
    const auto add = [&](std::uint32_t i_end, std::uint32_t j_end) {
        if (i < i_end || j < j_end) hunks.push_back({{i, j}, {i_end, j_end}});
    };
    for (const auto& [x, y] : matches) {
        add(x, y);
        i = x + 1;
        j = y + 1;
    }
    add(a_size, b_size);
    return hunks;
}

}  // namespace

Alignment align(const ReadText& a, const ReadText& b, StopToken& stop) {
    const std::vector<Item>&one = a.items(), &two = b.items();
    const auto n = static_cast<std::uint32_t>(one.size());
    const auto m = static_cast<std::uint32_t>(two.size());
    const std::uint32_t least = std::min(n, m);
    std::uint32_t head = 0, tail = 0;
    while (head < least && one[head].hash == two[head].hash) ++head;
    if (head == n && head == m) return {};
    while (tail < least - head && one[n - 1 - tail].hash == two[m - 1 - tail].hash) ++tail;
    Alignment out;
    out.row = select_rows({&a, &b}, head, {n - tail, m - tail});
    const auto matches = match_items(hashes_of(a, out.row[0]), hashes_of(b, out.row[1]), stop);
    out.aligned = matches.has_value();
    out.hunks = hunks_between(matches.value_or(std::vector<Match>{}),
                              static_cast<std::uint32_t>(out.row[0].size()),
                              static_cast<std::uint32_t>(out.row[1].size()));
    return out;
}

}  // namespace ctxmem
