// The unigram language model: of all ways to cut a piece into tokens, the one whose scores have the
// greatest sum (Kudo 2018), found by dynamic programming over a trie (Viterbi 1967): linear in the
// piece times the tokens that begin at a place.
//
// Sums are compared as the reference library compares them, rounding and ties included, or counts
// would differ now and then: `tokenizers` adds doubles; SentencePiece adds single-precision numbers
// over the whole text, so that a text cannot be cut before it is encoded. Of equal sums the first
// found stays, which is the one whose last token begins first.
//
// A character that no token is has the score of the worst token minus 10.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tokenizer/piece_cache.hpp"
#include "core/tokenizer/stages.hpp"
#include "core/tokenizer/trie.hpp"
#include "core/tokenizer/workspace_pool.hpp"

namespace ctxmem {

struct UnigramWork {
    struct Node {
        double score;
        std::uint32_t begin;  // of the last token
        std::uint32_t token;
    };
    struct FloatNode {
        float score;
        std::uint32_t begin;
        std::uint32_t token;
    };
    PieceCache cache;
    std::vector<Node> nodes;
    std::vector<FloatNode> float_nodes;
};

struct UnigramOptions {
    bool byte_level = false;  // pieces are bytes, and the vocabulary writes them in GPT-2's letters
    bool byte_fallback = false;
    std::optional<std::size_t> unknown;  // the token for unknown characters
};

// The model of type "Unigram" of a tokenizer.json.
class UnigramModel final : public TokenModel {
public:
    using Scored = std::pair<std::string_view, double>;

    // Throws std::invalid_argument if the unknown token is not in the vocabulary.
    UnigramModel(const std::vector<Scored>& vocabulary, const UnigramOptions& options);

    // Throws std::invalid_argument if the piece has an unknown character and there is no token for
    // such.
    std::int64_t count(std::string_view piece) const override;

private:
    static constexpr std::uint32_t kUnknown = 0xFFFFFFFEu;

    std::int64_t count_new(std::string_view piece, UnigramWork& work) const;
    std::int64_t unknown_tokens(std::string_view run) const;
    std::size_t character_at(std::string_view piece, std::size_t at) const;

    UnigramOptions options_;
    Trie trie_;
    std::vector<double> scores_;
    double unknown_score_ = 0;
    std::vector<bool> bytes_ = std::vector<bool>(256, false);  // <0x00> to <0xFF> that are tokens
    mutable WorkspacePool<UnigramWork> pool_;
};

}  // namespace ctxmem
