// A greedy selection: the candidate with the most value per token of its present cost comes first
// (Dantzig, Discrete-variable extremum problems, 1957).
//
// A candidate is a unit, or a bundle, together with all units that it needs and that are not kept
// yet; its cost and its value are the sums. So the first unit that needs another pays for it. First
// come required units, then the minima of sections, then the best. The fill is repeated with each of
// a few large units first, which may not find room later, and in small problems without each unit
// that it took, since that may leave room for better ones.
//
// O(n log n) in the candidates, times the closure of a unit. A closure of more than kLongClosure
// units is tried only when part of it is kept, or at the end: chains of n needs then stay linear.
#pragma once
#include <cstdint>
#include <vector>

#include "core/solver/window_duplicates.hpp"
#include "core/solver/window_problem.hpp"
#include "core/support/stop_token.hpp"

namespace ctxmem {

class GreedyFill {
public:
    GreedyFill(WindowProblem& problem, StopToken& stop);

    // The best of the greedy selection and its variations; `bound` and `total` are not set.
    SelectionResult best();

    // The selection of these units, if it keeps all limits and folds nothing; else a result with
    // another outcome.
    SelectionResult exactly(const std::vector<std::uint32_t>& units);

private:
    struct Next {
        double density;
        std::uint32_t node;
        bool operator<(const Next& other) const {
            return density != other.density ? density < other.density : node > other.node;
        }
    };
    // A node and the units that have to be taken with it.
    struct Choice {
        std::vector<std::uint32_t> units;  // ascending
        std::int64_t cost = 0;             // headers of sections included
        double value = 0;
        bool possible = true;
        bool too_long = false;  // its closure was not followed to the end
        bool blocked = false;   // another option of one of its chunks is kept
        double density() const { return value / static_cast<double>(cost > 1 ? cost : 1); }
    };
    enum class Step { taken, refused, folded };

    void reset();
    SelectionResult run(std::int64_t seed = -1);
    bool improve(SelectionResult& best, std::uint32_t seed);
    void leave_out(SelectionResult& best);
    bool take_required();
    bool take_required_bundles();
    bool take_bundle(std::size_t bundle);
    void take_needs_of_required();
    bool fill_minima();
    void take_best(double min_density, std::int32_t section);
    void take_long_closures();
    void take_fillers();
    void take_adjacent_fillers();
    bool all_content_shown() const;
    void take_rest(std::size_t text);
    void take_labels();
    bool take_with_needs(const std::vector<std::uint32_t>& units);
    bool take_if_it_fits();
    bool is_filler(std::size_t s) const;
    bool fills(std::size_t s) const;

    bool candidate(std::uint32_t node) const;
    bool in_section(std::uint32_t node, std::int32_t section) const;
    void choose(std::uint32_t node, Choice& choice);
    void price(Choice& choice);
    void close(std::uint32_t node, Choice& choice, bool extend);
    bool satisfied(std::size_t bundle) const;
    bool introduces(std::size_t s) const;
    bool dangles(std::size_t s) const { return problem_.has(s, kLeadIn) && !introduces(s); }
    std::size_t first_below(std::size_t s) const;
    std::size_t first_introduced(std::size_t s) const;
    bool fits(const Choice& choice) const;
    Step consider(std::uint32_t node, double key);
    void take(std::size_t s);
    void note_price(double density);
    void note_repetition(std::uint32_t unit, const WindowDuplicates::Match& match, double loss,
                         double loss_of_match);
    void discount_repeats(const Choice& choice, std::uint32_t root);
    bool all_fit(const SelectionResult& result) const;
    void take_all(const Choice& choice);
    void open_section(std::int32_t section);
    void requeue(const std::vector<std::uint32_t>& taken);
    void push(std::uint32_t node);

    bool kept(std::size_t s, std::size_t other) const {
        return problem_.together(s, other) && out_.kept[other];
    }
    std::vector<std::uint32_t> seeds(double value);

    WindowProblem& problem_;
    const SelectionInput& in_;
    StopToken& stop_;
    WindowDuplicates duplicates_;
    std::size_t n_;

    // The window being filled.
    SelectionResult out_;
    std::vector<double> value_;          // of each unit, reduced for versions of kept units
    std::vector<std::uint8_t> version_;  // its value is already reduced
    std::vector<int> runs_;              // of each text
    std::vector<std::int64_t> section_spent_;
    std::vector<std::uint8_t> open_;         // of each section: its header is paid
    std::vector<std::int32_t> option_;       // of each option set, -1 if none is taken
    std::vector<std::uint32_t> missing_;     // of each bundle: members that are not kept
    std::vector<std::uint32_t> roots_;       // nodes taken by themselves
    std::vector<std::uint32_t> best_roots_;  // those of the best selection
    double largest_refused_ = 0;             // the most value of a candidate without room
    bool blocked_ = false;                   // a candidate was blocked by an option
    std::vector<Next> refused_;              // by value: large candidates without room
    std::vector<std::uint32_t> long_;        // candidates with a long closure

    // Which bundles a unit is in, and what requires a bundle.
    std::vector<std::uint32_t> bundle_of_first_, bundle_of_, asker_first_, askers_;

    std::vector<Next> heap_;
    Choice choice_;
    std::vector<std::uint32_t> stack_, seen_, requeued_;
    std::vector<std::int64_t> section_added_;
    std::vector<std::int32_t> choice_option_;  // of each option set in the present choice, or -1
    std::vector<std::uint32_t> choice_sets_;
    std::vector<std::int32_t> touched_, opened_;  // sections of the present choice
    std::uint32_t visits_ = 0;
    std::vector<std::uint8_t> banned_;
    bool may_split_ = true;  // a ring may be split if no unit fits with its whole ring
    bool split_rings_ = false;
    bool follow_long_ = false;
    bool shorter_ = false;   // requirements are satisfied by alternatives
    bool shortest_ = false;  // so are required bundles, by the shortest
};

}  // namespace ctxmem
