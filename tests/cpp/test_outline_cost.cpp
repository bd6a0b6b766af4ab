// What an outline costs, in basic blocks that were run: doubling a text costs at most kDoubled times
// as much, and a byte no more than kBlocks.
// Arguments: how many random shapes, and a seed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/text/outline.hpp"
#include "block_count.hpp"
#include "check.hpp"
#include "outline_parts.hpp"

namespace {

constexpr double kDoubled = 2.3;
constexpr double kBlocks = 3000;  // of a byte: so that a constant factor is none of thousands
constexpr std::size_t kSize = 24000;

using Shape = std::vector<std::string>;  // what comes once, then what fills each of equal parts

std::string text_of(const Shape& shape, std::size_t size) {
    std::string text = shape[0];
    for (std::size_t k = 1; k < shape.size(); ++k)
        while (text.size() < size * k / (shape.size() - 1)) text += shape[k];
    return text;
}

// Ever deeper lines: as many as there is room for.
std::string deeper(const std::string& line, std::size_t size) {
    std::string text;
    for (std::size_t k = 0; text.size() < size; ++k) text += std::string(k, ' ') + line;
    return text;
}

// Fences of tildes, each shorter than the one before, so that none closes another.
std::string falling_fences(std::size_t size) {
    std::string text;
    std::size_t most = 1;
    while (most * most < size) ++most;
    for (std::size_t k = most; k > 3; --k) text += std::string(k, '~') + "\n\n";
    while (text.size() < size) text += "a\n";
    return text;
}

double cost(const std::string& text, ctxmem::OutlineOptions options) {
    ctxmem::Outline outline;
    return blocks_of([&] { ctxmem::append_outline(text, options, outline); });
}

void print(const std::string& part) {
    std::fputs(" [", stderr);
    for (const char c : part)
        if (c == '\n')
            std::fprintf(stderr, "\\n");
        else if (c >= ' ' && c <= '~')
            std::fputc(c, stderr);
        else
            std::fprintf(stderr, "\\x%02x", static_cast<unsigned char>(c));
    std::fputc(']', stderr);
}

double worst_factor = 0, worst_blocks = 0;

template <class Make>
bool cheap(const Shape& shape, Make&& make, ctxmem::OutlineOptions options) {
    const std::string text = make(kSize), twice = make(2 * kSize), more = make(4 * kSize);
    const double once = cost(text, options), two = cost(twice, options), four = cost(more, options);
    // Per byte: shapes fill their size only nearly.
    const auto grows = [](double a, double b, const std::string& s, const std::string& t) {
        return 2 * b / a * static_cast<double>(s.size()) / static_cast<double>(t.size());
    };
    // What is linear may cost more once, where a limit of lines or bytes is reached.
    const double factor = std::min(grows(once, two, text, twice), grows(two, four, twice, more));
    const double each = four / static_cast<double>(more.size());
    worst_factor = std::max(worst_factor, factor);
    worst_blocks = std::max(worst_blocks, each);
    if (factor <= kDoubled && each <= kBlocks) return true;
    std::fprintf(stderr, "doubled x%.2f, x%.2f, %.0f blocks a byte, format %d, room %zu:",
                 grows(once, two, text, twice), grows(two, four, twice, more), each,
                 static_cast<int>(options.format), options.room);
    for (const std::string& part : shape) print(part);
    std::fprintf(stderr, "\n");
    return false;
}

const std::vector<Shape> kShapes = {
    {"", "a"},
    {"", " "},
    {"", "\n"},
    {"", ". "},
    {"", ".'"},
    {"", "["},
    {"", "[\n"},
    {"", "[\"\n"},
    {"", "{"},
    {"", "{\n"},
    {"", "{\"a\":\n"},
    {"", "{\n  a\n"},
    {"", "}\n"},
    {"", "\"a\": {\n"},
    {"", "\"a\": {\n  \"b\": 1\n}\n"},
    {"{\n", "\t\"a\": {\n\t\t\"b\": 1\n\t},\n"},
    {"", "a: {\n  b\n", "}\n"},
    {"", "{\"a\": [1, {\"b\": \"c\"}, \n"},
    {"", "{\"a\" 1}\n"},
    {"", "# a\n"},
    {"", "# "},
    {"", "#\n"},
    {"", "a\n===\n"},
    {"", "CAPS\n\n"},
    {"", "***\n"},
    {"", "|"},
    {"", "|\n"},
    {"", "a | b\n"},
    {"", "a | b\n--|--\n"},
    {"", "| a |\n"},
    {"", "a\tb\n"},
    {"", "\t\t"},
    {"", "+--+\n"},
    {"", "+--+\n| a |\n"},
    {"", "== ==\n"},
    {"", "== ==\na\n"},
    {"", "== ==\n\n"},
    {"", "== ==\n== ==\nx\n"},
    {"", "a  b\n"},
    {"", "a,b,1\n"},
    {"", "a, b, 1\n"},
    {"", "- a, b, c\n"},
    {"", "- a,b,1\n"},
    {"", "a,b,1.\n"},
    {"", "<table\n"},
    {"", "<table"},
    {"", "<tr\n"},
    {"", "<tr"},
    {"", "<table>\n<tr>\n"},
    {"", "a\n\n<table\n\n"},
    {"", "<table>\n", "<tr>\n"},
    {"<table>", "<tr><td>some words in a cell</td></tr>"},
    {"", "```\n"},
    {"", "```\nx\n\n"},
    {"", "~~~\n\n"},
    {"", "```py\n"},
    {"```\n", "x = 1\n"},
    {"", "x = 1\n"},
    {"", "- x = f(1)\n"},
    {"", "{}x\n"},
    {"", "if:\n "},
    {"", ">>> f()\n"},
    {"def f():\n", "    x = 1\n"},
    {"", "def f(x):\n    return x\n"},
    {"", "// a\n"},
    {"", "/*\n"},
    {"", "key: v\n"},
    {"", "key:\n"},
    {"", "- k: v\n"},
    {"", "- k:\n  - b: 1\n"},
    {"", "[s]\nk = v\n"},
    {"", "- key: " + std::string(100, 'x') + ".\n"},
    {"", "2024-05-01 12:00 x\n"},
    {"", "2024-05-01 12:00 x\ny\n"},
    {"", "INSERT INTO t\n"},
    {"", "<a>\n  <b>c</b>\n</a>\n"},
    {"", "- "},
    {"", "-\n"},
    {"", "- a\n"},
    {"", "- a\n\n"},
    {"", "1. Do not do step 2.\n"},
    {"", "> "},
    {"", ":a: b\n"},
    {"", ":a: b\n\n"},
    {"", ".. x::\n\n   y\n"},
    {"", "..\n"},
    {"", ".. a\n"},
    {"", ".. toctree::\n"},
    {"", ".. code::\n"},
    {"", ".. note:: a\n"},
    {"", "::\n\n"},
    {"", "a::\n\n  b\n\n"},
    {"", "a:\n\n"},
    {"", "term\n    body\n"},
    {"", "-a\n    body\n"},
    {"", "Ann Lee: hi\n"},
    {"", "Ann Lee: hi\n\n"},
    {"", "\r"},
    {"", "a\r"},
    {"", "a.\r\n\r\n"},
    {"", std::string(1, '\0')},
    {"", "\xED\xA0\xBD"},
    {"", "e\xCC\x81"},
    {"", "\xF0\x9F\x87\xA6"},
    {"", "\xE0\xB8\x81 "},
    {"", "\xE2\x80\x8D"},
    {"", " \xCC\x81"},
    {"", "\xC2\xA0"},
    {"", "\xE3\x80\x80"},
    {"", "a\n\xE3\x80\x80"},
    {"", "\xE3\x80\x82"},
    {"", "word word word, "},
    {"", "some words; "},
    {"", std::string(60, 'a') + " " + std::string(400, 'c') + " word. The "}};

}  // namespace

int main(int arguments, char** argument) {
    const long count = arguments > 1 ? std::atol(argument[1]) : 0;
    std::uint64_t state = arguments > 2 ? static_cast<std::uint64_t>(std::atol(argument[2])) : 1;
    const auto below = [&](std::size_t limit) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        return static_cast<std::size_t>((state >> 33) % limit);
    };
    int dear = 0;
    for (int format = 0; format < 4; ++format) {
        ctxmem::OutlineOptions options;
        options.format = static_cast<ctxmem::Format>(format);
        for (const Shape& shape : kShapes)
            dear += !cheap(
                shape, [&](std::size_t size) { return text_of(shape, size); }, options);
        for (const char* line : {"a\n", "- a\n", "a:\n", "\"a\": {\n", "term\n", "if x:\n",
                                 ".. x::\n\n", "def f():\n", "1. a\n\n"})
            dear += !cheap(
                {line}, [&](std::size_t size) { return deeper(line, size); }, options);
        dear += !cheap({"~~~~~\n\n~~~~\n\n"}, falling_fences, options);
    }
    const auto any = [&] {
        std::string piece;
        for (std::size_t k = 1 + below(5); k > 0; --k) {
            piece += kParts[below(kParts.size())];
            if (below(4) == 0) piece += '\n';
            if (below(6) == 0) piece += std::string(below(8), ' ');
        }
        return piece;
    };
    for (long round = 0; round < count && dear < 9; ++round) {
        Shape shape{below(2) == 0 ? any() : "", any()};
        if (below(2) == 0) shape.push_back(any());
        ctxmem::OutlineOptions options;
        if (below(2) == 0) options.format = static_cast<ctxmem::Format>(below(4));
        if (below(4) == 0) options.room = 64;
        dear += !cheap(
            shape, [&](std::size_t size) { return text_of(shape, size); }, options);
    }
    std::printf("doubled at most x%.2f, at most %.0f blocks a byte\n", worst_factor, worst_blocks);
    CHECK(dear == 0);
    return 0;
}
