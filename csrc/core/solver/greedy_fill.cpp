#include "core/solver/greedy_fill.hpp"

#include <algorithm>
#include <cmath>

namespace ctxmem {
namespace {

constexpr std::size_t kFew = 64;   // most candidates for which each taken one is left out on trial
constexpr std::size_t kSeeds = 6;  // large candidates that are tried first
constexpr double kLarge = 0.05;    // their least value, as a share of the value of the window
// A ring without room is split if the best window without it has at most this share of the value of
// the window with a part of it.
constexpr double kMuchLess = 0.3;
constexpr double kGain = 1e-6;       // relative gain in value that makes another selection better
constexpr double kLeastAdded = 0.4;  // share of its value that another version keeps at least
constexpr int kDeepest = 12;         // labels and lead-ins below a lead-in
constexpr std::size_t kDeepDependents = 256;
constexpr std::size_t kLongTried = 64;  // long closures that are tried at the end

// Lists of lists in two arrays: list i is [first[i], first[i + 1]).
template <class Each>
void invert(std::size_t count, std::vector<std::uint32_t>& first, std::vector<std::uint32_t>& lists,
            Each&& each) {
    first.assign(count + 1, 0);
    each([&](std::size_t list, std::uint32_t) { ++first[list + 1]; });
    for (std::size_t i = 0; i < count; ++i) first[i + 1] += first[i];
    lists.resize(first[count]);
    std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
    each([&](std::size_t list, std::uint32_t member) { lists[next[list]++] = member; });
}

}  // namespace

GreedyFill::GreedyFill(WindowProblem& problem, StopToken& stop)
    : problem_(problem),
      in_(problem.input()),
      stop_(stop),
      duplicates_(problem),
      n_(problem.units()),
      seen_(problem.nodes(), 0),
      section_added_(problem.sections(), 0),
      choice_option_(problem.input().option_set.empty() ? 0 : problem.units(), -1),
      banned_(problem.nodes(), 0) {
    invert(problem.nodes(), bundle_of_first_, bundle_of_, [&](auto&& add) {
        for (std::size_t b = 0; b < problem.bundles(); ++b)
            for (const std::int64_t node : problem.members(b))
                add(static_cast<std::size_t>(node), static_cast<std::uint32_t>(b));
    });
    invert(problem.bundles(), asker_first_, askers_, [&](auto&& add) {
        for (std::size_t s = 0; s < in_.required_bundle.size(); ++s)
            if (in_.required_bundle[s] != kNoSpan)
                add(static_cast<std::size_t>(in_.required_bundle[s]),
                    static_cast<std::uint32_t>(s));
    });
}

SelectionResult GreedyFill::best() {
    may_split_ = true;
    shortest_ = false;
    SelectionResult chosen = run();
    if (chosen.outcome != Outcome::found && !in_.required.empty()) {
        shortest_ = true;
        chosen = run();
        shortest_ = false;
    }
    best_roots_ = roots_;
    if (chosen.outcome != Outcome::found || in_.min_density > 0 || all_fit(chosen)) return chosen;
    may_split_ = false;
    const double refused = largest_refused_;
    for (const std::uint32_t seed : seeds(chosen.value)) improve(chosen, seed);
    if (problem_.candidates().size() <= kFew) leave_out(chosen);
    if (chosen.value <= kMuchLess * refused) {
        split_rings_ = true;
        SelectionResult other = run();
        split_rings_ = false;
        if (other.outcome == Outcome::found && chosen.value <= kMuchLess * other.value) {
            best_roots_ = roots_;
            return other;
        }
    }
    return chosen;
}

bool GreedyFill::improve(SelectionResult& best, std::uint32_t seed) {
    SelectionResult other = run(seed);
    if (other.outcome != Outcome::found || other.value <= best.value * (1 + kGain)) return false;
    best = std::move(other);
    best_roots_ = roots_;
    return true;
}

// Leaves out each candidate that was taken, as long as that gives a better selection.
void GreedyFill::leave_out(SelectionResult& best) {
    std::vector<std::uint32_t> roots = best_roots_;
    for (bool better = true; better && !stop_.expired(1000);) {
        better = false;
        for (const std::uint32_t root : roots) {
            banned_[root] = 1;
            SelectionResult other = run();
            better = other.outcome == Outcome::found && other.value > best.value * (1 + kGain);
            if (better) {
                best = std::move(other);
                roots = roots_;
                break;
            }
            banned_[root] = 0;
        }
    }
    std::fill(banned_.begin(), banned_.end(), std::uint8_t{0});
}

void GreedyFill::reset() {
    out_ = SelectionResult{};
    out_.kept.assign(n_, 0);
    out_.duplicate_of.assign(n_, kNoSpan);
    out_.section_prices.assign(problem_.sections(), 0.0);
    value_.resize(n_);
    for (std::size_t s = 0; s < n_; ++s) value_[s] = problem_.value(s);
    version_.assign(n_, 0);
    runs_.assign(in_.texts.size(), 0);
    section_spent_.assign(problem_.sections(), 0);
    open_.assign(problem_.sections(), 0);
    option_.assign(n_, -1);
    missing_.resize(problem_.bundles());
    for (std::size_t b = 0; b < missing_.size(); ++b)
        missing_[b] = static_cast<std::uint32_t>(problem_.members(b).size());
    duplicates_.clear();
    roots_.clear();
    refused_.clear();
    long_.clear();
    blocked_ = false;
    largest_refused_ = 0;
}

// The greedy selection; the candidate `seed` is taken before all others.
SelectionResult GreedyFill::run(std::int64_t seed) {
    reset();
    if (!take_required()) return std::move(out_);
    if (seed >= 0 && candidate(static_cast<std::uint32_t>(seed)))
        consider(static_cast<std::uint32_t>(seed), 0);
    if (!take_required_bundles()) return std::move(out_);
    take_needs_of_required();
    if (!fill_minima()) return std::move(out_);
    take_best(in_.min_density, -1);
    if (out_.value == 0 && may_split_) {  // no unit fits with its whole ring
        split_rings_ = true;
        take_best(in_.min_density, -1);
        split_rings_ = false;
    }
    take_long_closures();
    if (!in_.whole) take_fillers();
    return std::move(out_);
}

SelectionResult GreedyFill::exactly(const std::vector<std::uint32_t>& units) {
    reset();
    for (const std::uint32_t unit : units) {
        if (problem_.content(unit) && duplicates_.find(unit).unit != kNoSpan) {
            out_.outcome = Outcome::over_required;  // it would be folded
            return std::move(out_);
        }
        take(unit);
    }
    if (out_.spent > in_.limit) out_.outcome = Outcome::over_required;
    for (std::size_t k = 0; k < problem_.sections(); ++k)
        if (section_spent_[k] < in_.minimum[k] || section_spent_[k] > in_.maximum[k])
            out_.outcome = Outcome::under_minimum;
    if (out_.outcome == Outcome::found && !in_.whole) take_fillers();
    return std::move(out_);
}

bool GreedyFill::take_required() {
    for (std::size_t s = 0; s < n_; ++s)
        if (problem_.required(s) && !out_.kept[s]) take(s);
    std::int32_t over = -1;
    for (std::size_t k = 0; k < problem_.sections() && over < 0; ++k)
        if (section_spent_[k] > in_.maximum[k]) over = static_cast<std::int32_t>(k);
    if (out_.spent <= in_.limit && over < 0) return true;
    out_.outcome = Outcome::over_required;
    out_.section = out_.spent <= in_.limit ? over : -1;
    return false;
}

// Takes each required bundle: whole if it fits, or else the alternative of most value that fits.
bool GreedyFill::take_required_bundles() {
    for (const std::int32_t bundle : in_.required)
        if (!take_bundle(static_cast<std::size_t>(bundle))) {
            out_.outcome = Outcome::over_required;
            return false;
        }
    return true;
}

bool GreedyFill::take_bundle(std::size_t bundle) {
    if (satisfied(bundle)) return true;
    const auto& others = problem_.alternatives(bundle);
    std::vector<std::uint32_t> nodes(others.begin(), others.end());
    std::stable_sort(nodes.begin(), nodes.end(), [&](std::uint32_t a, std::uint32_t b) {
        return shortest_ ? in_.tokens[a] < in_.tokens[b] : problem_.value(a) > problem_.value(b);
    });
    const auto whole = static_cast<std::uint32_t>(n_ + bundle);
    nodes.insert(shortest_ ? nodes.end() : nodes.begin(), whole);
    for (const std::uint32_t node : nodes) {
        if (node < n_ && problem_.excluded(node)) continue;
        choose(node, choice_);
        if (!choice_.possible || !fits(choice_)) continue;
        take_all(choice_);
        return true;
    }
    return false;
}

// Takes what the required units need, if there is room for it.
void GreedyFill::take_needs_of_required() {
    if (in_.whole) return;
    for (std::size_t s = 0; s < n_; ++s) {
        if (!problem_.required(s)) continue;
        choose(static_cast<std::uint32_t>(s), choice_);
        std::erase_if(choice_.units, [&](std::uint32_t unit) { return out_.kept[unit] != 0; });
        if (!choice_.possible || choice_.units.empty()) continue;
        price(choice_);
        if (fits(choice_)) take_all(choice_);
    }
}

// Takes the best candidates of each section until its minimum is reached; inner sections first.
bool GreedyFill::fill_minima() {
    for (std::size_t k = problem_.sections(); k-- > 0;) {
        if (section_spent_[k] >= in_.minimum[k]) continue;
        take_best(0, static_cast<std::int32_t>(k));
        if (section_spent_[k] < in_.minimum[k]) {
            out_.outcome = Outcome::under_minimum;
            out_.section = static_cast<std::int32_t>(k);
            return false;
        }
    }
    return true;
}

bool GreedyFill::in_section(std::uint32_t node, std::int32_t section) const {
    std::size_t unit = node;
    for (int depth = 0; unit >= n_ && depth < kDeepest; ++depth) {
        const auto members = problem_.members(unit - n_);
        if (members.empty()) return false;
        unit = static_cast<std::size_t>(members[0]);
    }
    if (unit >= n_) return false;
    for (std::int32_t at = problem_.section_of(unit); at >= 0;
         at = in_.parent[static_cast<std::size_t>(at)])
        if (at == section) return true;
    return false;
}

// Takes candidates, the best first, that fit. With a section, only its own, and only until its
// minimum is reached.
void GreedyFill::take_best(double min_density, std::int32_t section) {
    heap_.clear();
    for (const std::uint32_t node : problem_.candidates()) {
        if (!candidate(node) || (section >= 0 && !in_section(node, section))) continue;
        choose(node, choice_);
        if (choice_.too_long)
            long_.push_back(node);
        else if (choice_.possible || choice_.blocked)
            heap_.push_back({choice_.density(), node});
        if (stop_.expired(100)) return;
    }
    std::make_heap(heap_.begin(), heap_.end());
    while (!heap_.empty() && heap_.front().density >= min_density) {
        if (section >= 0 && section_spent_[static_cast<std::size_t>(section)] >=
                                in_.minimum[static_cast<std::size_t>(section)])
            return;
        std::pop_heap(heap_.begin(), heap_.end());
        const Next next = heap_.back();
        heap_.pop_back();
        if (!candidate(next.node) || (section >= 0 && !in_section(next.node, section))) continue;
        consider(next.node, next.density);
        if (stop_.expired(200)) return;
    }
}

// Takes a candidate with all that it needs, if it fits and is no duplicate. If it now costs more
// than its key in the heap says, it is put back behind better ones.
GreedyFill::Step GreedyFill::consider(std::uint32_t node, double key) {
    choose(node, choice_);
    if (!in_.option_set.empty() && !in_.required_bundle.empty() &&
        (!choice_.possible || !fits(choice_))) {
        shorter_ = true;
        choose(node, choice_);
        shorter_ = false;
    }
    if (choice_.blocked && choice_.cost <= in_.limit) {
        blocked_ = true;
        refused_.push_back({choice_.value, node});
    }
    if (!choice_.possible) return Step::refused;
    const double now = choice_.density();
    if (now < key && !heap_.empty() && now < heap_.front().density) {
        heap_.push_back({now, node});
        std::push_heap(heap_.begin(), heap_.end());
        return Step::refused;
    }
    if (!fits(choice_)) {
        largest_refused_ = std::max(largest_refused_, choice_.value);
        note_price(now);
        if (choice_.value > kLarge * out_.value && choice_.cost <= in_.limit)
            refused_.push_back({choice_.value, node});
        return Step::refused;
    }
    if (node < n_) {
        const WindowDuplicates::Match match = duplicates_.find(node);
        if (match.unit != kNoSpan && match.same) {
            note_repetition(node, match, 1, 1);
            out_.duplicate_of[node] = match.unit;
            value_[node] = 0;  // it may still be needed by another unit
            return Step::folded;
        }
        if (match.unit != kNoSpan && !version_[node]) {
            // Another version is valued by the share of its shingles that the window does not have.
            version_[node] = 1;
            const auto loss = [](double shared) { return 1 - std::max(kLeastAdded, 1 - shared); };
            note_repetition(node, match, loss(match.of_unit), loss(match.of_match));
            value_[node] *= std::max(kLeastAdded, 1 - match.shared);
            push(node);
            return Step::folded;
        }
    }
    roots_.push_back(node);
    discount_repeats(choice_, node);
    take_all(choice_);
    const std::vector<std::uint32_t> taken = choice_.units;
    requeue(taken);
    return Step::taken;
}

// Records the density of a choice that did not fit, as the value of one more token where it lacked.
void GreedyFill::note_price(double density) {
    if (out_.spent + choice_.cost > in_.limit) out_.price = std::max(out_.price, density);
    for (const std::int32_t k : touched_) {
        const auto section = static_cast<std::size_t>(k);
        if (section_spent_[section] + section_added_[section] > in_.maximum[section])
            out_.section_prices[section] = std::max(out_.section_prices[section], density);
    }
}

// Records that a unit and its match have less value together, whichever is taken first: the losses
// are shares of the value of each.
void GreedyFill::note_repetition(std::uint32_t unit, const WindowDuplicates::Match& match,
                                 double loss, double loss_of_match) {
    if (match.of_unit < in_.alike || match.of_match < in_.alike) return;
    const auto other = static_cast<std::uint32_t>(match.unit);
    const double least =
        std::min(loss * problem_.value(unit), loss_of_match * problem_.value(other));
    out_.repetitions.push_back({unit, other, least});
}

// A unit that is taken because another one needs it has no value if the window has its text.
void GreedyFill::discount_repeats(const Choice& choice, std::uint32_t root) {
    if (in_.whole) return;
    for (const std::uint32_t unit : choice.units)
        if (unit != root && value_[unit] > 0 && !problem_.has(unit, kLabel) &&
            duplicates_.find(unit).same)
            value_[unit] = 0;
}

bool GreedyFill::all_fit(const SelectionResult& result) const {
    const auto& prices = result.section_prices;
    return !blocked_ && result.price == 0 &&
           std::all_of(prices.begin(), prices.end(), [](double price) { return price == 0; });
}

void GreedyFill::take_all(const Choice& choice) {
    for (const std::uint32_t unit : choice.units) take(unit);
}

bool GreedyFill::candidate(std::uint32_t node) const {
    if (banned_[node]) return false;
    if (node >= n_) return missing_[node - n_] > 0;
    return !out_.kept[node] && !problem_.excluded(node) && problem_.content(node) &&
           !problem_.has(node, kLabel) && out_.duplicate_of[node] == kNoSpan;
}

void GreedyFill::open_section(std::int32_t section) {
    for (; section >= 0; section = in_.parent[static_cast<std::size_t>(section)]) {
        const auto k = static_cast<std::size_t>(section);
        if (open_[k]) continue;
        open_[k] = 1;
        out_.spent += in_.header[k];
        for (std::int32_t up = section; up >= 0; up = in_.parent[static_cast<std::size_t>(up)])
            section_spent_[static_cast<std::size_t>(up)] += in_.header[k];
    }
}

void GreedyFill::take(std::size_t s) {
    const int runs = 1 - (s > 0 && kept(s, s - 1)) - kept(s, s + 1);
    int& known = runs_[problem_.text_of(s)];
    const std::int32_t section = problem_.section_of(s);
    open_section(section);
    const std::int64_t tokens =
        in_.tokens[s] +
        (runs > 0 && known == 0 ? in_.overhead[problem_.text_of(s)] : runs * in_.again);
    out_.spent += tokens;
    for (std::int32_t k = section; k >= 0; k = in_.parent[static_cast<std::size_t>(k)])
        section_spent_[static_cast<std::size_t>(k)] += tokens;
    out_.value += value_[s];
    known += runs;
    out_.kept[s] = 1;
    out_.duplicate_of[s] = kNoSpan;  // it was folded, but another unit needs it
    if (!in_.option_set.empty() && in_.option_set[s] >= 0)
        option_[static_cast<std::size_t>(in_.option_set[s])] = in_.option[s];
    for (std::uint32_t k = bundle_of_first_[s]; k < bundle_of_first_[s + 1]; ++k)
        --missing_[bundle_of_[k]];
    if (!in_.whole) duplicates_.add(s);
}

void GreedyFill::push(std::uint32_t node) {
    choose(node, choice_);
    if (!choice_.possible) return;
    heap_.push_back({choice_.density(), node});
    std::push_heap(heap_.begin(), heap_.end());
}

// Pushes what taken units make cheaper: the units that need them, those that require a bundle that
// is now complete, and their neighbours.
void GreedyFill::requeue(const std::vector<std::uint32_t>& taken) {
    requeued_.clear();
    ++visits_;
    for (const std::uint32_t s : taken) {
        stack_.assign(1, s);
        std::size_t visited = 0;
        while (!stack_.empty() && visited < kDeepDependents) {
            const std::size_t at = stack_.back();
            stack_.pop_back();
            for (const std::uint32_t unit : problem_.dependents(at)) {
                if (out_.kept[unit] || seen_[unit] == visits_) continue;
                seen_[unit] = visits_;
                requeued_.push_back(unit);
                stack_.push_back(unit);
                ++visited;
            }
        }
        for (std::uint32_t k = bundle_of_first_[s]; k < bundle_of_first_[s + 1]; ++k) {
            const std::uint32_t bundle = bundle_of_[k];
            requeued_.push_back(static_cast<std::uint32_t>(n_) + bundle);
            if (missing_[bundle] > 0) continue;
            for (std::uint32_t a = asker_first_[bundle]; a < asker_first_[bundle + 1]; ++a)
                requeued_.push_back(askers_[a]);
        }
        for (const std::size_t unit : {std::size_t{s} - 1, std::size_t{s} + 1})
            if (problem_.together(s, unit)) requeued_.push_back(static_cast<std::uint32_t>(unit));
    }
    std::sort(requeued_.begin(), requeued_.end());
    requeued_.erase(std::unique(requeued_.begin(), requeued_.end()), requeued_.end());
    const std::vector<std::uint32_t> nodes = requeued_;
    for (const std::uint32_t node : nodes)
        if (in_.whole == (node >= n_) && candidate(node)) push(node);
}

// Tries candidates with long closures, those of most value first.
void GreedyFill::take_long_closures() {
    if (long_.empty()) return;
    std::vector<Next> order;
    for (const std::uint32_t node : long_)
        if (candidate(node)) order.push_back({node < n_ ? value_[node] : 0.0, node});
    std::sort(order.begin(), order.end(), [](const Next& a, const Next& b) { return b < a; });
    if (order.size() > kLongTried) order.resize(kLongTried);
    heap_.clear();
    follow_long_ = true;
    for (const Next& next : order)
        if (candidate(next.node)) consider(next.node, 0);
    follow_long_ = false;
}

// The candidates to try first: those of most value that did not fit, and alternatives of chunks.
std::vector<std::uint32_t> GreedyFill::seeds(double value) {
    std::erase_if(refused_, [&](const Next& next) { return next.density < kLarge * value; });
    const auto best_first = [](const Next& a, const Next& b) { return b < a; };
    std::sort(refused_.begin(), refused_.end(), best_first);
    std::vector<std::uint32_t> nodes;
    for (const Next& next : refused_) {
        if (nodes.size() == kSeeds) break;
        if (std::find(nodes.begin(), nodes.end(), next.node) == nodes.end())
            nodes.push_back(next.node);
    }
    std::vector<Next> shorter;
    for (std::size_t s = 0; s < in_.option.size(); ++s)
        if (in_.option[s] > 0 && problem_.value(s) > kLarge * value)
            shorter.push_back({problem_.value(s), static_cast<std::uint32_t>(s)});
    std::sort(shorter.begin(), shorter.end(), best_first);
    for (std::size_t k = 0; k < std::min(kSeeds, shorter.size()); ++k)
        nodes.push_back(shorter[k].node);
    return nodes;
}

}  // namespace ctxmem
