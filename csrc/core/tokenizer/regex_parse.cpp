#include "core/tokenizer/regex_parse.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "core/text/unicode.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem {
namespace {

using Kind = RegexNode::Kind;
using Greed = RegexNode::Greed;

constexpr int kDeepest = 64;
constexpr std::uint32_t kMostRepeats = 1000;

struct Flags {
    bool fold = false;         // i
    bool any_newline = false;  // the dot matches \n too: s, in Oniguruma m
    bool lines = false;        // ^ and $ are of lines: m, in Oniguruma always
};

CharSet one(char32_t c) { return {{c, c}}; }

template <std::size_t n>
CharSet with(CharSet set, const CharRange (&more)[n]) {
    return set | CharSet(std::span<const CharRange>(more));
}

CharSet letters() { return CharSet::named("L") | CharSet::named("Nl"); }
CharSet alphabetic() { return with(letters(), tables::kMoreAlphabetic); }
CharSet hexadecimal() { return {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}; }

// \w in brackets: Oniguruma takes the numbers of Latin-1 for words only outside.
CharSet bracket_word_set(Engine engine) {
    const CharSet words = word_set(engine);
    if (engine == Engine::rust) return words;
    return words - CharSet{{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}};
}

std::optional<CharSet> posix_set(std::string_view name, Engine engine) {
    const bool ascii = engine == Engine::rust;
    const auto pick = [&](CharSet of_ascii, auto of_unicode) {
        return ascii ? of_ascii : of_unicode();
    };
    const auto category = [](const char* of) { return [of] { return CharSet::named(of); }; };
    if (name == "ascii") return CharSet{{0, 127}};
    if (name == "xdigit") return hexadecimal();
    if (name == "digit") return pick({{'0', '9'}}, category("Nd"));
    if (name == "cntrl") return pick({{0, 31}, {127, 127}}, category("Cc"));
    if (name == "space") return pick({{9, 13}, {32, 32}}, [] { return CharSet::space(); });
    if (name == "blank")
        return pick({{9, 9}, {32, 32}}, [] { return CharSet::named("Zs") | one('\t'); });
    if (name == "alpha") return pick({{'A', 'Z'}, {'a', 'z'}}, alphabetic);
    if (name == "alnum")
        return pick({{'0', '9'}, {'A', 'Z'}, {'a', 'z'}},
                    [] { return alphabetic() | CharSet::named("Nd"); });
    if (name == "lower")
        return pick({{'a', 'z'}},
                    [] { return with(CharSet::named("Ll"), tables::kMoreLowercase); });
    if (name == "upper")
        return pick({{'A', 'Z'}},
                    [] { return with(CharSet::named("Lu"), tables::kMoreUppercase); });
    if (name == "punct")
        return pick({{33, 47}, {58, 64}, {91, 96}, {123, 126}},
                    [] { return CharSet::named("P") | CharSet::named("S"); });
    if (name == "word")
        return pick({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                    [] { return bracket_word_set(Engine::onig); });
    return std::nullopt;
}

class Parser {
public:
    Parser(std::string_view pattern, Engine engine) : text_(pattern), engine_(engine) {
        flags_.lines = engine == Engine::onig;
    }

    RegexNode parse() {
        RegexNode tree = alternatives();
        if (at_ < text_.size()) fail("an unmatched )");
        return tree;
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Unsupported("regular expression: " + what + " at byte " + std::to_string(at_) +
                          " of " + std::string(text_));
    }

    bool onig() const { return engine_ == Engine::onig; }
    bool at_end() const { return at_ >= text_.size(); }
    bool ahead(std::string_view token) const { return text_.substr(at_).starts_with(token); }
    bool take(std::string_view token) {
        if (!ahead(token)) return false;
        at_ += token.size();
        return true;
    }
    char32_t character() {
        if (at_end()) fail("an unexpected end");
        const CodePoint point = decode(text_, at_);
        at_ += point.size;
        return point.value;
    }

    // Sequences -----------------------------------------------------------------------------

    RegexNode alternatives() {
        if (++depth_ > kDeepest) fail("groups nested too deep");
        const Flags outer = flags_;
        std::vector<RegexNode> found;
        do {
            found.push_back(sequence());
        } while (take("|"));
        flags_ = outer;
        --depth_;
        if (found.size() == 1) return std::move(found[0]);
        return {.kind = Kind::choice, .children = std::move(found)};
    }

    RegexNode sequence() {
        const std::size_t start = at_;
        RegexNode out{.kind = Kind::sequence};
        char32_t before = 0;  // the letter before, where case is folded
        while (!at_end() && !ahead("|") && !ahead(")")) {
            if (inline_flags(start)) continue;
            const char32_t literal = flags_.fold ? decode(text_, at_).value | 0x20 : 0;
            RegexNode next = quantified(atom());
            const bool letter = next.kind == Kind::set && next.set.ranges().size() > 1;
            check_folded_pair(before, letter ? literal : 0);
            before = letter ? literal : 0;
            out.children.push_back(std::move(next));
        }
        if (out.children.size() == 1) return std::move(out.children[0]);
        return out;
    }

    // Oniguruma folds ss to the sharp s, and so on for the ligatures of these pairs.
    void check_folded_pair(char32_t first, char32_t second) const {
        if (!onig() || first == 0 || second == 0) return;
        for (const char* pair : {"ss", "st", "ff", "fi", "fl"})
            if (first == static_cast<char32_t>(pair[0]) && second == static_cast<char32_t>(pair[1]))
                fail(std::string("a pair of letters that has a ligature, ") + pair +
                     ", in either case");
    }

    // (?i) and the like, which hold to the end of the group.
    bool inline_flags(std::size_t start) {
        if (!ahead("(?")) return false;
        std::size_t end = at_ + 2;
        while (end < text_.size() &&
               (text_[end] == '-' || (text_[end] >= 'a' && text_[end] <= 'z')))
            ++end;
        if (end >= text_.size() || text_[end] != ')' || end == at_ + 2) return false;
        // Oniguruma takes the alternatives that follow into the scope of the flag.
        if (onig() && at_ != start) fail("flags in the middle of a group");
        at_ += 2;
        flags();
        at_ = end + 1;
        return true;
    }

    void flags() {
        bool on = true;
        for (; !at_end() && !ahead(")") && !ahead(":"); ++at_) {
            const char flag = text_[at_];
            if (flag == '-') {
                on = false;
            } else if (flag == 'i') {
                flags_.fold = on;
            } else if (flag == (onig() ? 'm' : 's')) {
                flags_.any_newline = on;
            } else if (flag == 'm') {
                flags_.lines = on;
            } else {
                fail(std::string("flag ") + flag);
            }
        }
    }

    // Quantifiers ---------------------------------------------------------------------------

    RegexNode quantified(RegexNode atom) {
        std::uint32_t min = 0;
        std::uint32_t max = kUnbounded;
        bool interval = false;
        if (take("?")) {
            max = 1;
        } else if (take("+")) {
            min = 1;
        } else if (!take("*")) {
            if (!ahead("{")) return atom;
            bounds(min, max);
            interval = true;
        }
        if (atom.kind == Kind::look || atom.kind == Kind::assertion) fail("a repeated assertion");
        RegexNode out{.kind = Kind::repeat, .min = min, .max = max};
        const bool exact = interval && min == max;
        if (take("?")) {
            if (exact && onig()) fail("a lazy exact count");
            out.greed = Greed::lazy;
        } else if (ahead("+") && (!interval || !onig())) {
            ++at_;
            out.greed = Greed::possessive;
        }
        out.children.push_back(std::move(atom));
        // In Oniguruma {m,n}+ repeats the interval.
        if (interval && onig() && take("+")) {
            RegexNode outer{.kind = Kind::repeat, .min = 1, .max = kUnbounded};
            outer.children.push_back(std::move(out));
            out = std::move(outer);
        }
        if (ahead("?") || ahead("*") || ahead("+") || ahead("{")) fail("a repeated quantifier");
        return out;
    }

    void bounds(std::uint32_t& min, std::uint32_t& max) {
        ++at_;
        const std::optional<std::uint32_t> first = number();
        min = first.value_or(0);
        if (take(",")) {
            const std::optional<std::uint32_t> second = number();
            if (!first && (!second || !onig())) fail("a { that is no quantifier");
            max = second.value_or(kUnbounded);
        } else {
            if (!first) fail("a { that is no quantifier");
            max = min;
        }
        if (!take("}")) fail("a { that is no quantifier");
        if (max < min || max == 0) fail("such bounds of a quantifier");
    }

    std::optional<std::uint32_t> number() {
        std::optional<std::uint32_t> value;
        for (; !at_end() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
            value = value.value_or(0) * 10 + static_cast<std::uint32_t>(text_[at_] - '0');
            if (*value > kMostRepeats) fail("a count above 1000");
        }
        return value;
    }

    // Atoms ---------------------------------------------------------------------------------

    RegexNode of_set(CharSet set) { return {.kind = Kind::set, .set = std::move(set)}; }
    RegexNode of_assertion(Assertion what) { return {.kind = Kind::assertion, .assertion = what}; }

    RegexNode atom() {
        if (ahead("(")) return group();
        if (take("[")) return of_set(bracket());
        if (take(".")) return of_set(flags_.any_newline ? CharSet::all() : one('\n').inverse());
        if (take("^"))
            return of_assertion(!flags_.lines ? Assertion::begin_text
                                : onig()      ? Assertion::begin_line_with_text
                                              : Assertion::begin_line);
        if (take("$"))
            return of_assertion(flags_.lines ? Assertion::end_line : Assertion::end_text);
        if (ahead("*") || ahead("+") || ahead("?") || ahead("{")) fail("nothing to repeat");
        if (!take("\\")) return of_set(folded(one(character())));
        if (at_end()) fail("an unexpected end");
        const std::size_t start = at_;
        switch (text_[at_++]) {
            case 'A': return of_assertion(Assertion::begin_text);
            case 'z': return of_assertion(Assertion::end_text);
            case 'Z':
                if (!onig()) fail("\\Z");
                return of_assertion(Assertion::end_text_or_newline);
            case 'b':
                if (ahead("{")) fail("\\b{");
                return of_assertion(Assertion::word_border);
            case 'B':
                if (ahead("{")) fail("\\B{");
                return of_assertion(Assertion::no_word_border);
            default: at_ = start;
        }
        if (std::optional<CharSet> set = escaped_set(false)) return of_set(std::move(*set));
        return of_set(folded(one(escaped_character())));
    }

    RegexNode group() {
        ++at_;
        const Flags outer = flags_;
        RegexNode out;
        RegexNode::Kind kind = Kind::sequence;
        if (take("?>")) {
            kind = Kind::atomic;
        } else if (take("?=") || take("?!")) {
            kind = Kind::look;
            out.negative = text_[at_ - 1] == '!';
        } else if (take("?<=") || take("?<!")) {
            kind = Kind::look;
            out.negative = text_[at_ - 1] == '!';
            out.behind = true;
        } else if (take("?<") || (!onig() && take("?P<"))) {
            while (!at_end() && text_[at_] != '>') ++at_;
            if (!take(">")) fail("an unexpected end");
        } else if (take("?") && !take(":")) {
            flags();
            if (!take(":")) fail("a group of this kind");
        }
        RegexNode inner = alternatives();
        if (!take(")")) fail("an unmatched (");
        flags_ = outer;
        if (kind == Kind::sequence) {
            // A group keeps its letters apart from those beside it, as far as ligatures go.
            if (inner.kind != Kind::set) return inner;
            kind = Kind::sequence;
        }
        out.kind = kind;
        out.children.push_back(std::move(inner));
        return out;
    }

    // The other case of ASCII letters, and of the two characters that fold to one: the long s and
    // the Kelvin sign.
    CharSet folded(CharSet set) {
        if (!flags_.fold) return set;
        for (const CharRange& range : set.ranges())
            if (range.last > 127) fail("folding case beyond ASCII");
        CharSet out = set;
        for (char32_t c = 'a'; c <= 'z'; ++c)
            if (set.contains(c) || set.contains(c - 32)) out = out | one(c) | one(c - 32);
        if (out.contains('s')) out = out | one(0x17F);
        if (out.contains('k')) out = out | one(0x212A);
        return out;
    }

    // Classes -------------------------------------------------------------------------------

    // Behind the [; takes the ] too.
    CharSet bracket() {
        if (++depth_ > kDeepest) fail("classes nested too deep");
        const bool negative = take("^");
        if (ahead("]")) fail("a ] at the beginning of a class");
        CharSet all = CharSet::all();
        CharSet part;
        bool empty = true;
        while (!take("]")) {
            if (at_end()) fail("an unmatched [");
            if (take("&&")) {
                if (empty) fail("an empty part of a class");
                all = all & part;
                part = {};
                empty = true;
                continue;
            }
            part = part | item();
            empty = false;
        }
        if (empty) fail("an empty part of a class");
        --depth_;
        all = all & part;
        return negative ? all.inverse() : all;
    }

    // A range, a character, a named class or a nested one.
    CharSet item() {
        if (!onig() && (ahead("--") || ahead("~~"))) fail("an operator in a class");
        if (take("[:")) {
            const bool negative = take("^");
            const std::size_t end = text_.find(":]", at_);
            if (end == std::string_view::npos) fail("[: in a class");
            std::optional<CharSet> set = posix_set(text_.substr(at_, end - at_), engine_);
            if (!set) fail("such a POSIX class");
            if (flags_.fold) fail("folding case of a POSIX class");
            at_ = end + 2;
            return negative ? set->inverse() : *set;
        }
        if (take("[")) return bracket();
        char32_t first = 0;
        if (take("\\")) {
            if (std::optional<CharSet> set = escaped_set(true)) {
                if (flags_.fold && !set->ranges().empty() && set->ranges().back().last > 127 &&
                    !closed_)
                    fail("folding case beyond ASCII");
                // A dash behind a class is a dash; the engines differ on it before a ].
                if (ahead("-") && !ahead("-]")) fail("a dash behind a class");
                return *set;
            }
            first = escaped_character();
        } else {
            first = character();
        }
        if (!ahead("-") || ahead("-]")) return folded(one(first));
        if (first == '-') fail("a dash at the beginning of a range");
        ++at_;
        if (ahead("[") || ahead("-")) fail("such an end of a range");
        char32_t last = 0;
        if (take("\\")) {
            if (escaped_set(true)) fail("such an end of a range");
            last = escaped_character();
        } else {
            last = character();
        }
        if (last < first) fail("an empty range");
        return folded({{first, last}});
    }

    // Escapes -------------------------------------------------------------------------------

    // \d, \p{...} and the like, behind the backslash.
    std::optional<CharSet> escaped_set(bool in_bracket) {
        if (at_end()) fail("an unexpected end");
        const char kind = text_[at_];
        CharSet set;
        closed_ = true;
        switch (kind | 0x20) {
            case 'd': set = CharSet::named("Nd"); break;
            case 's': set = CharSet::space(); break;
            case 'w': set = in_bracket ? bracket_word_set(engine_) : word_set(engine_); break;
            case 'h': set = hexadecimal(); break;
            case 'p': {
                ++at_;
                set = property();
                closed_ = false;
                if (flags_.fold) fail("folding case of a category");
                return kind == 'P' ? set.inverse() : set;
            }
            default: return std::nullopt;
        }
        if (kind < 'A' || (kind > 'Z' && kind < 'a')) return std::nullopt;
        ++at_;
        return kind < 'a' ? set.inverse() : set;
    }

    CharSet property() {
        std::string_view name;
        bool negative = false;
        if (take("{")) {
            negative = take("^");
            const std::size_t end = text_.find('}', at_);
            if (end == std::string_view::npos) fail("\\p without a name");
            name = text_.substr(at_, end - at_);
            at_ = end + 1;
        } else {
            if (onig() || at_end()) fail("\\p without a name");
            name = text_.substr(at_++, 1);
        }
        CharSet set = CharSet::named(name);
        if (set.empty() && name == "Alphabetic") set = alphabetic();
        if (set.empty()) fail("\\p{" + std::string(name) + "}");
        return negative ? set.inverse() : set;
    }

    char32_t escaped_character() {
        const char kind = text_[at_++];
        switch (kind) {
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'f': return '\f';
            case 'v': return '\v';
            case 'a': return '\a';
            case 'x':
                if (take("{")) {
                    const char32_t c = hexadecimal_number(1, 6);
                    if (!take("}")) fail("\\x{");
                    return c;
                } else {
                    const char32_t c = hexadecimal_number(2, 2);
                    if (c > 127 && onig()) fail("\\x with a byte above 7F");
                    return c;
                }
            case 'u': return hexadecimal_number(4, 4);
            default: break;
        }
        const bool plain = static_cast<unsigned char>(kind) < 128 && kind > ' ' &&
                           !((kind | 0x20) >= 'a' && (kind | 0x20) <= 'z') &&
                           !(kind >= '0' && kind <= '9');
        --at_;
        // \< and \> are borders of words in Rust.
        if (kind != ' ' && (!plain || (!onig() && (kind == '<' || kind == '>'))))
            fail(std::string("the escape \\") + kind);
        ++at_;
        return static_cast<char32_t>(kind);
    }

    char32_t hexadecimal_number(int least, int most) {
        char32_t value = 0;
        int digits = 0;
        for (; digits < most && !at_end(); ++digits, ++at_) {
            const char c = text_[at_];
            const char lower = static_cast<char>(c | 0x20);
            if (c >= '0' && c <= '9')
                value = value << 4 | static_cast<char32_t>(c - '0');
            else if (lower >= 'a' && lower <= 'f')
                value = value << 4 | static_cast<char32_t>(lower - 'a' + 10);
            else
                break;
        }
        if (digits < least || value > kLastCodePoint) fail("such a code point");
        return value;
    }

    std::string_view text_;
    Engine engine_;
    std::size_t at_ = 0;
    int depth_ = 0;
    Flags flags_;
    bool closed_ = false;  // the last escaped set has both cases of each letter
};

}  // namespace

CharSet word_set(Engine engine) {
    const CharSet words =
        letters() | CharSet::named("M") | CharSet::named("Nd") | CharSet::named("Pc");
    return engine == Engine::rust ? with(words, tables::kMoreWordRust)
                                  : with(words, tables::kMoreWordOnig);
}

RegexNode parse_regex(std::string_view pattern, Engine engine) {
    return Parser(pattern, engine).parse();
}

}  // namespace ctxmem
