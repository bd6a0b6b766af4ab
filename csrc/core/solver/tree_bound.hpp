// A value that no selection within the limit exceeds: a Lagrangian bound by dynamic programming.
//
// At a price per token every unit earns its value less the price of its tokens, and the budget is
// no constraint any more (Everett 1963; Fisher 1981). The needs of an outline form trees in text
// order, so the best selection of a text at that price is found in one pass from its end: a unit is
// taken, or it is skipped with all units below it; a run pays its overhead where it begins. Needs
// that fit into no tree, requirements of chunks, and pairs that exclude or repeat each other have
// multipliers. The bound is the least value over prices and multipliers, found by bisection and
// subgradient steps (Held, Wolfe and Crowder 1974). Where few large units compete for the room, it
// is lowered further by branch and bound on the unit that the price leaves undecided (Land and Doig
// 1960). Every value on the way is a bound, so the work may stop at any time; it is limited to
// kWork atoms.
//
// What is not modelled only raises the bound, as the minima of sections.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "core/solver/window_problem.hpp"
#include "core/support/stop_token.hpp"

namespace ctxmem {

class TreeBound {
public:
    TreeBound(const WindowProblem& problem, const std::vector<Repetition>& repetitions,
              StopToken& stop);

    // The bound for a limit of tokens; `value` is that of a known selection.
    double at(std::int64_t limit, double value);

private:
    // A run of units that are shown together or not at all.
    struct Atom {
        double value = 0;
        double tokens = 0;
        std::uint32_t after = 0;           // the first atom behind those below this one
        std::int64_t above = -1;           // the atom that it needs, in its tree
        std::uint32_t text = 0, unit = 0;  // its text, and the first of its units
        bool content = false;
        bool opens = false;           // shown only with a content atom below it
        std::uint32_t scope_end = 0;  // of the innermost such atom around it
        bool forced = false, excluded = false;
        double extra = 0;  // sum of the multipliers of its couplings
    };
    // x[a] <= x[b]; with `conflict`, `loss` is lost if both are taken.
    struct Coupling {
        std::uint32_t a, b;
        bool conflict;
        double loss;
        double multiplier = 0;
    };
    struct Text {
        std::uint32_t first, last;  // atoms
        double overhead;            // beyond that of a further run
        double again;
        std::int32_t section = -1;
        int forced = 0;  // number of atoms that must be taken
    };
    // Atoms whose choice is fixed on a branch, and the bound there.
    struct Branch {
        std::vector<std::pair<std::uint32_t, bool>> fixed;
        double bound = 0, price = 0;
        std::uint32_t undecided = 0;
    };

    void find_cover();
    void make_atoms();
    void add_text(std::size_t t);
    std::size_t group_end(std::size_t s, std::size_t last) const;
    void find_openers(std::size_t first);
    void nest(std::size_t first, std::size_t last, const std::vector<std::int64_t>& parent);
    void make_couplings(const std::vector<Repetition>& repetitions);
    void couple_bundles();
    void couple_chunks();
    void couple_options();
    void couple(std::uint32_t a, std::uint32_t b);
    void exclude(std::uint32_t a, std::uint32_t b, double loss);
    std::vector<std::uint32_t> atoms_of(std::size_t bundle) const;
    double evaluate(double price);
    double evaluate_text(const Text& text, double price);
    void trace(const Text& text);
    double profit_of(std::uint32_t i, double price) const;
    double behind(std::uint32_t i) const;
    void bisect(double low, double high, int steps);
    void descend();
    void step(double gap);
    void branch();
    bool solve(Branch& branch, double price);
    void fix(const Branch& branch);
    void release();
    double section_price(std::int32_t section) const;

    const WindowProblem& problem_;
    const SelectionInput& in_;
    StopToken& stop_;
    std::vector<Atom> atoms_;
    std::vector<Text> texts_;
    std::vector<std::uint32_t> atom_of_;  // of each unit
    std::vector<std::uint64_t> cover_;    // of each unit, with whole chunks; see find_cover
    std::vector<std::int64_t> sole_;      // the only candidate that contains a unit, or -1
    std::vector<std::pair<std::uint32_t, std::uint32_t>> open_needs_;  // needs outside trees
    std::vector<Coupling> couplings_;
    std::vector<double> section_multiplier_, section_tokens_;

    std::int64_t limit_ = 0;
    double value_ = 0;  // of the known selection, or of a better one that was found
    double least_ = 0, price_ = 0;
    double work_ = 0, most_work_ = 0;  // atoms visited
    double used_ = 0;                  // tokens of the selection that the last evaluation found
    double found_ = 0;                 // its value
    // The greatest profit of the atoms from each on, if the one before it is not taken or is taken;
    // with `must`, if a content atom has to be taken before the end of the scope.
    std::vector<double> alone_, joined_, must_alone_, must_joined_;
    std::vector<std::uint8_t> taken_;               // by the last evaluation
    std::vector<std::uint32_t> forced_, excluded_;  // by the branch that is solved
};

}  // namespace ctxmem
