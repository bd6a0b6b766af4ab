// The value of spans: two forests over their features, the second of which sees the first's drafts.
//
// The forests sum log-odds; a worth is the share of a span's text that is expected to be evidence.
// The final log-odds are a blend of both forests', since the first knows little and the second
// follows the first where it errs.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/forest.hpp"
#include "core/span_features.hpp"

namespace ctxmem {

// A forest and the names of the features that its nodes count from 0.
struct NamedForest {
    std::vector<std::string> features;
    ForestData trees;
};

class SpanModel {
public:
    // `blend` is the share of the draft's log-odds in the final ones, 0 to 1.
    // Throws std::invalid_argument for a name that SpanFeatures does not make, or a bad forest.
    SpanModel(const NamedForest& draft, const NamedForest& final, float blend);

    // What each span is worth by what is known of it alone.
    std::vector<float> draft(const SpanFeatures& features) const;
    // The same, given the worth of each: drafts, or what has been verified.
    std::vector<float> revise(const SpanFeatures& features, std::span<const float> worth) const;
    // Draft, then revise.
    std::vector<float> worth(const SpanFeatures& features) const;

private:
    std::vector<float> draft_odds(const SpanFeatures& features) const;
    void revise(const SpanFeatures& features, std::span<const float> worth,
                std::vector<float>& odds) const;

    std::vector<std::size_t> draft_columns_, final_columns_;  // of SpanFeatures, by forest feature
    Forest draft_, final_;
    float blend_;
};

// Two models, one fitted on running text and one on technical texts: entries, tables, code, records,
// dialogue. What share of the text is of such kinds says which of them values a question's units; in
// between, their log-odds are mixed (Jacobs et al., Adaptive mixtures of local experts, 1991, with a
// gate that is given rather than learned).
class GatedModel {
public:
    GatedModel(SpanModel prose, SpanModel structured)
        : prose_(std::move(prose)), structured_(std::move(structured)) {}
    // The same model whatever the text.
    explicit GatedModel(const SpanModel& model) : GatedModel(model, model) {}

    std::vector<float> draft(const SpanFeatures& features) const;
    std::vector<float> revise(const SpanFeatures& features, std::span<const float> worth) const;
    std::vector<float> worth(const SpanFeatures& features) const;

private:
    template <class Verb>
    std::vector<float> mixed(const SpanFeatures& features, Verb&& verb) const;

    SpanModel prose_, structured_;
};

}  // namespace ctxmem
