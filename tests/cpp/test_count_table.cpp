// CountTable against a map, with keys that crowd the same places of the index.
#include <unordered_map>

#include "core/tokenizer/count_table.hpp"
#include "check.hpp"

int main() {
    std::uint64_t state = 1;
    const auto random = [&] { return (state = state * 6364136223846793005ull + 1) >> 33; };
    for (const std::size_t capacity : {1u, 2u, 3u, 17u}) {
        ctxmem::CountTable table(capacity);
        std::unordered_map<std::uint64_t, std::int64_t> stored;
        for (int step = 0; step < 20000; ++step) {
            const std::uint64_t number = random() % 40;
            const ctxmem::ContentKey key{number % 3, number};
            if (random() % 2) {
                stored[number] = step;
                table.insert(key, step);
                CHECK(table.find(key) == step);
            } else {
                const std::int64_t found = table.find(key);
                CHECK(found == -1 || (stored.count(number) && stored[number] == found));
            }
            CHECK(table.size() <= capacity);
        }
        CHECK(table.size() == capacity);
    }
    return 0;
}
