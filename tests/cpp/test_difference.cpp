// The rule of difference under the sanitizers, on texts from parts and from random bytes. A text
// does not differ from itself, the rule is symmetric, and its results are views into the texts.
#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/dedup/difference.hpp"
#include "check.hpp"

using namespace ctxmem;

namespace {

std::uint64_t state = 7;
std::size_t random_below(std::size_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::size_t>(state >> 33) % below;
}

const std::vector<std::string_view> kParts = {"the ",
                                              "fee ",
                                              "not ",
                                              "isn't ",
                                              "may ",
                                              "must ",
                                              "5 mg ",
                                              "-5% ",
                                              "$5 ",
                                              "1,200.50 ",
                                              "5-6 ",
                                              "X-101 ",
                                              "v2.3 ",
                                              "== ",
                                              "!= ",
                                              "<b>",
                                              "</b>",
                                              "-> ",
                                              "\n",
                                              "- ",
                                              "1. ",
                                              "wo-\nrd ",
                                              "\xE2\x9C\x93 ",
                                              "\xE2\x9C\x97 ",
                                              "\xE4\xBA\x94",
                                              "\xE4\xB8\x8D",
                                              "\xE4\xBB\xA5",
                                              "\xE5\x89\x8D",
                                              "\xE3\x81\xBE\xE3\x81\x9B\xE3\x82\x93",
                                              "\xEC\x98\xA4\xEC\xB2\x9C ",
                                              "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB",
                                              "\xD9\x88\xD8\xAE\xD9\x85\xD8\xB3\xD8\xA9 ",
                                              "f\xC3\xBCnftausend ",
                                              "non-",
                                              "lawful ",
                                              "un",
                                              "\xEF\xAC\x83",
                                              "\xC2\xBD",
                                              "\xC2\xB2",
                                              "\xED\xA0\xBD",
                                              "\xF0\x9F",
                                              "\xFF",
                                              "[x] ",
                                              "a@b.c ",
                                              "://x ",
                                              "++",
                                              "AA+ ",
                                              "(a) ",
                                              "per cent ",
                                              ".5 ",
                                              ". ",
                                              "min "};

std::string from_parts(std::size_t most) {
    std::string text;
    for (std::size_t n = random_below(most); n > 0; --n)
        text += kParts[random_below(kParts.size())];
    return text;
}

std::string from_bytes() {
    std::string text;
    for (std::size_t n = random_below(40); n > 0; --n) text += static_cast<char>(random_below(256));
    return text;
}

bool within(std::string_view part, std::string_view text) {
    return part.empty() ||
           (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
}

using Row = std::tuple<std::string_view, std::string_view, DifferenceKind>;

void check(const std::string& a, const std::string& b) {
    const ReadText one(a), two(b);
    CHECK(differences(one, one, true).empty());
    for (const bool wording : {false, true}) {
        std::vector<Row> there, back;
        for (const Difference& d : differences(one, two, wording)) {
            CHECK(within(d.a, a) && within(d.b, b) && !(d.a.empty() && d.b.empty()));
            CHECK(wording || d.kind != DifferenceKind::wording);
            there.emplace_back(d.a, d.b, d.kind);
        }
        for (const Difference& d : differences(two, one, wording))
            back.emplace_back(d.b, d.a, d.kind);
        std::sort(there.begin(), there.end());
        std::sort(back.begin(), back.end());
        CHECK(there == back);
    }
}

std::size_t found(std::string_view a, std::string_view b) {
    return differences(ReadText(a), ReadText(b)).size();
}

}  // namespace

int main() {
    for (int round = 0; round < 3000; ++round) {
        const std::string text = from_parts(30);
        check(text, from_parts(30));
        check(text + from_parts(4), text + from_parts(4));
        check(from_bytes(), from_bytes());
    }
    const std::string many = [] {
        std::string text;
        for (int i = 0; i < 800; ++i) text += kParts[random_below(kParts.size())];
        return text;
    }();
    check(many, from_parts(800));
    CHECK(found("It is due in 5 days.", "It is due in 6 days.") == 1);
    CHECK(found("It is due in 5 days.", "it's due  in 5 days") == 0);
    CHECK(found("The flat in Ulm is let.", "The flat in Kiel is let.") == 1);
    DifferenceRule rule("the flat with a garden");
    CHECK(rule.differ("The flat with a garden is let.", "The flat with a balcony is let."));
    CHECK(!rule.differ("The flat with a view is let.", "The flat with a balcony is let."));
    return 0;
}
