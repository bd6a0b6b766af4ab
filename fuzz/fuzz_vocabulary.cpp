// The readers of vocabularies: any bytes are refused with std::invalid_argument, or give a model that
// counts: at least one token, at most one for each byte or unknown character, and the same each time.
// The checksum of packed vocabularies is made right, so that what is behind it is reached.
#include <stdexcept>
#include <vector>

#include "core/tokenizer/bpe.hpp"
#include "core/tokenizer/merge_model.hpp"
#include "core/tokenizer/normalise.hpp"
#include "core/tokenizer/regex.hpp"
#include "core/tokenizer/sentence_piece.hpp"
#include "core/tokenizer/split.hpp"
#include "core/tokenizer/unigram.hpp"
#include "core/tokenizer/word_piece.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace ctxmem;

constexpr std::string_view kTexts[] = {"abab baab aaaa", "\xC3\xA9\xC3\xA9 a\xC3\xA9", "aaaaaaaab",
                                       " x\n\n1 \xE2\x96\x81\xE4\xB8\xAD!", ""};

// A model counts every text, twice the same.
template <class Count>
void counts(Count count) {
    for (const std::string_view text : kTexts) {
        const fuzz::Exact exact(text);
        const std::int64_t tokens = count(exact.view());
        LAW(tokens >= 0 && tokens <= 3 * static_cast<std::int64_t>(text.size()));
        LAW(count(exact.view()) == tokens);
        fuzz::note(tokens);
    }
}

void normalises(const Normaliser& normaliser) {
    for (const std::string_view text : kTexts) {
        const fuzz::Exact exact(text);
        std::string buffer;
        for (const char c : normaliser.apply(exact.view(), buffer)) fuzz::note(static_cast<unsigned char>(c));
    }
}

std::uint32_t crc_of(std::string_view bytes) {
    std::uint32_t crc = 0xFFFFFFFFu;
    for (const char byte : bytes) {
        crc ^= static_cast<unsigned char>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

void put(std::string& out, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift);
}

// A packed vocabulary of the merges that the input names, a few bytes of it changed.
void packed(fuzz::Input& input) {
    const unsigned merges = input.byte() % 48;
    std::vector<std::uint32_t> left, right;
    for (unsigned i = 0; i < merges; ++i)
        for (auto* side : {&left, &right}) {
            const std::uint8_t drawn = input.byte();
            const bool made = drawn >= 128 && i > 0;
            side->push_back(made           ? 256 + drawn % i
                            : drawn == 127 ? static_cast<std::uint32_t>(input.odd()) & 0xFFFFF
                                           : "ab \xC3\xA9"[drawn % 5] & 255u);
        }
    std::string data("CTXMBPE\1", 8);
    put(data, 256 + merges);
    data.append(32, '\7');
    for (int byte = 0; byte < 256; ++byte) data += static_cast<char>(byte);
    for (const int shift : {0, 8})
        for (const auto* side : {&left, &right})
            for (const std::uint32_t token : *side) data += static_cast<char>(token >> shift);
    for (unsigned i = 0; i < merges; ++i)
        data += static_cast<char>((left[i] >> 16 & 15) | right[i] >> 16 << 4);
    for (int changes = input.byte() % 4; changes > 0; --changes) {
        const auto at =
            static_cast<std::size_t>(input.below(static_cast<std::int64_t>(data.size())));
        if (input.byte() % 8 == 0)
            data.resize(at + 1);
        else
            data[at] = static_cast<char>(input.byte());
    }
    put(data, crc_of(data));
    const Bpe bpe(fuzz::Exact(data).view(), Pattern::o200k);
    counts([&](std::string_view text) { return bpe.count(text); });
}

// Lines of base64 and a rank: all bytes, and what the input adds.
void lines(fuzz::Input& input) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string file;
    if (input.coin())
        for (unsigned byte = 0; byte < 256; ++byte) {
            file += kLetters[byte >> 2];
            file += kLetters[byte << 4 & 63];
            file += "== " + std::to_string(byte) + "\n";
        }
    file += input.rest();
    const Bpe bpe(fuzz::Exact(file).view(), Pattern::cl100k);
    counts([&](std::string_view text) { return bpe.count(text); });
}

void sentence_piece(fuzz::Input& input) {
    const fuzz::Exact bytes(input.rest());
    const SentencePieceFile file = read_sentence_piece(bytes.view());
    const SentencePieceModel model(file);
    counts([&](std::string_view text) { return model.count(text); });
    normalises(*make_sentencepiece_normaliser(file.precompiled_charsmap, {}));
}

void charsmap(fuzz::Input& input) {
    const fuzz::Exact bytes(input.rest());
    normalises(*make_precompiled(bytes.view()));
}

// Tokens, one to a field, for the models of tokenizer.json.
void models(fuzz::Input& input) {
    const std::uint8_t choice = input.byte();
    std::vector<std::string> owned;
    while (!input.empty() && owned.size() < 40)
        owned.push_back(fuzz::valid_utf8_of(input.field().substr(0, 40)));
    const std::vector<std::string_view> tokens(owned.begin(), owned.end());
    const bool byte_level = (choice & 4) != 0;
    if (choice % 4 == 0) {
        WordPieceOptions options;
        options.byte_level = byte_level;
        const WordPieceModel model(tokens, options);
        counts([&](std::string_view text) { return model.count(text); });
    } else if (choice % 4 == 1) {
        const WordLevelModel model(tokens, "[UNK]", byte_level);
        counts([&](std::string_view text) { return model.count(text); });
    } else if (choice % 4 == 2) {
        std::vector<UnigramModel::Scored> scored;
        for (std::size_t i = 0; i < tokens.size(); ++i)
            scored.emplace_back(tokens[i], -static_cast<double>(i * 7 % 11));
        UnigramOptions options;
        options.byte_level = byte_level;
        options.byte_fallback = (choice & 8) != 0;
        if ((choice & 16) != 0) options.unknown = choice >> 5;
        const UnigramModel model(scored, options);
        counts([&](std::string_view text) { return model.count(text); });
    } else {
        // Merges of two tokens that are neighbours in the list.
        std::vector<std::pair<std::string_view, std::string_view>> merges;
        for (std::size_t i = 0; i + 2 < tokens.size(); i += 3)
            merges.emplace_back(tokens[i], tokens[i + 1]);
        MergeOptions options;
        options.byte_level = byte_level;
        options.byte_fallback = (choice & 8) != 0;
        options.fuse_unknown = (choice & 16) != 0;
        options.ignore_merges = (choice & 32) != 0;
        if ((choice & 64) != 0) options.unknown = "[UNK]";
        const MergeModel model(tokens, merges, options);
        counts([&](std::string_view text) { return model.count(text); });
        if (!options.ignore_merges)
            for (const std::string_view text : kTexts)
                LAW(text.empty() || model.count(text) == model.count_by_merging(text));
    }
}

// A regular expression and a text.
void regex(fuzz::Input& input) {
    const Engine engine = input.coin() ? Engine::onig : Engine::rust;
    const fuzz::Exact pattern(fuzz::valid_utf8_of(input.field().substr(0, 60)));
    const fuzz::Exact text(fuzz::valid_utf8_of(input.rest().substr(0, 200)));
    const Regex compiled(pattern.view(), engine);
    RegexMatches matches(compiled, text.view());
    RegexMatch match{};
    std::size_t last = 0, found = 0;
    while (matches.next(match)) {
        LAW(match.begin >= last && match.end >= match.begin && match.end <= text.view().size());
        LAW(++found <= text.view().size() + 1);
        last = match.end;
        fuzz::note(match.begin);
        fuzz::note(match.end);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    try {
        switch (input.byte() % 6) {
            case 0: packed(input); break;
            case 1: lines(input); break;
            case 2: sentence_piece(input); break;
            case 3: charsmap(input); break;
            case 4: models(input); break;
            default: regex(input);
        }
    } catch (const std::invalid_argument&) {
        return 0;
    } catch (const Unsupported&) {
        return 0;
    }
    return 0;
}
