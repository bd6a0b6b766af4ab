// The corpus under the sanitizers: random texts and units, and units that do not fit.
#include <algorithm>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "core/text/corpus.hpp"

using namespace ctxmem;

namespace {

const std::vector<std::string_view> kAtoms = {"a",
                                              "word",
                                              ".",
                                              " ",
                                              "\n",
                                              "\r\n",
                                              "\t",
                                              "\x1F",
                                              "\xC2\x85",
                                              "\xC2\xA0",
                                              "\xE3\x80\x80",
                                              "\xC3\xA9",
                                              "\xE4\xB8\xAD",
                                              "\xF0\x9F\x98\x80",
                                              "\xED\xA0\xBD",
                                              "\xED\xB8\x80",
                                              "\xED"};

std::int64_t characters(std::string_view text) {
    std::int64_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return count;
}

void units_cover_what_they_cut(std::mt19937& random) {
    std::vector<std::string> texts(random() % 4);
    std::vector<std::int64_t> first{0}, start, end;
    for (std::string& text : texts) {
        for (std::size_t n = random() % 20; n > 0; --n) text += kAtoms[random() % kAtoms.size()];
        const std::int64_t length = characters(text);
        std::int64_t at = 0;
        while (at < length) {
            const std::int64_t next = std::min<std::int64_t>(length, at + random() % 6);
            start.push_back(at);
            end.push_back(next);
            at = next;
        }
        first.push_back(static_cast<std::int64_t>(start.size()));
    }
    Corpus corpus({texts.begin(), texts.end()});
    corpus.set_units(first, start, end);
    CHECK(corpus.units() == start.size());
    for (std::size_t t = 0; t < texts.size(); ++t)
        for (std::size_t u = corpus.first_of(t); u < corpus.first_of(t + 1); ++u) {
            const Corpus::Body& body = corpus.body(u);
            CHECK(body.begin <= body.end && body.end <= texts[t].size());
            CHECK(start[u] <= body.start && body.start <= body.stop && body.stop <= end[u]);
            const std::string_view said = corpus.text(t).substr(body.begin, body.end - body.begin);
            CHECK(characters(said) == body.stop - body.start);
            const std::string fixed = without_surrogates(said);
            CHECK(fixed.size() <= said.size());
        }
}

bool refused(const Corpus& corpus, std::vector<std::int64_t> first, std::vector<std::int64_t> start,
             std::vector<std::int64_t> end) {
    Corpus copy = corpus;
    try {
        copy.set_units(first, start, end);
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

}  // namespace

int main() {
    std::mt19937 random(7);
    for (int round = 0; round < 20'000; ++round) units_cover_what_they_cut(random);
    for (const std::string_view text : {"abc", "\xC3\xA4\xC3\xB6\xC3\xBC"}) {
        const Corpus corpus({text});
        CHECK(!refused(corpus, {0, 1}, {0}, {3}));
        CHECK(refused(corpus, {0, 1}, {0}, {4}));
        CHECK(refused(corpus, {0, 1}, {-1}, {3}));
        CHECK(refused(corpus, {0, 1}, {2}, {1}));
        CHECK(refused(corpus, {0, 2}, {0}, {1}));
        CHECK(refused(corpus, {0}, {}, {}));
        CHECK(refused(corpus, {}, {}, {}));
    }
    // An offset beyond the columns, of a text that is not the last.
    CHECK(refused(Corpus({"a", "b"}), {0, 2, 1}, {0}, {1}));
    CHECK(without_surrogates("\xED\xA0\xBD\xED\xB8\x80") == "\xF0\x9F\x98\x80");
    CHECK(without_surrogates("\xED\xB8\x80\xED\xA0\xBD") == "\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(without_surrogates("a\xED\xA0\xBD") == "a\xEF\xBF\xBD");
    CHECK(without_surrogates("\xED\x9F\xBF") == "\xED\x9F\xBF");  // no surrogate
    return 0;
}
