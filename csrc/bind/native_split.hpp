// The pre-tokeniser of a tokenizer.json, for the bindings that put a tokenizer together.
#pragma once
#include <memory>

#include "bind/native.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem::bind {

// Of the section `pre_tokenizer`, a dict or None; throws Unsupported for what is not known.
std::unique_ptr<PreTokeniser> pre_tokeniser_from(const py::handle& section);

}  // namespace ctxmem::bind
