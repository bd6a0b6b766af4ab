#include "core/dedup/data_forms.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "core/dedup/difference.hpp"
#include "core/text/ascii.hpp"
#include "core/text/line_classifier.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kLooked = 256;        // bytes of a line that decide about it
constexpr std::size_t kLongestQuote = 200;  // bytes
constexpr int kInside = 2;                  // columns by which what is between brackets is indented
constexpr std::size_t kLongestTag = 200, kLongestKey = 40;
constexpr std::size_t kKeyWords = 4, kValueWords = 4, kItemWords = 2, kTagWords = 4;
constexpr std::size_t kLongestWordless = 36;  // bytes of a value in a script without spaces
constexpr std::size_t kLevelWithin = 64;      // bytes in which a line of a log names its level

using std::string_view_literals::operator""sv;

char at(std::string_view s, std::size_t i) { return i < s.size() ? s[i] : '\0'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool in_word(char c) { return is_alpha(c) || is_digit(c) || is_beyond_ascii(c); }
bool is_one_of(char c, std::string_view set) { return set.find(c) != set.npos; }
char lowered(char c) { return is_upper(c) ? static_cast<char>(c + 32) : c; }

bool opens_with(std::string_view s, std::string_view lower) {
    if (s.size() < lower.size()) return false;
    for (std::size_t i = 0; i < lower.size(); ++i)
        if (lowered(s[i]) != lower[i]) return false;
    return true;
}

std::size_t count_words(std::string_view s) {
    std::size_t words = 0;
    for (std::size_t i = 0; i < s.size(); ++i)
        words += in_word(s[i]) && (i == 0 || !in_word(s[i - 1]));
    return words;
}

// The number of words that one space separates, as in prose.
std::size_t word_pairs(std::string_view s) {
    std::size_t pairs = 0;
    for (std::size_t i = 1; i + 1 < s.size(); ++i)
        pairs += s[i] == ' ' && is_alpha(s[i - 1]) && is_alpha(s[i + 1]);
    return pairs;
}

bool ends_sentence(std::string_view s) {
    if (s.empty()) return false;
    const char last = s.back();
    return last == '.' || last == '!' || last == '?' || s.ends_with("\u3002") ||
           s.ends_with("\uFF01") || s.ends_with("\uFF1F");
}

// Lines -------------------------------------------------------------------------------------------

// How a line is read: `near` is data if a line beside it is.
enum class Form : std::uint8_t { prose, near, data };

// The bytes of a key and of the sign after it, as in "name: mike" and "name = mike"; 0 if the line
// does not begin with a key.
std::size_t key_size(std::string_view line) {
    if (line.empty() || !(in_word(line[0]) || is_one_of(line[0], "\"'*_`.$"))) return 0;
    const std::string_view looked = line.substr(0, kLongestKey);
    std::size_t sign = 0;
    for (std::size_t i = 1; i < looked.size() && sign == 0; ++i) {
        if (looked.substr(i).starts_with("\uFF1A")) return i + 3;  // a wide colon
        if (looked[i] == ':' || looked[i] == '=') sign = i;
        if (sign == 0 && (looked[i] == ',' || looked[i] == ';' || ends_sentence({&looked[i], 1})) &&
            is_blank(at(line, i + 1)))
            return 0;
    }
    if (sign == 0 || count_words(looked.substr(0, sign)) > kKeyWords) return 0;
    std::size_t after = sign + 1;
    while (at(line, after) == '*' || at(line, after) == '_') ++after;  // **Name:** mike
    const bool ends = after == line.size() || is_blank(line[after]);
    if (line[sign] == ':') return ends ? after : 0;
    return at(line, sign + 1) == '=' ? 0 : after;
}

// Whether the value of a key is short enough to be a fact rather than a sentence.
bool is_short_value(std::string_view value) {
    if (ends_sentence(value)) return false;
    const bool wordless = value.size() > kLongestWordless &&
                          std::any_of(value.begin(), value.end(), is_beyond_ascii) &&
                          value.find(' ') == value.npos;
    return !wordless && value.size() <= kLooked && count_words(value) <= kValueWords;
}

// Whether cells are separated by commas or semicolons without a space, by bars or by wide gaps.
bool is_row(std::string_view content) {
    const std::string_view looked = content.substr(0, kLooked);
    if (looked.find(" | ") != looked.npos) return true;
    std::size_t separators = 0;
    for (std::size_t i = 0; i + 1 < looked.size(); ++i) {
        const char c = looked[i], next = looked[i + 1];
        const bool gap = c == ' ' && next == ' ' && i > 0 && !is_one_of(looked[i - 1], " .!?:");
        separators += c == '\t' || gap;
        if (c != ',' && c != ';') continue;
        const bool decimal = i > 0 && is_digit(looked[i - 1]) && is_digit(next);
        separators += !is_blank(next) && !decimal && next != '"';
        separators += next == '"' && i > 0 && looked[i - 1] == '"';
    }
    return separators >= 2 || (separators == 1 && is_terse(content));
}

// Whether the line begins with a word in capitals, as a directive such as "COPY . /src" does.
bool is_directive(std::string_view content) {
    const std::size_t size = std::min(content.find(' '), content.size());
    const std::string_view head = content.substr(0, size);
    return size >= 2 && std::all_of(head.begin(), head.end(), is_upper) && is_terse(content);
}

// Whether a line of a log begins: with a time, or with a level such as WARN near its beginning.
bool is_log(std::string_view content) {
    if (begins_turn(content) && (content[0] == '[' || is_digit(content[0]))) return true;
    const std::string_view looked = content.substr(0, kLevelWithin);
    for (const std::string_view level : {"INFO"sv, "WARN"sv, "WARNING"sv, "ERROR"sv, "DEBUG"sv,
                                         "TRACE"sv, "FATAL"sv, "NOTICE"sv, "CRITICAL"sv}) {
        const std::size_t found = looked.find(level);
        if (found == looked.npos) continue;
        const bool begins = found == 0 || !in_word(looked[found - 1]);
        if (begins && !in_word(at(looked, found + level.size())) &&
            word_pairs(looked.substr(0, found + 1)) <= 1)
            return true;
    }
    // May 12 10:00:03 host ...
    if (!is_upper(content[0]) || at(content, 3) != ' ') return false;
    const std::size_t colon = looked.find(':');
    return colon != looked.npos && colon <= 9 && at(content, colon + 3) == ':' &&
           is_digit(at(content, colon + 1)) && is_digit(at(content, colon + 4));
}

// Whether the line is a statement of SQL, in capitals or not.
bool is_query(std::string_view content) {
    const bool opens = opens_with(content, "select ") || opens_with(content, "insert into ") ||
                       opens_with(content, "update ") || opens_with(content, "delete from ") ||
                       opens_with(content, "create ") || opens_with(content, "alter ") ||
                       opens_with(content, "drop ");
    return opens && content.substr(0, kLooked).find_first_of(";=*(") != content.npos;
}

// Whether the line is an element or a tag with at most a few words outside the tags.
bool is_element(std::string_view content) {
    if (content[0] != '<' || content.back() != '>' || content.size() > 2 * kLooked) return false;
    if (!is_alpha(at(content, 1)) && at(content, 1) != '/' && at(content, 1) != '?') return false;
    std::size_t words = 0;
    for (std::size_t i = 0; i < content.size();) {
        const std::size_t close = content.find('>', i);
        const std::size_t open = std::min(content.find('<', close), content.size());
        words += count_words(content.substr(close + 1, open - close - 1));
        if (ends_sentence(content.substr(0, open))) return false;
        i = open;
    }
    return words <= kTagWords;
}

// Whether the line is JSON: it opens with a brace or bracket and a member or an element.
bool is_json(std::string_view content) {
    if (content[0] != '{' && content[0] != '[') return false;
    std::size_t i = 1;
    while (is_blank(at(content, i))) ++i;
    const char next = at(content, i);
    return i >= content.size() || next == '"' || next == '{' || next == '[' || next == '\'';
}

Form form_of(const Line& line, std::string_view content) {
    if (is_heading(content) || is_title(content) || is_table_row(content) || is_row(content) ||
        is_log(content) || is_query(content) || is_element(content) || is_json(content) ||
        opens_with(content, "$ "))
        return Form::data;
    const int code = code_evidence(line, content);
    if (code == 2 || opens_suite(content)) return Form::data;
    const Marker marker = marker_of(content);
    const std::string_view body = content.substr(marker.size);
    if (const std::size_t key = key_size(body)) {
        if (is_short_value(body.substr(key))) return Form::data;
        if (is_terse(content)) return Form::near;
    }
    if (code == 1 || closes_block(content) || is_directive(content)) return Form::near;
    if (content.back() == ',' && line.indent >= kInside && is_terse(content)) return Form::near;
    const bool item = marker.bullet && is_terse(content) && count_words(body) <= kItemWords;
    return item ? Form::near : Form::prose;
}

// Tokens ------------------------------------------------------------------------------------------

struct Quote {
    std::string_view open, close;
};
constexpr std::array<Quote, 9> kQuotes = {{{"\"", "\""},
                                           {"'", "'"},
                                           {"`", "`"},
                                           {"\u201C", "\u201D"},
                                           {"\u201E", "\u201C"},
                                           {"\u00AB", "\u00BB"},
                                           {"\u00BB", "\u00AB"},
                                           {"\u300C", "\u300D"},
                                           {"\u300E", "\u300F"}}};

// The end of the quotation that begins at i of a line; i if none does.
std::size_t quotation_end(std::string_view line, std::size_t i) {
    for (const Quote& quote : kQuotes) {
        if (!opens(line.substr(i), quote.open)) continue;
        const bool ascii = quote.open.size() == 1;
        const std::size_t from = i + quote.open.size();
        if (from >= line.size() || (ascii && i > 0 && in_word(line[i - 1]))) continue;
        if (ascii && (is_blank(line[from]) || (i > 0 && line[i - 1] == '\\'))) continue;
        const std::string_view looked = line.substr(0, std::min(line.size(), from + kLongestQuote));
        for (std::size_t to = looked.find(quote.close, from); to != looked.npos;
             to = looked.find(quote.close, to + 1)) {
            const std::size_t end = to + quote.close.size();
            if (!ascii || !in_word(at(line, end))) return end;
        }
    }
    return i;
}

std::size_t tag_end(std::string_view line, std::size_t i) {
    const char next = at(line, i + 1);
    if (line[i] != '<' || !(is_alpha(next) || (next == '/' && is_alpha(at(line, i + 2))))) return i;
    const std::size_t close = line.substr(0, i + kLongestTag).find_first_of("<>", i + 1);
    return close == line.npos || line[close] != '>' ? i : close + 1;
}

// Whether a run of ASCII characters without a space is a name of a technical kind.
bool is_technical(std::string_view token) {
    if (token.starts_with("--") && in_word(at(token, 2))) return true;
    if (token.size() > 1 && is_one_of(token[0], "@#$%") && is_alpha(token[1])) return true;
    std::size_t hyphens = 0;
    for (std::size_t i = 1; i + 1 < token.size(); ++i) {
        const char last = token[i - 1], c = token[i], next = token[i + 1];
        if (is_lower(last) && is_upper(c)) return true;
        if (!in_word(last) && last != ')' && last != ']') continue;
        hyphens += c == '-' && in_word(next);
        if (c == ':' && next == ':') return true;
        if (c == '(' && (next == ')' || in_word(next)) && token.substr(i, 3) != "(s)" &&
            token.substr(i, 4) != "(en)")
            return true;
        if (is_one_of(c, "./\\_@=[") && (in_word(next) || (c == '=' && next != '='))) return true;
    }
    return hyphens >= 2;
}

class RangeReader {
public:
    RangeReader(std::string_view text, StopToken& stop) : text_(text), stop_(stop) {}

    std::vector<DataRange> read() {
        classify();
        spread();
        for (const Read& one : lines_) {
            stop_.check(one.last - one.first + 1);
            if (one.form == Form::data)
                add(one.first, one.last);
            else
                add_tokens(one);
        }
        return std::move(ranges_);
    }

private:
    struct Read {
        std::size_t first, last;  // of the content
        Form form;
        bool terse;
    };

    void classify() {
        std::size_t fence = 0;
        for (std::size_t begin = 0; begin < text_.size();) {
            const Line line = line_at(text_, begin);
            begin = line.next;
            stop_.check(20);
            if (line.blank()) continue;
            const std::string_view content = text_.substr(line.first, line.last - line.first);
            const std::size_t size = fence_size(content);
            if (size > 0 && (fence == 0 || size >= fence)) fence = fence == 0 ? size : 0;
            const bool fenced = size > 0 || fence > 0;
            const Form form = fenced ? Form::data : form_of(line, content);
            lines_.push_back({line.first, line.last, form, is_terse(content)});
        }
    }

    // Reads doubtful lines like the lines beside them, and terse lines of a text that is mostly
    // data as data.
    void spread() {
        const auto data = static_cast<std::size_t>(std::count_if(
            lines_.begin(), lines_.end(), [](const Read& one) { return one.form == Form::data; }));
        const bool mostly = data >= 2 && 2 * data >= lines_.size();
        for (Read& one : lines_)
            if (mostly && one.terse) one.form = Form::data;
        for (std::size_t i = 1; i < lines_.size(); ++i) spread(lines_[i - 1], lines_[i]);
        for (std::size_t i = lines_.size(); i-- > 1;) spread(lines_[i], lines_[i - 1]);
    }
    static void spread(const Read& from, Read& to) {
        if (from.form == Form::data && to.form == Form::near) to.form = Form::data;
    }

    void add(std::size_t from, std::size_t to) {
        const auto begin = static_cast<std::uint32_t>(from), end = static_cast<std::uint32_t>(to);
        if (!ranges_.empty() && begin <= ranges_.back().to)
            ranges_.back().to = std::max(ranges_.back().to, end);
        else
            ranges_.push_back({begin, end});
    }

    // Adds the key of a line of prose, its quotations, its tags and its technical names.
    void add_tokens(const Read& one) {
        const std::string_view line = text_.substr(one.first, one.last - one.first);
        const Marker marker = marker_of(line);
        if (const std::size_t key = key_size(line.substr(marker.size)))
            add(one.first + marker.size, one.first + marker.size + key);
        for (std::size_t i = 0; i < line.size();) {
            std::size_t end = std::max(quotation_end(line, i), tag_end(line, i));
            if (end > i) {
                add(one.first + i, one.first + end);
                i = end;
                continue;
            }
            end = i + 1;
            if (line[i] > ' ' && !is_beyond_ascii(line[i])) {
                while (end < line.size() && line[end] > ' ' && !opens(line.substr(end), "](") &&
                       !is_one_of(line[end], "\"'`<"))
                    ++end;
                if (is_technical(line.substr(i, end - i))) add(one.first + i, one.first + end);
            }
            i = end;
        }
    }

    std::string_view text_;
    StopToken& stop_;
    std::vector<Read> lines_;
    std::vector<DataRange> ranges_;
};

}  // namespace

std::vector<DataRange> data_ranges(std::string_view text, StopToken& stop) {
    return RangeReader(text, stop).read();
}

void ReadText::mark_data(StopToken& stop) {
    const std::vector<DataRange> ranges = data_ranges(text_, stop);
    auto range = ranges.begin();
    for (Item& item : items_) {
        while (range != ranges.end() && range->to <= folded_.at[item.from]) ++range;
        if (range == ranges.end()) return;
        item.data = range->from < folded_.at[item.to];
    }
}

}  // namespace ctxmem
