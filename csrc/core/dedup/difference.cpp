#include "core/dedup/difference.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/dedup/alignment.hpp"
#include "core/dedup/difference_marks.hpp"
#include "core/dedup/word_lists.hpp"
#include "core/support/secret.hpp"

namespace ctxmem {
namespace {

using Item = ReadText::Item;
using Token = ReadText::Token;

constexpr std::uint32_t kNear = 3;  // items of a hunk in which any two are at the same place
constexpr int kMostCandidates = 8;  // marks that are tried as the new place of one that moved

class Comparison {
public:
    Comparison(const ReadText& a, const ReadText& b, bool wording, StopToken& stop)
        : text_{&a, &b},
          stop_(stop),
          alignment_(align(a, b, stop)),
          active_(active_languages(a, b)),
          wording_(wording) {}

    // Whether there is a difference: what is reported stays, so the first one is enough.
    bool any() {
        begin();
        for (const Hunk& hunk : hunks()) {
            compare(hunk);
            if (!found_.empty()) return true;
        }
        if (!hunks().empty()) report_unmatched();
        if (found_.empty()) report_data();
        return !found_.empty();
    }

    std::vector<Difference> run() {
        if (hunks().empty()) return {};
        begin();
        for (const Hunk& hunk : hunks()) compare(hunk);
        report_unmatched();
        report_data();
        if (wording_) report_wording();
        std::stable_sort(found_.begin(), found_.end(), [](const Found& x, const Found& y) {
            return std::tie(x.a, x.b) < std::tie(y.a, y.b);
        });
        std::vector<Difference> out;
        for (const Found& found : found_) out.push_back(found.difference);
        return out;
    }

private:
    struct Found {
        std::uint32_t a, b;  // positions in the rows, for the order
        Difference difference;
    };
    // A mark without a counterpart in its hunk.
    struct Unmatched {
        Mark mark;
        std::uint32_t hunk;
    };

    void begin() {
        for (int side = 0; side < 2; ++side) used_[side].assign(text_[side]->items().size(), false);
    }
    const std::vector<Hunk>& hunks() const { return alignment_.hunks; }
    bool aligned() const { return alignment_.aligned; }
    // The item at a position of a side's row.
    const Item& item(int side, std::uint32_t at) const {
        return text_[side]->items()[alignment_.row[side][at]];
    }
    std::string_view text_of(int side, const Mark& mark) const {
        return text_[side]->folded().slice(text_[side]->text(), mark.from, mark.to);
    }
    void report(std::uint32_t a, std::uint32_t b, std::string_view x, std::string_view y,
                DifferenceKind kind) {
        found_.push_back({a, b, {x, y, kind}});
    }
    // The same for texts named from one side.
    void report(int side, std::uint32_t at, std::uint32_t place, std::string_view text,
                std::string_view beside, DifferenceKind kind) {
        if (side == 0)
            report(at, place, text, beside, kind);
        else
            report(place, at, beside, text, kind);
    }

    // Used items ----------------------------------------------------------------------------------

    bool is_used(int side, std::uint32_t at) const { return used_[side][alignment_.row[side][at]]; }
    void use(int side, std::uint32_t at) { used_[side][alignment_.row[side][at]] = true; }

    // The items of the text that a mark covers: several in scripts without spaces.
    std::pair<std::size_t, std::size_t> covered(int side, const Mark& mark) const {
        const std::vector<Item>& items = text_[side]->items();
        const auto after =
            std::upper_bound(items.begin(), items.end(), mark.from,
                             [](std::uint32_t from, const Item& one) { return from < one.from; });
        const auto first = static_cast<std::size_t>(after - items.begin()) - 1;
        std::size_t last = first;
        while (last < items.size() && items[last].from < mark.to) ++last;
        return {first, last};
    }
    bool is_used(int side, const Mark& mark) const {
        const auto [first, last] = covered(side, mark);
        for (std::size_t i = first; i < last; ++i)
            if (used_[side][i]) return true;
        return false;
    }
    void use(int side, const Mark& mark) {
        const auto [first, last] = covered(side, mark);
        for (std::size_t i = first; i < last; ++i) used_[side][i] = true;
    }

    // Hunks ---------------------------------------------------------------------------------------

    void compare(const Hunk& hunk) {
        stop_.check(200);
        if (aligned() && same_letters(hunk)) return;
        for (int side = 0; side < 2; ++side)
            marks_[side] = read_marks(*text_[side], alignment_.row[side], hunk.begin[side],
                                      hunk.end[side], active_, stop_);
        if (!marks_[0].empty() && !marks_[1].empty()) {
            cancel();
            pair(hunk);
        }
        if (aligned()) pair_words(hunk);
        for (int side = 0; side < 2; ++side) keep_unmatched(side, hunk);
    }

    // Whether the sides differ only in where they are split, as "e-mail" and "email" do.
    bool same_letters(const Hunk& hunk) const {
        if (hunk.size(0) == 0 || hunk.size(1) == 0) return false;
        std::array<std::u32string, 2> joined;
        for (int side = 0; side < 2; ++side)
            for (std::uint32_t at = hunk.begin[side]; at < hunk.end[side]; ++at) {
                if (item(side, at).token != Token::word) return false;
                joined[side] += letters_of(*text_[side], item(side, at));
            }
        return joined[0] == joined[1];
    }

    static bool by_meaning(const Mark& x, const Mark& y) {
        return std::tie(x.family, x.value, x.from) < std::tie(y.family, y.value, y.from);
    }

    // Removes the marks that both sides of a hunk have.
    void cancel() {
        std::array<std::vector<Mark>, 2> left;
        for (std::vector<Mark>& marks : marks_) std::sort(marks.begin(), marks.end(), by_meaning);
        std::size_t i = 0, j = 0;
        const std::vector<Mark>&a = marks_[0], &b = marks_[1];
        while (i < a.size() && j < b.size()) {
            stop_.check(50);
            const auto x = std::tie(a[i].family, a[i].value), y = std::tie(b[j].family, b[j].value);
            if (x == y) {
                if (!other_words(a[i], b[j])) {
                    use(0, a[i]);
                    use(1, b[j]);
                }
                ++i, ++j;
            } else if (x < y) {
                left[0].push_back(a[i++]);
            } else {
                left[1].push_back(b[j++]);
            }
        }
        left[0].insert(left[0].end(), a.begin() + static_cast<std::ptrdiff_t>(i), a.end());
        left[1].insert(left[1].end(), b.begin() + static_cast<std::ptrdiff_t>(j), b.end());
        marks_ = std::move(left);
    }

    // Whether two marks of one meaning are two words of data, as "removed" and "deleted" are.
    bool other_words(const Mark& a, const Mark& b) const {
        const Item &one = item(0, a.item), &two = item(1, b.item);
        return one.data && two.data && one.token == Token::word && two.token == Token::word &&
               one.hash != two.hash;
    }

    // Whether two positions are at the same place of a hunk: equally far from its beginning or end.
    static bool at_one_place(const Hunk& hunk, std::uint32_t a, std::uint32_t b) {
        return std::max(hunk.size(0), hunk.size(1)) <= kNear ||
               a - hunk.begin[0] == b - hunk.begin[1] || hunk.end[0] - a == hunk.end[1] - b;
    }

    static bool in_order(const Mark& x, const Mark& y) {
        return std::tie(x.family, x.from, y.to, x.value) <
               std::tie(y.family, y.from, x.to, y.value);
    }

    // Reports marks of one family on both sides as differences, pair by pair in text order.
    void pair(const Hunk& hunk) {
        std::vector<Mark>&a = marks_[0], &b = marks_[1];
        std::sort(a.begin(), a.end(), in_order);
        std::sort(b.begin(), b.end(), in_order);
        std::array<std::vector<bool>, 2> paired = {std::vector<bool>(a.size()),
                                                   std::vector<bool>(b.size())};
        for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
            stop_.check(50);
            if (a[i].family != b[j].family) {
                a[i].family < b[j].family ? ++i : ++j;
            } else if (is_used(0, a[i])) {
                ++i;
            } else if (is_used(1, b[j])) {
                ++j;
            } else if (!may_pair(hunk, a[i], b[j])) {
                // Skip the one that is nearer to the beginning of its side.
                a[i].item - hunk.begin[0] <= b[j].item - hunk.begin[1] ? ++i : ++j;
            } else {
                report(a[i].item, b[j].item, text_of(0, a[i]), text_of(1, b[j]), a[i].kind);
                use(0, a[i]);
                use(1, b[j]);
                paired[0][i++] = paired[1][j++] = true;
            }
        }
        for (int side = 0; side < 2; ++side) remove(marks_[side], paired[side]);
    }

    // Opposites and units differ only at the same place.
    bool may_pair(const Hunk& hunk, const Mark& a, const Mark& b) const {
        if (!((a.flags | b.flags) & kWordPair)) return true;
        return aligned() && at_one_place(hunk, a.item, b.item);
    }

    template <class One>
    static void remove(std::vector<One>& from, const std::vector<bool>& which) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < from.size(); ++i)
            if (!which[i]) from[kept++] = from[i];
        from.resize(kept);
    }

    // Compares the words at the same place of a hunk, counted from its beginning and from its end.
    void pair_words(const Hunk& hunk) {
        const std::uint32_t size = std::min(hunk.size(0), hunk.size(1));
        for (std::uint32_t i = 0; i < size; ++i) {
            pair_words(hunk.begin[0] + i, hunk.begin[1] + i);
            pair_words(hunk.end[0] - 1 - i, hunk.end[1] - 1 - i);
        }
    }

    void pair_words(std::uint32_t a, std::uint32_t b) {
        if (is_used(0, a) || is_used(1, b)) return;
        const Item &one = item(0, a), &two = item(1, b);
        if (one.token != Token::word || two.token != Token::word) return;
        const auto kind =
            contradiction(letters_of(*text_[0], one), letters_of(*text_[1], two), active_);
        if (!kind) return;
        report(a, b, text_[0]->slice(one), text_[1]->slice(two), *kind);
        use(0, a);
        use(1, b);
    }

    // Unmatched marks -----------------------------------------------------------------------------

    // Keeps the marks that are left of a hunk: those that always count, and others if this side has
    // more items than the other.
    void keep_unmatched(int side, const Hunk& hunk) {
        const bool longer = aligned() && hunk.size(side) > hunk.size(1 - side);
        const auto number = static_cast<std::uint32_t>(&hunk - hunks().data());
        std::sort(marks_[side].begin(), marks_[side].end(), [](const Mark& x, const Mark& y) {
            return std::tie(x.from, y.to, x.family, x.value) <
                   std::tie(y.from, x.to, y.family, y.value);
        });
        for (const Mark& mark : marks_[side]) {
            stop_.check(50);
            if (mark.flags & kWordPair) continue;
            if (!(mark.flags & kWordStrong) && !longer) continue;
            if (is_used(side, mark)) continue;
            use(side, mark);
            unmatched_[side].push_back({mark, number});
        }
    }

    // A mark with the item before or after it: (family, value, 0 before or 1 after, hash).
    using Neighbour = std::tuple<std::uint16_t, std::uint64_t, int, std::uint64_t>;
    using Neighbours = std::vector<std::pair<Neighbour, std::uint32_t>>;  // with index; sorted

    std::vector<Neighbour> neighbours(int side, const Unmatched& one) const {
        if (!aligned()) return {};
        const std::uint32_t from = hunks()[one.hunk].begin[side], to = hunks()[one.hunk].end[side];
        const Mark& mark = one.mark;
        std::vector<Neighbour> out;
        if (mark.item > from && mark.item < to)
            out.emplace_back(mark.family, mark.value, 0, item(side, mark.item - 1).hash);
        if (mark.item + 1 < to)
            out.emplace_back(mark.family, mark.value, 1, item(side, mark.item + 1).hash);
        return out;
    }

    // Reports the unmatched marks, except those that moved with a neighbour: "within 30 days" at
    // the end of one text and at the beginning of the other is no difference.
    void report_unmatched() {
        Neighbours index;
        for (std::uint32_t k = 0; k < unmatched_[1].size(); ++k)
            for (const Neighbour& key : neighbours(1, unmatched_[1][k])) index.emplace_back(key, k);
        std::sort(index.begin(), index.end());
        std::vector<bool> moved(unmatched_[1].size(), false);
        for (const Unmatched& one : unmatched_[0])
            if (!find_moved(index, one, moved)) report_unmatched(0, one);
        for (std::uint32_t k = 0; k < unmatched_[1].size(); ++k)
            if (!moved[k]) report_unmatched(1, unmatched_[1][k]);
    }

    // Whether the second side has the mark of the first with one of its neighbours; then marks it.
    bool find_moved(const Neighbours& index, const Unmatched& one, std::vector<bool>& moved) const {
        stop_.check(100);
        for (const Neighbour& key : neighbours(0, one)) {
            auto at = std::lower_bound(index.begin(), index.end(), std::pair{key, 0u});
            for (int tries = 0; tries < kMostCandidates; ++at, ++tries) {
                if (at == index.end() || at->first != key) break;
                if (!moved[at->second]) return moved[at->second] = true;
            }
        }
        return false;
    }

    // Reports a mark together with the word at its place in the other text, if that is known.
    void report_unmatched(int side, const Unmatched& one) {
        stop_.check(100);
        const Hunk& hunk = hunks()[one.hunk];
        const std::uint32_t at = one.mark.item;
        std::string_view beside;
        std::uint32_t place = hunk.begin[1 - side];
        if (aligned() && hunk.size(0) == hunk.size(1)) {
            place += at - hunk.begin[side];
            if (place < hunk.end[1 - side] && !is_used(1 - side, place) &&
                item(1 - side, place).token == Token::word &&
                item(side, at).token != Token::letter) {
                beside = text_[1 - side]->slice(item(1 - side, place));
                use(1 - side, place);
            }
        }
        report(side, at, place, text_of(side, one.mark), beside, one.mark.kind);
    }

    // Data ----------------------------------------------------------------------------------------

    // A word of data, or a run of letters of a script without spaces: positions [from, to) of a row.
    struct DataWord {
        std::uint32_t from, to, hunk;
        std::uint64_t hash;
        std::array<std::uint64_t, 2> beside{};  // hashes of the items before and after it
    };
    using DataWords = std::array<std::vector<DataWord>, 2>;

    // Reports the words of data that only one side has, if the other side has such words too: one
    // replaced the other. Where only one side has more, it contains what the other has.
    void report_data() {
        DataWords moving;
        for (std::uint32_t h = 0; h < hunks().size(); ++h) {
            const Hunk& hunk = hunks()[h];
            stop_.check(50);
            if (aligned() && same_letters(hunk)) continue;
            DataWords words;
            for (int side = 0; side < 2; ++side) words[side] = data_words(side, h);
            const bool near = aligned() && std::max(hunk.size(0), hunk.size(1)) <= kNear;
            if (near && !words[0].empty() && !words[1].empty())
                report_data(words);
            else
                for (int side = 0; side < 2; ++side)
                    moving[side].insert(moving[side].end(), words[side].begin(), words[side].end());
        }
        cancel(moving, 0);
        cancel(moving, 1);
        if (!moving[0].empty() && !moving[1].empty()) report_data(moving);
    }

    std::vector<DataWord> data_words(int side, std::uint32_t h) const {
        std::vector<DataWord> out;
        for (std::uint32_t at = hunks()[h].begin[side]; at < hunks()[h].end[side]; ++at) {
            const Item& one = item(side, at);
            const bool word = one.token == Token::word || one.token == Token::letter;
            if (!word || !one.data || is_used(side, at)) continue;
            const bool goes_on =
                one.token == Token::letter && one.joined && !out.empty() && out.back().to == at;
            if (goes_on) {
                out.back().to = at + 1;
                out.back().hash = mix_word(out.back().hash, one.hash, process_key());
            } else {
                out.push_back({at, at + 1, h, one.hash});
            }
        }
        const std::size_t size = alignment_.row[side].size();
        for (DataWord& word : out)
            word.beside = {word.from > 0 ? item(side, word.from - 1).hash : 0,
                           word.to < size ? item(side, word.to).hash : 0};
        return out;
    }

    // Removes the words that both sides have beside the same item, which moved together with it.
    static void cancel(DataWords& words, std::size_t beside) {
        const auto key = [beside](const DataWord& word) {
            return std::pair{word.hash, word.beside[beside]};
        };
        std::array<std::vector<bool>, 2> both;
        for (int side = 0; side < 2; ++side) {
            std::sort(words[side].begin(), words[side].end(),
                      [key](const DataWord& x, const DataWord& y) {
                          return std::pair{key(x), x.from} < std::pair{key(y), y.from};
                      });
            both[side].assign(words[side].size(), false);
        }
        for (std::size_t i = 0, j = 0; i < words[0].size() && j < words[1].size();) {
            const auto x = key(words[0][i]), y = key(words[1][j]);
            if (x == y) both[0][i] = both[1][j] = true;
            i += x <= y;
            j += y <= x;
        }
        for (int side = 0; side < 2; ++side) {
            remove(words[side], both[side]);
            // In the order of the text: hashes differ between processes.
            std::sort(words[side].begin(), words[side].end(),
                      [](const DataWord& x, const DataWord& y) { return x.from < y.from; });
        }
    }

    // Reports words of data, the first of one side with the first of the other, and so on.
    void report_data(const DataWords& words) {
        const std::size_t pairs = std::min(words[0].size(), words[1].size());
        for (std::size_t i = 0; i < pairs; ++i)
            report(words[0][i].from, words[1][i].from, data_text(0, words[0][i]),
                   data_text(1, words[1][i]), DifferenceKind::identifier);
        for (int side = 0; side < 2; ++side)
            for (std::size_t i = pairs; i < words[side].size(); ++i)
                report(side, words[side][i].from, hunks()[words[side][i].hunk].begin[1 - side],
                       data_text(side, words[side][i]), {}, DifferenceKind::identifier);
    }

    // The text of a word of data, which is then used.
    std::string_view data_text(int side, const DataWord& word) {
        for (std::uint32_t at = word.from; at < word.to; ++at) use(side, at);
        return text_[side]->folded().slice(text_[side]->text(), item(side, word.from).from,
                                           item(side, word.to - 1).to);
    }

    // Wording -------------------------------------------------------------------------------------

    // Reports the items of the hunks that are not used and that the other side does not have.
    void report_wording() {
        using HashAndPosition = std::pair<std::uint64_t, std::uint32_t>;
        std::array<std::vector<HashAndPosition>, 2> left;
        for (const Hunk& hunk : hunks())
            for (int side = 0; side < 2; ++side)
                for (std::uint32_t at = hunk.begin[side]; at < hunk.end[side]; ++at)
                    if (!is_used(side, at)) left[side].emplace_back(item(side, at).hash, at);
        std::sort(left[0].begin(), left[0].end());
        std::sort(left[1].begin(), left[1].end());
        std::array<std::vector<std::uint32_t>, 2> words;
        std::size_t i = 0, j = 0;
        while (i < left[0].size() || j < left[1].size()) {
            if (j == left[1].size() || (i < left[0].size() && left[0][i].first < left[1][j].first))
                words[0].push_back(left[0][i++].second);
            else if (i == left[0].size() || left[1][j].first < left[0][i].first)
                words[1].push_back(left[1][j++].second);
            else
                ++i, ++j;  // moved
        }
        // In the order of the texts: hashes differ between processes.
        for (int side = 0; side < 2; ++side) {
            std::sort(words[side].begin(), words[side].end());
            for (const std::uint32_t at : words[side]) report_word(side, at);
        }
    }

    void report_word(int side, std::uint32_t at) {
        stop_.check(50);
        const std::string_view text = text_[side]->slice(item(side, at));
        report(side, at, place_of(side, at), text, {}, DifferenceKind::wording);
    }

    // Where in the other text the hunk of a position begins.
    std::uint32_t place_of(int side, std::uint32_t at) const {
        const auto ends_after = [&](std::uint32_t value, const Hunk& hunk) {
            return value < hunk.end[side];
        };
        return std::upper_bound(hunks().begin(), hunks().end(), at, ends_after)->begin[1 - side];
    }

    std::array<const ReadText*, 2> text_;
    StopToken& stop_;
    Alignment alignment_;
    ActiveLanguages active_;
    bool wording_;
    std::array<std::vector<Mark>, 2> marks_;  // of the hunk that is being compared
    std::array<std::vector<Unmatched>, 2> unmatched_;
    std::array<std::vector<bool>, 2> used_;  // items of each text that a result or a match covers
    std::vector<Found> found_;
};

// Whether the texts are to be exchanged, so that a pair is aligned in one way in either order. By
// their bytes, since hashes differ between processes.
bool exchanged(const ReadText& a, const ReadText& b) { return b.text() < a.text(); }

// Whether `a` has more strong items than all items of `b` could match. A strong item matches an
// equal item or a mark of the other text, each of which matches once, and a word has a mark for
// each of its entries and one as a label. So a line and a long table differ without an alignment.
bool outnumbers(const ReadText& a, const ReadText& b) {
    return !b.spaceless() && a.strong() > (WordLists::kMostEntries + 1) * b.items().size();
}

}  // namespace

std::vector<Difference> differences(const ReadText& a, const ReadText& b, bool wording,
                                    StopToken& stop) {
    if (!exchanged(a, b)) return Comparison(a, b, wording, stop).run();
    std::vector<Difference> out = Comparison(b, a, wording, stop).run();
    for (Difference& one : out) std::swap(one.a, one.b);
    return out;
}

bool differ(const ReadText& a, const ReadText& b, StopToken& stop) {
    if (outnumbers(a, b) || outnumbers(b, a)) return true;
    return exchanged(a, b) ? Comparison(b, a, false, stop).any()
                           : Comparison(a, b, false, stop).any();
}

}  // namespace ctxmem
