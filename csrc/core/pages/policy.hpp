// The events that an eviction policy gets, and what it answers.
//
// A policy sees slots, dense numbers that the table gives to pages. A slot is *tracked* from
// `on_insert` until `on_evict` or `on_remove`; only tracked slots are touched and asked for. After
// `on_evict` the policy may remember the slot as a ghost: its page is out of the window and still
// known to the table, so its number means the same page until `on_remove`, which always comes before
// the number is given to another page. Pinned pages are not tracked, so no policy has to skip them.
// Every call is constant time amortised; logarithmic where a policy says so.
#pragma once
#include <cstdint>
#include <vector>

#include "core/tokenizer/count_table.hpp"
#include "core/pages/slot_lists.hpp"

namespace ctxmem {

enum class PageState : std::uint8_t {
    kResident,     // in the window, whole
    kCompressed,   // in the window, as an extract
    kPlaceholder,  // in the window, as a line that names it
    kStored,       // not in the window
};

// One cache line, since a touch is mostly the wait for it.
struct alignas(64) Page {
    ContentKey id{};
    std::uint64_t last_touch = 0;  // by the table's clock
    std::int32_t tokens = 0;       // in its present state; 0 when stored
    std::int32_t full_tokens = 0;  // when resident
    std::uint32_t references = 0;  // 0: the slot is free
    std::uint32_t uses = 0;        // touches and insertions
    std::uint32_t faults = 0;      // touches while its text was not in the window
    Slot next_in_unit = kNoSlot;   // a ring
    Slot newer = kNoSlot;          // among stored pages, by time of eviction
    Slot older = kNoSlot;
    PageState state = PageState::kStored;
    bool listed = false;  // among the stored pages
    bool pinned = false;
    bool held = false;  // a page of its unit is pinned, so none of the unit is tracked
};

// What a policy may read of the table that it serves.
struct TableView {
    const std::vector<Page>& pages;
    const std::uint64_t& clock;  // touches and insertions so far
};

class Policy {
public:
    virtual ~Policy() = default;
    virtual const char* name() const = 0;
    virtual void on_insert(Slot slot) = 0;  // enters the window, for the first time or again
    virtual void on_touch(Slot slot) = 0;
    virtual void on_evict(Slot slot) = 0;   // leaves the window and stays known
    virtual void on_remove(Slot slot) = 0;  // is no longer tracked nor a ghost
    virtual Slot victim() = 0;              // the tracked slot to evict next, kNoSlot for none
};

}  // namespace ctxmem
