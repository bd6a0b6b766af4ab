#include "core/text/sentences.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/text/abbreviations.hpp"
#include "core/text/ascii.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

// Bytes (about 80 letters) after which a space ends a clause of Thai, Lao, Khmer or Burmese.
constexpr std::size_t kClause = 240;
constexpr std::size_t kWord = 16;  // bytes of the longest abbreviation

unsigned char byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

CodePoint before(std::string_view text, std::size_t begin, std::size_t at) {
    std::size_t lead = at - 1;
    while (lead > begin && at - lead < 4 && (byte_at(text, lead) & 0xC0) == 0x80) --lead;
    return {decode(text, lead).value, static_cast<std::uint32_t>(at - lead)};
}

bool is_space(char32_t c) { return char_class(c) >= CharClass::space; }
bool is_letter(CharClass c) { return c >= CharClass::upper && c <= CharClass::letter; }

// How a character may end a sentence. Wide stops need no white space after them.
enum class Stop { none, dot, ellipsis, strong, wide };

Stop stop_of(char32_t c) {
    switch (c) {
        case '.': return Stop::dot;
        case 0x2026:  // horizontal ellipsis
            return Stop::ellipsis;
        case '!':
        case '?':
        case 0x0589:  // Armenian full stop
        case 0x061F:  // Arabic question mark
        case 0x06D4:  // Arabic full stop
        case 0x1362:
        case 0x1367:
        case 0x1368:  // Ethiopic
        case 0x203C:
        case 0x203D:
        case 0x2047:
        case 0x2048:
        case 0x2049:  // doubled ! and ?
            return Stop::strong;
        case 0x0964:
        case 0x0965:  // danda
        case 0x0F0D:
        case 0x0F0E:  // Tibetan shad
        case 0x104A:
        case 0x104B:  // Burmese
        case 0x17D4:
        case 0x17D5:  // Khmer
        case 0x3002:
        case 0xFF61:  // ideographic full stops
        case 0xFF01:
        case 0xFF0E:
        case 0xFF1F:  // full-width ! . ?
            return Stop::wide;
        default: return Stop::none;
    }
}

// The first bytes of stops and of Thai, Lao, Khmer and Burmese letters.
constexpr std::array<bool, 256> stop_bytes() {
    std::array<bool, 256> table{};
    for (const int c : {'.' + 0, '!' + 0, '?' + 0, 0xD6, 0xD8, 0xDB, 0xE0, 0xE1, 0xE2, 0xE3, 0xEF})
        table[static_cast<std::size_t>(c)] = true;
    return table;
}
constexpr auto kMayStop = stop_bytes();

bool ends_clause_at_space(char32_t c) {
    return (c >= 0x0E00 && c < 0x0F00) || (c >= 0x1000 && c < 0x10A0) ||
           (c >= 0x1780 && c < 0x1800);
}

// Whether a character directly after a stop is a closing quote, bracket or emphasis mark. Quotes
// that open in one language close in another, so they are included: an opening mark never directly
// follows a stop.
bool closes(char32_t c) {
    switch (c) {
        case '"':
        case '\'':
        case ')':
        case ']':
        case '}':
        case '*':
        case '_':
        case '`':
        case 0x00AB:
        case 0x00BB:
        case 0x2018:
        case 0x2019:
        case 0x201C:
        case 0x201D:
        case 0x2039:
        case 0x203A:
        case 0x3009:
        case 0x300B:
        case 0x300D:
        case 0x300F:
        case 0x3011:
        case 0x3015:
        case 0x301E:
        case 0xFF09:
        case 0xFF3D:
        case 0xFF5D:
        case 0xFF63: return true;
        default: return false;
    }
}

// Quotes that open in Chinese: after a wide stop there is no white space, so position does not
// distinguish opening from closing.
bool opens_in_chinese(char32_t c) { return c == 0x201C || c == 0x2018 || c == 0xAB; }

// Characters before which a sentence always continues.
bool continues(char32_t c) {
    switch (c) {
        case ',':
        case ';':
        case ':':
        case ')':
        case ']':
        case '}':
        case 0x060C:
        case 0x061B:
        case 0x3001:
        case 0xFF09:
        case 0xFF0C:
        case 0xFF1A:
        case 0xFF1B: return true;
        default: return false;
    }
}

// Japanese particles: after a quotation they continue the enclosing sentence.
bool is_particle(char32_t c) {
    switch (c) {
        case 0x304B:
        case 0x304C:
        case 0x3063:
        case 0x3067:
        case 0x3068:
        case 0x306A:
        case 0x306B:
        case 0x306E:
        case 0x306F:
        case 0x3078:
        case 0x3082:
        case 0x3084:
        case 0x3092: return true;
        default: return false;
    }
}

// Whether a cut between these two characters splits a grapheme (UAX #29; may_cut handles flags).
bool cuts_grapheme(char32_t left, char32_t right) {
    if (right < 0x80) return left == '\r' && right == '\n';
    if (left == '\n' || left == '\r') return false;
    if (char_class(right) == CharClass::mark) return true;
    if (left == 0x200D || right == 0x200D || right == 0x200C) return true;  // (non-)joiners
    if (right == 0x0E33 || right == 0x0EB3 || right == 0xFF9E || right == 0xFF9F) return true;
    if (right >= 0x1F3FB && right <= 0x1F3FF) return true;                  // skin tones
    if (right >= 0xE0020 && right <= 0xE007F) return true;                  // tags of a flag
    if (right >= 0x1160 && right <= 0x11FF && left >= 0x1100) return true;  // Hangul, decomposed
    if (left >= 0xD800 && left < 0xDC00 && right >= 0xDC00 && right < 0xE000) return true;
    switch (left) {  // viramas that join consonants
        case 0x094D:
        case 0x09CD:
        case 0x0ACD:
        case 0x0B4D:
        case 0x0C4D:
        case 0x0D4D: return is_letter(char_class(right));
        default: return false;
    }
}

bool is_flag_half(char32_t c) { return c >= 0x1F1E6 && c <= 0x1F1FF; }

// Whether text[begin, ...) may be cut at `at`. Looks back over a run of flags, at most to `begin`.
bool may_cut(std::string_view text, std::size_t begin, std::size_t at) {
    if (at <= begin || at >= text.size() || (byte_at(text, at) & 0xC0) == 0x80) return false;
    const char32_t right = decode(text, at).value;
    const CodePoint left = before(text, begin, at);
    if (cuts_grapheme(left.value, right)) return false;
    if (!is_flag_half(right) || !is_flag_half(left.value)) return true;
    std::size_t halves = 0;
    for (std::size_t back = at; back > begin; ++halves) {
        const CodePoint half = before(text, begin, back);
        if (!is_flag_half(half.value)) break;
        back -= half.size;
    }
    return halves % 2 == 0;
}

// Words around a full stop ---------------------------------------------------------------------

// The word before a full stop: letters, digits, apostrophes and full stops between them.
struct Word {
    std::size_t begin;
    std::string_view text;  // empty if the full stop follows a symbol; truncated if it is long
    bool whole;
};

Word word_before(std::string_view text, std::size_t from, std::size_t at) {
    std::size_t begin = at;
    bool ascii = true;
    while (begin > from && at - begin < kWord) {
        const unsigned char c = byte_at(text, begin - 1);
        const unsigned char lower = c | 0x20;
        if (c >= 0x80)
            ascii = false;
        else if (!(lower >= 'a' && lower <= 'z') && !is_digit(static_cast<char>(c)) && c != '.' &&
                 c != '\'')
            break;
        --begin;
    }
    const bool whole = at - begin < kWord;
    if (!ascii) {
        while (begin < at && (byte_at(text, begin) & 0xC0) == 0x80) ++begin;
        for (std::size_t i = begin; i < at;) {
            const CodePoint c = decode(text, i);
            i += c.size;
            const CharClass kind = char_class(c.value);
            if ((kind == CharClass::other && c.value >= 0x80 && c.value != 0x2019) ||
                kind >= CharClass::space)
                begin = std::min(i, at);
        }
    }
    while (begin < at && (text[begin] == '\'' || text[begin] == '.')) ++begin;
    return {begin, text.substr(begin, at - begin), whole};
}

// The word of ASCII letters at `at`, after an optional opening quote or bracket.
std::string_view word_after(std::string_view text, std::size_t at, std::size_t end) {
    if (at < end) {
        const CodePoint first = decode(text, at);
        switch (first.value) {
            case '"':
            case '\'':
            case '(':
            case '*':
            case '_':
            case 0x2018:
            case 0x201C:
            case 0x201E: at += first.size; break;
            default: break;
        }
    }
    std::size_t stop = at;
    while (stop < end && stop - at <= kWord) {
        const unsigned char lower = byte_at(text, stop) | 0x20;
        if (lower < 'a' || lower > 'z') break;
        ++stop;
    }
    return text.substr(at, stop - at);
}

bool is_opener(std::string_view text, std::size_t at, std::size_t end) {
    return words::holds(words::kOpeners, word_after(text, at, end));
}

bool is_numeral(std::string_view word) {
    return std::all_of(word.begin(), word.end(), [](char c) { return is_digit(c) || c == '.'; });
}

bool is_roman(std::string_view word) {
    return word.size() <= 6 && std::all_of(word.begin(), word.end(), [](char c) {
               return std::string_view("IVXLCivxlc").find(c) != std::string_view::npos;
           });
}

// A word of at most kWord bytes, its ASCII letters in lower case.
class Lowered {
public:
    explicit Lowered(std::string_view word) : size_(std::min(word.size(), kWord)) {
        for (std::size_t i = 0; i < size_; ++i) {
            const char c = word[i];
            bytes_[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
        }
    }
    std::string_view view() const { return {bytes_.data(), size_}; }

private:
    std::array<char, kWord> bytes_{};
    std::size_t size_;
};

std::size_t length(std::string_view word) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < word.size(); ++i) count += (byte_at(word, i) & 0xC0) != 0x80;
    return count;
}

// Whether the word is a single letter of a script that separates words.
bool is_initial(std::string_view word) {
    if (word.empty()) return false;
    const CodePoint first = decode(word, 0);
    return first.size == word.size() && is_letter(char_class(first.value)) &&
           (class_byte(first.value) & kSpaceless) == 0;
}

// Whether the word alternates letters and full stops: "U.S", "B.V", "e.g".
bool is_acronym(std::string_view word) {
    if (word.size() < 3 || word.size() % 2 == 0) return false;
    for (std::size_t i = 0; i < word.size(); ++i)
        if ((word[i] == '.') != (i % 2 == 1)) return false;
    return !is_digit(word[0]);
}

// Paragraph by paragraph -----------------------------------------------------------------------

class Paragraph {
public:
    Paragraph(std::string_view text, std::size_t begin, std::size_t end, std::size_t most,
              std::vector<std::size_t>& starts, StopToken& stop)
        : text_(text), begin_(begin), end_(end), most_(most), starts_(starts), stop_(stop) {}

    void split(std::size_t scan) {
        std::size_t at = scan;
        for (;;) {
            const std::size_t from = at;
            while (at < end_ && !kMayStop[byte_at(text_, at)]) ++at;
            stop_.check(50 + (at - from));
            if (at >= end_) break;
            const Verdict verdict = judge(at);
            at = verdict.go_on;
            if (!verdict.ends) continue;
            cut_long(text_, begin_, verdict.stop, most_, starts_, stop_);
            begin_ = at;
        }
        cut_long(text_, begin_, end_, most_, starts_, stop_);
    }

private:
    struct Verdict {
        bool ends;
        std::size_t stop;   // end of the sentence, without the white space after it
        std::size_t go_on;  // where to continue: the start of the next sentence, if this one ends
    };

    // Whether the character at `at`, whose first byte is in kMayStop, ends the sentence.
    Verdict judge(std::size_t at) {
        const CodePoint first = decode(text_, at);
        const Stop stop = stop_of(first.value);
        const std::size_t after = at + first.size;
        if (stop == Stop::none) {
            if (ends_clause_at_space(first.value)) return judge_clause(after);
            return {false, 0, after};
        }
        return judge_stop(at, after, stop);
    }

    Verdict judge_clause(std::size_t after) {
        const std::size_t next = skip_space(text_, after, end_);
        const bool ends = next > after && next < end_ && after - begin_ >= kClause &&
                          !continues(decode(text_, next).value) && may_cut(text_, begin_, next);
        return {ends, after, next};
    }

    Verdict judge_stop(std::size_t at, std::size_t after, Stop stop) {
        bool closed = false;
        std::size_t stop_end = absorb(after, stop, closed);
        const std::size_t next = skip_space(text_, stop_end, end_);
        const Verdict no{false, 0, next};
        const Verdict yes{true, stop_end, next};
        if (next >= end_) return no;
        const bool spaced = next > stop_end;
        if (!spaced && stop != Stop::wide) return no;
        const char32_t follower = decode(text_, next).value;
        if (continues(follower) || !may_cut(text_, begin_, next)) return no;
        if (stop == Stop::wide) {
            if (!spaced && closed && is_particle(follower)) return no;
            const bool decimal = char_class(follower) == CharClass::number &&
                                 text_.compare(at, 3, "\xEF\xBC\x8E") == 0;
            return !spaced && decimal ? no : yes;
        }
        const bool lower = char_class(follower) == CharClass::lower;
        if (stop == Stop::strong) return closed && lower ? no : yes;
        if (stop == Stop::ellipsis || closed) return lower ? no : yes;
        return ends_at_dot(at, next, lower) ? yes : no;
    }

    // The offset after further stops, closing quotes and brackets, and references such as [12].
    std::size_t absorb(std::size_t at, Stop& stop, bool& closed) const {
        while (at < end_) {
            const CodePoint c = decode(text_, at);
            const Stop more = stop_of(c.value);
            if (more != Stop::none) {
                stop = more == Stop::dot ? std::max(stop, Stop::ellipsis) : std::max(stop, more);
            } else if (c.value == '[') {
                std::size_t digits = at + 1;
                while (digits < end_ && digits - at < 5 && is_digit(text_[digits])) ++digits;
                if (digits == at + 1 || digits >= end_ || text_[digits] != ']') break;
                at = digits + 1;
                continue;
            } else if (closes(c.value) && (stop != Stop::wide || !opens_in_chinese(c.value))) {
                closed = true;
            } else {
                break;
            }
            at += c.size;
        }
        // A French quotation closes after a space.
        if (at < end_ && is_space(decode(text_, at).value)) {
            const std::size_t quote = at + decode(text_, at).size;
            if (quote + 2 <= end_ && text_.compare(quote, 2, "\xC2\xBB") == 0 &&
                (quote + 2 == end_ || is_space(decode(text_, quote + 2).value))) {
                closed = true;
                at = quote + 2;
            }
        }
        return at;
    }

    // Whether the full stop at `at`, followed by white space and a word, ends a sentence.
    bool ends_at_dot(std::size_t at, std::size_t next, bool lower) const {
        const Word word = word_before(text_, begin_, at);
        if (word.text.empty()) return !lower;
        const bool opens = word.begin == begin_;
        if (is_numeral(word.text)) {
            if (opens || lower || after_part(word.begin)) return false;
            return word.text.size() > 2 || !follows(words::kBeforeOrdinal, word.begin);
        }
        if (is_roman(word.text) && (opens || after_part(word.begin))) return false;
        if (is_initial(word.text)) {
            if (!is_free(word.begin) || after_number(word.begin)) return !lower;
            return !after_initial(word.begin) && !opens && is_opener(text_, next, end_);
        }
        if (!word.whole) return true;
        if (is_acronym(word.text) || word.text.size() <= 6) {
            const Lowered lowered(word.text);
            const std::string_view key = lowered.view();
            if (words::holds(words::kGoesOn, key)) return false;
            if (words::holds(words::kNumbered, key)) return !lower && !is_number_like(next);
            if (is_acronym(word.text) || words::holds(words::kEither, key))
                return is_opener(text_, next, end_);
        }
        return !lower || length(word.text) >= 4;
    }

    // Whether the letter at `at` is a separate word, not the end of "vitamin-C" or "x=y".
    bool is_free(std::size_t at) const {
        if (at == begin_) return true;
        const char32_t c = before(text_, begin_, at).value;
        return is_space(c) || c == '(' || c == '[' || c == '"' || c == '.' || c == 0x201C;
    }

    // "15 h.", "3 m.": the letter is a unit, not an initial.
    bool after_number(std::size_t at) const {
        return at >= begin_ + 2 && text_[at - 1] == ' ' && is_digit(text_[at - 2]);
    }

    // "J. R.", "z. B.": the letter at `at` follows another letter with a full stop.
    bool after_initial(std::size_t at) const {
        if (at < begin_ + 3 || text_[at - 1] != ' ' || text_[at - 2] != '.') return false;
        const Word word = word_before(text_, begin_, at - 2);
        return is_initial(word.text);
    }

    // "Section 1." at the beginning of the sentence.
    bool after_part(std::size_t at) const {
        return follows(words::kNumberedParts, at) &&
               word_before(text_, begin_, at - 1).begin == begin_;
    }

    // Whether the word before `at`, separated by one space, is in the list.
    template <std::size_t n>
    bool follows(const std::array<std::string_view, n>& known, std::size_t at) const {
        if (at < begin_ + 2 || text_[at - 1] != ' ') return false;
        const Word word = word_before(text_, begin_, at - 1);
        return word.whole && words::holds(known, Lowered(word.text).view());
    }

    // Whether the next word can be a number after "No." or "Fig.": a digit, a bracket, a roman
    // numeral, a single capital.
    bool is_number_like(std::size_t at) const {
        const CodePoint first = decode(text_, at);
        if (char_class(first.value) == CharClass::number || first.value == '(' ||
            first.value == '[' || first.value == 0xA7)
            return true;
        const std::string_view word = word_after(text_, at, end_);
        if (word.empty() || word == "I" || word == "A") return false;
        return word.size() == 1 || is_roman(word);
    }

    std::string_view text_;
    std::size_t begin_;  // start of the current sentence
    std::size_t end_;
    std::size_t most_;
    std::vector<std::size_t>& starts_;
    StopToken& stop_;
};

// Preference for a cut after this character in a sentence that is too long; greater is better.
int clause_rank(char32_t c) {
    switch (c) {
        case ';':
        case ':':
        case 0x061B:
        case 0xFF1A:
        case 0xFF1B: return 3;
        case ',':
        case 0x060C:
        case 0x3001:
        case 0xFF0C:
        case 0xFF64: return 2;
        default: return 0;
    }
}

// The best offset to cut text[begin, end): between `most` / 2 and `most` bytes after `begin`, if
// possible. Of equally good offsets, the first at or after begin + `even` is chosen.
std::size_t best_cut(std::string_view text, std::size_t begin, std::size_t end, std::size_t most,
                     std::size_t even) {
    std::size_t best = 0;
    int best_rank = 0;
    std::size_t at = begin + most / 2;
    while (at < end && (byte_at(text, at) & 0xC0) == 0x80) ++at;
    while (at < end && at - begin < most) {
        const CodePoint c = decode(text, at);
        const std::size_t after = at + c.size;
        const std::size_t next = skip_space(text, after, end);
        int rank = clause_rank(c.value);
        // Without white space after it, an ASCII mark may be part of a number or a time.
        if (rank > 0 && next == after && c.value < 0x80) rank = 0;
        if (rank == 0 && (next > after || is_space(c.value))) rank = 1;
        if (next >= end) break;
        const bool better = rank > best_rank || (rank == best_rank && best < begin + even);
        if (rank > 0 && better && may_cut(text, begin, next)) {
            best = next;
            best_rank = rank;
        }
        at = next;
    }
    if (best > 0) return best;
    // No candidate: cut at the last grapheme boundary up to `most` bytes, else at the next one.
    std::size_t cut = begin + most;
    while (cut > begin + most / 2 && !may_cut(text, begin, cut)) --cut;
    if (cut > begin + most / 2) return cut;
    for (cut = begin + most; cut < end && !may_cut(text, begin, cut); ++cut) {
    }
    return cut;
}

}  // namespace

std::size_t skip_space(std::string_view text, std::size_t at, std::size_t end) {
    while (at < end) {
        const unsigned char c = byte_at(text, at);
        if (c == ' ' || (c >= 9 && c <= 13)) {
            ++at;
            continue;
        }
        if (c < 0xC2) return at;
        const CodePoint point = decode(text, at);
        if (!is_space(point.value)) return at;
        at += point.size;
    }
    return end;
}

std::size_t trim_space(std::string_view text, std::size_t begin, std::size_t end) {
    while (end > begin) {
        const CodePoint last = before(text, begin, end);
        if (!is_space(last.value)) return end;
        end -= last.size;
    }
    return begin;
}

void cut_long(std::string_view text, std::size_t begin, std::size_t end, std::size_t most,
              std::vector<std::size_t>& starts, StopToken& stop) {
    starts.push_back(begin);
    while (end - begin > most) {
        stop.check(10 * most);
        // Pieces of about equal size, rather than full pieces and a short rest.
        const std::size_t pieces = (end - begin + most - 1) / most;
        const std::size_t even = (end - begin) / pieces;
        begin = best_cut(text, begin, end, std::min(most, even + even / 4), even);
        if (begin >= end) break;
        starts.push_back(begin);
    }
}

void sentence_starts(std::string_view text, std::size_t begin, std::size_t end, std::size_t scan,
                     std::size_t most, std::vector<std::size_t>& starts, StopToken& stop) {
    Paragraph(text, begin, end, most, starts, stop).split(scan);
}

}  // namespace ctxmem
