#include "core/solver/budget_tree.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "core/solver/packing_check.hpp"
#include "core/solver/requirements.hpp"

namespace ctxmem {
namespace {

constexpr int kMaxDepth = 200;  // of nested sections, which are walked by recursion

class Sum {
public:
    void add(std::int64_t value, std::int64_t times = 1) {
        value = std::abs(value);
        if (times > 0 && value > (kMaxSum - total_) / times)
            throw std::invalid_argument("the values of all parts must sum to less than 2**58");
        total_ += value * times;
    }
    std::int64_t total() const { return total_; }

private:
    std::int64_t total_ = 0;
};

class Grower {
public:
    Grower(const Problem& problem, BudgetTree& tree) : p_(problem), tree_(tree) {}

    void grow() {
        plant_nodes();
        find_groups();
        find_requirements();
        pin_what_pins_need();
        plan_parts();
        make_classes();
        couple_items();
        couple_groups();
        cover_concepts();
        chain_prefix();
        measure();
        for (std::size_t c = 0; c < tree_.classes.size(); ++c)
            if (!settle(tree_.nodes[tree_.classes[c].node], tree_.classes[c]))
                tree_.feasible = false;
        if (tree_.feasible) tree_.feasible = multiply_out(tree_);
    }

private:
    static constexpr std::size_t kNone = BudgetTree::kNone;

    void plant_nodes() {
        const std::size_t sections = p_.parent.size();
        tree_.nodes.push_back({0, 0, p_.budget, 0, false});
        tree_.node_of_section.assign(sections, kNone);
        std::vector<int> depth{0};
        // Parents first, in the order of the input; a pass that places nothing has met a circle.
        for (std::size_t placed = 0; placed < sections;) {
            const std::size_t before = placed;
            for (std::size_t s = 0; s < sections; ++s) {
                if (tree_.node_of_section[s] != kNone) continue;
                std::size_t parent = 0;
                if (p_.parent[s] >= 0)
                    parent = tree_.node_of_section[static_cast<std::size_t>(p_.parent[s])];
                if (parent == kNone) continue;
                const std::int64_t header = p_.header[s] > 0 ? p_.header[s] + p_.separator : 0;
                const TreeNode& above = tree_.nodes[parent];
                // Any negative maximum is as impossible as -1, any minimum above the budget as another.
                TreeNode node{parent, std::clamp<std::int64_t>(p_.minimum[s], 0, kMaxTokens),
                              std::clamp<std::int64_t>(p_.maximum[s], -1, above.maximum), header,
                              above.tight || p_.minimum[s] > 0};
                if (node.maximum < header) {  // nothing can ever be in it
                    node.maximum = std::min<std::int64_t>(node.maximum, 0);
                    node.header = 0;
                }
                if (node.minimum > node.maximum) tree_.feasible = false;
                tree_.node_of_section[s] = tree_.nodes.size();
                tree_.nodes.push_back(node);
                depth.push_back(depth[parent] + 1);
                require(depth.back() <= kMaxDepth, "sections may be nested 200 deep at most");
                ++placed;
            }
            require(placed > before, "sections must form a tree: some are their own ancestors");
        }
    }

    std::size_t node_of(std::size_t item) const {
        return p_.section[item] < 0
                   ? 0
                   : tree_.node_of_section[static_cast<std::size_t>(p_.section[item])];
    }

    void find_groups() {
        group_of_.assign(p_.items(), kNone);
        for (std::size_t g = 0; g < p_.groups.count(); ++g)
            for (auto i = p_.groups.begin(g); i != p_.groups.end(g); ++i) {
                std::size_t& group = group_of_[static_cast<std::size_t>(*i)];
                require(group == kNone || group == g, "an item may be in one group only");
                group = g;
            }
    }

    // Members of `together` require one another in a cycle.
    void find_requirements() {
        for (std::size_t e = 0; e < p_.needs.size(); e += 2)
            edges_.push_back(
                {static_cast<std::size_t>(p_.needs[e]), static_cast<std::size_t>(p_.needs[e + 1])});
        for (std::size_t g = 0; g < p_.together.count(); ++g) {
            if (p_.together.begin(g) == p_.together.end(g)) continue;
            const std::int64_t* last = p_.together.end(g) - 1;
            for (auto i = p_.together.begin(g); i != p_.together.end(g); last = i++)
                edges_.push_back({static_cast<std::size_t>(*last), static_cast<std::size_t>(*i)});
        }
        required_ = Requirements(p_.items(), edges_);
        std::vector<std::int64_t> weights(p_.items());
        for (std::size_t i = 0; i < p_.items(); ++i) {
            const std::int64_t lightest = lightest_option(i);
            weights[i] = lightest < 0 ? p_.budget + 1 : tokens_of(lightest);
        }
        // At most one item of a group is in, so two of them that require each other never are.
        std::vector<std::size_t> seen(p_.groups.count(), kNone);
        for (std::size_t c = 0; c < required_.count(); ++c)
            for (const std::size_t item : required_.members(c)) {
                if (group_of_[item] == kNone) continue;
                if (seen[group_of_[item]] == c) weights[item] = p_.budget + 1;
                seen[group_of_[item]] = c;
            }
        required_.reduce(weights, p_.budget);
    }

    std::int64_t tokens_of(std::int64_t option) const {
        return p_.tokens[static_cast<std::size_t>(option)] + p_.separator;
    }
    bool pin_allows(std::size_t item, std::int64_t option) const {
        return p_.pin[item] < 0 || p_.pin[item] == option - p_.starts[item];
    }
    // The option with the fewest tokens, of several the one with the greatest value; -1 without any.
    std::int64_t lightest_option(std::size_t item) const {
        std::int64_t best = -1;
        for (std::int64_t o = p_.starts[item]; o < p_.starts[item + 1]; ++o) {
            if (!pin_allows(item, o)) continue;
            const auto at = static_cast<std::size_t>(o), known = static_cast<std::size_t>(best);
            if (best < 0 || p_.tokens[at] < p_.tokens[known] ||
                (p_.tokens[at] == p_.tokens[known] && p_.values[at] > p_.values[known]))
                best = o;
        }
        return best;
    }

    // All that a pinned item requires is pinned too, so that no price has to force it.
    void pin_what_pins_need() {
        pin_ = p_.pin;
        std::vector<std::vector<std::size_t>> needed(p_.items());
        for (const RequirementEdge& edge : edges_) needed[edge.from].push_back(edge.to);
        std::vector<std::size_t> pinned;
        for (std::size_t i = 0; i < p_.items(); ++i)
            if (pin_[i] != Problem::kFree) pinned.push_back(i);
        while (!pinned.empty()) {
            const std::size_t item = pinned.back();
            pinned.pop_back();
            for (const std::size_t other : needed[item]) {
                if (pin_[other] != Problem::kFree) continue;
                pin_[other] = Problem::kAny;
                pinned.push_back(other);
            }
        }
    }

    bool covers_any(std::size_t item) const {
        if (p_.covers.count() == 0) return false;
        return p_.covers.starts[static_cast<std::size_t>(p_.starts[item])] !=
               p_.covers.starts[static_cast<std::size_t>(p_.starts[item + 1])];
    }

    // Items that become one class: those of one node in a component, or a chain of components.
    // part_[i] and stage_[i] say where item i belongs; stages count from 1, the last one required by
    // all others.
    void plan_parts() {
        part_.assign(p_.items(), kNone);
        stage_.assign(p_.items(), 0);
        std::vector<bool> alone(p_.items(), false);  // has couplings that a part cannot express
        for (std::size_t i = 0; i < p_.items(); ++i) alone[i] = group_of_[i] != kNone;
        for (const std::int64_t i : p_.prefix) alone[static_cast<std::size_t>(i)] = true;
        for (std::size_t i = 0; i < p_.items(); ++i)
            if (p_.starts[i + 1] - p_.starts[i] != 1 && covers_any(i)) alone[i] = true;
        plan_chains(alone);
        std::vector<std::size_t> here;
        for (std::size_t c = 0; c < required_.count(); ++c) {
            if (required_.members(c).size() < 2 || required_.impossible(c)) continue;
            here.clear();
            for (const std::size_t item : required_.members(c))
                if (!alone[item] && part_[item] == kNone) here.push_back(item);
            std::stable_sort(here.begin(), here.end(),
                             [&](std::size_t a, std::size_t b) { return node_of(a) < node_of(b); });
            for (std::size_t i = 0; i < here.size();) {
                std::size_t end = i + 1;
                while (end < here.size() && node_of(here[end]) == node_of(here[i])) ++end;
                if (end - i > 1) {
                    for (std::size_t k = i; k < end; ++k) {
                        part_[here[k]] = parts_.size();
                        stage_[here[k]] = 1;
                    }
                    parts_.push_back({{here.begin() + static_cast<std::ptrdiff_t>(i),
                                       here.begin() + static_cast<std::ptrdiff_t>(end)}});
                }
                i = end;
            }
        }
        Sum sum;  // so that the values of a part do not overflow
        for (const auto& stages : parts_)
            for (const auto& stage : stages)
                for (const std::size_t item : stage) {
                    std::int64_t largest = 0;
                    for (std::int64_t o = p_.starts[item]; o < p_.starts[item + 1]; ++o)
                        largest =
                            std::max(largest, std::abs(p_.values[static_cast<std::size_t>(o)]));
                    sum.add(largest, 2);
                }
        for (std::size_t r = 0; r < p_.redundancy.size(); r += 3) sum.add(p_.redundancy[r + 2]);
    }

    // Chains of components each of which requires only the next, which no other requires.
    void plan_chains(const std::vector<bool>& alone) {
        std::vector<bool> plain(required_.count(), false);
        std::vector<bool> coupled(alone);
        for (std::size_t r = 0; r < p_.redundancy.size(); r += 3)
            for (const std::size_t k : {r, r + 1})
                coupled[static_cast<std::size_t>(p_.redundancy[k])] = true;
        std::vector<std::size_t> requiring(required_.count(), 0);
        for (std::size_t c = 0; c < required_.count(); ++c) {
            if (required_.impossible(c)) continue;
            for (const RequirementEdge& edge : required_.edges(c))
                ++requiring[required_.component(edge.to)];
            plain[c] = true;
            for (const std::size_t i : required_.members(c))
                if (coupled[i] || covers_any(i) || pin_[i] != Problem::kFree ||
                    p_.starts[i + 1] - p_.starts[i] != 1 ||
                    node_of(i) != node_of(required_.members(c)[0]))
                    plain[c] = false;
        }
        const auto next = [&](std::size_t c) {
            if (!plain[c] || required_.edges(c).size() != 1) return kNone;
            const std::size_t to = required_.component(required_.edges(c)[0].to);
            const bool joined =
                plain[to] && requiring[to] == 1 &&
                node_of(required_.members(to)[0]) == node_of(required_.members(c)[0]);
            return joined ? to : kNone;
        };
        // A component has a higher number than those it requires, so chains are met at their top.
        std::vector<bool> seen(required_.count(), false);
        std::vector<std::size_t> chain;
        for (std::size_t top = required_.count(); top-- > 0;) {
            if (seen[top]) continue;
            chain.clear();
            for (std::size_t c = top; c != kNone; c = next(c)) {
                seen[c] = true;
                chain.push_back(c);
            }
            // From the bottom up, in parts of about equal length.
            std::reverse(chain.begin(), chain.end());
            const std::size_t pieces =
                (chain.size() + BudgetTree::kMaxStages - 1) / BudgetTree::kMaxStages;
            for (std::size_t piece = 0; piece < pieces; ++piece) {
                const std::size_t begin = chain.size() * piece / pieces;
                const std::size_t end = chain.size() * (piece + 1) / pieces;
                if (end - begin < 2) continue;
                auto& stages = parts_.emplace_back();
                for (std::size_t k = begin; k < end; ++k) {
                    const auto members = required_.members(chain[k]);
                    stages.emplace_back(members.begin(), members.end());
                    for (const std::size_t item : members) {
                        part_[item] = parts_.size() - 1;
                        stage_[item] = stages.size();
                    }
                }
            }
        }
    }

    // One class per part, per item, or per group and node: at most one of a group is in anyway.
    void make_classes() {
        std::vector<std::vector<std::pair<std::size_t, std::size_t>>> seen(p_.groups.count());
        std::vector<std::size_t> of_part(parts_.size(), kNone);
        klass_.assign(p_.items(), kNone);
        item_literal_.assign(p_.items(), kNone);
        for (std::size_t i = 0; i < p_.items(); ++i) {
            const std::size_t node = node_of(i);
            if (part_[i] != kNone) {
                std::size_t& c = of_part[part_[i]];
                if (c == kNone) c = add_part(part_[i], node);
                klass_[i] = c;
                continue;
            }
            if (group_of_[i] != kNone)
                for (const auto& [where, c] : seen[group_of_[i]])
                    if (where == node) klass_[i] = c;
            if (klass_[i] == kNone) {
                klass_[i] = tree_.classes.size();
                tree_.classes.push_back({node, {{0, 0, {}, 0}}, 0});
                if (group_of_[i] != kNone) seen[group_of_[i]].push_back({node, klass_[i]});
            }
        }
        std::vector<std::size_t> pinned(tree_.classes.size(), kNone);
        for (std::size_t i = 0; i < p_.items(); ++i) {
            if (pin_[i] == Problem::kFree || part_[i] != kNone) continue;
            if (pinned[klass_[i]] != kNone) tree_.feasible = false;
            pinned[klass_[i]] = i;
        }
        for (std::size_t i = 0; i < p_.items(); ++i) {
            if (part_[i] != kNone) continue;
            TreeClass& klass = tree_.classes[klass_[i]];
            const std::size_t pin = pinned[klass_[i]];
            if (pin != kNone && pin != i) continue;
            if (pin == i) {
                klass.options.clear();
                klass.nothing = kNone;
            }
            if (required_.impossible(required_.component(i))) continue;
            for (std::int64_t o = p_.starts[i]; o < p_.starts[i + 1]; ++o) {
                if (pin_[i] >= 0 && pin_[i] != o - p_.starts[i]) continue;
                klass.options.push_back(
                    {tokens_of(o), p_.values[static_cast<std::size_t>(o)], {}, tree_.take(o)});
            }
        }
    }

    // The class of a part: option k has the items of its first k stages, each with its lightest
    // option.
    std::size_t add_part(std::size_t part, std::size_t node) {
        TreeClass klass{node, {{0, 0, {}, 0}}, 0};
        TreeOption all{0, 0, {}, 0};
        bool pinned = false;
        for (const std::vector<std::size_t>& stage : parts_[part]) {
            for (const std::size_t item : stage) {
                const std::int64_t lightest = lightest_option(item);
                // Sums stop above the budget, so that they cannot overflow.
                all.tokens = std::min(all.tokens + tokens_of(lightest), p_.budget + 1);
                all.value += p_.values[static_cast<std::size_t>(lightest)];
                all.taken = tree_.take_both(all.taken, tree_.take(lightest));
                pinned = pinned || pin_[item] != Problem::kFree;
            }
            klass.options.push_back(all);
        }
        if (pinned) {
            klass.options.erase(klass.options.begin());
            klass.nothing = kNone;
        }
        const std::size_t c = tree_.classes.size();
        tree_.classes.push_back(std::move(klass));
        stages_of_class_.resize(c + 1);
        stages_of_class_[c].assign(parts_[part].size() + 1, kNone);
        return c;
    }

    bool is_part(std::size_t klass) const {
        return klass < stages_of_class_.size() && !stages_of_class_[klass].empty();
    }

    // For each item of a part with several options: a class in which these replace the lightest.
    void add_replacements() {
        for (std::size_t i = 0; i < p_.items(); ++i) {
            if (part_[i] == kNone || p_.starts[i + 1] - p_.starts[i] < 2) continue;
            const std::int64_t lightest = lightest_option(i);
            std::vector<TreeOption> options{{0, 0, {}, 0}};
            const std::size_t c = tree_.classes.size();
            const auto literal = static_cast<Literal>(tree_.class_of.size());
            for (std::int64_t o = p_.starts[i]; o < p_.starts[i + 1]; ++o)
                if (o != lightest && pin_allows(i, o))
                    options.push_back({tokens_of(o) - tokens_of(lightest),
                                       p_.values[static_cast<std::size_t>(o)] -
                                           p_.values[static_cast<std::size_t>(lightest)],
                                       {literal},
                                       tree_.take(o, true)});
            if (options.size() < 2) continue;
            new_literal(c);
            tree_.classes.push_back({node_of(i), std::move(options), 0});
            tree_.needs.push_back({literal, literal_of(i)});
        }
    }

    bool of_item(const TreeOption& option, std::size_t item) const {
        const std::int64_t choice = tree_.takes[option.taken].choice;
        return choice >= p_.starts[item] && choice < p_.starts[item + 1];
    }

    Literal new_literal(std::size_t klass) {
        tree_.class_of.push_back(klass);
        return static_cast<Literal>(tree_.class_of.size() - 1);
    }

    // "The item is in", whichever option it has.
    Literal literal_of(std::size_t item) {
        const std::size_t c = klass_[item];
        const bool part = is_part(c);
        std::size_t& known = part ? stages_of_class_[c][stage_[item]] : item_literal_[item];
        if (known == kNone) {
            known = new_literal(c);
            const auto literal = static_cast<Literal>(known);
            TreeClass& klass = tree_.classes[c];
            if (part) {
                // Option k has the first k stages; a pinned part has one stage and no empty option.
                const std::size_t begin = klass.nothing == kNone ? 0 : stage_[item];
                for (std::size_t o = begin; o < klass.options.size(); ++o)
                    klass.options[o].literals.push_back(literal);
            } else {
                for (TreeOption& option : klass.options)
                    if (of_item(option, item)) option.literals.push_back(literal);
            }
        }
        return static_cast<Literal>(known);
    }

    void add_need(std::size_t from, std::size_t to) {
        if (klass_[from] != klass_[to]) {
            tree_.needs.push_back({literal_of(from), literal_of(to)});
            return;
        }
        if (is_part(klass_[from])) return;
        // Of one class only one can be in, so an item that needs another of it never is.
        std::erase_if(tree_.classes[klass_[from]].options,
                      [&](const TreeOption& option) { return of_item(option, from); });
    }

    void couple_items() {
        for (std::size_t c = 0; c < required_.count(); ++c) {
            if (required_.impossible(c)) continue;
            for (const RequirementEdge& edge : required_.edges(c)) add_need(edge.from, edge.to);
            // The classes of a component require one another in a cycle.
            std::vector<std::size_t> first;  // an item of each class
            for (const std::size_t item : required_.members(c)) first.push_back(item);
            std::stable_sort(first.begin(), first.end(),
                             [&](std::size_t a, std::size_t b) { return klass_[a] < klass_[b]; });
            first.erase(
                std::unique(first.begin(), first.end(),
                            [&](std::size_t a, std::size_t b) { return klass_[a] == klass_[b]; }),
                first.end());
            for (std::size_t k = 0; first.size() > 1 && k < first.size(); ++k)
                add_need(first[k], first[(k + 1) % first.size()]);
        }
        add_replacements();
        for (std::size_t r = 0; r < p_.redundancy.size(); r += 3) {
            const auto i = static_cast<std::size_t>(p_.redundancy[r]);
            const auto j = static_cast<std::size_t>(p_.redundancy[r + 1]);
            const std::int64_t penalty = p_.redundancy[r + 2];
            if (penalty == 0) continue;
            if (klass_[i] != klass_[j]) {
                tree_.counts.push_back({{literal_of(i), literal_of(j)}, 0, penalty});
            } else if (is_part(klass_[i])) {  // of one component: both are in, or neither
                for (TreeOption& option : tree_.classes[klass_[i]].options)
                    if (option.taken != 0) option.value -= penalty;
            }
        }
    }

    void couple_groups() {
        for (std::size_t g = 0; g < p_.groups.count(); ++g) {
            std::vector<std::size_t> classes;
            for (auto i = p_.groups.begin(g); i != p_.groups.end(g); ++i)
                classes.push_back(klass_[static_cast<std::size_t>(*i)]);
            std::sort(classes.begin(), classes.end());
            classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
            if (classes.size() < 2) continue;
            Count count{{}, 0, BudgetTree::kForbidden};
            for (const std::size_t c : classes) {
                const Literal taken = new_literal(c);
                count.members.push_back(taken);
                for (TreeOption& option : tree_.classes[c].options)
                    if (option.taken != 0) option.literals.push_back(taken);
            }
            tree_.counts.push_back(std::move(count));
        }
    }

    void cover_concepts() {
        if (p_.covers.count() == 0) return;
        std::vector<Count> counts(p_.concepts.size());
        std::vector<const TreeOption*> last(p_.concepts.size(), nullptr);  // that has the literal
        for (std::size_t c = 0; c < tree_.classes.size(); ++c)
            for (TreeOption& option : tree_.classes[c].options)
                tree_.each_leaf(option.taken, [&](const Take& take) {
                    const auto at = static_cast<std::size_t>(take.choice);
                    for (auto k = p_.covers.begin(at); k != p_.covers.end(at); ++k) {
                        const auto concept_ = static_cast<std::size_t>(*k);
                        std::vector<Literal>& members = counts[concept_].members;
                        if (members.empty() || tree_.class_of[members.back()] != c)
                            members.push_back(new_literal(c));
                        if (last[concept_] == &option) continue;
                        last[concept_] = &option;
                        option.literals.push_back(members.back());
                    }
                });
        for (std::size_t k = 0; k < counts.size(); ++k) {
            if (p_.concepts[k] == 0 || counts[k].members.empty()) continue;
            counts[k].one = p_.concepts[k];
            counts[k].extra = 0;
            tree_.counts.push_back(std::move(counts[k]));
        }
    }

    // Bonus k is an option without tokens that needs chunk k unchanged and bonus k - 1.
    void chain_prefix() {
        std::size_t length = p_.prefix.size();
        while (length > 0 && p_.bonus[length - 1] == 0) --length;
        Literal before = 0;
        for (std::size_t k = 0; k < length; ++k) {
            const auto item = static_cast<std::size_t>(p_.prefix[k]);
            const std::size_t c = klass_[item];
            const Literal unchanged = new_literal(c);
            for (TreeOption& option : tree_.classes[c].options)
                if (of_item(option, item) && tree_.takes[option.taken].choice == p_.starts[item])
                    option.literals.push_back(unchanged);
            const std::size_t bonus = tree_.classes.size();
            const Literal kept = new_literal(bonus);
            std::vector<TreeOption> options{{0, 0, {}, 0}, {0, p_.bonus[k], {kept}, 0}};
            tree_.classes.push_back({node_of(item), std::move(options), 0});
            tree_.needs.push_back({kept, unchanged});
            if (k > 0) tree_.needs.push_back({kept, before});
            before = kept;
        }
    }

    // No sum of values, penalties and multipliers passes the magnitude: see prices.hpp.
    void measure() {
        Sum sum;
        for (const TreeClass& klass : tree_.classes) {
            std::int64_t largest = 0;
            for (const TreeOption& option : klass.options)
                largest = std::max(largest, std::abs(option.value));
            sum.add(largest);
        }
        for (const Count& count : tree_.counts) {
            const auto members = static_cast<std::int64_t>(count.members.size()) + 1;
            sum.add(count.one, members);
            sum.add(std::max<std::int64_t>(count.extra, 0), members);
        }
        tree_.magnitude = sum.total();
    }

    const Problem& p_;
    BudgetTree& tree_;
    std::vector<RequirementEdge> edges_;
    Requirements required_{0, {}};
    std::vector<std::vector<std::vector<std::size_t>>> parts_;  // the items of each stage
    std::vector<std::vector<std::size_t>> stages_of_class_;     // of a part: literals, from stage 1
    std::vector<std::size_t> part_, stage_;                     // per item
    std::vector<std::size_t> group_of_;                         // per item, or kNone
    std::vector<std::int64_t> pin_;                             // per item
    std::vector<std::size_t> klass_;                            // per item
    std::vector<std::size_t> item_literal_;  // per item, or kNone while nothing asks
};

}  // namespace

bool settle(const TreeNode& node, TreeClass& klass) {
    std::erase_if(klass.options,
                  [&](const TreeOption& option) { return option.tokens > node.maximum; });
    for (TreeOption& option : klass.options)
        std::sort(option.literals.begin(), option.literals.end());
    std::stable_sort(klass.options.begin(), klass.options.end(),
                     [](const TreeOption& a, const TreeOption& b) {
                         if (a.literals != b.literals) return a.literals < b.literals;
                         if (a.tokens != b.tokens) return a.tokens < b.tokens;
                         return a.value > b.value;
                     });
    std::vector<TreeOption> kept;
    for (TreeOption& option : klass.options) {
        const bool same = !kept.empty() && kept.back().literals == option.literals;
        if (same && option.tokens == kept.back().tokens) continue;
        if (same && !node.tight && option.value <= kept.back().value) continue;
        kept.push_back(std::move(option));
    }
    klass.options.swap(kept);
    klass.nothing = BudgetTree::kNone;
    for (std::size_t o = 0; o < klass.options.size(); ++o)
        if (klass.options[o].taken == 0 && klass.options[o].literals.empty() &&
            klass.options[o].value == 0)
            klass.nothing = o;
    return !klass.options.empty();
}

BudgetTree::BudgetTree(const Problem& problem) { Grower(problem, *this).grow(); }

}  // namespace ctxmem
