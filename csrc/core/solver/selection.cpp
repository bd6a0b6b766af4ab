#include "core/solver/selection.hpp"

#include <algorithm>
#include <limits>

#include "core/solver/component_solver.hpp"
#include "core/solver/greedy_fill.hpp"
#include "core/solver/tree_bound.hpp"
#include "core/solver/window_problem.hpp"

namespace ctxmem {

SelectionResult select(const SelectionInput& input, StopToken& stop) {
    WindowProblem problem(input);
    GreedyFill fill(problem, stop);
    SelectionResult best = fill.best();
    const ComponentSolver exact(problem);
    const auto net = [&](const SelectionResult& result) {
        return result.value - input.min_density * static_cast<double>(result.spent);
    };
    ComponentSolver::Result found;
    if (exact.small()) {
        found = exact.solve(input.limit, false, stop);
        if (found.found) {
            SelectionResult other = fill.exactly(found.units);
            if (other.outcome == Outcome::found &&
                (best.outcome != Outcome::found || net(other) > net(best))) {
                other.price = best.price;
                other.section_prices = best.section_prices;
                best = std::move(other);
            }
        }
    }
    best.total = problem.total();
    best.bound = std::numeric_limits<double>::infinity();
    if (best.outcome != Outcome::found || !input.bounded) return best;
    TreeBound tree(problem, best.repetitions, stop);
    best.bound = tree.at(input.limit, best.value);
    if (exact.small() && input.min_density == 0) {
        if (input.joint > 0 || input.joint_whole > 0)
            found = exact.solve(input.limit, true, stop);  // the bound holds for rendered text
        best.bound = std::min(best.bound, std::max(best.value, found.bound));
    }
    return best;
}

}  // namespace ctxmem
