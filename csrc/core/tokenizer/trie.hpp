// Strings as a double-array trie (Aoe 1989): all strings that a text begins with, in one walk.
//
// The child of node n for byte c is cell base[n] + c, and it is a child of n only if its check is n.
// A step costs one cache line. A cell takes 12 bytes; there is a cell for each prefix of a string,
// and few free ones between them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace ctxmem {

class Trie {
public:
    static constexpr std::uint32_t kNone = 0xFFFFFFFFu;
    static constexpr std::uint32_t kRoot = 0;

    Trie() : Trie(std::vector<std::pair<std::string_view, std::uint32_t>>{}) {}

    // Strings with their values. Of equal strings the last counts; an empty one has no place.
    explicit Trie(std::vector<std::pair<std::string_view, std::uint32_t>> strings) {
        std::stable_sort(strings.begin(), strings.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        struct Range {
            std::uint32_t node;
            std::size_t begin, end, depth;  // strings that agree in `depth` bytes
        };
        grow(kCells);
        take(kRoot, kNone);
        std::vector<Range> ranges{{kRoot, 0, strings.size(), 0}};
        std::vector<Range> children;
        std::vector<std::uint8_t> bytes;
        while (!ranges.empty()) {
            const Range range = ranges.back();
            ranges.pop_back();
            std::size_t at = range.begin;
            while (at < range.end && strings[at].first.size() == range.depth) {
                if (range.depth > 0) cells_[range.node].value = strings[at].second;
                ++at;
            }
            if (at == range.end) continue;
            children.clear();
            bytes.clear();
            while (at < range.end) {
                const char byte = strings[at].first[range.depth];
                const std::size_t begin = at;
                while (at < range.end && strings[at].first[range.depth] == byte) ++at;
                children.push_back({0, begin, at, range.depth + 1});
                bytes.push_back(static_cast<std::uint8_t>(byte));
            }
            const std::uint32_t base = room_for(bytes);
            cells_[range.node].base = base;
            for (std::size_t i = 0; i < children.size(); ++i) {
                children[i].node = base + bytes[i];
                take(children[i].node, range.node);
            }
            ranges.insert(ranges.end(), children.rbegin(), children.rend());
        }
        next_free_ = {};
        cells_.shrink_to_fit();
    }

    // The child of a node, or kNone.
    std::uint32_t child(std::uint32_t node, char byte) const {
        const std::uint32_t at = cells_[node].base + static_cast<unsigned char>(byte);
        return cells_[at].check == node ? at : kNone;
    }

    // The value of the string that ends at a node, or kNone.
    std::uint32_t value(std::uint32_t node) const { return cells_[node].value; }

    // Call visit(size, value) for each string that `text` begins with, the shortest first.
    template <class Visit>
    void prefixes(std::string_view text, Visit visit) const {
        std::uint32_t node = kRoot;
        for (std::size_t i = 0; i < text.size(); ++i) {
            node = child(node, text[i]);
            if (node == kNone) return;
            if (value(node) != kNone) visit(i + 1, value(node));
        }
    }

    // The value of this very string, or kNone.
    std::uint32_t find(std::string_view text) const {
        std::uint32_t node = kRoot;
        for (const char byte : text)
            if ((node = child(node, byte)) == kNone) return kNone;
        return text.empty() ? kNone : value(node);
    }

private:
    static constexpr std::size_t kCells = 1024;  // at the start, at least 512
    static constexpr std::uint32_t kFree = 0xFFFFFFFEu;
    static constexpr int kTries = 32;  // free cells tried for a node before it goes to the end

    // The first 256 cells but the root are never taken: they are where a node without children,
    // whose base is 0, looks for them. So base[n] + c is always within the array.
    struct Cell {
        std::uint32_t base, check, value;
    };

    void grow(std::size_t size) {
        const std::size_t old = cells_.size();
        cells_.resize(size, {0, kFree, kNone});
        next_free_.resize(size + 1);
        for (std::size_t i = old; i <= size; ++i) next_free_[i] = static_cast<std::uint32_t>(i);
    }

    // The first free cell from `at` on, at most the size; paths are halved (Tarjan 1975).
    std::uint32_t free_from(std::uint32_t at) {
        while (next_free_[at] != at) {
            next_free_[at] = next_free_[next_free_[at]];
            at = next_free_[at];
        }
        return at;
    }

    void take(std::uint32_t at, std::uint32_t parent) {
        cells_[at].check = parent;
        next_free_[at] = at + 1;
    }

    // A base for children by these bytes, ascending.
    std::uint32_t room_for(const std::vector<std::uint8_t>& bytes) {
        // Nodes with many children seldom fit between others, so their search starts further on.
        std::uint32_t at = free_from(bytes.size() > 1 ? many_ : 256);
        if (at < 256u + bytes[0]) at = free_from(256u + bytes[0]);
        for (int tries = 0;; ++tries) {
            if (at + 512 > cells_.size()) grow(cells_.size() + cells_.size() / 2 + 512);
            const std::uint32_t base = at - bytes[0];
            bool fits = true;
            for (const std::uint8_t byte : bytes) fits = fits && cells_[base + byte].check == kFree;
            if (fits) return base;
            at = free_from(at + 1);
            if (tries == kTries) {
                many_ = std::max(many_, at);
                tries = 0;
            }
        }
    }

    std::vector<Cell> cells_;
    std::vector<std::uint32_t> next_free_;  // of a taken cell: where to look for a free one
    std::uint32_t many_ = 256;
};

}  // namespace ctxmem
