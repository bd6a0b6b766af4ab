// The one selection problem of a window, and its solution.
//
// Items are the units of outlines (text/outline.hpp). A unit is shown with the units that it needs;
// a bundle is a set of units that is shown whole: a chunk that another one requires or, if whole
// chunks are selected, every chunk. An option set is a chunk with alternatives: its own units or
// one of its shorter texts is shown. Sections are parts of the window with limits and headers of
// their own. Adjacent units form a run, which pays its overhead (header or ellipsis, and separator)
// once. The value of a window is the sum of density times tokens of its units: the expected number
// of tokens of evidence.
//
//   window_problem.hpp    the columns, checked, with the value of each unit
//   greedy_fill.hpp       a good selection: the best unit with its needs first, and improvements
//   component_solver.hpp  the optimum where the problem falls into small parts
//   tree_bound.hpp        a value that no selection exceeds
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

struct SelectionInput {
    // Merged texts (without gaps) and their units: rows first[t] .. first[t + 1] of text t.
    std::span<const std::string_view> texts;
    std::span<const std::int64_t> first, start, end;  // offsets in code points
    std::span<const std::uint8_t> flags;              // SpanFlag
    std::span<const std::int32_t> need, also;         // units of any text, or kNoSpan
    std::span<const std::int64_t> tokens;             // of each unit, inside a run
    std::span<const double> density;                  // value per token of each unit, from 0
    std::span<const std::uint8_t> requirement;        // Requirement of each unit
    std::span<const std::int64_t> overhead;           // of the first run of each text, in tokens
    std::int64_t again = 0;                           // of each further run of a text, in tokens

    // Bundles: members first .. first + 1, a unit or n + (number of a bundle). A unit in
    // `required_bundle` (empty, or -1 for none) is shown only with that bundle. With `whole`, the
    // `candidates` are bundles and no unit is selected by itself; `need` and `also` then only
    // give values to labels.
    std::span<const std::int64_t> bundle_first, bundle_members;
    std::span<const std::int32_t> required_bundle;
    // Bundles that must be shown, whole or as one of the alternatives of their chunk.
    std::span<const std::int32_t> required;
    bool whole = false;
    std::span<const std::int32_t> candidates;

    // Option sets: units of one set with different options exclude each other. Empty for none.
    std::span<const std::int32_t> option_set, option;  // of each unit; -1 for none

    // Sections, parents first. `section` of each text is -1 for none; empty without sections.
    std::span<const std::int32_t> section, parent;
    std::span<const std::int64_t> minimum, maximum, header;  // in tokens

    std::int64_t limit = 0;  // tokens of all runs and headers
    double min_density = 0;  // units below it are not taken, except for requirements and minima
    double alike = 0.4;      // share of a unit's shingles that makes it a duplicate; > 1: never
    bool careful = true;     // fold only what says the same; see WindowDuplicates
    std::string_view query = {};
    // A run of units may have this many tokens less than the sum of its units: by how much counts
    // do not add up. The bound allows for it; 0 where they do.
    std::int64_t joint = 0;
    // The same for a text that is shown whole.
    std::int64_t joint_whole = 0;
    bool bounded = true;  // compute `bound`; infinity otherwise
    // The same for each unit of a text that is not shown whole, by text; empty for 0.
    std::span<const double> joint_unit;
};

enum class Requirement : std::uint8_t { optional = 0, required = 1, excluded = 2 };

enum class Outcome : std::uint8_t {
    found,
    over_required,  // what is required exceeds the limit, or the maximum of `section`
    under_minimum,  // the minimum of `section` was not reached
};

// Two units whose joint value is below the sum of both, by at least `loss`.
struct Repetition {
    std::uint32_t a, b;
    double loss;
};

struct SelectionResult {
    Outcome outcome = Outcome::found;
    std::int32_t section = -1;               // that conflicts
    std::vector<std::uint8_t> kept;          // of each unit
    std::vector<std::int32_t> duplicate_of;  // of a folded unit: its kept duplicate; else -1
    std::int64_t spent = 0;                  // tokens, headers of sections included
    double value = 0;                        // sum of density times tokens
    double bound = 0;                        // no selection within the limit has a higher value
    double total = 0;                        // value of all units that are not excluded
    double price = 0;                        // value of one more token; 0 if all fits
    std::vector<double> section_prices;      // the same inside each section
    std::vector<Repetition> repetitions;     // that were found on the way
};

// Throws std::invalid_argument if the columns do not agree or a number is out of range.
SelectionResult select(const SelectionInput& input, StopToken& stop);

}  // namespace ctxmem
