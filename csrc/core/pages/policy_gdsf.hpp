// Greedy-Dual-Size-Frequency (Cherkasova, HP Labs 1998): uses per token, on a floor that rises.
//
// The priority of a page is floor + uses / tokens; the lowest goes, ties by the longest unused, and
// the floor becomes its priority, so that old merit fades. Priorities only grow while a page stays, so
// the heap keeps the priority a page had when it was last looked at and looks again when the page
// comes up: a touch is constant time, a victim logarithmic, amortised.
#pragma once
#include <algorithm>
#include <tuple>

#include "core/pages/policy.hpp"

namespace ctxmem {

class GdsfPolicy final : public Policy {
public:
    explicit GdsfPolicy(const TableView& view) : view_(view) {}
    const char* name() const override { return "gdsf"; }

    void on_insert(Slot slot) override {
        if (slot >= merits_.size()) merits_.resize(slot + 1);
        merits_[slot] = {floor_ + merit_of(1, slot), 1, ++stamp_, 0, true};
        ++tracked_;
        push(slot);
        if (heap_.size() > 2 * tracked_ + 64) rebuild();
    }
    void on_touch(Slot slot) override {
        Merit& merit = merits_[slot];
        merit.priority = floor_ + merit_of(++merit.uses, slot);
        merit.stamp = ++stamp_;
    }
    void on_evict(Slot slot) override {
        floor_ = std::max(floor_, merits_[slot].priority);
        on_remove(slot);
    }
    void on_remove(Slot slot) override {
        if (slot >= merits_.size() || !merits_[slot].tracked) return;
        merits_[slot].tracked = false;
        --tracked_;
    }

    Slot victim() override {
        while (!heap_.empty()) {
            const Entry top = heap_.front();
            const Merit& merit = merits_[top.slot];
            const bool known = merit.tracked && merit.stamp >= top.stamp;
            if (known && merit.stamp == top.stamp) return top.slot;
            std::pop_heap(heap_.begin(), heap_.end(), later);
            heap_.pop_back();
            if (known) push(top.slot);
        }
        return kNoSlot;
    }

private:
    struct Merit {
        double priority;
        std::uint32_t uses;
        std::uint64_t stamp;  // of the last use; no two are equal
        std::uint64_t round;  // of the last rebuild that saw it
        bool tracked;
    };
    struct Entry {
        double priority;
        std::uint64_t stamp;
        Slot slot;
    };
    static bool later(const Entry& a, const Entry& b) {
        return std::tie(a.priority, a.stamp) > std::tie(b.priority, b.stamp);
    }

    double merit_of(std::uint32_t uses, Slot slot) const {
        return static_cast<double>(uses) / std::max(1, view_.pages[slot].tokens);
    }
    void push(Slot slot) {
        heap_.push_back({merits_[slot].priority, merits_[slot].stamp, slot});
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    // Keep one entry of each tracked slot.
    void rebuild() {
        ++round_;
        std::size_t kept = 0;
        for (const Entry& entry : heap_) {
            Merit& merit = merits_[entry.slot];
            if (!merit.tracked || merit.round == round_) continue;
            merit.round = round_;
            heap_[kept++] = {merit.priority, merit.stamp, entry.slot};
        }
        heap_.resize(kept);
        std::make_heap(heap_.begin(), heap_.end(), later);
    }

    TableView view_;
    std::vector<Merit> merits_;
    std::vector<Entry> heap_;  // each tracked slot once, by a priority it has or had; and leftovers
    double floor_ = 0;
    std::uint64_t stamp_ = 0;
    std::uint64_t round_ = 0;
    std::size_t tracked_ = 0;
};

}  // namespace ctxmem
