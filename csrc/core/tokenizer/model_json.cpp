#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tokenizer/merge_model.hpp"
#include "core/tokenizer/tokenizer_json.hpp"
#include "core/tokenizer/unigram.hpp"
#include "core/tokenizer/word_piece.hpp"

namespace ctxmem {
namespace {

using Strings = std::vector<std::string_view>;
using TokenPair = std::pair<std::string_view, std::string_view>;

// The tokens of a vocabulary that is an object of token to id.
Strings tokens_of(const JsonSection& section) {
    constexpr char kExpected[] = "a dict of token to id, a whole number below 2**63";
    const auto* vocab = section.get("vocab").as<JsonObject>();
    if (vocab == nullptr) section.refuse("vocab", kExpected);
    Strings tokens;
    std::vector<std::int64_t> ids;
    tokens.reserve(vocab->size());
    ids.reserve(vocab->size());
    for (const JsonMember& member : *vocab) {
        const auto* id = member.value.as<std::int64_t>();
        if (id == nullptr) section.refuse("vocab", kExpected);
        tokens.push_back(utf8_of(member.name, "a token"));
        ids.push_back(*id);
    }
    std::sort(ids.begin(), ids.end());
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end())
        throw Unsupported("two tokens of the vocabulary have one id");
    return tokens;
}

// "a b", or a list of two.
TokenPair merge_of(const Json& merge) {
    if (const auto* text = merge.as<JsonText>()) {
        const std::string_view both = utf8_of(*text, "a merge");
        const std::size_t space = both.find(' ');
        if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos)
            throw std::invalid_argument("a merge is '" + std::string(both) +
                                        "'; expected two tokens with a space between them");
        return {both.substr(0, space), both.substr(space + 1)};
    }
    const auto* two = merge.as<JsonList>();
    if (two == nullptr || two->size() != 2)
        throw std::invalid_argument("a merge is neither a str nor a list of two");
    return {utf8_of((*two)[0], "a token of a merge"), utf8_of((*two)[1], "a token of a merge")};
}

std::unique_ptr<TokenModel> byte_pair_model(const JsonSection& section, bool byte_level) {
    if (section.has("dropout") && section.get("dropout").number() != 0.0)
        throw Unsupported("a model with dropout encodes at random");
    MergeOptions options;
    options.byte_level = byte_level;
    options.fuse_unknown = section.flag("fuse_unk", false);
    options.byte_fallback = section.flag("byte_fallback", false);
    options.ignore_merges = section.flag("ignore_merges", false);
    options.unknown = section.maybe_text("unk_token");
    options.prefix = section.text("continuing_subword_prefix", "");
    options.suffix = section.text("end_of_word_suffix", "");
    const Strings tokens = tokens_of(section);
    const JsonList& list = section.list("merges");
    std::vector<TokenPair> merges;
    merges.reserve(list.size());
    for (const Json& merge : list) merges.push_back(merge_of(merge));
    return std::make_unique<MergeModel>(tokens, merges, options);
}

std::unique_ptr<TokenModel> unigram_model(const JsonSection& section, bool byte_level) {
    constexpr char kExpected[] = "a list of (token, score)";
    const auto* vocab = section.get("vocab").as<JsonList>();
    if (vocab == nullptr) section.refuse("vocab", kExpected);
    std::vector<UnigramModel::Scored> scored;
    scored.reserve(vocab->size());
    for (const Json& entry : *vocab) {
        const auto* two = entry.as<JsonList>();
        if (two == nullptr || two->size() != 2) section.refuse("vocab", kExpected);
        const std::optional<double> score = (*two)[1].number();
        if (!score) section.refuse("vocab", kExpected);
        scored.emplace_back(utf8_of((*two)[0], "a token"), *score);
    }
    UnigramOptions options;
    options.byte_level = byte_level;
    options.byte_fallback = section.flag("byte_fallback", false);
    options.unknown = section.number("unk_id");
    return std::make_unique<UnigramModel>(scored, options);
}

std::unique_ptr<TokenModel> word_piece_model(const JsonSection& section, bool byte_level) {
    WordPieceOptions options;
    options.byte_level = byte_level;
    if (const auto unknown = section.maybe_text("unk_token")) options.unknown = *unknown;
    if (const auto prefix = section.maybe_text("continuing_subword_prefix"))
        options.prefix = *prefix;
    if (const auto most = section.number("max_input_chars_per_word"))
        options.max_characters = *most;
    return std::make_unique<WordPieceModel>(tokens_of(section), options);
}

// The type of a model, which files of before 2021 do not give.
std::string type_of(const JsonSection& section) {
    if (const auto type = section.maybe_text("type")) return *type;
    if (section.has("merges")) return "BPE";
    if (section.get("vocab").as<JsonList>() != nullptr) return "Unigram";
    if (section.has("continuing_subword_prefix")) return "WordPiece";
    return "WordLevel";
}

}  // namespace

std::unique_ptr<TokenModel> token_model_from(const Json& section, bool byte_level) {
    const JsonSection model(section, "the model");
    const std::string type = type_of(model);
    if (type == "BPE") return byte_pair_model(model, byte_level);
    if (type == "Unigram") return unigram_model(model, byte_level);
    if (type == "WordPiece") return word_piece_model(model, byte_level);
    if (type == "WordLevel")
        return std::make_unique<WordLevelModel>(tokens_of(model), model.text("unk_token", "<unk>"),
                                                byte_level);
    throw Unsupported("a model of type '" + type + "'");
}

}  // namespace ctxmem
