#include "core/difference.hpp"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "core/word_lists.hpp"

namespace ctxmem {
namespace {

using Item = ReadText::Item;
using Token = ReadText::Token;

constexpr std::int32_t kMostEdits = 512;     // of an alignment; more are compared as multisets
constexpr std::int64_t kMostSteps = 16;      // of work a token, beside kFreeSteps
constexpr std::int64_t kFreeSteps = 1 << 18;
constexpr std::uint32_t kNear = 3;           // items of a hunk in which all are at one place
constexpr std::size_t kMostEnding = 5;       // letters that a stem may have more
constexpr std::size_t kLeastStem = 3;
constexpr std::size_t kContext = 5;          // characters beside a hunk that a word may begin in
constexpr std::size_t kLeastNegated = 4;     // letters of a word that a prefix turns round
constexpr std::size_t kMostTries = 12;       // places at which a compound is cut
constexpr std::uint32_t kNone = 0xFFFFFFFF;

// Families beyond those of the lists, for what is no word of them.
constexpr std::uint16_t kNumbers = kind_number(WordKind::number);
constexpr std::uint16_t kIdentifiers = 0xFFF0, kOperators = 0xFFF1, kLabels = 0xFFF2;

// Where the texts differ: items [a, a_end) of one are at the place of [b, b_end) of the other.
struct Hunk {
    std::uint32_t a, a_end, b, b_end;
};

// A word, number or sign that counts, of one side of a hunk.
struct Mark {
    std::uint32_t item;      // the first that it covers
    std::uint32_t from, to;  // folded characters
    std::uint16_t family;    // marks of one family are opposed
    std::uint8_t flags;
    DifferenceKind kind;
    std::uint64_t value;  // equal values say the same
};

DifferenceKind kind_of(WordKind kind) {
    switch (kind) {
        case WordKind::number: return DifferenceKind::number;
        case WordKind::negation: return DifferenceKind::negation;
        case WordKind::modal: return DifferenceKind::modal;
        case WordKind::condition: return DifferenceKind::condition;
        case WordKind::quantifier: return DifferenceKind::quantifier;
        case WordKind::month: return DifferenceKind::month;
        case WordKind::weekday: return DifferenceKind::weekday;
        case WordKind::unit: return DifferenceKind::unit;
        default: return DifferenceKind::opposite;
    }
}

bool counts(WordKind kind) { return kind <= WordKind::opposite; }

std::u32string_view chars(const ReadText& text, std::size_t from, std::size_t to) {
    return {text.folded().chars.data() + from, to - from};
}
std::u32string_view chars(const ReadText& text, const Item& item) {
    return chars(text, item.from, item.to);
}

// Alignment ---------------------------------------------------------------------------------------

// The numbers of the items that are compared, in order.
using Row = std::vector<std::uint32_t>;

// Greedy (Myers 1986): the furthest point on each diagonal for 0, 1, 2 ... edits. Returns the matched
// pairs in order, or nothing where that takes more than the limits.
std::optional<std::vector<std::pair<std::uint32_t, std::uint32_t>>> align(
    const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
    const auto n = static_cast<std::int32_t>(a.size()), m = static_cast<std::int32_t>(b.size());
    const std::int32_t most = std::min(n + m, kMostEdits);
    std::int64_t steps = kFreeSteps + kMostSteps * (static_cast<std::int64_t>(n) + m);
    std::vector<std::int32_t> furthest(static_cast<std::size_t>(2 * most + 3), 0);
    std::vector<std::int32_t> trace;  // row d: furthest before edit d, diagonals -d .. d
    const auto at = [&](std::int32_t k) -> std::int32_t& {
        return furthest[static_cast<std::size_t>(k + most + 1)];
    };
    std::int32_t d = 0;
    for (bool done = false; !done; ++d) {
        if (d > most) return std::nullopt;
        for (std::int32_t k = -d; k <= d; ++k) trace.push_back(at(k));
        for (std::int32_t k = -d; k <= d && !done; k += 2) {
            std::int32_t x = d == 0                                             ? 0
                             : k == -d || (k != d && at(k - 1) < at(k + 1)) ? at(k + 1)
                                                                                : at(k - 1) + 1;
            const std::int32_t from = x;
            while (x < n && x - k < m && a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(x - k)])
                ++x;
            at(k) = x;
            steps -= x - from + 1;
            done = x >= n && x - k >= m;
        }
        if (steps < 0) return std::nullopt;
    }
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
    std::int32_t x = n, y = m;
    for (--d; d >= 0; --d) {
        const std::size_t row = static_cast<std::size_t>(d) * static_cast<std::size_t>(d);
        const auto was = [&](std::int32_t k) { return trace[row + static_cast<std::size_t>(k + d)]; };
        const std::int32_t k = x - y;
        std::int32_t px = 0, py = 0;
        if (d > 0) {
            const std::int32_t from = k == -d || (k != d && was(k - 1) < was(k + 1)) ? k + 1 : k - 1;
            px = was(from);
            py = px - from;
        }
        while (x > px && y > py) {
            --x;
            --y;
            pairs.emplace_back(x, y);
        }
        x = px;
        y = py;
    }
    std::reverse(pairs.begin(), pairs.end());
    return pairs;
}

// Sentences ---------------------------------------------------------------------------------------

struct Sentence {
    std::uint64_t hash;
    std::uint32_t from, to;
};

// The sentences that lie within [from, to).
std::vector<Sentence> sentences(const ReadText& text, std::uint32_t from, std::uint32_t to) {
    std::vector<Sentence> out;
    std::uint32_t begin = from;
    const auto add = [&](std::uint32_t end) {
        if (end <= begin) return;
        std::uint64_t hash = end - begin;
        for (std::uint32_t i = begin; i < end; ++i) hash = mix(hash, text.items()[i].hash);
        out.push_back({hash, begin, end});
        begin = end;
    };
    for (const std::uint32_t end : text.ends())
        if (end > from && end < to) add(end);
    add(to);
    return out;
}

// Whether sentences that both texts have stand in another order there; then marks them as moved.
bool find_moved(const std::vector<Sentence>& a, const std::vector<Sentence>& b, std::vector<bool>& in_a,
                std::vector<bool>& in_b) {
    using Place = std::pair<std::uint64_t, std::uint32_t>;
    const auto places = [](const std::vector<Sentence>& of) {
        std::vector<Place> out;
        for (std::uint32_t i = 0; i < of.size(); ++i) out.emplace_back(of[i].hash, i);
        std::sort(out.begin(), out.end());
        return out;
    };
    const std::vector<Place> one = places(a), two = places(b);
    in_a.assign(a.size(), false);
    in_b.assign(b.size(), false);
    std::vector<std::uint32_t> to(a.size(), kNone);
    for (std::size_t i = 0, j = 0; i < one.size() && j < two.size();) {
        if (one[i].first == two[j].first) {
            to[one[i].second] = two[j].second;
            in_a[one[i++].second] = in_b[two[j++].second] = true;
        } else {
            one[i].first < two[j].first ? ++i : ++j;
        }
    }
    std::uint32_t last = 0;
    bool moved = false;
    for (const std::uint32_t place : to) {
        if (place == kNone) continue;
        moved = moved || place < last;
        last = place;
    }
    return moved;
}

// The comparison ----------------------------------------------------------------------------------

class Comparison {
public:
    Comparison(const ReadText& a, const ReadText& b, bool wording)
        : side_{&a, &b}, wording_(wording) {}

    std::vector<Difference> run() {
        if (!find_hunks()) return {};
        know_languages();
        used_[0].assign(side_[0]->items().size(), false);
        used_[1].assign(side_[1]->items().size(), false);
        for (const Hunk& hunk : hunks_) compare(hunk);
        keep_lone();
        if (wording_) add_wording();
        std::stable_sort(found_.begin(), found_.end(), [](const Found& x, const Found& y) {
            return std::tie(x.a, x.b) < std::tie(y.a, y.b);
        });
        std::vector<Difference> out;
        for (const Found& found : found_) out.push_back(found.what);
        return out;
    }

private:
    struct Found {
        std::uint32_t a, b;  // items, for the order
        Difference what;
    };
    struct Lone {
        Mark mark;
        std::uint32_t hunk;
    };

    // Alignment: false where nothing differs.
    bool find_hunks() {
        const std::vector<Item>&a = side_[0]->items(), &b = side_[1]->items();
        const auto least = static_cast<std::uint32_t>(std::min(a.size(), b.size()));
        std::uint32_t head = 0, tail = 0;
        while (head < least && a[head].hash == b[head].hash) ++head;
        if (head == a.size() && head == b.size()) return false;
        while (tail < least - head && a[a.size() - 1 - tail].hash == b[b.size() - 1 - tail].hash) ++tail;
        Row rows[2];
        const auto ends = std::array{static_cast<std::uint32_t>(a.size()) - tail,
                                     static_cast<std::uint32_t>(b.size()) - tail};
        choose(head, ends, rows);
        std::vector<std::uint64_t> one, two;
        for (const std::uint32_t i : rows[0]) one.push_back(a[i].hash);
        for (const std::uint32_t i : rows[1]) two.push_back(b[i].hash);
        const auto pairs = align(one, two);
        aligned_ = pairs.has_value();
        std::uint32_t i = 0, j = 0;
        const auto add = [&](std::uint32_t i_end, std::uint32_t j_end) {
            if (i < i_end || j < j_end) hunks_.push_back({i, i_end, j, j_end});
        };
        if (pairs)
            for (const auto& [x, y] : *pairs) {
                add(x, y);
                i = x + 1;
                j = y + 1;
            }
        add(static_cast<std::uint32_t>(one.size()), static_cast<std::uint32_t>(two.size()));
        row_[0] = std::move(rows[0]);
        row_[1] = std::move(rows[1]);
        return !hunks_.empty();
    }

    // The items between what both begin and end with, without sentences that only moved.
    void choose(std::uint32_t head, const std::array<std::uint32_t, 2>& ends, Row (&rows)[2]) {
        std::vector<Sentence> of[2];
        std::vector<bool> moved[2];
        bool any = false;
        if (head < ends[0] && head < ends[1]) {
            // A sentence may begin in what both begin with; it has to be whole to have moved.
            for (int s = 0; s < 2; ++s) {
                const std::vector<std::uint32_t>& stops = side_[s]->ends();
                const auto before = std::upper_bound(stops.begin(), stops.end(), head);
                const std::uint32_t from = before == stops.begin() ? 0 : *(before - 1);
                const auto after = std::lower_bound(stops.begin(), stops.end(), ends[s]);
                const auto size = static_cast<std::uint32_t>(side_[s]->items().size());
                of[s] = sentences(*side_[s], from, after == stops.end() ? size : *after);
            }
            any = find_moved(of[0], of[1], moved[0], moved[1]);
        }
        for (int s = 0; s < 2; ++s) {
            if (!any) {
                for (std::uint32_t i = head; i < ends[s]; ++i) rows[s].push_back(i);
                continue;
            }
            for (std::size_t k = 0; k < of[s].size(); ++k)
                for (std::uint32_t i = of[s][k].from; !moved[s][k] && i < of[s][k].to; ++i)
                    rows[s].push_back(i);
        }
    }

    // Languages whose lists hold: those that both texts' common words speak for.
    void know_languages() {
        std::array<std::uint32_t, tables::kLatinLanguages> known{};
        for (std::size_t l = 0; l < known.size(); ++l)
            known[l] = side_[0]->known_by()[l] + side_[1]->known_by()[l];
        const std::uint32_t best = *std::max_element(known.begin(), known.end());
        for (std::size_t l = 0; l < active_.size(); ++l)
            active_[l] = l >= known.size() || 2 * known[l] >= best;
        active_[tables::kLanguageEn] = true;  // its words stand in texts of every language
        const bool kana = side_[0]->kana() || side_[1]->kana();
        active_[tables::kLanguageZh] = !kana;
        active_[tables::kLanguageJa] = kana;
    }

    const Item& item(int side, std::uint32_t at) const { return side_[side]->items()[row_[side][at]]; }
    std::uint64_t hash(int side, std::uint32_t at) const { return item(side, at).hash; }

    // Marks --------------------------------------------------------------------------------------

    void add(int side, std::uint32_t at, std::size_t from, std::size_t to, std::uint16_t family,
             std::uint8_t flags, DifferenceKind kind, std::uint64_t value) {
        marks_[side].push_back({at, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to),
                                family, flags, kind, value});
    }

    void collect(int side, std::uint32_t from, std::uint32_t to) {
        marks_[side].clear();
        for (std::uint32_t at = from; at < to; ++at) {
            const Item& here = item(side, at);
            switch (here.token) {
                case Token::number:
                    add(side, at, here.from, here.to, kNumbers, kWordStrong, DifferenceKind::number, here.hash);
                    break;
                case Token::identifier:
                    add(side, at, here.from, here.to, kIdentifiers, kWordStrong,
                        DifferenceKind::identifier, here.hash);
                    break;
                case Token::operator_:
                    add(side, at, here.from, here.to, kOperators, kWordStrong, DifferenceKind::operator_,
                        here.hash);
                    break;
                case Token::symbol:
                    add(side, at, here.from, here.to, here.family, kWordStrong, DifferenceKind::symbol,
                        here.value);
                    break;
                case Token::word: add_word(side, at, here); break;
                case Token::letter: break;
            }
        }
        add_letters(side, from, to);
    }

    bool add_entries(int side, std::uint32_t at, const Item& here, std::u32string_view word, bool stem) {
        return add_entries(side, at, here, hash_chars(word), stem);
    }
    bool add_entries(int side, std::uint32_t at, const Item& here, std::uint64_t hash, bool stem) {
        bool any = false;
        for (const std::uint32_t e : word_entries(hash)) {
            const auto kind = static_cast<WordKind>(tables::kWordKind[e]);
            const std::uint8_t flags = tables::kWordFlags[e];
            if (!counts(kind) || !active_[tables::kWordLanguage[e]]) continue;
            if (stem && !(flags & kWordStem)) continue;
            add(side, at, here.from, here.to, tables::kWordFamily[e], flags, kind_of(kind),
                tables::kWordValue[e]);
            any = true;
        }
        return any;
    }

    void add_word(int side, std::uint32_t at, const Item& here) {
        const std::u32string letters = letters_of(side, here);
        const std::u32string_view word = letters;
        if (is_label(side, here))
            add(side, at, here.from, here.to, kLabels, kWordPair, DifferenceKind::identifier, here.hash);
        if (add_entries(side, at, here, here.hash, false)) return;
        for (std::size_t cut = 1; cut <= kMostEnding && word.size() >= kLeastStem + cut; ++cut)
            if (add_entries(side, at, here, word.substr(0, word.size() - cut), true)) return;
        if (word[0] >= 0x600 && word[0] < 0x700) return add_arabic(side, at, here, word);
        if (word.size() >= 6 && is_number_compound(word))
            add(side, at, here.from, here.to, kNumbers, kWordStrong, DifferenceKind::number, here.hash);
    }

    // The letters of a word, without a hyphen and line end inside it.
    std::u32string letters_of(int side, const Item& here) const {
        std::u32string out(chars(*side_[side], here));
        if (const std::size_t hyphen = out.find(U'-'); hyphen != out.npos)
            out.erase(std::remove_if(out.begin(), out.end(),
                                     [](char32_t c) { return c == U'-' || c <= U' '; }),
                      out.end());
        return out;
    }

    // Without the conjunctions, prepositions and article that Arabic writes in one with a word.
    void add_arabic(int side, std::uint32_t at, const Item& here, std::u32string_view word) {
        constexpr std::u32string_view kConjunctions = U"\u0648\u0641", kPrepositions = U"\u0628\u0643\u0644";
        if (word.size() > 2 && kConjunctions.find(word[0]) != kConjunctions.npos) {
            word.remove_prefix(1);
            if (add_entries(side, at, here, word, false)) return;
        }
        if (word.size() > 3 && kPrepositions.find(word[0]) != kPrepositions.npos) {
            if (add_entries(side, at, here, word.substr(1), false)) return;
            word.remove_prefix(word[0] == U'\u0644' && word[1] == U'\u0644' ? 0 : 1);
        }
        if (word.size() > 4 && (word.starts_with(U"\u0627\u0644") || word.starts_with(U"\u0644\u0644")))
            if (add_entries(side, at, here, word.substr(2), false)) return;
        if (word.size() > 5)  // a pronoun at the end
            add_entries(side, at, here, word.substr(0, word.size() - 2), false);
    }

    // A capital by itself, a Roman number, or a letter in brackets: "type A", "part IV", "9(a)".
    bool is_label(int side, const Item& here) const {
        if (here.to - here.from > 5) return false;
        const std::string_view text = side_[side]->slice(here);
        if (text.size() == 1) {
            const Folded& f = side_[side]->folded();
            const bool clause = here.from > 0 && f[here.from - 1] == U'(' && f[here.to] == U')';
            return clause || (text[0] >= 'A' && text[0] <= 'Z');
        }
        return text.size() <= 5 && text.find_first_not_of("IVXLC") == text.npos;
    }

    // Whether a word is made of number words, as "fuenftausend" and "twentyfive" are.
    bool is_number_compound(std::u32string_view word) const {
        if (word.size() > 40) return false;
        std::array<bool, 41> reached{};
        reached[0] = true;
        for (std::size_t from = 0; from < word.size(); ++from) {
            if (!reached[from]) continue;
            for (std::size_t to = from + 2; to <= std::min(word.size(), from + 12); ++to)
                if (!reached[to]) reached[to] = is_number_word(word.substr(from, to - from));
        }
        return reached[word.size()];
    }
    bool is_number_word(std::u32string_view word) const {
        for (const std::uint32_t e : word_entries(hash_chars(word))) {
            const auto kind = static_cast<WordKind>(tables::kWordKind[e]);
            if ((kind == WordKind::number || kind == WordKind::number_link) &&
                active_[tables::kWordLanguage[e]])
                return true;
        }
        return false;
    }

    // Words inside runs of scripts without spaces: the longest from each place, if the hunk has part
    // of it. Where the hunk is empty on this side, a word that lies across the gap.
    void add_letters(int side, std::uint32_t from, std::uint32_t to) {
        const ReadText& text = *side_[side];
        const std::vector<Item>& items = text.items();
        if (items.empty() || row_[side].empty()) return;
        const bool empty = from == to;
        if (empty && from >= row_[side].size()) return;
        for (std::uint32_t at = from; at < to || empty;) {
            const std::uint32_t first = row_[side][at];
            if (items[first].token != Token::letter) {
                if (empty) return;
                ++at;
                continue;
            }
            if (empty && !items[first].joined) return;
            std::uint32_t last = first + 1;  // of the run, as far as the hunk goes
            std::uint32_t next = at + 1;
            while (next < to && row_[side][next] == last && items[last].joined) {
                ++last;
                ++next;
            }
            std::uint32_t begin = first, end = empty ? first : last;
            while (begin > 0 && items[begin].joined && first - begin < kContext) --begin;
            while (end < items.size() && (end == begin || items[end].joined) && end - last + 1 <= kContext &&
                   items[end].token == Token::letter)
                ++end;
            find_words(side, at, text, begin, end, items[first].from,
                       empty ? items[first].from : items[last - 1].to);
            if (empty) return;
            at = next;
        }
    }

    void find_words(int side, std::uint32_t at, const ReadText& text, std::uint32_t begin, std::uint32_t end,
                    std::uint32_t hunk_from, std::uint32_t hunk_to) {
        const std::vector<Item>& items = text.items();
        for (std::uint32_t i = begin; i < end;) {
            const std::uint32_t from = items[i].from;
            std::uint32_t longest = 0;
            const auto each = [&](auto&& visit) {
                for (std::uint32_t j = i; j < end && items[j].to - from <= 16; ++j) {
                    const std::uint32_t to = items[j].to;
                    for (const std::uint32_t e : word_entries(hash_chars(chars(text, from, to)))) {
                        const auto kind = static_cast<WordKind>(tables::kWordKind[e]);
                        if (!active_[tables::kWordLanguage[e]]) continue;
                        if (!counts(kind) && kind != WordKind::neutral) continue;
                        const bool whole = !items[i].joined && (j + 1 == items.size() || !items[j + 1].joined);
                        if ((tables::kWordFlags[e] & kWordWhole) && !whole) continue;
                        visit(e, kind, to);
                    }
                }
            };
            bool neutral = false;
            each([&](std::uint32_t, WordKind kind, std::uint32_t to) {
                if (to - from < longest) return;
                longest = to - from;
                neutral = kind == WordKind::neutral;
            });
            if (longest == 0) {
                ++i;
                continue;
            }
            const bool touches = hunk_from < hunk_to ? from < hunk_to && from + longest > hunk_from
                                                     : from < hunk_from && from + longest > hunk_from;
            if (touches && !neutral)
                each([&](std::uint32_t e, WordKind kind, std::uint32_t to) {
                    const bool part = hunk_from < hunk_to ? from < hunk_to && to > hunk_from
                                                          : from < hunk_from && to > hunk_from;
                    const std::uint32_t first = row_[side][at];
                    if (part)
                        add(side, i > first ? at + (i - first) : at, from, to, tables::kWordFamily[e], tables::kWordFlags[e], kind_of(kind),
                            tables::kWordValue[e]);
                });
            while (i < end && items[i].from < from + longest) ++i;
        }
    }

    // Hunks --------------------------------------------------------------------------------------

    void compare(const Hunk& hunk) {
        if (aligned_ && same_letters(hunk)) return;
        collect(0, hunk.a, hunk.a_end);
        collect(1, hunk.b, hunk.b_end);
        if (!marks_[0].empty() && !marks_[1].empty()) {
            cancel();
            pair(hunk);
        }
        if (aligned_) pair_words(hunk);
        lone(0, hunk, hunk.a_end - hunk.a, hunk.b_end - hunk.b);
        lone(1, hunk, hunk.b_end - hunk.b, hunk.a_end - hunk.a);
    }

    // "e-mail" and "email": the same letters, cut otherwise.
    bool same_letters(const Hunk& hunk) const {
        if (hunk.a == hunk.a_end || hunk.b == hunk.b_end) return false;
        std::u32string joined[2];
        for (int side = 0; side < 2; ++side)
            for (std::uint32_t at = side ? hunk.b : hunk.a; at < (side ? hunk.b_end : hunk.a_end); ++at) {
                const Item& here = item(side, at);
                if (here.token != Token::word) return false;
                joined[side] += letters_of(side, here);
            }
        return joined[0] == joined[1];
    }

    static bool by_meaning(const Mark& x, const Mark& y) {
        return std::tie(x.family, x.value, x.from) < std::tie(y.family, y.value, y.from);
    }

    // Take out what both sides of a hunk have.
    void cancel() {
        std::vector<Mark> left[2];
        for (std::vector<Mark>& marks : marks_) std::sort(marks.begin(), marks.end(), by_meaning);
        std::size_t i = 0, j = 0;
        const std::vector<Mark>&a = marks_[0], &b = marks_[1];
        while (i < a.size() && j < b.size()) {
            const auto x = std::tie(a[i].family, a[i].value), y = std::tie(b[j].family, b[j].value);
            if (x == y) {
                use(0, a[i++]);
                use(1, b[j++]);
            } else if (x < y) {
                left[0].push_back(a[i++]);
            } else {
                left[1].push_back(b[j++]);
            }
        }
        left[0].insert(left[0].end(), a.begin() + static_cast<std::ptrdiff_t>(i), a.end());
        left[1].insert(left[1].end(), b.begin() + static_cast<std::ptrdiff_t>(j), b.end());
        marks_[0] = std::move(left[0]);
        marks_[1] = std::move(left[1]);
    }

    // The items that a mark covers, by their numbers in the text: several where they are letters.
    std::pair<std::size_t, std::size_t> covered(int side, const Mark& mark) const {
        const std::vector<Item>& items = side_[side]->items();
        const auto after = std::upper_bound(
            items.begin(), items.end(), mark.from,
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

    // Whether two items are at one place of a hunk: as far from its beginning or from its end.
    static bool at_one_place(const Hunk& hunk, std::uint32_t a, std::uint32_t b) {
        const std::uint32_t sizes = std::max(hunk.a_end - hunk.a, hunk.b_end - hunk.b);
        return sizes <= kNear || a - hunk.a == b - hunk.b || hunk.a_end - a == hunk.b_end - b;
    }

    // Marks of one family that are left on both sides, in order.
    void pair(const Hunk& hunk) {
        const auto in_order = [](const Mark& x, const Mark& y) {
            return std::tie(x.family, x.from, y.to) < std::tie(y.family, y.from, x.to);
        };
        std::vector<Mark>&a = marks_[0], &b = marks_[1];
        std::sort(a.begin(), a.end(), in_order);
        std::sort(b.begin(), b.end(), in_order);
        std::vector<bool> gone[2] = {std::vector<bool>(a.size()), std::vector<bool>(b.size())};
        for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
            if (a[i].family != b[j].family) {
                a[i].family < b[j].family ? ++i : ++j;
                continue;
            }
            if (is_used(0, a[i])) {
                ++i;
                continue;
            }
            if (is_used(1, b[j])) {
                ++j;
                continue;
            }
            const bool weak = (a[i].flags & kWordPair) || (b[j].flags & kWordPair);
            if (weak && (!aligned_ || !at_one_place(hunk, a[i].item, b[j].item))) {
                // Whichever is further from the beginning of its side waits for a partner.
                a[i].item - hunk.a <= b[j].item - hunk.b ? ++i : ++j;
                continue;
            }
            report(a[i].item, b[j].item, text_of(0, a[i]), text_of(1, b[j]), a[i].kind);
            use(0, a[i]);
            use(1, b[j]);
            gone[0][i++] = gone[1][j++] = true;
        }
        for (int side = 0; side < 2; ++side) {
            std::vector<Mark> left;
            for (std::size_t i = 0; i < marks_[side].size(); ++i)
                if (!gone[side][i]) left.push_back(marks_[side][i]);
            marks_[side] = std::move(left);
        }
    }

    // Words at one place that differ by a prefix that negates, or in a part that is a listed word.
    void pair_words(const Hunk& hunk) {
        const std::uint32_t size = std::min(hunk.a_end - hunk.a, hunk.b_end - hunk.b);
        for (std::uint32_t i = 0; i < size; ++i) {
            pair_words(hunk.a + i, hunk.b + i);
            pair_words(hunk.a_end - 1 - i, hunk.b_end - 1 - i);
        }
    }

    void pair_words(std::uint32_t a, std::uint32_t b) {
        if (used_[0][row_[0][a]] || used_[1][row_[1][b]]) return;
        const Item &one = item(0, a), &two = item(1, b);
        if (one.token != Token::word || two.token != Token::word) return;
        const std::u32string x = letters_of(0, one), y = letters_of(1, two);
        std::optional<DifferenceKind> kind;
        if (negates(x, y) || negates(y, x)) kind = DifferenceKind::opposite;
        if (!kind) kind = compounds(x, y);
        if (!kind) return;
        report(a, b, side_[0]->slice(one), side_[1]->slice(two), *kind);
        used_[0][row_[0][a]] = used_[1][row_[1][b]] = true;
    }

    // Whether `longer` is the other word with a prefix that turns it round.
    bool negates(std::u32string_view longer, std::u32string_view word) const {
        if (word.size() < kLeastNegated || longer.size() <= word.size() || !longer.ends_with(word))
            return false;
        for (const std::uint32_t e : word_entries(hash_chars(longer.substr(0, longer.size() - word.size()))))
            if (static_cast<WordKind>(tables::kWordKind[e]) == WordKind::prefix &&
                active_[tables::kWordLanguage[e]])
                return true;
        return false;
    }

    // The kind in which two words with a common end, or beginning, are opposed by the rest.
    std::optional<DifferenceKind> compounds(std::u32string_view x, std::u32string_view y) const {
        const std::size_t least = std::min(x.size(), y.size());
        std::size_t end = 0, begin = 0;
        while (end < least && x[x.size() - 1 - end] == y[y.size() - 1 - end]) ++end;
        while (begin < least && x[begin] == y[begin]) ++begin;
        std::size_t tries = 0;
        for (std::size_t n = end; n >= 2 && tries < kMostTries; --n, ++tries)
            if (const auto kind = opposed(x.substr(0, x.size() - n), y.substr(0, y.size() - n))) return kind;
        tries = 0;
        for (std::size_t n = begin; n >= 2 && tries < kMostTries; --n, ++tries)
            if (const auto kind = opposed(x.substr(n), y.substr(n))) return kind;
        return std::nullopt;
    }

    std::optional<DifferenceKind> opposed(std::u32string_view x, std::u32string_view y) const {
        if (x.size() < 3 || y.size() < 3) return std::nullopt;
        for (const std::uint32_t e : word_entries(hash_chars(x))) {
            const auto kind = static_cast<WordKind>(tables::kWordKind[e]);
            if (!counts(kind) || !active_[tables::kWordLanguage[e]]) continue;
            for (const std::uint32_t f : word_entries(hash_chars(y)))
                if (tables::kWordFamily[f] == tables::kWordFamily[e] &&
                    tables::kWordValue[f] != tables::kWordValue[e] && active_[tables::kWordLanguage[f]])
                    return kind_of(kind);
        }
        return std::nullopt;
    }

    // Marks without a partner in their hunk: those that always count, and others that were added.
    void lone(int side, const Hunk& hunk, std::uint32_t size, std::uint32_t other) {
        std::sort(marks_[side].begin(), marks_[side].end(),
                  [](const Mark& x, const Mark& y) {
                      return std::tie(x.from, y.to, x.family) < std::tie(y.from, x.to, y.family);
                  });
        for (const Mark& mark : marks_[side]) {
            if (mark.flags & kWordPair) continue;
            if (!(mark.flags & kWordStrong) && !(aligned_ && size > other)) continue;
            if (is_used(side, mark)) continue;
            use(side, mark);
            lone_[side].push_back({mark, static_cast<std::uint32_t>(&hunk - hunks_.data())});
        }
    }

    std::string_view text_of(int side, const Mark& mark) const {
        return side_[side]->folded().slice(side_[side]->text(), mark.from, mark.to);
    }
    void report(std::uint32_t a, std::uint32_t b, std::string_view x, std::string_view y, DifferenceKind kind) {
        found_.push_back({a, b, {x, y, kind}});
    }

    // What was moved with a neighbour is no difference: "within 30 days" at the end for the beginning.
    void keep_lone() {
        using Key = std::tuple<std::uint16_t, std::uint64_t, int, std::uint64_t>;
        const auto keys = [&](int side, const Lone& lone) {
            const Hunk& hunk = hunks_[lone.hunk];
            const std::uint32_t from = side ? hunk.b : hunk.a, to = side ? hunk.b_end : hunk.a_end;
            const Mark& mark = lone.mark;
            std::vector<Key> out;
            if (!aligned_) return out;
            if (mark.item > from && mark.item < to)
                out.emplace_back(mark.family, mark.value, 0, hash(side, mark.item - 1));
            if (mark.item + 1 < to)
                out.emplace_back(mark.family, mark.value, 1, hash(side, mark.item + 1));
            return out;
        };
        std::vector<std::pair<Key, std::uint32_t>> index;
        for (std::uint32_t k = 0; k < lone_[1].size(); ++k)
            for (const Key& key : keys(1, lone_[1][k])) index.emplace_back(key, k);
        std::sort(index.begin(), index.end());
        std::vector<bool> moved(lone_[1].size(), false);
        for (const Lone& one : lone_[0]) {
            bool found = false;
            for (const Key& key : keys(0, one)) {
                auto at = std::lower_bound(index.begin(), index.end(), std::pair{key, 0u});
                for (int tries = 0; at != index.end() && at->first == key && tries < 8 && !found; ++at, ++tries)
                    if (!moved[at->second]) found = moved[at->second] = true;
                if (found) break;
            }
            if (!found) report_lone(0, one);
        }
        for (std::uint32_t k = 0; k < lone_[1].size(); ++k)
            if (!moved[k]) report_lone(1, lone_[1][k]);
    }

    // Beside a word without a partner stands the one at its place, where that is known.
    void report_lone(int side, const Lone& lone) {
        const Hunk& hunk = hunks_[lone.hunk];
        const std::uint32_t from = side ? hunk.b : hunk.a, other = side ? hunk.a : hunk.b;
        const std::uint32_t end = side ? hunk.a_end : hunk.b_end;
        std::string_view beside;
        std::uint32_t place = other;
        if (aligned_ && hunk.a_end - hunk.a == hunk.b_end - hunk.b && lone.mark.item >= from) {
            place = other + (lone.mark.item - from);
            if (place < end && !used_[1 - side][row_[1 - side][place]] &&
                item(1 - side, place).token == Token::word && item(side, lone.mark.item).token != Token::letter) {
                beside = side_[1 - side]->slice(item(1 - side, place));
                used_[1 - side][row_[1 - side][place]] = true;
            }
        }
        const std::string_view text = text_of(side, lone.mark);
        if (side == 0) report(lone.mark.item, place, text, beside, lone.mark.kind);
        else report(place, lone.mark.item, beside, text, lone.mark.kind);
    }

    // Other words --------------------------------------------------------------------------------

    void add_wording() {
        std::vector<std::pair<std::uint64_t, std::uint32_t>> left[2];
        for (const Hunk& hunk : hunks_)
            for (int side = 0; side < 2; ++side)
                for (std::uint32_t at = side ? hunk.b : hunk.a; at < (side ? hunk.b_end : hunk.a_end); ++at)
                    if (!used_[side][row_[side][at]]) left[side].emplace_back(hash(side, at), at);
        std::sort(left[0].begin(), left[0].end());
        std::sort(left[1].begin(), left[1].end());
        std::size_t i = 0, j = 0;
        const auto tell = [&](int side, std::uint32_t at) {
            const std::string_view text = side_[side]->slice(item(side, at));
            const std::uint32_t place = place_of(side, at);
            if (side == 0) report(at, place, text, {}, DifferenceKind::wording);
            else report(place, at, {}, text, DifferenceKind::wording);
        };
        while (i < left[0].size() || j < left[1].size()) {
            if (j == left[1].size() || (i < left[0].size() && left[0][i].first < left[1][j].first))
                tell(0, left[0][i++].second);
            else if (i == left[0].size() || left[1][j].first < left[0][i].first)
                tell(1, left[1][j++].second);
            else
                ++i, ++j;  // moved
        }
    }

    // Where in the other text the hunk of an item begins.
    std::uint32_t place_of(int side, std::uint32_t at) const {
        const auto hunk = std::upper_bound(hunks_.begin(), hunks_.end(), at,
                                           [&](std::uint32_t value, const Hunk& h) {
                                               return value < (side ? h.b_end : h.a_end);
                                           });
        return side ? hunk->a : hunk->b;
    }

    std::array<const ReadText*, 2> side_;
    bool wording_;
    bool aligned_ = true;
    Row row_[2];
    std::vector<Hunk> hunks_;
    std::array<bool, 16> active_{};
    std::vector<Mark> marks_[2];  // of the hunk that is compared
    std::vector<Lone> lone_[2];
    std::vector<bool> used_[2];  // items that are accounted for
    std::vector<Found> found_;
};

// The order of two texts, so that each pair is aligned in one way, whichever is named first.
bool exchanged(const ReadText& a, const ReadText& b) {
    const auto by_hash = [](const Item& x, const Item& y) { return x.hash < y.hash; };
    return std::lexicographical_compare(b.items().begin(), b.items().end(), a.items().begin(),
                                        a.items().end(), by_hash);
}

}  // namespace

std::vector<Difference> differences(const ReadText& a, const ReadText& b, bool wording) {
    if (!exchanged(a, b)) return Comparison(a, b, wording).run();
    std::vector<Difference> out = Comparison(b, a, wording).run();
    for (Difference& one : out) std::swap(one.a, one.b);
    return out;
}

}  // namespace ctxmem
