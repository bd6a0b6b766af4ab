// The sections of a tokenizer.json, the file format of the library `tokenizers`.
//
// Each function throws std::invalid_argument for a section that is damaged, which names what is
// wrong, and Unsupported for a type or an option that this core does not do. Nothing of a section is
// kept.
#pragma once
#include <memory>

#include "core/support/json.hpp"
#include "core/tokenizer/normalise.hpp"
#include "core/tokenizer/split.hpp"
#include "core/tokenizer/stages.hpp"
#include "core/tokenizer/tokenizer.hpp"

namespace ctxmem {

// Of the section `normalizer`; null is the identity.
NormaliserPtr normaliser_from(const Json& section);

// Of the section `pre_tokenizer`; null keeps a text whole.
PreTokeniserPtr pre_tokeniser_from(const Json& section);

// Of the section `model`. `byte_level`: the pre-tokeniser has a ByteLevel step, so that pieces are
// bytes, and the vocabulary writes them in GPT-2's letters.
std::unique_ptr<TokenModel> token_model_from(const Json& section, bool byte_level);

// Of all four; `added_tokens` is a list.
Tokenizer::Parts parts_of_sections(const Json& model, const Json& normalizer,
                                   const Json& pre_tokenizer, const Json& added_tokens);

}  // namespace ctxmem
