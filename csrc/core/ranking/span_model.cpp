#include "core/ranking/span_model.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace ctxmem {
namespace {

std::vector<std::size_t> columns_of(const std::vector<std::string>& names,
                                    std::span<const std::string_view> made) {
    std::vector<std::size_t> columns;
    for (const std::string& name : names) {
        const auto at = std::find(made.begin(), made.end(), name);
        if (at == made.end())
            throw std::invalid_argument("span model: the feature '" + name +
                                        "' is not computed by this version");
        columns.push_back(static_cast<std::size_t>(at - made.begin()));
    }
    return columns;
}

// Shares of structured text between which the models are mixed: up to kProse only the model for
// running text is used, from kStructured only the model for technical texts.
constexpr double kProse = 0.04, kStructured = 0.10;

void to_density(std::vector<float>& odds) {
    for (float& x : odds) x = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x))));
}

}  // namespace

SpanModel::SpanModel(const NamedTrees& draft, const NamedTrees& final, float blend)
    : draft_columns_(columns_of(draft.features, SpanFeatures::draft_names())),
      final_columns_(columns_of(final.features, SpanFeatures::final_names())),
      draft_(draft.trees, draft.features.size()),
      final_(final.trees, final.features.size()),
      blend_(blend) {
    if (!(blend >= 0 && blend <= 1))
        throw std::invalid_argument("span model: the blend is not between 0 and 1");
}

std::vector<float> SpanModel::draft_odds(const SpanFeatures& features, StopToken& stop) const {
    std::vector<const float*> columns;
    for (const std::size_t k : draft_columns_) columns.push_back(features.draft_column(k));
    std::vector<float> odds(features.spans());
    draft_.sum(columns, odds, stop);
    return odds;
}

void SpanModel::revise(const SpanFeatures& features, std::span<const float> density,
                       std::vector<float>& odds, StopToken& stop) const {
    const std::vector<float> made = features.finals(density, stop);
    const std::size_t drafted = SpanFeatures::draft_names().size();
    std::vector<const float*> columns;
    for (const std::size_t k : final_columns_)
        columns.push_back(k < drafted ? features.draft_column(k)
                                      : made.data() + (k - drafted) * features.spans());
    std::vector<float> revised(features.spans());
    final_.sum(columns, revised, stop);
    for (std::size_t s = 0; s < odds.size(); ++s)
        odds[s] = blend_ * odds[s] + (1 - blend_) * revised[s];
}

std::vector<float> SpanModel::draft(const SpanFeatures& features, StopToken& stop) const {
    std::vector<float> odds = draft_odds(features, stop);
    to_density(odds);
    return odds;
}

std::vector<float> SpanModel::revise(const SpanFeatures& features, std::span<const float> density,
                                     StopToken& stop) const {
    std::vector<float> odds = draft_odds(features, stop);
    revise(features, density, odds, stop);
    to_density(odds);
    return odds;
}

std::vector<float> SpanModel::predict(const SpanFeatures& features, StopToken& stop) const {
    std::vector<float> odds = draft_odds(features, stop);
    std::vector<float> drafted(odds);
    to_density(drafted);
    revise(features, drafted, odds, stop);
    to_density(odds);
    return odds;
}

template <class Verb>
std::vector<float> GatedModel::mixed(const SpanFeatures& features, Verb&& verb) const {
    const double share = (features.structured_share() - kProse) / (kStructured - kProse);
    if (share <= 0) return verb(prose_);
    if (share >= 1) return verb(structured_);
    const auto odds = [](double density) {
        const double inside = std::clamp(density, 1e-7, 1 - 1e-7);
        return std::log(inside / (1 - inside));
    };
    std::vector<float> density = verb(prose_);
    const std::vector<float> other = verb(structured_);
    for (std::size_t s = 0; s < density.size(); ++s)
        density[s] = static_cast<float>((1 - share) * odds(density[s]) + share * odds(other[s]));
    to_density(density);
    return density;
}

std::vector<float> GatedModel::draft(const SpanFeatures& features, StopToken& stop) const {
    return mixed(features, [&](const SpanModel& model) { return model.draft(features, stop); });
}

std::vector<float> GatedModel::revise(const SpanFeatures& features, std::span<const float> density,
                                      StopToken& stop) const {
    return mixed(features,
                 [&](const SpanModel& model) { return model.revise(features, density, stop); });
}

std::vector<float> GatedModel::predict(const SpanFeatures& features, StopToken& stop) const {
    return mixed(features, [&](const SpanModel& model) { return model.predict(features, stop); });
}

}  // namespace ctxmem
