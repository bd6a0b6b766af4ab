// Counting the tokens of a text in a byte-pair encoding, without making them.
//
// Byte-pair encoding merges, again and again, the adjacent pair of lowest rank, the leftmost first
// (Gage 1994; Sennrich et al. 2016). The pieces of a text (pretokenise.hpp) are encoded one by one.
// What counts a piece, the first that can, in this order:
//   - a look-up in a cache of pieces of up to 32 bytes, by their very bytes (piece_cache.hpp);
//   - a look-up in the vocabulary: the piece is one token;
//   - merging it as defined, if it is ASCII of up to 15 bytes: sixteen numbers hold all pairs;
//   - cutting it between characters that no token joins (character_pairs.hpp) and counting each
//     part by the cache, the vocabulary or the next;
//   - encoding it from left to right, as below.
//
// Encoding from left to right. A sequence of tokens is the encoding of a piece if and only if each
// two neighbours are the encoding of their own bytes. For let the first merge across a border
// between neighbours happen; until then the bytes of those two were merged exactly as if they stood
// alone (a merge elsewhere never changes which of their pairs is lowest), so it would have happened
// there as well; and the other way round. So the encoder takes the longest token that goes with its
// left neighbour, a shorter one if what follows cannot be encoded, and steps back when none is
// left. The last token of a prefix's encoding is unique, so an end from which no way led on is
// never tried again: every position is visited once, and the work is linear in the piece. In long
// runs of one symbol, for which there are tokens of dozens of lengths, nearly every position is a
// dead end; when the questions outnumber the bytes reached by far, the piece is merged by a heap
// instead.
//
// Whether two tokens are the encoding of their bytes is asked by undoing their merges backwards,
// the later (the higher rank) first, down to bytes: if ever the two tokens at the border could be
// merged at a rank below that of the merge undone last, that merge would have come first. It takes
// at most as many look-ups as the two tokens have bytes, usually two to four: none while the left
// token is whole and the longest at its place, and none once one side is a part of a character,
// unless the vocabulary has a token that begins or ends in such a character. How a token is made,
// its last merge, is found when first asked for, by the same question, and kept. A token that no
// merges make, or merges whose ranks do not rise, is found out then (none is in the published
// vocabularies), and the piece is merged pair by pair, by a heap: n log n.
//
// Counting is safe from any number of threads: the vocabulary does not change, how a token is made
// is an atomic word that every thread would fill with the same value, and each call borrows a
// workspace (cache and buffers, 1.6 MB) for itself.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"
#include "core/tokenizer/character_pairs.hpp"
#include "core/tokenizer/pretokenise.hpp"
#include "core/tokenizer/token_lengths.hpp"
#include "core/tokenizer/vocabulary.hpp"
#include "core/tokenizer/workspace_pool.hpp"

namespace ctxmem {

struct ByteSpan {
    std::size_t begin;
    std::size_t end;
};

// Where a piece ends in its text, and its tokens.
struct PieceTokens {
    std::size_t end;
    std::int64_t tokens;
};

class Bpe {
public:
    // `file` as for Vocabulary, which says what is thrown.
    Bpe(std::string_view file, Pattern pattern);

    // A piece that is itself a token counts as one if `whole_piece`, as in tiktoken and under
    // `ignore_merges` of tokenizer.json; else only if merges make it, so the vocabulary may then
    // hold tokens that no merges make.
    Bpe(Vocabulary&& vocabulary, Pattern pattern, bool whole_piece);
    ~Bpe();

    Pattern pattern() const { return pattern_; }

    // The number of tokens of valid UTF-8.
    std::int64_t count(std::string_view text, StopToken& stop = StopToken::none()) const;

    // The tokens of the pieces from `at` up to the first that ends at `end` or behind it; `at` is
    // then the end of that piece. Requires that a piece begins at `at`.
    std::int64_t count_from(std::string_view text, std::size_t& at, std::size_t end,
                            StopToken& stop = StopToken::none()) const;

    // The same, piece by piece: they are appended to `out`.
    void count_pieces(std::string_view text, std::size_t& at, std::size_t end,
                      std::vector<PieceTokens>& out, StopToken& stop = StopToken::none()) const;

    // counts[i] = count(text.substr(span i)), from one pass over the text.
    //
    // Two facts make it one pass. (1) A piece is found without looking at what is before it; so
    // once the pieces of text[s:] and of the text have a border in common, all later ones are
    // common. (2) Cutting a text at e changes no piece [a, b) with b <= e unless text[a:e] is
    // whitespace: the expressions can gain from an end only in their last alternatives (`$` and
    // `(?!\S)`), which match whitespace. So a span costs the pieces from s until the borders meet,
    // a difference of running totals, and the pieces from the last border that is not within the
    // whitespace before e. Spans that begin or end inside very long pieces pay for that piece each.
    //
    // Requires begin <= end <= text.size(), all of them borders of characters.
    void count_spans(std::string_view text, std::span<const ByteSpan> spans, std::int64_t* counts,
                     StopToken& stop = StopToken::none()) const;

    // The number of tokens of valid UTF-8 that is one piece, whatever the pattern says.
    std::int64_t count_piece(std::string_view piece, StopToken& stop = StopToken::none()) const;

    // The same by merging pair after pair with a heap:
    // what is left where the quick ways do not hold, and their slow twin in the tests.
    std::int64_t count_by_merging(std::string_view piece) const;

private:
    struct Workspace;
    class Borrowed;
    struct Made;

    template <class Visit>
    void for_each_piece(std::string_view text, std::size_t& at, std::size_t stop, Workspace& work,
                        Visit visit) const;
    // Whether bytes are a whole piece, or a part that was cut from one.
    enum class Extent { piece, part };
    template <Extent extent>
    std::int64_t count_any(const char* bytes, std::size_t size, Workspace& work) const;
    template <Extent extent>
    std::int64_t count_short(const BytesKey& key, std::size_t size, Workspace& work) const;
    template <Extent extent>
    std::int64_t count_long(const char* bytes, std::size_t size, Workspace& work) const;
    template <Extent extent>
    std::int64_t count_unseen(const char* bytes, std::size_t size, std::size_t readable,
                              Workspace& work) const;
    template <Extent extent>
    bool is_one(Token token) const;
    std::int64_t count_parts(const char* piece, std::size_t cut, std::size_t size,
                             std::size_t readable, Workspace& work) const;
    std::int64_t merge_short(const BytesKey& key, std::size_t size) const;
    std::int64_t encode(const char* piece, std::size_t size, Workspace& work) const;
    enum class Answer { no, yes, unordered };
    Answer neighbours(const char* border, Token left, Token right, Rank limit,
                      bool left_is_longest) const;
    Made made_from(Token token) const;
    Made find_split(Token token) const;

    static std::size_t ascii_pair(const char* bytes) {
        return static_cast<std::size_t>(bytes[0]) << 7 | static_cast<std::size_t>(bytes[1]);
    }

    Vocabulary vocabulary_;
    CharacterPairs pairs_;
    TokenLengths lengths_;
    Pattern pattern_;
    bool whole_piece_;
    std::vector<Rank> ascii_pairs_;  // of tokens of two ASCII bytes

    mutable WorkspacePool<Workspace> pool_;
};

}  // namespace ctxmem
