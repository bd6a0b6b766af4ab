// A fixed number of doubly linked lists over dense slot numbers; a slot is in one of them or in none.
//
// Links are indices into one array, so every operation is constant time and allocates only when a
// slot number is seen for the first time. Which list a slot is in is kept with its links, so `remove`
// needs no list and `list_of` answers membership.
#pragma once
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ctxmem {

using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = 0xFFFFFFFFu;

template <std::size_t kLists>
class SlotLists {
public:
    static constexpr std::uint16_t kNowhere = 0xFFFF;

    SlotLists() { ends_.fill({kNoSlot, kNoSlot, 0}); }

    std::uint16_t list_of(Slot slot) const {
        return slot < links_.size() ? links_[slot].list : kNowhere;
    }
    Slot front(std::uint16_t list) const { return ends_[list].front; }
    Slot back(std::uint16_t list) const { return ends_[list].back; }
    std::size_t size(std::uint16_t list) const { return ends_[list].size; }
    Slot towards_front(Slot slot) const { return links_[slot].newer; }

    void push_front(std::uint16_t list, Slot slot) {
        if (slot >= links_.size()) links_.resize(slot + 1);
        assert(links_[slot].list == kNowhere);
        Ends& ends = ends_[list];
        links_[slot] = {kNoSlot, ends.front, list};
        (ends.front == kNoSlot ? ends.back : links_[ends.front].newer) = slot;
        ends.front = slot;
        ++ends.size;
    }

    // A slot that is in no list is left unchanged.
    void remove(Slot slot) {
        if (list_of(slot) == kNowhere) return;
        const Link link = links_[slot];
        Ends& ends = ends_[link.list];
        (link.newer == kNoSlot ? ends.front : links_[link.newer].older) = link.older;
        (link.older == kNoSlot ? ends.back : links_[link.older].newer) = link.newer;
        links_[slot].list = kNowhere;
        --ends.size;
    }

    void move_to_front(std::uint16_t list, Slot slot) {
        remove(slot);
        push_front(list, slot);
    }

private:
    struct Link {
        Slot newer = kNoSlot;  // towards the front
        Slot older = kNoSlot;
        std::uint16_t list = kNowhere;
    };
    struct Ends {
        Slot front;
        Slot back;
        std::size_t size;
    };
    std::vector<Link> links_;
    std::array<Ends, kLists> ends_;
};

}  // namespace ctxmem
