#include "core/tokenizer/word_piece.hpp"

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/tokenizer/byte_alphabet.hpp"

namespace ctxmem {
namespace {

[[noreturn]] void refuse_unknown(const std::string& unknown) {
    throw std::invalid_argument(
        "the text has a word that the vocabulary has not, and the token for "
        "unknown ones, '" +
        unknown + "', is not in the vocabulary either");
}

bool has(std::span<const std::string_view> vocabulary, std::string_view token) {
    return std::find(vocabulary.begin(), vocabulary.end(), token) != vocabulary.end();
}

}  // namespace

WordPieceModel::WordPieceModel(std::span<const std::string_view> vocabulary,
                               const WordPieceOptions& options)
    : options_(options), has_unknown_(has(vocabulary, options.unknown)) {
    std::vector<std::pair<std::string_view, std::uint32_t>> begins, continues;
    std::deque<std::string> spelled;
    const auto add = [&](auto& strings, std::string_view token) {
        if (!options.byte_level) {
            strings.emplace_back(token, 0);
        } else if (const auto bytes = bytes_of_letters(token)) {
            strings.emplace_back(spelled.emplace_back(*bytes), 0);
        }
    };
    for (const std::string_view token : vocabulary) {
        add(begins, token);
        if (token.starts_with(options.prefix)) add(continues, token.substr(options.prefix.size()));
    }
    begins_ = Trie(std::move(begins));
    continues_ = Trie(std::move(continues));
}

std::int64_t WordPieceModel::count(std::string_view piece) const {
    if (piece.empty()) return 0;
    if (piece.size() > PieceCache::kLong) return count_new(piece);
    const WorkspacePool<PieceCache>::Borrowed cache(pool_);
    return (*cache).get(piece, [&] { return count_new(piece); });
}

std::int64_t WordPieceModel::count_new(std::string_view piece) const {
    const auto characters = options_.byte_level
                                ? static_cast<std::ptrdiff_t>(piece.size())
                                : std::count_if(piece.begin(), piece.end(),
                                                [](char byte) { return !is_continuation(byte); });
    if (static_cast<std::size_t>(characters) > options_.max_characters) return unknown();
    std::int64_t tokens = 0;
    for (std::size_t at = 0; at < piece.size();) {
        std::size_t longest = 0;
        (at == 0 ? begins_ : continues_).prefixes(piece.substr(at), [&](std::size_t size, auto) {
            longest = size;
        });
        if (longest == 0) return unknown();
        at += longest;
        ++tokens;
    }
    return tokens;
}

std::int64_t WordPieceModel::unknown() const {
    if (!has_unknown_) refuse_unknown(options_.unknown);
    return 1;
}

WordLevelModel::WordLevelModel(std::span<const std::string_view> vocabulary,
                               const std::string& unknown, bool byte_level)
    : has_unknown_(has(vocabulary, unknown)), unknown_(unknown) {
    if (has_unknown_) return;
    for (const std::string_view token : vocabulary) {
        if (!byte_level) {
            words_.set(token, 0);
        } else if (const auto bytes = bytes_of_letters(token)) {
            words_.set(*bytes, 0);
        }
    }
}

std::int64_t WordLevelModel::count(std::string_view piece) const {
    if (piece.empty()) return 0;
    if (!has_unknown_ && words_.find(piece) == StringIndex::kNone) refuse_unknown(unknown_);
    return 1;
}

}  // namespace ctxmem
