// Stars under the sanitizers: odd UTF-8, empty texts, every threshold; checked against all pairs.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <stdexcept>

#include "core/stars.hpp"
#include "core/words.hpp"

#define CHECK(condition)                                                         \
    if (!(condition)) {                                                          \
        std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);     \
        std::exit(1);                                                            \
    }

int main() {
    std::uint64_t state = 7;
    const auto random = [&](std::uint64_t) {
        return (state = state * 6364136223846793005ull + 1442695040888963407ull) >> 33;
    };
    const char* words[] = {"a", "b", "c", "caf\xC3\xA9", "\xE6\x9D\xB1", "\xF0\x9F\x8E\x89", "\xC3"};
    for (int round = 0; round < 200; ++round) {
        std::vector<std::string> texts(random(30) % 30);
        for (auto& text : texts)
            for (std::uint64_t k = random(9) % 9; k > 0; --k)
                text += std::string(words[random(7) % 7]) + (random(3) % 3 ? " " : "");
        const std::vector<std::string_view> views(texts.begin(), texts.end());
        const auto lists = ctxmem::split_texts(views);
        const ctxmem::WordView words{lists.words, lists.start};
        std::vector<std::int32_t> order(texts.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
        for (const double threshold : {0.01, 0.5, 1.0})
            for (const int n : {1, 3}) {
                const auto stars = ctxmem::near_duplicate_stars(words, order, threshold, n);
                CHECK(stars.representative.size() == texts.size());
                for (std::size_t i = 0; i < texts.size(); ++i) {
                    const auto star = static_cast<std::size_t>(stars.representative[i]);
                    CHECK(star <= i);
                    CHECK(static_cast<std::size_t>(stars.representative[star]) == star);
                    CHECK(star == i || stars.similarity[i] >= threshold);
                }
            }
    }
    bool thrown = false;
    try {
        const std::vector<std::int64_t> start{0};
        ctxmem::near_duplicate_stars({{}, start}, {}, 0.0, 3);
    } catch (const std::invalid_argument&) {
        thrown = true;
    }
    CHECK(thrown);
    return 0;
}
