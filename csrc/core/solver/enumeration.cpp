#include "core/solver/enumeration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ctxmem {

template <std::size_t Words>
Enumeration<Words>::Enumeration(const BudgetTree& tree, const Bound& bound,
                                const Schedule& schedule)
    : tree_(tree), bound_(bound), schedule_(schedule), parts_of_(tree.nodes.size()) {
    const auto set = [](Facts& facts, std::size_t bit) {
        facts[bit / 64] |= std::uint64_t{1} << (bit % 64);
    };
    for (const std::vector<ScheduleUnit>& units : schedule.units) {
        keep_.emplace_back();
        for (const ScheduleUnit& unit : units) {
            Facts ending{};
            for (const std::size_t bit : unit.ending) set(ending, bit);
            for (std::uint64_t& word : ending) word = ~word;
            keep_.back().push_back(ending);
        }
    }
    std::vector<std::size_t> bit_of = schedule.literal_bit;
    for (std::size_t k = 0; k < tree.counts.size(); ++k)
        if (schedule.count_bit[k] != Schedule::kNone)
            for (const Literal member : tree.counts[k].members)
                bit_of[member] = schedule.count_bit[k];
    facts_.resize(tree.classes.size());
    for (std::size_t c = 0; c < tree.classes.size(); ++c)
        for (const TreeOption& option : tree.classes[c].options) {
            facts_[c].emplace_back();
            for (const Literal literal : option.literals)
                if (bit_of[literal] != Schedule::kNone) set(facts_[c].back(), bit_of[literal]);
        }
}

// Add what the couplings settled by this unit lose; false when one of them forbids the packing.
template <std::size_t Words>
bool Enumeration<Words>::charge(const ScheduleUnit& unit, const Facts& keep, const Facts& before,
                                const Facts& move, Part& part) const {
    std::int64_t lost = 0;
    Facts facts{};
    std::uint64_t both = 0;
    for (std::size_t w = 0; w < facts.size(); ++w) {
        facts[w] = before[w] | move[w];
        both |= before[w] & move[w];
    }
    for (const std::size_t k : unit.wide) {
        if (both == 0) break;  // a literal is of one class, so only counts can be in both
        if (!has(before, schedule_.count_bit[k]) || !has(move, schedule_.count_bit[k])) continue;
        if (tree_.counts[k].extra == BudgetTree::kForbidden) return false;
        lost += bound_.slope[k] + (tree_.counts[k].extra << bound_.shift);
    }
    for (const std::size_t e : unit.needs) {
        const bool from = has(facts, schedule_.literal_bit[tree_.needs[e].from]);
        const bool to = has(facts, schedule_.literal_bit[tree_.needs[e].to]);
        if (from && !to) return false;
        if (to && !from) lost += bound_.need[e];
    }
    for (const std::size_t k : unit.pairs) {
        const Count& count = tree_.counts[k];
        const bool a = has(facts, schedule_.literal_bit[count.members[0]]);
        const bool b = has(facts, schedule_.literal_bit[count.members[1]]);
        if (a && b && count.extra == BudgetTree::kForbidden) return false;
        if (a && b) lost += bound_.slope[k] + (count.extra << bound_.shift);
        if (!a && !b) lost += (count.one << bound_.shift) - bound_.slope[k];
    }
    for (const std::size_t k : unit.counts)
        if (!has(facts, schedule_.count_bit[k]))
            lost += (tree_.counts[k].one << bound_.shift) - bound_.slope[k];
    part.loss += lost;
    part.value -= lost;
    for (std::size_t w = 0; w < facts.size(); ++w) part.facts[w] = facts[w] & keep[w];
    return true;
}

// The moves of this round; false when some unit has none.
template <std::size_t Words>
bool Enumeration<Words>::gather_moves(std::size_t node, std::int64_t depth, Part& start) {
    moves_.clear();
    layers_.clear();
    for (std::size_t u = 0; u < schedule_.units[node].size(); ++u) {
        const ScheduleUnit& unit = schedule_.units[node][u];
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
bool Enumeration<Words>::extend(std::size_t node, const Layer& layer, CompletionBound completion,
                                std::int64_t depth, StopToken& stop) {
    const ScheduleUnit& unit = schedule_.units[node][layer.unit];
    const Facts& keep = keep_[node][layer.unit];
    gathered_.clear();
    runs_.assign(1, 0);
    double limit = static_cast<double>(depth) + 1;
    std::int64_t lightest = kNoLoss;
    for (const Part& from : parts_) lightest = std::min(lightest, from.loss);
    for (std::size_t m = layer.begin; m < layer.end; ++m) {
        const Part& move = moves_[m];
        if (static_cast<double>(lightest) + static_cast<double>(move.loss) > limit) continue;
        for (const Part& from : parts_) {
            Part to{from.tokens + move.tokens,
                    from.value + move.value,
                    from.loss + move.loss,
                    from.facts,
                    from.trail,
                    move.move};
            const double rest = completion.loss(to.tokens);
            if (static_cast<double>(to.loss) + rest > limit) continue;
            if (layer.factual && (!charge(unit, keep, from.facts, move.facts, to) ||
                                  static_cast<double>(to.loss) + rest > limit))
                continue;
            gathered_.push_back(to);
        }
        if (gathered_.size() > runs_.back()) runs_.push_back(gathered_.size());
        if (stop.expired(parts_.size() * (layer.factual ? 4 : 1))) return false;
        if (gathered_.size() > 6 * cap_ + 10000) {
            compete(layer, free_from_);
            // What cannot be among the best `cap_` any more need not be gathered.
            limit = std::min(limit, frontier_cap_.shorten(gathered_, cap_, completion));
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
bool Enumeration<Words>::enumerate(std::size_t node, std::int64_t depth, StopToken& stop) {
    for (const std::size_t child : schedule_.children[node])
        if (!enumerate(child, depth, stop)) return false;
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
        free_from_ = above_tight        ? std::numeric_limits<std::int64_t>::max()
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
        steps_.begin();
        for (std::size_t l = 0; l < layers_.size(); ++l) {
            heading -= layers_[l].reference;
            const CompletionBound completion{window, heading, up[l + 1], down[l + 1]};
            if (!extend(node, layers_[l], completion, depth, stop)) return false;
            const std::size_t room = steps_.make_room(gathered_);
            frontier_cap_.shorten(gathered_, std::max<std::size_t>(1, std::min(cap_, room)),
                                  completion);
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
    if (here.header > 0 && schedule_.closable[node]) {
        const std::int64_t charge = schedule_.closed_charge[node];
        const std::int64_t loss = bound_.node_total[node] + charge;
        if (loss <= depth) out.push_back({0, -charge, loss, {}, kClosed, kStart});
    }
    // Children come in as runs too; the closed one may be out of order.
    std::sort(out.begin(), out.end(), [](const Part& a, const Part& b) {
        if (a.facts != b.facts) return a.facts < b.facts;
        return a.tokens < b.tokens;
    });
    return true;
}

template <std::size_t Words>
void Enumeration<Words>::close(std::size_t node, std::vector<std::size_t>& chosen) const {
    for (const std::size_t c : schedule_.classes[node]) chosen[c] = tree_.classes[c].nothing;
    for (const std::size_t child : schedule_.children[node]) close(child, chosen);
}

template <std::size_t Words>
void Enumeration<Words>::recover(std::size_t node, std::uint32_t trail,
                                 std::vector<std::size_t>& chosen) const {
    if (trail == kClosed) {
        close(node, chosen);
        return;
    }
    for (const std::size_t c : schedule_.classes[node]) chosen[c] = bound_.best[c];
    for (; trail != kStart; trail = steps_[trail].previous) {
        const ScheduleUnit& unit = schedule_.units[node][steps_[trail].unit];
        if (unit.is_node)
            recover(unit.index, parts_of_[unit.index][steps_[trail].move].trail, chosen);
        else
            chosen[unit.index] = steps_[trail].move;
    }
}

template <std::size_t Words>
typename Enumeration<Words>::Round Enumeration<Words>::run(std::int64_t depth, std::size_t cap,
                                                           StopToken& stop) {
    Round round;
    // The candidates of a step are up to seven times as many as are kept, in two buffers.
    cap_ = std::clamp<std::size_t>(
        cap, 1,
        std::max<std::size_t>(1, std::min(kMostParts / 16, kMostParts / tree_.nodes.size())));
    steps_.clear();
    frontier_cap_.reset();
    if (!enumerate(0, depth, stop)) {
        round.stopped = true;
        return round;
    }
    round.shortened = frontier_cap_.dropped() != kNoLoss;
    round.complete_below = std::min(frontier_cap_.dropped(), depth + 1);
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
