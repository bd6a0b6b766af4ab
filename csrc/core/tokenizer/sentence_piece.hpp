// SentencePiece models (Kudo and Richardson 2018): their files, and counting as the library does,
// on text that is normalised already.
//
// A file is a protocol buffer; read_sentence_piece reads the fields that counting needs and steps
// over the others. The models:
//   byte pairs  two neighbours are merged if both together are a piece, the best score first, the
//               leftmost of equal scores. These are merges of the rank of their score, for all
//               splits of each piece (merge_model.hpp). Pieces that the user has defined are found
//               first, the longest at each place, and take part in no merge. Models with unused
//               pieces, which are merged and then taken apart again as they were last seen together
//               anywhere in the text, are counted as defined;
//   unigram     as in unigram.hpp, with sums in single precision over the whole text. A piece that
//               the user has defined has the score of a tenth for each byte but the first;
//   word, char  the text between spaces; each character.
// What is unknown is one token for each byte, or one for a run of unknown pieces.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/tokenizer/merge_model.hpp"
#include "core/tokenizer/unigram.hpp"

namespace ctxmem {

struct SentencePieceFile {
    enum Kind : std::uint8_t {
        normal = 1,
        unknown = 2,
        control = 3,
        user_defined = 4,
        unused = 5,
        byte = 6
    };
    enum Type : std::uint8_t { unigram = 1, byte_pair = 2, word = 3, character = 4 };
    struct Piece {
        std::string_view text;
        float score = 0;
        Kind kind = normal;
    };

    // The views are of the bytes that were read.
    std::vector<Piece> pieces;
    Type type = unigram;
    bool byte_fallback = false;
    bool treat_whitespace_as_suffix = false;
    std::string_view precompiled_charsmap;
    bool add_dummy_prefix = true;
    bool remove_extra_whitespaces = true;
    bool escape_whitespaces = true;
};

// Throws std::invalid_argument if the bytes are no such file.
SentencePieceFile read_sentence_piece(std::string_view bytes);

class SentencePieceModel final : public TokenModel {
public:
    // Keeps nothing of the file. Throws std::invalid_argument for pieces that SentencePiece refuses:
    // empty ones, two of one text, none or two for what is unknown, bytes that are missing.
    explicit SentencePieceModel(const SentencePieceFile& file);

    std::int64_t count(std::string_view text) const override;

    // Whether the model is not counted as defined for want of something quicker.
    bool fast() const { return type_ != SentencePieceFile::byte_pair || merges_ != nullptr; }

private:
    class PieceCount;

    void check(const SentencePieceFile& file);
    void read_byte_pairs(const SentencePieceFile& file);
    void read_unigram(const SentencePieceFile& file);
    std::size_t user_defined_at(std::string_view text, std::size_t at) const;
    bool is_unknown(std::string_view piece) const;
    std::int64_t count_byte_pairs(std::string_view text) const;
    std::int64_t count_as_defined(std::string_view text) const;
    std::int64_t count_unigram(std::string_view text) const;
    std::int64_t count_words(std::string_view text) const;
    std::int64_t count_characters(std::string_view text) const;

    SentencePieceFile::Type type_;
    bool byte_fallback_;
    StringIndex ids_;  // of normal, user-defined and unused pieces; others are not found in text
    std::uint32_t unknown_ = StringIndex::kNone;
    std::size_t longest_ = 0;  // piece, in bytes
    std::vector<float> scores_;
    std::vector<SentencePieceFile::Kind> kinds_;
    Trie user_defined_;
    std::array<bool, 256> may_begin_{};  // bytes that some user-defined piece begins with
    std::unique_ptr<MergeModel> merges_;
    Trie pieces_;  // of a unigram model
    float unknown_score_ = 0;
    mutable WorkspacePool<UnigramWork> pool_;
};

}  // namespace ctxmem
