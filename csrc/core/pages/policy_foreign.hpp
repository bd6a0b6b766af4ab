// A policy that lives outside of the core: every question goes through two function pointers.
#pragma once
#include <string>
#include <utility>

#include "core/pages/policy.hpp"

namespace ctxmem {

enum class PolicyEvent : int { kInsert, kTouch, kEvict, kRemove };

// Neither function throws; `victim` answers kNoSlot when it cannot.
struct PolicyCalls {
    void* owner;
    void (*tell)(void* owner, PolicyEvent event, Slot slot);
    Slot (*victim)(void* owner);
};

class ForeignPolicy final : public Policy {
public:
    ForeignPolicy(std::string name, PolicyCalls calls) : name_(std::move(name)), calls_(calls) {}
    const char* name() const override { return name_.c_str(); }
    void on_insert(Slot slot) override { calls_.tell(calls_.owner, PolicyEvent::kInsert, slot); }
    void on_touch(Slot slot) override { calls_.tell(calls_.owner, PolicyEvent::kTouch, slot); }
    void on_evict(Slot slot) override { calls_.tell(calls_.owner, PolicyEvent::kEvict, slot); }
    void on_remove(Slot slot) override { calls_.tell(calls_.owner, PolicyEvent::kRemove, slot); }
    Slot victim() override { return calls_.victim(calls_.owner); }

private:
    std::string name_;
    PolicyCalls calls_;
};

}  // namespace ctxmem
