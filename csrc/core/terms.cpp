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

// Sorted.
constexpr std::array<std::string_view, 66> kFunctionWords = {
    "a",    "an",   "and",  "any",   "are",   "as",    "at",   "be",   "been",  "but",  "by",
    "can",  "did",  "do",   "does",  "for",   "from",  "had",  "has",  "have",  "he",   "her",
    "his",  "how",  "if",   "in",    "into",  "is",    "it",   "its",  "many",  "may",  "more",
    "most", "much", "no",   "not",   "of",    "on",    "or",   "shall", "she",  "so",   "such",
    "than", "that", "the",  "their", "there", "these", "they", "this", "those", "to",   "under",
    "was",  "were", "what", "when",  "where", "which", "who",  "whom", "why",   "will", "with"};

// Up to eight bytes as a number, the last byte lowest: an ending is the lower part of what it ends.
constexpr std::uint64_t packed(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

struct Ending {
    std::uint64_t bytes, mask;
    std::uint32_t size;
};

constexpr auto kPackedEndings = [] {
    std::array<Ending, kEndings.size()> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto size = static_cast<std::uint32_t>(kEndings[i].size());
        out[i] = {packed(kEndings[i]), (std::uint64_t{1} << 8 * size) - 1, size};
    }
    return out;
}();

constexpr std::size_t kLongestFunctionWord =
    std::max_element(kFunctionWords.begin(), kFunctionWords.end(),
                     [](std::string_view a, std::string_view b) { return a.size() < b.size(); })
        ->size();
static_assert(kLongestFunctionWord <= 8);

constexpr auto kPackedFunctionWords = [] {
    std::array<std::uint64_t, kFunctionWords.size()> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = packed(kFunctionWords[i]);
    std::sort(out.begin(), out.end());
    return out;
}();

bool is_function_word(std::string_view word) {
    return word.size() <= kLongestFunctionWord &&
           std::binary_search(kPackedFunctionWords.begin(), kPackedFunctionWords.end(),
                              packed(word));
}

std::uint64_t hash_bytes(std::string_view bytes) {
    std::uint64_t hash = 0x243F6A8885A308D3ull ^ bytes.size();
    const auto mix = [&](std::uint64_t word) {
        hash = (hash ^ word) * 0xD6E8FEB86659FD93ull;
        hash ^= hash >> 32;
    };
    for (; bytes.size() > 8; bytes.remove_prefix(8)) mix(packed(bytes.substr(0, 8)));
    mix(packed(bytes));
    return hash;
}

// What an ASCII character is in a word: lower case, or 0 where it ends the word. The classes of
// unicode.hpp say the same; most text is ASCII, and needs no look-up in two stages.
constexpr auto kAsciiInWord = [] {
    std::array<char, 128> out{};
    for (char c = '0'; c <= '9'; ++c) out[static_cast<std::size_t>(c)] = c;
    for (char c = 'a'; c <= 'z'; ++c) {
        out[static_cast<std::size_t>(c)] = c;
        out[static_cast<std::size_t>(c - 'a' + 'A')] = c;
    }
    return out;
}();

}  // namespace

std::size_t stem_size(std::string_view word) {
    std::size_t size = word.size();
    const std::uint64_t tail = packed(word.substr(size - std::min<std::size_t>(size, 8)));
    for (const Ending& ending : kPackedEndings)
        if ((tail & ending.mask) == ending.bytes && size >= kLeast + ending.size) {
            if (ending.size == 1 && word.ends_with("ss")) break;  // "class", "process"
            size -= ending.size;
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
        function = is_function_word(word);
        if (!digit_ && !function) word = word.substr(0, stem_size(word));
    }
    out.push_back({number_of(hash_bytes(word)), capital_, digit_, function});
    word_.clear();
    capital_ = digit_ = false;
    ascii_ = true;
}

std::uint32_t Terms::number_of(std::uint64_t hash) {
    if (2 * size_ >= slots_.size()) grow();
    Slot& slot = slots_[free_or_same(hash)];
    if (slot.number == kFree) slot = {hash, size_++};
    return slot.number;
}

std::size_t Terms::free_or_same(std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    while (slots_[at].number != kFree && slots_[at].hash != hash) at = (at + 1) & mask;
    return at;
}

void Terms::grow() {
    std::vector<Slot> before(std::max<std::size_t>(kFewest, 4 * slots_.size()));
    before.swap(slots_);
    for (const Slot& slot : before)
        if (slot.number != kFree) slots_[free_or_same(slot.hash)] = slot;
}

void Terms::append(std::string_view utf8, std::vector<Term>& out) {
    bool alone = false;  // the open word is a letter of a spaceless script: only marks extend it
    for (std::size_t at = 0; at < utf8.size();) {
        const auto byte = static_cast<unsigned char>(utf8[at]);
        if (byte < 0x80) {
            ++at;
            const char lower = kAsciiInWord[byte];
            if (lower == 0 || alone) close(out);
            alone = false;
            if (lower == 0) continue;
            if (word_.empty()) capital_ = byte >= 'A' && byte <= 'Z';
            digit_ = digit_ || byte <= '9';
            word_.push_back(lower);
            continue;
        }
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
        ascii_ = false;
        append_utf8(lower_case(point.value), word_);
        alone = alone || spaceless;
    }
    close(out);
}

}  // namespace ctxmem
