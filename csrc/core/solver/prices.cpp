#include "core/solver/prices.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

namespace ctxmem {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kValueBits = 52;  // what all values together may take of 64 bits
constexpr std::int64_t kPriceRoom = std::int64_t{1} << 58;  // ... and prices times tokens

bool steeper(const Increment& a, const Increment& b) { return a.slope > b.slope; }

}  // namespace

Prices::Prices(const BudgetTree& tree) : tree_(tree), coupled_(tree.classes.size(), false) {
    const std::size_t classes = tree.classes.size();
    at_node_.resize(tree.nodes.size());
    by_tokens_.resize(classes);
    hulls_.resize(classes);
    best_.resize(classes);
    first_.push_back(0);
    for (std::size_t c = 0; c < classes; ++c) {
        const TreeClass& klass = tree.classes[c];
        at_node_[klass.node].push_back(c);
        for (const TreeOption& option : klass.options) {
            tokens_.push_back(option.tokens);
            plain_.push_back(static_cast<double>(option.value));
            if (!option.literals.empty()) coupled_[c] = true;
        }
        first_.push_back(tokens_.size());
        by_tokens_[c].resize(klass.options.size());
        std::iota(by_tokens_[c].begin(), by_tokens_[c].end(), first_[c]);
        std::stable_sort(by_tokens_[c].begin(), by_tokens_[c].end(),
                         [&](std::size_t a, std::size_t b) { return tokens_[a] < tokens_[b]; });
    }
    value_ = plain_;
    const auto size = static_cast<double>(tree.magnitude) + 1;
    need_.assign(tree.needs.size(), 0);
    need_limit_.assign(tree.needs.size(), size);
    for (const Count& count : tree.counts)
        slope_.push_back(count.extra == BudgetTree::kForbidden
                             ? 0
                             : static_cast<double>(count.one) /
                                   static_cast<double>(count.members.size()));
    need_step_.resize(need_.size());
    slope_step_.resize(slope_.size());
    demand_.resize(tree.nodes.size());
    price_.resize(tree.nodes.size());
    truth_.resize(tree.class_of.size());
    earned_.resize(tree.class_of.size());
    closable_.assign(tree.nodes.size(), true);
    for (const TreeClass& klass : tree.classes)
        if (klass.nothing == BudgetTree::kNone) closable_[klass.node] = false;
    for (std::size_t s = tree.nodes.size(); s-- > 1;) {
        if (tree.nodes[s].minimum > 0) closable_[s] = false;
        if (!closable_[s]) closable_[tree.nodes[s].parent] = false;
    }
    keep();
    for (std::size_t c = 0; c < classes; ++c) hull(c);
}

void Prices::apply_multipliers() {
    std::fill(earned_.begin(), earned_.end(), 0.0);
    for (std::size_t e = 0; e < need_.size(); ++e) {
        earned_[tree_.needs[e].from] -= need_[e];
        earned_[tree_.needs[e].to] += need_[e];
    }
    for (std::size_t k = 0; k < slope_.size(); ++k)
        for (const Literal member : tree_.counts[k].members) earned_[member] += slope_[k];
    for (std::size_t c = 0; c < tree_.classes.size(); ++c) {
        if (!coupled_[c]) continue;
        const std::vector<TreeOption>& options = tree_.classes[c].options;
        for (std::size_t o = 0; o < options.size(); ++o) {
            double value = plain_[first_[c] + o];
            for (const Literal literal : options[o].literals) value += earned_[literal];
            value_[first_[c] + o] = value;
        }
        hull(c);
    }
}

// The upper hull of one class; where fewer tokens are always better, only its rising part.
void Prices::hull(std::size_t c) {
    std::vector<Increment>& increments = hulls_[c];
    increments.clear();
    corners_.clear();
    for (const std::size_t next : by_tokens_[c]) {
        if (!corners_.empty() && tokens_[corners_.back()] == tokens_[next]) {
            if (value_[next] <= value_[corners_.back()]) continue;
            corners_.pop_back();
            if (!increments.empty()) increments.pop_back();
        }
        while (!corners_.empty()) {
            const std::size_t last = corners_.back();
            const std::int64_t tokens = tokens_[next] - tokens_[last];
            const double slope = (value_[next] - value_[last]) / static_cast<double>(tokens);
            if (increments.empty() || slope < increments.back().slope) {
                increments.push_back({slope, tokens});
                break;
            }
            increments.pop_back();
            corners_.pop_back();
        }
        corners_.push_back(next);
    }
    if (tree_.nodes[tree_.classes[c].node].tight) return;
    while (!increments.empty() && increments.back().slope <= 0) increments.pop_back();
}

// What a node hands to its parent: the tokens it must have, and increments it may have.
void Prices::gather(std::size_t s) {
    const TreeNode& node = tree_.nodes[s];
    Demand& demand = demand_[s];  // holds what the children have handed up already
    std::vector<Increment>& increments = demand.increments;
    for (const std::size_t c : at_node_[s]) {
        demand.base += tokens_[by_tokens_[c].front()];
        increments.insert(increments.end(), hulls_[c].begin(), hulls_[c].end());
    }
    demand.low = -kInfinity;
    demand.high = kInfinity;
    if (s == 0) {
        if (demand.base > node.maximum) feasible_ = false;
        demand.low = feasible_ ? critical_slope(increments, node.maximum - demand.base) : 0;
        return;
    }
    std::sort(increments.begin(), increments.end(), steeper);
    if (node.header > 0) {
        if (demand.base > 0 || node.minimum > 0) {
            demand.base += node.header;
        } else {
            // The header earns nothing: blend it with the first increments until the average falls.
            double value = 0;
            std::int64_t tokens = node.header;
            std::size_t taken = 0;
            while (taken < increments.size() &&
                   increments[taken].slope * static_cast<double>(tokens) > value) {
                value += increments[taken].slope * static_cast<double>(increments[taken].tokens);
                tokens += increments[taken].tokens;
                ++taken;
            }
            if (taken == 0 && !increments.empty()) {
                // Nothing here has a value, but a minimum above may need it, and the header counts.
                increments.insert(increments.begin(), {0, node.header});
            } else if (taken > 0) {
                increments[taken - 1] = {value / static_cast<double>(tokens), tokens};
                increments.erase(increments.begin(),
                                 increments.begin() + static_cast<std::ptrdiff_t>(taken - 1));
            }
        }
    }
    std::size_t first = 0;
    if (node.minimum > demand.base) {
        std::int64_t missing = node.minimum - demand.base;
        for (; first < increments.size() && missing > 0; ++first) {
            demand.high = increments[first].slope;
            if (increments[first].tokens > missing) {
                increments[first].tokens -= missing;
                missing = 0;
                break;
            }
            missing -= increments[first].tokens;
        }
        if (missing > 0) feasible_ = false;
        demand.base = node.minimum;
    }
    std::int64_t room = node.maximum - demand.base;
    if (room < 0) feasible_ = false;
    std::size_t end = first;
    for (; end < increments.size() && room >= 0; ++end) {
        if (increments[end].tokens > room) {
            demand.low = increments[end].slope;
            increments[end].tokens = room;
            if (room > 0) ++end;
            break;
        }
        room -= increments[end].tokens;
    }
    Demand& above = demand_[node.parent];
    above.base += demand.base;
    above.increments.insert(above.increments.end(),
                            increments.begin() + static_cast<std::ptrdiff_t>(first),
                            increments.begin() + static_cast<std::ptrdiff_t>(end));
}

void Prices::price_tree() {
    feasible_ = true;
    for (Demand& demand : demand_) {
        demand.base = 0;
        demand.increments.clear();
    }
    for (std::size_t s = tree_.nodes.size(); s-- > 0;) gather(s);
    price_[0] = std::max(demand_[0].low, 0.0);
    for (std::size_t s = 1; s < tree_.nodes.size(); ++s)
        price_[s] =
            std::min(std::max(price_[tree_.nodes[s].parent], demand_[s].low), demand_[s].high);
}

double Prices::evaluate() {
    apply_multipliers();
    price_tree();
    std::vector<double> content(tree_.nodes.size(), 0);
    std::fill(truth_.begin(), truth_.end(), 0);
    for (std::size_t c = 0; c < tree_.classes.size(); ++c) {
        const double price = price_[tree_.classes[c].node];
        double most = -kInfinity;
        for (const std::size_t i : by_tokens_[c]) {
            const double gain = value_[i] - price * static_cast<double>(tokens_[i]);
            if (gain <= most) continue;
            most = gain;
            best_[c] = i - first_[c];
        }
        content[tree_.classes[c].node] += most;
        for (const Literal literal : tree_.classes[c].options[best_[c]].literals)
            truth_[literal] = 1;
    }
    double bound = 0;
    for (std::size_t s = tree_.nodes.size(); s-- > 0;) {
        const TreeNode& node = tree_.nodes[s];
        const double above = s == 0 ? 0 : price_[node.parent];
        const double step = price_[s] - above;
        double total = content[s] - price_[s] * static_cast<double>(node.header) +
                       step * static_cast<double>(step > 0 ? node.maximum : node.minimum);
        if (s == 0)
            bound = total;
        else
            content[node.parent] += closable_[s] ? std::max(total, 0.0) : total;
    }
    for (std::size_t k = 0; k < slope_.size(); ++k)
        bound += static_cast<double>(tree_.counts[k].one) - slope_[k];
    return bound;
}

void Prices::step(double bound, double target) {
    double norm = 0;
    for (std::size_t e = 0; e < need_.size(); ++e) {
        double d = static_cast<double>(truth_[tree_.needs[e].to]) -
                   static_cast<double>(truth_[tree_.needs[e].from]);
        if (d > 0 && need_[e] <= 0) d = 0;
        need_step_[e] = d + kMomentum * need_step_[e];
        norm += need_step_[e] * need_step_[e];
    }
    for (std::size_t k = 0; k < slope_.size(); ++k) {
        const Count& count = tree_.counts[k];
        double d = -1;
        for (const Literal member : count.members) d += truth_[member];
        if ((d > 0 && slope_[k] <= least_slope(count)) ||
            (d < 0 && slope_[k] >= static_cast<double>(count.one)))
            d = 0;
        slope_step_[k] = d + kMomentum * slope_step_[k];
        norm += slope_step_[k] * slope_step_[k];
    }
    if (norm <= 0) return;
    const double length = factor_ * std::max(bound - target, 0.0) / norm;
    for (std::size_t e = 0; e < need_.size(); ++e)
        need_[e] = std::clamp(need_[e] - length * need_step_[e], 0.0, need_limit_[e]);
    for (std::size_t k = 0; k < slope_.size(); ++k)
        slope_[k] = std::clamp(slope_[k] - length * slope_step_[k], least_slope(tree_.counts[k]),
                               static_cast<double>(tree_.counts[k].one));
}

double Prices::least_slope(const Count& count) const {
    return count.extra == BudgetTree::kForbidden ? -static_cast<double>(tree_.magnitude) - 1
                                                 : -static_cast<double>(count.extra);
}

Bound Prices::round() {
    evaluate();
    Bound bound;
    // What all values and multipliers together can come to decides how finely they are resolved.
    double size = 2 * static_cast<double>(tree_.magnitude) + 1;
    for (const double m : need_) size += 2 * m;
    for (std::size_t k = 0; k < slope_.size(); ++k)
        size += std::abs(slope_[k]) * static_cast<double>(tree_.counts[k].members.size() + 1);
    const int bits = std::ilogb(size) + 1;
    if (bits > 59) {  // multipliers of absurd problems: any smaller ones are as valid
        for (double& m : need_) m = 0;
        for (std::size_t k = 0; k < slope_.size(); ++k) slope_[k] = 0;
        apply_multipliers();
    }
    const int shift = std::clamp(kValueBits - bits, 0, 40);
    const auto scaled = [&](double x) { return static_cast<std::int64_t>(std::ldexp(x, shift)); };
    bound.shift = shift;
    std::vector<std::int64_t> earned(tree_.class_of.size(), 0);
    for (std::size_t e = 0; e < need_.size(); ++e) {
        bound.need.push_back(scaled(need_[e]));
        earned[tree_.needs[e].from] -= bound.need[e];
        earned[tree_.needs[e].to] += bound.need[e];
    }
    for (std::size_t k = 0; k < slope_.size(); ++k) {
        const Count& count = tree_.counts[k];
        bound.slope.push_back(std::min(scaled(slope_[k]), count.one << shift));
        if (count.extra >= 0) bound.slope[k] = std::max(bound.slope[k], -(count.extra << shift));
        for (const Literal member : count.members) earned[member] += bound.slope[k];
    }

    // A price times the tokens it can meet stays within its share of the 64 bits.
    const auto nodes = static_cast<std::int64_t>(tree_.nodes.size());
    std::vector<std::int64_t> heaviest(tree_.nodes.size(), 1);
    for (std::size_t c = 0; c < tree_.classes.size(); ++c)
        heaviest[tree_.classes[c].node] += tokens_[by_tokens_[c].back()];
    for (std::size_t s = tree_.nodes.size(); s-- > 1;)
        heaviest[tree_.nodes[s].parent] += heaviest[s] + tree_.nodes[s].header;
    for (std::size_t s = 0; s < tree_.nodes.size(); ++s) {
        const double most = static_cast<double>(kPriceRoom / nodes);
        const double high = most / static_cast<double>(tree_.nodes[s].maximum + 1);
        const double low = -most / static_cast<double>(heaviest[s] + tree_.nodes[s].header);
        // Rounded up: on the side where the demand fits.
        bound.price.push_back(static_cast<std::int64_t>(
            std::floor(std::clamp(std::ceil(std::ldexp(price_[s], shift)), low, high))));
    }

    std::vector<std::int64_t> content(tree_.nodes.size(), 0);
    bound.best.resize(tree_.classes.size());
    for (std::size_t c = 0; c < tree_.classes.size(); ++c) {
        const TreeClass& klass = tree_.classes[c];
        const std::int64_t price = bound.price[klass.node];
        std::vector<std::int64_t> value;
        for (const TreeOption& option : klass.options) {
            std::int64_t v = option.value << shift;
            for (const Literal literal : option.literals) v += earned[literal];
            value.push_back(v);
        }
        std::int64_t most = std::numeric_limits<std::int64_t>::min();
        for (const std::size_t i : by_tokens_[c]) {
            const std::size_t o = i - first_[c];
            const std::int64_t gain = value[o] - price * klass.options[o].tokens;
            if (gain <= most) continue;
            most = gain;
            bound.best[c] = o;
        }
        std::vector<std::int64_t> loss;
        for (std::size_t o = 0; o < value.size(); ++o)
            loss.push_back(most - (value[o] - price * klass.options[o].tokens));
        content[klass.node] += most;
        bound.value.push_back(std::move(value));
        bound.loss.push_back(std::move(loss));
    }
    bound.node_total.resize(tree_.nodes.size());
    bound.open_total.resize(tree_.nodes.size());
    for (std::size_t s = tree_.nodes.size(); s-- > 0;) {
        const TreeNode& node = tree_.nodes[s];
        const std::int64_t step = bound.price[s] - (s == 0 ? 0 : bound.price[node.parent]);
        const std::int64_t open = content[s] - bound.price[s] * node.header +
                                  step * (step > 0 ? node.maximum : node.minimum);
        bound.open_total[s] = open;
        bound.node_total[s] = s > 0 && closable_[s] ? std::max<std::int64_t>(open, 0) : open;
        if (s > 0) content[node.parent] += bound.node_total[s];
    }
    bound.total = bound.node_total[0];
    for (std::size_t k = 0; k < slope_.size(); ++k)
        bound.total += (tree_.counts[k].one << shift) - bound.slope[k];
    return bound;
}

}  // namespace ctxmem
