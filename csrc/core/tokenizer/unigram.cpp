#include "core/tokenizer/unigram.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/tokenizer/byte_alphabet.hpp"

namespace ctxmem {
namespace {

constexpr std::uint32_t kUnreached = 0xFFFFFFFFu;
constexpr std::size_t kKept = std::size_t{1} << 16;  // nodes that are kept from piece to piece

}  // namespace

UnigramModel::UnigramModel(const std::vector<Scored>& vocabulary, const UnigramOptions& options)
    : options_(options) {
    if (options.unknown && *options.unknown >= vocabulary.size())
        throw std::invalid_argument("unk_id is " + std::to_string(*options.unknown) +
                                    ", but the vocabulary has " +
                                    std::to_string(vocabulary.size()) + " tokens");
    if (vocabulary.size() >= kUnknown) throw std::invalid_argument("a vocabulary of 2**32 tokens");
    double least = std::numeric_limits<double>::infinity();
    std::vector<std::string> spelled(options.byte_level ? vocabulary.size() : 0);
    std::vector<std::pair<std::string_view, std::uint32_t>> strings;
    scores_.reserve(vocabulary.size());
    for (std::uint32_t i = 0; i < vocabulary.size(); ++i) {
        const auto& [token, score] = vocabulary[i];
        scores_.push_back(score);
        if (score < least) least = score;
        if (token.size() == 6 && token.starts_with("<0x") && token[5] == '>') {
            const auto digit = [](char c) {
                return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
            };
            if (const int high = digit(token[3]), low = digit(token[4]); high >= 0 && low >= 0)
                bytes_[static_cast<std::size_t>(high * 16 + low)] = true;
        }
        if (!options.byte_level) {
            strings.emplace_back(token, i);
        } else if (const auto bytes = bytes_of_letters(token)) {
            spelled[i] = *bytes;
            strings.emplace_back(spelled[i], i);
        }
    }
    unknown_score_ = least - 10.0;
    trie_ = Trie(std::move(strings));
}

std::int64_t UnigramModel::count(std::string_view piece) const {
    if (piece.empty()) return 0;
    const WorkspacePool<UnigramWork>::Borrowed work(pool_);
    if (piece.size() > PieceCache::kLong) return count_new(piece, *work);
    return (*work).cache.get(piece, [&] { return count_new(piece, *work); });
}

std::size_t UnigramModel::character_at(std::string_view piece, std::size_t at) const {
    return options_.byte_level ? 1 : std::min(character_size(piece[at]), piece.size() - at);
}

std::int64_t UnigramModel::count_new(std::string_view piece, UnigramWork& work) const {
    if (piece.size() >= kUnreached) throw std::invalid_argument("a piece of more than 4 GB");
    auto& nodes = work.nodes;
    nodes.assign(piece.size() + 1, {0, kUnreached, 0});
    for (std::size_t at = 0; at < piece.size();) {
        const double here = nodes[at].score;
        const auto reach = [&](std::size_t size, double score, std::uint32_t token) {
            UnigramWork::Node& node = nodes[at + size];
            const double sum = score + here;
            if (node.begin == kUnreached || sum > node.score)
                node = {sum, static_cast<std::uint32_t>(at), token};
        };
        const std::size_t character = character_at(piece, at);
        bool known = false;
        trie_.prefixes(piece.substr(at), [&](std::size_t size, std::uint32_t token) {
            reach(size, scores_[token], token);
            known = known || size == character;
        });
        if (!known) {
            const UnigramWork::Node& node = nodes[at + character];
            const bool better = node.begin == kUnreached || unknown_score_ + here > node.score;
            if (better && !options_.unknown)
                throw std::invalid_argument(
                    "the text has a character that the vocabulary has not, and the model has no "
                    "unk_id");
            reach(character, unknown_score_,
                  options_.unknown ? static_cast<std::uint32_t>(*options_.unknown) : kUnknown);
        }
        at += character;
    }
    // Neighbouring unknown characters are one token.
    std::int64_t tokens = 0;
    std::size_t run_end = 0;  // of the unknown characters behind; 0: there are none
    const auto end_run = [&](std::size_t begin) {
        if (run_end > 0) tokens += unknown_tokens(piece.substr(begin, run_end - begin));
        run_end = 0;
    };
    for (std::size_t end = piece.size(); end > 0; end = nodes[end].begin) {
        if (options_.unknown && nodes[end].token == *options_.unknown) {
            if (run_end == 0) run_end = end;
        } else {
            end_run(end);
            ++tokens;
        }
    }
    end_run(0);
    if (nodes.size() > kKept) nodes = {};
    return tokens;
}

std::int64_t UnigramModel::unknown_tokens(std::string_view run) const {
    if (!options_.byte_fallback || trie_.find(run) != Trie::kNone) return 1;
    std::int64_t tokens = 0;
    for (const char byte : run) {
        const std::string letter = options_.byte_level
                                       ? letter_of_byte(static_cast<unsigned char>(byte))
                                       : std::string(1, byte);
        for (const char part : letter)
            if (!bytes_[static_cast<unsigned char>(part)]) return 1;
        tokens += static_cast<std::int64_t>(letter.size());
    }
    return tokens;
}

}  // namespace ctxmem
