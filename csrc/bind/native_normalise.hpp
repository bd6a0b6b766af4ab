// Reads the `normalizer` section of a tokenizer.json.
#pragma once
#include <memory>

#include "bind/native.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem::bind {

// The normaliser that a section, a dict or None, describes. None is the identity. Throws Unsupported
// for a type that this core does not know, std::invalid_argument for a section that misses a field
// or has a damaged character map.
std::unique_ptr<Normaliser> normaliser_from(const py::handle& section);

}  // namespace ctxmem::bind
