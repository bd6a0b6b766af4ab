// What normalising costs, in basic blocks that were run: eight times as long a text costs about eight
// times as much; it would be 64 if the cost grew with the square.
// Argument: the path of a character map.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "block_count.hpp"
#include "check.hpp"
#include "core/tokenizer/normalise.hpp"

using namespace ctxmem;

namespace {

constexpr double kEightfold = 9;
constexpr double kBlocks = 200;  // of a byte
constexpr std::size_t kSize = 100'000;

double cost(const Normaliser& normaliser, std::string_view unit, std::size_t size) {
    std::string text, buffer;
    while (text.size() < size) text += unit;
    return blocks_of([&] { normaliser.apply(text, buffer); });
}

}  // namespace

int main(int arguments, char** argument) {
    CHECK(arguments == 2);
    std::ifstream file(argument[1], std::ios::binary);
    const std::string map{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::pair<const char*, NormaliserPtr>> normalisers;
    normalisers.emplace_back("NFC", make_form(Form::nfc));
    normalisers.emplace_back("NFKD", make_form(Form::nfkd));
    normalisers.emplace_back("BERT", make_bert({}));
    normalisers.emplace_back("Strip", make_strip(true, true));
    normalisers.emplace_back("Replace", make_replace("aaab", "x"));
    normalisers.emplace_back("Regex", make_replace_regex(" {3,}", "x"));
    normalisers.emplace_back("Precompiled", make_precompiled(map));
    normalisers.emplace_back("SentencePiece",
                             make_sentencepiece_normaliser(map, {}, {"aaaaaaaab", "  a"}));
    int dear = 0;
    for (const auto& [name, normaliser] : normalisers) {
        for (const char* unit :
             {" ", "a", "  a", "\r", "\xCC\x81", "\xCC\xA3\xCC\x81", "\xE1\x84\x80\xE1\x85\xA1",
              "\xEA\xB0\x81", "\xEF\xB7\xBA", "\xF0\x9F\x91\xA8\xE2\x80\x8D",
              "\xE0\xA4\x95\xE0\xA5\x8D", "\xE3\x80\x80", "\xE4\xB8\xAD"}) {
            const double once = cost(*normaliser, unit, kSize);
            const double eight = cost(*normaliser, unit, 8 * kSize);
            const double factor = eight / once, each = eight / (8 * kSize);
            std::printf("x%.2f, %.1f blocks a byte: %s [%s]\n", factor, each, name, unit);
            dear += factor > kEightfold || each > kBlocks;
        }
    }
    CHECK(dear == 0);
    return 0;
}
