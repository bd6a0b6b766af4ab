#include "core/solver/builder.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <queue>

namespace ctxmem {
namespace {

constexpr std::uint64_t kChangesPerOption = 64;
constexpr std::uint64_t kFreeChanges = 1 << 16;
constexpr std::size_t kManyOptions = 64;  // of a larger class only the best kOffers are queued
constexpr std::size_t kOffers = 8;

// Value per token; what adds no tokens comes first.
double density(std::int64_t value, std::int64_t tokens) {
    const auto v = static_cast<double>(value);
    return tokens > 0 ? v / static_cast<double>(tokens) : v > 0 ? 1e30 + v : -1;
}

}  // namespace

Builder::Builder(const BudgetTree& tree) : tree_(tree) {
    needed_by_.resize(tree.class_of.size());
    needing_.resize(tree.class_of.size());
    counts_of_.resize(tree.class_of.size());
    for (const Need& need : tree.needs) {
        needed_by_[need.from].push_back(need.to);
        needing_[need.to].push_back(need.from);
    }
    for (std::size_t k = 0; k < tree.counts.size(); ++k)
        for (const Literal member : tree.counts[k].members) counts_of_[member].push_back(k);
    std::size_t options = 0;
    for (const TreeClass& klass : tree.classes) options += klass.options.size();
    most_changes_ = kFreeChanges + kChangesPerOption * options;
}

void Builder::clear() {
    chosen_.clear();
    for (const TreeClass& klass : tree_.classes) chosen_.push_back(klass.nothing);
    truth_.assign(tree_.class_of.size(), 0);
    tally_.assign(tree_.counts.size(), 0);
    tokens_.assign(tree_.nodes.size(), 0);
    undo_.clear();
    value_ = 0;
    changes_ = 0;
    forbidden_ = 0;
    over_ = 0;
    unmet_ = 0;
    for (const TreeNode& node : tree_.nodes) {
        over_ += node.maximum < 0;
        unmet_ += node.minimum > 0;
    }
}

void Builder::put(std::size_t c, std::size_t option) {
    ++changes_;
    const TreeClass& klass = tree_.classes[c];
    std::int64_t tokens = 0;
    if (!open(c)) {
        const TreeOption& old = klass.options[chosen_[c]];
        tokens -= old.tokens;
        value_ -= old.value;
        for (const Literal literal : old.literals) {
            truth_[literal] = 0;
            for (const std::size_t k : counts_of_[literal]) {
                const Count& count = tree_.counts[k];
                if (--tally_[k] == 0)
                    value_ -= count.one;
                else if (count.extra == BudgetTree::kForbidden)
                    --forbidden_;
                else
                    value_ += count.extra;
            }
        }
    }
    chosen_[c] = option;
    if (option != BudgetTree::kNone) {
        const TreeOption& fresh = klass.options[option];
        tokens += fresh.tokens;
        value_ += fresh.value;
        for (const Literal literal : fresh.literals) {
            truth_[literal] = 1;
            for (const std::size_t k : counts_of_[literal]) {
                const Count& count = tree_.counts[k];
                if (++tally_[k] == 1)
                    value_ += count.one;
                else if (count.extra == BudgetTree::kForbidden)
                    ++forbidden_;
                else
                    value_ -= count.extra;
            }
        }
    }
    for (std::size_t s = klass.node; tokens != 0; s = tree_.nodes[s].parent) {
        const std::int64_t header = tree_.nodes[s].header;
        const bool was_open = tokens_[s] > 0;
        const std::int64_t content = tokens_[s] - (was_open ? header : 0) + tokens;
        const std::int64_t now = content > 0 ? content + header : 0;
        const TreeNode& node = tree_.nodes[s];
        over_ += (now > node.maximum) - (tokens_[s] > node.maximum);
        unmet_ += (now < node.minimum) - (tokens_[s] < node.minimum);
        tokens = now - tokens_[s];
        tokens_[s] = now;
        if (s == 0) break;
    }
}

// Give a class an option; false if that breaks a need of another class or forbids the move.
bool Builder::change(std::size_t c, std::size_t option) {
    undo_.push_back({c, chosen_[c]});
    before_.clear();
    if (!open(c)) before_ = tree_.classes[c].options[chosen_[c]].literals;
    put(c, option);
    if (forbidden_ > 0) return false;
    for (const Literal lost : before_)
        if (truth_[lost] == 0)
            for (const Literal from : needing_[lost])
                if (truth_[from] != 0) return false;
    return true;
}

// The same with all that the option needs. What is needed only adds tokens, so a move that is above
// the budget ends.
bool Builder::change_all(std::size_t c, std::size_t option) {
    if (!change(c, option)) return false;
    needed_.clear();
    const auto add_needs = [&](std::size_t klass, std::size_t chosen) {
        for (const Literal literal : tree_.classes[klass].options[chosen].literals)
            for (const Literal to : needed_by_[literal])
                if (truth_[to] == 0) needed_.push_back(to);
    };
    add_needs(c, option);
    while (!needed_.empty()) {
        const Literal to = needed_.back();
        needed_.pop_back();
        if (truth_[to] != 0) continue;
        if (tokens_[0] > tree_.nodes[0].maximum) return false;
        const std::size_t other = tree_.class_of[to];
        if (other == c) return false;
        // The option that costs least at the prices among those that have the literal.
        std::size_t best = BudgetTree::kNone;
        for (std::size_t o = 0; o < tree_.classes[other].options.size(); ++o) {
            const std::vector<Literal>& literals = tree_.classes[other].options[o].literals;
            if (!std::binary_search(literals.begin(), literals.end(), to)) continue;
            if (best == BudgetTree::kNone || prices_->gain(other, o) > prices_->gain(other, best))
                best = o;
        }
        if (best == BudgetTree::kNone || !change(other, best)) return false;
        add_needs(other, best);
    }
    return true;
}

void Builder::take_back() {
    while (!undo_.empty()) {
        put(undo_.back().klass, undo_.back().option);
        undo_.pop_back();
    }
}

bool Builder::move(std::size_t c, std::size_t option) {
    undo_.clear();
    if (change_all(c, option) && over_ == 0) return true;
    take_back();
    return false;
}

bool Builder::build(const Prices& prices, bool follow, StopToken& stop) {
    prices_ = &prices;
    clear();
    const std::size_t classes = tree_.classes.size();
    // What must be in: the option that gains most at the prices, or else the lightest that fits.
    for (std::size_t c = 0; c < classes; ++c) {
        if (!open(c)) continue;
        std::vector<std::size_t> order(tree_.classes[c].options.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return prices.gain(c, a) > prices.gain(c, b);
        });
        for (const std::size_t o : order)
            if (open(c)) move(c, o);
        if (open(c) || stop.expired(100)) return false;
    }
    if (follow) {
        std::vector<std::size_t> order(classes);
        std::vector<double> gain(classes);
        for (std::size_t c = 0; c < classes; ++c) {
            order[c] = c;
            gain[c] = prices.gain(c, prices.best()[c]);
        }
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return gain[a] > gain[b]; });
        for (const std::size_t c : order) {
            if (tired() || stop.expired(100)) break;
            if (chosen_[c] == prices.best()[c]) continue;
            const std::int64_t before = value_;
            if (move(c, prices.best()[c]) && value_ < before && unmet_ == 0) take_back();
        }
    }
    fill_minima(prices, stop);
    fill(stop);
    undo_.clear();
    return unmet_ == 0 && forbidden_ == 0;
}

// Serve every minimum from the classes below it, the least loss at the prices per token first.
void Builder::fill_minima(const Prices& prices, StopToken& stop) {
    for (std::size_t s = tree_.nodes.size(); s-- > 1;) {
        if (tokens_[s] >= tree_.nodes[s].minimum) continue;
        struct Candidate {
            double gain;
            std::size_t klass;
            std::size_t option;
        };
        std::vector<Candidate> candidates;
        for (std::size_t c = 0; c < tree_.classes.size(); ++c) {
            std::size_t node = tree_.classes[c].node;
            while (node > s) node = tree_.nodes[node].parent;
            if (node != s) continue;
            for (std::size_t o = 0; o < tree_.classes[c].options.size(); ++o)
                if (tree_.classes[c].options[o].tokens > 0)
                    candidates.push_back(
                        {prices.gain(c, o) /
                             static_cast<double>(tree_.classes[c].options[o].tokens),
                         c, o});
        }
        std::stable_sort(candidates.begin(), candidates.end(),
                         [](const Candidate& a, const Candidate& b) { return a.gain > b.gain; });
        for (const Candidate& candidate : candidates) {
            if (tokens_[s] >= tree_.nodes[s].minimum || tired() || stop.expired(100)) break;
            const std::int64_t before = tokens_[s];
            if (chosen_[candidate.klass] != candidate.option &&
                move(candidate.klass, candidate.option) && tokens_[s] <= before)
                take_back();
        }
    }
}

void Builder::fill(StopToken& stop) {
    struct Candidate {
        double density;
        std::size_t klass;
        std::size_t option;
        bool operator<(const Candidate& other) const {
            if (density != other.density) return density < other.density;
            if (klass != other.klass) return klass > other.klass;
            return option > other.option;
        }
    };
    const bool had_minima = unmet_ == 0;
    std::priority_queue<Candidate> queue;
    std::vector<Candidate> many;
    const auto offer = [&](std::size_t c) {
        const bool few = tree_.classes[c].options.size() <= kManyOptions;
        many.clear();
        const TreeOption& now = tree_.classes[c].options[chosen_[c]];
        for (std::size_t o = 0; o < tree_.classes[c].options.size(); ++o) {
            if (o == chosen_[c]) continue;
            const TreeOption& option = tree_.classes[c].options[o];
            const std::int64_t room = tree_.nodes[0].maximum - tokens_[0];
            if (option.tokens - now.tokens > room) continue;
            std::int64_t hope = option.value - now.value;
            for (const Literal literal : option.literals)
                for (const std::size_t k : counts_of_[literal])
                    if (tally_[k] == 0) hope += tree_.counts[k].one;
            if (hope <= 0) continue;
            const Candidate candidate{density(hope, option.tokens - now.tokens), c, o};
            if (few)
                queue.push(candidate);
            else
                many.push_back(candidate);
        }
        const std::size_t best = std::min(kOffers, many.size());
        std::partial_sort(many.begin(), many.begin() + static_cast<std::ptrdiff_t>(best),
                          many.end(), [](const Candidate& a, const Candidate& b) { return b < a; });
        for (std::size_t k = 0; k < best; ++k) queue.push(many[k]);
    };
    for (std::size_t c = 0; c < tree_.classes.size(); ++c) offer(c);
    while (!queue.empty() && !tired() && !stop.expired(200)) {
        const Candidate top = queue.top();
        queue.pop();
        if (chosen_[top.klass] == top.option) continue;
        const std::int64_t value = value_;
        const std::int64_t tokens = tokens_[0];
        if (tree_.classes[top.klass].options[top.option].tokens -
                tree_.classes[top.klass].options[chosen_[top.klass]].tokens >
            tree_.nodes[0].maximum - tokens)
            continue;
        if (!move(top.klass, top.option)) continue;
        const double now = density(value_ - value, tokens_[0] - tokens);
        if (value_ <= value || (had_minima && unmet_ > 0)) {
            take_back();
        } else if (!queue.empty() && now < queue.top().density * (1 - 1e-12)) {
            take_back();
            queue.push({now, top.klass, top.option});
        } else {
            const std::vector<Undo> moved = undo_;
            for (const Undo& undo : moved) offer(undo.klass);
        }
    }
}

}  // namespace ctxmem
