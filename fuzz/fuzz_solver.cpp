// The solver on small problems: the value is that of the choice, and trying everything finds no
// better one. The first byte chooses the knapsack, a packing with every kind of constraint, or arrays
// with numbers that no caller should give, which are refused or solved.
#include <stdexcept>

#include "fuzz/solver_oracle.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace ctxmem;
using fuzz::Input;
using fuzz::Instance;

void knapsack(Input& input) {
    Instance instance;
    const std::int64_t top = 1 + input.byte();
    for (int classes = input.byte() % 7; classes > 0; --classes) {
        for (int options = input.byte() % 4; options > 0; --options) {
            instance.tokens.push_back(input.below(top));
            instance.values.push_back(input.below(top));
        }
        instance.starts.push_back(static_cast<std::int64_t>(instance.tokens.size()));
        instance.mandatory.push_back(input.byte() % 8 == 0);
    }
    instance.budget = input.below(4 * top);
    const Packing packing = instance.solve();
    const std::int64_t best = fuzz::brute_force(instance, 0, instance.budget);
    LAW((packing.status == Status::kInfeasible) == (best < 0));
    if (best < 0) return;
    LAW(packing.status == Status::kOptimal);
    LAW(packing.value == best && packing.upper_bound == best);
    std::int64_t tokens = 0, value = 0;
    for (std::size_t c = 0; c < packing.chosen.size(); ++c) {
        LAW(packing.chosen[c] >= 0 || !instance.mandatory[c]);
        if (packing.chosen[c] < 0) continue;
        const auto at = static_cast<std::size_t>(instance.starts[c] + packing.chosen[c]);
        tokens += instance.tokens[at];
        value += instance.values[at];
    }
    LAW(tokens <= instance.budget && value == best);
    fuzz::note_all(packing.chosen);
    fuzz::note(packing.price);
}

Lists lists_of(const std::vector<std::vector<std::int64_t>>& nested) {
    Lists lists;
    for (const auto& list : nested) {
        lists.members.insert(lists.members.end(), list.begin(), list.end());
        lists.starts.push_back(static_cast<std::int64_t>(lists.members.size()));
    }
    return lists;
}

Problem problem_of(Input& input) {
    Problem p;
    const std::int64_t top = 1 + input.byte() % 24;
    const std::int64_t scale = input.byte() % 4 == 0 ? std::int64_t{1} << 33 : 1;
    const std::int64_t count = input.byte() % 6;
    p.separator = input.below(3);
    const std::int64_t sections = input.below(4);
    for (std::int64_t s = 0; s < sections; ++s) {
        p.parent.push_back(input.below(s + 1) - 1);
        p.minimum.push_back(input.byte() % 3 == 0 ? input.below(2 * top) : 0);
        p.maximum.push_back(input.below(6 * top));
        p.header.push_back(input.coin() ? input.below(top) : 0);
    }
    const std::int64_t concepts = input.coin() ? 3 : 0;
    for (std::int64_t k = 0; k < concepts; ++k)
        p.concepts.push_back(input.below(2 * top) * scale);
    std::vector<std::vector<std::int64_t>> covers;
    for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t o = input.below(4); o > 0; --o) {
            p.tokens.push_back(1 + input.below(top));
            p.values.push_back((input.below(4 * top) - top) * scale);
            covers.push_back({});
            const std::uint8_t covered = concepts > 0 ? input.byte() : 0;
            for (std::int64_t k = 0; k < concepts; ++k)
                if (covered >> k & 1) covers.back().push_back(k);
        }
        p.starts.push_back(static_cast<std::int64_t>(p.tokens.size()));
        p.section.push_back(input.below(sections + 1) - 1);
        const auto n = static_cast<std::size_t>(i);
        const std::int64_t options = p.starts[n + 1] - p.starts[n];
        p.pin.push_back(input.byte() % 10 == 0 ? input.below(options + 1) - 1 : Problem::kFree);
        std::uint8_t needs = input.byte();
        needs &= input.byte();  // a quarter of all pairs
        for (std::int64_t j = 0; j < count; ++j)
            if (needs >> j & 1) p.needs.insert(p.needs.end(), {i, j});
        std::uint8_t redundant = input.byte();
        redundant &= input.byte();
        for (std::int64_t j = 0; j < i; ++j)
            if (redundant >> j & 1)
                p.redundancy.insert(p.redundancy.end(), {j, i, input.below(top) * scale});
    }
    p.covers = lists_of(covers);
    if (count > 3 && input.coin()) p.groups = lists_of({{0, 2}, {1, 3}});
    if (count > 2 && input.coin()) p.together = lists_of({{1, 2}, {}});
    if (input.byte() % 3 == 0)
        for (std::int64_t i = 0; i < count; ++i) {
            p.prefix.push_back(count - 1 - i);
            p.bonus.push_back(input.below(top) * scale);
        }
    p.budget = input.below(top * (count + 1) + 1);
    return p;
}

void packing(Input& input) {
    const Problem p = problem_of(input);
    std::vector<std::int32_t> chosen(p.items(), -1);
    const std::int64_t best = fuzz::best_of(p, chosen, 0);
    StopToken stop;
    const Solution solution = solve_packing(p, {}, stop);
    LAW((solution.status == Status::kInfeasible) == (best == fuzz::kForbidden));
    if (best == fuzz::kForbidden) return;
    LAW(solution.status == Status::kOptimal && solution.found);
    LAW(solution.value == best && solution.upper_bound == best);
    LAW(fuzz::evaluate(p, solution.chosen) == best);
    fuzz::note_all(solution.chosen);
    fuzz::note(solution.price);
    fuzz::note_all(solution.prices);
    // Under a cap of states it may find less, and says what cannot be exceeded.
    const Solution capped = solve_packing(p, {1, 0}, stop);
    LAW(!capped.found || fuzz::evaluate(p, capped.chosen) == capped.value);
    LAW(capped.status == Status::kInfeasible || capped.upper_bound >= best);
}

void crafted(Input& input) {
    Problem p = problem_of(input);
    std::vector<std::int64_t>* const arrays[] = {
        &p.starts,         &p.tokens,         &p.values,        &p.section,
        &p.pin,            &p.needs,          &p.groups.starts, &p.groups.members,
        &p.together.starts, &p.together.members, &p.parent,     &p.minimum,
        &p.maximum,        &p.header,         &p.redundancy,    &p.concepts,
        &p.covers.starts,  &p.covers.members, &p.prefix,        &p.bonus};
    for (int changes = 1 + input.byte() % 3; changes > 0; --changes) {
        auto& numbers = *arrays[input.byte() % std::size(arrays)];
        const std::int64_t odd = input.odd();
        const auto at = static_cast<std::size_t>(
            input.below(static_cast<std::int64_t>(numbers.size())));
        if (numbers.empty() || input.byte() % 4 == 0)
            numbers.push_back(odd);
        else if (input.byte() % 4 == 0)
            numbers.pop_back();
        else
            numbers[at] = odd;
    }
    if (input.byte() % 8 == 0) p.budget = input.odd();
    if (input.byte() % 8 == 0) p.separator = input.odd();
    if (p.starts.empty()) return;  // a binding refuses that
    try {
        StopToken stop(Deadline::after(0.05));
        const Solution solution = solve_packing(p, {1 + input.byte() % 50u, 0}, stop);
        if (!solution.found) return;
        LAW(solution.value <= solution.upper_bound);
        for (std::size_t k = 0; k < p.items(); ++k)
            LAW(solution.chosen[k] >= -1 && solution.chosen[k] < p.starts[k + 1] - p.starts[k]);
    } catch (const std::invalid_argument&) {
        return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    switch (input.byte() % 4) {
        case 0: knapsack(input); break;
        case 1: crafted(input); break;
        default: packing(input);
    }
    return 0;
}
