// Span value model: two stages of gradient-boosted trees. The second stage has the first stage's
// predictions (drafts) among its features.
//
// The trees sum log-odds. A value (`density`) is the expected share of a span's text that is
// evidence, 0 to 1. The final log-odds blend both stages: the first has fewer features, and the
// second repeats errors of the first.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/ranking/gradient_boosted_trees.hpp"
#include "core/ranking/span_features.hpp"

namespace ctxmem {

// Gradient-boosted trees and the names of their features; nodes refer to features by index.
struct NamedTrees {
    std::vector<std::string> features;
    TreesData trees;
};

class SpanModel {
public:
    // `blend`: the share of the draft log-odds in the final log-odds, 0 to 1.
    // Throws std::invalid_argument for an unknown feature name or an invalid trees.
    SpanModel(const NamedTrees& draft, const NamedTrees& final, float blend);

    // The value of each span by the first stage.
    std::vector<float> draft(const SpanFeatures& features,
                             StopToken& stop = StopToken::none()) const;
    // The final value of each span, given its draft or verified value.
    std::vector<float> revise(const SpanFeatures& features, std::span<const float> density,
                              StopToken& stop = StopToken::none()) const;
    // Draft, then revise.
    std::vector<float> predict(const SpanFeatures& features,
                               StopToken& stop = StopToken::none()) const;

private:
    std::vector<float> draft_odds(const SpanFeatures& features, StopToken& stop) const;
    void revise(const SpanFeatures& features, std::span<const float> density,
                std::vector<float>& odds, StopToken& stop) const;

    std::vector<std::size_t> draft_columns_, final_columns_;  // column of each feature of the trees
    GradientBoostedTrees draft_, final_;
    float blend_;
};

// A mixture of two models: one fitted on running text, one on technical texts (entries, tables,
// code, records, dialogue). The share of structured text in the input selects the model; between
// two thresholds the log-odds are mixed (Jacobs et al., Adaptive mixtures of local experts, 1991,
// with a fixed gate instead of a learned one).
class GatedModel {
public:
    GatedModel(SpanModel prose, SpanModel structured)
        : prose_(std::move(prose)), structured_(std::move(structured)) {}
    // Use one model for all texts.
    explicit GatedModel(const SpanModel& model) : GatedModel(model, model) {}

    std::vector<float> draft(const SpanFeatures& features,
                             StopToken& stop = StopToken::none()) const;
    std::vector<float> revise(const SpanFeatures& features, std::span<const float> density,
                              StopToken& stop = StopToken::none()) const;
    std::vector<float> predict(const SpanFeatures& features,
                               StopToken& stop = StopToken::none()) const;

private:
    template <class Verb>
    std::vector<float> mixed(const SpanFeatures& features, Verb&& verb) const;

    SpanModel prose_, structured_;
};

}  // namespace ctxmem
