// The moves that led to each partial packing, as linked steps that packings share.
//
// A step points to the one before it, so a packing holds one index. Packings that are discarded
// leave unreachable steps behind; `make_room` removes those whenever a quarter of the limit has been
// added, and closes the gaps, which keeps the order of the rest, so indices stay small. Cost: one
// pass over the steps, amortised over as many additions.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ctxmem {

template <class Step>  // has a field `previous`
class Backpointers {
public:
    static constexpr std::uint32_t kStart = 0xFFFFFFFFu;

    explicit Backpointers(std::size_t limit) : limit_(limit) {}

    const Step& operator[](std::uint32_t at) const { return steps_[at]; }
    void clear() {
        steps_.clear();
        begin();
    }
    // Keep the steps so far for good: no step from here on may lead to one of them.
    void begin() {
        first_ = steps_.size();
        collect_at_ = first_ + limit_ / 4;
    }

    std::uint32_t add(const Step& step) {
        steps_.push_back(step);
        return static_cast<std::uint32_t>(steps_.size() - 1);
    }

    // Return for how many packings there is room, half of what the limit leaves. Collects the steps
    // if many are new, so these must be all packings since `begin`.
    template <class Packing>
    std::size_t make_room(std::vector<Packing>& packings) {
        if (steps_.size() > collect_at_) {
            collect(packings);
            collect_at_ = steps_.size() + limit_ / 4;
        }
        return (limit_ - std::min(limit_, steps_.size())) / 2;
    }

private:
    // Drop what `packings` do not reach of the steps since `begin`, and renumber their trails.
    template <class Packing>
    void collect(std::vector<Packing>& packings) {
        number_.assign(steps_.size() - first_, kStart);
        for (const Packing& packing : packings)
            for (std::uint32_t at = packing.trail; at != kStart && number_[at - first_] == kStart;
                 at = steps_[at].previous)
                number_[at - first_] = 0;
        std::size_t kept = first_;
        for (std::size_t at = first_; at < steps_.size(); ++at) {
            if (number_[at - first_] == kStart) continue;
            Step step = steps_[at];
            // A step is younger than the one before it, so that one has its number already.
            if (step.previous != kStart) step.previous = number_[step.previous - first_];
            number_[at - first_] = static_cast<std::uint32_t>(kept);
            steps_[kept++] = step;
        }
        steps_.resize(kept);
        for (Packing& packing : packings)
            if (packing.trail != kStart) packing.trail = number_[packing.trail - first_];
    }

    std::size_t limit_;
    std::size_t first_ = 0;                // the first step since `begin`
    std::size_t collect_at_ = limit_ / 4;  // a number of steps
    std::vector<Step> steps_;
    std::vector<std::uint32_t> number_;
};

}  // namespace ctxmem
