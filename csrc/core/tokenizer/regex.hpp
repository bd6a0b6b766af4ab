// Regular expressions of pre-tokenisers, as Oniguruma (Hugging Face `tokenizers`) and Rust's
// fancy-regex (tiktoken) match them: leftmost, the first alternative that leads to a match.
//
// Known: alternation, groups, lazy and possessive quantifiers, atomic groups, classes with ranges,
// categories, scripts, POSIX names, nesting and intersection, flags i (ASCII), m and s, look-ahead,
// look-behind of fixed width, anchors and word borders. Anything else throws Unsupported, which
// names it; nothing is ever matched by a guess.
//
// Matching is by backtracking with a stack of its own, never by recursion over the text. Where a
// loop over one class can gain nothing by giving a character back (what follows cannot begin with
// one), it does not try; alternatives that cannot begin with the next byte are not tried. If the
// work still grows beyond a constant times the text, failed states (instruction, position) are
// kept, and no state is tried twice from then on: the result of a state depends on nothing else.
// So the work is at most linear in the text, times the size of the program (Norvig 1991 for the
// memo; Davis et al. 2021 for its use in engines with look-around and atomic groups).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/tokenizer/pretokenise.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem {

struct RegexProgram;

struct RegexMatch {
    std::size_t begin;
    std::size_t end;
};

// Safe from any number of threads at once.
class Regex {
public:
    // Throws Unsupported for what is not known, and for what the engine would refuse.
    Regex(std::string_view pattern, Engine engine);
    Regex(Regex&&) noexcept;
    ~Regex();

    const RegexProgram& program() const { return *program_; }

private:
    std::unique_ptr<const RegexProgram> program_;
};

// The matches of one text in order, which do not overlap. An empty match is given where no match
// ends. The text and the regex must outlive it.
class RegexMatches {
public:
    // `keep_states`: from the beginning rather than when the work has grown; the matches are the
    // same. Throws std::invalid_argument if they are kept of a text of more than 4 GB, as does next.
    RegexMatches(const Regex& regex, std::string_view text, bool keep_states = false);
    ~RegexMatches();

    RegexMatches(const RegexMatches&) = delete;
    RegexMatches& operator=(const RegexMatches&) = delete;

    // False when there is no further match.
    bool next(RegexMatch& match);
    // States tried and characters scanned, as a measure of work.
    std::uint64_t work() const { return work_; }

private:
    struct Choice;
    struct Trail;
    struct Memo;
    enum class Outcome { failed, matched, too_much };

    static std::vector<std::vector<Choice>>& spare_stacks();
    template <bool memo>
    Outcome run(std::uint32_t pc, std::size_t& at, bool nested);

    const RegexProgram& program_;
    std::string_view text_;
    std::size_t at_ = 0;                             // where the next search begins
    std::size_t last_end_ = std::string_view::npos;  // of the last match
    std::uint64_t work_ = 0;
    std::vector<Choice> choices_;
    std::unique_ptr<Memo> memo_;  // made when the work has grown beyond a constant times the text
};

}  // namespace ctxmem
