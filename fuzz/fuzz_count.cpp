// Counting: every quick way agrees with merging pair by pair, a text is the sum of its pieces, and
// counts of spans are those of the parts by themselves. The first byte chooses the pattern, the
// second the vocabulary, which is made of merges at random; texts are of the letters that it merges.
#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "core/tokenizer/bpe.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace ctxmem;

constexpr std::size_t kVocabularies = 6;
const Pattern kPatterns[] = {Pattern::gpt2,  Pattern::cl100k,  Pattern::o200k, Pattern::llama3,
                             Pattern::qwen2, Pattern::qwen3_5, Pattern::tekken};

// All bytes, then tokens of two or three others. Every second vocabulary has tokens that no merges
// make and ranks that do not rise.
std::vector<std::string> tokens_of(unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    std::vector<std::string> parts = {"a", "b",  "S",  " ",    "\n",   "!",    "/",   "'",
                                      "s", "\t", "1",  "\xE4", "\xB8", "\xAD", "\xC3", "\xA9"};
    const bool made = seed % 2 == 0;
    while (tokens.size() < 256 + 80) {
        std::string token = parts[random() % parts.size()] + parts[random() % parts.size()];
        if (!made && random() % 3 == 0) token += parts[random() % parts.size()];
        if (token.size() > 60) continue;
        if (std::find(tokens.begin(), tokens.end(), token) != tokens.end()) continue;
        if (made || random() % 2) parts.push_back(token);
        tokens.push_back(token);
    }
    if (!made)
        for (std::size_t i = tokens.size(); i-- > 257;)  // std::shuffle differs by library
            std::swap(tokens[i], tokens[256 + random() % (i - 255)]);
    return tokens;
}

const Bpe& bpe(std::size_t vocabulary, std::size_t pattern) {
    static std::array<std::array<std::unique_ptr<Bpe>, std::size(kPatterns)>, kVocabularies> all;
    auto& one = all[vocabulary][pattern];
    if (one == nullptr) {
        const auto tokens = tokens_of(static_cast<unsigned>(vocabulary / 2));
        const std::vector<std::string_view> views(tokens.begin(), tokens.end());
        one = std::make_unique<Bpe>(Vocabulary(std::span<const std::string_view>(views)),
                                    kPatterns[pattern], vocabulary % 2 == 0);
    }
    return *one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::size_t pattern = input.byte() % std::size(kPatterns);
    const std::size_t vocabulary = input.byte() % kVocabularies;
    const Bpe& counter = bpe(vocabulary, pattern);
    std::vector<std::uint8_t> borders;
    for (int i = 0; i < 4; ++i) borders.push_back(input.byte());
    const fuzz::Exact exact(fuzz::valid_utf8_of(input.rest()));
    const std::string_view text = exact.view();

    std::int64_t pieces = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = piece_end(kPatterns[pattern], text, at);
        LAW(end > at && end <= text.size());
        const std::string_view piece = text.substr(at, end - at);
        const std::int64_t merged = counter.count_by_merging(piece);
        LAW(counter.count_piece(piece) == merged);
        pieces += merged;
        at = end;
    }
    const std::int64_t count = counter.count(text);
    LAW(count == pieces);
    LAW(count == counter.count(text));  // now from the cache
    LAW(count <= static_cast<std::int64_t>(text.size()) && (count > 0 || text.empty()));
    fuzz::note(count);

    // Borders between characters.
    std::vector<std::size_t> cuts{0, text.size()};
    for (const std::uint8_t border : borders) {
        std::size_t cut = text.size() * border / 255;
        while (cut < text.size() && (text[cut] & '\xC0') == '\x80') ++cut;
        cuts.push_back(cut);
    }
    std::sort(cuts.begin(), cuts.end());
    std::vector<ByteSpan> spans;
    for (std::size_t i = 0; i < cuts.size(); ++i)
        for (std::size_t j = i; j < cuts.size(); ++j) spans.push_back({cuts[i], cuts[j]});
    std::vector<std::int64_t> counts(spans.size());
    counter.count_spans(text, spans, counts.data());
    for (std::size_t i = 0; i < spans.size(); ++i) {
        const fuzz::Exact part(text.substr(spans[i].begin, spans[i].end - spans[i].begin));
        LAW(counts[i] == counter.count(part.view()));
    }
    fuzz::note_all(counts);
    return 0;
}
