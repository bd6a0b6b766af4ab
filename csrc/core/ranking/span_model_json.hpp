// The file of a span model: JSON with the trees of each stage, and one model or one per kind of text.
#pragma once
#include "core/ranking/span_model.hpp"
#include "core/support/json.hpp"

namespace ctxmem {

// Throws std::invalid_argument for a file that is damaged or of another version, and says what is
// wrong. Keeps nothing of it.
GatedModel span_model_from(const Json& file);

}  // namespace ctxmem
