// Outlines of random texts under the sanitizers: every kind of line in random order, odd UTF-8,
// brackets that do not match; and lines of real formats, cut, shuffled and put together.
// Arguments: how many texts, and a folder of files in many formats.
#include <setjmp.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/text/json_cuts.hpp"
#include "core/text/sentences.hpp"
#include "fuzz/outline_invariants.hpp"
#include "fuzz/target.hpp"
#include "check.hpp"
#include "outline_parts.hpp"

namespace {

std::uint64_t state = 11;
std::size_t below(std::size_t limit) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::size_t>((state >> 33) % limit);
}

// An assertion that fails breaks a law, too, so that its text can be made small and printed.
sigjmp_buf aborted;
extern "C" void jump_back(int) { siglongjmp(aborted, 1); }

const char* broken_law(const std::string& text, const ctxmem::OutlineOptions& options) {
    if (sigsetjmp(aborted, 1) != 0) return "an assertion holds";
    return ctxmem::OutlineCheck(text, options).broken();
}

void print(const std::string& text) {
    for (const char c : text)
        if (c == '\n')
            std::fprintf(stderr, "\\n");
        else if (c >= ' ' && c <= '~' && c != '\\' && c != '"')
            std::fputc(c, stderr);
        else
            std::fprintf(stderr, "\\x%02x", static_cast<unsigned char>(c));
}

// Without lines that are not part of what breaks the law.
std::string shrink(std::string text, const ctxmem::OutlineOptions& options, const char* law) {
    for (std::size_t size = text.size() / 2; size > 0; size /= 2)
        for (std::size_t at = 0; at + size <= text.size();) {
            const std::string less = text.substr(0, at) + text.substr(at + size);
            const bool whole = fuzz::utf8_of(less) == less;
            if (whole && broken_law(less, options) == law)
                text = less;
            else
                ++at;
        }
    return text;
}

bool holds(const std::string& text, const ctxmem::OutlineOptions& options) {
    const char* law = broken_law(text, options);
    if (law == nullptr) return true;
    std::fprintf(stderr, "%s; format %d, named %d, room %zu:\n", law,
                 static_cast<int>(options.format), options.named, options.room);
    print(shrink(text, options, law));
    std::fprintf(stderr, "\n");
    return false;
}

ctxmem::OutlineOptions any_options() {
    ctxmem::OutlineOptions options;
    if (below(3) == 0) options.format = static_cast<ctxmem::Format>(below(4));
    options.named = below(2) == 0;
    options.room = below(3) == 0 ? 32 + below(200) : 1600;
    return options;
}

std::vector<std::string> read_folder(const char* folder) {
    std::vector<std::string> texts;
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry);
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) {
        std::ifstream file(path, std::ios::binary);
        texts.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return texts;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t next = std::min(text.find('\n', at), text.size() - 1) + 1;
        lines.push_back(text.substr(at, next - at));
        at = next;
    }
    return lines;
}

std::string random_text(const std::vector<std::string>& samples) {
    std::string text;
    if (samples.empty() || below(3) == 0) {
        for (std::size_t k = below(40); k > 0; --k) text += kParts[below(kParts.size())];
        return text;
    }
    for (std::size_t pieces = 1 + below(2); pieces > 0; --pieces) {
        const std::string& sample = samples[below(samples.size())];
        const std::size_t from = below(2) ? below(sample.size()) : 0;
        const std::size_t size = below(2) ? below(sample.size() - from + 1) : std::string::npos;
        std::string piece = sample.substr(from, size);
        if (below(3) == 0) {  // its lines in another order, some indented, some gone
            std::vector<std::string> lines = lines_of(piece);
            for (std::size_t k = lines.size(); k > 1; --k) std::swap(lines[k - 1], lines[below(k)]);
            piece.clear();
            for (const std::string& line : lines) {
                if (below(6) == 0) continue;
                if (below(4) == 0) piece += std::string(below(9), below(4) == 0 ? '\t' : ' ');
                piece += line;
            }
        }
        for (std::size_t k = below(3); k > 0; --k)
            piece.insert(below(piece.size() + 1), kParts[below(kParts.size())]);
        text += piece;
    }
    return fuzz::utf8_of(text);
}

// Prose is cut to the room, but for single graphemes.
void check_lengths(const std::string& text) {
    ctxmem::Outline outline;
    ctxmem::append_outline(text, {}, outline);
    std::size_t byte = 0;
    std::int64_t at = 0;
    for (std::size_t u = 0; u < outline.start.size(); ++u) {
        std::size_t end = byte;
        for (; at < outline.end[u]; ++at) {
            ++end;
            while (end < text.size() && (text[end] & '\xC0') == '\x80') ++end;
        }
        if (outline.kind[u] == static_cast<std::uint8_t>(ctxmem::SpanKind::prose))
            CHECK(ctxmem::trim_space(text, byte, end) - byte <= ctxmem::kLongest + 300);
        byte = end;
    }
}

}  // namespace

int main(int arguments, char** argument) {
    std::signal(SIGABRT, jump_back);
    const long count = arguments > 1 ? std::atol(argument[1]) : 6000;
    const std::vector<std::string> samples =
        arguments > 2 ? read_folder(argument[2]) : std::vector<std::string>{};
    if (arguments > 3) state = static_cast<std::uint64_t>(std::atol(argument[3]));
    int broken = 0;
    const auto check = [&](const std::string& text) { broken += !holds(text, any_options()); };
    check("");
    check(std::string(3, '\0'));
    for (const std::string& sample : samples) check(fuzz::utf8_of(sample));
    for (long round = 0; round < count && broken < 5; ++round) check(random_text(samples));
    // Few parts, many times: long lines, long runs, deep nesting.
    for (long round = 0; round < count / 15 && broken < 5; ++round) {
        std::string unit;
        for (std::size_t k = 1 + below(3); k > 0; --k) unit += kParts[below(kParts.size())];
        std::string text;
        while (text.size() < 6000) text += unit;
        // A grapheme of a space and marks is not cut, however long it is.
        if (unit.find('\xCC') != unit.npos || unit.find("\xE2\x80\x8D") != unit.npos) continue;
        check(text);
        check_lengths(text);
    }
    CHECK(broken == 0);
    std::vector<std::size_t> cuts;
    const std::string json = R"({"a": [1, 2], "b": "x, y\", z", "c": {}})";
    CHECK(ctxmem::read_json(json, 0, 1600, cuts).end == json.size());
    CHECK((cuts == std::vector<std::size_t>{13, 31}));
    CHECK(!ctxmem::read_json("[1, 2}", 0, 1600, cuts).valid);
    CHECK(!ctxmem::read_json("[\"open", 0, 1600, cuts).valid);
    CHECK(!ctxmem::read_json("[see below]", 0, 1600, cuts).valid);
    return 0;
}
