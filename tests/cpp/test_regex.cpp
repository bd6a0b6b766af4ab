// Pre-tokenisers and their regular expressions, run with the sanitizers: every text is in memory of
// exactly its size. Keeping failed states changes no match, and bounds the work.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "core/tokenizer/regex.hpp"
#include "core/tokenizer/split.hpp"
#include "exact.hpp"

using namespace ctxmem;

namespace {

std::string matches(const Regex& regex, std::string_view text, bool keep_states) {
    RegexMatches all(regex, text, keep_states);
    RegexMatch match{};
    std::string out;
    while (all.next(match)) {
        CHECK(match.begin <= match.end && match.end <= text.size());
        out += std::to_string(match.begin) + "-" + std::to_string(match.end) + " ";
    }
    return out;
}

std::string random_pattern(std::mt19937& random, int depth) {
    const auto below = [&](unsigned n) { return random() % n; };
    const char* atoms[] = {"a", "b",   "1",   " ",   "[ab]", "[^a]",
                           ".", "\\w", "\\s", "\\S", "é",    "\\p{L}"};
    const char* zero[] = {"(?!\\S)", "(?=a)", "(?<=a)", "(?<![ab])", "\\b", "^", "$", "(?<=ab|1)"};
    const char* open[] = {"(?:", "(?>", "(?=", "(?!", "(?i:"};
    const char* counts[] = {"*",  "+",  "?",  "{2}",    "{1,2}", "{2,}",
                            "*?", "+?", "*+", "{1,3}?", "{0,2}"};
    std::string out;
    for (unsigned parts = 1 + below(4); parts > 0; --parts) {
        if (below(10) == 0) {
            out += zero[below(8)];
            continue;
        }
        if (depth < 3 && below(3) == 0) {
            const unsigned kind = below(5);
            out += open[kind] + random_pattern(random, depth + 1) + ")";
            if (kind == 2 || kind == 3) continue;
        } else {
            out += atoms[below(12)];
        }
        if (below(2) == 0) out += counts[below(11)];
    }
    if (below(3) == 0) out += "|" + random_pattern(random, depth + 1);
    return out;
}

void check_kept_states() {
    std::mt19937 random(1);
    int known = 0;
    for (int i = 0; i < 2500; ++i) {
        const std::string pattern = random_pattern(random, 0);
        std::unique_ptr<Regex> regex;
        try {
            regex = std::make_unique<Regex>(pattern, i % 2 == 0 ? Engine::onig : Engine::rust);
        } catch (const Unsupported&) {
            continue;
        }
        ++known;
        for (int k = 0; k < 4; ++k) {
            const char* parts[] = {"a", "b", "1", " ", "\n", "é", "ab", "A"};
            std::string text;
            for (auto left = random() % 16; left > 0; --left) text += parts[random() % 8];
            const Exact exact(text);
            const std::string plain = matches(*regex, exact.view, false);
            const std::string kept = matches(*regex, exact.view, true);
            if (plain != kept)
                std::printf("[%s] on [%s]: %s / %s\n", pattern.c_str(), text.c_str(), plain.c_str(),
                            kept.c_str());
            CHECK(plain == kept);
        }
    }
    CHECK(known > 1200);
}

std::uint64_t work_of(const Regex& regex, std::string_view unit, std::size_t size) {
    std::string text;
    while (text.size() < size) text += unit;
    const Exact exact(text);
    RegexMatches all(regex, exact.view);
    RegexMatch match{};
    while (all.next(match)) {
    }
    return all.work();
}

void check_work() {
    const char* patterns[] = {
        "(?:a+)+b",
        "(?:a|aa)+b|1",
        "(?:a|a)*b",
        "a*a*a*b|a",
        "\\d+x|\\d",
        "\\d{1,3}(?=(?:\\d{3})*\\b)",
        "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?:\\P{N}|$))",
        "\\p{L}{1,90}\\p{L}{1,90}\\p{L}{1,90}x|.",
        "(?=.*x).",
        "(?!.*x).",
        "(?=.*?x).",
        ".*?x|.",
        "\\s*[\\r\\n]+|.",
        "(?>a+)b|a",
        "(?:(?>a+|1)+)b|a",
        "(?<=a)a*b|.",
        "(?:a+?)+?b|.",
        "(?=(?:a|aa)+$)a|.",
        " ?\\s*x| ",
        "(?i)[a-z]+k$|a",
        "(?:\\S+\\s)*x|.",
        "\\b\\w+x|\\w",
    };
    int dear = 0;
    for (const char* pattern : patterns) {
        std::unique_ptr<Regex> regex;
        try {
            regex = std::make_unique<Regex>(pattern, Engine::onig);
        } catch (const Unsupported& error) {
            std::printf("%s: %s\n", pattern, error.what());
            continue;
        }
        for (const char* unit : {"a", "1", " ", "\n", "aa1", "a ", "中", "b", "1 1"}) {
            const auto once = work_of(*regex, unit, 2'000), eight = work_of(*regex, unit, 16'000);
            const double factor = static_cast<double>(eight) / static_cast<double>(once + 1000);
            const double each = static_cast<double>(eight) / 16'000;
            if (each <= 20 || (factor <= 10 && each <= 1000)) continue;
            std::printf("x%.1f, %.0f a byte: [%s] on [%s]\n", factor, each, pattern, unit);
            ++dear;
        }
    }
    CHECK(dear == 0);
}

class Collected final : public PieceSink {
public:
    void piece(std::string_view piece) override {
        CHECK(!piece.empty());
        text.append(piece).append("|");
    }
    std::string text;
};

std::string pieces(const PreTokeniser& cut, const std::string& text) {
    const Exact exact(text);
    Collected collected;
    cut.split(exact.view, true, collected);
    return collected.text;
}

// Counts add up at the border that `additive` names: so do the pieces.
void check_additive(Pattern pattern) {
    const PreTokeniserPtr cut = split_by_pattern(pattern);
    std::mt19937 random(2);
    const char* parts[] = {"a",  "B", "1", " ",  "\n", "\r",       "é",
                           "中", "!", "/", "'s", "\t", "\xCC\x81", "  "};
    const auto text = [&] {
        std::string out;
        for (auto left = random() % 8; left > 0; --left) out += parts[random() % 14];
        return out;
    };
    int unlike = 0;
    for (int i = 0; i < 10'000; ++i) {
        const std::string left = text() + (random() % 2 ? "\n" : "\r");
        std::string right(random() % 3, ' ');
        right += parts[(random() % 3) * 2] + text();
        if (right.find_first_not_of(' ') == std::string::npos ||
            right[right.find_first_not_of(' ')] == '\n')
            continue;
        unlike += pieces(*cut, left + right) != pieces(*cut, left) + pieces(*cut, right);
    }
    CHECK((unlike == 0) == additive(pattern));
}

void check_pieces() {
    CHECK(pieces(*split_by_pattern(Pattern::gpt2), "it's  ok\n\n12") == "it|'s| | ok|\n|\n|12|");
    CHECK(pieces(*split_metaspace("\xE2\x96\x81", Prepend::first, true), "a b") ==
          "\xE2\x96\x81"
          "a|\xE2\x96\x81"
          "b|");
    CHECK(pieces(*split_digits(false), "a12b") == "a|12|b|");
    // Behind ByteLevel pieces may be parts of a character: its bytes C2 and B2, the latter a digit.
    std::vector<PreTokeniserPtr> stages;
    stages.push_back(split_byte_level(false, false));
    stages.push_back(split_digits(true));
    CHECK(pieces(*split_sequence(std::move(stages)), "\xC2\xB2") == "\xC2|\xB2|");
    // Truncated characters are read as far as they go.
    for (const char* text : {"a\xE4", "a\xE4\xB8", "\xF0\x9F", "\xC3"}) {
        pieces(*split_bert(), text);
        pieces(*split_by_regex("\\p{L}+|.", SplitBehaviour::isolated, false), text);
        pieces(*split_fixed_length(2), text);
        for (const Pattern pattern : {Pattern::gpt2, Pattern::o200k, Pattern::qwen3_5})
            pieces(*split_by_pattern(pattern), text);
    }
    const std::string large(1 << 20, 'x');
    CHECK(pieces(*split_by_regex("(?:x|y)+", SplitBehaviour::isolated, false), large).size() ==
          large.size() + 1);
}

}  // namespace

int main() {
    check_pieces();
    check_kept_states();
    for (const Pattern pattern : {Pattern::gpt2, Pattern::cl100k, Pattern::o200k, Pattern::llama3,
                                  Pattern::qwen2, Pattern::qwen3_5, Pattern::tekken})
        check_additive(pattern);
    check_work();
    return 0;
}
