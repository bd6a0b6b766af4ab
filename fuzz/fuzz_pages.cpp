// The page table against a full model in plain maps: every operation that the bytes name is done to
// both, throws in both or in neither, and leaves both with the same pages, states, uses and tokens.
// Which page goes is the policy's choice for most policies; for lru and fifo the model knows it.
#include <algorithm>
#include <limits>
#include <map>
#include <stdexcept>
#include <vector>

#include "core/pages/page_table.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace ctxmem;

constexpr std::int64_t kBudget = 100;
const char* const kPolicies[] = {"lru", "fifo", "sieve", "s3fifo", "arc", "auto", "gdsf"};

struct Entry {
    std::uint8_t id = 0;
    PageState state = PageState::kResident;
    std::int64_t tokens = 0, full_tokens = 0, unit = -1;
    bool pinned = false;
    std::uint32_t references = 1, uses = 0, faults = 0;
    std::uint64_t last_touch = 0;
    std::uint64_t entered = 0, touched = 0;  // as policies hear of it: by order of the model's calls
    std::uint64_t stored_at = 0;             // order among stored pages
};

// Keys whose low halves collide, so that they crowd the same places of the index.
ContentKey key_of(std::uint8_t id) {
    ContentKey key{};
    key.low = id % 2;
    key.high = id;
    return key;
}

class Model {
public:
    Model(const char* policy, std::size_t remember)
        : table_(kBudget, policy, remember),
          lru_(std::string_view(policy) == "lru"),
          fifo_(std::string_view(policy) == "fifo"),
          remember_(remember) {}

    void step(fuzz::Input& input) {
        const std::uint8_t what = input.byte() % 12;
        const std::uint8_t id = input.byte() % 12;
        const std::int64_t tokens = input.byte() % 48;
        const auto more = static_cast<std::int64_t>(input.byte());
        const Slot slot = table_.find(key_of(id));
        LAW((slot != kNoSlot) == pages_.contains(slot));
        if (what == 0) return insert(id, tokens, more % 4 - 1, more >= 224);
        if (what == 1) return evict(more % 128);
        if (what == 2) return access(id, tokens);
        if (what == 3) return set_budget(more);
        if (slot == kNoSlot) {
            refused<std::out_of_range>([&] { table_.touch(static_cast<Slot>(1000 + id)); });
            return;
        }
        Entry& page = pages_.at(slot);
        switch (what) {
            case 4:
            case 5: LAW(table_.touch(slot) == page.state); touch(page); break;
            case 6: restore(slot, page); break;
            case 7: store(slot, page); break;
            case 8: set_state(slot, page, static_cast<PageState>(more % 4), tokens); break;
            case 9: pin(slot, page); break;
            case 10:
                if (page.pinned) unpin(page);
                table_.unpin(slot);
                break;
            default: own(slot, page, more % 2 == 0);
        }
    }

    void check() const {
        std::int64_t all = 0, evictable = 0;
        std::size_t stored = 0;
        for (const auto& [slot, page] : pages_) {
            const Page& is = table_.page(slot);
            LAW(is.id == key_of(page.id) && table_.find(is.id) == slot);
            LAW(is.state == page.state && is.references == page.references);
            LAW(is.uses == page.uses && is.faults == page.faults);
            LAW(is.last_touch == page.last_touch && is.full_tokens == page.full_tokens);
            LAW(is.pinned == page.pinned && is.held == held(page));
            LAW(table_.unit(slot) == page.unit);
            const bool out = page.state == PageState::kStored;
            LAW(is.tokens == (out ? 0 : page.tokens));
            stored += out;
            if (!out) all += page.tokens;
            if (tracked(page)) evictable += page.tokens;
        }
        LAW(table_.size() == pages_.size() && table_.stored() == stored);
        LAW(stored <= remember_);
        LAW(table_.tokens() == all && all <= table_.budget() && table_.budget() == budget_);
        LAW(table_.evictable() == evictable && table_.clock() == clock_);
        fuzz::note(all);
        fuzz::note(evictable);
    }

private:
    using Pages = std::map<Slot, Entry>;

    template <class Error, class Call>
    void refused(Call call) {
        bool threw = false;
        try {
            call();
        } catch (const Error&) {
            threw = true;
        }
        LAW(threw);
    }

    // What the model knows of a page.

    std::vector<Slot> unit_of(Slot slot) const {
        std::vector<Slot> unit;
        const std::int64_t number = pages_.at(slot).unit;
        if (number < 0) return {slot};
        for (const auto& [other, page] : pages_)
            if (page.unit == number) unit.push_back(other);
        return unit;
    }
    bool held(const Entry& page) const {
        if (page.pinned) return true;
        return page.unit >= 0 && std::any_of(pages_.begin(), pages_.end(), [&](const auto& other) {
                   return other.second.unit == page.unit && other.second.pinned;
               });
    }
    bool tracked(const Entry& page) const {
        return page.state <= PageState::kCompressed && !held(page);
    }
    std::int64_t taken() const {
        std::int64_t sum = 0;
        for (const auto& [slot, page] : pages_)
            if (page.state != PageState::kStored) sum += page.tokens;
        return sum;
    }
    std::int64_t evictable() const {
        std::int64_t sum = 0;
        for (const auto& [slot, page] : pages_)
            if (tracked(page)) sum += page.tokens;
        return sum;
    }
    std::int64_t room() const { return budget_ - taken(); }

    void use(Entry& page) {
        ++page.uses;
        page.last_touch = ++clock_;
    }
    void hear(Entry& page) { page.entered = page.touched = ++heard_; }
    void touch(Entry& page) {
        use(page);
        if (page.state > PageState::kCompressed)
            ++page.faults;
        else if (!held(page))
            page.touched = ++heard_;
    }

    // The operations.

    void insert(std::uint8_t id, std::int64_t tokens, std::int64_t unit, bool pinned) {
        const bool known = table_.find(key_of(id)) != kNoSlot;
        bool stored = false;
        for (const auto& [slot, page] : pages_)
            stored |= unit >= 0 && page.unit == unit && page.state == PageState::kStored;
        if (known || stored || tokens > room()) {
            refused<std::invalid_argument>([&] { table_.insert(key_of(id), tokens, unit, pinned); });
            return;
        }
        enter(table_.insert(key_of(id), tokens, unit, pinned), id, tokens, unit, pinned);
    }
    void enter(Slot slot, std::uint8_t id, std::int64_t tokens, std::int64_t unit, bool pinned) {
        LAW(!pages_.contains(slot));
        Entry& page = pages_[slot];
        page.id = id;
        page.tokens = page.full_tokens = tokens;
        page.unit = unit;
        hear(page);
        use(page);
        page.pinned = pinned;
    }
    void restore(Slot slot, Entry& page) {
        if (page.state != PageState::kStored) return table_.restore(slot);
        if (full(slot) > room()) {
            refused<std::invalid_argument>([&] { table_.restore(slot); });
            return;
        }
        table_.restore(slot);
        come_in(slot);
    }
    std::int64_t full(Slot slot) const {
        std::int64_t sum = 0;
        for (const Slot one : unit_of(slot)) sum += pages_.at(one).full_tokens;
        return sum;
    }
    void come_in(Slot slot) {
        // The ring of a unit is walked from the page on; its order is not the model's.
        for (const Slot one : unit_of(slot)) {
            Entry& page = pages_.at(one);
            page.state = PageState::kResident;
            page.tokens = page.full_tokens;
            hear(page);
        }
        use(pages_.at(slot));
    }
    void store(Slot slot, Entry& page) {
        if (held(page)) {
            refused<std::invalid_argument>([&] { table_.store(slot); });
            return;
        }
        table_.store(slot);
        if (page.state == PageState::kStored) return;
        go_out(slot);
        trim();
    }
    void go_out(Slot slot) {
        for (const Slot one : unit_of(slot)) {
            pages_.at(one).state = PageState::kStored;
            pages_.at(one).stored_at = ++heard_;
        }
    }
    void set_state(Slot slot, Entry& page, PageState state, std::int64_t tokens) {
        const bool out = state == PageState::kStored || page.state == PageState::kStored;
        if (out || tokens - page.tokens > room()) {
            refused<std::invalid_argument>([&] { table_.set_state(slot, state, tokens); });
            return;
        }
        table_.set_state(slot, state, tokens);
        const bool before = tracked(page);
        page.state = state;
        page.tokens = tokens;
        if (state == PageState::kResident) page.full_tokens = tokens;
        if (!before && tracked(page)) hear(page);
    }
    void pin(Slot slot, Entry& page) {
        if (page.state == PageState::kStored) {
            refused<std::invalid_argument>([&] { table_.pin(slot); });
            return;
        }
        table_.pin(slot);
        page.pinned = true;
    }
    void unpin(Entry& page) {
        page.pinned = false;
        if (held(page)) return;
        for (auto& [slot, other] : pages_)
            if (&other == &page || (page.unit >= 0 && other.unit == page.unit)) hear(other);
    }
    void own(Slot slot, Entry& page, bool more) {
        if (more) {
            table_.refer(slot);
            ++page.references;
            return;
        }
        const bool last = page.references == 1;
        LAW(table_.release(slot) == last);
        if (!last) {
            --page.references;
            return;
        }
        if (page.pinned) unpin(page);
        forget(slot);
    }
    void forget(Slot slot) { pages_.erase(slot); }

    void set_budget(std::int64_t budget) {
        if (budget < 1 || budget < taken()) {
            refused<std::invalid_argument>([&] { table_.set_budget(budget); });
            return;
        }
        table_.set_budget(budget);
        budget_ = budget;
    }
    void evict(std::int64_t needed) {
        std::vector<Slot> out;
        if (needed > room() && needed - room() > evictable()) {
            refused<std::invalid_argument>([&] { table_.evict(needed, out); });
            LAW(out.empty());
            return;
        }
        table_.evict(needed, out);
        for (std::size_t at = 0; at < out.size();) {
            LAW(room() < needed);  // nothing goes without need
            at += leave(out[at], {out.begin() + static_cast<std::ptrdiff_t>(at), out.end()});
        }
        LAW(room() >= needed);
        trim();
    }
    // One victim goes with its unit; returns how many pages went.
    std::size_t leave(Slot slot, const std::vector<Slot>& order) {
        LAW(pages_.contains(slot) && tracked(pages_.at(slot)));
        expect_victim(slot);
        const std::vector<Slot> unit = unit_of(slot);
        LAW(order.size() >= unit.size());
        for (std::size_t i = 0; i < unit.size(); ++i)
            LAW(std::find(unit.begin(), unit.end(), order[i]) != unit.end());
        for (std::size_t i = 0; i < unit.size(); ++i) {  // in the order in which they went
            pages_.at(order[i]).state = PageState::kStored;
            pages_.at(order[i]).stored_at = ++heard_;
        }
        return unit.size();
    }
    // The oldest goes; pages of one unit come in together, in an order that is not the model's.
    void expect_victim(Slot slot) const {
        if (!lru_ && !fifo_) return;
        const Entry& gone = pages_.at(slot);
        for (const auto& [other, page] : pages_) {
            if (!tracked(page) || other == slot || page.unit >= 0 || gone.unit >= 0) continue;
            LAW(lru_ ? gone.touched < page.touched : gone.entered < page.entered);
        }
    }
    // As a cache does: like `evict`, but the victims are seen by their states.
    void access(std::uint8_t id, std::int64_t tokens) {
        const Slot slot = table_.find(key_of(id));
        if (slot != kNoSlot && pages_.at(slot).state != PageState::kStored) {
            const bool there = pages_.at(slot).state <= PageState::kCompressed;
            LAW(table_.access(key_of(id), tokens) == there);
            touch(pages_.at(slot));
            return;
        }
        const std::int64_t needed = slot == kNoSlot ? tokens : full(slot);
        if (needed > room() && needed - room() > evictable()) {
            refused<std::invalid_argument>([&] { table_.access(key_of(id), tokens); });
            return;
        }
        LAW(!table_.access(key_of(id), tokens));
        const Slot now = table_.find(key_of(id));
        // Who left the window is not in it any more, or gone from the table.
        std::vector<Slot> out;
        for (auto& [other, page] : pages_) {
            if (other == slot || page.state == PageState::kStored) continue;
            const Slot place = table_.find(key_of(page.id));
            if (place != other || table_.page(place).state == PageState::kStored)
                out.push_back(other);
        }
        LAW(room() >= needed || !out.empty());
        for (const Slot gone : out) {
            const std::vector<Slot> unit = unit_of(gone);  // of which one page was the victim
            LAW(std::any_of(unit.begin(), unit.end(),
                            [&](Slot one) { return tracked(pages_.at(one)); }));
        }
        for (const Slot gone : out) pages_.at(gone).state = PageState::kStored;
        LAW(room() >= needed);
        if (slot != kNoSlot) {
            ++pages_.at(slot).faults;
            come_in(slot);
        }
        // In which order they went, and so which are forgotten, is the table's affair here.
        std::vector<Slot> forgotten;
        for (const auto& [other, page] : pages_)
            if (table_.find(key_of(page.id)) != other) forgotten.push_back(other);
        for (const Slot other : forgotten) {
            LAW(pages_.at(other).state == PageState::kStored);
            forget(other);
        }
        if (slot == kNoSlot) enter(now, id, tokens, -1, false);
        fix_order();
    }
    // After `access` the order of those that went is read from the table: newest first by its links.
    void fix_order() {
        for (auto& [slot, page] : pages_) {
            if (page.state != PageState::kStored) continue;
            std::uint64_t older = 0;
            for (Slot at = table_.page(slot).older; at != kNoSlot; at = table_.page(at).older) ++older;
            page.stored_at = older;
        }
    }
    // The longest gone are forgotten, with their units.
    void trim() {
        const auto stored = [&] {
            return static_cast<std::size_t>(
                std::count_if(pages_.begin(), pages_.end(), [](const auto& page) {
                    return page.second.state == PageState::kStored;
                }));
        };
        while (stored() > remember_) {
            Slot oldest = kNoSlot;
            for (const auto& [slot, page] : pages_)
                if (page.state == PageState::kStored &&
                    (oldest == kNoSlot || page.stored_at < pages_.at(oldest).stored_at))
                    oldest = slot;
            // The pages of its unit went with it; the table walks its ring from the oldest on.
            for (const Slot one : unit_of(oldest)) forget(one);
        }
    }

    PageTable table_;
    Pages pages_;
    bool lru_, fifo_;
    std::size_t remember_;
    std::int64_t budget_ = kBudget;
    std::uint64_t clock_ = 0;
    std::uint64_t heard_ = std::uint64_t{1} << 32;  // above the numbers of fix_order
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::uint8_t choice = input.byte();
    const std::size_t remember = choice >= 128 ? 3 : std::numeric_limits<std::size_t>::max();
    Model model(kPolicies[choice % std::size(kPolicies)], remember);
    for (int steps = 0; !input.empty() && steps < 300; ++steps) {
        model.step(input);
        model.check();
    }
    return 0;
}
