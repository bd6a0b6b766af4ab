#include "core/ranking/terms.hpp"

#include <algorithm>
#include <array>

#include "core/text/ascii.hpp"
#include "core/ranking/stems.hpp"
#include "core/support/secret.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

// Sorted.
constexpr std::array<std::string_view, 66> kFunctionWords = {
    "a",    "an",   "and",  "any",   "are",   "as",    "at",   "be",    "been",  "but",  "by",
    "can",  "did",  "do",   "does",  "for",   "from",  "had",  "has",   "have",  "he",   "her",
    "his",  "how",  "if",   "in",    "into",  "is",    "it",   "its",   "many",  "may",  "more",
    "most", "much", "no",   "not",   "of",    "on",    "or",   "shall", "she",   "so",   "such",
    "than", "that", "the",  "their", "there", "these", "they", "this",  "those", "to",   "under",
    "was",  "were", "what", "when",  "where", "which", "who",  "whom",  "why",   "will", "with"};

// Up to eight bytes packed into an integer.
constexpr std::uint64_t packed(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

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

// Numbers are given in order of appearance, so the key of the process changes no result.
std::uint64_t hash_bytes(std::string_view bytes) {
    const WordKey& key = process_key();
    std::uint64_t hash = key.words[0] + bytes.size();
    for (; bytes.size() > 8; bytes.remove_prefix(8))
        hash = mix_word(hash, packed(bytes.substr(0, 8)), key);
    return mix_word(hash, packed(bytes), key);
}

// An ASCII character in lower case, or 0 if it ends a word. Equal to the classes of unicode.hpp,
// but without their two-stage look-up, since most text is ASCII.
constexpr auto kAsciiInWord = [] {
    std::array<char, 128> out{};
    for (char c = '0'; c <= '9'; ++c) out[static_cast<std::size_t>(c)] = c;
    for (char c = 'a'; c <= 'z'; ++c) {
        out[static_cast<std::size_t>(c)] = c;
        out[static_cast<std::size_t>(c - 'a' + 'A')] = c;
    }
    return out;
}();

bool in_word(CharClass kind) { return kind != CharClass::other && kind < CharClass::space; }

bool is_thai(char32_t c) { return c >= 0xE00 && c < 0xE80; }

// Whether the character at `at` belongs to a word of a script that separates words by spaces.
bool word_goes_on(std::string_view utf8, std::size_t at) {
    if (at >= utf8.size()) return false;
    const auto byte = static_cast<unsigned char>(utf8[at]);
    if (byte < 0x80) return kAsciiInWord[byte] != 0;
    const std::uint8_t bits = class_byte(decode(utf8, at).value);
    return in_word(static_cast<CharClass>(bits & 7)) && (bits & kSpaceless) == 0;
}

bool has_digit(std::string_view utf8) {
    for (std::size_t at = 0; at < utf8.size();) {
        const CodePoint point = decode(utf8, at);
        if (char_class(point.value) == CharClass::number) return true;
        at += point.size;
    }
    return false;
}

bool is_ascii(std::string_view utf8) {
    return std::all_of(utf8.begin(), utf8.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string_view view(const std::vector<char>& bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

void Terms::Word::clear() {
    bytes.clear();
    capital = digit = false;
    ascii = true;
}

void Terms::push(std::string_view word, const Word& of, bool extra, std::vector<Term>& out) {
    const bool function = of.ascii && is_function_word(word);
    if (!of.digit && !function) word = stem(word, of.ascii);
    out.push_back({number_of(hash_bytes(word)), of.capital, of.digit, function, extra});
}

// Close the current part of a CamelCase word: the bytes [hump_, end) of the open word.
void Terms::close_hump(std::size_t end, std::vector<Term>& out) {
    const std::string_view hump = view(word_.bytes).substr(hump_, end - hump_);
    Word of;
    of.capital = hump_ > 0 || word_.capital;
    of.digit = word_.digit && has_digit(hump);
    of.ascii = word_.ascii || is_ascii(hump);
    push(hump, of, true, out);
    hump_ = end;
}

void Terms::close_word(std::vector<Term>& out) {
    if (hump_ > 0) close_hump(word_.bytes.size(), out);
    push(view(word_.bytes), word_, false, out);
    hump_ = 0;
    case_ = Case::none;
}

// Close the open word as one part of an identifier that continues.
void Terms::close_part(std::vector<Term>& out) {
    if (word_.bytes.empty()) return;
    close_word(out);
    if (parts_++ == 0) whole_.capital = word_.capital;
    whole_.digit = whole_.digit || word_.digit;
    whole_.ascii = whole_.ascii && word_.ascii;
    whole_.bytes.insert(whole_.bytes.end(), word_.bytes.begin(), word_.bytes.end());
    word_.clear();
}

void Terms::close(std::vector<Term>& out) {
    if (parts_ == 0) {
        if (!word_.bytes.empty()) close_word(out);
        word_.clear();
    } else {
        close_part(out);
        if (parts_ > 1) push(view(whole_.bytes), whole_, true, out);
        whole_.clear();
        parts_ = 0;
    }
    case_ = Case::none;
    script_ = Script::spaced;
    letter_ = 0;
}

// At a capital: "maxOverflow" is cut before it.
void Terms::upper(std::vector<Term>& out) {
    if (case_ == Case::lower || case_ == Case::uppers_lower) {
        close_hump(word_.bytes.size(), out);
        case_ = Case::none;
    }
    case_ = case_ == Case::none ? Case::upper : Case::uppers;
    last_upper_ = word_.bytes.size();
}

// At a lower-case letter: "HTTPServer" is cut before its last capital. "PDFs" is not cut, because a
// single lower-case letter is not a word.
void Terms::lower(std::vector<Term>& out) {
    if (case_ == Case::uppers_lower) close_hump(last_upper_, out);
    case_ = case_ == Case::uppers ? Case::uppers_lower : Case::lower;
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

// At a separator, which may join two parts of an identifier; returns the offset to continue at.
std::size_t Terms::join(std::string_view utf8, std::size_t at, std::vector<Term>& out) {
    const char joint = utf8[at];
    std::size_t next = at + 1;
    if (joint == '_')
        while (next < utf8.size() && utf8[next] == '_') ++next;
    const bool open = script_ == Script::spaced && (parts_ > 0 || !word_.bytes.empty());
    if (!open || (joint != '_' && joint != '-' && joint != '.') || !word_goes_on(utf8, next)) {
        close(out);
        return next;
    }
    close_part(out);
    if (joint != '_' && is_digit(utf8[at - 1]) && is_digit(utf8[next]))
        whole_.bytes.push_back(joint);
    return next;
}

// At a Thai letter after another one: push the previous pair of letters as a term.
void Terms::next_thai(std::vector<Term>& out) {
    if (letter_ > 0) {
        push(view(word_.bytes), word_, false, out);
        word_.bytes.erase(word_.bytes.begin(),
                          word_.bytes.begin() + static_cast<std::ptrdiff_t>(letter_));
    }
    letter_ = word_.bytes.size();
}

std::size_t Terms::append_other(std::string_view utf8, std::size_t at, std::vector<Term>& out) {
    const CodePoint point = decode(utf8, at);
    at += point.size;
    const std::uint8_t bits = class_byte(point.value);
    const auto kind = static_cast<CharClass>(bits & 7);
    if (!in_word(kind)) {
        close(out);
        return at;
    }
    if ((bits & kSpaceless) != 0) {
        const bool thai = is_thai(point.value);
        if (thai && script_ == Script::thai) {
            next_thai(out);
        } else {
            close(out);
            script_ = thai ? Script::thai : Script::alone;
        }
    } else if (script_ != Script::spaced && kind != CharClass::mark) {
        close(out);
    }
    if (script_ == Script::spaced) {
        if (kind == CharClass::upper) upper(out);
        if (kind == CharClass::lower) lower(out);
        if (kind == CharClass::letter) case_ = Case::none;
    }
    if (word_.bytes.empty()) word_.capital = kind == CharClass::upper;
    word_.digit = word_.digit || kind == CharClass::number;
    const char32_t lowered = lower_case(point.value);
    if (append_folded(lowered, word_.bytes)) word_.ascii = word_.ascii && lowered < 0x80;
    return at;
}

// Push the word at `at` if it is of at most 15 ASCII letters, only the first of which may be a
// capital, and no part of an identifier. Returns the offset after it, or `at` if it is not such a
// word. Requires that no word is open.
std::size_t Terms::append_known(std::string_view utf8, std::size_t at, std::vector<Term>& out) {
    const std::size_t stop = std::min(utf8.size(), at + kLongestKnown);
    std::uint64_t letters[2] = {static_cast<std::uint64_t>(utf8[at] | 0x20), 0};
    std::size_t end = at + 1;
    for (; end < stop && is_lower(utf8[end]); ++end)
        letters[(end - at) / 8] |= static_cast<std::uint64_t>(utf8[end]) << 8 * ((end - at) % 8);
    if (end < utf8.size()) {
        const auto next = static_cast<unsigned char>(utf8[end]);
        if (next >= 0x80 || kAsciiInWord[next] != 0) return at;
        if (next == '_' || ((next == '-' || next == '.') && word_goes_on(utf8, end + 1))) return at;
    }
    if (known_.empty()) known_.resize(std::size_t{1} << kKnownBits);
    const std::uint64_t mixed =
        (letters[0] ^ letters[1] * 0xC2B2AE3D27D4EB4Full) * 0x9E3779B97F4A7C15ull;
    KnownWord& known = known_[mixed >> (64 - kKnownBits)];
    const bool capital = is_upper(utf8[at]);
    if (known.first == letters[0] && known.last == letters[1]) {
        out.push_back({known.id, capital, false, known.function, false});
    } else {
        for (std::size_t i = at; i < end; ++i)
            word_.bytes.push_back(static_cast<char>(utf8[i] | 0x20));
        word_.capital = capital;
        push(view(word_.bytes), word_, false, out);
        word_.clear();
        known = {letters[0], letters[1], out.back().id, out.back().function};
    }
    return end;
}

void Terms::append(std::string_view utf8, std::vector<Term>& out) {
    for (std::size_t at = 0; at < utf8.size();) {
        const auto byte = static_cast<unsigned char>(utf8[at]);
        if (is_alpha(utf8[at]) && word_.bytes.empty() && parts_ == 0 && script_ == Script::spaced) {
            const std::size_t end = append_known(utf8, at, out);
            if (end > at) {
                at = end;
                continue;
            }
        }
        if (byte >= 0x80) {
            at = append_other(utf8, at, out);
            continue;
        }
        const char lowered = kAsciiInWord[byte];
        if (lowered == 0) {
            at = join(utf8, at, out);
            continue;
        }
        if (script_ != Script::spaced) close(out);
        if (byte <= '9') {
            word_.digit = true;
        } else if (byte <= 'Z') {
            upper(out);
        } else if (case_ != Case::lower) {
            lower(out);
        }
        if (word_.bytes.empty()) word_.capital = byte >= 'A' && byte <= 'Z';
        word_.bytes.push_back(lowered);
        ++at;
    }
    close(out);
}

}  // namespace ctxmem
