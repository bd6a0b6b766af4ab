// WordPiece (Schuster and Nakajima 2012; as in Devlin et al. 2019): the longest token that the piece
// begins with, then the longest one with a prefix that what is left begins with, and so on; a piece
// that is not used up so, or is too long, is one unknown token. And WordLevel, where each piece is
// one token.
//
// Linear in the piece times the length of a token.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/tokenizer/piece_cache.hpp"
#include "core/tokenizer/stages.hpp"
#include "core/tokenizer/string_index.hpp"
#include "core/tokenizer/trie.hpp"
#include "core/tokenizer/workspace_pool.hpp"

namespace ctxmem {

struct WordPieceOptions {
    bool byte_level = false;  // pieces are bytes, and the vocabulary writes them in GPT-2's letters
    std::string unknown = "[UNK]";
    std::string prefix = "##";
    std::size_t max_characters = 100;
};

class WordPieceModel final : public TokenModel {
public:
    WordPieceModel(std::span<const std::string_view> vocabulary, const WordPieceOptions& options);

    // Throws std::invalid_argument if the piece is unknown and there is no token for such.
    std::int64_t count(std::string_view piece) const override;

private:
    std::int64_t count_new(std::string_view piece) const;
    std::int64_t unknown() const;

    WordPieceOptions options_;
    Trie begins_, continues_;
    bool has_unknown_ = false;
    mutable WorkspacePool<PieceCache> pool_;
};

class WordLevelModel final : public TokenModel {
public:
    WordLevelModel(std::span<const std::string_view> vocabulary, const std::string& unknown,
                   bool byte_level);

    // Throws std::invalid_argument if the piece is unknown and there is no token for such.
    std::int64_t count(std::string_view piece) const override;

private:
    bool has_unknown_ = false;
    std::string unknown_;
    StringIndex words_;  // empty if all others are unknown words, which count one as well
};

}  // namespace ctxmem
