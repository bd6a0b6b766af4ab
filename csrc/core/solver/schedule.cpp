#include "core/solver/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/solver/frontier.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kLookAhead = 64;  // units compared for the next place in the order

}  // namespace

Schedule::Schedule(const BudgetTree& tree, const Bound& bound) : tree_(tree), bound_(bound) {
    const std::size_t nodes = tree.nodes.size();
    children.resize(nodes);
    classes.resize(nodes);
    units.resize(nodes);
    closable.assign(nodes, true);
    closed_charge.assign(nodes, 0);
    class_time_.assign(tree.classes.size(), 0);
    for (std::size_t s = 1; s < nodes; ++s) children[tree.nodes[s].parent].push_back(s);
    for (std::size_t c = 0; c < tree.classes.size(); ++c) {
        classes[tree.classes[c].node].push_back(c);
        if (tree.classes[c].nothing == kNone) closable[tree.classes[c].node] = false;
    }
    for (std::size_t s = nodes; s-- > 1;) {
        if (tree.nodes[s].minimum > 0) closable[s] = false;
        if (!closable[s]) closable[tree.nodes[s].parent] = false;
    }
    plan(0);
    place_couplings();
    allot_bits();
}

double Schedule::rate_of(std::size_t klass) const {
    double rate = kNever;
    const std::vector<TreeOption>& options = tree_.classes[klass].options;
    for (std::size_t o = 0; o < options.size(); ++o) {
        const std::int64_t tokens = options[o].tokens - options[bound_.best[klass]].tokens;
        if (tokens != 0)
            rate = std::min(rate, static_cast<double>(bound_.loss[klass][o]) /
                                      std::abs(static_cast<double>(tokens)));
    }
    return rate;
}

// Times run through the tree in the order in which classes and finished nodes come in.
void Schedule::plan(std::size_t node) {
    order(node);
    for (ScheduleUnit& unit : units[node]) {
        if (unit.is_node) plan(unit.index);
        unit.time = clock_++;
        if (!unit.is_node) class_time_[unit.index] = unit.time;
    }
}

// Units that no coupling joins come in by their rate; joined ones side by side, each time the one
// that leaves the fewest couplings open.
void Schedule::order(std::size_t node) {
    std::vector<ScheduleUnit> waiting;
    std::vector<std::size_t> unit_of(tree_.classes.size(), kNone);
    for (const std::size_t child : children[node]) {
        ScheduleUnit unit{};
        unit.is_node = true;
        unit.index = child;
        unit.rate = kNever;
        std::vector<std::size_t> below{child};
        for (std::size_t b = 0; b < below.size(); ++b) {
            for (const std::size_t c : classes[below[b]]) {
                unit_of[c] = waiting.size();
                unit.rate = std::min(unit.rate, rate_of(c));
            }
            below.insert(below.end(), children[below[b]].begin(), children[below[b]].end());
        }
        waiting.push_back(std::move(unit));
    }
    for (const std::size_t c : classes[node]) {
        ScheduleUnit unit{};
        unit.is_node = false;
        unit.index = c;
        unit.rate = rate_of(c);
        unit_of[c] = waiting.size();
        waiting.push_back(std::move(unit));
    }

    // Which of them share which couplings; a coupling that leaves the node stays open in any order.
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
    std::vector<std::vector<std::size_t>> joins_of(waiting.size());
    for (std::size_t j = 0; j < joins.size(); ++j)
        for (const std::size_t u : joins[j]) joins_of[u].push_back(j);
    std::vector<std::size_t> arrived(joins.size(), 0);
    std::vector<bool> placed(waiting.size(), false);
    std::vector<std::size_t> by_rate(waiting.size());
    for (std::size_t u = 0; u < waiting.size(); ++u) by_rate[u] = u;
    std::stable_sort(by_rate.begin(), by_rate.end(), [&](std::size_t a, std::size_t b) {
        return waiting[a].rate < waiting[b].rate;
    });
    std::vector<std::size_t> sequence;
    std::vector<std::size_t> candidates;  // joined to something placed
    std::vector<bool> known(waiting.size(), false);
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
                    (opened == fewest && (waiting[u].rate < waiting[best].rate ||
                                          (waiting[u].rate == waiting[best].rate && u < best)))) {
                    fewest = opened;
                    best = u;
                }
            }
            candidates.erase(std::find(candidates.begin(), candidates.end(), best));
            place(best);
        }
    }
    for (const std::size_t u : sequence) units[node].push_back(std::move(waiting[u]));
}

std::size_t Schedule::meeting_node(const std::vector<std::size_t>& classes) const {
    std::size_t meet = tree_.classes[classes[0]].node;
    for (const std::size_t c : classes) {
        std::size_t node = tree_.classes[c].node;
        while (node != meet) {  // a parent has a lower number than its children
            std::size_t& lower = node > meet ? node : meet;
            lower = tree_.nodes[lower].parent;
        }
    }
    return meet;
}

// Of the units of a node, the one that brings in the last of the classes.
ScheduleUnit& Schedule::last_to_come(std::size_t node, const std::vector<std::size_t>& classes) {
    std::size_t last = 0;
    for (const std::size_t c : classes) last = std::max(last, class_time_[c]);
    std::vector<ScheduleUnit>& here = units[node];
    return *std::lower_bound(
        here.begin(), here.end(), last,
        [](const ScheduleUnit& unit, std::size_t time) { return unit.time < time; });
}

void Schedule::place_couplings() {
    literal_end_.assign(tree_.class_of.size(), 0);
    count_end_.assign(tree_.counts.size(), 0);
    const auto ask = [&](Literal literal, const ScheduleUnit& unit) {
        literal_end_[literal] = std::max(literal_end_[literal], unit.time + 1);
    };
    for (std::size_t e = 0; e < tree_.needs.size(); ++e) {
        const Need& need = tree_.needs[e];
        const std::vector<std::size_t> classes{tree_.class_of[need.from], tree_.class_of[need.to]};
        ScheduleUnit& unit = last_to_come(meeting_node(classes), classes);
        unit.needs.push_back(e);
        ask(need.from, unit);
        ask(need.to, unit);
    }
    for (std::size_t k = 0; k < tree_.counts.size(); ++k) {
        const Count& count = tree_.counts[k];
        std::vector<std::size_t> classes;
        for (const Literal member : count.members) classes.push_back(tree_.class_of[member]);
        const std::size_t meet = meeting_node(classes);
        ScheduleUnit& unit = last_to_come(meet, classes);
        for (std::size_t s = meet;; s = tree_.nodes[s].parent) {
            closed_charge[s] += (count.one << bound_.shift) - bound_.slope[k];
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
                ScheduleUnit& holder = last_to_come(s, {c});
                if (std::find(holder.wide.begin(), holder.wide.end(), k) == holder.wide.end())
                    holder.wide.push_back(k);
                if (s == meet) break;
            }
    }
}

void Schedule::allot_bits() {
    struct Fact {
        std::size_t start;
        std::size_t end;  // exclusive
        std::size_t* bit;
    };
    std::vector<Fact> facts;
    literal_bit.assign(tree_.class_of.size(), kNone);
    count_bit.assign(tree_.counts.size(), kNone);
    for (std::size_t l = 0; l < tree_.class_of.size(); ++l)
        if (literal_end_[l] > 0)
            facts.push_back({class_time_[tree_.class_of[l]], literal_end_[l], &literal_bit[l]});
    for (std::size_t k = 0; k < tree_.counts.size(); ++k) {
        if (count_end_[k] == 0) continue;
        std::size_t start = count_end_[k];
        for (const Literal member : tree_.counts[k].members)
            start = std::min(start, class_time_[tree_.class_of[member]]);
        facts.push_back({start, count_end_[k], &count_bit[k]});
    }
    std::stable_sort(facts.begin(), facts.end(),
                     [](const Fact& a, const Fact& b) { return a.start < b.start; });
    std::vector<std::size_t> free_at;  // per bit
    std::vector<std::vector<std::size_t>> ending(clock_);
    for (const Fact& fact : facts) {
        std::size_t bit = 0;
        while (bit < free_at.size() && free_at[bit] > fact.start) ++bit;
        if (bit == free_at.size()) free_at.push_back(0);
        free_at[bit] = fact.end;
        *fact.bit = bit;
        ending[fact.end - 1].push_back(bit);
    }
    bits = free_at.size();
    for (std::vector<ScheduleUnit>& list : units)
        for (ScheduleUnit& unit : list) unit.ending = std::move(ending[unit.time]);
}

}  // namespace ctxmem
