// What a packing whose items need each other costs, in basic blocks that were run: twice the items
// cost about twice as much; it would be four times if the cost grew with the square.
#include <cstdio>
#include <functional>
#include <random>

#include "block_count.hpp"
#include "check.hpp"
#include "core/solver/packing.hpp"

using namespace ctxmem;

namespace {

constexpr double kDoubled = 2.6;

using Needs = std::function<void(std::int64_t item, std::int64_t count, Problem& problem)>;

Problem needing(std::int64_t count, const Needs& needs) {
    std::mt19937_64 rng(static_cast<std::uint64_t>(count));
    Problem problem;
    problem.budget = 20 * count;
    for (std::int64_t i = 0; i < count; ++i) {
        problem.tokens.push_back(1 + static_cast<std::int64_t>(rng() % 100));
        problem.values.push_back(1 + static_cast<std::int64_t>(rng() % 1000));
        problem.starts.push_back(i + 1);
        problem.section.push_back(-1);
        problem.pin.push_back(Problem::kFree);
        needs(i, count, problem);
    }
    problem.covers.starts.assign(problem.tokens.size() + 1, 0);
    return problem;
}

double cost(std::int64_t count, const Needs& needs) {
    const Problem problem = needing(count, needs);
    StopToken stop;
    Solution solution;
    const double spent = blocks_of([&] { solution = solve_packing(problem, {}, stop); });
    CHECK(solution.status == Status::kOptimal);
    return spent;
}

}  // namespace

int main() {
    const auto add = [](Problem& problem, std::int64_t item, std::int64_t needed) {
        problem.needs.insert(problem.needs.end(), {item, needed});
    };
    const Needs chain = [&](std::int64_t i, std::int64_t count, Problem& problem) {
        if (i + 1 < count) add(problem, i, i + 1);
    };
    const Needs cycle = [&](std::int64_t i, std::int64_t count, Problem& problem) {
        add(problem, i, (i + 1) % count);
    };
    std::mt19937_64 rng(0);
    const Needs many = [&](std::int64_t i, std::int64_t count, Problem& problem) {
        for (int k = 0; k < 30; ++k)
            add(problem, i, static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(count)));
    };
    int dear = 0;
    for (const Needs& needs : {chain, cycle, many}) {
        const double factor = cost(20'000, needs) / cost(10'000, needs);
        std::printf("x%.2f\n", factor);
        dear += factor > kDoubled;
    }
    CHECK(dear == 0);
    return 0;
}
