#include "core/tokenizer/charsmap.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "core/text/utf8.hpp"

namespace ctxmem {
namespace {

[[noreturn]] void damaged(const char* how) {
    throw std::invalid_argument(std::string("the precompiled_charsmap is damaged: ") + how);
}

std::uint32_t read_unit(const char* bytes) {
    std::uint32_t value = 0;
    for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
}

}  // namespace

Charsmap::Charsmap(std::string_view bytes) {
    if (bytes.size() < 4) damaged("it has no size");
    const std::size_t size = read_unit(bytes.data());
    bytes.remove_prefix(4);
    if (size == 0 || size % 4 != 0 || size > bytes.size()) damaged("its trie has another size");
    units_.resize(size / 4);
    for (std::size_t i = 0; i < units_.size(); ++i) units_[i] = read_unit(bytes.data() + 4 * i);
    blob_ = bytes.substr(size);
    if (!is_utf8(blob_)) damaged("a replacement is not UTF-8");
    check_trie();
}

// Visit the units that a key can reach, by the length of the key.
void Charsmap::check_trie() const {
    if (label(units_[0]) != 0) damaged("its trie has no root");
    // The units by the base that they would be a child of, which is all of them in one pass.
    const std::size_t count = units_.size();
    const auto base_of = [&](std::size_t place) { return place ^ label(units_[place]); };
    const auto is_child = [&](std::size_t place) {
        return !is_value(units_[place]) && label(units_[place]) != 0;
    };
    std::size_t bases = 256;
    while (bases < count) bases *= 2;
    std::vector<std::uint32_t> first(bases + 1), children(count), reached{0}, next;
    for (std::size_t i = 0; i < count; ++i)
        if (is_child(i)) ++first[base_of(i) + 1];
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<std::uint32_t> end(first.begin(), first.end() - 1);
    for (std::size_t i = 0; i < count; ++i)
        if (is_child(i)) children[end[base_of(i)]++] = static_cast<std::uint32_t>(i);

    for (std::size_t length = 0; !reached.empty(); ++length, reached.swap(next), next.clear()) {
        if (length > kLongestKey) damaged("a key does not end");
        for (const std::uint32_t place : reached) {
            const std::uint32_t unit = units_[place];
            const std::size_t base = place ^ distance(unit);
            if (has_value(unit) && place != 0) {
                if (base >= count || !is_value(units_[base])) damaged("a value is missing");
                const std::size_t at = units_[base] & ~(1u << 31);
                if (at >= blob_.size()) damaged("a value is outside the replacements");
                if ((static_cast<unsigned char>(blob_[at]) & 0xC0) == 0x80)
                    damaged("a value is inside a character");
            }
            if (base >= bases) continue;
            next.insert(next.end(), children.begin() + first[base], children.begin() + end[base]);
        }
        std::sort(next.begin(), next.end());
        next.erase(std::unique(next.begin(), next.end()), next.end());
    }
}

}  // namespace ctxmem
