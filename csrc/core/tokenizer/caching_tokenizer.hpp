// A tokenizer with a bounded cache of counts by content, for many threads at once.
//
// Texts of kCacheFrom bytes and more are kept under a keyed hash (text_hash.hpp), because chunks and
// messages are counted again and again; shorter ones are counted faster than they are looked up. The
// lock is held for look-ups and insertions only, never while counting, so threads wait for each
// other for microseconds, and no count waits for a signal with the lock held.
#pragma once
#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"
#include "core/text/corpus.hpp"
#include "core/tokenizer/count_table.hpp"
#include "core/tokenizer/text_hash.hpp"
#include "core/tokenizer/tokenizer.hpp"

namespace ctxmem {

class CachingTokenizer {
public:
    using Views = std::span<const std::string_view>;

    static constexpr std::size_t kCacheFrom = 64;  // bytes

    // `capacity`: texts whose count is kept. The key of the hash is drawn at random.
    explicit CachingTokenizer(Tokenizer::Parts parts, std::size_t capacity = std::size_t{1} << 16);

    const Tokenizer& tokenizer() const { return tokenizer_; }

    std::int64_t count(std::string_view text, StopToken& stop);

    // The tokens of each text; without `cache`, nothing is looked up or kept.
    std::vector<std::int64_t> count_many(Views texts, bool cache, StopToken& stop);

    // The tokens of the body of each unit, with the line break that follows it. A text that is one
    // unit is counted again as a block, followed by `after`: the counts of both come from one pass,
    // and that of the block is kept.
    std::vector<std::int64_t> count_units(const Corpus& corpus, std::string_view after,
                                          StopToken& stop);

private:
    void count_cached(Views texts, std::int64_t* out, StopToken& stop);
    void count_uncached(Views texts, std::int64_t* out, StopToken& stop) const;
    void count_blocks(const Bpe& bpe, Views texts, std::span<const std::size_t> chosen,
                      std::string_view after, StopToken& stop);

    Tokenizer tokenizer_;
    TextHash hash_;
    std::mutex lock_;  // guards cached_
    CountTable cached_;
};

// The tokens of the parts of a text of `length` characters, each from one character to another.
// With `surrogates`, the text has some, as three bytes each; then each part is read as tokenisers do
// by itself, so that a pair that a border splits is two lone ones.
// Throws std::out_of_range unless 0 <= begin <= end <= length.
struct CharacterSpan {
    std::int64_t begin, end;
};
std::vector<std::int64_t> count_character_spans(const Tokenizer& tokenizer, std::string_view text,
                                                std::int64_t length, bool surrogates,
                                                std::span<const CharacterSpan> spans,
                                                StopToken& stop);

}  // namespace ctxmem
