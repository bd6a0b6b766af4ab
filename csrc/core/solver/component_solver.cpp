#include "core/solver/component_solver.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace ctxmem {
namespace {

constexpr std::size_t kMostUnits = 64;       // of a component
constexpr std::size_t kMostCandidates = 14;  // of a component
constexpr std::size_t kMostSelections = 1u << 15;
constexpr std::size_t kMostComponents = 4096;
constexpr std::size_t kMostSections = 100;
constexpr std::size_t kMostJoined = 32;       // candidates of the one component of search()
constexpr std::size_t kMostNodes = 1u << 15;  // of search()
constexpr double kScale = 1 << 30;            // the solver uses integers
constexpr std::size_t kStates = 50000;
// Windows of real texts take .6 million units at most; some of thousands of texts that differ little
// took a thousand million, for a gap that was hardly less.
constexpr std::uint64_t kMostWork = 1u << 22;
constexpr std::int64_t kMostBudget = std::int64_t{1} << 30;

class UnionFind {
public:
    explicit UnionFind(std::size_t count) : parent_(count) {
        std::iota(parent_.begin(), parent_.end(), std::uint32_t{0});
    }
    std::uint32_t find(std::size_t at) {
        while (parent_[at] != at) at = parent_[at] = parent_[parent_[at]];
        return static_cast<std::uint32_t>(at);
    }
    void join(std::size_t a, std::size_t b) { parent_[find(a)] = find(b); }

private:
    std::vector<std::uint32_t> parent_;
};

constexpr std::uint64_t bit(std::size_t at) { return std::uint64_t{1} << at; }

}  // namespace

ComponentSolver::ComponentSolver(const WindowProblem& problem)
    : problem_(problem), in_(problem.input()) {
    find_components();
}

void ComponentSolver::find_components() {
    const std::size_t n = problem_.units();
    // A long text cannot be enumerated: no need to look further.
    for (std::size_t t = 0; t < in_.texts.size(); ++t)
        if (in_.first[t + 1] - in_.first[t] > static_cast<std::int64_t>(kMostUnits)) {
            small_ = false;
            return;
        }
    if (problem_.sections() > kMostSections) {
        small_ = false;
        return;
    }
    UnionFind joined(problem_.nodes());
    for (std::size_t s = 0; s < n; ++s) {
        if (problem_.together(s, s + 1)) joined.join(s, s + 1);
        if (!in_.required_bundle.empty() && in_.required_bundle[s] != kNoSpan)
            joined.join(s, n + static_cast<std::size_t>(in_.required_bundle[s]));
        if (in_.whole) continue;
        for (const std::int32_t other : {in_.need[s], in_.also[s]})
            if (other != kNoSpan) joined.join(s, static_cast<std::size_t>(other));
    }
    for (std::size_t b = 0; b < problem_.bundles(); ++b)
        for (const std::int64_t node : problem_.members(b))
            joined.join(n + b, static_cast<std::size_t>(node));
    std::vector<std::int64_t> set_of(n, -1);
    for (std::size_t s = 0; s < in_.option_set.size(); ++s) {
        if (in_.option_set[s] < 0) continue;
        std::int64_t& first = set_of[static_cast<std::size_t>(in_.option_set[s])];
        if (first < 0) first = static_cast<std::int64_t>(s);
        joined.join(s, static_cast<std::size_t>(first));
    }
    std::vector<std::int64_t> number(problem_.nodes(), -1);
    const auto component_of = [&](std::size_t node) -> Component& {
        std::int64_t& at = number[joined.find(node)];
        if (at < 0) {
            at = static_cast<std::int64_t>(components_.size());
            components_.emplace_back();
        }
        return components_[static_cast<std::size_t>(at)];
    };
    for (std::size_t s = 0; s < n; ++s)
        component_of(s).units.push_back(static_cast<std::uint32_t>(s));
    for (const std::uint32_t node : problem_.candidates())
        component_of(node).candidates.push_back(node);
    for (const std::int32_t bundle : in_.required)
        component_of(n + static_cast<std::size_t>(bundle))
            .bundles.push_back(static_cast<std::uint32_t>(bundle));
    std::size_t selections = 0;
    for (Component& component : components_) {
        if (component.units.size() > kMostUnits || component.candidates.size() > kMostCandidates ||
            (selections += std::size_t{1} << component.candidates.size()) > kMostSelections ||
            !find_closures(component)) {
            join_all();
            return;
        }
    }
    small_ = components_.size() <= kMostComponents;
}

// Makes the whole problem one component, if it is small enough.
void ComponentSolver::join_all() {
    Component all;
    small_ = problem_.units() <= kMostUnits && problem_.candidates().size() <= kMostJoined;
    joined_ = small_;
    if (!small_) return;
    for (std::size_t s = 0; s < problem_.units(); ++s)
        all.units.push_back(static_cast<std::uint32_t>(s));
    all.candidates = problem_.candidates();
    for (const std::int32_t bundle : in_.required)
        all.bundles.push_back(static_cast<std::uint32_t>(bundle));
    find_closures(all);
    components_.assign(1, std::move(all));
}

std::size_t ComponentSolver::index(const Component& component, std::size_t unit) const {
    const auto& units = component.units;
    return static_cast<std::size_t>(
        std::lower_bound(units.begin(), units.end(), static_cast<std::uint32_t>(unit)) -
        units.begin());
}

bool ComponentSolver::find_closures(Component& component) const {
    bool first = true;
    for (std::size_t k = 0; k < component.units.size(); ++k) {
        const std::size_t unit = component.units[k];
        if (problem_.required(unit)) component.required |= bit(k);
        const std::int32_t section = problem_.section_of(unit);
        if (first) component.section = section;
        if (!joined_ && component.section != section) return false;  // a class is in one section
        first = false;
    }
    std::vector<std::uint32_t> possible;
    for (const std::uint32_t node : component.candidates) {
        std::uint64_t units = 0;
        if (!add_closure(node, component, units)) continue;
        possible.push_back(node);
        component.closure.push_back(units);
    }
    component.candidates = std::move(possible);
    return true;
}

// Adds a bit for each unit that a node needs; false if one of them is excluded.
bool ComponentSolver::add_closure(std::size_t node, const Component& component,
                                  std::uint64_t& units) const {
    const std::size_t n = problem_.units();
    std::vector<std::size_t> stack{node}, bundles;
    while (!stack.empty()) {
        const std::size_t at = stack.back();
        stack.pop_back();
        if (at >= n) {
            if (std::find(bundles.begin(), bundles.end(), at) != bundles.end()) continue;
            bundles.push_back(at);
            // One of several alternatives may satisfy it: see valid().
            if (!problem_.alternatives(at - n).empty()) continue;
            for (const std::int64_t member : problem_.members(at - n))
                stack.push_back(static_cast<std::size_t>(member));
            continue;
        }
        const std::uint64_t mark = bit(index(component, at));
        if (units & mark) continue;
        if (problem_.excluded(at)) return false;
        units |= mark;
        if (!in_.required_bundle.empty() && in_.required_bundle[at] != kNoSpan)
            stack.push_back(n + static_cast<std::size_t>(in_.required_bundle[at]));
        if (in_.whole) continue;
        for (const std::int32_t other : {in_.need[at], in_.also[at]})
            if (other != kNoSpan) stack.push_back(static_cast<std::size_t>(other));
    }
    return true;
}

// Whether a bundle, or one of its alternatives, is among the units.
bool ComponentSolver::satisfied(const Component& component, std::size_t bundle,
                                std::uint64_t units) const {
    const auto& others = problem_.alternatives(bundle);
    if (std::any_of(others.begin(), others.end(), [&](std::uint32_t other) {
            return (units & bit(index(component, other))) != 0;
        }))
        return true;
    const auto members = problem_.members(bundle);
    return std::all_of(members.begin(), members.end(), [&](std::int64_t member) {
        const auto node = static_cast<std::size_t>(member);
        return node >= problem_.units() ? satisfied(component, node - problem_.units(), units)
                                        : (units & bit(index(component, node))) != 0;
    });
}

// Whether units can be shown together: lead-ins with one of the units they introduce, and one
// option of each set.
bool ComponentSolver::valid(const Component& component, std::uint64_t units) const {
    for (const std::uint32_t bundle : component.bundles)
        if (!satisfied(component, bundle, units)) return false;
    for (std::uint64_t rest = units; rest != 0; rest &= rest - 1) {
        const auto k = static_cast<std::size_t>(std::countr_zero(rest));
        const std::size_t unit = component.units[k];
        if (!in_.whole && problem_.has(unit, kLeadIn) && problem_.content(unit)) {
            const auto below = problem_.dependents(unit);
            if (std::none_of(below.begin(), below.end(), [&](std::uint32_t other) {
                    return in_.need[other] == static_cast<std::int32_t>(unit) &&
                           problem_.content(other) && (units & bit(index(component, other))) != 0;
                }))
                return false;
        }
        if (!in_.required_bundle.empty() && in_.required_bundle[unit] != kNoSpan &&
            !satisfied(component, static_cast<std::size_t>(in_.required_bundle[unit]), units))
            return false;
    }
    return !conflict(component, units);
}

std::int64_t ComponentSolver::cost(const Component& component, std::uint64_t units,
                                   bool cheap) const {
    std::int64_t sum = 0;
    std::size_t before = static_cast<std::size_t>(-2);
    std::size_t text = static_cast<std::size_t>(-1);
    std::int64_t whole = 0;
    double saved = 0;
    for (std::uint64_t rest = units; rest != 0; rest &= rest - 1) {
        const std::size_t unit = component.units[static_cast<std::size_t>(std::countr_zero(rest))];
        sum += in_.tokens[unit];
        saved += problem_.joint_unit(problem_.text_of(unit));
        if (before + 1 != unit || !problem_.together(before, unit)) {
            const bool opens = problem_.text_of(unit) != text;
            text = problem_.text_of(unit);
            std::int64_t run = opens ? in_.overhead[text] : in_.again;
            if (opens) {
                const auto first = static_cast<std::size_t>(in_.first[text]);
                const auto last = static_cast<std::size_t>(in_.first[text + 1]);
                const std::size_t at = index(component, first);
                const std::size_t size = last - first;
                const std::uint64_t mask = (size == 64 ? ~std::uint64_t{0} : bit(size) - 1) << at;
                whole = (units & mask) == mask;
            }
            if (cheap)
                run = opens ? run - (whole ? in_.joint_whole : std::max(in_.joint, in_.joint_whole))
                            : std::max<std::int64_t>(0, run - in_.joint);
            sum += run;
        }
        before = unit;
    }
    if (cheap) sum -= static_cast<std::int64_t>(std::ceil(saved));
    return std::max<std::int64_t>(0, sum);
}

// The units with those without content between them, where a run that goes on costs less than two.
std::uint64_t ComponentSolver::with_fillers(const Component& component, std::uint64_t units,
                                            bool cheap) const {
    if (in_.whole || in_.again == 0) return units;
    const auto price = [&](std::uint64_t chosen) {
        return joined_ ? total_cost(component, chosen, cheap) : cost(component, chosen, cheap);
    };
    for (std::uint64_t rest = units & (units - 1); rest != 0; rest &= rest - 1) {
        const auto end = static_cast<std::size_t>(std::countr_zero(rest));
        const auto begin = static_cast<std::size_t>(63 - std::countl_zero(units & (bit(end) - 1)));
        if (begin + 1 == end || !problem_.together(component.units[begin], component.units[end]))
            continue;
        std::uint64_t with = units;
        bool possible = true;
        for (std::size_t k = begin + 1; k < end && possible; ++k)
            possible = add_closure(component.units[k], component, with);
        for (std::uint64_t added = with & ~units; added != 0 && possible; added &= added - 1) {
            const std::size_t unit =
                component.units[static_cast<std::size_t>(std::countr_zero(added))];
            possible = !problem_.content(unit) && !problem_.has(unit, kHidden) &&
                       in_.start[unit] < in_.end[unit];
        }
        if (possible && price(with) < price(units)) units = with;
    }
    return units;
}

// The selections of a component that no other one dominates, by cost. The first is the one that
// holds what is required alone, if that is nothing.
std::vector<ComponentSolver::Option> ComponentSolver::options(const Component& component,
                                                              std::int64_t limit,
                                                              bool cheap) const {
    std::vector<Option> all;
    const std::uint32_t count = std::uint32_t{1} << component.candidates.size();
    for (std::uint32_t selection = 0; selection < count; ++selection) {
        std::uint64_t units = component.required;
        for (std::uint32_t rest = selection; rest != 0; rest &= rest - 1)
            units |= component.closure[static_cast<std::size_t>(std::countr_zero(rest))];
        if (units == 0 || !valid(component, units)) continue;
        units = with_fillers(component, units, cheap);
        const std::int64_t tokens = cost(component, units, cheap);
        if (tokens > limit) continue;
        const double value = value_of(component, units);
        all.push_back({tokens, value, units});
    }
    std::sort(all.begin(), all.end(), [](const Option& a, const Option& b) {
        if (a.cost != b.cost) return a.cost < b.cost;
        return a.value != b.value ? a.value > b.value : a.units < b.units;
    });
    // The minimum of a section can ask for more tokens than the best value does.
    if (component.section >= 0) return all;
    std::vector<Option> best;
    for (const Option& option : all)
        if (best.empty() || option.value > best.back().value) best.push_back(option);
    return best;
}

ComponentSolver::Result ComponentSolver::solve(std::int64_t limit, bool cheap,
                                               StopToken& stop) const {
    if (joined_) return search(limit, cheap, stop);
    Problem packing;
    const std::int64_t most = std::clamp<std::int64_t>(limit, 0, kMostBudget);
    packing.budget = most;
    std::vector<Option> options_of;
    std::vector<const Component*> items;
    Result result;
    for (const Component& component : components_) {
        const std::vector<Option> found = options(component, most, cheap);
        const bool required = component.required != 0 || !component.bundles.empty();
        if (found.empty() && !required) continue;
        // The solver takes options from one token on: a free one is given its token.
        if (!found.empty() && found.front().cost == 0) ++packing.budget;
        for (const Option& option : found) {
            packing.tokens.push_back(std::max<std::int64_t>(1, option.cost));
            const double net = option.value - in_.min_density * static_cast<double>(option.cost);
            packing.values.push_back(static_cast<std::int64_t>(std::ceil(net * kScale)));
            options_of.push_back(option);
        }
        packing.starts.push_back(static_cast<std::int64_t>(packing.tokens.size()));
        packing.section.push_back(component.section);
        packing.pin.push_back(required ? Problem::kAny : Problem::kFree);
        items.push_back(&component);
    }
    packing.parent.assign(in_.parent.begin(), in_.parent.end());
    packing.minimum.assign(in_.minimum.begin(), in_.minimum.end());
    packing.maximum.assign(in_.maximum.begin(), in_.maximum.end());
    packing.header.assign(in_.header.begin(), in_.header.end());
    const StopToken::Quota quota(stop, kMostWork);
    const Solution solution = solve_packing(packing, {kStates, 0}, stop);
    result.found = solution.found;
    result.bound = static_cast<double>(solution.upper_bound) / kScale;
    if (!solution.found) return result;
    for (std::size_t item = 0; item < items.size(); ++item) {
        const std::int32_t chosen = solution.chosen[item];
        if (chosen < 0) continue;
        const Option& option = options_of[static_cast<std::size_t>(packing.starts[item] + chosen)];
        add_units(*items[item], option.units, result.units);
    }
    std::sort(result.units.begin(), result.units.end());
    return result;
}

void ComponentSolver::add_units(const Component& component, std::uint64_t units,
                                std::vector<std::uint32_t>& list) const {
    for (std::uint64_t rest = units; rest != 0; rest &= rest - 1)
        list.push_back(component.units[static_cast<std::size_t>(std::countr_zero(rest))]);
}

struct ComponentSolver::Search {
    std::int64_t limit;
    bool cheap;
    StopToken& stop;
    std::vector<std::uint32_t> order;  // candidates of the component, the densest first
    std::vector<double> rest;          // value of all candidates from a place in the order on
    std::int64_t spare = 0;            // tokens that a unit may save, at most
    std::size_t nodes = 0;
    double best = -1;
    std::uint64_t best_units = 0;
};

ComponentSolver::Result ComponentSolver::search(std::int64_t limit, bool cheap,
                                                StopToken& stop) const {
    const Component& all = components_[0];
    Search search{limit, cheap, stop, {}, {}};
    if (cheap) {
        const auto& units = in_.joint_unit;
        const double most = units.empty() ? 0 : *std::max_element(units.begin(), units.end());
        search.spare = in_.joint + in_.joint_whole + static_cast<std::int64_t>(std::ceil(most));
    }
    std::vector<double> density, value;
    for (const std::uint64_t closure : all.closure) {
        double tokens = 1;
        for (std::uint64_t rest = closure; rest != 0; rest &= rest - 1)
            tokens += static_cast<double>(
                in_.tokens[all.units[static_cast<std::size_t>(std::countr_zero(rest))]]);
        value.push_back(value_of(all, closure));
        density.push_back(value.back() / tokens);
        search.order.push_back(static_cast<std::uint32_t>(search.order.size()));
    }
    std::stable_sort(search.order.begin(), search.order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return density[a] > density[b]; });
    search.rest.assign(search.order.size() + 1, 0);
    for (std::size_t k = search.order.size(); k-- > 0;)
        search.rest[k] = search.rest[k + 1] + value[search.order[k]];
    descend(search, 0, all.required, value_of(all, all.required));
    Result result;
    result.bound = search.nodes <= kMostNodes ? search.best : 1e300;
    result.found = search.best >= 0;
    add_units(all, search.best_units, result.units);
    return result;
}

void ComponentSolver::descend(Search& search, std::size_t at, std::uint64_t units,
                              double value) const {
    const Component& all = components_[0];
    if (++search.nodes > kMostNodes || search.stop.expired(100)) return;
    if (value + search.rest[at] <= search.best) return;
    std::int64_t tokens = 0;
    for (std::uint64_t rest = units; rest != 0; rest &= rest - 1)
        tokens += std::max<std::int64_t>(
            0,
            in_.tokens[all.units[static_cast<std::size_t>(std::countr_zero(rest))]] - search.spare);
    if (tokens > search.limit) return;
    if (at == search.order.size()) {
        if (!valid(all, units)) return;
        units = with_fillers(all, units, search.cheap);
        if (total_cost(all, units, search.cheap) > search.limit) return;
        search.best = value;
        search.best_units = units;
        return;
    }
    const std::uint64_t with = units | all.closure[search.order[at]];
    if (with != units && !conflict(all, with)) {
        descend(search, at + 1, with, value + value_of(all, with & ~units));
    }
    descend(search, at + 1, units, value);
}

double ComponentSolver::value_of(const Component& component, std::uint64_t units) const {
    double sum = 0;
    for (std::uint64_t rest = units; rest != 0; rest &= rest - 1)
        sum += problem_.value(component.units[static_cast<std::size_t>(std::countr_zero(rest))]);
    return sum;
}

// Whether two options of one set are among the units.
bool ComponentSolver::conflict(const Component& component, std::uint64_t units) const {
    if (in_.option_set.empty()) return false;
    for (std::uint64_t rest = units; rest != 0; rest &= rest - 1) {
        const std::size_t unit = component.units[static_cast<std::size_t>(std::countr_zero(rest))];
        if (in_.option_set[unit] < 0) continue;
        for (std::uint64_t later = rest & (rest - 1); later != 0; later &= later - 1) {
            const std::size_t other =
                component.units[static_cast<std::size_t>(std::countr_zero(later))];
            if (in_.option_set[other] == in_.option_set[unit] &&
                in_.option[other] != in_.option[unit])
                return true;
        }
    }
    return false;
}

// The tokens of units of several sections, headers included; more than any limit if a section does
// not keep its own limits.
std::int64_t ComponentSolver::total_cost(const Component& component, std::uint64_t units,
                                         bool cheap) const {
    std::int64_t sum = 0;
    std::vector<std::int64_t> spent(problem_.sections(), 0);
    std::vector<std::uint8_t> open(problem_.sections(), 0);
    for (std::uint64_t rest = units; rest != 0;) {  // text by text
        const std::size_t unit = component.units[static_cast<std::size_t>(std::countr_zero(rest))];
        std::uint64_t text = 0;
        for (std::uint64_t more = rest; more != 0; more &= more - 1) {
            const auto k = static_cast<std::size_t>(std::countr_zero(more));
            if (problem_.together(component.units[k], unit)) text |= bit(k);
        }
        rest &= ~text;
        const std::int64_t tokens = cost(component, text, cheap);
        sum += tokens;
        for (std::int32_t k = problem_.section_of(unit); k >= 0;
             k = in_.parent[static_cast<std::size_t>(k)]) {
            spent[static_cast<std::size_t>(k)] += tokens;
            open[static_cast<std::size_t>(k)] = 1;
        }
    }
    for (std::size_t k = 0; k < spent.size(); ++k) {
        if (!open[k]) continue;
        sum += in_.header[k];
        for (auto up = static_cast<std::int32_t>(k); up >= 0;
             up = in_.parent[static_cast<std::size_t>(up)])
            spent[static_cast<std::size_t>(up)] += in_.header[k];
    }
    for (std::size_t k = 0; k < spent.size(); ++k)
        if (spent[k] > in_.maximum[k] || (!cheap && spent[k] < in_.minimum[k])) return kMostBudget;
    return sum;
}

}  // namespace ctxmem
