// The moves that led to each partial packing, as linked steps that packings share.
//
// A step points to the one before it, so a packing holds one index. Packings that are discarded
// leave unreachable steps behind; `collect` removes those and closes the gaps, which keeps
// the order of the rest, so indices stay small. Cost: one pass over the steps, amortised over as
// many additions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ctxmem {

template <class Step>  // has a field `previous`
class Backpointers {
public:
    static constexpr std::uint32_t kStart = 0xFFFFFFFFu;

    std::size_t size() const { return steps_.size(); }
    const Step& operator[](std::uint32_t at) const { return steps_[at]; }
    void clear() { steps_.clear(); }

    std::uint32_t add(const Step& step) {
        steps_.push_back(step);
        return static_cast<std::uint32_t>(steps_.size() - 1);
    }

    // Drop what `packings` do not reach among the steps from `first` on, and renumber their trails.
    // Steps before `first` stay; no step from `first` on may lead to one before it.
    template <class Packing>
    void collect(std::size_t first, std::vector<Packing>& packings) {
        number_.assign(steps_.size() - first, kStart);
        for (const Packing& packing : packings)
            for (std::uint32_t at = packing.trail; at != kStart && number_[at - first] == kStart;
                 at = steps_[at].previous)
                number_[at - first] = 0;
        std::size_t kept = first;
        for (std::size_t at = first; at < steps_.size(); ++at) {
            if (number_[at - first] == kStart) continue;
            Step step = steps_[at];
            // A step is younger than the one before it, so that one has its number already.
            if (step.previous != kStart) step.previous = number_[step.previous - first];
            number_[at - first] = static_cast<std::uint32_t>(kept);
            steps_[kept++] = step;
        }
        steps_.resize(kept);
        for (Packing& packing : packings)
            if (packing.trail != kStart) packing.trail = number_[packing.trail - first];
    }

private:
    std::vector<Step> steps_;
    std::vector<std::uint32_t> number_;
};

}  // namespace ctxmem
