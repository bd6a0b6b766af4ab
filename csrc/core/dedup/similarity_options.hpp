// What makes two texts near-duplicates.
#pragma once
#include "core/dedup/shingles.hpp"

namespace ctxmem {

enum class Measure { jaccard, containment };

struct SimilarityOptions {
    double threshold;  // 0 < threshold <= 1
    int ngram;         // >= 1
    Unit unit;
    Measure measure;
};

}  // namespace ctxmem
