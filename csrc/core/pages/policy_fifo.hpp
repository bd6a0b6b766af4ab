// First in, first out: the page that has been in the window longest, used or not.
#pragma once
#include "core/pages/policy.hpp"

namespace ctxmem {

class FifoPolicy final : public Policy {
public:
    const char* name() const override { return "fifo"; }
    void on_insert(Slot slot) override { lists_.push_front(0, slot); }
    void on_touch(Slot) override {}
    void on_evict(Slot slot) override { lists_.remove(slot); }
    void on_remove(Slot slot) override { lists_.remove(slot); }
    Slot victim() override { return lists_.back(0); }

private:
    SlotLists<1> lists_;
};

}  // namespace ctxmem
