// What counting costs, in basic blocks that were run: eight times as long a run of one character
// costs about eight times as much; it would be 64 if the cost grew with the square.
// Arguments: pairs of the name of a pattern and the path of its vocabulary.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "block_count.hpp"
#include "check.hpp"
#include "core/tokenizer/bpe.hpp"

using namespace ctxmem;

namespace {

constexpr double kEightfold = 10;
constexpr double kBlocks = 1000;  // of a byte
constexpr std::size_t kSize = 100'000;

double cost(const Bpe& bpe, std::string_view unit, std::size_t size) {
    std::string text;
    while (text.size() < size) text += unit;
    return blocks_of([&] { bpe.count(text); });
}

}  // namespace

int main(int arguments, char** argument) {
    int dear = 0;
    CHECK(arguments > 2);
    for (int i = 1; i + 1 < arguments; i += 2) {
        std::ifstream file(argument[i + 1], std::ios::binary);
        const std::string ranks{std::istreambuf_iterator<char>(file), {}};
        const bool newer = std::string_view(argument[i]) == "o200k_base";
        const Bpe bpe(ranks, newer ? Pattern::o200k : Pattern::cl100k);
        for (const char* unit : {" ", "\xE3\x80\x80", "a", "\n", "\xE4\xB8\xAD",
                                 "\xE6\x96\x87\xE5\xAD\x97", "=", "\xC3\xA9", "ab1 ", "\xCC\x81"}) {
            cost(bpe, unit, kSize);  // how tokens are made is found out once
            const double once = cost(bpe, unit, kSize), eight = cost(bpe, unit, 8 * kSize);
            const double factor = eight / once, each = eight / (8 * kSize);
            std::printf("x%.2f, %.0f blocks a byte: [%s]\n", factor, each, unit);
            dear += factor > kEightfold || each > kBlocks;
        }
    }
    CHECK(dear == 0);
    return 0;
}
