#include "core/recall/recall_words.hpp"

#include <algorithm>
#include <array>

#include "core/ranking/stems.hpp"
#include "core/text/ascii.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

// Sorted.
constexpr std::array<std::string_view, 100> kUnspoken = {
    "a",     "about",  "am",    "an",    "and",    "any",   "are",   "as",    "at",    "be",
    "been",  "but",    "by",    "can",   "could",  "d",     "did",   "do",    "does",  "doing",
    "don",   "during", "each",  "else",  "for",    "from",  "had",   "has",   "have",  "having",
    "he",    "her",    "here",  "him",   "his",    "how",   "i",     "if",    "in",    "into",
    "is",    "it",     "its",   "just",  "ll",     "m",     "may",   "me",    "might", "more",
    "most",  "much",   "my",    "no",    "not",    "of",    "on",    "or",    "our",   "please",
    "re",    "s",      "shall", "she",   "should", "so",    "such",  "sure",  "t",     "than",
    "that",  "the",    "their", "them",  "then",   "there", "these", "they",  "this",  "those",
    "to",    "us",     "ve",    "was",   "we",     "were",  "what",  "when",  "where", "which",
    "while", "who",    "whom",  "whose", "why",    "will",  "with",  "would", "you",   "your"};
static_assert(std::is_sorted(kUnspoken.begin(), kUnspoken.end()));

bool is_ascii(std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

void RecallWords::push(std::string_view word, bool digit) {
    if (word.empty()) return;
    if (word.size() <= 6 && std::binary_search(kUnspoken.begin(), kUnspoken.end(), word)) return;
    std::string_view kept = digit ? word : stem(word, is_ascii(word));
    if (kept.empty()) kept = word;
    bytes_ += kept.substr(0, kLongestWord);
    ends_.push_back(bytes_.size());
}

void RecallWords::close() {
    if (!word_.empty()) {
        const std::string_view word(word_.data(), word_.size());
        if (hump_ > 0) push(word.substr(hump_), digit_);
        push(word, digit_);
        word_.clear();
    }
    hump_ = 0;
    digit_ = lower_ = false;
    if (!before_.empty() && !paired_) push(before_, true);
    before_.clear();
    paired_ = false;
}

void RecallWords::alone(std::string_view letter) {
    if (!word_.empty()) close();
    if (!before_.empty()) {
        push(before_ + std::string(letter), true);
        paired_ = true;
    }
    before_ = letter;
}

void RecallWords::read(std::string_view utf8) {
    bytes_.clear();
    ends_.clear();
    std::vector<char> letter;
    for (std::size_t at = 0; at < utf8.size();) {
        const char c = utf8[at];
        if (static_cast<unsigned char>(c) < 0x80) {
            ++at;
            const bool number = is_digit(c);
            if (!number && !is_alpha(c)) {
                const bool inside = c == '.' && !word_.empty() && is_digit(word_.back()) &&
                                    at < utf8.size() && is_digit(utf8[at]);
                if (inside)
                    word_.push_back(c);
                else
                    close();
                continue;
            }
            if (!before_.empty()) close();
            if (is_upper(c) && lower_) {
                push(std::string_view(word_.data(), word_.size()).substr(hump_), digit_);
                hump_ = word_.size();
            }
            digit_ = digit_ || number;
            lower_ = is_lower(c);
            word_.push_back(is_upper(c) ? static_cast<char>(c | 0x20) : c);
            continue;
        }
        const CodePoint point = decode(utf8, at);
        at += point.size;
        const std::uint8_t bits = class_byte(point.value);
        const auto kind = static_cast<CharClass>(bits & 7);
        if (kind == CharClass::other || kind >= CharClass::space) {
            close();
            continue;
        }
        const bool spaceless = (bits & kSpaceless) != 0;
        const bool joins = kind == CharClass::mark && !before_.empty();
        if (spaceless || joins) {
            letter.clear();
            append_folded(lower_case(point.value), letter);
        }
        if (spaceless) {
            alone({letter.data(), letter.size()});
            continue;
        }
        if (joins) {
            before_.append(letter.begin(), letter.end());
            continue;
        }
        if (!before_.empty()) close();
        digit_ = digit_ || kind == CharClass::number;
        lower_ = kind == CharClass::lower;
        append_folded(lower_case(point.value), word_);
    }
    close();
}

}  // namespace ctxmem
