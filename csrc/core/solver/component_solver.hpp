// The optimum of a selection problem that falls into small independent parts.
//
// Texts, needs, requirements and options join units into components. If each has few candidates, all
// selections of a component are enumerated with their true cost, and those that are neither
// dominated nor too large become the options of one class; the classes are solved by
// solver/packing.hpp with sections and their headers. Folds are ignored: they only lower a value, so
// the bound holds, and a selection that folds is not used. Units without content are no candidates;
// they are added where they join two runs and so cost less than the gap.
//
// Where a component spans several sections, the whole problem is one component: its selections are
// searched depth first, pruned by value and by tokens (branch and bound; Land and Doig 1960). At
// most kMostSelections selections are enumerated in all, and kMostNodes searched.
#pragma once
#include <cstdint>
#include <vector>

#include "core/solver/packing.hpp"
#include "core/solver/window_problem.hpp"
#include "core/support/stop_token.hpp"

namespace ctxmem {

class ComponentSolver {
public:
    explicit ComponentSolver(const WindowProblem& problem);

    // Whether every component is small.
    bool small() const { return small_; }

    struct Result {
        bool found = false;
        std::vector<std::uint32_t> units;  // ascending
        double bound = 0;                  // no selection has a higher value
    };
    // With `cheap`, runs cost what counts of joined text may save: the bound then holds for
    // rendered text.
    Result solve(std::int64_t limit, bool cheap, StopToken& stop) const;

private:
    struct Component {
        std::vector<std::uint32_t> candidates, units;  // ascending
        std::vector<std::uint64_t> closure;            // of each candidate: a bit for each unit
        std::uint64_t required = 0;
        std::vector<std::uint32_t> bundles;  // that must be shown
        std::int32_t section = -1;
    };
    struct Option {
        std::int64_t cost;
        double value;
        std::uint64_t units;  // a bit for each unit of the component
    };

    void find_components();
    bool find_closures(Component& component) const;
    bool add_closure(std::size_t node, const Component& component, std::uint64_t& units) const;
    bool satisfied(const Component& component, std::size_t bundle, std::uint64_t units) const;
    bool valid(const Component& component, std::uint64_t units) const;
    std::int64_t cost(const Component& component, std::uint64_t units, bool cheap) const;
    std::uint64_t with_fillers(const Component& component, std::uint64_t units, bool cheap) const;
    std::vector<Option> options(const Component& component, std::int64_t limit, bool cheap) const;
    void join_all();
    struct Search;
    Result search(std::int64_t limit, bool cheap, StopToken& stop) const;
    void descend(Search& search, std::size_t at, std::uint64_t units, double value) const;
    std::int64_t total_cost(const Component& component, std::uint64_t units, bool cheap) const;
    void add_units(const Component& component, std::uint64_t units,
                   std::vector<std::uint32_t>& list) const;
    double value_of(const Component& component, std::uint64_t units) const;
    bool conflict(const Component& component, std::uint64_t units) const;
    std::size_t index(const Component& component, std::size_t unit) const;

    const WindowProblem& problem_;
    const SelectionInput& in_;
    std::vector<Component> components_;
    bool small_ = true;
    bool joined_ = false;  // one component, for search()
};

}  // namespace ctxmem
