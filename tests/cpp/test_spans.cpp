// Spans under the sanitizers: every kind of line in random order, odd UTF-8, brackets that do not
// match. Spans must cover the text, and none but a single grapheme may be too long.
#include <string>

#include "core/json_cuts.hpp"
#include "core/sentences.hpp"
#include "core/spans.hpp"
#include "check.hpp"

namespace {

std::size_t byte_offset(const std::string& text, std::size_t from, std::int64_t characters) {
    while (characters > 0) {
        ++from;
        while (from < text.size() && (text[from] & 0xC0) == 0x80) ++from;
        --characters;
    }
    return from;
}

void check(const std::string& text) {
    ctxmem::Spans spans;
    ctxmem::append_spans(text, spans);
    CHECK(spans.first.size() == 2);
    CHECK(spans.first[1] == static_cast<std::int64_t>(spans.start.size()));
    CHECK(spans.start.empty() == text.empty());
    std::int64_t at = 0;
    std::size_t byte = 0;
    for (std::size_t i = 0; i < spans.start.size(); ++i) {
        CHECK(spans.start[i] == at);
        CHECK(spans.end[i] > at);
        CHECK(spans.kind[i] <= 6);
        CHECK(i == 0 || ctxmem::skip_space(text, byte, text.size()) == byte);
        const std::size_t end = byte_offset(text, byte, spans.end[i] - at);
        CHECK(ctxmem::trim_space(text, byte, end) - byte <= ctxmem::kLongest + 300);
        at = spans.end[i];
        byte = end;
    }
    CHECK(byte == text.size());
}

}  // namespace

int main() {
    std::uint64_t state = 11;
    const auto random = [&](std::uint64_t below) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        return (state >> 33) % below;
    };
    const char* parts[] = {
        "a", "The fee", " ", " ", "\n", "\n", "\n\n", "\t", "    ", ". ", "! ", "?", "...", "\"",
        "'", "(", ")", "[", "]", "{", "}", "{\"a\": 1}", "[1, 2]", ",", ";", ":", "#", "# ", "## ",
        "- ", "1. ", "9.2 ", "(a) ", "|", "| a | b |\n", "--|--\n", "```\n", "~~~", "---", "===\n",
        "x = 1", "def f(x):\n", "return x", "User: ", "e.g. ", "Mr. ", "B.V. ", "J. ", "\xC2\xBB",
        "\xC2\xA0", "\xE2\x80\x9D", "\xE3\x80\x82", "\xE3\x80\x80", "\xEF\xBC\x8E", "\xE0\xB8\x81",
        "\xCC\x81", "\xF0\x9F\x87\xA6", "\xF0\x9F\x8E\x89", "\xE2\x80\x8D", "\xED\xA0\xBD",
        "\xED\xB8\x80", "\r", "\\", "//", "2024-05-01 12:00 ", "\xEF\xBB\xBF"};
    constexpr std::size_t kParts = sizeof parts / sizeof *parts;
    check("");
    check(std::string(3, '\0'));
    for (int round = 0; round < 6000; ++round) {
        std::string text;
        for (std::uint64_t k = random(40); k > 0; --k) text += parts[random(kParts)];
        check(text);
    }
    // Few parts, many times: long lines, long runs, deep nesting.
    for (int round = 0; round < 400; ++round) {
        std::string unit;
        for (std::uint64_t k = 1 + random(3); k > 0; --k) unit += parts[random(kParts)];
        std::string text;
        while (text.size() < 6000) text += unit;
        if (unit.find('\xCC') == unit.npos && unit.find("\xE2\x80\x8D") == unit.npos) check(text);
    }
    std::vector<std::size_t> cuts;
    const std::string json = R"({"a": [1, 2], "b": "x, y\", z", "c": {}})";
    CHECK(ctxmem::read_json(json, 0, 1600, cuts).end == json.size());
    CHECK((cuts == std::vector<std::size_t>{13, 31}));
    CHECK(!ctxmem::read_json("[1, 2}", 0, 1600, cuts).valid);
    CHECK(!ctxmem::read_json("[\"open", 0, 1600, cuts).valid);
    CHECK(!ctxmem::read_json("[see below]", 0, 1600, cuts).valid);
    return 0;
}
