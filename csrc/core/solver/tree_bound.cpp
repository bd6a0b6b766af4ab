#include "core/solver/tree_bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ctxmem {
namespace {

constexpr int kPriceSteps = 24;   // of the first bisection
constexpr int kRefineSteps = 3;   // of later ones
constexpr int kBranchSteps = 10;  // of the bisection of a branch
constexpr int kRounds = 60;       // subgradient steps
constexpr std::size_t kBranches = 400;
constexpr double kLeastPasses = 40;     // over the atoms, however many there are
constexpr double kWork = 1e5;           // atoms visited, about 1 ms
constexpr double kClose = 4e-3;         // relative gap at which the work ends
constexpr std::size_t kFewMembers = 8;  // of a bundle that get a coupling each
constexpr double kImpossible = -1e300;

}  // namespace

TreeBound::TreeBound(const WindowProblem& problem, const std::vector<Repetition>& repetitions,
                     StopToken& stop)
    : problem_(problem), in_(problem.input()), stop_(stop) {
    find_cover();
    make_atoms();
    make_couplings(repetitions);
    alone_.resize(atoms_.size() + 1);
    joined_.resize(atoms_.size() + 1);
    must_alone_.resize(atoms_.size() + 1);
    must_joined_.resize(atoms_.size() + 1);
    taken_.resize(atoms_.size());
    section_multiplier_.assign(problem.sections(), 0.0);
    section_tokens_.assign(problem.sections(), 0.0);
}

// With whole chunks: a mark of the set of candidates that contain each unit.
void TreeBound::find_cover() {
    if (!in_.whole) return;
    cover_.assign(problem_.units(), 0);
    sole_.assign(problem_.units(), -1);
    for (const std::uint32_t node : problem_.candidates())
        for (const std::int64_t member : problem_.members(node - problem_.units())) {
            if (member >= static_cast<std::int64_t>(problem_.units())) continue;
            const auto s = static_cast<std::size_t>(member);
            sole_[s] = cover_[s] == 0 ? static_cast<std::int64_t>(node) : -1;
            cover_[s] += (std::uint64_t{node} + 1) * 0x9E3779B97F4A7C15ull;
        }
}

void TreeBound::make_atoms() {
    atom_of_.assign(problem_.units(), 0);
    for (std::size_t t = 0; t < in_.texts.size(); ++t)
        if (in_.first[t] < in_.first[t + 1]) add_text(t);
}

// The end of the units that are tied to unit s, in a ring or because they are shown whole.
std::size_t TreeBound::group_end(std::size_t s, std::size_t last) const {
    if (in_.whole) {
        std::size_t end = s + 1;
        while (end < last && cover_[end] == cover_[s]) ++end;
        return end;
    }
    std::size_t end = s;
    while (end + 1 < last && in_.also[end] == static_cast<std::int32_t>(end + 1)) ++end;
    return in_.also[end] == static_cast<std::int32_t>(s) ? end + 1 : s + 1;
}

void TreeBound::add_text(std::size_t t) {
    const auto first = static_cast<std::size_t>(in_.first[t]);
    const auto last = static_cast<std::size_t>(in_.first[t + 1]);
    const auto begin = atoms_.size();
    std::vector<std::int64_t> parent;
    int forced = 0;
    for (std::size_t s = first; s < last;) {
        Atom atom;
        const std::size_t end = group_end(s, last);
        std::int64_t need = -1;
        for (std::size_t k = s; k < end; ++k) {
            atom_of_[k] = static_cast<std::uint32_t>(atoms_.size());
            atom.value += problem_.value(k);
            atom.tokens += static_cast<double>(in_.tokens[k]);
            atom.content = atom.content || (problem_.content(k) && !problem_.has(k, kLabel));
            atom.forced = atom.forced || problem_.required(k);
            atom.unit = static_cast<std::uint32_t>(s);
            atom.excluded = atom.excluded || problem_.excluded(k) || problem_.has(k, kHidden);
        }
        forced += atom.forced;
        atom.text = static_cast<std::uint32_t>(texts_.size());
        if (!in_.whole && in_.need[s] != kNoSpan &&
            in_.need[s] >= static_cast<std::int64_t>(first) &&
            in_.need[s] < static_cast<std::int64_t>(s))
            need = in_.need[s];
        parent.push_back(atom.forced || need < 0
                             ? -1
                             : static_cast<std::int64_t>(atom_of_[static_cast<std::size_t>(need)]));
        atoms_.push_back(atom);
        s = end;
    }
    if (atoms_.size() - begin > 1)
        for (std::size_t atom = begin; atom < atoms_.size(); ++atom)
            atoms_[atom].tokens = std::max(0.0, atoms_[atom].tokens - problem_.joint_unit(t));
    nest(begin, atoms_.size(), parent);
    find_openers(begin);
    const double joint = static_cast<double>(in_.joint);
    const double again = std::max(0.0, static_cast<double>(in_.again) - joint);
    const double opening =
        static_cast<double>(in_.overhead[t]) -
        (atoms_.size() - begin == 1 ? static_cast<double>(in_.joint_whole)
                                    : std::max(joint, static_cast<double>(in_.joint_whole)));
    texts_.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(atoms_.size()),
                      opening - again, again, problem_.section_of(first), forced});
}

// Sets `after`: atoms below another one follow it without a gap, or the need is left to a coupling.
void TreeBound::nest(std::size_t first, std::size_t last, const std::vector<std::int64_t>& parent) {
    std::vector<std::size_t> stack;
    std::vector<std::uint8_t> open(last - first, 0);
    const auto close = [&](std::size_t before) {
        open[stack.back() - first] = 0;
        atoms_[stack.back()].after = static_cast<std::uint32_t>(before);
        stack.pop_back();
    };
    for (std::size_t atom = first; atom < last; ++atom) {
        const std::int64_t above = parent[atom - first];
        const bool nested = above >= static_cast<std::int64_t>(first) &&
                            open[static_cast<std::size_t>(above) - first];
        while (!stack.empty() && !(nested && stack.back() == static_cast<std::size_t>(above)))
            close(atom);
        if (nested) atoms_[atom].above = above;
        if (above >= 0 && !nested)
            open_needs_.push_back(
                {static_cast<std::uint32_t>(atom), static_cast<std::uint32_t>(above)});
        stack.push_back(atom);
        open[atom - first] = 1;
    }
    while (!stack.empty()) close(last);
}

// Finds the labels and lead-ins that are shown only with a unit below them, if all units that they
// may introduce are below them in the tree, and the end of the innermost one around each atom. One
// without content introduces nothing; it may be shown between two kept units, which are one run then.
void TreeBound::find_openers(std::size_t first) {
    std::vector<std::uint32_t> ends;
    for (std::size_t at = first; at < atoms_.size(); ++at) {
        Atom& atom = atoms_[at];
        while (!ends.empty() && ends.back() <= at) ends.pop_back();
        atom.scope_end = ends.empty() ? static_cast<std::uint32_t>(atoms_.size()) : ends.back();
        if (in_.whole || !problem_.has(atom.unit, kLabel | kLeadIn)) continue;
        if (!problem_.content(atom.unit)) continue;
        const bool single = at + 1 == atoms_.size() || atoms_[at + 1].unit == atom.unit + 1;
        const auto below = problem_.dependents(atom.unit);
        atom.opens =
            single && std::all_of(below.begin(), below.end(), [&](std::uint32_t unit) {
                const std::uint32_t other = atom_of_[unit];
                return problem_.together(unit, atom.unit) && other > at && other < atom.after;
            });
        if (!atom.opens) continue;
        atom.content = false;
        ends.push_back(atom.after);
    }
}

void TreeBound::couple(std::uint32_t a, std::uint32_t b) {
    if (a != b && !atoms_[a].forced) couplings_.push_back({a, b, false, 0});
}

void TreeBound::exclude(std::uint32_t a, std::uint32_t b, double loss) {
    if (a != b && loss > 0) couplings_.push_back({a, b, true, loss});
}

void TreeBound::make_couplings(const std::vector<Repetition>& repetitions) {
    for (const auto& [a, b] : open_needs_) couple(a, b);
    for (std::size_t s = 0; s < problem_.units() && !in_.whole; ++s) {
        if (in_.also[s] != kNoSpan && in_.also[s] != in_.need[s])
            couple(atom_of_[s], atom_of_[static_cast<std::size_t>(in_.also[s])]);
        if (in_.need[s] == kNoSpan) continue;
        const auto other = static_cast<std::size_t>(in_.need[s]);
        const bool inside = problem_.together(s, other) && other < s;
        if (!inside) couple(atom_of_[s], atom_of_[other]);  // others: in a tree, or an open need
    }
    couple_bundles();
    couple_chunks();
    couple_options();
    for (const Repetition& pair : repetitions)
        exclude(atom_of_[pair.a], atom_of_[pair.b], pair.loss);
}

void TreeBound::couple_options() {
    if (in_.option_set.empty()) return;
    std::vector<std::vector<std::uint32_t>> own(problem_.units());
    for (std::size_t s = 0; s < problem_.units(); ++s)
        if (in_.option_set[s] >= 0 && in_.option[s] == 0)
            own[static_cast<std::size_t>(in_.option_set[s])].push_back(atom_of_[s]);
    for (std::size_t s = 0; s < problem_.units(); ++s) {
        if (in_.option_set[s] < 0 || in_.option[s] == 0) continue;
        auto& others = own[static_cast<std::size_t>(in_.option_set[s])];
        for (const std::uint32_t other : others)
            exclude(atom_of_[s], other, std::numeric_limits<double>::infinity());
        others.push_back(atom_of_[s]);
    }
}

// With whole chunks: what only one chunk contains needs all of that chunk, and what it requires.
void TreeBound::couple_chunks() {
    if (!in_.whole) return;
    for (const std::uint32_t node : problem_.candidates()) {
        const std::size_t bundle = node - problem_.units();
        std::int64_t first = -1;
        for (const std::int64_t member : problem_.members(bundle)) {
            const auto s = static_cast<std::size_t>(member);
            if (s < problem_.units() && sole_[s] == static_cast<std::int64_t>(node)) {
                first = static_cast<std::int64_t>(atom_of_[s]);
                break;
            }
        }
        if (first < 0 || atoms_[static_cast<std::size_t>(first)].forced) continue;
        const auto from = static_cast<std::uint32_t>(first);
        for (const std::uint32_t atom : atoms_of(bundle)) couple(from, atom);
    }
}

// The atoms of a bundle and of the bundles in it; only the largest of many.
std::vector<std::uint32_t> TreeBound::atoms_of(std::size_t bundle) const {
    std::vector<std::uint32_t> found;
    std::vector<std::size_t> stack{bundle};
    for (std::size_t steps = 0; !stack.empty() && steps < kFewMembers * kFewMembers; ++steps) {
        const std::size_t at = stack.back();
        stack.pop_back();
        for (const std::int64_t member : problem_.members(at)) {
            const auto node = static_cast<std::size_t>(member);
            if (node >= problem_.units()) {
                if (problem_.alternatives(node - problem_.units()).empty())
                    stack.push_back(node - problem_.units());
            } else
                found.push_back(atom_of_[node]);
        }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    std::sort(found.begin(), found.end(), [&](std::uint32_t a, std::uint32_t b) {
        return atoms_[a].tokens != atoms_[b].tokens ? atoms_[a].tokens > atoms_[b].tokens : a < b;
    });
    if (found.size() > kFewMembers) found.resize(kFewMembers);
    return found;
}

// A unit that requires a bundle: its atom needs the members, or the largest of many.
void TreeBound::couple_bundles() {
    for (std::size_t s = 0; s < in_.required_bundle.size(); ++s) {
        if (in_.required_bundle[s] == kNoSpan || atoms_[atom_of_[s]].forced) continue;
        if (!problem_.alternatives(static_cast<std::size_t>(in_.required_bundle[s])).empty())
            continue;  // one of them may satisfy the requirement
        const auto members = atoms_of(static_cast<std::size_t>(in_.required_bundle[s]));
        for (const std::uint32_t member : members) couple(atom_of_[s], member);
    }
}

double TreeBound::section_price(std::int32_t section) const {
    double sum = 0;
    for (; section >= 0; section = in_.parent[static_cast<std::size_t>(section)])
        sum += section_multiplier_[static_cast<std::size_t>(section)];
    return sum;
}

// The greatest profit of a text at a price, by the greatest profit of the atoms from each on.
double TreeBound::evaluate_text(const Text& text, double price) {
    alone_[text.last] = joined_[text.last] = 0;
    must_alone_[text.last] = must_joined_[text.last] = kImpossible;
    for (std::uint32_t i = text.last; i-- > text.first;) {
        const Atom& atom = atoms_[i];
        const double skipped = atom.forced ? kImpossible : alone_[atom.after];
        const double must_skipped =
            atom.forced || atom.after >= atom.scope_end ? kImpossible : must_alone_[atom.after];
        alone_[i] = joined_[i] = skipped;
        must_alone_[i] = must_joined_[i] = must_skipped;
        if (atom.excluded && !atom.forced) continue;
        const double taken = profit_of(i, price) + behind(i);
        const double opening = price * text.again;
        alone_[i] = std::max(skipped, taken - opening);
        joined_[i] = std::max(skipped, taken);
        if (!atom.content && !atom.opens) {
            const double on = i + 1 < atom.scope_end ? must_joined_[i + 1] : kImpossible;
            must_alone_[i] = std::max(must_skipped, profit_of(i, price) + on - opening);
            must_joined_[i] = std::max(must_skipped, profit_of(i, price) + on);
        } else {
            must_alone_[i] = std::max(must_skipped, taken - opening);
            must_joined_[i] = std::max(must_skipped, taken);
        }
    }
    const double profit = alone_[text.first] - price * text.overhead;
    return text.forced > 0 ? profit : std::max(0.0, profit);
}

double TreeBound::profit_of(std::uint32_t i, double price) const {
    return atoms_[i].value + atoms_[i].extra - price * atoms_[i].tokens;
}

// The greatest profit behind an atom that is taken.
double TreeBound::behind(std::uint32_t i) const {
    const Atom& atom = atoms_[i];
    if (!atom.opens || atom.forced) return joined_[i + 1];
    return atom.after > i + 1 ? must_joined_[i + 1] : kImpossible;
}

// Marks the atoms of a text that evaluate_text took, and adds their tokens and values.
void TreeBound::trace(const Text& text) {
    double used = text.overhead;
    bool before = false, must = false;
    for (std::uint32_t i = text.first; i < text.last;) {
        const Atom& atom = atoms_[i];
        const double skipped = atom.forced                    ? kImpossible
                               : !must                        ? alone_[atom.after]
                               : atom.after >= atom.scope_end ? kImpossible
                                                              : must_alone_[atom.after];
        const double best =
            must ? (before ? must_joined_[i] : must_alone_[i]) : (before ? joined_[i] : alone_[i]);
        if (best <= skipped && !atom.forced) {
            i = atom.after;
            before = false;
            continue;
        }
        taken_[i] = 1;
        found_ += atom.value;
        used += atom.tokens + (before ? 0.0 : text.again);
        before = true;
        must = (atom.opens && !atom.forced) || (must && !atom.content);
        ++i;
    }
    used_ += used;
    for (std::int32_t k = text.section; k >= 0; k = in_.parent[static_cast<std::size_t>(k)])
        section_tokens_[static_cast<std::size_t>(k)] += used;
}

// The Lagrangian function: a bound for every price and all multipliers.
double TreeBound::evaluate(double price) {
    used_ = found_ = 0;
    work_ += static_cast<double>(atoms_.size());
    std::fill(taken_.begin(), taken_.end(), std::uint8_t{0});
    std::fill(section_tokens_.begin(), section_tokens_.end(), 0.0);
    double sum = price * static_cast<double>(limit_);
    for (const Text& text : texts_) {
        const double own = std::max(0.0, price + section_price(text.section));
        const double profit = evaluate_text(text, own);
        sum += profit;
        if (profit > 0 || text.forced > 0) trace(text);
    }
    for (const Coupling& coupling : couplings_)
        if (coupling.conflict) sum += coupling.multiplier;
    for (std::size_t k = 0; k < section_multiplier_.size(); ++k)
        sum += section_multiplier_[k] * static_cast<double>(in_.maximum[k]);
    return sum;
}

// Lowers the bound over prices: it is convex, and its slope is the room that is left.
void TreeBound::bisect(double low, double high, int steps) {
    for (int step = 0; step < steps; ++step) {
        const double price = 0.5 * (low + high);
        const double sum = evaluate(price);
        if (sum < least_) {
            least_ = sum;
            price_ = price;
        }
        (used_ > static_cast<double>(limit_) ? low : high) = price;
    }
}

double TreeBound::at(std::int64_t limit, double value) {
    limit_ = limit;
    value_ = value;
    most_work_ = std::max(kWork, kLeastPasses * static_cast<double>(atoms_.size()));
    price_ = 0;
    least_ = evaluate(0);
    if (used_ <= static_cast<double>(limit) && section_multiplier_.empty() && couplings_.empty())
        return std::max(least_, value_);
    double high = 0;
    for (const Atom& atom : atoms_) high = std::max(high, atom.value / std::max(1.0, atom.tokens));
    bisect(0, high, kPriceSteps);
    descend();
    branch();
    return std::max(least_, value_);
}

// Projected subgradient steps on the multipliers; the price follows.
void TreeBound::descend() {
    if (couplings_.empty() && section_multiplier_.empty()) return;
    double agility = 1, before = least_;
    std::vector<double> best;
    const auto keep = [&] {
        best.clear();
        for (const Coupling& coupling : couplings_) best.push_back(coupling.multiplier);
        best.insert(best.end(), section_multiplier_.begin(), section_multiplier_.end());
    };
    keep();
    for (int round = 0; round < kRounds && work_ < 0.5 * most_work_; ++round) {
        if (stop_.expired(4 * atoms_.size()) || least_ - value_ <= kClose * least_) break;
        const double known = least_;
        const double now = evaluate(price_);
        step(std::max(0.0, now - value_) * agility);
        bisect(0.8 * price_, 1.25 * price_ + 1e-12, kRefineSteps);
        if (least_ < known) keep();
        if (least_ > before * (1 - 1e-4)) agility *= 0.8;
        before = least_;
    }
    for (std::size_t k = 0; k < couplings_.size(); ++k) {
        Coupling& c = couplings_[k];
        const double change = best[k] - c.multiplier;
        c.multiplier = best[k];
        atoms_[c.a].extra -= change;
        atoms_[c.b].extra += c.conflict ? -change : change;
    }
    std::copy(best.begin() + static_cast<std::ptrdiff_t>(couplings_.size()), best.end(),
              section_multiplier_.begin());
}

// Moves the multipliers along the slope of the last evaluation, by a length that would close `gap`.
void TreeBound::step(double gap) {
    const auto slope = [&](const Coupling& c) {
        return c.conflict ? double(taken_[c.a]) + double(taken_[c.b]) - 1
                          : double(taken_[c.a]) - double(taken_[c.b]);
    };
    const auto over = [&](std::size_t k) {
        return section_tokens_[k] - static_cast<double>(in_.maximum[k]);
    };
    double norm = 0, section_norm = 0;
    for (const Coupling& c : couplings_)
        if (slope(c) > 0 || c.multiplier > 0) norm += slope(c) * slope(c);
    for (std::size_t k = 0; k < section_multiplier_.size(); ++k)
        if (over(k) > 0 || section_multiplier_[k] > 0) section_norm += over(k) * over(k);
    if (norm > 0)
        for (Coupling& c : couplings_) {
            double next = std::max(0.0, c.multiplier + gap / norm * slope(c));
            if (c.conflict) next = std::min(next, c.loss);
            const double change = next - c.multiplier;
            c.multiplier = next;
            atoms_[c.a].extra -= change;
            atoms_[c.b].extra += c.conflict ? -change : change;
        }
    if (section_norm > 0)
        for (std::size_t k = 0; k < section_multiplier_.size(); ++k)
            section_multiplier_[k] =
                std::max(0.0, section_multiplier_[k] + gap / section_norm * over(k));
}

// Applies what a branch fixes: an atom that is taken needs those above it.
void TreeBound::fix(const Branch& branch) {
    for (const auto& [atom, taken] : branch.fixed) {
        if (!taken) {
            if (!atoms_[atom].excluded) excluded_.push_back(atom);
            atoms_[atom].excluded = true;
            continue;
        }
        for (auto at = static_cast<std::int64_t>(atom); at >= 0;
             at = atoms_[static_cast<std::size_t>(at)].above) {
            Atom& needed = atoms_[static_cast<std::size_t>(at)];
            if (needed.forced) continue;
            needed.forced = true;
            ++texts_[needed.text].forced;
            forced_.push_back(static_cast<std::uint32_t>(at));
        }
    }
}

void TreeBound::release() {
    for (const std::uint32_t atom : excluded_) atoms_[atom].excluded = false;
    for (const std::uint32_t atom : forced_) {
        atoms_[atom].forced = false;
        --texts_[atoms_[atom].text].forced;
    }
    excluded_.clear();
    forced_.clear();
}

// Finds the bound of a branch, and the unit that its price leaves undecided: the largest one in
// which the selections just within and just above the limit differ. Returns whether there is one.
bool TreeBound::solve(Branch& branch, double price) {
    const double limit = static_cast<double>(limit_);
    std::vector<std::uint8_t> within, above;
    double low = 0, high = std::max(price * 2, 1e-9);
    branch.bound = std::numeric_limits<double>::infinity();
    for (int step = 0; step < kBranchSteps; ++step) {
        const double at = step == 0 ? price : 0.5 * (low + high);
        const double sum = evaluate(at);
        if (sum < branch.bound) {
            branch.bound = sum;
            branch.price = at;
        }
        if (used_ > limit) {
            low = at;
            above = taken_;
            if (step == 0) high = std::max(high, at * 4);
        } else {
            high = at;
            within = taken_;
            if (used_ <= limit && found_ > value_ && couplings_.empty()) value_ = found_;
        }
    }
    if (above.empty()) return false;
    double largest = 0;
    for (std::size_t k = 0; k < atoms_.size(); ++k) {
        if (within.empty() ? !above[k] : within[k] == above[k]) continue;
        if (atoms_[k].forced || atoms_[k].tokens <= largest) continue;
        largest = atoms_[k].tokens;
        branch.undecided = static_cast<std::uint32_t>(k);
    }
    return largest > 0;
}

// Branch and bound, the branch with the greatest bound first. The bound is then the greatest of the
// open branches.
void TreeBound::branch() {
    const auto worse = [](const Branch& a, const Branch& b) { return a.bound < b.bound; };
    std::vector<Branch> open;
    double closed = value_;  // the greatest bound of branches that are not split further
    Branch root;
    if (least_ - value_ <= kClose * least_ || !solve(root, price_)) return;
    open.push_back(std::move(root));
    for (std::size_t count = 0; count < kBranches && !open.empty() && work_ < most_work_; ++count) {
        std::pop_heap(open.begin(), open.end(), worse);
        const Branch best = std::move(open.back());
        open.pop_back();
        if (best.bound - value_ <= kClose * best.bound || stop_.expired(40 * atoms_.size())) {
            closed = std::max(closed, best.bound);
            break;
        }
        for (const bool taken : {true, false}) {
            Branch next{best.fixed, 0, 0, 0};
            next.fixed.emplace_back(best.undecided, taken);
            fix(next);
            const bool split = solve(next, best.price);
            release();
            next.bound = std::min(next.bound, best.bound);
            if (!split) {
                closed = std::max(closed, next.bound);
                continue;
            }
            open.push_back(std::move(next));
            std::push_heap(open.begin(), open.end(), worse);
        }
    }
    for (const Branch& rest : open) closed = std::max(closed, rest.bound);
    least_ = std::min(least_, closed);
}

}  // namespace ctxmem
