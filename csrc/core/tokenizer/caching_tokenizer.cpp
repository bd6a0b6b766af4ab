#include "core/tokenizer/caching_tokenizer.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

namespace ctxmem {
namespace {

constexpr std::uint64_t kUnitsPerText = 10;

TextHash::Key random_key() {
    std::random_device device;
    TextHash::Key key;
    for (std::uint64_t& word : key) word = std::uint64_t{device()} << 32 | device();
    return key;
}

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Character offsets to byte offsets, in one pass over the text.
std::vector<ByteSpan> in_bytes(std::string_view text, std::span<const CharacterSpan> spans) {
    std::vector<ByteSpan> out(spans.size());
    std::vector<std::size_t*> offsets;
    for (std::size_t i = 0; i < spans.size(); ++i) {
        out[i] = {static_cast<std::size_t>(spans[i].begin), static_cast<std::size_t>(spans[i].end)};
        offsets.push_back(&out[i].begin);
        offsets.push_back(&out[i].end);
    }
    std::sort(offsets.begin(), offsets.end(),
              [](const std::size_t* a, const std::size_t* b) { return *a < *b; });
    std::size_t at = 0;
    std::size_t characters = 0;
    for (std::size_t* offset : offsets) {
        for (; characters < *offset; ++characters) {
            ++at;
            while (at < text.size() && continues(text[at])) ++at;
        }
        *offset = at;
    }
    return out;
}

}  // namespace

CachingTokenizer::CachingTokenizer(Tokenizer::Parts parts, std::size_t capacity)
    : tokenizer_(std::move(parts)), hash_(random_key()), cached_(capacity) {}

std::int64_t CachingTokenizer::count(std::string_view text, StopToken& stop) {
    if (text.size() < kCacheFrom) return tokenizer_.count(text, stop);
    std::int64_t out = 0;
    count_cached({&text, 1}, &out, stop);
    return out;
}

std::vector<std::int64_t> CachingTokenizer::count_many(Views texts, bool cache, StopToken& stop) {
    std::vector<std::int64_t> out(texts.size());
    if (cache)
        count_cached(texts, out.data(), stop);
    else
        count_uncached(texts, out.data(), stop);
    return out;
}

void CachingTokenizer::count_uncached(Views texts, std::int64_t* out, StopToken& stop) const {
    for (std::size_t i = 0; i < texts.size(); ++i) {
        stop.check(kUnitsPerText);
        out[i] = tokenizer_.count(texts[i], stop);
    }
}

void CachingTokenizer::count_cached(Views texts, std::int64_t* out, StopToken& stop) {
    std::vector<ContentKey> keys(texts.size());
    std::vector<std::string_view> missing;
    std::vector<std::size_t> where;
    for (std::size_t i = 0; i < texts.size(); ++i)
        if (texts[i].size() >= kCacheFrom) keys[i] = hash_(texts[i]);
    {
        const std::lock_guard hold(lock_);
        for (std::size_t i = 0; i < texts.size(); ++i) {
            out[i] = texts[i].size() >= kCacheFrom ? cached_.find(keys[i]) : -1;
            if (out[i] >= 0) continue;
            missing.push_back(texts[i]);
            where.push_back(i);
        }
    }
    if (missing.empty()) return;
    std::vector<std::int64_t> counts(missing.size());
    count_uncached(missing, counts.data(), stop);
    const std::lock_guard hold(lock_);
    for (std::size_t k = 0; k < where.size(); ++k) {
        out[where[k]] = counts[k];
        if (missing[k].size() >= kCacheFrom) cached_.insert(keys[where[k]], counts[k]);
    }
}

std::vector<std::int64_t> CachingTokenizer::count_units(const Corpus& corpus,
                                                        std::string_view after, StopToken& stop) {
    std::vector<std::string_view> priced(corpus.units());
    std::vector<std::size_t> alone;  // units that are a whole text
    std::deque<std::string> copies;
    for (std::size_t t = 0; t < corpus.texts(); ++t) {
        const std::string_view text = corpus.text(t);
        const std::size_t first = corpus.first_of(t);
        for (std::size_t u = first; u < corpus.first_of(t + 1); ++u) {
            const Corpus::Body& body = corpus.body(u);
            const bool next = body.broken && body.end < text.size() && text[body.end] == '\n';
            priced[u] = text.substr(body.begin, body.end + next - body.begin);
            if (body.broken == next && !corpus.has_surrogates(t)) continue;
            std::string& copy = copies.emplace_back(
                corpus.has_surrogates(t) ? without_surrogates(priced[u]) : priced[u]);
            if (body.broken != next) copy.push_back('\n');
            priced[u] = copy;
        }
        const bool one = corpus.first_of(t + 1) == first + 1 && !corpus.has_surrogates(t);
        if (one && corpus.body(first).begin == 0 && !corpus.body(first).broken)
            alone.push_back(first);
    }
    if (const Bpe* bpe = tokenizer_.plain_bpe()) count_blocks(*bpe, priced, alone, after, stop);
    return count_many(priced, true, stop);
}

// Keep the counts of these texts and of the texts followed by `after`, unless they are known.
// Requires texts that do not end in white space. Then every piece of such a block that ends
// within the text is a piece of the text (bpe.hpp), so the two share all but the last pieces.
void CachingTokenizer::count_blocks(const Bpe& bpe, Views texts,
                                    std::span<const std::size_t> chosen, std::string_view after,
                                    StopToken& stop) {
    std::vector<ContentKey> keys(chosen.size());
    std::vector<std::size_t> missing;
    for (std::size_t k = 0; k < chosen.size(); ++k)
        if (texts[chosen[k]].size() > kCacheFrom) keys[k] = hash_(texts[chosen[k]]);
    {
        const std::lock_guard hold(lock_);
        for (std::size_t k = 0; k < chosen.size(); ++k)
            if (texts[chosen[k]].size() > kCacheFrom && cached_.find(keys[k]) < 0)
                missing.push_back(k);
    }
    struct Counted {
        ContentKey key, block_key;
        std::int64_t tokens, block_tokens;
    };
    std::vector<Counted> counted;
    std::string block;
    for (const std::size_t k : missing) {
        const std::string_view text = texts[chosen[k]];
        block.assign(text).append(after);
        std::size_t at = 0;
        const std::int64_t shared = bpe.count_from(block, at, text.size() - kCacheFrom, stop);
        if (at > text.size()) continue;  // a piece that reaches beyond the text
        const std::string_view rest = std::string_view(block).substr(at);
        counted.push_back({keys[k], hash_(block), shared + bpe.count(text.substr(at), stop),
                           shared + bpe.count(rest, stop)});
    }
    const std::lock_guard hold(lock_);
    for (const Counted& one : counted) {
        cached_.insert(one.key, one.tokens);
        cached_.insert(one.block_key, one.block_tokens);
    }
}

std::vector<std::int64_t> count_character_spans(const Tokenizer& tokenizer, std::string_view text,
                                                std::int64_t length, bool surrogates,
                                                std::span<const CharacterSpan> spans,
                                                StopToken& stop) {
    for (std::size_t i = 0; i < spans.size(); ++i) {
        const auto [begin, end] = spans[i];
        if (begin < 0 || begin > end || end > length)
            throw std::out_of_range("span " + std::to_string(i) + " is (" + std::to_string(begin) +
                                    ", " + std::to_string(end) +
                                    "); expected 0 <= start <= end <= " + std::to_string(length));
    }
    std::vector<std::int64_t> out(spans.size());
    const std::vector<ByteSpan> bytes = in_bytes(text, spans);
    if (!surrogates) {
        tokenizer.count_spans(text, bytes, out.data(), stop);
        return out;
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::string_view part = text.substr(bytes[i].begin, bytes[i].end - bytes[i].begin);
        out[i] = tokenizer.count(without_surrogates(part), stop);
    }
    return out;
}

}  // namespace ctxmem
