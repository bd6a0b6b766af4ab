// The portable way of classifying bytes (compiled here even where SSE2 is) against a table, and words
// of random bytes against a loop over characters.
#undef NDEBUG
#include <cassert>
#include <random>
#include <string>
#include <vector>

#include "core/text/unicode.hpp"
#include "core/text/words.hpp"
#include "core/support/secret.hpp"
#include "kernels/word_hash.hpp"

#undef __SSE2__
using namespace ctxmem;

namespace {

#include "kernels/split.hpp"

constexpr std::size_t kBlock = 64;

bool is_word(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Words one character at a time; valid UTF-8 only.
std::vector<std::string> slow_words(const std::string& text) {
    std::vector<std::string> words;
    bool inside = false, alone = false;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = decode(text, at);
        const std::uint8_t bits = class_byte(point.value);
        const int kind = bits & 7;
        if (kind < 1 || kind > 5) {
            inside = alone = false;
        } else {
            const bool spaceless = (bits & kSpaceless) != 0;
            if (!inside || spaceless || (alone && kind != 4)) {
                words.emplace_back();
                alone = false;
            }
            words.back() += text.substr(at, point.size);
            inside = true;
            alone = alone || spaceless;
        }
        at += point.size;
    }
    return words;
}

}  // namespace

int main() {
    std::mt19937 rng(3);
    for (int round = 0; round < 2000; ++round) {
        char bytes[kBlock];
        for (char& byte : bytes) byte = static_cast<char>(rng() % 256);
        const ByteClasses classes = classify(bytes);
        for (std::size_t i = 0; i < kBlock; ++i) {
            const auto byte = static_cast<unsigned char>(bytes[i]);
            assert((classes.words >> i & 1) == is_word(byte));
            assert((classes.beyond >> i & 1) == (byte >= 0x80));
        }
    }
    const std::string parts[] = {"a",
                                 "Z",
                                 "0",
                                 " ",
                                 "-",
                                 "word",
                                 "\xC3\xA9",
                                 "\xE4\xB8\xAD",
                                 "\xE0\xB8\x81\xE0\xB8\xB4",
                                 "\xF0\x9F\x98\x80",
                                 "\xE2\x80\x99",
                                 "longer words of ascii here",
                                 std::string(1, '\0')};
    for (int round = 0; round < 4000; ++round) {
        std::string text;
        for (int i = static_cast<int>(rng() % 40); i > 0; --i)
            text += parts[rng() % std::size(parts)] + (rng() % 2 ? " " : "");
        if (round % 5 == 0) text += std::string(rng() % 200, 'x');
        // In a buffer of exactly its size, so that the sanitizer sees a read past the end.
        const std::vector<char> exact(text.begin(), text.end());
        std::vector<std::uint64_t> found(3, 7);
        split_words(std::string_view(exact.data(), exact.size()), found);
        // The portable kernel finds the same words up to where it must stop.
        std::vector<std::uint64_t> ascii(most_words(text.size()));
        std::size_t end = 0;
        const std::size_t count = split_ascii(exact.data(), exact.size(), &end, ascii.data(), process_key());
        assert(end <= exact.size() && count + 3 <= found.size());
        assert(std::equal(ascii.begin(), ascii.begin() + count, found.begin() + 3));
        assert(end == exact.size() || count + 3 < found.size() || !is_word(text[end]));
        const std::vector<std::string> words = slow_words(text);
        assert(found.size() == words.size() + 3);
        assert(words.size() <= most_words(text.size()));
        for (std::size_t i = 0; i < words.size(); ++i) {
            std::vector<std::uint64_t> one;
            split_words(words[i], one);
            assert(one.size() == 1 && one[0] == found[i + 3]);
        }
    }
    return 0;
}
