#include "core/solver/budget_tree.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace ctxmem {
namespace {

constexpr std::int64_t kMaxSum = std::int64_t{1} << 58;
constexpr std::int64_t kMaxTokens = std::int64_t{1} << 40;
constexpr int kMaxDepth = 200;  // of nested sections, which are walked by recursion

void require(bool fact, const char* message) {
    if (!fact) throw std::invalid_argument(message);
}

void check_lists(const Lists& lists, std::size_t bound, const char* message) {
    require(!lists.starts.empty() && lists.starts.front() == 0 &&
                lists.starts.back() == static_cast<std::int64_t>(lists.members.size()) &&
                std::is_sorted(lists.starts.begin(), lists.starts.end()),
            message);
    for (const std::int64_t member : lists.members)
        require(member >= 0 && member < static_cast<std::int64_t>(bound), message);
}

void check_all(const std::vector<std::int64_t>& numbers, std::int64_t low, std::int64_t high,
               const char* message) {
    for (const std::int64_t number : numbers) require(number >= low && number <= high, message);
}

}  // namespace

void check(const Problem& p) {
    const std::size_t n = p.items();
    const auto items = static_cast<std::int64_t>(n);
    const auto sections = static_cast<std::int64_t>(p.parent.size());
    require(p.budget >= 0 && p.budget <= std::int64_t{1} << 31, "budget must be 0 to 2**31");
    require(p.separator >= 0 && p.separator <= kMaxTokens, "separator must be 0 to 2**40");
    require(p.tokens.size() == p.values.size(), "tokens and values must have the same length");
    check_lists({p.starts, std::vector<std::int64_t>(p.tokens.size(), 0)}, 1,
                "starts must ascend from 0 to the number of options");
    require(p.section.size() == n && p.pin.size() == n, "section and pin need one entry per item");
    check_all(p.tokens, 1, kMaxTokens, "tokens must be 1 to 2**40");
    check_all(p.values, -kMaxSum, kMaxSum, "values must be within 2**58");
    check_all(p.section, -1, sections - 1, "section is out of range");
    for (std::size_t i = 0; i < n; ++i)
        require(p.pin[i] >= Problem::kFree && p.pin[i] < p.starts[i + 1] - p.starts[i],
                "pin is out of range");
    require(p.needs.size() % 2 == 0, "needs must be pairs");
    check_all(p.needs, 0, items - 1, "needs are out of range");
    check_lists(p.groups, n, "groups must list items");
    check_lists(p.together, n, "together must list items");
    require(p.minimum.size() == p.parent.size() && p.maximum.size() == p.parent.size() &&
                p.header.size() == p.parent.size(),
            "sections need parent, minimum, maximum and header each");
    check_all(p.parent, -1, sections - 1, "parent is out of range");
    check_all(p.header, 0, kMaxTokens, "header must be 0 to 2**40");
    require(p.redundancy.size() % 3 == 0, "redundancy must be triples");
    for (std::size_t r = 0; r < p.redundancy.size(); r += 3)
        require(p.redundancy[r] >= 0 && p.redundancy[r] < items && p.redundancy[r + 1] >= 0 &&
                    p.redundancy[r + 1] < items && p.redundancy[r + 2] >= 0,
                "redundancy must be item, item, penalty >= 0");
    check_all(p.concepts, 0, kMaxSum, "concepts must not be negative");
    if (p.covers.count() > 0) {
        require(p.covers.count() == p.tokens.size(), "covers need one list per option");
        check_lists(p.covers, p.concepts.size(), "covers must list concepts");
    }
    require(p.prefix.size() == p.bonus.size(), "prefix and bonus must have the same length");
    check_all(p.prefix, 0, items - 1, "prefix is out of range");
    check_all(p.bonus, 0, kMaxSum, "bonus must not be negative");
}

namespace {

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
        pin_what_pins_need();
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
                TreeNode node{parent, std::max<std::int64_t>(p_.minimum[s], 0),
                              std::min(p_.maximum[s], above.maximum), header,
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

    // What a pinned item needs is in as well: said here, no price has to say it.
    void pin_what_pins_need() {
        pin_ = p_.pin;
        std::vector<std::vector<std::size_t>> needed(p_.items());
        for (std::size_t e = 0; e < p_.needs.size(); e += 2)
            needed[static_cast<std::size_t>(p_.needs[e])].push_back(
                static_cast<std::size_t>(p_.needs[e + 1]));
        for (std::size_t g = 0; g < p_.together.count(); ++g) {
            if (p_.together.begin(g) == p_.together.end(g)) continue;
            const std::int64_t* last = p_.together.end(g) - 1;
            for (auto i = p_.together.begin(g); i != p_.together.end(g); last = i++)
                needed[static_cast<std::size_t>(*last)].push_back(static_cast<std::size_t>(*i));
        }
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

    // One class per item, or per group and node: at most one of a group is in anyway.
    void make_classes() {
        std::vector<std::size_t> group_of(p_.items(), kNone);
        for (std::size_t g = 0; g < p_.groups.count(); ++g)
            for (auto i = p_.groups.begin(g); i != p_.groups.end(g); ++i) {
                std::size_t& group = group_of[static_cast<std::size_t>(*i)];
                require(group == kNone || group == g, "an item may be in one group only");
                group = g;
            }
        std::vector<std::vector<std::pair<std::size_t, std::size_t>>> seen(p_.groups.count());
        klass_.assign(p_.items(), kNone);
        item_literal_.assign(p_.items(), kNone);
        for (std::size_t i = 0; i < p_.items(); ++i) {
            const std::size_t node = node_of(i);
            if (group_of[i] != kNone)
                for (const auto& [where, c] : seen[group_of[i]])
                    if (where == node) klass_[i] = c;
            if (klass_[i] == kNone) {
                klass_[i] = tree_.classes.size();
                tree_.classes.push_back({node, {{0, 0, {}, {}}}, 0});
                if (group_of[i] != kNone) seen[group_of[i]].push_back({node, klass_[i]});
            }
        }
        std::vector<std::size_t> pinned(tree_.classes.size(), kNone);
        for (std::size_t i = 0; i < p_.items(); ++i) {
            if (pin_[i] == Problem::kFree) continue;
            if (pinned[klass_[i]] != kNone) tree_.feasible = false;
            pinned[klass_[i]] = i;
        }
        for (std::size_t i = 0; i < p_.items(); ++i) {
            TreeClass& klass = tree_.classes[klass_[i]];
            const std::size_t pin = pinned[klass_[i]];
            if (pin != kNone && pin != i) continue;
            if (pin == i) {
                klass.options.clear();
                klass.nothing = kNone;
            }
            for (std::int64_t o = p_.starts[i]; o < p_.starts[i + 1]; ++o) {
                if (pin_[i] >= 0 && pin_[i] != o - p_.starts[i]) continue;
                const auto at = static_cast<std::size_t>(o);
                klass.options.push_back({p_.tokens[at] + p_.separator, p_.values[at], {}, {o}});
            }
        }
    }

    bool of_item(const TreeOption& option, std::size_t item) const {
        return !option.choices.empty() && option.choices[0] >= p_.starts[item] &&
               option.choices[0] < p_.starts[item + 1];
    }

    Literal new_literal(std::size_t klass) {
        tree_.class_of.push_back(klass);
        return static_cast<Literal>(tree_.class_of.size() - 1);
    }

    // "The item is in", whichever option it has.
    Literal literal_of(std::size_t item) {
        if (item_literal_[item] == kNone) {
            item_literal_[item] = new_literal(klass_[item]);
            for (TreeOption& option : tree_.classes[klass_[item]].options)
                if (of_item(option, item))
                    option.literals.push_back(static_cast<Literal>(item_literal_[item]));
        }
        return static_cast<Literal>(item_literal_[item]);
    }

    void add_need(std::size_t from, std::size_t to) {
        if (from == to) return;
        if (klass_[from] != klass_[to]) {
            tree_.needs.push_back({literal_of(from), literal_of(to)});
            return;
        }
        // Of one class only one can be in, so an item that needs another of it never is.
        std::erase_if(tree_.classes[klass_[from]].options,
                      [&](const TreeOption& option) { return of_item(option, from); });
    }

    void couple_items() {
        for (std::size_t e = 0; e < p_.needs.size(); e += 2)
            add_need(static_cast<std::size_t>(p_.needs[e]),
                     static_cast<std::size_t>(p_.needs[e + 1]));
        for (std::size_t g = 0; g < p_.together.count(); ++g) {
            if (p_.together.begin(g) == p_.together.end(g)) continue;
            const std::int64_t* last = p_.together.end(g) - 1;
            for (auto i = p_.together.begin(g); i != p_.together.end(g); last = i++)
                add_need(static_cast<std::size_t>(*last), static_cast<std::size_t>(*i));
        }
        for (std::size_t r = 0; r < p_.redundancy.size(); r += 3) {
            const auto i = static_cast<std::size_t>(p_.redundancy[r]);
            const auto j = static_cast<std::size_t>(p_.redundancy[r + 1]);
            const std::int64_t penalty = p_.redundancy[r + 2];
            if (penalty == 0 || klass_[i] == klass_[j]) continue;
            tree_.counts.push_back({{literal_of(i), literal_of(j)}, 0, penalty});
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
                    if (!option.choices.empty()) option.literals.push_back(taken);
            }
            tree_.counts.push_back(std::move(count));
        }
    }

    void cover_concepts() {
        if (p_.covers.count() == 0) return;
        std::vector<Count> counts(p_.concepts.size());
        for (std::size_t c = 0; c < tree_.classes.size(); ++c)
            for (TreeOption& option : tree_.classes[c].options) {
                if (option.choices.empty()) continue;
                const auto at = static_cast<std::size_t>(option.choices[0]);
                for (auto k = p_.covers.begin(at); k != p_.covers.end(at); ++k) {
                    std::vector<Literal>& members = counts[static_cast<std::size_t>(*k)].members;
                    if (members.empty() || tree_.class_of[members.back()] != c)
                        members.push_back(new_literal(c));
                    std::vector<Literal>& literals = option.literals;
                    if (std::find(literals.begin(), literals.end(), members.back()) ==
                        literals.end())
                        literals.push_back(members.back());
                }
            }
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
                if (of_item(option, item) && option.choices[0] == p_.starts[item])
                    option.literals.push_back(unchanged);
            const std::size_t bonus = tree_.classes.size();
            const Literal kept = new_literal(bonus);
            std::vector<TreeOption> options{{0, 0, {}, {}}, {0, p_.bonus[k], {kept}, {}}};
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
    std::vector<std::int64_t> pin_;          // per item
    std::vector<std::size_t> klass_;         // per item
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
        if (klass.options[o].choices.empty() && klass.options[o].literals.empty() &&
            klass.options[o].value == 0)
            klass.nothing = o;
    return !klass.options.empty();
}

BudgetTree::BudgetTree(const Problem& problem) { Grower(problem, *this).grow(); }

}  // namespace ctxmem
