#include "core/solver/knapsack.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "core/solver/frontier.hpp"
#include "core/solver/hull.hpp"
#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

constexpr std::int64_t kMaxTotal = std::int64_t{1} << 60;
constexpr std::int64_t kMaxBudget = std::int64_t{1} << 31;
// A table cell costs about a sixteenth of a partial packing.
constexpr double kCellsPerPartial = 16;
constexpr std::size_t kFirstCap = 8000;
constexpr std::size_t kCapGrowth = 8;
constexpr std::size_t kScouts = 1000;  // partial packings of a last look before the table

struct Option {
    std::int64_t tokens;  // beyond the lightest option of the class
    std::int64_t value;
    std::int32_t index;
};

// The Pareto options of every class; the first of each class has no tokens and no value.
struct Normal {
    std::vector<std::size_t> first;  // count + 1 entries
    std::vector<Option> options;
    std::int64_t base_value = 0;
    std::int64_t room = 0;   // what the lightest options leave of the budget
    std::int64_t total = 0;  // sum of the largest values: no packing has more
    std::int64_t grain = 0;  // every value is a multiple of it
    bool feasible = true;

    std::size_t count() const { return first.size() - 1; }
};

void check(const Classes& classes, std::int64_t budget) {
    if (budget < 0 || budget > kMaxBudget) throw std::invalid_argument("budget must be 0 to 2**31");
    if (classes.count > 0 && classes.starts[0] != 0)
        throw std::invalid_argument("starts must begin at 0");
    // All starts before any option is read: the last one is the number of options.
    if (!std::is_sorted(classes.starts, classes.starts + classes.count + 1))
        throw std::invalid_argument("starts must not descend");
    std::int64_t sum = 0;
    for (std::size_t c = 0; c < classes.count; ++c) {
        const std::int64_t begin = classes.starts[c];
        const std::int64_t end = classes.starts[c + 1];
        if (end - begin > std::numeric_limits<std::int32_t>::max())
            throw std::invalid_argument("a class may have 2**31 options at most");
        std::int64_t largest = 0;
        for (std::int64_t i = begin; i < end; ++i) {
            if (classes.tokens[i] < 0) throw std::invalid_argument("tokens must not be negative");
            if (classes.values[i] < -kMaxTotal || classes.values[i] > kMaxTotal)
                throw std::invalid_argument("values must be within 2**60");
            largest = std::max(largest, std::abs(classes.values[i]));
        }
        sum += largest;
        if (sum > kMaxTotal)
            throw std::invalid_argument(
                "the largest values of all classes must sum to 2**60 or less");
    }
}

// Append the Pareto options of one class to `out`, sorted; `scratch` holds its usable options.
void append_pareto(std::vector<Option>& scratch, std::vector<Option>& out) {
    std::sort(scratch.begin(), scratch.end(), [](const Option& a, const Option& b) {
        if (a.tokens != b.tokens) return a.tokens < b.tokens;
        if (a.value != b.value) return a.value > b.value;
        return a.index < b.index;
    });
    const std::size_t begin = out.size();
    for (const Option& option : scratch)
        if (out.size() == begin || option.value > out.back().value) out.push_back(option);
}

Normal normalise(const Classes& classes, std::int64_t budget) {
    Normal normal;
    normal.first.reserve(classes.count + 1);
    normal.first.push_back(0);
    const std::int64_t given = classes.count > 0 ? classes.starts[classes.count] : 0;
    normal.options.reserve(static_cast<std::size_t>(given) + classes.count);
    normal.room = budget;
    std::vector<Option> scratch;
    for (std::size_t c = 0; c < classes.count; ++c) {
        scratch.clear();
        if (!classes.mandatory[c]) scratch.push_back({0, 0, -1});
        for (std::int64_t i = classes.starts[c]; i < classes.starts[c + 1]; ++i)
            if (classes.tokens[i] <= budget)
                scratch.push_back({classes.tokens[i], classes.values[i],
                                   static_cast<std::int32_t>(i - classes.starts[c])});
        append_pareto(scratch, normal.options);
        const std::size_t begin = normal.first.back();
        if (normal.options.size() == begin) {
            normal.feasible = false;
            return normal;
        }
        const Option base = normal.options[begin];
        for (std::size_t i = begin; i < normal.options.size(); ++i) {
            normal.options[i].tokens -= base.tokens;
            normal.options[i].value -= base.value;
        }
        normal.room -= base.tokens;
        normal.base_value += base.value;
        normal.first.push_back(normal.options.size());
        if (normal.room < 0) {
            normal.feasible = false;
            return normal;
        }
    }
    // Options that no longer fit go, so that price * tokens stays below the total value.
    std::size_t kept = 0;
    for (std::size_t c = 0; c < classes.count; ++c) {
        const std::size_t begin = normal.first[c];
        normal.first[c] = kept;
        for (std::size_t i = begin; i < normal.first[c + 1]; ++i)
            if (normal.options[i].tokens <= normal.room) normal.options[kept++] = normal.options[i];
        normal.total += normal.options[kept - 1].value;
    }
    normal.first[classes.count] = kept;
    normal.options.resize(kept);
    // Room that no sum of tokens can fill is no room; it would only blur the bound.
    std::int64_t grain = 0;
    for (std::size_t i = 0; i < kept && (grain != 1 || normal.grain != 1); ++i) {
        grain = std::gcd(grain, normal.options[i].tokens);
        normal.grain = std::gcd(normal.grain, normal.options[i].value);
    }
    if (grain > 1) normal.room -= normal.room % grain;
    normal.grain = std::max<std::int64_t>(normal.grain, 1);
    return normal;
}

// The slopes of the upper concave hull of every class.
std::vector<Increment> hull_increments(const Normal& normal) {
    std::vector<Increment> increments;
    increments.reserve(normal.options.size());
    std::vector<std::size_t> hull;
    for (std::size_t c = 0; c < normal.count(); ++c) {
        const Option* options = &normal.options[normal.first[c]];
        append_hull(
            options, normal.first[c + 1] - normal.first[c],
            [&](std::size_t i) { return options[i].value; }, increments, hull);
    }
    return increments;
}

struct DenseOption {
    std::int64_t tokens;
    std::int64_t value;
    std::uint32_t option;
};

struct DenseClass {
    std::size_t begin;
    std::size_t end;
    std::uint32_t lightest;
    std::size_t klass;
};

// best[w] = the most value within w tokens, over a range of classes. The choice is recovered by
// halving the range: the best split of the room between the halves is found from their two tables.
template <class Int>
class Table {
public:
    Table(const std::vector<DenseClass>& classes, const std::vector<DenseOption>& options,
          StopToken& stop)
        : classes_(classes), options_(options), stop_(stop) {}

    bool solve(std::int64_t room, std::vector<std::size_t>& chosen) {
        return classes_.empty() || recover(0, classes_.size(), room, chosen);
    }

private:
    bool fill(std::size_t lo, std::size_t hi, std::int64_t room, std::vector<Int>& best) {
        best.assign(static_cast<std::size_t>(room) + 1, 0);
        for (std::size_t c = lo; c < hi; ++c) {
            from_ = best;
            for (std::size_t i = classes_[c].begin; i < classes_[c].end; ++i) {
                if (options_[i].tokens > room) continue;
                const auto tokens = static_cast<std::size_t>(options_[i].tokens);
                const std::size_t count = best.size() - tokens;
                const auto gain = static_cast<Int>(options_[i].value);
                if constexpr (sizeof(Int) == 4)
                    kernels().relax32(from_.data(), count, gain, best.data() + tokens);
                else
                    kernels().relax64(from_.data(), count, gain, best.data() + tokens);
                if (stop_.expired(count / 16 + 1)) return false;
            }
        }
        return true;
    }

    bool recover(std::size_t lo, std::size_t hi, std::int64_t room,
                 std::vector<std::size_t>& chosen) {
        if (hi - lo == 1) {
            const DenseClass& klass = classes_[lo];
            std::int64_t most = 0;
            chosen[klass.klass] = klass.lightest;
            for (std::size_t i = klass.begin; i < klass.end; ++i)
                if (options_[i].tokens <= room && options_[i].value > most) {
                    most = options_[i].value;
                    chosen[klass.klass] = options_[i].option;
                }
            return true;
        }
        const std::size_t middle = lo + (hi - lo) / 2;
        std::int64_t split = 0;
        {
            std::vector<Int> left;
            std::vector<Int> right;
            if (!fill(lo, middle, room, left) || !fill(middle, hi, room, right)) return false;
            Int most = -1;
            for (std::size_t w = 0; w < left.size(); ++w) {
                const Int value = left[w] + right[right.size() - 1 - w];
                if (value <= most) continue;
                most = value;
                split = static_cast<std::int64_t>(w);
            }
        }
        return recover(lo, middle, split, chosen) && recover(middle, hi, room - split, chosen);
    }

    const std::vector<DenseClass>& classes_;
    const std::vector<DenseOption>& options_;
    StopToken& stop_;
    std::vector<Int> from_;
};

class Search {
public:
    Search(const Normal& normal, const Limits& limits, StopToken& stop)
        : normal_(normal), limits_(limits), stop_(stop) {
        const auto bits = std::bit_width(static_cast<std::uint64_t>(normal.total));
        shift_ = std::clamp(60 - static_cast<int>(bits), 0, 40);
        std::vector<Increment> increments = hull_increments(normal);
        const double slope = critical_slope(increments, normal.room);
        price_ = static_cast<std::int64_t>(std::ceil(std::ldexp(slope, shift_)));
        price_all();
        // Rounding may have made the price slightly too low.
        for (std::int64_t step = 1; used_ > normal.room; step *= 2) {
            price_ += step;
            price_all();
        }
        bound_ = price_ * normal.room;
        for (std::size_t c = 0; c < normal.count(); ++c) bound_ += gain(normal.options[best_[c]]);
        upper_ = plain(bound_);
        chosen_ = best_;
        fill();
        value_ = 0;
        for (const std::size_t i : chosen_) value_ += normal.options[i].value;
    }

    void run() {
        std::int64_t depth = std::max<std::int64_t>(loss_of_next() / 128, 1);
        // A short frontier answers soon, if not for good; it grows only where it was too short.
        std::size_t cap = std::min(limits_.states, kFirstCap);
        while (!done()) {
            const std::int64_t full = loss_of_next();
            depth = std::min(depth, full);
            const Round round = enumerate(depth, full, cap, true);
            if (round == Round::kStopped) return;
            if (round == Round::kProved || (round == Round::kNothing && depth == full)) {
                upper_ = value_;
                return;
            }
            if (round == Round::kDense || (round == Round::kShortened && dense_fits(full))) {
                // Among so many near ties a short frontier often meets the bound by itself.
                const Round look = enumerate(full, full, std::min(cap, kScouts), false);
                if (look == Round::kProved) upper_ = value_;
                if (look == Round::kProved || look == Round::kStopped || done()) return;
                if (table(loss_of_next())) upper_ = value_;
                return;
            }
            if (round == Round::kShortened) {
                if (cap == limits_.states) return;
                cap = std::min(limits_.states, cap * kCapGrowth);
            } else {
                depth = depth > full / 4 ? full : depth * 4;
            }
        }
    }

    Packing packing() const {
        Packing packing;
        packing.value = normal_.base_value + value_;
        packing.upper_bound = normal_.base_value + upper_;
        packing.price = std::ldexp(static_cast<double>(price_), -shift_);
        packing.status = upper_ == value_ ? Status::kOptimal : Status::kGap;
        for (const std::size_t i : chosen_) packing.chosen.push_back(normal_.options[i].index);
        return packing;
    }

private:
    enum class Round : std::uint8_t { kProved, kNothing, kShortened, kDense, kStopped };

    struct Active {
        std::size_t begin;  // of its moves
        std::size_t end;
        double up;  // cheapest loss per token added
        double down;
        std::size_t klass;
    };

    std::int64_t gain(const Option& option) const {
        return (option.value << shift_) - price_ * option.tokens;
    }

    // The most value that a scaled bound leaves possible.
    std::int64_t plain(std::int64_t scaled) const {
        const std::int64_t value = scaled >> shift_;
        return value - value % normal_.grain;
    }

    // The best option of every class at the price; the lighter one of two equals.
    void price_all() {
        best_.resize(normal_.count());
        used_ = 0;
        for (std::size_t c = 0; c < normal_.count(); ++c) {
            std::size_t best = normal_.first[c];
            std::int64_t most = 0;
            for (std::size_t i = best + 1; i < normal_.first[c + 1]; ++i) {
                const std::int64_t g = gain(normal_.options[i]);
                if (g > most) {
                    most = g;
                    best = i;
                }
            }
            best_[c] = best;
            used_ += normal_.options[best].tokens;
        }
    }

    // Upgrade the chosen options into the empty room, the most value per token first.
    void fill() {
        struct Upgrade {
            double slope;
            std::size_t klass;
            std::size_t option;
        };
        std::int64_t room = normal_.room - used_;
        std::vector<Upgrade> upgrades;
        for (std::size_t c = 0; c < normal_.count(); ++c)
            for (std::size_t i = best_[c] + 1; i < normal_.first[c + 1]; ++i) {
                const std::int64_t tokens =
                    normal_.options[i].tokens - normal_.options[best_[c]].tokens;
                if (tokens > room) break;
                const std::int64_t value =
                    normal_.options[i].value - normal_.options[best_[c]].value;
                upgrades.push_back(
                    {static_cast<double>(value) / static_cast<double>(tokens), c, i});
            }
        std::sort(upgrades.begin(), upgrades.end(), [](const Upgrade& a, const Upgrade& b) {
            if (a.slope != b.slope) return a.slope > b.slope;
            return a.option < b.option;
        });
        for (const Upgrade& u : upgrades) {
            const std::int64_t tokens =
                normal_.options[u.option].tokens - normal_.options[best_[u.klass]].tokens;
            if (tokens > room || chosen_[u.klass] != best_[u.klass]) continue;
            chosen_[u.klass] = u.option;
            room -= tokens;
        }
    }

    // What the next better packing loses.
    std::int64_t loss_of_next() const { return bound_ - ((value_ + normal_.grain) << shift_); }

    bool done() const {
        const double gap = static_cast<double>(upper_ - value_);
        const double size = std::abs(static_cast<double>(normal_.base_value + upper_));
        return upper_ <= value_ || gap <= limits_.gap * size;
    }

    // The classes in which something other than the best option loses at most `depth`.
    void activate(std::int64_t depth) {
        moves_.clear();
        active_.clear();
        for (std::size_t c = 0; c < normal_.count(); ++c) {
            const Option& best = normal_.options[best_[c]];
            const std::int64_t most = gain(best);
            Active active{moves_.size(), 0, kNever, kNever, c};
            for (std::size_t i = normal_.first[c]; i < normal_.first[c + 1]; ++i) {
                const Option& option = normal_.options[i];
                const std::int64_t loss = most - gain(option);
                if (i == best_[c] || loss > depth) continue;
                if (moves_.size() == active.begin)
                    moves_.push_back({best.tokens, best.value << shift_, 0,
                                      static_cast<std::uint32_t>(best_[c])});
                moves_.push_back(
                    {option.tokens, option.value << shift_, loss, static_cast<std::uint32_t>(i)});
                const auto tokens = static_cast<double>(option.tokens - best.tokens);
                const double rate = static_cast<double>(loss) / std::abs(tokens);
                double& side = tokens > 0 ? active.up : active.down;
                side = std::min(side, rate);
            }
            active.end = moves_.size();
            if (active.end > active.begin) active_.push_back(active);
        }
        std::stable_sort(active_.begin(), active_.end(), [](const Active& a, const Active& b) {
            return std::min(a.up, a.down) < std::min(b.up, b.down);
        });
    }

    Round enumerate(std::int64_t depth, std::int64_t full, std::size_t cap, bool may_turn_dense) {
        activate(depth);
        std::vector<double> up(active_.size() + 1, kNever);
        std::vector<double> down(active_.size() + 1, kNever);
        std::int64_t heading = used_;
        for (std::size_t a = active_.size(); a-- > 0;) {
            up[a] = std::min(up[a + 1], active_[a].up);
            down[a] = std::min(down[a + 1], active_[a].down);
        }
        const Window window{0, normal_.room, static_cast<double>(price_)};
        Frontier frontier(depth, cap);
        for (std::size_t a = 0; a < active_.size(); ++a) {
            const Active& active = active_[a];
            heading -= moves_[active.begin].tokens;
            if (!frontier.extend(&moves_[active.begin], active.end - active.begin,
                                 {window, heading, up[a + 1], down[a + 1]}, stop_))
                return Round::kStopped;
            if (may_turn_dense && dense_is_cheaper(spent_ + frontier.work(), full))
                return Round::kDense;
        }
        spent_ += frontier.work();

        const Partial* winner = nullptr;
        std::int64_t least = kNoLoss;
        for (const Partial& p : frontier.partials()) {
            const std::int64_t loss = p.loss + price_ * (normal_.room - p.tokens - heading);
            if (loss >= least) continue;
            least = loss;
            winner = &p;
        }
        const bool proved = winner != nullptr && least < frontier.complete_below();
        if (winner != nullptr && ((bound_ - least) >> shift_) > value_) {
            chosen_ = best_;
            frontier.follow(winner->trail, [&](std::uint32_t i) { chosen_[class_of(i)] = i; });
            value_ = (bound_ - least) >> shift_;
        }
        const std::int64_t unseen = std::min(frontier.complete_below(), least);
        upper_ = std::max(value_, std::min(upper_, plain(bound_ - unseen)));
        if (proved) return Round::kProved;
        return frontier.shortened() ? Round::kShortened : Round::kNothing;
    }

    // --- the dense table over the classes that are still open at the full depth ---

    double dense_cells(std::int64_t full) {
        if (cells_ < 0) {
            std::vector<Move> moves;
            std::vector<Active> active;
            moves.swap(moves_);
            active.swap(active_);
            activate(full);
            cells_ =
                2.0 * static_cast<double>(moves_.size()) * static_cast<double>(normal_.room + 1);
            moves.swap(moves_);
            active.swap(active_);
        }
        return cells_;
    }
    bool dense_fits(std::int64_t full) {
        // Three rows of 64-bit numbers are in use at a time.
        const auto bytes = 3 * 8 * static_cast<std::uint64_t>(normal_.room + 1);
        return bytes <= kTableBytes && dense_cells(full) < stop_.deadline().left() * 2.5e8;
    }
    bool dense_is_cheaper(std::uint64_t work, std::int64_t full) {
        return work > 100000 && static_cast<double>(work) * kCellsPerPartial > dense_cells(full) &&
               dense_fits(full);
    }

    // Solve by table; false when the deadline has passed.
    bool table(std::int64_t full) {
        activate(full);
        std::int64_t room = normal_.room;
        std::int64_t total = 0;
        std::vector<DenseClass> dense;
        std::vector<DenseOption> options;
        for (const std::size_t i : best_) room -= normal_.options[i].tokens;
        for (const Active& active : active_) {
            // The lightest option that is still open is the base of the class; the others add to it.
            std::uint32_t lightest = moves_[active.begin].option;
            std::uint32_t largest = lightest;
            for (std::size_t m = active.begin; m < active.end; ++m) {
                lightest = std::min(lightest, moves_[m].option);
                largest = std::max(largest, moves_[m].option);
            }
            const Option& base = normal_.options[lightest];
            room += moves_[active.begin].tokens - base.tokens;
            total += normal_.options[largest].value - base.value;
            DenseClass klass{options.size(), 0, lightest, active.klass};
            for (std::size_t m = active.begin; m < active.end; ++m) {
                const Option& option = normal_.options[moves_[m].option];
                if (moves_[m].option != lightest)
                    options.push_back(
                        {option.tokens - base.tokens, option.value - base.value, moves_[m].option});
            }
            klass.end = options.size();
            dense.push_back(klass);
        }
        std::vector<std::size_t> chosen = best_;
        const bool small = total <= std::numeric_limits<std::int32_t>::max();
        const bool solved = small ? Table<std::int32_t>(dense, options, stop_).solve(room, chosen)
                                  : Table<std::int64_t>(dense, options, stop_).solve(room, chosen);
        if (!solved) return false;
        std::int64_t value = 0;
        for (const std::size_t i : chosen) value += normal_.options[i].value;
        // The table searches only what beats the known packing; finding nothing proves that one.
        if (value > value_) {
            value_ = value;
            chosen_ = std::move(chosen);
        }
        return true;
    }

    std::size_t class_of(std::size_t option) const {
        const auto after = std::upper_bound(normal_.first.begin(), normal_.first.end(), option);
        return static_cast<std::size_t>(after - normal_.first.begin()) - 1;
    }

    const Normal& normal_;
    const Limits limits_;
    StopToken& stop_;
    int shift_ = 0;
    std::int64_t price_ = 0;  // per token, scaled by 2^shift, as are the bound and all losses
    std::int64_t bound_ = 0;
    std::int64_t upper_ = 0;
    std::int64_t value_ = 0;
    std::int64_t used_ = 0;  // tokens of the best options
    std::uint64_t spent_ = 0;
    double cells_ = -1;
    std::vector<std::size_t> best_;    // per class, an index into the options
    std::vector<std::size_t> chosen_;  // the best packing known
    std::vector<Move> moves_;
    std::vector<Active> active_;
};

}  // namespace

Packing solve_knapsack(const Classes& classes, std::int64_t budget, const Limits& limits,
                       StopToken& stop) {
    check(classes, budget);
    const Normal normal = normalise(classes, budget);
    if (!normal.feasible) {
        Packing packing;
        packing.chosen.assign(classes.count, -1);
        return packing;
    }
    Search search(normal, {std::min(limits.states, kMostStates), limits.gap}, stop);
    search.run();
    return search.packing();
}

}  // namespace ctxmem
