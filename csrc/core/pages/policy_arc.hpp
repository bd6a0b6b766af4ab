// ARC (Megiddo and Modha, FAST 2003): pages used once and pages used again, in two lists by recency,
// and ghosts of both, which decide how much room each should have.
//
// A page that comes back while it is a ghost of the first list says that the first list was too
// short, and the other way round; `target_` moves accordingly. Sizes are counted in pages: pages are
// cut to like sizes.
#pragma once
#include <algorithm>

#include "core/pages/policy.hpp"

namespace ctxmem {

class ArcPolicy final : public Policy {
public:
    const char* name() const override { return "arc"; }

    void on_insert(Slot slot) override {
        const double once = static_cast<double>(lists_.size(kOnceGhost));
        const double again = static_cast<double>(lists_.size(kAgainGhost));
        const std::uint16_t was = lists_.list_of(slot);
        if (was == kOnceGhost)
            target_ = std::min(target_ + std::max(1.0, again / once), pages() + 1.0);
        if (was == kAgainGhost) target_ = std::max(target_ - std::max(1.0, once / again), 0.0);
        returned_ = was == kAgainGhost;
        lists_.remove(slot);
        lists_.push_front(was == SlotLists<4>::kNowhere ? kOnce : kAgain, slot);
    }
    void on_touch(Slot slot) override { lists_.move_to_front(kAgain, slot); }

    void on_evict(Slot slot) override {
        const double room = pages();
        const bool once = lists_.list_of(slot) == kOnce;
        lists_.remove(slot);
        lists_.push_front(once ? kOnceGhost : kAgainGhost, slot);
        // As many ghosts as pages; of the first list no more than it could have held.
        while (lists_.size(kOnceGhost) > 0 && lists_.size(kOnce) + lists_.size(kOnceGhost) > room)
            lists_.remove(lists_.back(kOnceGhost));
        while (lists_.size(kOnceGhost) + lists_.size(kAgainGhost) > room)
            lists_.remove(lists_.back(lists_.size(kAgainGhost) > 0 ? kAgainGhost : kOnceGhost));
    }
    void on_remove(Slot slot) override { lists_.remove(slot); }

    Slot victim() override {
        const double once = static_cast<double>(lists_.size(kOnce));
        const bool first = once > 0 && (once > target_ || (returned_ && once == target_));
        const Slot chosen = lists_.back(first ? kOnce : kAgain);
        return chosen != kNoSlot ? chosen : lists_.back(kOnce);
    }

private:
    enum : std::uint16_t { kOnce, kAgain, kOnceGhost, kAgainGhost };

    double pages() const { return static_cast<double>(lists_.size(kOnce) + lists_.size(kAgain)); }

    SlotLists<4> lists_;
    double target_ = 0;      // pages that the first list should have
    bool returned_ = false;  // the last page that came in was a ghost of the second list
};

}  // namespace ctxmem
