#include "core/words.hpp"

#include <array>
#include <cstring>

#include "core/unicode.hpp"

namespace ctxmem {
namespace {

constexpr std::uint64_t kMultiplier = 0xD6E8FEB86659FD93ull;  // odd, well spread bits

constexpr std::array<bool, 256> ascii_word_bytes() {
    std::array<bool, 256> table{};
    for (int c = 0; c < 128; ++c)
        table[static_cast<std::size_t>(c)] =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return table;
}
constexpr auto kAsciiWord = ascii_word_bytes();

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t block) {
    hash = (hash ^ block) * kMultiplier;
    return hash ^ (hash >> 32);
}

// The first `size` bytes at `at` as a number, the rest zero; reads 8 bytes where the text has them.
inline std::uint64_t load(const char* at, std::size_t size, const char* end) {
    std::uint64_t block = 0;
    if (end - at >= 8) {
        std::memcpy(&block, at, 8);
        return size < 8 ? block & ((std::uint64_t{1} << (8 * size)) - 1) : block;
    }
    std::memcpy(&block, at, size);
    return block;
}

// Hash lower-cased bytes, eight at a time. `fold` is or-ed in: 0x20 in every byte lower-cases ASCII
// letters and leaves digits as they are; 0 is for bytes that are lower-cased already.
std::uint64_t hash_word(const char* at, std::size_t size, const char* end, std::uint64_t fold) {
    std::uint64_t hash = size * 0x9E3779B97F4A7C15ull;
    while (size > 8) {
        hash = mix(hash, load(at, 8, end) | fold);
        at += 8;
        size -= 8;
    }
    const std::uint64_t keep = size < 8 ? (std::uint64_t{1} << (8 * size)) - 1 : ~std::uint64_t{0};
    return mix(mix(hash, load(at, size, end) | (fold & keep)), 0);
}

// The lower-cased UTF-8 of a word that is not all ASCII.
class Lowered {
public:
    void add(char32_t c) {
        if (c < 0x80) {
            push(c);
        } else if (c < 0x800) {
            push(0xC0 | c >> 6);
            push(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            push(0xE0 | c >> 12);
            push(0x80 | (c >> 6 & 0x3F));
            push(0x80 | (c & 0x3F));
        } else {
            push(0xF0 | c >> 18);
            push(0x80 | (c >> 12 & 0x3F));
            push(0x80 | (c >> 6 & 0x3F));
            push(0x80 | (c & 0x3F));
        }
    }
    bool empty() const { return bytes_.empty(); }
    std::uint64_t take() {
        const char* data = bytes_.data();
        const std::uint64_t hash = hash_word(data, bytes_.size(), data + bytes_.size(), 0);
        bytes_.clear();
        return hash;
    }

private:
    void push(char32_t byte) { bytes_.push_back(static_cast<char>(byte)); }
    std::vector<char> bytes_;
};

// Words from `at` on, as long as they touch characters beyond ASCII; returns where to go on.
std::size_t split_beyond_ascii(std::string_view utf8, std::size_t at,
                               std::vector<std::uint64_t>& out) {
    Lowered word;
    bool alone = false;  // the open word is a letter of a spaceless script: only marks extend it
    const auto close = [&] {
        if (!word.empty()) out.push_back(word.take());
        alone = false;
    };
    while (at < utf8.size()) {
        const CodePoint point = decode(utf8, at);
        const std::uint8_t bits = class_byte(point.value);
        const auto kind = static_cast<CharClass>(bits & 7);
        if (kind == CharClass::other || kind >= CharClass::space) break;
        const bool spaceless = (bits & kSpaceless) != 0;
        if (spaceless || (alone && kind != CharClass::mark)) close();
        word.add(lower_case(point.value));
        alone = alone || spaceless;
        at += point.size;
    }
    close();
    return at;
}

}  // namespace

void split_words(std::string_view utf8, std::vector<std::uint64_t>& out) {
    constexpr std::uint64_t kFold = 0x2020202020202020ull;
    const char* data = utf8.data();
    const char* end = data + utf8.size();
    for (std::size_t at = 0; at < utf8.size();) {
        const auto first = static_cast<unsigned char>(data[at]);
        if (!kAsciiWord[first] && first < 0x80) {
            ++at;
            continue;
        }
        std::size_t stop = at;
        while (stop < utf8.size() && kAsciiWord[static_cast<unsigned char>(data[stop])]) ++stop;
        if (stop < utf8.size() && static_cast<unsigned char>(data[stop]) >= 0x80) {
            const std::size_t next = split_beyond_ascii(utf8, at, out);
            at = next > at ? next : at + decode(utf8, at).size;  // a symbol is no word: step over
            continue;
        }
        out.push_back(hash_word(data + at, stop - at, end, kFold));
        at = stop;
    }
}

WordLists split_texts(std::span<const std::string_view> texts) {
    WordLists lists;
    std::size_t bytes = 0;
    for (const std::string_view text : texts) bytes += text.size();
    lists.words.reserve(bytes / 5);  // an English word takes about six bytes with its space
    lists.start.reserve(texts.size() + 1);
    lists.start.push_back(0);
    for (const std::string_view text : texts) {
        split_words(text, lists.words);
        lists.start.push_back(static_cast<std::int64_t>(lists.words.size()));
    }
    return lists;
}

}  // namespace ctxmem
