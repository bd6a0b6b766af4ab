// The precompiled character map of SentencePiece: a double-array trie (Aoe 1989) from byte strings to
// places in a blob of NUL-terminated replacements.
//
// The format is the size of the trie in bytes (4 bytes, little-endian), the trie in units of 4 bytes,
// and the blob. A unit that is a value has bit 31; another has its label in bits 0-7, says in bit 8
// whether a value is at its base, and has the distance to its base in bits 10-30, times 256 if bit 9
// is set. All of it is checked when read, so that looking up needs no check but that of the place.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ctxmem {

class Charsmap {
public:
    struct Match {
        std::size_t size = 0;  // bytes of the key; 0 if none matches
        std::string_view replacement;
    };

    // Throws std::invalid_argument if the bytes are not such a map: cut off, with values outside the
    // blob or inside a character, with replacements that are not UTF-8 or with endless keys.
    explicit Charsmap(std::string_view bytes);

    // Whether a key begins with these bytes.
    bool opens(std::string_view bytes) const {
        std::size_t base = distance(units_[0]);
        for (const char byte : bytes) {
            const std::size_t place = base ^ static_cast<unsigned char>(byte);
            if (byte == 0 || place >= units_.size()) return false;
            if (label(units_[place]) != static_cast<unsigned char>(byte)) return false;
            base = place ^ distance(units_[place]);
        }
        return true;
    }

    // The shortest and the longest key that `text` begins with. O(the longest key).
    Match shortest(std::string_view text) const { return find<true>(text); }
    Match longest(std::string_view text) const { return find<false>(text); }

private:
    static constexpr std::size_t kLongestKey = 1024;

    static bool has_value(std::uint32_t unit) { return (unit & 1u << 8) != 0; }
    static bool is_value(std::uint32_t unit) { return (unit & 1u << 31) != 0; }
    static std::uint32_t label(std::uint32_t unit) { return unit & (1u << 31 | 0xFF); }
    static std::size_t distance(std::uint32_t unit) {
        return std::size_t{unit >> 10 & 0x1FFFFF} << ((unit & 1u << 9) != 0 ? 8 : 0);
    }

    template <bool kShortest>
    Match find(std::string_view text) const {
        Match match;
        std::size_t base = distance(units_[0]);
        for (std::size_t i = 0; i < text.size(); ++i) {
            const auto byte = static_cast<unsigned char>(text[i]);
            const std::size_t place = base ^ byte;
            if (byte == 0 || place >= units_.size()) break;
            const std::uint32_t unit = units_[place];
            if (label(unit) != byte) break;
            base = place ^ distance(unit);
            if (!has_value(unit)) continue;
            match = {i + 1, replacement(units_[base] & ~(1u << 31))};
            if (kShortest) break;
        }
        return match;
    }

    std::string_view replacement(std::size_t at) const {
        return std::string_view(blob_.data() + at);  // the blob ends with a NUL
    }

    void check_trie() const;

    std::vector<std::uint32_t> units_;
    std::string blob_;
};

}  // namespace ctxmem
