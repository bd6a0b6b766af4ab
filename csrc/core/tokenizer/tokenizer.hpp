// A tokenizer as a file describes it, counting only: added tokens, normaliser, pre-tokeniser, model.
//
// The order is that of Hugging Face's tokenizers. Added tokens that are matched in the text as it is
// come out first; each part between them is normalised by itself; then the added tokens that are
// matched in normalised text come out; what is left is cut into pieces, and the model counts each.
// Byte pairs with one of the known patterns (pretokenise.hpp) cut and count in one go.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"
#include "core/tokenizer/added_tokens.hpp"
#include "core/tokenizer/bpe.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem {

class Tokenizer {
public:
    // Either `bpe`, which has its own pattern, or `model`. Without a normaliser a text stays as it
    // is; without a pre-tokeniser it is one piece. Contents of `added_normalised` are given in
    // normalised form.
    struct Parts {
        std::vector<AddedToken> added_raw = {};
        std::vector<AddedToken> added_normalised = {};
        std::unique_ptr<Normaliser> normaliser = nullptr;
        std::unique_ptr<PreTokeniser> pre_tokeniser = nullptr;
        std::unique_ptr<TokenModel> model = nullptr;
        std::unique_ptr<Bpe> bpe = nullptr;
    };

    explicit Tokenizer(Parts parts);

    // The number of tokens of valid UTF-8, without those that a template adds.
    std::int64_t count(std::string_view text, StopToken& stop = StopToken::none()) const;

    // counts[i] = count(text.substr(span i)). One pass over the text where plain_bpe() says so, else
    // each span is counted by itself. Requires begin <= end <= text.size(), borders of characters.
    void count_spans(std::string_view text, std::span<const ByteSpan> spans, std::int64_t* counts,
                     StopToken& stop = StopToken::none()) const;

    // Whether counts add up at a border of the kind that additive(Pattern) names. The pattern has to
    // be a known one; a normaliser must leave each part of a normal text as it is and join nothing
    // across a newline, as the normal forms do; and no added token may take white space along or
    // reach across a newline.
    bool additive() const;

    // The byte pairs, if they are all there is: then a text is counted by them alone.
    const Bpe* plain_bpe() const;

private:
    std::int64_t count_between(std::string_view text, bool first, StopToken& stop) const;
    std::int64_t count_normalised(std::string_view text, bool first, StopToken& stop) const;

    Parts parts_;
    AddedTokens raw_;
    AddedTokens normalised_;
};

}  // namespace ctxmem
