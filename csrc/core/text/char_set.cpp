#include "core/text/char_set.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace ctxmem {
namespace {

// The general categories of Unicode; the order is that of the table.
constexpr std::string_view kCategoryNames[] = {
    "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
    "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs"};

// Ranges in any order become ascending ones that do not touch.
void normalise(std::vector<CharRange>& ranges) {
    std::sort(ranges.begin(), ranges.end(),
              [](const CharRange& a, const CharRange& b) { return a.first < b.first; });
    std::size_t kept = 0;
    for (const CharRange& range : ranges) {
        if (kept > 0 && range.first <= ranges[kept - 1].last + 1)
            ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
        else
            ranges[kept++] = range;
    }
    ranges.resize(kept);
}

// The code points whose category has its bit in `wanted`. Most blocks are alike and of one category;
// the characters of such a block are looked at once.
std::vector<CharRange> of_categories(std::uint32_t wanted) {
    constexpr std::size_t kBlocks = std::size(tables::kCategoryBlocks) / 128;
    enum State : std::uint8_t { unknown, all, none, some };
    std::array<State, kBlocks> states{};
    std::vector<CharRange> ranges;
    const auto add = [&](char32_t first, char32_t last) {
        if (!ranges.empty() && ranges.back().last + 1 == first)
            ranges.back().last = last;
        else
            ranges.push_back({first, last});
    };
    for (char32_t block = 0; block <= kLastCodePoint >> 7; ++block) {
        const std::size_t index = tables::kCategoryIndex[block];
        const std::uint8_t* kinds = tables::kCategoryBlocks + index * 128;
        const auto belongs = [&](std::uint8_t kind) { return (wanted >> kind & 1) != 0; };
        State& state = states[index];
        if (state == unknown)
            state = std::all_of(kinds, kinds + 128, belongs)    ? all
                    : std::none_of(kinds, kinds + 128, belongs) ? none
                                                                : some;
        const char32_t first = block << 7;
        if (state == all) add(first, first + 127);
        for (char32_t i = 0; state == some && i < 128; ++i)
            if (belongs(kinds[i])) add(first + i, first + i);
    }
    return ranges;
}

}  // namespace

CharSet::CharSet(std::initializer_list<CharRange> ranges) : ranges_(ranges) { normalise(ranges_); }

CharSet::CharSet(std::span<const CharRange> ranges) : ranges_(ranges.begin(), ranges.end()) {
    normalise(ranges_);
}

CharSet CharSet::named(std::string_view name) {
    std::uint32_t wanted = 0;
    for (std::size_t i = 0; i < std::size(kCategoryNames); ++i)
        if (kCategoryNames[i] == name || (name.size() == 1 && kCategoryNames[i][0] == name[0]))
            wanted |= 1u << i;
    if (wanted != 0) return CharSet(of_categories(wanted));
    for (const tables::Script& script : tables::kScripts)
        if (script.name == name) return CharSet(std::span(script.begin, script.end));
    return {};
}

CharSet CharSet::space() {
    return {{0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},
            {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
            {0x205F, 0x205F}, {0x3000, 0x3000}};
}

bool CharSet::contains(char32_t c) const {
    const auto after = std::upper_bound(
        ranges_.begin(), ranges_.end(), c,
        [](char32_t value, const CharRange& range) { return value < range.first; });
    return after != ranges_.begin() && c <= std::prev(after)->last;
}

CharSet CharSet::inverse() const {
    CharSet out;
    char32_t next = 0;
    for (const CharRange& range : ranges_) {
        if (range.first > next) out.ranges_.push_back({next, range.first - 1});
        next = range.last + 1;
    }
    if (next <= kLastCodePoint) out.ranges_.push_back({next, kLastCodePoint});
    return out;
}

CharSet CharSet::operator|(const CharSet& other) const {
    CharSet out = *this;
    out.ranges_.insert(out.ranges_.end(), other.ranges_.begin(), other.ranges_.end());
    normalise(out.ranges_);
    return out;
}

CharSet CharSet::operator&(const CharSet& other) const {
    CharSet out;
    for (std::size_t i = 0, k = 0; i < ranges_.size() && k < other.ranges_.size();) {
        const CharRange a = ranges_[i];
        const CharRange b = other.ranges_[k];
        const CharRange both{std::max(a.first, b.first), std::min(a.last, b.last)};
        if (both.first <= both.last) out.ranges_.push_back(both);
        if (a.last < b.last)
            ++i;
        else
            ++k;
    }
    return out;
}

bool CharSet::operator==(const CharSet& other) const {
    return std::equal(ranges_.begin(), ranges_.end(), other.ranges_.begin(), other.ranges_.end(),
                      [](const CharRange& a, const CharRange& b) {
                          return a.first == b.first && a.last == b.last;
                      });
}

CharTest::CharTest(const CharSet& set) {
    using Block = std::array<std::uint64_t, 4>;
    std::map<Block, std::uint16_t> seen;
    index_.reserve(0x1100);
    auto range = set.ranges().begin();
    for (char32_t start = 0; start <= kLastCodePoint; start += 256) {
        Block block{};
        while (range != set.ranges().end() && range->first < start + 256) {
            const char32_t last = std::min<char32_t>(range->last, start + 255);
            if (range->first <= start && last == start + 255)
                block.fill(~std::uint64_t{0});
            else
                for (char32_t c = std::max(range->first, start); c <= last; ++c)
                    block[c >> 6 & 3] |= std::uint64_t{1} << (c & 63);
            if (range->last > last) break;
            ++range;
        }
        const auto [at, is_new] = seen.emplace(block, static_cast<std::uint16_t>(seen.size()));
        if (is_new) blocks_.insert(blocks_.end(), block.begin(), block.end());
        index_.push_back(at->second);
    }
    ascii_[0] = blocks_[index_[0] * 4u];
    ascii_[1] = blocks_[index_[0] * 4u + 1];
}

}  // namespace ctxmem
