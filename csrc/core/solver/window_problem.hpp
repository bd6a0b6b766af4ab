// The columns of a selection problem, checked, and what follows from them before any selection:
// the text of each unit, the units that depend on it, and its value.
//
// A needed unit has at least kShared times the density of the best unit that needs it, so that a
// heading is not a cost alone. A label or a lead-in has content only if a unit below it has. Linear
// in units and needs.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/solver/selection.hpp"
#include "core/text/outline.hpp"

namespace ctxmem {

class WindowProblem {
public:
    explicit WindowProblem(const SelectionInput& input);

    const SelectionInput& input() const { return in_; }
    std::size_t units() const { return n_; }
    std::size_t bundles() const { return bundles_; }
    std::size_t nodes() const { return n_ + bundles_; }  // units, then bundles
    std::size_t sections() const { return in_.parent.size(); }

    bool has(std::size_t s, unsigned flags) const { return (flags_[s] & flags) != 0; }
    bool required(std::size_t s) const { return at(s) == Requirement::required; }
    bool excluded(std::size_t s) const { return at(s) == Requirement::excluded; }
    bool content(std::size_t s) const { return content_[s] != 0; }
    double value(std::size_t s) const { return value_[s]; }
    std::uint32_t text_of(std::size_t s) const { return text_of_[s]; }
    // Tokens that each unit of a text may save; see SelectionInput::joint_unit.
    double joint_unit(std::size_t text) const {
        return in_.joint_unit.empty() ? 0.0 : in_.joint_unit[text];
    }
    std::int32_t section_of(std::size_t s) const {
        return in_.section.empty() ? -1 : in_.section[text_of_[s]];
    }
    bool together(std::size_t a, std::size_t b) const {
        return a < n_ && b < n_ && text_of_[a] == text_of_[b];
    }
    // The text of a unit; texts are decoded when the first of their units is asked for.
    std::string_view text(std::size_t s);

    // Whether a unit has a letter or a digit: brackets and rules have none.
    bool says(std::size_t s);

    // The units that need a unit directly (`need` or `also`), ascending.
    std::span<const std::uint32_t> dependents(std::size_t s) const {
        return {dependents_.data() + dependent_first_[s],
                dependents_.data() + dependent_first_[s + 1]};
    }
    // The members of a bundle: nodes.
    std::span<const std::int64_t> members(std::size_t bundle) const {
        const auto from = static_cast<std::size_t>(in_.bundle_first[bundle]);
        const auto to = static_cast<std::size_t>(in_.bundle_first[bundle + 1]);
        return in_.bundle_members.subspan(from, to - from);
    }
    // The shorter texts of the chunk of a bundle, which satisfy a requirement as it does.
    const std::vector<std::uint32_t>& alternatives(std::size_t bundle) const {
        return alternatives_.empty() ? none_ : alternatives_[bundle];
    }
    // Whether a unit is in a ring of units that need each other through `also`, as the steps of a
    // short procedure are.
    bool ring(std::size_t s) const;

    // The nodes that can be selected by themselves: units, or bundles with `whole`.
    const std::vector<std::uint32_t>& candidates() const { return candidates_; }

    // The value of all units that are not excluded.
    double total() const;

private:
    Requirement at(std::size_t s) const { return static_cast<Requirement>(in_.requirement[s]); }
    void check() const;
    void check_needs() const;
    void check_sections() const;
    void find_texts();
    void find_dependents();
    void find_content();
    void show_labels();
    void find_values();
    void find_candidates();
    void find_alternatives();

    SelectionInput in_;
    std::size_t n_, bundles_;
    std::vector<std::uint32_t> text_of_;
    std::vector<std::string_view> text_;  // of units of texts that are decoded
    std::vector<std::uint8_t> decoded_;   // of each text
    std::vector<std::uint32_t> dependent_first_, dependents_;
    std::vector<std::uint8_t> flags_;  // those of the input; see show_labels
    std::vector<std::uint8_t> content_;
    std::vector<double> value_;
    std::vector<std::uint32_t> candidates_, none_;
    std::vector<std::vector<std::uint32_t>> alternatives_;  // of each bundle; empty without any
};

}  // namespace ctxmem
