// The options of a comparison of texts, as Python gives them.
#pragma once
#include "core/dedup/similarity_options.hpp"

namespace ctxmem::bind {

inline SimilarityOptions similarity_options(double threshold, int ngram, bool characters,
                                            bool containment) {
    return {threshold, ngram, characters ? Unit::character : Unit::word,
            containment ? Measure::containment : Measure::jaccard};
}

}  // namespace ctxmem::bind
