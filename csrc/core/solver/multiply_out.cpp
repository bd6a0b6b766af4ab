#include <algorithm>
#include <iterator>
#include <utility>

#include "core/solver/budget_tree.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kMaxProduct = 1024;
constexpr std::size_t kMaxMembers = 3;  // wider counts couple too much to be multiplied out

bool has(const std::vector<Literal>& literals, Literal literal) {
    return std::binary_search(literals.begin(), literals.end(), literal);
}

void sort_unique(std::vector<std::size_t>& numbers) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

class Multiplier {
public:
    explicit Multiplier(BudgetTree& tree) : tree_(tree) {
        needs_of_.resize(tree.class_of.size());
        counts_of_.resize(tree.class_of.size());
        literals_of_.resize(tree.classes.size());
        for (std::size_t e = 0; e < tree.needs.size(); ++e) {
            needs_of_[tree.needs[e].from].push_back(e);
            needs_of_[tree.needs[e].to].push_back(e);
        }
        for (std::size_t k = 0; k < tree.counts.size(); ++k)
            for (const Literal member : tree.counts[k].members) counts_of_[member].push_back(k);
        for (std::size_t l = 0; l < tree.class_of.size(); ++l)
            if (!needs_of_[l].empty() || !counts_of_[l].empty())
                literals_of_[tree.class_of[l]].push_back(static_cast<Literal>(l));
        dead_need_.assign(tree.needs.size(), false);
        dead_count_.assign(tree.counts.size(), false);
    }

    bool run() {
        earn_alone();
        const std::vector<std::vector<std::size_t>> neighbours = find_neighbours();
        std::vector<bool> gone(tree_.classes.size(), false);
        std::vector<bool> seen(tree_.classes.size(), false);
        for (std::size_t start = 0; start < tree_.classes.size(); ++start) {
            if (seen[start]) continue;
            seen[start] = true;
            std::vector<std::size_t> queue{start};
            std::size_t into = start;
            for (std::size_t q = 0; q < queue.size(); ++q) {
                const std::size_t next = queue[q];
                if (q > 0) {
                    if (merge(into, next))
                        gone[next] = true;
                    else
                        into = next;  // grown too large: the rest begins another class
                    if (!feasible_) return false;
                }
                for (const std::size_t other : neighbours[next]) {
                    if (seen[other]) continue;
                    seen[other] = true;
                    queue.push_back(other);
                }
            }
        }
        tidy(gone);
        return true;
    }

private:
    // Two members of one count that come together in one class.
    struct Fusion {
        std::size_t count;
        Literal keep;  // of the class that grows; from now on "either of the two"
        Literal drop;
        bool last;  // there is no other member: the count is settled within the class
    };

    // A count with a single member is value of that member's options.
    void earn_alone() {
        for (std::size_t k = 0; k < tree_.counts.size(); ++k) {
            const Count& count = tree_.counts[k];
            if (count.members.size() > 1) continue;
            dead_count_[k] = true;
            for (const Literal member : count.members)
                for (TreeOption& option : tree_.classes[tree_.class_of[member]].options)
                    if (has(option.literals, member)) option.value += count.one;
        }
        for (std::size_t c = 0; c < tree_.classes.size(); ++c) {
            strip(c);
            settle(tree_.nodes[tree_.classes[c].node], tree_.classes[c]);
        }
    }

    bool used(Literal literal) const {
        for (const std::size_t e : needs_of_[literal])
            if (!dead_need_[e]) return true;
        for (const std::size_t k : counts_of_[literal])
            if (!dead_count_[k]) return true;
        return false;
    }

    // Remove the literals of a class that no coupling uses any more.
    void strip(std::size_t c) {
        std::erase_if(literals_of_[c], [&](Literal literal) { return !used(literal); });
        std::sort(literals_of_[c].begin(), literals_of_[c].end());
        for (TreeOption& option : tree_.classes[c].options)
            std::erase_if(option.literals,
                          [&](Literal literal) { return !has(literals_of_[c], literal); });
    }

    std::vector<std::vector<std::size_t>> find_neighbours() const {
        std::vector<std::vector<std::size_t>> neighbours(tree_.classes.size());
        const auto join = [&](Literal x, Literal y) {
            const std::size_t a = tree_.class_of[x];
            const std::size_t b = tree_.class_of[y];
            if (a == b || tree_.classes[a].node != tree_.classes[b].node) return;
            neighbours[a].push_back(b);
            neighbours[b].push_back(a);
        };
        for (const Need& need : tree_.needs) join(need.from, need.to);
        for (const Count& count : tree_.counts)
            if (count.members.size() <= kMaxMembers)
                for (std::size_t m = 1; m < count.members.size(); ++m)
                    join(count.members[m - 1], count.members[m]);
        for (auto& list : neighbours) sort_unique(list);
        return neighbours;
    }

    // The couplings that multiplying b into a settles, in part or whole.
    void couplings_between(std::size_t a, std::size_t b, std::vector<std::size_t>& needs,
                           std::vector<Fusion>& fusions) const {
        std::vector<std::size_t> counts;
        for (const Literal literal : literals_of_[b]) {
            for (const std::size_t e : needs_of_[literal]) {
                const std::size_t from = tree_.class_of[tree_.needs[e].from];
                const std::size_t to = tree_.class_of[tree_.needs[e].to];
                if (!dead_need_[e] && (from == a || to == a)) needs.push_back(e);
            }
            for (const std::size_t k : counts_of_[literal])
                if (!dead_count_[k]) counts.push_back(k);
        }
        sort_unique(needs);
        sort_unique(counts);
        for (const std::size_t k : counts) {
            const Literal* in_a = nullptr;
            const Literal* in_b = nullptr;
            for (const Literal& member : tree_.counts[k].members) {
                if (tree_.class_of[member] == a) in_a = &member;
                if (tree_.class_of[member] == b) in_b = &member;
            }
            if (in_a != nullptr && in_b != nullptr)
                fusions.push_back({k, *in_a, *in_b, tree_.counts[k].members.size() == 2});
        }
    }

    // Multiply class b into class a; false, and nothing changed, when the product is too large.
    bool merge(std::size_t a, std::size_t b) {
        const TreeClass& left = tree_.classes[a];
        const TreeClass& right = tree_.classes[b];
        if (left.options.size() * right.options.size() > kMaxProduct) return false;
        std::vector<std::size_t> needs;
        std::vector<Fusion> fusions;
        couplings_between(a, b, needs, fusions);
        // Mark them settled, to find the literals that are still used; undone if the product is too large.
        for (const std::size_t e : needs) dead_need_[e] = true;
        for (const Fusion& fusion : fusions)
            if (fusion.last) dead_count_[fusion.count] = true;
        std::vector<Literal> live;
        for (const std::size_t c : {a, b})
            for (const Literal literal : literals_of_[c]) {
                bool dropped = false;
                for (const Fusion& fusion : fusions)
                    dropped |= !fusion.last && literal == fusion.drop;
                if (!dropped && used(literal)) live.push_back(literal);
            }
        std::sort(live.begin(), live.end());

        TreeClass merged{left.node, {}, BudgetTree::kNone};
        const std::int64_t most = tree_.nodes[left.node].maximum;
        pairs_.clear();
        for (const TreeOption& x : left.options)
            for (const TreeOption& y : right.options)
                if (x.tokens + y.tokens <= most) join(x, y, needs, fusions, live, merged.options);
        feasible_ = settle(tree_.nodes[merged.node], merged);
        if (merged.options.size() > BudgetTree::kMaxOptions) {
            for (const std::size_t e : needs) dead_need_[e] = false;
            for (const Fusion& fusion : fusions) dead_count_[fusion.count] = false;
            return false;
        }
        for (TreeOption& option : merged.options)
            if (option.taken != 0)
                option.taken = tree_.take_both(pairs_[option.taken - 1].first,
                                               pairs_[option.taken - 1].second);
        for (const Fusion& fusion : fusions)
            std::erase(tree_.counts[fusion.count].members, fusion.drop);
        for (const Literal literal : literals_of_[b]) tree_.class_of[literal] = a;
        literals_of_[a] = std::move(live);
        literals_of_[b].clear();
        tree_.classes[a] = std::move(merged);
        tree_.classes[b].options.clear();
        return true;
    }

    void join(const TreeOption& x, const TreeOption& y, const std::vector<std::size_t>& needs,
              const std::vector<Fusion>& fusions, const std::vector<Literal>& live,
              std::vector<TreeOption>& out) {
        both_.clear();
        std::merge(x.literals.begin(), x.literals.end(), y.literals.begin(), y.literals.end(),
                   std::back_inserter(both_));
        for (const std::size_t e : needs)
            if (has(both_, tree_.needs[e].from) && !has(both_, tree_.needs[e].to)) return;
        std::int64_t value = x.value + y.value;
        gained_.clear();
        for (const Fusion& fusion : fusions) {
            const Count& count = tree_.counts[fusion.count];
            const bool in_x = has(both_, fusion.keep);
            const bool in_y = has(both_, fusion.drop);
            if (in_x && in_y && count.extra == BudgetTree::kForbidden) return;
            if (in_x && in_y) value -= count.extra;
            if (fusion.last && (in_x || in_y)) value += count.one;
            if (in_y && !in_x && !fusion.last) gained_.push_back(fusion.keep);
        }
        both_.insert(both_.end(), gained_.begin(), gained_.end());
        std::erase_if(both_, [&](Literal literal) { return !has(live, literal); });
        // `taken` is an index into pairs_ until it is known which options are kept.
        pairs_.push_back({x.taken, y.taken});
        out.push_back(
            {x.tokens + y.tokens, value, both_,
             static_cast<std::uint32_t>(x.taken != 0 || y.taken != 0 ? pairs_.size() : 0)});
    }

    // Drop the classes and couplings that are gone and number the others anew.
    void tidy(const std::vector<bool>& gone) {
        std::vector<std::size_t> number(tree_.classes.size(), BudgetTree::kNone);
        std::vector<TreeClass> classes;
        for (std::size_t c = 0; c < tree_.classes.size(); ++c) {
            if (gone[c]) continue;
            number[c] = classes.size();
            classes.push_back(std::move(tree_.classes[c]));
        }
        tree_.classes.swap(classes);
        std::vector<Need> needs;
        for (std::size_t e = 0; e < tree_.needs.size(); ++e)
            if (!dead_need_[e]) needs.push_back(tree_.needs[e]);
        tree_.needs.swap(needs);
        std::vector<Count> counts;
        for (std::size_t k = 0; k < tree_.counts.size(); ++k)
            if (!dead_count_[k]) counts.push_back(std::move(tree_.counts[k]));
        tree_.counts.swap(counts);

        std::vector<Literal> renumbered(tree_.class_of.size(), 0);
        std::vector<std::size_t> class_of;
        const auto renumber = [&](Literal& literal) {
            if (renumbered[literal] == 0) {
                class_of.push_back(number[tree_.class_of[literal]]);
                renumbered[literal] = static_cast<Literal>(class_of.size());
            }
            literal = renumbered[literal] - 1;
        };
        for (Need& need : tree_.needs) {
            renumber(need.from);
            renumber(need.to);
        }
        for (Count& count : tree_.counts)
            for (Literal& member : count.members) renumber(member);
        for (TreeClass& klass : tree_.classes)
            for (TreeOption& option : klass.options) {
                for (Literal& literal : option.literals) literal = renumbered[literal] - 1;
                std::sort(option.literals.begin(), option.literals.end());
            }
        tree_.class_of.swap(class_of);
    }

    BudgetTree& tree_;
    std::vector<std::vector<std::size_t>> needs_of_;   // per literal
    std::vector<std::vector<std::size_t>> counts_of_;  // per literal
    std::vector<std::vector<Literal>> literals_of_;    // per class, sorted
    std::vector<bool> dead_need_;                      // settled
    std::vector<bool> dead_count_;
    bool feasible_ = true;
    std::vector<Literal> both_, gained_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;  // takes of both sides
};

}  // namespace

bool multiply_out(BudgetTree& tree) { return Multiplier(tree).run(); }

}  // namespace ctxmem
