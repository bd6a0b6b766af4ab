// Byte-pair models as tokenizer.json and SentencePiece files give them: symbols, and a list of
// merges of two symbols into one, each with a rank. The lowest rank is merged first, the leftmost
// of its rank (Gage 1994; Sennrich et al. 2016).
//
// Two ways to count. (1) As defined: the piece as a list of symbols, merged with a heap, n log n.
// It serves every option and every list of merges, and is the slow twin in the tests. (2) From left
// to right, by the argument of bpe.hpp, which holds for merges of pairs as well: a sequence of
// symbols is the encoding of a text if and only if each two neighbours are that of their own text,
// which undoing their merges backwards answers. What differs is when a merge comes.
//
// When a merge comes. Usually ranks rise: a merge has a higher rank than those that make its parts,
// and merges come in the order of their ranks. But lists of all splits of each symbol (Llama 3,
// Gemma) have merges of a lower rank than one of their parts, and some do happen; such a merge comes
// at once after the part, whatever its rank. So call the highest rank of the merges that a symbol
// takes its time. Of two symbols that are made independently, side by side, the one of lower time is
// made first, of equal times the left one: the lowest rank in one of them, if it is below that time,
// is the lowest of both. Let the merge undone be of rank r and time t. If it is on the left, a merge
// across the border comes before it if its rank is below t, as the merge of rank t comes between the
// making of the part at the border and the merge undone; but if that part has time t itself, the
// merge undone follows it at once, and the rank has to be below r. If it is on the right, the same
// holds, but that an equal rank across the border comes first, since it is further left; and that a
// part of time t on the far side is made after one of time t at the border, so that t counts.
//
// Undoing needs to know how a symbol is made. The encoding of a symbol's text is unique, so there is
// at most one merge that makes the symbol last: a listed merge of two symbols that are made, and are
// neighbours but for that merge. All merges are gone through in the order of their ranks, and again
// where a part is made later. A symbol for which none is found is never made, and is left out of the
// trie that gives the candidates. So it makes no difference whether a list has one merge for each
// symbol (GPT-2, Qwen) or all of them.
//
// Cuts. A merge across the border of two characters x and y makes a symbol that contains x followed
// by y. So where no merge makes a symbol that contains xy, the text is cut exactly, and the parts
// are counted alone, from a cache by content if they are short. No SentencePiece vocabulary of the
// usual kind has "▁" after a letter, so texts without a pre-tokeniser fall into words. Which pairs
// of characters there are is kept in a table of bits; pairs outside ASCII and "▁" share bits, and a
// bit that is set by another pair costs a cut, never a count.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tokenizer/piece_cache.hpp"
#include "core/tokenizer/stages.hpp"
#include "core/tokenizer/string_index.hpp"
#include "core/tokenizer/trie.hpp"
#include "core/tokenizer/workspace_pool.hpp"

namespace ctxmem {

using Symbol = std::uint32_t;
constexpr Symbol kNoSymbol = 0xFFFFFFFFu;

// A merge of two adjacent symbols. Ranks start at 1; equal ranks are merged from left to right.
struct Merge {
    Symbol left, right, result;
    std::uint32_t rank;
};

// Pairs of symbols to their merge: open addressing with linear probing, at most half full, 16 bytes
// a place.
class MergeTable {
public:
    struct Entry {
        Symbol left, right, result;
        std::uint32_t rank;  // 0 where there is none
    };

    explicit MergeTable(std::size_t merges = 0);

    // Of two merges of one pair the last counts, as in the file format.
    void set(const Merge& merge);

    // The merge of two symbols, or an entry of rank 0.
    const Entry& find(Symbol left, Symbol right) const {
        std::size_t at = place_of(left, right);
        while (places_[at].rank != 0 && (places_[at].left != left || places_[at].right != right))
            at = (at + 1) & mask_;
        return places_[at];
    }

private:
    std::size_t place_of(Symbol left, Symbol right) const {
        const std::uint64_t pair = std::uint64_t{left} << 32 | right;
        return (pair ^ pair >> 29) * 0x9E3779B97F4A7C15ull >> shift_;
    }

    std::vector<Entry> places_;
    std::size_t mask_ = 0;
    unsigned shift_ = 0;
};

// Characters to symbols, in blocks of 256 code points.
class CharacterTable {
public:
    void set(char32_t character, Symbol symbol);
    Symbol find(char32_t character) const {
        const std::size_t block = character >> 8;
        return block < blocks_.size() ? symbols_[blocks_[block] + (character & 0xFF)] : kNoSymbol;
    }

private:
    std::vector<std::uint32_t> blocks_;  // where the block's symbols are; 0: it has none
    std::vector<Symbol> symbols_ = std::vector<Symbol>(256, kNoSymbol);
};

// What one thread needs while it encodes.
struct MergeWork {
    struct Node {
        Symbol symbol;
        std::int32_t previous, next;  // -1 at the ends; next is -2 once the node is merged away
    };
    PieceCache cache;
    std::vector<Symbol> tokens;  // with kLongest
    std::vector<std::uint64_t> dead;
    std::vector<std::pair<std::uint32_t, Symbol>> candidates;  // size and symbol
    std::vector<Symbol> symbols;
    std::vector<Node> nodes;
};

// The merges of a vocabulary with what makes them fast.
class MergeEncoder {
public:
    MergeEncoder() = default;

    // `texts` are the bytes of text that each symbol covers, empty for symbols that are no text.
    // `is_base` says which symbols a text is first cut into; each has a text of its own.
    MergeEncoder(std::span<const Merge> merges, std::span<const std::string_view> texts,
                 const std::vector<bool>& is_base);

    // Whether it is known how each symbol is made, so that encoding from left to right is exact.
    bool ordered() const { return ordered_; }

    // Whether encoding the text of a symbol gives that symbol.
    bool is_made(Symbol symbol) const { return parts_[symbol].made; }

    // The number of symbols that a list of symbols is merged to; `symbols` are what is left.
    std::size_t merge(std::vector<Symbol>& symbols, MergeWork& work) const;

    // The number of symbols of a text of base symbols only. Requires ordered(). None: the heap has
    // to do it.
    std::optional<std::int64_t> encode(std::string_view text, MergeWork& work) const;

private:
    struct Parts {
        Symbol left, right;
        std::uint32_t rank;  // of the merge that makes it, 0 for a base symbol
        std::uint32_t time;  // the highest rank of the merges that it takes, 0 for a base symbol
        std::uint32_t size : 31;
        std::uint32_t made : 1;
    };

    void find_parts(std::span<const Merge> merges);
    bool neighbours(Symbol left, Symbol right, bool left_is_longest) const;

    MergeTable table_;
    std::vector<Parts> parts_;
    Trie trie_;  // of the symbols that are made
    bool ordered_ = true;
};

struct MergeOptions {
    bool byte_level = false;  // pieces are bytes, and the vocabulary writes them in GPT-2's letters
    bool fuse_unknown = false;
    bool byte_fallback = false;
    bool ignore_merges = false;
    std::optional<std::string> unknown;
    std::string prefix;  // of every character but the first of a piece
    std::string suffix;  // of the last character of a piece
};

// The model of type "BPE" of a tokenizer.json.
class MergeModel final : public TokenModel {
public:
    // Throws std::invalid_argument if a merge names a token that is not in the vocabulary, and
    // Unsupported for what no published file does: a merge that adds nothing.
    MergeModel(std::span<const std::string_view> vocabulary,
               std::span<const std::pair<std::string_view, std::string_view>> merges,
               const MergeOptions& options);

    // The same with merges of places in the vocabulary, in the order of their ranks.
    MergeModel(std::span<const std::string_view> vocabulary, std::vector<Merge> merges,
               const MergeOptions& options);

    std::int64_t count(std::string_view piece) const override;

    // The same by the heap alone.
    std::int64_t count_by_merging(std::string_view piece) const;

    // Whether pieces are encoded from left to right.
    bool fast() const { return fast_; }

private:
    void read(std::span<const std::string_view> vocabulary, const std::vector<Merge>& merges,
              const StringIndex& ids);
    void read_bases(const StringIndex& ids, std::span<const std::string_view> vocabulary);
    void add_base(const StringIndex& ids, char32_t c, std::string_view name);
    void read_pairs(std::span<const std::string_view> texts);
    std::int64_t count_whole(std::string_view piece, MergeWork& work) const;
    std::int64_t count_cut(std::string_view piece, MergeWork& work) const;
    std::int64_t count_part(std::string_view part, MergeWork& work) const;
    std::int64_t count_merged(std::string_view piece, MergeWork& work) const;
    bool is_cut(std::uint32_t before, std::uint32_t after) const;

    MergeOptions options_;
    MergeEncoder encoder_;
    // Of the first, a middle, the last and the only character of a piece: as they differ if there is
    // a prefix or a suffix, else only the first of the four.
    std::array<CharacterTable, 4> bases_;
    bool affixed_ = false;
    std::array<Symbol, 256> bytes_{};  // the tokens <0x00> to <0xFF>
    bool all_bytes_ = false;           // all that replace some character
    Symbol unknown_ = kNoSymbol;
    bool fast_ = false;
    StringIndex whole_;  // texts that are one token only if they are a whole piece
    std::vector<std::uint64_t> pairs_;
    mutable WorkspacePool<MergeWork> pool_;
};

}  // namespace ctxmem
