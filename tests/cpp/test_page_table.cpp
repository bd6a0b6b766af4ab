// Every policy through every operation of the page table, with sums checked against a second count.
#include <stdexcept>
#include <vector>

#include "core/pages/page_table.hpp"
#include "check.hpp"

using namespace ctxmem;

namespace {

constexpr std::uint64_t kNumbers = 600;

struct Sums {
    std::int64_t tokens = 0;
    std::int64_t evictable = 0;
    std::size_t known = 0;
    std::size_t stored = 0;
};

ContentKey key_of(std::uint64_t number) { return {number % 7, number}; }

Sums count(const PageTable& table) {
    Sums sums;
    for (std::uint64_t number = 0; number < kNumbers; ++number) {
        const Slot slot = table.find(key_of(number));
        if (slot == kNoSlot) continue;
        const Page& page = table.page(slot);
        ++sums.known;
        CHECK(page.id == key_of(number));
        CHECK(!page.pinned || page.held);
        if (page.state == PageState::kStored) {
            CHECK(!page.held && page.tokens == 0);
            ++sums.stored;
            continue;
        }
        sums.tokens += page.tokens;
        if (page.state <= PageState::kCompressed && !page.held) sums.evictable += page.tokens;
    }
    return sums;
}

template <class Act>
bool refused(Act act) {
    try {
        act();
        return false;
    } catch (const std::invalid_argument&) {
    } catch (const std::out_of_range&) {
    }
    return true;
}

void run(const char* policy, std::int64_t budget, std::size_t remember, std::uint64_t seed) {
    std::uint64_t state = seed;
    const auto random = [&](std::uint64_t n) {
        return ((state = state * 6364136223846793005ull + 1442695040888963407ull) >> 33) % n;
    };
    PageTable table(budget, policy, remember);
    std::size_t slots = 0;  // at least as many as were given
    std::size_t done = 0;
    for (int step = 0; step < 8000; ++step) {
        const std::uint64_t number = random(4) ? random(60) : random(kNumbers);
        const ContentKey key = key_of(number);
        const Slot slot = static_cast<Slot>(random(slots + 1));
        const std::int64_t tokens = static_cast<std::int64_t>(random(30));
        std::vector<Slot> evicted;
        bool no = false;
        switch (random(12)) {
            case 0:
                no = refused([&] {
                    table.insert(key, tokens, random(4) ? -1 : std::int64_t(random(5)),
                                 random(9) == 0);
                });
                break;
            case 1: no = refused([&] { table.touch(slot); }); break;
            case 2: no = refused([&] { table.restore(slot); }); break;
            case 3: no = refused([&] { table.store(slot); }); break;
            case 4: no = refused([&] { table.evict(tokens * 3, evicted); }); break;
            case 5:
                no = refused(
                    [&] { table.set_state(slot, static_cast<PageState>(random(3)), tokens); });
                break;
            case 6: no = refused([&] { table.pin(slot); }); break;
            case 7: no = refused([&] { table.unpin(slot); }); break;
            case 8:
                if (random(4) == 0) no = refused([&] { table.release(slot); });
                break;
            default: no = refused([&] { table.access(key, tokens); }); break;
        }
        done += !no;
        slots = std::max<std::size_t>(slots, table.size() + 40);
        CHECK(table.tokens() <= table.budget());
        CHECK(table.stored() <= remember);
        if (step % 16 == 0) {
            const Sums sums = count(table);
            CHECK(sums.tokens == table.tokens());
            CHECK(sums.evictable == table.evictable());
            CHECK(sums.known == table.size());
            CHECK(sums.stored == table.stored());
        }
    }
    CHECK(done > 1000);
}

}  // namespace

int main() {
    for (const char* policy : {"auto", "lru", "fifo", "sieve", "s3fifo", "arc", "gdsf"})
        for (const std::int64_t budget : {20, 60, 900})
            for (const std::size_t remember : {std::size_t{0}, std::size_t{20}, ~std::size_t{0}})
                run(policy, budget, remember, 7 + budget + remember);
    CHECK(refused([] { PageTable table(10, "mru", 0); }));
    CHECK(refused([] { PageTable table(0, "lru", 0); }));
    return 0;
}
