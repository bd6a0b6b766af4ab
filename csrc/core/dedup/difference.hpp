// The rule of difference: whether two near-duplicates have different meanings, and where.
//
// Two texts differ if, at the same place, one has a number (with sign, unit, currency or per cent),
// an identifier, version or name, an operator, a tick, a negation, a modal, a condition, a quantifier,
// a month, a weekday, a unit or an opposite that the other does not have. The word lists cover
// fourteen languages (difference_words/). Case, layout, quotes, dashes, Unicode forms and
// hyphenation are not differences. Neither are synonyms, the order of sentences or an added
// adjective. In data and code (data_forms.hpp) there are no synonyms: two texts differ if each has a
// word of data at a place where the other has another one.
//
// A text is folded (fold.hpp) and split into words, numbers, identifiers, signs and single
// characters of scripts without spaces (read_text.cpp). The items of both texts are aligned
// (alignment.hpp). Where they do not match, the words are looked up (difference_marks.hpp) and
// compared with those at the same place of the other text.
//
// Reading takes O(n) time and about 12 bytes of memory per character and 48 per item. Comparing
// takes O(n + d^2) for d edits. Texts that are too far apart to be aligned are compared as
// multisets, in O(n log n).
//
// The rule is symmetric: differences(b, a) is differences(a, b) with the sides exchanged.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/dedup/query_words.hpp"
#include "core/dedup/difference_words.hpp"
#include "core/support/stop_token.hpp"
#include "core/text/fold.hpp"

namespace ctxmem {

enum class DifferenceKind : std::uint8_t {
    number,
    negation,
    modal,
    condition,
    quantifier,
    month,
    weekday,
    unit,
    opposite,
    symbol,
    operator_,
    identifier,
    wording,
};

// Names of the kinds, in the order of the enum.
inline constexpr std::array<std::string_view, 13> kDifferenceKinds = {
    "number", "negation", "modal",  "condition", "quantifier", "month",  "weekday",
    "unit",   "opposite", "symbol", "operator",  "identifier", "wording"};

// The text at one place in each of the two texts, as views. One of the views may be empty.
struct Difference {
    std::string_view a, b;
    DifferenceKind kind;
};

// A text that is read once and compared with many. It keeps a view of the text, which must outlive
// it.
class ReadText {
public:
    enum class Token : std::uint8_t { word, letter, number, identifier, symbol, operator_ };

    struct Item {
        std::uint64_t hash;      // equal for equal meanings
        std::uint32_t from, to;  // in folded characters
        Token token;
        bool joined : 1;          // a letter (Token::letter) that directly follows another one
        bool data : 1 = false;    // in data or code, where every word is a fact
        std::uint16_t value = 0;  // of symbols: value and family in the word lists
        std::uint16_t family = 0;
        std::uint16_t listed = 0xFFFF;  // of words: the place in the word lists, if there is one
    };

    explicit ReadText(std::string_view utf8, StopToken& stop = StopToken::none());

    std::string_view text() const { return text_; }
    const Folded& folded() const { return folded_; }
    const std::vector<Item>& items() const { return items_; }
    // Indices of the items before which a sentence or a line ends, ascending.
    const std::vector<std::uint32_t>& ends() const { return ends_; }
    // The number of common words of each language, in the order of difference_words.hpp.
    const std::array<std::uint32_t, tables::kLatinLanguages>& known_by() const { return known_by_; }
    bool kana() const { return kana_; }
    // Numbers, identifiers, symbols and operators: items that count wherever only one text has them.
    std::size_t strong() const { return strong_; }
    // Whether there are items of scripts without spaces, several of which can form a word.
    bool spaceless() const { return spaceless_; }
    std::string_view slice(const Item& item) const {
        return folded_.slice(text_, item.from, item.to);
    }

private:
    friend class TextScanner;

    void mark_data(StopToken& stop);

    std::string_view text_;
    Folded folded_;
    std::vector<Item> items_;
    std::vector<std::uint32_t> ends_;
    std::array<std::uint32_t, tables::kLatinLanguages> known_by_{};  // see known_by()
    bool kana_ = false;
    bool spaceless_ = false;
    std::size_t strong_ = 0;
};

// The differences in text order. With `wording`, also the other words that only one text has.
std::vector<Difference> differences(const ReadText& a, const ReadText& b, bool wording = false,
                                    StopToken& stop = StopToken::none());

// Whether there are any: the same answer in a part of the time.
bool differ(const ReadText& a, const ReadText& b, StopToken& stop = StopToken::none());

// The rule with a query. Texts also differ if most words that only `text` has are in the query.
class DifferenceRule {
public:
    explicit DifferenceRule(std::string_view query = {}) : query_words_(query) {}
    bool differ(const ReadText& text, const ReadText& other, StopToken& stop = StopToken::none()) {
        return ctxmem::differ(text, other, stop) || set_apart(text, other);
    }
    // Whether most words that only `text` has are in the query.
    bool set_apart(const ReadText& text, const ReadText& other) {
        return query_words_.set_apart(text.text(), other.text());
    }
    bool differ(std::string_view text, std::string_view other) {
        return differ(ReadText(text), ReadText(other));
    }

private:
    QueryWords query_words_;
};

}  // namespace ctxmem
