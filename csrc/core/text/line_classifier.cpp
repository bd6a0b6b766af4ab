#include "core/text/line_classifier.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "core/text/ascii.hpp"
#include "core/text/sentences.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kLooked = 256;
constexpr int kTab = 8;  // columns between tab stops, as in terminals and manual pages

bool is_name(char c) { return is_alpha(c) || is_digit(c) || c == '_'; }
bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

char at(std::string_view s, std::size_t i) { return i < s.size() ? s[i] : '\0'; }

// Words that a line may begin with, indexed by their first byte because every line is tested.
// Invariant: `words` is sorted, so words that begin with c are from[c] .. from[c + 1].
template <std::size_t n>
struct Openings {
    std::array<std::string_view, n> words;
    std::array<std::uint8_t, 129> from{};

    constexpr explicit Openings(std::array<std::string_view, n> given) : words(given) {
        std::sort(words.begin(), words.end());
        for (std::size_t c = 0; c <= 128; ++c)
            for (const std::string_view word : words)
                if (static_cast<std::size_t>(word[0]) < c) ++from[c];
    }
};

// Whether the content begins with one of the words, as a whole word.
template <std::size_t n>
bool opens_with(std::string_view content, const Openings<n>& openings) {
    const auto head = static_cast<unsigned char>(content[0]);
    if (head >= 0x80) return false;
    for (std::size_t i = openings.from[head]; i < openings.from[head + 1u]; ++i) {
        const std::string_view word = openings.words[i];
        if (content.starts_with(word) &&
            !(is_name(word.back()) && is_name(at(content, word.size()))))
            return true;
    }
    return false;
}

using std::string_view_literals::operator""sv;

// A line that begins with one of these is code, whatever follows.
constexpr Openings kSurely(std::array{"#include"sv,
                                      "#define"sv,
                                      "#ifdef"sv,
                                      "#ifndef"sv,
                                      "#endif"sv,
                                      "#pragma"sv,
                                      "#!/"sv,
                                      "//"sv,
                                      "/*"sv,
                                      "*/"sv,
                                      ">>> "sv,
                                      "<?xml"sv,
                                      "<?php"sv,
                                      "<!DOCTYPE"sv,
                                      "</"sv,
                                      "@Override"sv,
                                      "elif "sv,
                                      "public static"sv,
                                      "private static"sv,
                                      "public class"sv,
                                      "export default"sv,
                                      "export const"sv,
                                      "async def"sv,
                                      "using namespace"sv,
                                      "SELECT * FROM"sv,
                                      "CREATE TABLE"sv,
                                      "INSERT INTO"sv,
                                      "self."sv,
                                      "this."sv,
                                      "console.log"sv,
                                      "fmt."sv,
                                      "System.out"sv,
                                      "std::"sv});

// Weak signs of code; prose may begin with some of these words.
constexpr Openings kMaybe(std::array{
    "def"sv,     "class"sv,     "import"sv,    "from"sv,      "return"sv,   "if"sv,
    "for"sv,     "while"sv,     "else"sv,      "try"sv,       "except"sv,   "finally"sv,
    "with"sv,    "function"sv,  "func"sv,      "fn"sv,        "let"sv,      "const"sv,
    "var"sv,     "public"sv,    "private"sv,   "protected"sv, "static"sv,   "void"sv,
    "int"sv,     "package"sv,   "using"sv,     "namespace"sv, "template"sv, "struct"sv,
    "enum"sv,    "interface"sv, "impl"sv,      "use"sv,       "pub"sv,      "match"sv,
    "switch"sv,  "case"sv,      "break"sv,     "continue"sv,  "pass"sv,     "raise"sv,
    "throw"sv,   "yield"sv,     "assert"sv,    "async"sv,     "await"sv,    "export"sv,
    "typedef"sv, "auto"sv,      "constexpr"sv, "inline"sv,    "double"sv,   "float"sv,
    "char"sv,    "bool"sv,      "string"sv,    "lambda"sv,    "SELECT"sv,   "FROM"sv,
    "WHERE"sv,   "JOIN"sv,      "UPDATE"sv,    "DELETE"sv,    "type"sv,     "do"sv,
    "end"sv,     "echo"sv,      "sudo"sv,      "pip"sv,       "npm"sv,      "git"sv,
    "cd"sv,      "$"sv,         "@"sv,         "<"sv});

constexpr Openings kSuites(std::array{"if"sv, "for"sv, "while"sv, "else"sv, "elif"sv, "try"sv,
                                      "except"sv, "finally"sv, "with"sv, "def"sv, "class"sv,
                                      "async"sv, "match"sv, "case"sv});

constexpr Openings kClosers(std::array{
    "}"sv, ")"sv, "]"sv, "*/"sv, "</"sv, "end"sv, "else"sv, "elif"sv, "except"sv, "finally"sv,
    "catch"sv, "endif"sv, "fi"sv, "done"sv, "esac"sv, "#endif"sv, "#else"sv, "#elif"sv});

// The number of adjacent words separated as in prose: "of the", "fee, if".
int word_pairs(std::string_view s) {
    int pairs = 0;
    for (std::size_t i = 1; i + 1 < s.size(); ++i)
        pairs += s[i] == ' ' && is_alpha(s[i + 1]) && (is_alpha(s[i - 1]) || s[i - 1] == ',');
    return pairs;
}

struct Marks {
    int points = 0;
    int pairs = 0;
};

// Counts operators, calls and names that are typical of code (`points`) and word pairs that are
// typical of prose (`pairs`), outside strings.
constexpr std::array<bool, 256> mark_bytes() {
    std::array<bool, 256> table{};
    for (const char c : std::string_view(" \"#/=!+*<>:-&|(._"))
        table[static_cast<unsigned char>(c)] = true;
    return table;
}
constexpr auto kMarkBytes = mark_bytes();

Marks read_marks(std::string_view s) {
    Marks marks;
    bool called = false;
    bool attribute = false;
    bool named = false;
    for (std::size_t i = 0; i < s.size(); ++i) {
        const char c = s[i];
        if (!kMarkBytes[static_cast<unsigned char>(c)]) continue;
        const char next = at(s, i + 1);
        const char last = i > 0 ? s[i - 1] : '\0';
        switch (c) {
            case ' ':
                marks.pairs += is_alpha(next) && (is_alpha(last) || last == ',');
                if (next == '=' && at(s, i + 2) == ' ') ++marks.points;
                break;
            case '"': {
                const std::size_t open = s.find_last_not_of(' ', i == 0 ? 0 : i - 1);
                const std::size_t close = s.find('"', i + 1);
                if (i > 0 && open != std::string_view::npos && close != std::string_view::npos &&
                    std::strchr("(=[,{+:", s[open]) != nullptr)
                    i = close;
                break;
            }
            case '#':
                if (last == ' ' && i >= 2 && s[i - 2] == ' ' && next == ' ') {
                    ++marks.points;  // a comment at the end of the line
                    i = s.size();
                }
                break;
            case '/':
                if (next == '/' && last == ' ') {
                    ++marks.points;
                    i = s.size();
                    break;
                }
                [[fallthrough]];
            case '=':
            case '!':
            case '+':
            case '*':
            case '<':
            case '>':
            case ':':
                if (next == '=' || (c == '=' && next == '>') || (c == ':' && next == ':')) {
                    ++marks.points;
                    ++i;
                }
                break;
            case '-':
                if (next == '>' || next == '=') {
                    ++marks.points;
                    ++i;
                }
                break;
            case '&':
            case '|':
                if (next == c) {
                    ++marks.points;
                    ++i;
                }
                break;
            case '(':
                if (is_name(last) && !called && s.substr(i, 3) != "(s)") {
                    called = true;
                    ++marks.points;
                }
                if (next == ')') ++marks.points;
                break;
            case '.':
                if (!attribute && is_lower(next) && (is_name(last) || last == ')')) {
                    attribute = true;
                    ++marks.points;
                }
                break;
            case '_':
                if (!named && is_name(last) && is_name(next)) {
                    named = true;
                    ++marks.points;
                }
                break;
            default: break;
        }
    }
    return marks;
}

bool is_json_member(std::string_view s) {
    if (at(s, 0) != '"') return false;
    const std::size_t close = s.substr(0, 80).find('"', 1);
    return close != std::string_view::npos && at(s, close + 1) == ':';
}

}  // namespace

Line line_at(std::string_view text, std::size_t begin) {
    Line line{};
    line.begin = begin;
    const std::size_t newline = text.find('\n', begin);
    line.next = newline == std::string_view::npos ? text.size() : newline + 1;
    line.first = begin;
    while (line.first < line.next) {
        const char c = text[line.first];
        if (c == ' ')
            ++line.indent;
        else if (c == '\t')
            line.indent += kTab - line.indent % kTab;
        else
            break;
        ++line.first;
    }
    const std::size_t ascii = line.first;
    line.first = skip_space(text, ascii, line.next);
    line.wide_indent =
        line.first >= ascii + 3 && text.compare(line.first - 3, 3, "\xE3\x80\x80") == 0;
    line.last = trim_space(text, line.first, line.next);
    return line;
}

std::size_t fence_size(std::string_view content) {
    const char c = at(content, 0);
    if (c != '`' && c != '~') return 0;
    std::size_t size = 1;
    while (at(content, size) == c) ++size;
    if (size < 3) return 0;
    const bool inline_code = c == '`' && content.substr(size, kLooked).find('`') != content.npos;
    return inline_code ? 0 : size;
}

bool is_heading(std::string_view content) {
    std::size_t marks = 0;
    while (marks <= 6 && at(content, marks) == '#') ++marks;
    return marks >= 1 && marks <= 6 && (content.size() == marks || is_blank(content[marks]));
}

char rule_of(std::string_view content) {
    const char c = at(content, 0);
    if (c != '-' && c != '*' && c != '_' && c != '=') return 0;
    std::size_t count = 0;
    for (const char other : content) {
        if (other == c)
            ++count;
        else if (!is_blank(other))
            return 0;
    }
    return count >= 3 ? c : '\0';
}

bool is_title(std::string_view content) {
    if (content.size() < 2 || content.size() > 100) return false;
    int upper = 0;
    for (std::size_t i = 0; i < content.size();) {
        const CodePoint c = decode(content, i);
        const CharClass kind = char_class(c.value);
        if (kind == CharClass::lower || kind == CharClass::letter || c.value == '=') return false;
        upper += kind == CharClass::upper;
        i += c.size;
    }
    const char last = content.back();
    return upper >= 2 && last != '.' && last != '!' && last != '?' && last != ',' && last != ';';
}

bool is_table_row(std::string_view content) {
    if (content[0] == '|') return content.substr(1, kLooked).find('|') != content.npos;
    if (content.starts_with("+--") || content.starts_with("+==")) return true;
    if (content.starts_with("\xE2\x94") || content.starts_with("\xE2\x95")) return true;  // drawn
    const std::string_view looked = content.substr(0, kLooked);
    const std::size_t tab = looked.find('\t');
    return tab != looked.npos && looked.find('\t', tab + 1) != looked.npos;
}

bool is_table_rule(std::string_view content) {
    if (content.size() > kLooked) return false;
    bool dash = false;
    bool bar = false;
    for (const char c : content) {
        dash |= c == '-';
        bar |= c == '|';
        if (c != '-' && c != '|' && c != ':' && !is_blank(c)) return false;
    }
    return dash && bar;
}

Marker marker_of(std::string_view s) {
    const auto marker = [&](std::size_t size, bool bullet, bool space_needed = true) -> Marker {
        std::size_t after = size;
        while (is_blank(at(s, after))) ++after;
        if (after >= s.size() || (space_needed && after == size)) return {0, false};
        return {after, bullet};
    };
    const char head = at(s, 0);
    switch (head) {
        case '-':
        case '*':
        case '+': return marker(1, true);
        case '(': {
            std::size_t i = 1;
            while (i < 6 && (is_digit(at(s, i)) || is_alpha(at(s, i)))) ++i;
            if (i == 1 || at(s, i) != ')') return {0, false};
            const std::string_view inner = s.substr(1, i - 1);
            const bool number = std::all_of(inner.begin(), inner.end(), is_digit);
            const bool roman = inner.find_first_not_of("ivxlc") == inner.npos;
            const bool counts = inner.size() == 1 || roman || (number && inner.size() <= 3);
            return counts ? marker(i + 1, false) : Marker{0, false};
        }
        default: break;
    }
    if (is_digit(head)) {
        std::size_t i = 1;
        while (i < 3 && is_digit(at(s, i))) ++i;
        if (s.substr(i, 3) == "\xE3\x80\x81") return marker(i + 3, false, false);  // 1、
        if (at(s, i) == ')') return marker(i + 1, false);
        if (at(s, i) != '.') return {0, false};
        if (is_blank(at(s, i + 1))) return marker(i + 1, false);
        // 9.2 or 9.2.1. before a capital: the number of a clause, not a decimal in running text.
        while (at(s, i) == '.' && is_digit(at(s, i + 1)) && i < 16) {
            ++i;
            while (is_digit(at(s, i)) && i < 16) ++i;
        }
        if (at(s, i) == '.') ++i;
        const Marker clause = marker(i, false);
        const char title = at(s, clause.size);
        const bool opens = is_upper(title) || title == '"' || is_beyond_ascii(title);
        return opens ? clause : Marker{0, false};
    }
    if (is_alpha(head)) {
        std::size_t i = 1;
        while (i < 5 && is_lower(head) && std::strchr("ivxlc", head) != nullptr &&
               at(s, i) != '\0' && std::strchr("ivxlc", at(s, i)) != nullptr)
            ++i;
        if (at(s, i) == ')' || at(s, i) == '.') return marker(i + 1, false);
        return {0, false};
    }
    if (is_beyond_ascii(head)) {
        const CodePoint c = decode(s, 0);
        switch (c.value) {
            case 0x2022:
            case 0x2023:
            case 0x25E6:
            case 0x25AA:
            case 0x25AB:
            case 0x25A0:
            case 0x25A1:
            case 0x25CF:
            case 0x25CB:
            case 0x2043:
            case 0x25BA:
            case 0xF0B7: return marker(c.size, true, false);
            case 0x2013:
            case 0x2014:
            case 0x00B7:  // dashes, which also introduce direct speech
                return marker(c.size, true);
            default:
                if (c.value >= 0x2460 && c.value <= 0x2473) return marker(c.size, true, false);
        }
    }
    return {0, false};
}

bool begins_turn(std::string_view s) {
    std::size_t i = 0;
    if (at(s, 0) == '[') ++i;
    if (is_digit(at(s, i))) {
        // 2024-05-01, 2024/05/01 or 12:03, with any text after it.
        std::size_t digits = i;
        while (digits < i + 4 && is_digit(at(s, digits))) ++digits;
        const char separator = at(s, digits);
        if (digits == i + 4 && (separator == '-' || separator == '/'))
            return is_digit(at(s, digits + 1)) && is_digit(at(s, digits + 2)) &&
                   at(s, digits + 3) == separator && is_digit(at(s, digits + 4));
        return digits == i + 2 && separator == ':' && is_digit(at(s, digits + 1)) &&
               is_digit(at(s, digits + 2)) && !is_alpha(at(s, digits + 3)) &&
               (i > 0 || at(s, digits + 3) == ':');
    }
    i = 0;
    if (s.starts_with("<|")) return true;
    while (at(s, i) == '*' && i < 2) ++i;
    if (!is_alpha(at(s, i))) return false;
    std::array<char, 12> word{};
    const std::size_t begin = i;
    while (i < begin + word.size() && is_alpha(at(s, i))) ++i;
    const std::size_t size = i - begin;
    while (at(s, i) == '*') ++i;
    if (at(s, i) != ':') return false;
    for (std::size_t k = 0; k < size; ++k) word[k] = static_cast<char>(s[begin + k] | 0x20);
    constexpr std::array kRoles = {"a"sv,         "agent"sv, "ai"sv,       "answer"sv,
                                   "assistant"sv, "bot"sv,   "customer"sv, "developer"sv,
                                   "function"sv,  "human"sv, "q"sv,        "question"sv,
                                   "system"sv,    "tool"sv,  "user"sv};
    static_assert(std::is_sorted(kRoles.begin(), kRoles.end()));
    return std::binary_search(kRoles.begin(), kRoles.end(), std::string_view(word.data(), size));
}

int code_evidence(const Line& line, std::string_view content) {
    const char head = content[0];
    const char last = content.back();
    // A long line that begins with a capital and ends in a letter or a full stop is prose. This
    // test comes first since it decides most lines.
    const bool plain_end = is_alpha(last) || last == '.' || is_beyond_ascii(last);
    if ((is_upper(head) || is_beyond_ascii(head)) && plain_end && line.indent < 2 &&
        content.size() > 60)
        return 0;
    if (opens_with(content, kSurely) || is_json_member(content)) return 2;
    const bool keyword = opens_with(content, kMaybe);
    if (plain_end && !keyword && line.indent < 2 && content.size() > 60) return 0;
    const std::string_view looked = content.substr(0, kLooked);
    Marks marks = read_marks(looked);
    marks.points += keyword;
    if (last == '{' || head == '}') marks.points += 2;
    if (last == ';') marks.points += marks.points > 0 || marks.pairs == 0 ? 1 : 0;
    if (keyword && marks.pairs == 0 &&
        (content.starts_with("import ") || content.starts_with("package ") ||
         content.starts_with("from ") || content.starts_with("class ")))
        ++marks.points;
    if (keyword && content.starts_with("from ") && looked.find(" import ") != looked.npos)
        marks.points += 2;
    if ((content.starts_with("def ") || content.starts_with("class ")) && last == ':')
        marks.points += 2;
    if (content.starts_with("import ") && marks.pairs <= 3 && looked.find(',') == looked.npos)
        ++marks.points;
    if (content.find_first_not_of("{}()[];, ") == content.npos) return 1;
    marks.points -= std::max(0, marks.pairs - 1) / 2;
    return std::clamp(marks.points, 0, 2);
}

bool opens_suite(std::string_view content) {
    return content.back() == ':' && opens_with(content, kSuites);
}

bool closes_block(std::string_view content) { return opens_with(content, kClosers); }

bool is_terse(std::string_view content) {
    const char last = content.back();
    return content.size() <= 120 && last != '.' && last != '!' && last != '?' &&
           word_pairs(content) <= 3;
}

}  // namespace ctxmem
