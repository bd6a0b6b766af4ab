// The models of tokenizer files from what Python has read of them.
#pragma once
#include <memory>

#include "bind/native.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem::bind {

// The section "model" of a tokenizer.json. `byte_level`: the pre-tokeniser has a ByteLevel step, so
// that pieces are bytes, and the vocabulary writes them in GPT-2's letters.
// Throws std::invalid_argument if the section is damaged, Unsupported for what this core does not
// do. Keeps nothing of the section. Requires the GIL.
std::unique_ptr<TokenModel> token_model_from(const py::handle& section, bool byte_level);

}  // namespace ctxmem::bind
