// The rule of difference: what makes two near-duplicates say different things.
//
// Two texts differ in a number (with sign, unit, currency or per cent), an identifier or version, an
// operator, a tick, a negation, a modal, a condition, a quantifier, a month, a weekday, a unit or an
// opposite, in fourteen languages (difference_words/), where one has it and the other does not at the
// same place. Case, layout, quotes, dashes, Unicode forms and hyphenation are no difference, nor is
// another wording: synonyms, the order of sentences, an added adjective.
//
// Texts are folded (fold.hpp), cut into words, numbers, identifiers, signs and single characters of
// scripts without spaces, and aligned by the greedy algorithm of Myers (An O(ND) difference algorithm
// and its variations, 1986); only tokens without a partner are looked up. Reading is linear in the
// text. Comparing takes O(n + d^2) for d edits; more than kMostEdits of them, or kMostSteps of work a
// token, are not aligned, but compared as multisets in O(n log n). Memory: some 12 bytes a character,
// 48 a token, and at most kMostEdits^2 numbers for the edits.
//
// Symmetric: differences(b, a) is differences(a, b) with the sides exchanged.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/asked.hpp"
#include "core/difference_words.hpp"
#include "core/fold.hpp"

namespace ctxmem {

enum class DifferenceKind : std::uint8_t {
    number, negation, modal, condition, quantifier, month, weekday, unit, opposite, symbol,
    operator_, identifier, wording,
};

// Names of the kinds, in the order of the enum.
inline constexpr std::array<std::string_view, 13> kDifferenceKinds = {
    "number", "negation", "modal",  "condition", "quantifier", "month", "weekday",
    "unit",   "opposite", "symbol", "operator",  "identifier", "wording"};

// What stands at one place of two texts: views into them, one of which may be empty.
struct Difference {
    std::string_view a, b;
    DifferenceKind kind;
};

// A text read once, to be compared with many. It keeps a view of the text, which must outlive it.
class ReadText {
public:
    enum class Token : std::uint8_t { word, letter, number, identifier, symbol, operator_ };

    struct Item {
        std::uint64_t hash;        // equal for what says the same
        std::uint32_t from, to;    // in folded characters
        Token token;
        bool joined;               // a letter of a script without spaces that touches the one before
        std::uint16_t value = 0;   // of symbols: what the lists say of it
        std::uint16_t family = 0;
    };

    explicit ReadText(std::string_view utf8);

    std::string_view text() const { return text_; }
    const Folded& folded() const { return folded_; }
    const std::vector<Item>& items() const { return items_; }
    // Numbers of items before which a sentence or line ends, ascending.
    const std::vector<std::uint32_t>& ends() const { return ends_; }
    const std::array<std::uint32_t, tables::kLatinLanguages>& known_by() const { return known_by_; }
    bool kana() const { return kana_; }
    std::string_view slice(const Item& item) const {
        return folded_.slice(text_, item.from, item.to);
    }

private:
    friend class TextScanner;

    std::string_view text_;
    Folded folded_;
    std::vector<Item> items_;
    std::vector<std::uint32_t> ends_;
    std::array<std::uint32_t, tables::kLatinLanguages> known_by_{};  // common words of each language
    bool kana_ = false;
};

// In text order. With `wording`, also the other words in which the two differ, each text's own.
std::vector<Difference> differences(const ReadText& a, const ReadText& b, bool wording = false);

// The rule with a query: texts also differ where `text` has, beyond the other, mainly words of it.
class DifferenceRule {
public:
    explicit DifferenceRule(std::string_view query = {}) : asked_(query) {}
    bool differ(const ReadText& text, const ReadText& other) {
        return !differences(text, other).empty() || asked_.set_apart(text.text(), other.text());
    }
    bool differ(std::string_view text, std::string_view other) {
        return differ(ReadText(text), ReadText(other));
    }

private:
    AskedWords asked_;
};

}  // namespace ctxmem
