// The default policy: keep what is likely to be used again soon, by what became of pages like it.
//
// Pages are of kinds, by how often they were used: 1, 2, 3, 4 to 7, 8 to 15, more. For each kind the
// policy learns the hazard of reuse by age: of the pages that got that old since their last use, the
// share that is used again before it is twice as old. So that this is known of evicted pages as well
// as of those that stay, they are remembered for a while as ghosts, and one that comes back tells at
// which age it was missed. Pages that wait, and ghosts that were forgotten, count as far as they got
// (the actuarial estimate, Cutler and Ederer 1958).
//
// The index of a page is the most uses per time that it can be expected to earn, over all times to
// wait for them: Gittins' index (1979) of its kind at its age. The page of the lowest index goes. This is
// neither recency nor frequency but finds either where it holds: where hazards fall with age it is
// LRU, where they depend on the kind alone it is LFU, and where reuse comes after a pause it waits as
// long as that pays. What a fault costs is what the page takes, its tokens, so that sizes cancel.
//
// A few pages say little, above all since pages come in batches that share one fate. So the hazards of
// all pages are estimated first, each age leaning on the one before; then a factor for each kind
// (proportional hazards), leaning on half the number of uses; then each kind at each age, leaning on
// the product. What a guess weighs is a share of the number of pages and a few more; old evidence
// fades. Until any page was used again, the one unused for longest goes.
//
// Pages of one kind and age are in one list, by last use, and move on as they grow older: a touch is
// constant time; a victim is constant time amortised, with 2 * log2(age) moves in a life and a new
// order of the lists, some 10 us, every 16 to 512 evictions.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <tuple>

#include "core/pages/policy.hpp"

namespace ctxmem {

class AutoPolicy final : public Policy {
public:
    const char* name() const override { return "auto"; }

    void on_insert(Slot slot) override {
        if (slot >= lives_.size()) lives_.resize(slot + 1);
        const std::uint16_t was = lists_.list_of(slot);
        if (was == kNowhere) {
            lives_[slot] = {0, 0};
        } else {
            --ghosts_;
            use_ended_it(slot);
        }
        ++tracked_;
        start_life(slot);
    }
    void on_touch(Slot slot) override {
        use_ended_it(slot);
        start_life(slot);
    }
    void on_evict(Slot slot) override {
        const std::uint16_t list = lists_.list_of(slot);
        lists_.remove(slot);
        lists_.push_front(list + kGhostLists, slot);
        --tracked_;
        ++ghosts_;
        ++evictions_;
        while (ghosts_ > kGhostsAPage * (tracked_ + 1)) on_remove(oldest_ghost());
    }
    void on_remove(Slot slot) override {
        const std::uint16_t was = lists_.list_of(slot);
        if (was == kNowhere) return;
        --(was < kGhostLists ? tracked_ : ghosts_);
        lose_sight_of(slot);
    }

    Slot victim() override {
        if (tracked_ == 0) return kNoSlot;
        grow_older();
        if (evictions_ >= next_order_ || clock_ >= order_holds_until_) set_order();
        for (const Cell& cell : order_) {
            const Slot slot = lists_.back(list(cell.kind, cell.age));
            if (slot != kNoSlot) return slot;
        }
        return kNoSlot;
    }

private:
    static constexpr int kKinds = 6;  // by uses: 1, 2, 3, 4 to 7, 8 to 15, more
    static constexpr int kAges = 48;  // by doubling: age a is from 2^a to 2^(a + 1)
    static constexpr std::uint16_t kGhostLists = kKinds * kAges;
    static constexpr std::uint16_t kNowhere = SlotLists<2 * kGhostLists>::kNowhere;
    static constexpr std::size_t kGhostsAPage = 6;
    static constexpr double kLivesAPage = 4;      // that count, of pages and of ghosts
    static constexpr double kFirstHazard = 0.02;  // of any page, before anything is known
    // What a guess weighs, in pages seen: about a cell of the table, and about a kind.
    static double cell_weight(double pages) { return 0.1 * pages + 4; }
    static double kind_weight(double pages) { return 0.05 * pages + 2; }

    struct Life {
        std::uint64_t last;  // use, by clock_
        std::uint32_t uses;
    };
    struct Cell {
        double index;
        int kind;
        int age;
    };
    using ByAge = std::array<double, kAges>;
    using Table = std::array<ByAge, kKinds>;

    static std::uint16_t list(int kind, int age) {
        return static_cast<std::uint16_t>(kind * kAges + age);
    }
    static int age_of(std::uint64_t gap) {
        return std::clamp(static_cast<int>(std::bit_width(gap)) - 1, 0, kAges - 1);
    }
    static double width(int age) { return std::ldexp(1.0, age); }
    int kind_of(Slot slot) const {
        const int uses = lives_[slot].uses;
        return uses < 4 ? uses - 1 : std::min<int>(std::bit_width(lives_[slot].uses), kKinds - 1);
    }

    // A page lives from one use to the next; all that is kept of lives that ended is at which age.
    void start_life(Slot slot) {
        lives_[slot].last = ++clock_;
        ++lives_[slot].uses;
        lists_.push_front(list(kind_of(slot), 0), slot);
    }
    void use_ended_it(Slot slot) {
        used_[kind_of(slot)][age_of(gap(slot))] += 1;
        used_once_ = true;
        ended_ += 1;
        lists_.remove(slot);
    }
    void lose_sight_of(Slot slot) {
        const int age = age_of(gap(slot));
        lost_[kind_of(slot)][age] += 1;
        lost_way_[kind_of(slot)][age] += way_through(slot, age);
        ended_ += 1;
        lists_.remove(slot);
    }
    // How long the page will have waited if it is used next.
    std::uint64_t gap(Slot slot) const { return clock_ + 1 - lives_[slot].last; }
    // The part of an age that lies behind a page.
    double way_through(Slot slot, int age) const {
        return std::clamp((static_cast<double>(gap(slot)) - width(age)) / width(age), 0.0, 1.0);
    }

    // Move pages on to the list of their age. Old lists are looked at more rarely: an age is known to
    // one part in sixteen.
    void grow_older() {
        const int oldest = age_of(clock_);
        for (int age = oldest; age >= 0; --age) {
            if (clock_ < due_[age]) continue;
            due_[age] = clock_ + std::max<std::uint64_t>(1, (std::uint64_t{1} << age) / 16);
            for (int kind = 0; kind < kKinds; ++kind) {
                move_on(list(kind, age), age);
                move_on(list(kind, age) + kGhostLists, age);
            }
        }
    }
    void move_on(std::uint16_t from, int age) {
        if (age + 1 >= kAges) return;
        for (Slot slot = lists_.back(from); slot != kNoSlot; slot = lists_.back(from)) {
            const int now = age_of(gap(slot));
            if (now <= age) return;
            lists_.remove(slot);
            lists_.push_front(static_cast<std::uint16_t>(from + now - age), slot);
        }
    }

    Slot oldest_ghost() const {
        for (int age = age_of(clock_); age >= 0; --age) {
            Slot oldest = kNoSlot;
            for (int kind = 0; kind < kKinds; ++kind) {
                const Slot slot = lists_.back(list(kind, age) + kGhostLists);
                if (slot != kNoSlot &&
                    (oldest == kNoSlot || lives_[slot].last < lives_[oldest].last))
                    oldest = slot;
            }
            if (oldest != kNoSlot) return oldest;
        }
        return kNoSlot;
    }

    // Order the lists by the index of their pages.
    void set_order() {
        const double pages = static_cast<double>(tracked_);
        forget_the_distant_past(pages);
        const int ages = age_of(2 * clock_) + 1;
        const Table hazards = estimate(ages, pages);
        order_.clear();
        for (int kind = 0; kind < kKinds; ++kind)
            for (int age = 0; age < ages; ++age)
                order_.push_back({used_once_ ? index(hazards[kind], age, ages) : 0.0, kind, age});
        std::sort(order_.begin(), order_.end(), [](const Cell& a, const Cell& b) {
            return std::tuple(a.index, -a.age, a.kind) < std::tuple(b.index, -b.age, b.kind);
        });
        next_order_ = evictions_ + std::clamp<std::uint64_t>(tracked_ / 16, 16, 512);
        order_holds_until_ = 2 * clock_;
    }

    // Lives that count: some for each page, so that old habits are given up in time.
    void forget_the_distant_past(double pages) {
        if (ended_ < kLivesAPage * (pages + static_cast<double>(ghosts_))) return;
        for (Table* how : {&used_, &lost_, &lost_way_})
            for (ByAge& ages : *how)
                for (double& lives : ages) lives /= 2;
        ended_ /= 2;
    }
    // The part of an age that lies behind the pages of a list, summed: they are in order.
    double way_of(std::uint16_t list, int age) const {
        if (lists_.size(list) == 0) return 0;
        return static_cast<double>(lists_.size(list)) *
               (way_through(lists_.front(list), age) + way_through(lists_.back(list), age)) / 2;
    }

    // The share of pages of each kind that are used again at each age, of those that get there.
    Table estimate(int ages, double pages) const {
        Table reached{};
        ByAge all_used{};
        ByAge all_reached{};
        for (int kind = 0; kind < kKinds; ++kind) {
            double beyond = 0;
            for (int age = ages - 1; age >= 0; --age) {
                const std::uint16_t pages_here = list(kind, age);
                const std::uint16_t ghosts_here = pages_here + kGhostLists;
                reached[kind][age] = beyond + used_[kind][age] + lost_way_[kind][age] +
                                     way_of(pages_here, age) + way_of(ghosts_here, age);
                beyond += used_[kind][age] + lost_[kind][age] +
                          static_cast<double>(lists_.size(pages_here) + lists_.size(ghosts_here));
                all_used[age] += used_[kind][age];
                all_reached[age] += reached[kind][age];
            }
        }
        const double weight = cell_weight(pages);
        ByAge pooled{};
        double before = kFirstHazard;
        double evidence = 0;
        for (int age = 0; age < ages; ++age) {
            // Twice the time is twice the hazard, as far as uses at the age before it were seen; beyond
            // that let it be the same, as if hazards fell with age.
            const double known = evidence / (evidence + weight);
            const double expected = 1 - std::pow(1 - before, std::exp2(known));
            pooled[age] = (all_used[age] + weight * expected) / (all_reached[age] + weight);
            before = pooled[age];
            evidence = all_used[age];
        }
        Table hazards{};
        for (int kind = 0; kind < kKinds; ++kind) {
            double seen = kind_weight(pages) * (kind + 1) / 2.0;
            double expected = kind_weight(pages);
            for (int age = 0; age < ages; ++age) {
                seen += used_[kind][age];
                expected += reached[kind][age] * pooled[age];
            }
            for (int age = 0; age < ages; ++age) {
                const double lean = std::min(0.95, seen / expected * pooled[age]);
                hazards[kind][age] =
                    (used_[kind][age] + weight * lean) / (reached[kind][age] + weight);
            }
        }
        return hazards;
    }
    // The most uses per time that a page of this age can be waited for.
    static double index(const ByAge& hazards, int age, int ages) {
        double alive = 1;
        double uses = 0;
        double time = 0;
        double best = 0;
        for (int at = age; at < ages; ++at) {
            uses += alive * hazards[at];
            time += alive * (1 - hazards[at] / 2) * width(at);
            alive *= 1 - hazards[at];
            best = std::max(best, uses / time);
        }
        return best;
    }

    SlotLists<2 * kGhostLists> lists_;  // by kind and age, of pages and of ghosts
    std::vector<Life> lives_;
    std::vector<Cell> order_;
    std::array<std::uint64_t, kAges> due_{};
    Table used_{};      // lives that ended in a use
    Table lost_{};      // lives whose end will not be known
    Table lost_way_{};  // the part of that age that they got through
    double ended_ = 0;
    std::uint64_t clock_ = 0;
    std::uint64_t evictions_ = 0;
    std::uint64_t next_order_ = 0;
    std::uint64_t order_holds_until_ = 0;
    std::size_t tracked_ = 0;
    std::size_t ghosts_ = 0;
    bool used_once_ = false;  // until a page was used again all have one index, and the oldest goes
};

}  // namespace ctxmem
