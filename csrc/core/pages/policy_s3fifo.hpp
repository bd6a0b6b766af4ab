// S3-FIFO (Yang et al., SOSP 2023): a small queue for newcomers, a main queue, a queue of ghosts.
//
// A page enters the small queue, a tenth of the window, and goes on to the main queue if it was used
// twice before it reached the end; else it is evicted and remembered. A page that comes back while
// it is remembered enters the main queue. The main queue gives used pages another round, up to three.
// Sizes are counted in pages: pages are cut to like sizes.
#pragma once
#include <algorithm>

#include "core/pages/policy.hpp"

namespace ctxmem {

class S3FifoPolicy final : public Policy {
public:
    const char* name() const override { return "s3fifo"; }

    void on_insert(Slot slot) override {
        if (slot >= uses_.size()) uses_.resize(slot + 1);
        const bool ghost = lists_.list_of(slot) == kGhost;
        lists_.remove(slot);
        uses_[slot] = 0;
        lists_.push_front(ghost ? kMain : kSmall, slot);
    }
    void on_touch(Slot slot) override { uses_[slot] = std::min(uses_[slot] + 1, kMostUses); }

    void on_evict(Slot slot) override {
        const bool newcomer = lists_.list_of(slot) == kSmall;
        lists_.remove(slot);
        if (!newcomer) return;
        const std::size_t room = lists_.size(kSmall) + lists_.size(kMain) + 1;
        lists_.push_front(kGhost, slot);
        while (lists_.size(kGhost) > room - room / kSmallPart) lists_.remove(lists_.back(kGhost));
    }
    void on_remove(Slot slot) override { lists_.remove(slot); }

    Slot victim() override {
        const std::size_t pages = lists_.size(kSmall) + lists_.size(kMain);
        while (lists_.size(kSmall) > 0 &&
               (lists_.size(kSmall) >= std::max<std::size_t>(1, pages / kSmallPart) ||
                lists_.size(kMain) == 0)) {
            const Slot oldest = lists_.back(kSmall);
            if (uses_[oldest] < kUsesToStay) return oldest;
            uses_[oldest] = 0;
            lists_.move_to_front(kMain, oldest);
        }
        while (lists_.size(kMain) > 0) {
            const Slot oldest = lists_.back(kMain);
            if (uses_[oldest] == 0) return oldest;
            --uses_[oldest];
            lists_.move_to_front(kMain, oldest);
        }
        return kNoSlot;
    }

private:
    enum : std::uint16_t { kSmall, kMain, kGhost };
    static constexpr std::size_t kSmallPart = 10;
    static constexpr int kUsesToStay = 2;
    static constexpr int kMostUses = 3;

    SlotLists<3> lists_;
    std::vector<int> uses_;  // since insertion or the last round, at most kMostUses
};

}  // namespace ctxmem
