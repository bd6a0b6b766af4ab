#include "core/tokenizer/tokenizer_parts.hpp"

#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "core/tokenizer/normalise.hpp"
#include "core/tokenizer/sentence_piece.hpp"
#include "core/tokenizer/split.hpp"

namespace ctxmem {
namespace {

// Byte pairs behind a pre-tokeniser that has no known pattern.
class BpePieces final : public TokenModel {
public:
    explicit BpePieces(std::unique_ptr<Bpe> bpe) : bpe_(std::move(bpe)) {}
    std::int64_t count(std::string_view piece) const override { return bpe_->count_piece(piece); }

private:
    std::unique_ptr<Bpe> bpe_;
};

Pattern pattern_of(std::string_view encoding) {
    if (encoding == "o200k_base") return Pattern::o200k;
    if (encoding == "cl100k_base") return Pattern::cl100k;
    throw std::invalid_argument("encoding is '" + std::string(encoding) +
                                "'; expected 'o200k_base' or 'cl100k_base'");
}

}  // namespace

Tokenizer::Parts parts_of_encoding(std::string_view data, std::string_view encoding) {
    Tokenizer::Parts parts;
    parts.bpe = std::make_unique<Bpe>(data, pattern_of(encoding));
    return parts;
}

Tokenizer::Parts parts_of_ranks(std::span<const std::string_view> tokens,
                                const std::string& regex) {
    Tokenizer::Parts parts;
    const auto pattern = known_pattern(regex, Engine::rust);
    auto bpe = std::make_unique<Bpe>(Vocabulary(tokens), pattern.value_or(Pattern::cl100k), true);
    if (pattern) {
        parts.bpe = std::move(bpe);
    } else {
        parts.pre_tokeniser = split_by_regex(regex, SplitBehaviour::removed, true, Engine::rust);
        parts.model = std::make_unique<BpePieces>(std::move(bpe));
    }
    return parts;
}

Tokenizer::Parts parts_of_sentence_piece(std::string_view bytes) {
    const SentencePieceFile file = read_sentence_piece(bytes);
    std::vector<std::string> kept;
    for (const SentencePieceFile::Piece& piece : file.pieces)
        if (piece.kind == SentencePieceFile::user_defined) kept.emplace_back(piece.text);
    Tokenizer::Parts parts;
    parts.normaliser =
        make_sentencepiece_normaliser(file.precompiled_charsmap,
                                      {file.add_dummy_prefix, file.remove_extra_whitespaces,
                                       file.escape_whitespaces, file.treat_whitespace_as_suffix},
                                      kept);
    parts.model = std::make_unique<SentencePieceModel>(file);
    return parts;
}

void add_listed_tokens(std::vector<ListedToken> listed, Tokenizer::Parts& parts) {
    std::unordered_map<std::string, std::size_t> last;
    for (std::size_t i = 0; i < listed.size(); ++i) last[listed[i].token.content] = i;
    for (std::size_t i = 0; i < listed.size(); ++i) {
        AddedToken& token = listed[i].token;
        if (last[token.content] != i) continue;
        if (!listed[i].normalised) {
            parts.added_raw.push_back(std::move(token));
            continue;
        }
        if (parts.normaliser != nullptr) {
            std::string buffer;
            token.content = std::string(parts.normaliser->apply(token.content, buffer));
        }
        parts.added_normalised.push_back(std::move(token));
    }
}

}  // namespace ctxmem
