#include "core/terms.hpp"

#include <algorithm>
#include <array>

#include "core/unicode.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kLeast = 3;  // bytes that a stem keeps

// Longest first, so that the first that fits is the longest that fits.
constexpr std::array<std::string_view, 27> kEndings = {
    "ations", "ality", "ation", "ating", "ators", "ments", "ingly", "ated", "ates",
    "ator",   "edly",  "ions",  "ment",  "ness",  "ate",   "ies",   "ing",  "ion",
    "ity",    "ely",   "al",    "ed",    "er",    "es",    "ly",    "e",    "s"};

// Sorted, for a binary search.
constexpr std::array<std::string_view, 66> kFunctionWords = {
    "a",    "an",   "and",  "any",   "are",   "as",    "at",   "be",   "been",  "but",  "by",
    "can",  "did",  "do",   "does",  "for",   "from",  "had",  "has",  "have",  "he",   "her",
    "his",  "how",  "if",   "in",    "into",  "is",    "it",   "its",  "many",  "may",  "more",
    "most", "much", "no",   "not",   "of",    "on",    "or",   "shall", "she",  "so",   "such",
    "than", "that", "the",  "their", "there", "these", "they", "this", "those", "to",   "under",
    "was",  "were", "what", "when",  "where", "which", "who",  "whom", "why",   "will", "with"};

std::uint64_t hash_bytes(std::string_view bytes) {
    std::uint64_t hash = 0x243F6A8885A308D3ull ^ bytes.size();
    for (const char byte : bytes) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0xD6E8FEB86659FD93ull;
        hash ^= hash >> 32;
    }
    return hash;
}

}  // namespace

std::span<const std::string_view> function_words() { return kFunctionWords; }

std::size_t stem_size(std::string_view word) {
    std::size_t size = word.size();
    for (const std::string_view ending : kEndings)
        if (size >= kLeast + ending.size() && word.ends_with(ending)) {
            if (ending == "s" && word[size - 2] == 's') break;  // "class", "process"
            size -= ending.size();
            break;
        }
    // "stopped" and "stop" meet; then "agreement" and "agreed", "notify" and "notifies".
    if (size < word.size() && size > kLeast && word[size - 1] == word[size - 2]) --size;
    while (size > kLeast &&
           (word[size - 1] == 'e' || word[size - 1] == 'i' || word[size - 1] == 'y'))
        --size;
    return size;
}

void Terms::close(std::vector<Term>& out) {
    if (word_.empty()) return;
    std::string_view word(word_.data(), word_.size());
    bool function = false;
    if (ascii_) {
        function = std::binary_search(kFunctionWords.begin(), kFunctionWords.end(), word);
        if (!digit_ && !function) word = word.substr(0, stem_size(word));
    }
    const auto [at, fresh] =
        number_.try_emplace(hash_bytes(word), static_cast<std::uint32_t>(number_.size()));
    out.push_back({at->second, capital_, digit_, function});
    word_.clear();
    capital_ = digit_ = false;
    ascii_ = true;
}

void Terms::append(std::string_view utf8, std::vector<Term>& out) {
    bool alone = false;  // the open word is a letter of a spaceless script: only marks extend it
    for (std::size_t at = 0; at < utf8.size();) {
        const CodePoint point = decode(utf8, at);
        at += point.size;
        const std::uint8_t bits = class_byte(point.value);
        const auto kind = static_cast<CharClass>(bits & 7);
        if (kind == CharClass::other || kind >= CharClass::space) {
            close(out);
            alone = false;
            continue;
        }
        const bool spaceless = (bits & kSpaceless) != 0;
        if (spaceless || (alone && kind != CharClass::mark)) {
            close(out);
            alone = false;
        }
        if (word_.empty()) capital_ = kind == CharClass::upper;
        digit_ = digit_ || kind == CharClass::number;
        ascii_ = ascii_ && point.value < 0x80;
        append_utf8(lower_case(point.value), word_);
        alone = alone || spaceless;
    }
    close(out);
}

}  // namespace ctxmem
