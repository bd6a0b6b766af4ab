#include "core/dedup/difference_marks.hpp"

#include <algorithm>
#include <utility>

#include "core/dedup/word_lists.hpp"

namespace ctxmem {
namespace {

using Item = ReadText::Item;
using Token = ReadText::Token;

constexpr std::size_t kMostEnding = 5;  // letters that a word may have after a listed stem
constexpr std::size_t kLeastStem = 3;
constexpr std::uint32_t kContext = 5;  // characters before or after a hunk that its words may use
constexpr std::uint32_t kLongestWord = 16;  // characters, in scripts without spaces
constexpr std::size_t kLeastName = 2;
constexpr std::size_t kLeastNegated = 4;      // letters of a word that a prefix may negate
constexpr std::size_t kMostTries = 12;        // positions at which a compound is split
constexpr std::size_t kLongestCompound = 40;  // letters of a compound of number words
constexpr std::size_t kLongestNumberWord = 12;

// Families in addition to those of the lists, for marks that are not listed words.
constexpr std::uint16_t kNumbers = kind_number(WordKind::number);
constexpr std::uint16_t kIdentifiers = 0xFFF0, kOperators = 0xFFF1, kLabels = 0xFFF2,
                        kNames = 0xFFF3;

DifferenceKind difference_kind(WordKind kind) {
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

// Whether words of a kind make marks.
bool counts(WordKind kind) { return kind <= WordKind::opposite; }

WordKind kind_of_entry(std::uint32_t entry) {
    return static_cast<WordKind>(tables::kWordKind[entry]);
}

std::u32string_view chars(const ReadText& text, std::size_t from, std::size_t to) {
    return {text.folded().chars.data() + from, to - from};
}

// Parts of words ----------------------------------------------------------------------------------

// Whether `longer` is the word with a negating prefix.
bool negates(std::u32string_view longer, std::u32string_view word, const ActiveLanguages& active) {
    if (word.size() < kLeastNegated || longer.size() <= word.size() || !longer.ends_with(word))
        return false;
    const std::u32string_view prefix = longer.substr(0, longer.size() - word.size());
    for (const std::uint32_t e : word_entries(prefix))
        if (kind_of_entry(e) == WordKind::prefix && active[tables::kWordLanguage[e]]) return true;
    return false;
}

// The kind of two listed words of one family with different values.
std::optional<DifferenceKind> opposed(std::u32string_view x, std::u32string_view y,
                                      const ActiveLanguages& active) {
    if (x.size() < 3 || y.size() < 3) return std::nullopt;
    for (const std::uint32_t e : word_entries(x)) {
        if (!counts(kind_of_entry(e)) || !active[tables::kWordLanguage[e]]) continue;
        for (const std::uint32_t f : word_entries(y))
            if (tables::kWordFamily[f] == tables::kWordFamily[e] &&
                tables::kWordValue[f] != tables::kWordValue[e] && active[tables::kWordLanguage[f]])
                return difference_kind(kind_of_entry(e));
    }
    return std::nullopt;
}

// The kind of two words that share an end, or a beginning, and are opposed in the rest.
std::optional<DifferenceKind> opposed_compounds(std::u32string_view x, std::u32string_view y,
                                                const ActiveLanguages& active) {
    const std::size_t least = std::min(x.size(), y.size());
    std::size_t end = 0, begin = 0;
    while (end < least && x[x.size() - 1 - end] == y[y.size() - 1 - end]) ++end;
    while (begin < least && x[begin] == y[begin]) ++begin;
    std::size_t tries = 0;
    for (std::size_t n = end; n >= 2 && tries < kMostTries; --n, ++tries)
        if (const auto kind = opposed(x.substr(0, x.size() - n), y.substr(0, y.size() - n), active))
            return kind;
    tries = 0;
    for (std::size_t n = begin; n >= 2 && tries < kMostTries; --n, ++tries)
        if (const auto kind = opposed(x.substr(n), y.substr(n), active)) return kind;
    return std::nullopt;
}

// The marks of a text -----------------------------------------------------------------------------

class MarkReader {
public:
    MarkReader(const ReadText& text, const std::vector<std::uint32_t>& row,
               const ActiveLanguages& active)
        : text_(text), row_(row), active_(active) {}

    std::vector<Mark> read(std::uint32_t from, std::uint32_t to, StopToken& stop) {
        for (std::uint32_t at = from; at < to; ++at) {
            stop.check(100);
            add_item(at);
        }
        add_letters(from, to);
        return std::exchange(marks_, {});
    }

private:
    // The part of the text that a hunk covers, in folded characters; a gap if `from` is `to`.
    struct Extent {
        std::uint32_t from, to;

        bool overlaps(std::uint32_t begin, std::uint32_t end) const {
            return begin < to && end > from;
        }
    };
    struct Longest {
        std::uint32_t size = 0;  // folded characters; 0: no word
        bool neutral = false;
    };

    void add(std::uint32_t at, Extent extent, std::uint16_t family, std::uint8_t flags,
             DifferenceKind kind, std::uint64_t value) {
        marks_.push_back({at, extent.from, extent.to, family, flags, kind, value});
    }

    void add_item(std::uint32_t at) {
        const Item& item = text_.items()[row_[at]];
        using Kind = DifferenceKind;
        const auto add_strong = [&](std::uint16_t family, Kind kind, std::uint64_t value) {
            add(at, {item.from, item.to}, family, kWordStrong, kind, value);
        };
        switch (item.token) {
            case Token::number: return add_strong(kNumbers, Kind::number, item.hash);
            case Token::identifier: return add_strong(kIdentifiers, Kind::identifier, item.hash);
            case Token::operator_: return add_strong(kOperators, Kind::operator_, item.hash);
            case Token::symbol: return add_strong(item.family, Kind::symbol, item.value);
            case Token::word: return add_word(at);
            case Token::letter: return;  // see add_letters
        }
    }

    bool add_entries(std::uint32_t at, std::u32string_view word, bool stem = false) {
        return add_entries(at, WordLists::get().place(word), stem);
    }

    // Adds the entries of a word, only its stems if `stem`; returns whether there is any.
    bool add_entries(std::uint32_t at, std::uint16_t place, bool stem) {
        const Item& item = text_.items()[row_[at]];
        bool any = false;
        for (const std::uint32_t e : WordLists::get().entries(place)) {
            const std::uint8_t flags = tables::kWordFlags[e];
            if (!counts(kind_of_entry(e)) || !active_[tables::kWordLanguage[e]]) continue;
            if (stem && !(flags & kWordStem)) continue;
            add(at, {item.from, item.to}, tables::kWordFamily[e], flags,
                difference_kind(kind_of_entry(e)), tables::kWordValue[e]);
            any = true;
        }
        return any;
    }

    // Words with spaces ---------------------------------------------------------------------------

    void add_word(std::uint32_t at) {
        const Item& item = text_.items()[row_[at]];
        const std::u32string letters = letters_of(text_, item);
        const std::u32string_view word = letters;
        if (is_label(item))
            add(at, {item.from, item.to}, kLabels, kWordPair, DifferenceKind::identifier,
                item.hash);
        else if (is_name(row_[at]))
            add(at, {item.from, item.to}, kNames, kWordPair, DifferenceKind::identifier, item.hash);
        if (add_entries(at, item.listed, false)) return;
        for (std::size_t cut = 1; cut <= kMostEnding && word.size() >= kLeastStem + cut; ++cut)
            if (add_entries(at, word.substr(0, word.size() - cut), true)) return;
        if (word[0] >= 0x600 && word[0] < 0x700) return add_arabic(at, word);
        if (word.size() >= 6 && is_number_compound(word))
            add(at, {item.from, item.to}, kNumbers, kWordStrong, DifferenceKind::number, item.hash);
    }

    // Looks the word up without the conjunctions, prepositions and article that Arabic joins to it.
    void add_arabic(std::uint32_t at, std::u32string_view word) {
        constexpr std::u32string_view kConjunctions = U"\u0648\u0641";
        constexpr std::u32string_view kPrepositions = U"\u0628\u0643\u0644";
        if (word.size() > 2 && kConjunctions.find(word[0]) != kConjunctions.npos) {
            word.remove_prefix(1);
            if (add_entries(at, word)) return;
        }
        if (word.size() > 3 && kPrepositions.find(word[0]) != kPrepositions.npos) {
            if (add_entries(at, word.substr(1))) return;
            word.remove_prefix(word[0] == U'\u0644' && word[1] == U'\u0644' ? 0 : 1);
        }
        if (word.size() > 4 &&
            (word.starts_with(U"\u0627\u0644") || word.starts_with(U"\u0644\u0644")))
            if (add_entries(at, word.substr(2))) return;
        if (word.size() > 5) add_entries(at, word.substr(0, word.size() - 2));  // without a pronoun
    }

    // A capital by itself, a Roman numeral, or a letter in brackets: "type A", "part IV", "9(a)".
    bool is_label(const Item& item) const {
        if (item.to - item.from > 5) return false;
        const std::string_view slice = text_.slice(item);
        if (slice.size() == 1) {
            const Folded& f = text_.folded();
            const bool clause = item.from > 0 && f[item.from - 1] == U'(' && f[item.to] == U')';
            return clause || (slice[0] >= 'A' && slice[0] <= 'Z');
        }
        return slice.size() <= 5 && slice.find_first_not_of("IVXLC") == slice.npos;
    }

    // A word with a capital: within a sentence, or at its start if the next word has one too, as
    // "Alice Meyer". In languages that write every noun so, it may be a noun.
    bool is_name(std::uint32_t i) const {
        const std::vector<Item>& items = text_.items();
        if (!has_capital(items[i]) || items[i].to - items[i].from < kLeastName) return false;
        if (is_function(items[i])) return false;
        const std::vector<std::uint32_t>& ends = text_.ends();
        const auto starts = [&](std::size_t at) {
            return at == 0 || std::binary_search(ends.begin(), ends.end(), at);
        };
        if (!starts(i)) return true;
        return i + 1 < items.size() && !starts(i + 1) && has_capital(items[i + 1]);
    }

    bool has_capital(const Item& item) const {
        if (item.token != Token::word) return false;
        return char_class(decode(text_.slice(item), 0).value) == CharClass::upper;
    }

    bool is_function(const Item& item) const {
        for (const std::uint32_t e : WordLists::get().entries(item.listed))
            if (kind_of_entry(e) == WordKind::function && active_[tables::kWordLanguage[e]])
                return true;
        return false;
    }

    // Whether a word consists of number words, as "fuenftausend" and "twentyfive" do.
    bool is_number_compound(std::u32string_view word) const {
        if (word.size() > kLongestCompound) return false;
        std::array<bool, kLongestCompound + 1> reached{};
        reached[0] = true;
        for (std::size_t from = 0; from < word.size(); ++from) {
            if (!reached[from]) continue;
            const std::size_t last = std::min(word.size(), from + kLongestNumberWord);
            for (std::size_t to = from + 2; to <= last; ++to)
                if (!reached[to]) reached[to] = is_number_word(word.substr(from, to - from));
        }
        return reached[word.size()];
    }

    bool is_number_word(std::u32string_view word) const {
        for (const std::uint32_t e : word_entries(word)) {
            const WordKind kind = kind_of_entry(e);
            const bool number = kind == WordKind::number || kind == WordKind::number_link;
            if (number && active_[tables::kWordLanguage[e]]) return true;
        }
        return false;
    }

    // Words without spaces ------------------------------------------------------------------------

    // Adds the words of each run of letters in [from, to) of the row.
    void add_letters(std::uint32_t from, std::uint32_t to) {
        if (from == to) return add_letters_at_gap(from);
        const std::vector<Item>& items = text_.items();
        for (std::uint32_t at = from; at < to;) {
            const std::uint32_t first = row_[at];
            if (items[first].token != Token::letter) {
                ++at;
                continue;
            }
            std::uint32_t last = first + 1;  // of the run, within the hunk
            std::uint32_t next = at + 1;
            while (next < to && row_[next] == last && items[last].joined) {
                ++last;
                ++next;
            }
            find_words(at, last, {items[first].from, items[last - 1].to});
            at = next;
        }
    }

    // Adds the words that the other text interrupts before a position of the row.
    void add_letters_at_gap(std::uint32_t at) {
        if (at >= row_.size()) return;
        const Item& item = text_.items()[row_[at]];
        if (item.joined) find_words(at, row_[at] + 1, {item.from, item.from});
    }

    // Adds the words that overlap the extent, which begins at a position of the row and ends before
    // item `last` of the text. They may use up to kContext letters before and after it.
    void find_words(std::uint32_t at, std::uint32_t last, Extent extent) {
        const std::vector<Item>& items = text_.items();
        const std::uint32_t first = row_[at];
        std::uint32_t begin = first, end = extent.from == extent.to ? first : last;
        while (begin > 0 && items[begin].joined && first - begin < kContext) --begin;
        while (end < items.size() && items[end].joined && end - last + 1 <= kContext) ++end;
        for (std::uint32_t i = begin; i < end;) {
            const Longest longest = longest_word(i, end);
            if (longest.size == 0) {
                ++i;
                continue;
            }
            const std::uint32_t from = items[i].from, to = from + longest.size;
            if (!longest.neutral && extent.overlaps(from, to)) add_words_at(i, end, at, extent);
            while (i < end && items[i].from < to) ++i;
        }
    }

    // Adds every listed word that begins at item i and overlaps the extent.
    void add_words_at(std::uint32_t i, std::uint32_t end, std::uint32_t at, Extent extent) {
        const std::uint32_t from = text_.items()[i].from, first = row_[at];
        each_word(i, end, [&](std::uint32_t e, std::uint32_t to) {
            if (!extent.overlaps(from, to)) return;
            add(i > first ? at + (i - first) : at, {from, to}, tables::kWordFamily[e],
                tables::kWordFlags[e], difference_kind(kind_of_entry(e)), tables::kWordValue[e]);
        });
    }

    Longest longest_word(std::uint32_t i, std::uint32_t end) const {
        const std::uint32_t from = text_.items()[i].from;
        Longest longest;
        each_word(i, end, [&](std::uint32_t e, std::uint32_t to) {
            if (to - from >= longest.size)
                longest = {to - from, kind_of_entry(e) == WordKind::neutral};
        });
        return longest;
    }

    // Visits (entry, end) of the listed words that begin at item i and end before item `end`.
    template <class Visit>
    void each_word(std::uint32_t i, std::uint32_t end, Visit&& visit) const {
        const std::vector<Item>& items = text_.items();
        const std::uint32_t from = items[i].from;
        for (std::uint32_t j = i; j < end && items[j].to - from <= kLongestWord; ++j) {
            const std::uint32_t to = items[j].to;
            for (const std::uint32_t e : word_entries(chars(text_, from, to))) {
                const WordKind kind = kind_of_entry(e);
                if (!active_[tables::kWordLanguage[e]]) continue;
                if (!counts(kind) && kind != WordKind::neutral) continue;
                const bool whole =
                    !items[i].joined && (j + 1 == items.size() || !items[j + 1].joined);
                if ((tables::kWordFlags[e] & kWordWhole) && !whole) continue;
                visit(e, to);
            }
        }
    }

    const ReadText& text_;
    const std::vector<std::uint32_t>& row_;
    const ActiveLanguages& active_;
    std::vector<Mark> marks_;
};

}  // namespace

std::optional<DifferenceKind> contradiction(std::u32string_view x, std::u32string_view y,
                                            const ActiveLanguages& active) {
    if (negates(x, y, active) || negates(y, x, active)) return DifferenceKind::opposite;
    return opposed_compounds(x, y, active);
}

std::u32string letters_of(const ReadText& text, const Item& item) {
    std::u32string out(chars(text, item.from, item.to));
    if (out.find(U'-') != out.npos)
        std::erase_if(out, [](char32_t c) { return c == U'-' || c <= U' '; });
    return out;
}

ActiveLanguages active_languages(const ReadText& a, const ReadText& b) {
    std::array<std::uint32_t, tables::kLatinLanguages> known{};
    for (std::size_t l = 0; l < known.size(); ++l) known[l] = a.known_by()[l] + b.known_by()[l];
    const std::uint32_t best = *std::max_element(known.begin(), known.end());
    ActiveLanguages active{};
    for (std::size_t l = 0; l < active.size(); ++l)
        active[l] = l >= known.size() || 2 * known[l] >= best;
    active[tables::kLanguageEn] = true;  // texts in every language contain English words
    const bool kana = a.kana() || b.kana();
    active[tables::kLanguageZh] = !kana;
    active[tables::kLanguageJa] = kana;
    return active;
}

std::vector<Mark> read_marks(const ReadText& text, const std::vector<std::uint32_t>& row,
                             std::uint32_t from, std::uint32_t to, const ActiveLanguages& active,
                             StopToken& stop) {
    return MarkReader(text, row, active).read(from, to, stop);
}

}  // namespace ctxmem
