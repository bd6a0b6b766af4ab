// The syntax tree of a regular expression (regex.hpp says which are known).
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/text/char_set.hpp"
#include "core/tokenizer/pretokenise.hpp"

namespace ctxmem {

constexpr std::uint32_t kUnbounded = 0xFFFFFFFF;

enum class Assertion : std::uint8_t {
    begin_text,
    end_text,
    end_text_or_newline,  // at the end, or before a newline that ends the text
    begin_line,
    begin_line_with_text,  // but not behind a newline that ends the text
    end_line,
    word_border,
    no_word_border,
};

struct RegexNode {
    enum class Kind : std::uint8_t {
        set,       // one character of `set`
        sequence,  // all children in order; none: matches nothing
        choice,    // the first child that leads to a match
        repeat,    // the child, min to max times
        atomic,    // the child; no way back into it
        look,      // the child matches (or not) at this position, or ends at it
        assertion,
    };
    enum class Greed : std::uint8_t { greedy, lazy, possessive };

    Kind kind = Kind::sequence;
    CharSet set{};
    std::vector<RegexNode> children{};
    std::uint32_t min = 0;
    std::uint32_t max = 0;
    Greed greed = Greed::greedy;
    bool negative = false;
    bool behind = false;
    Assertion assertion = Assertion::begin_text;
};

// The tree is at most 64 nodes of a kind deep, so that recursion over it is safe.
RegexNode parse_regex(std::string_view pattern, Engine engine);

// The characters of \w.
CharSet word_set(Engine engine);

}  // namespace ctxmem
