#include "core/tokenizer/tokenizer.hpp"

#include <utility>

#include "core/tokenizer/split.hpp"

namespace ctxmem {
namespace {

constexpr std::uint64_t kUnitsPerByte = 10;

class CountingSink final : public PieceSink {
public:
    CountingSink(const TokenModel& model, StopToken& stop) : model_(model), stop_(stop) {}

    void piece(std::string_view piece) override {
        stop_.check(kUnitsPerByte * piece.size());
        total_ += model_.count(piece);
    }
    std::int64_t total() const { return total_; }

private:
    const TokenModel& model_;
    StopToken& stop_;
    std::int64_t total_ = 0;
};

}  // namespace

Tokenizer::Tokenizer(Parts parts)
    : parts_(std::move(parts)),
      raw_(std::move(parts_.added_raw)),
      normalised_(std::move(parts_.added_normalised)) {
    if ((parts_.model == nullptr) == (parts_.bpe == nullptr))
        throw std::invalid_argument("a tokenizer has either a model or byte pairs with a pattern");
}

std::int64_t Tokenizer::count(std::string_view text, StopToken& stop) const {
    if (raw_.empty()) return text.empty() ? 0 : count_between(text, true, stop);
    std::int64_t total = 0;
    raw_.split(text, [&](std::size_t begin, std::size_t end, bool is_token) {
        total += is_token ? 1 : count_between(text.substr(begin, end - begin), begin == 0, stop);
    });
    return total;
}

// A part of the text as it is, not empty.
std::int64_t Tokenizer::count_between(std::string_view text, bool first, StopToken& stop) const {
    std::string buffer;
    if (parts_.normaliser != nullptr) text = parts_.normaliser->apply(text, buffer);
    if (normalised_.empty()) return count_normalised(text, first, stop);
    std::int64_t total = 0;
    normalised_.split(text, [&](std::size_t begin, std::size_t end, bool is_token) {
        const bool still_first = first && begin == 0;
        total +=
            is_token ? 1 : count_normalised(text.substr(begin, end - begin), still_first, stop);
    });
    return total;
}

std::int64_t Tokenizer::count_normalised(std::string_view text, bool first, StopToken& stop) const {
    if (text.empty()) return 0;
    if (parts_.bpe != nullptr) return parts_.bpe->count(text, stop);
    CountingSink sink(*parts_.model, stop);
    if (parts_.pre_tokeniser != nullptr)
        parts_.pre_tokeniser->split(text, first, sink);
    else
        sink.piece(text);
    return sink.total();
}

bool Tokenizer::additive() const {
    const Pattern* pattern = nullptr;
    Pattern own{};
    if (parts_.bpe != nullptr) {
        own = parts_.bpe->pattern();
        pattern = &own;
    } else if (parts_.pre_tokeniser != nullptr) {
        pattern = known_pattern(*parts_.pre_tokeniser);
    }
    return pattern != nullptr && ctxmem::additive(*pattern) && raw_.within_lines() &&
           normalised_.within_lines() &&
           (parts_.normaliser == nullptr || parts_.normaliser->keeps_parts());
}

const Bpe* Tokenizer::plain_bpe() const {
    const bool plain = parts_.normaliser == nullptr && raw_.empty() && normalised_.empty();
    return plain ? parts_.bpe.get() : nullptr;
}

void Tokenizer::count_spans(std::string_view text, std::span<const ByteSpan> spans,
                            std::int64_t* counts, StopToken& stop) const {
    if (const Bpe* bpe = plain_bpe()) return bpe->count_spans(text, spans, counts, stop);
    for (std::size_t i = 0; i < spans.size(); ++i)
        counts[i] = count(text.substr(spans[i].begin, spans[i].end - spans[i].begin), stop);
}

}  // namespace ctxmem
