// SIEVE (Zhang et al., NSDI 2024): one queue in order of insertion, a mark per page, a hand.
//
// The hand moves from old to new; it clears marks and takes the first page without one. Pages never
// move, so what was used once stays where it is and new pages are judged early.
#pragma once
#include "core/pages/policy.hpp"

namespace ctxmem {

class SievePolicy final : public Policy {
public:
    const char* name() const override { return "sieve"; }

    void on_insert(Slot slot) override {
        if (slot >= marked_.size()) marked_.resize(slot + 1);
        marked_[slot] = false;
        lists_.push_front(0, slot);
    }
    void on_touch(Slot slot) override { marked_[slot] = true; }
    void on_evict(Slot slot) override { drop(slot); }
    void on_remove(Slot slot) override { drop(slot); }

    Slot victim() override {
        if (lists_.size(0) == 0) return kNoSlot;
        if (hand_ == kNoSlot) hand_ = lists_.back(0);
        while (marked_[hand_]) {
            marked_[hand_] = false;
            hand_ = lists_.towards_front(hand_);
            if (hand_ == kNoSlot) hand_ = lists_.back(0);
        }
        return hand_;
    }

private:
    void drop(Slot slot) {
        if (lists_.list_of(slot) != 0) return;
        if (hand_ == slot) hand_ = lists_.towards_front(slot);
        lists_.remove(slot);
    }

    SlotLists<1> lists_;
    std::vector<char> marked_;
    Slot hand_ = kNoSlot;  // tracked, or kNoSlot: start at the oldest
};

}  // namespace ctxmem
