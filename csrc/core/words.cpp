#include "core/words.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/unicode.hpp"

#if defined(__SSE2__) || (defined(_MSC_VER) && defined(_M_X64))
#include <emmintrin.h>
#define CTXMEM_SSE2 1
#endif

namespace ctxmem {
namespace {

constexpr std::uint64_t kFirst = 0x243F6A8885A308D3ull;       // digits of pi
constexpr std::uint64_t kMultiplier = 0xD6E8FEB86659FD93ull;  // odd, well spread bits
constexpr std::uint64_t kLower = 0x2020202020202020ull;  // or-ed in, it lower-cases ASCII letters

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t block) {
    hash = (hash ^ block) * kMultiplier;
    return hash ^ (hash >> 32);
}

inline std::uint64_t load(const char* at) {
    std::uint64_t block;
    std::memcpy(&block, at, 8);
    if constexpr (std::endian::native == std::endian::big) {
        std::uint64_t turned = 0;
        for (int i = 0; i < 8; ++i) turned |= (block >> (56 - 8 * i) & 0xFF) << (8 * i);
        return turned;
    }
    return block;
}

// Which bytes of two blocks belong to a word of this many bytes, at most 16.
struct Keep {
    std::uint64_t first;
    std::uint64_t second;
};
constexpr std::array<Keep, 17> keep_bytes() {
    std::array<Keep, 17> table{};
    for (std::size_t size = 1; size <= 16; ++size) {
        table[size] = table[size - 1];
        std::uint64_t& block = size <= 8 ? table[size].first : table[size].second;
        block = block << 8 | 0xFF;
    }
    return table;
}
constexpr auto kKeep = keep_bytes();

// The hash of a word: its bytes by eights, of which the last but one and the last are mixed even if
// empty, so that nearly all words take one path without a branch. `fold` lower-cases.
// Reads up to 15 bytes past the word.
inline std::uint64_t hash_word(const char* at, std::size_t size, std::uint64_t fold) {
    std::uint64_t hash = kFirst ^ size;
    while (size > 16) {
        hash = mix(hash, load(at) | fold);
        at += 8;
        size -= 8;
    }
    const Keep keep = kKeep[size];
    hash = mix(hash, (load(at) | fold) & keep.first);
    hash = (hash ^ ((load(at + 8) | fold) & keep.second)) * kMultiplier;
    return hash ^ (hash >> 29);
}

constexpr std::size_t kBlock = 64;
constexpr std::size_t kSlack = 16;  // what hash_word may read past a block

struct Classes {
    std::uint64_t words;   // bit i: byte i is an ASCII letter or digit
    std::uint64_t beyond;  // bit i: byte i is not ASCII
};

#if defined(CTXMEM_SSE2)
inline Classes classify(const char* at) {
    Classes classes{0, 0};
    for (int part = 0; part < 4; ++part) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at) + part);
        const auto within = [](__m128i values, char low, char count) {
            const __m128i shifted = _mm_sub_epi8(values, _mm_set1_epi8(low));
            return _mm_cmpeq_epi8(shifted, _mm_min_epu8(shifted, _mm_set1_epi8(count)));
        };
        const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        const __m128i word = _mm_or_si128(within(lower, 'a', 25), within(bytes, '0', 9));
        const auto mask = static_cast<std::uint32_t>(_mm_movemask_epi8(word));
        const auto high = static_cast<std::uint32_t>(_mm_movemask_epi8(bytes));
        classes.words |= std::uint64_t{mask} << (16 * part);
        classes.beyond |= std::uint64_t{high} << (16 * part);
    }
    return classes;
}
#else
// Eight bytes in one number: adding 0x80 - c to a byte below 0x80 sets its top bit if it is >= c.
inline Classes classify(const char* at) {
    constexpr std::uint64_t kOnes = 0x0101010101010101ull;
    constexpr std::uint64_t kTops = 0x80 * kOnes;
    const auto gather = [](std::uint64_t tops) {
        return (tops >> 7) * 0x0102040810204080ull >> 56;  // top bit of byte i -> bit i
    };
    Classes classes{0, 0};
    for (int part = 0; part < 8; ++part) {
        const std::uint64_t bytes = load(at + 8 * part);
        const std::uint64_t ascii = bytes & ~kTops;
        const std::uint64_t lower = ascii | kLower;
        const std::uint64_t letter =
            (lower + (0x80 - 'a') * kOnes) & ~(lower + (0x80 - 'z' - 1) * kOnes);
        const std::uint64_t digit =
            (ascii + (0x80 - '0') * kOnes) & ~(ascii + (0x80 - '9' - 1) * kOnes);
        classes.words |= gather((letter | digit) & kTops & ~bytes) << (8 * part);
        classes.beyond |= gather(bytes & kTops) << (8 * part);
    }
    return classes;
}
#endif

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
        const std::size_t size = bytes_.size();
        bytes_.resize(size + kSlack);
        const std::uint64_t hash = hash_word(bytes_.data(), size, 0);
        bytes_.clear();
        return hash;
    }

private:
    void push(char32_t byte) { bytes_.push_back(static_cast<char>(byte)); }
    std::vector<char> bytes_;
};

class Splitter {
public:
    Splitter(std::string_view utf8, std::uint64_t* out) : utf8_(utf8), out_(out) {}

    std::uint64_t* split() {
        while (at_ < utf8_.size()) block();
        return out_;
    }

private:
    // The words that end within the next 64 bytes; goes on where the first that does not begins.
    void block() {
        const std::size_t left = utf8_.size() - at_;
        const char* bytes = utf8_.data() + at_;
        char copy[kBlock + kSlack];
        if (left < kBlock + kSlack) {
            // The end of the text, with zeroes after it: they separate.
            std::memset(copy, 0, sizeof copy);
            std::memcpy(copy, bytes, left);
            bytes = copy;
        }
        const Classes classes = classify(bytes);
        std::size_t end = std::min(left, kBlock);
        if (classes.beyond != 0)
            end = std::min<std::size_t>(end, std::countr_zero(classes.beyond));
        std::uint64_t words = classes.words;
        if (end < kBlock) words &= (std::uint64_t{1} << end) - 1;
        // A word that reaches the end of a block may go on; at the end of the text it cannot.
        const bool open = end > 0 && end < left && (words >> (end - 1) & 1);
        std::size_t closed = end;
        if (open) {
            const std::uint64_t gaps = ~words & (end < kBlock ? (std::uint64_t{1} << end) - 1 : ~0ull);
            closed = gaps == 0 ? 0 : kBlock - static_cast<std::size_t>(std::countl_zero(gaps));
            words &= closed == 0 ? 0 : low_bits(closed);
        }
        std::uint64_t starts = words & ~(words << 1);
        std::uint64_t stops = ~words & (words << 1);  // a word up to bit 63 has no stop bit
        while (starts != 0) {
            const auto start = static_cast<std::size_t>(std::countr_zero(starts));
            const auto stop =
                stops != 0 ? static_cast<std::size_t>(std::countr_zero(stops)) : kBlock;
            *out_++ = hash_word(bytes + start, stop - start, kLower);
            starts &= starts - 1;
            stops &= stops - 1;
        }
        at_ += closed;
        if (end < std::min(left, kBlock))
            beyond_ascii();
        else if (closed == 0)
            long_word();
    }

    static std::uint64_t low_bits(std::size_t count) {
        return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
    }

    // A word that fills a block. Character by character does for the rare ones.
    void long_word() { beyond_ascii(); }

    // Words with characters that are not ASCII, until an ASCII separator that ASCII follows.
    void beyond_ascii() {
        bool alone = false;  // the open word is a letter of a spaceless script: only marks extend it
        const auto close = [&] {
            if (!word_.empty()) *out_++ = word_.take();
            alone = false;
        };
        while (at_ < utf8_.size()) {
            const CodePoint point = decode(utf8_, at_);
            at_ += point.size;
            const std::uint8_t bits = class_byte(point.value);
            const auto kind = static_cast<CharClass>(bits & 7);
            if (kind == CharClass::other || kind >= CharClass::space) {
                close();
                const bool ascii_follows =
                    at_ < utf8_.size() && static_cast<unsigned char>(utf8_[at_]) < 0x80;
                if (ascii_follows) return;
                continue;
            }
            const bool spaceless = (bits & kSpaceless) != 0;
            if (spaceless || (alone && kind != CharClass::mark)) close();
            word_.add(lower_case(point.value));
            alone = alone || spaceless;
        }
        close();
    }

    std::string_view utf8_;
    std::uint64_t* out_;
    std::size_t at_ = 0;  // no word is open here
    Lowered word_;
};

}  // namespace

std::size_t split_words(std::string_view utf8, std::uint64_t* out) {
    return static_cast<std::size_t>(Splitter(utf8, out).split() - out);
}

void split_words(std::string_view utf8, std::vector<std::uint64_t>& out) {
    const std::size_t before = out.size();
    out.resize(before + most_words(utf8.size()));
    out.resize(before + split_words(utf8, out.data() + before));
}

void split_characters(std::string_view utf8, std::vector<std::uint64_t>& out) {
    bool separated = false;  // something other than a word character came after the last one
    bool any = false;
    for (std::size_t at = 0; at < utf8.size();) {
        const CodePoint point = decode(utf8, at);
        at += point.size;
        const std::uint8_t kind = class_byte(point.value) & 7;
        if (kind < 1 || kind > 5) {
            separated = true;
            continue;
        }
        if (separated && any) out.push_back(mix(kFirst, U' '));
        out.push_back(mix(kFirst, lower_case(point.value)));
        any = true;
        separated = false;
    }
}

}  // namespace ctxmem
