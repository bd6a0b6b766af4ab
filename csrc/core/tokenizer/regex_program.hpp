// What a regular expression is compiled to (regex.hpp): a graph of instructions, each of which names
// the one that follows it.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/text/char_set.hpp"
#include "core/tokenizer/regex_parse.hpp"

namespace ctxmem {

enum class RegexOp : std::uint8_t {
    byte,        // one ASCII character
    set,         // one character of a set
    possessive,  // min to max characters of a set, all that there are
    greedy,      // the same, but with fewer where what follows fails
    lazy,        // as few as what follows allows
    dispatch,    // branches, in order
    atomic,      // the group ends at `atomic_end` and is then not entered again
    atomic_end,
    look,      // a group matches here, or not
    look_set,  // the next character belongs to a set, or there is none such
    back,      // min characters back
    assertion,
    match,  // of the expression, or of the group of a look
};

// A test for the characters of a set, with a table by first byte: whether a character that begins
// with it belongs to the set.
struct RegexSet {
    // yes: an ASCII character; whole: every character that begins so; look: some of them.
    enum Answer : std::uint8_t { no, yes, whole, look };

    explicit RegexSet(const CharSet& set);

    CharTest test;
    std::array<std::uint8_t, 256> lead{};
};

struct RegexDispatch {
    std::array<std::uint64_t, 256> by_lead{};  // the branches that may match before this byte
    std::uint64_t at_end = 0;                  // and at the end of the text
    std::vector<std::uint32_t> branches;       // at most 64
};

struct RegexInstruction {
    RegexOp op = RegexOp::match;
    char byte = 0;
    bool negative = false;
    Assertion assertion = Assertion::begin_text;
    std::uint32_t next = 0;
    std::uint32_t index = 0;  // of a set or a dispatch; the first of a look; the end of an atomic
    std::uint32_t min = 0;
    std::uint32_t max = 0;
    std::uint32_t memo = 0;    // the number of its states in the memo; 0: none are kept
    std::uint32_t atomic = 0;  // the atomic group that it belongs to, within the look; 0: none
};

struct RegexProgram {
    std::vector<RegexInstruction> code;
    std::vector<RegexSet> sets;
    std::vector<RegexDispatch> dispatches;
    std::uint32_t start = 0;
    std::uint32_t memos = 1;                    // one more than the greatest number
    std::array<std::uint8_t, 256> can_begin{};  // whether a match may begin with this byte
    bool can_begin_at_end = false;
    std::uint32_t words = 0;  // the set of \w, if there are borders of words
};

RegexProgram compile_regex(std::string_view pattern, Engine engine);

}  // namespace ctxmem
