#include "core/enumeration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ctxmem {
namespace {

constexpr std::size_t kNone = BudgetTree::kNone;
constexpr std::size_t kLookAhead = 64;  // units compared for the next place in the order
constexpr std::size_t kStepLimit = std::size_t{1} << 24;  // 200 MB

}  // namespace

template <std::size_t Words>
Enumeration<Words>::Enumeration(const BudgetTree& tree, const Bound& bound)
    : tree_(tree), bound_(bound) {
    const std::size_t nodes = tree.nodes.size();
    children_.resize(nodes);
    classes_.resize(nodes);
    units_.resize(nodes);
    parts_of_.resize(nodes);
    closable_.assign(nodes, true);
    closed_charge_.assign(nodes, 0);
    class_time_.assign(tree.classes.size(), 0);
    for (std::size_t s = 1; s < nodes; ++s) children_[tree.nodes[s].parent].push_back(s);
    for (std::size_t c = 0; c < tree.classes.size(); ++c) {
        classes_[tree.classes[c].node].push_back(c);
        if (tree.classes[c].nothing == kNone) closable_[tree.classes[c].node] = false;
    }
    for (std::size_t s = nodes; s-- > 1;) {
        if (tree.nodes[s].minimum > 0) closable_[s] = false;
        if (!closable_[s]) closable_[tree.nodes[s].parent] = false;
    }
    plan(0);
    place_couplings();
    allot_bits();
}

// Times run through the tree in the order in which classes and finished nodes come in.
template <std::size_t Words>
void Enumeration<Words>::plan(std::size_t node) {
    order(node);
    for (Unit& unit : units_[node]) {
        if (unit.is_node) plan(unit.index);
        unit.time = clock_++;
        if (!unit.is_node) class_time_[unit.index] = unit.time;
    }
}

// Units that no coupling joins come in by their rate; joined ones side by side, each time the one
// that leaves the fewest couplings open.
template <std::size_t Words>
void Enumeration<Words>::order(std::size_t node) {
    std::vector<Unit> units;
    std::vector<std::size_t> unit_of(tree_.classes.size(), kNone);
    const auto rate_of = [&](std::size_t c) {
        double rate = kNever;
        const std::vector<TreeOption>& options = tree_.classes[c].options;
        for (std::size_t o = 0; o < options.size(); ++o) {
            const std::int64_t tokens = options[o].tokens - options[bound_.best[c]].tokens;
            if (tokens != 0)
                rate = std::min(rate, static_cast<double>(bound_.loss[c][o]) /
                                          std::abs(static_cast<double>(tokens)));
        }
        return rate;
    };
    for (const std::size_t child : children_[node]) {
        Unit unit{};
        unit.is_node = true;
        unit.index = child;
        unit.rate = kNever;
        std::vector<std::size_t> below{child};
        for (std::size_t b = 0; b < below.size(); ++b) {
            for (const std::size_t c : classes_[below[b]]) {
                unit_of[c] = units.size();
                unit.rate = std::min(unit.rate, rate_of(c));
            }
            below.insert(below.end(), children_[below[b]].begin(), children_[below[b]].end());
        }
        units.push_back(std::move(unit));
    }
    for (const std::size_t c : classes_[node]) {
        Unit unit{};
        unit.is_node = false;
        unit.index = c;
        unit.rate = rate_of(c);
        unit_of[c] = units.size();
        units.push_back(std::move(unit));
    }

    // Which units share which couplings; a coupling that leaves the node stays open in any order.
    std::vector<std::vector<std::size_t>> joins;
    const auto join = [&](std::vector<std::size_t> members) {
        std::erase(members, kNone);
        std::sort(members.begin(), members.end());
        members.erase(std::unique(members.begin(), members.end()), members.end());
        if (members.size() > 1) joins.push_back(std::move(members));
    };
    for (const Need& need : tree_.needs)
        join({unit_of[tree_.class_of[need.from]], unit_of[tree_.class_of[need.to]]});
    for (const Count& count : tree_.counts) {
        std::vector<std::size_t> members;
        for (const Literal member : count.members)
            members.push_back(unit_of[tree_.class_of[member]]);
        join(std::move(members));
    }
    std::vector<std::vector<std::size_t>> joins_of(units.size());
    for (std::size_t j = 0; j < joins.size(); ++j)
        for (const std::size_t u : joins[j]) joins_of[u].push_back(j);
    std::vector<std::size_t> arrived(joins.size(), 0);
    std::vector<bool> placed(units.size(), false);
    std::vector<std::size_t> by_rate(units.size());
    for (std::size_t u = 0; u < units.size(); ++u) by_rate[u] = u;
    std::stable_sort(by_rate.begin(), by_rate.end(), [&](std::size_t a, std::size_t b) {
        return units[a].rate < units[b].rate;
    });
    std::vector<std::size_t> sequence;
    std::vector<std::size_t> candidates;  // joined to something placed
    std::vector<bool> known(units.size(), false);
    const auto place = [&](std::size_t u) {
        placed[u] = known[u] = true;
        sequence.push_back(u);
        for (const std::size_t j : joins_of[u]) {
            if (arrived[j]++ > 0) continue;
            for (const std::size_t other : joins[j]) {
                if (known[other]) continue;
                known[other] = true;
                candidates.push_back(other);
            }
        }
    };
    for (const std::size_t start : by_rate) {
        if (placed[start]) continue;
        place(start);
        while (!candidates.empty()) {
            std::size_t best = candidates[0];
            std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
            for (std::size_t i = 0; i < std::min(candidates.size(), kLookAhead); ++i) {
                const std::size_t u = candidates[i];
                std::int64_t opened = 0;
                for (const std::size_t j : joins_of[u]) {
                    opened += arrived[j] == 0;
                    opened -= arrived[j] + 1 == joins[j].size();
                }
                if (opened < fewest ||
                    (opened == fewest && (units[u].rate < units[best].rate ||
                                          (units[u].rate == units[best].rate && u < best)))) {
                    fewest = opened;
                    best = u;
                }
            }
            candidates.erase(std::find(candidates.begin(), candidates.end(), best));
            place(best);
        }
    }
    for (const std::size_t u : sequence) units_[node].push_back(std::move(units[u]));
}

template <std::size_t Words>
std::size_t Enumeration<Words>::meeting_node(const std::vector<std::size_t>& classes) const {
    std::size_t meet = tree_.classes[classes[0]].node;
    for (const std::size_t c : classes) {
        std::size_t node = tree_.classes[c].node;
        while (node != meet) (node > meet ? node : meet) = tree_.nodes[node > meet ? node : meet].parent;
    }
    return meet;
}

// Of the units of a node, the one that brings in the last of the classes.
template <std::size_t Words>
typename Enumeration<Words>::Unit& Enumeration<Words>::last_to_come(
    std::size_t node, const std::vector<std::size_t>& classes) {
    std::size_t last = 0;
    for (const std::size_t c : classes) last = std::max(last, class_time_[c]);
    std::vector<Unit>& units = units_[node];
    return *std::lower_bound(units.begin(), units.end(), last,
                             [](const Unit& unit, std::size_t time) { return unit.time < time; });
}

template <std::size_t Words>
void Enumeration<Words>::place_couplings() {
    literal_end_.assign(tree_.class_of.size(), 0);
    count_end_.assign(tree_.counts.size(), 0);
    const auto ask = [&](Literal literal, const Unit& unit) {
        literal_end_[literal] = std::max(literal_end_[literal], unit.time + 1);
    };
    for (std::size_t e = 0; e < tree_.needs.size(); ++e) {
        const Need& need = tree_.needs[e];
        const std::vector<std::size_t> classes{tree_.class_of[need.from], tree_.class_of[need.to]};
        Unit& unit = last_to_come(meeting_node(classes), classes);
        unit.needs.push_back(e);
        ask(need.from, unit);
        ask(need.to, unit);
    }
    for (std::size_t k = 0; k < tree_.counts.size(); ++k) {
        const Count& count = tree_.counts[k];
        std::vector<std::size_t> classes;
        for (const Literal member : count.members) classes.push_back(tree_.class_of[member]);
        const std::size_t meet = meeting_node(classes);
        Unit& unit = last_to_come(meet, classes);
        for (std::size_t s = meet;; s = tree_.nodes[s].parent) {
            closed_charge_[s] += (count.one << bound_.shift) - bound_.slope[k];
            if (s == 0) break;
        }
        if (count.members.size() == 2) {
            unit.pairs.push_back(k);
            for (const Literal member : count.members) ask(member, unit);
            continue;
        }
        unit.counts.push_back(k);
        count_end_[k] = unit.time + 1;
        // Every unit that holds a member, up to where they all meet.
        for (const std::size_t c : classes)
            for (std::size_t s = tree_.classes[c].node;; s = tree_.nodes[s].parent) {
                Unit& holder = last_to_come(s, {c});
                if (std::find(holder.wide.begin(), holder.wide.end(), k) == holder.wide.end())
                    holder.wide.push_back(k);
                if (s == meet) break;
            }
    }
}

template <std::size_t Words>
void Enumeration<Words>::allot_bits() {
    struct Fact {
        std::size_t start;
        std::size_t end;  // exclusive
        bool is_count;
        std::size_t index;
    };
    std::vector<Fact> facts;
    literal_bit_.assign(tree_.class_of.size(), kNone);
    count_bit_.assign(tree_.counts.size(), kNone);
    for (std::size_t l = 0; l < tree_.class_of.size(); ++l)
        if (literal_end_[l] > 0)
            facts.push_back({class_time_[tree_.class_of[l]], literal_end_[l], false, l});
    for (std::size_t k = 0; k < tree_.counts.size(); ++k) {
        if (count_end_[k] == 0) continue;
        std::size_t start = count_end_[k];
        for (const Literal member : tree_.counts[k].members)
            start = std::min(start, class_time_[tree_.class_of[member]]);
        facts.push_back({start, count_end_[k], true, k});
    }
    std::stable_sort(facts.begin(), facts.end(),
                     [](const Fact& a, const Fact& b) { return a.start < b.start; });
    std::array<std::size_t, kFacts> free_at{};
    std::vector<Facts> ending(clock_, Facts{});
    for (const Fact& fact : facts) {
        std::size_t bit = 0;
        while (bit < kFacts && free_at[bit] > fact.start) ++bit;
        if (bit == kFacts) {
            possible_ = false;
            return;
        }
        free_at[bit] = fact.end;
        (fact.is_count ? count_bit_ : literal_bit_)[fact.index] = bit;
        ending[fact.end - 1][bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
    for (std::vector<Unit>& units : units_)
        for (Unit& unit : units)
            for (std::size_t w = 0; w < unit.keep.size(); ++w)
                unit.keep[w] = ~ending[unit.time][w];
    facts_.resize(tree_.classes.size());
    std::vector<std::size_t> bit_of = literal_bit_;
    for (std::size_t k = 0; k < tree_.counts.size(); ++k)
        if (count_bit_[k] != kNone)
            for (const Literal member : tree_.counts[k].members) bit_of[member] = count_bit_[k];
    for (std::size_t c = 0; c < tree_.classes.size(); ++c)
        for (const TreeOption& option : tree_.classes[c].options) {
            Facts set{};
            for (const Literal literal : option.literals)
                if (bit_of[literal] != kNone)
                    set[bit_of[literal] / 64] |= std::uint64_t{1} << (bit_of[literal] % 64);
            facts_[c].push_back(set);
        }
}

// Add what the couplings settled by this unit lose; false when one of them forbids the packing.
template <std::size_t Words>
bool Enumeration<Words>::charge(const Unit& unit, const Facts& before, const Facts& move,
                         Part& part) const {
    std::int64_t lost = 0;
    Facts facts{};
    std::uint64_t both = 0;
    for (std::size_t w = 0; w < facts.size(); ++w) {
        facts[w] = before[w] | move[w];
        both |= before[w] & move[w];
    }
    for (const std::size_t k : unit.wide) {
        if (both == 0) break;  // a literal is of one class, so only counts can be in both
        if (!has(before, count_bit_[k]) || !has(move, count_bit_[k])) continue;
        if (tree_.counts[k].extra == BudgetTree::kForbidden) return false;
        lost += bound_.slope[k] + (tree_.counts[k].extra << bound_.shift);
    }
    for (const std::size_t e : unit.needs) {
        const bool from = has(facts, literal_bit_[tree_.needs[e].from]);
        const bool to = has(facts, literal_bit_[tree_.needs[e].to]);
        if (from && !to) return false;
        if (to && !from) lost += bound_.need[e];
    }
    for (const std::size_t k : unit.pairs) {
        const Count& count = tree_.counts[k];
        const bool a = has(facts, literal_bit_[count.members[0]]);
        const bool b = has(facts, literal_bit_[count.members[1]]);
        if (a && b && count.extra == BudgetTree::kForbidden) return false;
        if (a && b) lost += bound_.slope[k] + (count.extra << bound_.shift);
        if (!a && !b) lost += (count.one << bound_.shift) - bound_.slope[k];
    }
    for (const std::size_t k : unit.counts)
        if (!has(facts, count_bit_[k]))
            lost += (tree_.counts[k].one << bound_.shift) - bound_.slope[k];
    part.loss += lost;
    part.value -= lost;
    for (std::size_t w = 0; w < facts.size(); ++w) part.facts[w] = facts[w] & unit.keep[w];
    return true;
}

// The moves of this round; false when some unit has none.
template <std::size_t Words>
bool Enumeration<Words>::gather_moves(std::size_t node, std::int64_t depth, Part& start) {
    moves_.clear();
    layers_.clear();
    for (std::size_t u = 0; u < units_[node].size(); ++u) {
        const Unit& unit = units_[node][u];
        Layer layer{u, moves_.size(), 0, 0, kNever, kNever, false};
        std::int64_t least = kNoLoss;
        layer.factual = !unit.needs.empty() || !unit.pairs.empty() || !unit.counts.empty();
        const auto add = [&](const Part& move) {
            for (const std::uint64_t word : move.facts) layer.factual |= word != 0;
            if (move.loss < least) {
                least = move.loss;
                layer.reference = move.tokens;
            }
            moves_.push_back(move);
        };
        if (unit.is_node) {
            const std::vector<Part>& parts = parts_of_[unit.index];
            for (std::size_t i = 0; i < parts.size(); ++i) {
                Part move = parts[i];
                move.move = static_cast<std::uint32_t>(i);
                add(move);
            }
            // The best first: they set the limit for the rest when the frontier overflows.
            std::stable_sort(moves_.begin() + static_cast<std::ptrdiff_t>(layer.begin),
                             moves_.end(),
                             [](const Part& a, const Part& b) { return a.loss < b.loss; });
        } else {
            const std::size_t c = unit.index;
            const std::size_t best = bound_.best[c];
            for (std::size_t o = 0; o < tree_.classes[c].options.size(); ++o) {
                const std::size_t at = o == 0 ? best : o <= best ? o - 1 : o;  // the best first
                if (bound_.loss[c][at] > depth) continue;
                add({tree_.classes[c].options[at].tokens, bound_.value[c][at], bound_.loss[c][at],
                     facts_[c][at], 0, at == best ? kStart : static_cast<std::uint32_t>(at)});
            }
        }
        layer.end = moves_.size();
        if (layer.end == layer.begin) return false;
        start.loss += least;
        for (std::size_t m = layer.begin; m < layer.end; ++m) {
            Part& move = moves_[m];
            move.loss -= least;
            const auto tokens = static_cast<double>(move.tokens - layer.reference);
            if (tokens == 0) continue;
            double& side = tokens > 0 ? layer.up : layer.down;
            side = std::min(side, static_cast<double>(move.loss) / std::abs(tokens));
        }
        if (layer.end - layer.begin == 1 && !layer.factual && !unit.is_node) {
            start.tokens += moves_.back().tokens;
            start.value += moves_.back().value;
            moves_.pop_back();
        } else {
            layers_.push_back(layer);
        }
    }
    return true;
}

template <std::size_t Words>
bool Enumeration<Words>::extend(std::size_t node, const Layer& layer, const Window& window,
                         std::int64_t heading, double up, double down, std::int64_t depth,
                         Watch& watch) {
    const Unit& unit = units_[node][layer.unit];
    gathered_.clear();
    runs_.assign(1, 0);
    double limit = static_cast<double>(depth) + 1;
    std::int64_t lightest = kNoLoss;
    for (const Part& from : parts_) lightest = std::min(lightest, from.loss);
    for (std::size_t m = layer.begin; m < layer.end; ++m) {
        const Part& move = moves_[m];
        if (static_cast<double>(lightest) + static_cast<double>(move.loss) > limit) continue;
        for (const Part& from : parts_) {
            Part to{from.tokens + move.tokens, from.value + move.value, from.loss + move.loss,
                    from.facts, from.trail, move.move};
            // The products round by 1e-15 of their size; the margin keeps the sum a lower bound.
            const double rest = window.rest(to.tokens + heading, up, down) * (1 - 1e-9);
            if (static_cast<double>(to.loss) + rest > limit) continue;
            if (layer.factual && (!charge(unit, from.facts, move.facts, to) ||
                                  static_cast<double>(to.loss) + rest > limit))
                continue;
            gathered_.push_back(to);
        }
        if (gathered_.size() > runs_.back()) runs_.push_back(gathered_.size());
        if (watch.stop(parts_.size() * (layer.factual ? 4 : 1))) return false;
        if (gathered_.size() > 6 * cap_ + 10000) {
            compete(layer, free_from_);
            // What cannot be among the best `cap_` any more need not be gathered.
            limit = std::min(limit, shorten(cap_, window, heading, up, down));
            runs_.assign({0, gathered_.size()});
        }
    }
    compete(layer, free_from_);
    return true;
}

// Keep of the packings with the same facts those that no other beats. From `free_from` tokens on a
// lighter packing may beat a heavier one; below, only one of the same tokens.
template <std::size_t Words>
void Enumeration<Words>::compete(const Layer& layer, std::int64_t free_from) {
    const auto before = [](const Part& a, const Part& b) {
        if (a.facts != b.facts) return a.facts < b.facts;
        if (a.tokens != b.tokens) return a.tokens < b.tokens;
        if (a.value != b.value) return a.value > b.value;
        if (a.trail != b.trail) return a.trail < b.trail;
        return a.move < b.move;
    };
    if (layer.factual) {
        std::sort(gathered_.begin(), gathered_.end(), before);
    } else {
        // Every run is sorted already: facts have not changed and all its tokens grew alike.
        while (runs_.size() > 2) {
            spare_.resize(gathered_.size());
            next_runs_.assign(1, 0);
            for (std::size_t r = 0; r + 1 < runs_.size(); r += 2) {
                const std::size_t end = r + 2 < runs_.size() ? runs_[r + 2] : runs_[r + 1];
                const auto at = [&](std::size_t i) {
                    return gathered_.begin() + static_cast<std::ptrdiff_t>(i);
                };
                std::merge(at(runs_[r]), at(runs_[r + 1]), at(runs_[r + 1]), at(end),
                           spare_.begin() + static_cast<std::ptrdiff_t>(runs_[r]), before);
                next_runs_.push_back(end);
            }
            gathered_.swap(spare_);
            runs_.swap(next_runs_);
        }
    }
    std::size_t kept = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::min();
    for (const Part& part : gathered_) {
        const bool same = kept > 0 && gathered_[kept - 1].facts == part.facts;
        if (!same) most = std::numeric_limits<std::int64_t>::min();
        if (part.value <= most || (same && gathered_[kept - 1].tokens == part.tokens)) continue;
        if (part.tokens >= free_from) most = part.value;
        gathered_[kept++] = part;
    }
    gathered_.resize(kept);
}

template <std::size_t Words>
double Enumeration<Words>::shorten(std::size_t limit, const Window& window, std::int64_t heading, double up,
                          double down) {
    if (gathered_.size() <= limit) return kNever;
    losses_.clear();
    for (const Part& part : gathered_)
        losses_.push_back(static_cast<double>(part.loss) +
                          window.rest(part.tokens + heading, up, down) * (1 - 1e-9));
    ranked_ = losses_;
    std::nth_element(ranked_.begin(), ranked_.begin() + static_cast<std::ptrdiff_t>(limit),
                     ranked_.end());
    const double threshold = ranked_[limit];
    std::size_t ties = limit;
    for (const double loss : losses_) ties -= loss < threshold;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < gathered_.size(); ++i)
        if (losses_[i] < threshold || (losses_[i] == threshold && ties > 0 && ties-- > 0))
            gathered_[kept++] = gathered_[i];
    gathered_.resize(kept);
    dropped_ = std::min(dropped_, static_cast<std::int64_t>(threshold * (1 - 1e-9)));
    return threshold;
}

template <std::size_t Words>
bool Enumeration<Words>::enumerate(std::size_t node, std::int64_t depth, Watch& watch) {
    for (const std::size_t child : children_[node])
        if (!enumerate(child, depth, watch)) return false;
    std::vector<Part>& out = parts_of_[node];
    out.clear();
    const TreeNode& here = tree_.nodes[node];
    const bool root = node == 0;
    const std::int64_t step = bound_.price[node] - (root ? 0 : bound_.price[here.parent]);
    Part start{0, 0, bound_.node_total[node] - bound_.open_total[node], {}, kStart, kStart};
    if (gather_moves(node, depth, start) && start.loss <= depth) {
        const Window window{
            std::max<std::int64_t>(here.minimum - here.header, here.header > 0 ? 1 : 0),
            here.maximum - here.header, static_cast<double>(step)};
        const bool above_tight = !root && tree_.nodes[here.parent].tight;
        free_from_ = above_tight          ? std::numeric_limits<std::int64_t>::max()
                     : here.minimum > 0 ? window.least
                                        : 0;
        std::vector<double> up(layers_.size() + 1, kNever);
        std::vector<double> down(layers_.size() + 1, kNever);
        std::int64_t heading = 0;
        for (std::size_t l = layers_.size(); l-- > 0;) {
            up[l] = std::min(up[l + 1], layers_[l].up);
            down[l] = std::min(down[l + 1], layers_[l].down);
            heading += layers_[l].reference;
        }
        parts_.assign(1, start);
        const std::size_t first_step = steps_.size();
        std::size_t collect_at = first_step + kStepLimit / 4;
        for (std::size_t l = 0; l < layers_.size(); ++l) {
            heading -= layers_[l].reference;
            if (!extend(node, layers_[l], window, heading, up[l + 1], down[l + 1], depth, watch))
                return false;
            if (steps_.size() > collect_at) {
                steps_.collect(first_step, gathered_);
                collect_at = steps_.size() + kStepLimit / 4;
            }
            const std::size_t room = (kStepLimit - std::min(kStepLimit, steps_.size())) / 2;
            shorten(std::max<std::size_t>(1, std::min(cap_, room)), window, heading, up[l + 1],
                    down[l + 1]);
            parts_.swap(gathered_);
            for (Part& part : parts_) {
                if (part.move == kStart) continue;
                part.trail = steps_.add(
                    {part.trail, static_cast<std::uint32_t>(layers_[l].unit), part.move});
                part.move = kStart;
            }
        }
        for (const Part& part : parts_) {
            if (part.tokens < window.least || part.tokens > window.most) continue;
            Part done = part;
            done.tokens += here.header;
            if (step > 0) done.loss += step * (here.maximum - done.tokens);
            if (step < 0) done.loss += -step * (done.tokens - here.minimum);
            if (done.loss <= depth) out.push_back(done);
        }
    }
    if (here.header > 0 && closable_[node] && bound_.node_total[node] + closed_charge_[node] <= depth)
        out.push_back({0, -closed_charge_[node], bound_.node_total[node] + closed_charge_[node], {},
                       kClosed, kStart});
    // Children come in as runs too; the closed one may stand out of order.
    std::sort(out.begin(), out.end(), [](const Part& a, const Part& b) {
        if (a.facts != b.facts) return a.facts < b.facts;
        return a.tokens < b.tokens;
    });
    return true;
}

template <std::size_t Words>
void Enumeration<Words>::close(std::size_t node, std::vector<std::size_t>& chosen) const {
    for (const std::size_t c : classes_[node]) chosen[c] = tree_.classes[c].nothing;
    for (const std::size_t child : children_[node]) close(child, chosen);
}

template <std::size_t Words>
void Enumeration<Words>::recover(std::size_t node, std::uint32_t trail,
                          std::vector<std::size_t>& chosen) const {
    if (trail == kClosed) {
        close(node, chosen);
        return;
    }
    for (const std::size_t c : classes_[node]) chosen[c] = bound_.best[c];
    for (; trail != kStart; trail = steps_[trail].previous) {
        const Unit& unit = units_[node][steps_[trail].unit];
        if (unit.is_node)
            recover(unit.index, parts_of_[unit.index][steps_[trail].move].trail, chosen);
        else
            chosen[unit.index] = steps_[trail].move;
    }
}

template <std::size_t Words>
typename Enumeration<Words>::Round Enumeration<Words>::run(std::int64_t depth, std::size_t cap, Watch& watch) {
    Round round;
    cap_ = cap;
    steps_.clear();
    dropped_ = kNoLoss;
    if (!enumerate(0, depth, watch)) {
        round.stopped = true;
        return round;
    }
    round.shortened = dropped_ != kNoLoss;
    round.complete_below = std::min(dropped_, depth + 1);
    const Part* best = nullptr;
    for (const Part& part : parts_of_[0])
        if (best == nullptr || part.loss < best->loss) best = &part;
    if (best == nullptr) return round;
    round.loss = best->loss;
    round.chosen.resize(tree_.classes.size());
    recover(0, best->trail, round.chosen);
    return round;
}

template class Enumeration<2>;
template class Enumeration<8>;
template class Enumeration<32>;

}  // namespace ctxmem
