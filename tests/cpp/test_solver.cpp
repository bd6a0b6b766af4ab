// The solver core without Python, under ASan and UBSan: against brute force, and at the limits.
#undef NDEBUG
#include <algorithm>
#include <cassert>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/solver/packing.hpp"
#include "fuzz/solver_oracle.hpp"

using namespace ctxmem;
using namespace fuzz;

namespace {

Instance random_instance(std::mt19937_64& rng, int classes, std::int64_t top_tokens,
                         std::int64_t top_value, std::int64_t budget) {
    Instance instance;
    instance.budget = budget;
    for (int c = 0; c < classes; ++c) {
        for (auto o = rng() % 4; o > 0; --o) {
            instance.tokens.push_back(static_cast<std::int64_t>(rng() % top_tokens));
            instance.values.push_back(static_cast<std::int64_t>(rng() % top_value));
        }
        instance.starts.push_back(static_cast<std::int64_t>(instance.tokens.size()));
        instance.mandatory.push_back(rng() % 8 == 0);
    }
    return instance;
}

void equals_brute_force() {
    std::mt19937_64 rng(1);
    for (int i = 0; i < 2000; ++i) {
        const Instance in = random_instance(rng, static_cast<int>(rng() % 7), 20, 20,
                                            static_cast<std::int64_t>(rng() % 60));
        const Packing packing = in.solve();
        const std::int64_t expected = brute_force(in, 0, in.budget);
        assert((packing.status == Status::kInfeasible) == (expected < 0));
        if (expected < 0) continue;
        assert(packing.status == Status::kOptimal);
        assert(packing.value == expected && packing.upper_bound == expected);
    }
}

void holds_at_the_limits() {
    std::mt19937_64 rng(2);
    for (const int bits : {10, 24, 31, 40})
        for (const int value_bits : {1, 20, 40, 50}) {
            const Instance in =
                random_instance(rng, 500, std::int64_t{1} << bits, std::int64_t{1} << value_bits,
                                std::int64_t{1} << 31);
            const Packing packing = in.solve({2000, 0}, 1.0);
            if (packing.status != Status::kInfeasible) assert(packing.value <= packing.upper_bound);
        }
}

// --- packings with every constraint kind ---

Lists lists_of(const std::vector<std::vector<std::int64_t>>& nested) {
    Lists lists;
    for (const auto& list : nested) {
        lists.members.insert(lists.members.end(), list.begin(), list.end());
        lists.starts.push_back(static_cast<std::int64_t>(lists.members.size()));
    }
    return lists;
}

Problem random_problem(std::mt19937_64& rng, int count, std::int64_t top, std::int64_t scale) {
    const auto draw = [&](std::int64_t n) {
        return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
    };
    Problem p;
    p.separator = draw(3);
    const std::int64_t sections = draw(4);
    for (std::int64_t s = 0; s < sections; ++s) {
        p.parent.push_back(draw(s + 1) - 1);
        p.minimum.push_back(draw(3) == 0 ? draw(2 * top) : 0);
        p.maximum.push_back(draw(6 * top));
        p.header.push_back(draw(2) * draw(top));
    }
    const std::int64_t concepts = draw(2) * 4;
    for (std::int64_t k = 0; k < concepts; ++k) p.concepts.push_back(draw(2 * top) * scale);
    std::vector<std::vector<std::int64_t>> covers;
    for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t o = draw(4); o > 0; --o) {
            p.tokens.push_back(1 + draw(top));
            p.values.push_back((draw(3 * top) - draw(2) * top) * scale);
            covers.push_back({});
            for (std::int64_t k = 0; k < concepts; ++k)
                if (draw(3) == 0) covers.back().push_back(k);
        }
        p.starts.push_back(static_cast<std::int64_t>(p.tokens.size()));
        p.section.push_back(draw(sections + 1) - 1);
        const std::int64_t options = p.starts[p.starts.size() - 1] - p.starts[p.starts.size() - 2];
        p.pin.push_back(draw(10) == 0 ? draw(options + 1) - 1 : Problem::kFree);
        for (std::int64_t j = 0; j < count; ++j)
            if (draw(8) == 0) p.needs.insert(p.needs.end(), {i, j});
        for (std::int64_t j = 0; j < i; ++j)
            if (draw(5) == 0) p.redundancy.insert(p.redundancy.end(), {j, i, draw(top) * scale});
    }
    p.covers = lists_of(covers);
    if (count > 3 && draw(2) == 0) p.groups = lists_of({{0, 2}, {1, 3}});
    if (count > 2 && draw(3) == 0) p.together = lists_of({{1, 2}, {}});
    if (draw(3) == 0)
        for (std::int64_t i = 0; i < count; ++i) {
            p.prefix.push_back(count - 1 - i);
            p.bonus.push_back(draw(top) * scale);
        }
    p.budget = draw(top * (count + 1) + 1);
    return p;
}

void packings_equal_brute_force() {
    std::mt19937_64 rng(3);
    for (int i = 0; i < 3000; ++i) {
        const std::int64_t scale = i % 3 == 0 ? std::int64_t{1} << 33 : 1;
        const Problem p = random_problem(rng, static_cast<int>(rng() % 6), 12, scale);
        std::vector<std::int32_t> chosen(p.items(), -1);
        const std::int64_t expected = best_of(p, chosen, 0);
        StopToken stop;
        const Solution solution = solve_packing(p, {}, stop);
        assert((solution.status == Status::kInfeasible) == (expected == kForbidden));
        if (expected == kForbidden) continue;
        assert(solution.status == Status::kOptimal && solution.found);
        assert(solution.value == expected && evaluate(p, solution.chosen) == expected);
    }
}

void packings_hold_at_the_limits() {
    std::mt19937_64 rng(4);
    for (const int bits : {3, 20, 30, 39})
        for (const int value_bits : {0, 20, 36}) {
            Problem p = random_problem(rng, 40, std::int64_t{1} << bits,
                                       (std::int64_t{1} << value_bits) >> std::max(0, bits - 4));
            p.budget = std::min(p.budget, std::int64_t{1} << 31);
            StopToken stop(Deadline::after(1.0));
            const Solution solution = solve_packing(p, {500, 0}, stop);
            if (!solution.found) continue;
            assert(evaluate(p, solution.chosen) == solution.value);
            assert(solution.value <= solution.upper_bound);
        }
}

void nonsense_is_refused() {
    std::mt19937_64 rng(5);
    const auto refused = [](const Problem& p) {
        try {
            StopToken stop;
            solve_packing(p, {}, stop);
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    Problem p = random_problem(rng, 5, 10, 1);
    assert(!refused(p));
    Problem q = p;
    q.needs = {0, 99};
    assert(refused(q));
    q = p;
    q.parent = {1, 0};
    q.minimum = q.header = {0, 0};
    q.maximum = {9, 9};
    assert(refused(q));
    q = p;
    q.values.assign(q.values.size(), std::int64_t{1} << 58);
    q.redundancy = {0, 1, std::int64_t{1} << 60};
    assert(refused(q));
    q = p;
    q.starts.back() += 1;
    assert(refused(q));
}

// --- arrays that no caller should give ---

constexpr std::int64_t kOdd[] = {0,
                                 1,
                                 -1,
                                 -2,
                                 -3,
                                 7,
                                 std::int64_t{1} << 31,
                                 (std::int64_t{1} << 31) + 1,
                                 std::int64_t{1} << 40,
                                 std::int64_t{1} << 58,
                                 -(std::int64_t{1} << 58),
                                 std::int64_t{1} << 60,
                                 std::numeric_limits<std::int64_t>::max(),
                                 std::numeric_limits<std::int64_t>::min()};

void damage(std::mt19937_64& rng, std::vector<std::int64_t>& numbers) {
    const std::size_t at = numbers.empty() ? 0 : rng() % numbers.size();
    const std::int64_t odd = kOdd[rng() % std::size(kOdd)];
    switch (rng() % 5) {
        case 0: numbers.push_back(odd); break;
        case 1:
            if (!numbers.empty()) numbers.pop_back();
            break;
        case 2:
            if (!numbers.empty()) std::swap(numbers[at], numbers.back());
            break;
        case 3:
            if (!numbers.empty()) numbers.assign(1, odd);
            break;
        default:
            if (!numbers.empty()) numbers[at] = odd;
    }
}

void crafted_classes_are_refused_or_solved() {
    std::mt19937_64 rng(6);
    int refused = 0;
    for (int i = 0; i < 20000; ++i) {
        Instance in = random_instance(rng, static_cast<int>(rng() % 6), 20, 20, 40);
        for (std::uint64_t k = rng() % 3; k > 0; --k) {
            std::vector<std::int64_t>* const arrays[] = {&in.starts, &in.tokens, &in.values};
            damage(rng, *arrays[rng() % 3]);
        }
        if (rng() % 4 == 0) in.budget = kOdd[rng() % std::size(kOdd)];
        // What a binding checks: the sizes of the arrays.
        if (in.starts.size() != in.mandatory.size() + 1 || in.tokens.size() != in.values.size() ||
            in.starts.back() != static_cast<std::int64_t>(in.tokens.size()))
            continue;
        try {
            const Packing packing = in.solve({1 + rng() % 50, 0}, 0.05);
            if (packing.status != Status::kInfeasible) assert(packing.value <= packing.upper_bound);
        } catch (const std::invalid_argument&) {
            ++refused;
        }
    }
    assert(refused > 1000);
}

void crafted_problems_are_refused_or_solved() {
    std::mt19937_64 rng(7);
    int refused = 0, solved = 0;
    for (int i = 0; i < 30000; ++i) {
        Problem p = random_problem(rng, static_cast<int>(rng() % 6), 12, 1);
        std::vector<std::int64_t>* const arrays[] = {&p.starts,
                                                     &p.tokens,
                                                     &p.values,
                                                     &p.section,
                                                     &p.pin,
                                                     &p.needs,
                                                     &p.groups.starts,
                                                     &p.groups.members,
                                                     &p.together.starts,
                                                     &p.together.members,
                                                     &p.parent,
                                                     &p.minimum,
                                                     &p.maximum,
                                                     &p.header,
                                                     &p.redundancy,
                                                     &p.concepts,
                                                     &p.covers.starts,
                                                     &p.covers.members,
                                                     &p.prefix,
                                                     &p.bonus};
        for (std::uint64_t k = 1 + rng() % 2; k > 0; --k)
            damage(rng, *arrays[rng() % std::size(arrays)]);
        if (rng() % 8 == 0) p.budget = kOdd[rng() % std::size(kOdd)];
        if (rng() % 8 == 0) p.separator = kOdd[rng() % std::size(kOdd)];
        try {
            if (p.starts.empty()) continue;  // a binding refuses that
            StopToken stop(Deadline::after(0.05));
            const Solution solution = solve_packing(p, {1 + rng() % 50, 0}, stop);
            if (!solution.found) continue;
            assert(solution.value <= solution.upper_bound);
            for (std::size_t k = 0; k < p.items(); ++k)  // lists may name an item twice: no values
                assert(solution.chosen[k] >= -1 &&
                       solution.chosen[k] < p.starts[k + 1] - p.starts[k]);
            ++solved;
        } catch (const std::invalid_argument&) {
            ++refused;
        }
    }
    assert(refused > 1000 && solved > 1000);
}

// --- needs ---

// Items that need one another: each one the next, in a chain or a cycle, or `many` random ones.
Problem needing(std::mt19937_64& rng, std::size_t count, std::size_t many, bool cycle) {
    Problem p;
    for (std::size_t i = 0; i < count; ++i) {
        p.tokens.push_back(1 + static_cast<std::int64_t>(rng() % 100));
        p.values.push_back(1 + static_cast<std::int64_t>(rng() % 1000));
        p.starts.push_back(static_cast<std::int64_t>(i + 1));
        for (std::size_t k = 0; k < many; ++k) {
            const std::size_t to = many > 1 ? rng() % count : i + 1;
            if (to < count || cycle)
                p.needs.insert(p.needs.end(), {static_cast<std::int64_t>(i),
                                               static_cast<std::int64_t>(to % count)});
        }
    }
    p.covers.starts.assign(count + 1, 0);
    p.section.assign(count, -1);
    p.pin.assign(count, Problem::kFree);
    p.budget = static_cast<std::int64_t>(20 * count);
    return p;
}

void long_chains_and_cycles_are_solved() {
    std::mt19937_64 rng(8);
    const auto solve = [](const Problem& p) {
        StopToken stop;
        const Solution solution = solve_packing(p, {}, stop);
        assert(solution.status == Status::kOptimal);
        assert(evaluate(p, solution.chosen) == solution.value);
        return solution.value;
    };
    const Problem chain = needing(rng, 3000, 1, false);
    std::int64_t best = 0, value = 0, tokens = 0;  // the best end of the chain that fits
    for (std::size_t i = chain.items(); i-- > 0;) {
        tokens += chain.tokens[i];
        value += chain.values[i];
        if (tokens <= chain.budget) best = std::max(best, value);
    }
    assert(solve(chain) == best);
    Problem cycle = needing(rng, 3000, 1, true);
    assert(solve(cycle) == 0);
    cycle.budget = std::int64_t{1} << 31;
    assert(solve(cycle) > 0);
    assert(solve(needing(rng, 500, 30, true)) >= 0);
}

// --- quotas ---

void a_quota_ends_work_in_its_scope() {
    StopToken stop;
    assert(!stop.expired(1000));
    {
        const StopToken::Quota outer(stop, 100);
        assert(!stop.expired(100));
        {
            const StopToken::Quota wider(stop, 1000);  // ends where the outer one does
            assert(stop.expired(1));
        }
        assert(stop.expired(0));
    }
    assert(!stop.expired(1000));
}

// With less work the same choice at every run, never a false bound, and the optimum with
// enough.
void a_quota_leaves_a_good_choice_and_a_true_bound() {
    std::mt19937_64 rng(11);
    int proved = 0, open = 0;
    for (int i = 0; i < 300; ++i) {
        const Problem p = random_problem(rng, 14, 40, 1);
        StopToken free;
        const Solution best = solve_packing(p, {}, free);
        for (const std::uint64_t units : {0u, 1000u, 50'000u, 1u << 30}) {
            const auto within = [&] {
                StopToken stop;
                const StopToken::Quota quota(stop, units);
                return solve_packing(p, {}, stop);
            };
            const Solution one = within(), two = within();
            assert(one.chosen == two.chosen && one.upper_bound == two.upper_bound);
            if (!one.found) continue;
            assert(evaluate(p, one.chosen) == one.value && one.value <= best.value);
            assert(one.upper_bound >= best.value);
            ++(one.status == Status::kOptimal ? proved : open);
            if (units == 1u << 30) assert(one.value == best.value);
        }
    }
    assert(proved > 50 && open > 10);
}

}  // namespace

int main() {
    a_quota_ends_work_in_its_scope();
    a_quota_leaves_a_good_choice_and_a_true_bound();
    equals_brute_force();
    holds_at_the_limits();
    packings_equal_brute_force();
    packings_hold_at_the_limits();
    nonsense_is_refused();
    crafted_classes_are_refused_or_solved();
    crafted_problems_are_refused_or_solved();
    long_chains_and_cycles_are_solved();
}
