// Least recently used: the page whose last use is longest ago.
#pragma once
#include "core/pages/policy.hpp"

namespace ctxmem {

class LruPolicy final : public Policy {
public:
    const char* name() const override { return "lru"; }
    void on_insert(Slot slot) override { lists_.push_front(0, slot); }
    void on_touch(Slot slot) override { lists_.move_to_front(0, slot); }
    void on_evict(Slot slot) override { lists_.remove(slot); }
    void on_remove(Slot slot) override { lists_.remove(slot); }
    Slot victim() override { return lists_.back(0); }

private:
    SlotLists<1> lists_;
};

}  // namespace ctxmem
