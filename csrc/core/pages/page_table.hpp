// The page table: which pages there are, in which state, what they take of the budget.
//
// Pages are found by 128-bit content key through one hash index (open addressing, linear probing, at
// most half full) and known by their slot, a dense number that stays theirs until they are removed.
// Pages of one unit (a tool call and its results) form a ring; a unit leaves the window and comes
// back as one, and a pin on one of its pages holds all of them. Which page goes first is the
// policy's affair (policy.hpp); the table notifies it of pages whose text is in the window and that
// nothing holds.
//
// Every operation is constant time amortised, per page that it moves; policies may add a logarithm.
// Every call that throws has changed nothing. Not for two threads at once: the owner locks.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/pages/policies.hpp"

namespace ctxmem {

class PageTable {
public:
    static constexpr std::int64_t kMostTokens = (std::int64_t{1} << 31) - 1;  // of one page

    // `remember` bounds how many stored pages are known; the longest gone are forgotten first.
    // Throws std::invalid_argument for a budget that is not positive or an unknown policy.
    PageTable(std::int64_t budget, std::string_view policy, std::size_t remember)
        : PageTable(budget, remember) {
        policy_ = make_policy(policy, TableView{pages_, clock_});
    }
    PageTable(std::int64_t budget, std::unique_ptr<Policy> policy, std::size_t remember)
        : PageTable(budget, remember) {
        policy_ = std::move(policy);
    }
    PageTable(const PageTable&) = delete;  // policies refer to the pages
    PageTable& operator=(const PageTable&) = delete;

    std::int64_t budget() const { return budget_; }
    std::int64_t tokens() const { return tokens_; }        // that the window takes
    std::int64_t evictable() const { return evictable_; }  // the part that can be evicted
    std::size_t size() const { return known_; }            // pages, in any state
    std::size_t stored() const { return stored_; }         // the part that is not in the window
    std::uint64_t clock() const { return clock_; }
    const char* policy() const { return policy_->name(); }

    // The slot of the page, kNoSlot if it is unknown.
    Slot find(const ContentKey& id) const { return index_[place_of(id)]; }

    // Throws std::out_of_range for a slot that no page has.
    const Page& page(Slot slot) const {
        if (slot >= pages_.size() || pages_[slot].references == 0)
            throw std::out_of_range("no page has slot " + std::to_string(slot));
        return pages_[slot];
    }

    // The number of the unit that the page moves with, -1 if it moves alone. Throws as `page`.
    std::int64_t unit(Slot slot) const { return unit_of_[checked(slot)]; }

    // Throws std::invalid_argument if the window takes more by now.
    void set_budget(std::int64_t budget) {
        check_budget(budget);
        if (budget < tokens_)
            throw std::invalid_argument("the window takes " + std::to_string(tokens_) +
                                        " tokens, evict down to " + std::to_string(budget) +
                                        " before that becomes the budget");
        budget_ = budget;
    }

    // Enter a page that is in the window from now on. Throws std::invalid_argument if it is known
    // (touch it, restore it), if its unit is stored, or if it does not fit; `evict` makes room.
    Slot insert(const ContentKey& id, std::int64_t tokens, std::int64_t unit, bool pinned) {
        check_tokens(tokens);
        if (find(id) != kNoSlot) throw std::invalid_argument("the page is known already");
        const Slot fellow = fellow_in(unit);
        if (fellow != kNoSlot && pages_[fellow].state == PageState::kStored)
            throw std::invalid_argument("unit " + std::to_string(unit) +
                                        " is stored; restore it before it grows");
        check_room(tokens);
        const Slot slot = enter(id, static_cast<std::int32_t>(tokens), unit, fellow);
        come_in(slot);
        use(slot);
        if (pinned) pin(slot);
        return slot;
    }

    // Count a use of the page; the policy hears of it if its text is in the window. A use while it is
    // not counts as a fault as well. Returns the state.
    PageState touch(Slot slot) {
        Page& page = pages_[checked(slot)];
        use(slot);
        if (!has_text(page))
            ++page.faults;
        else if (!page.held)
            policy_->on_touch(slot);
        return page.state;
    }

    // Bring a stored unit back, whole; a use of the page, but no touch. Nothing happens to a unit
    // that is in the window. Throws std::invalid_argument if it does not fit; `evict` makes room.
    void restore(Slot slot) {
        if (page(slot).state != PageState::kStored) return;
        std::int64_t needed = 0;
        each_in_unit(slot, [&](Slot one) { needed += pages_[one].full_tokens; });
        check_room(needed);
        each_in_unit(slot, [&](Slot one) { come_in(one); });
        use(slot);
    }

    // Give a page that is in the window another form. Throws std::invalid_argument for a page that is
    // stored, for the state kStored (`store` moves the unit) and if it does not fit.
    void set_state(Slot slot, PageState state, std::int64_t tokens) {
        check_tokens(tokens);
        Page& changed = pages_[checked(slot)];
        if (state == PageState::kStored || changed.state == PageState::kStored)
            throw std::invalid_argument("store and restore move a page out and in, not set_state");
        check_room(tokens - changed.tokens);
        const bool was_tracked = tracked(changed);
        if (was_tracked) evictable_ -= changed.tokens;
        tokens_ += tokens - changed.tokens;
        changed.tokens = static_cast<std::int32_t>(tokens);
        if (state == PageState::kResident) changed.full_tokens = changed.tokens;
        changed.state = state;
        if (tracked(changed)) evictable_ += tokens;
        if (was_tracked && !tracked(changed)) policy_->on_evict(slot);
        if (!was_tracked && tracked(changed)) policy_->on_insert(slot);
    }

    // Take the page's unit out of the window. Throws std::invalid_argument if it is held by a pin.
    void store(Slot slot) {
        if (page(slot).held)
            throw std::invalid_argument(
                "the page or its unit is pinned; unpin it before it is stored");
        if (pages_[slot].state == PageState::kStored) return;
        each_in_unit(slot, [&](Slot one) { go_out(one); });
        trim();
    }

    // Store the policy's victims, whole units, until `needed` tokens of the budget are free; append
    // their slots to `out` in that order. Throws std::invalid_argument, before anything changes, if
    // what is not pinned would not do; and where it is, if the policy names a page that is not
    // tracked.
    void evict(std::int64_t needed, std::vector<Slot>& out) {
        make_room(needed, &out);
        trim();
    }

    // As a cache does: touch the page if its text is in the window, else evict what must go and bring
    // its unit in. Returns whether it was there. Throws as `evict` does if it can never fit.
    bool access(const ContentKey& id, std::int64_t tokens) {
        check_tokens(tokens);
        const Slot slot = find(id);
        if (slot == kNoSlot) {
            make_room(tokens, nullptr);
            insert(id, tokens, -1, false);
        } else if (pages_[slot].state != PageState::kStored) {
            return touch(slot) <= PageState::kCompressed;
        } else {
            std::int64_t needed = 0;
            each_in_unit(slot, [&](Slot one) { needed += pages_[one].full_tokens; });
            make_room(needed, nullptr);
            ++pages_[slot].faults;
            restore(slot);
        }
        trim();
        return false;
    }

    // Pin a page: it and its unit stay in the window. Throws std::invalid_argument if it is stored.
    void pin(Slot slot) {
        if (page(slot).state == PageState::kStored)
            throw std::invalid_argument("the page is stored; restore it before it is pinned");
        pages_[slot].pinned = true;
        if (pages_[slot].held) return;
        each_in_unit(slot, [&](Slot one) { hold(one); });
    }

    void unpin(Slot slot) {
        if (!page(slot).pinned) return;
        pages_[slot].pinned = false;
        bool held = false;
        each_in_unit(slot, [&](Slot one) { held |= pages_[one].pinned; });
        if (!held) each_in_unit(slot, [&](Slot one) { let_go(one); });
    }

    // Count one more owner of the page; `release` takes one away and returns whether it was the last:
    // then the page is gone from the table, wherever it was, and its slot may be given to another.
    void refer(Slot slot) { ++pages_[checked(slot)].references; }
    bool release(Slot slot) {
        if (pages_[checked(slot)].references > 1) {
            --pages_[slot].references;
            return false;
        }
        unpin(slot);
        forget(slot);
        return true;
    }

private:
    PageTable(std::int64_t budget, std::size_t remember) : budget_(budget), remember_(remember) {
        check_budget(budget);
        index_.assign(16, kNoSlot);
    }

    // checks; each throws before anything has changed

    static void check_budget(std::int64_t budget) {
        if (budget < 1)
            throw std::invalid_argument("a budget is at least 1 token, not " +
                                        std::to_string(budget));
    }
    static void check_tokens(std::int64_t tokens) {
        if (tokens < 0 || tokens > kMostTokens)
            throw std::invalid_argument("a page has 0 to 2**31 - 1 tokens, not " +
                                        std::to_string(tokens));
    }
    void check_room(std::int64_t needed) const {
        if (needed > free())
            throw std::invalid_argument(
                std::to_string(needed) + " tokens do not fit: the window takes " +
                std::to_string(tokens_) + " of " + std::to_string(budget_) + "; evict first");
    }
    Slot checked(Slot slot) const {
        page(slot);
        return slot;
    }

    std::int64_t free() const { return budget_ - tokens_; }
    static bool has_text(const Page& page) { return page.state <= PageState::kCompressed; }
    static bool tracked(const Page& page) { return has_text(page) && !page.held; }

    void use(Slot slot) {
        ++pages_[slot].uses;
        pages_[slot].last_touch = ++clock_;
    }

    // Calls `act` for every page of the unit, `slot` first; `act` leaves the ring as it is.
    template <class Act>
    void each_in_unit(Slot slot, Act act) {
        Slot one = slot;
        do {
            const Slot next = pages_[one].next_in_unit;
            act(one);
            one = next;
        } while (one != slot);
    }

    // between the window and the store

    void make_room(std::int64_t needed, std::vector<Slot>* out) {
        if (needed > free() && needed - free() > evictable_)
            throw std::invalid_argument(
                std::to_string(needed) + " tokens are needed of a budget of " +
                std::to_string(budget_) + ", and pinned pages and placeholders take " +
                std::to_string(tokens_ - evictable_));
        while (free() < needed) {
            const Slot victim = policy_->victim();
            if (victim >= pages_.size() || pages_[victim].references == 0 ||
                !tracked(pages_[victim]))
                throw std::invalid_argument(std::string("policy ") + policy_->name() +
                                            " named a page that cannot be evicted");
            each_in_unit(victim, [&](Slot one) {
                go_out(one);
                if (out != nullptr) out->push_back(one);
            });
        }
    }
    void come_in(Slot slot) {
        Page& page = pages_[slot];
        unlist(slot);
        page.state = PageState::kResident;
        page.tokens = page.full_tokens;
        tokens_ += page.tokens;
        if (page.held) return;
        evictable_ += page.tokens;
        policy_->on_insert(slot);
    }
    void go_out(Slot slot) {
        Page& page = pages_[slot];
        const bool was_tracked = tracked(page);
        tokens_ -= page.tokens;
        if (was_tracked) evictable_ -= page.tokens;
        page.state = PageState::kStored;
        if (was_tracked) policy_->on_evict(slot);  // which may ask for its tokens
        page.tokens = 0;
        list(slot);
    }
    void hold(Slot slot) {
        Page& page = pages_[slot];
        if (tracked(page)) {
            evictable_ -= page.tokens;
            policy_->on_remove(slot);
        }
        page.held = true;
    }
    void let_go(Slot slot) {
        Page& page = pages_[slot];
        page.held = false;
        if (!tracked(page)) return;
        evictable_ += page.tokens;
        policy_->on_insert(slot);
    }

    // stored pages, in order of eviction

    void list(Slot slot) {
        Page& page = pages_[slot];
        page.newer = kNoSlot;
        page.older = newest_;
        (newest_ == kNoSlot ? oldest_ : pages_[newest_].newer) = slot;
        newest_ = slot;
        ++stored_;
        page.listed = true;
    }
    void unlist(Slot slot) {
        Page& page = pages_[slot];
        if (!page.listed) return;
        (page.newer == kNoSlot ? newest_ : pages_[page.newer].older) = page.older;
        (page.older == kNoSlot ? oldest_ : pages_[page.older].newer) = page.newer;
        page.listed = false;
        --stored_;
    }
    // Forget the pages longest gone, each with its unit: a part of a unit could not come back.
    void trim() {
        while (stored_ > remember_) {
            Slot slot = oldest_;
            for (bool last = false; !last;) {
                const Slot next = pages_[slot].next_in_unit;
                last = next == slot;
                forget(slot);  // takes the page out of the ring
                slot = next;
            }
        }
    }

    // slots and the index

    Slot enter(const ContentKey& id, std::int32_t tokens, std::int64_t unit, Slot fellow) {
        if (2 * (known_ + 1) > index_.size()) grow();
        Slot slot = static_cast<Slot>(pages_.size());
        if (free_slots_.empty()) {
            if (slot == kNoSlot) throw std::bad_alloc();
            pages_.emplace_back();
            unit_of_.push_back(-1);
        } else {
            slot = free_slots_.back();
            free_slots_.pop_back();
        }
        Page& page = pages_[slot];
        page = Page{};
        page.id = id;
        page.full_tokens = tokens;
        page.references = 1;
        unit_of_[slot] = unit;
        page.next_in_unit = slot;
        if (fellow != kNoSlot) {
            page.next_in_unit = std::exchange(pages_[fellow].next_in_unit, slot);
            page.held = pages_[fellow].held;
        } else if (unit >= 0) {
            units_.emplace(unit, slot);
        }
        index_[place_of(id)] = slot;
        ++known_;
        return slot;
    }

    void forget(Slot slot) {
        Page& page = pages_[slot];
        unlist(slot);
        if (tracked(page)) evictable_ -= page.tokens;
        if (page.state != PageState::kStored) tokens_ -= page.tokens;
        policy_->on_remove(slot);
        leave_unit(slot);
        erase(place_of(page.id));
        page = Page{};
        free_slots_.push_back(slot);
        --known_;
    }

    Slot fellow_in(std::int64_t unit) const {
        if (unit < 0) return kNoSlot;
        const auto found = units_.find(unit);
        return found == units_.end() ? kNoSlot : found->second;
    }
    void leave_unit(Slot slot) {
        const std::int64_t unit = unit_of_[slot];
        if (unit < 0) return;
        const Slot next = pages_[slot].next_in_unit;
        if (next == slot) {
            units_.erase(unit);
            return;
        }
        Slot before = slot;
        while (pages_[before].next_in_unit != slot) before = pages_[before].next_in_unit;
        pages_[before].next_in_unit = next;
        units_[unit] = next;
    }

    std::size_t mask() const { return index_.size() - 1; }

    // Where the page is in the index, or the empty place where it would.
    std::size_t place_of(const ContentKey& id) const {
        std::size_t place = id.low & mask();
        while (index_[place] != kNoSlot && !(pages_[index_[place]].id == id))
            place = (place + 1) & mask();
        return place;
    }

    // Empty a place and close the gap, so that no probe sequence is broken (Knuth, TAOCP 6.4 R).
    void erase(std::size_t gap) {
        for (std::size_t next = (gap + 1) & mask(); index_[next] != kNoSlot;
             next = (next + 1) & mask()) {
            const std::size_t home = pages_[index_[next]].id.low & mask();
            if (((next - home) & mask()) < ((next - gap) & mask())) continue;
            index_[gap] = std::exchange(index_[next], kNoSlot);
            gap = next;
        }
        index_[gap] = kNoSlot;
    }

    void grow() {
        std::vector<Slot> old(2 * index_.size(), kNoSlot);
        old.swap(index_);
        for (const Slot slot : old)
            if (slot != kNoSlot) index_[place_of(pages_[slot].id)] = slot;
    }

    std::int64_t budget_;
    std::size_t remember_;
    std::int64_t tokens_ = 0;     // sum over pages that are not stored; never above the budget
    std::int64_t evictable_ = 0;  // sum over tracked pages
    std::uint64_t clock_ = 0;
    std::size_t known_ = 0;
    std::size_t stored_ = 0;
    Slot newest_ = kNoSlot;  // of the stored pages
    Slot oldest_ = kNoSlot;
    std::vector<Page> pages_;
    std::vector<std::int64_t> unit_of_;  // -1: moves alone
    std::vector<Slot> free_slots_;
    std::vector<Slot> index_;
    std::unordered_map<std::int64_t, Slot> units_;  // to a page of the unit
    std::unique_ptr<Policy> policy_;
};

}  // namespace ctxmem
