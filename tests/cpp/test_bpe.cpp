// Counting, run with the address and undefined-behaviour sanitizers: every text is in memory of
// exactly its size, so that a byte read beyond it is found.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/tokenizer/bpe.hpp"
#include "core/tokenizer/estimate.hpp"
#include "core/tokenizer/text_hash.hpp"
#include "counted_check.hpp"
#include "exact.hpp"

using namespace ctxmem;

namespace {

std::string base64(const std::string& bytes) {
    const char* alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        unsigned bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits = bits << 8 |
                   (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
        for (std::size_t i = 0; i < 4; ++i)
            out += at + i <= bytes.size() ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
    }
    return out;
}

// All bytes, then the given tokens, in order of rank.
std::string vocabulary(const std::vector<std::string>& tokens) {
    std::string file;
    int rank = 0;
    for (int byte = 0; byte < 256; ++byte)
        file += base64({static_cast<char>(byte)}) + " " + std::to_string(rank++) + "\n";
    for (const std::string& token : tokens)
        file += base64(token) + " " + std::to_string(rank++) + "\n";
    return file;
}

const std::vector<std::string> kAtoms = {"a",
                                         "b",
                                         "ab",
                                         "ba",
                                         "S",
                                         "T",
                                         "don",
                                         "'s",
                                         "'t",
                                         "'LL",
                                         "'re",
                                         "'",
                                         " ",
                                         "  ",
                                         "\t",
                                         "\n",
                                         "\r\n",
                                         "/",
                                         "!",
                                         "...",
                                         "1",
                                         "2345",
                                         "\xC5\xBF",
                                         "\xC3\xA9",
                                         "\xCC\x81",
                                         "\xD0\x96",
                                         "\xE4\xB8\xAD",
                                         "\xE6\x96\x87",
                                         "\xE3\x80\x82",
                                         "\xE3\x80\x80",
                                         "\xF0\x9F\x98\x80",
                                         "abababab",
                                         std::string(1, '\0')};

std::string random_text(std::mt19937& random, int most) {
    std::string text;
    const int atoms = static_cast<int>(random() % static_cast<unsigned>(most));
    // A text of few different atoms repeats itself, and merges reach further.
    const std::size_t kinds = random() % 2 ? kAtoms.size() : 3;
    const std::size_t first = random() % (kAtoms.size() - kinds + 1);
    for (int i = 0; i < atoms; ++i) text += kAtoms[first + random() % kinds];
    return text;
}

// Tokens that merges make, tokens that they cannot make, and ranks that do not rise.
std::vector<std::string> random_tokens(std::mt19937& random, bool made) {
    std::vector<std::string> tokens;
    std::vector<std::string> parts = {"a", "b", "S", " ",    "\n",   "!",
                                      "/", "'", "s", "\xE4", "\xB8", "\xAD"};
    while (tokens.size() < 60) {
        std::string token = parts[random() % parts.size()] + parts[random() % parts.size()];
        if (!made && random() % 3 == 0) token += parts[random() % parts.size()];
        if (token.size() > 40) continue;
        if (std::find(tokens.begin(), tokens.end(), token) != tokens.end()) continue;
        if (made || random() % 2) parts.push_back(token);
        tokens.push_back(token);
    }
    if (!made) std::shuffle(tokens.begin(), tokens.end(), random);
    return tokens;
}

std::int64_t count_piece_by_piece(const Bpe& bpe, std::string_view text) {
    std::int64_t total = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = piece_end(bpe.pattern(), text, at);
        total += bpe.count_by_merging(text.substr(at, end - at));
        at = end;
    }
    return total;
}

void test_counts_equal_merging() {
    std::mt19937 random(1);
    for (const bool made : {true, false})
        for (const Pattern pattern : {Pattern::o200k, Pattern::cl100k})
            for (int round = 0; round < 10; ++round) {
                const Bpe bpe(vocabulary(random_tokens(random, made)), pattern);
                for (int i = 0; i < 150; ++i) {
                    const Exact text(random_text(random, i % 10 == 0 ? 300 : 30));
                    const std::int64_t expected = count_piece_by_piece(bpe, text.view);
                    check(bpe.count(text.view) == expected,
                          "count of '" + std::string(text.view) + "'");
                    check(bpe.count(text.view) == expected, "and again, from the cache");
                }
            }
}

// Tokens of two bytes or more that merges make from the bytes of the given characters, and which
// therefore also begin and end inside them.
std::vector<std::string> tokens_of(std::mt19937& random, const std::vector<std::string>& characters,
                                   std::size_t most) {
    std::vector<std::string> tokens, parts;
    for (const std::string& character : characters)
        for (const char byte : character) parts.emplace_back(1, byte);
    for (int i = 0; i < 2000 && tokens.size() < most; ++i) {
        // Most merges are of bytes that are adjacent in a character, or across a border.
        std::string text;
        for (int k = 0; k < 4; ++k) text += characters[random() % characters.size()];
        const std::string left = parts[random() % parts.size()];
        const std::string right = parts[random() % parts.size()];
        const std::string token = left + right;
        if (token.size() > 24 || text.find(token) == std::string::npos) continue;
        if (std::find(tokens.begin(), tokens.end(), token) != tokens.end()) continue;
        parts.push_back(token);
        tokens.push_back(token);
    }
    return tokens;
}

void test_pieces_of_any_script_equal_merging() {
    const std::vector<std::vector<std::string>> scripts = {
        {"\xE4\xB8\xAD", "\xE6\x96\x87", "\xE5\xAD\x97", "\xE4\xBA\xBA"},  // Chinese
        {"\xE0\xB8\x81", "\xE0\xB8\xB2", "\xE0\xB9\x88"},                  // Thai
        {"\xD0\x96", "\xD0\xB6", " ", "\xD1\x8F"},                         // Cyrillic
        {"\xF0\x9F\x98\x80", "\xE2\x80\x8D", "\xF0\x9F\x91\xA9"},          // emoji
        {"a", "b", "\xC3\xA9", "\xE3\x80\x82", "1"}};
    std::mt19937 random(7);
    for (const bool whole_piece : {true, false})
        for (const std::vector<std::string>& script : scripts)
            for (int round = 0; round < 6; ++round) {
                std::vector<std::string> tokens = tokens_of(random, script, 4 + random() % 60);
                if (round % 3 == 2) {  // whole characters in a row that no merges make
                    for (int i = 0; i < 5; ++i) {
                        std::string token;
                        for (int k = 0; k < 3; ++k) token += script[random() % script.size()];
                        if (std::find(tokens.begin(), tokens.end(), token) == tokens.end())
                            tokens.push_back(token);
                    }
                    std::shuffle(tokens.begin(), tokens.end(), random);
                }
                const Bpe bpe(Vocabulary(vocabulary(tokens)), Pattern::o200k, whole_piece);
                for (int i = 0; i < 120; ++i) {
                    std::string text;
                    const unsigned most = i % 8 == 0 ? 60 : 12;
                    for (unsigned k = random() % most + 1; k > 0; --k)
                        text += script[random() % script.size()];
                    const Exact piece(text);
                    const std::int64_t expected = bpe.count_by_merging(piece.view);
                    check(bpe.count_piece(piece.view) == expected, "piece '" + text + "'");
                    check(bpe.count_piece(piece.view) == expected,
                          "from the cache, '" + text + "'");
                }
            }
}

void test_a_token_that_no_merges_make() {
    const std::string zhong = "\xE4\xB8\xAD", wen = "\xE6\x96\x87", zi = "\xE5\xAD\x97";
    const std::vector<std::string> tokens = {"ab", "xyz", zhong + wen};
    const Bpe whole(Vocabulary(vocabulary(tokens)), Pattern::o200k, true);
    const Bpe merged(Vocabulary(vocabulary(tokens)), Pattern::o200k, false);
    check(whole.count_piece("") == 0 && merged.count_piece("") == 0, "nothing is no token");
    check(whole.count_piece("ab") == 1 && merged.count_piece("ab") == 1, "merges make ab");
    check(whole.count_piece("xyz") == 1 && merged.count_piece("xyz") == 3, "none make xyz");
    // The third character is cut off, so that the first two are looked up as a part: no merges make
    // it, which a piece of the same bytes must not learn from the cache, nor the other way round.
    for (int round = 0; round < 2; ++round) {
        check(whole.count_piece(zhong + wen + zi) == 9, "six bytes and three");
        check(whole.count_piece(zhong + wen) == 1, "a whole piece that is a token");
        check(merged.count_piece(zhong + wen + zi) == 9, "six bytes and three, merged");
        check(merged.count_piece(zhong + wen) == 6, "six bytes");
    }
    check(merged.count("xyz ab") == 5, "x y z, blank, ab");
    std::string long_token(20, 'q');
    const Bpe longer(Vocabulary(vocabulary({long_token})), Pattern::o200k, false);
    check(longer.count_piece(long_token) == 20, "a long one");
}

void test_spans_equal_counts_of_slices() {
    std::mt19937 random(2);
    for (const Pattern pattern : {Pattern::o200k, Pattern::cl100k}) {
        const Bpe bpe(vocabulary(random_tokens(random, true)), pattern);
        for (int i = 0; i < 300; ++i) {
            const Exact text(random_text(random, 60));
            std::vector<std::size_t> borders;
            for (std::size_t at = 0; at < text.view.size(); ++at)
                if (!is_continuation(text.view[at])) borders.push_back(at);
            borders.push_back(text.view.size());
            std::vector<ByteSpan> spans;
            for (int k = 0; k < 20; ++k) {
                const std::size_t a = borders[random() % borders.size()];
                const std::size_t b = borders[random() % borders.size()];
                spans.push_back({std::min(a, b), std::max(a, b)});
            }
            std::vector<std::int64_t> counts(spans.size());
            bpe.count_spans(text.view, spans, counts.data());
            for (std::size_t k = 0; k < spans.size(); ++k) {
                const Exact slice(
                    std::string(text.view.substr(spans[k].begin, spans[k].end - spans[k].begin)));
                check(counts[k] == bpe.count(slice.view),
                      "span of '" + std::string(text.view) + "'");
            }
        }
    }
}

void test_blocks_agree_with_single_pieces() {
    std::mt19937 random(3);
    for (const Pattern pattern : {Pattern::o200k, Pattern::cl100k})
        for (int i = 0; i < 20000; ++i) {
            std::string text;
            while (text.size() < 64 + random() % 16)
                text += random() % 4 ? kAtoms[random() % 22]
                                     : std::string(1, static_cast<char>(32 + random() % 95));
            const std::size_t size = random() % 3 ? 64 : random() % 64;
            const bool at_end = size < 64;
            if (at_end) text.resize(size);
            std::string block = text;
            block.resize(std::max<std::size_t>(64, block.size()));
            const PieceStarts found = piece_starts(pattern, block.data(), size, at_end);
            std::size_t at = 0;
            while (at < found.certain) {
                check(found.bits >> at & 1, "a piece starts in '" + text + "'");
                const std::size_t end = piece_end(pattern, text, at);
                for (std::size_t inside = at + 1; inside < std::min(end, found.certain); ++inside)
                    check(!(found.bits >> inside & 1), "none starts inside one in '" + text + "'");
                at = end;
            }
            check(at == found.certain, "the last start is one in '" + text + "'");
        }
}

void test_threads_agree() {
    std::mt19937 random(4);
    const Bpe bpe(vocabulary(random_tokens(random, true)), Pattern::o200k);
    std::vector<std::string> texts;
    std::vector<std::int64_t> expected;
    for (int i = 0; i < 300; ++i) {
        texts.push_back(random_text(random, 50));
        expected.push_back(count_piece_by_piece(bpe, texts.back()));
    }
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (std::size_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int round = 0; round < 5; ++round)
                for (std::size_t i = 0; i < texts.size(); ++i)
                    wrong[t] += bpe.count(texts[i]) != expected[i];
        });
    for (std::thread& thread : threads) thread.join();
    for (const int w : wrong) check(w == 0, "threads agree");
}

void test_damaged_files_are_refused() {
    const std::string good = vocabulary({"ab"});
    const std::vector<std::string> bad = {"",
                                          "x",
                                          "YQ== 0\n",
                                          good + "YWI= 300\n",
                                          good + "YWJj 5\n",
                                          good + "YW 300\n",
                                          good + "YWJj\n",
                                          good + "YWJj 3x\n",
                                          good + "YWJj 99999999999\n",
                                          good + "YW=j 300\n",
                                          good + " 300\n"};
    for (const std::string& file : bad) {
        bool refused = false;
        try {
            const Bpe bpe(Exact(file).view, Pattern::o200k);
        } catch (const std::invalid_argument&) {
            refused = true;
        }
        check(refused, "refused: " + file.substr(file.size() > 20 ? file.size() - 20 : 0));
    }
    std::string windows;
    for (const char c : good) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
    check(Bpe(windows, Pattern::o200k).count("ab") == 1, "lines may end in \\r\\n");
}

void test_hash_tells_texts_apart() {
    std::mt19937_64 random(5);
    TextHash::Key key;
    for (std::uint64_t& word : key) word = random();
    const TextHash hash(key);
    std::vector<ContentKey> seen;
    for (std::size_t size = 0; size < 1600; ++size) {
        const Exact zeros(std::string(size, '\0'));
        seen.push_back(hash(zeros.view));
        check(seen.back() == hash(Exact(std::string(size, '\0')).view), "equal texts, one hash");
        if (size == 0) continue;
        std::string other(size, '\0');
        other[random() % size] ^= static_cast<char>(1 << random() % 8);
        seen.push_back(hash(Exact(other).view));
    }
    std::sort(seen.begin(), seen.end(), [](const ContentKey& a, const ContentKey& b) {
        return a.low != b.low ? a.low < b.low : a.high < b.high;
    });
    check(std::adjacent_find(seen.begin(), seen.end()) == seen.end(), "different texts");
}

void test_amounts_add_up() {
    std::mt19937 random(6);
    const std::vector<std::string> tokens = {"ab", "abc", "  "};
    const Bpe o200k(vocabulary(tokens), Pattern::o200k);
    const Bpe cl100k(vocabulary(tokens), Pattern::cl100k);
    std::vector<double> amounts(kKinds * kAmounts);
    for (int i = 0; i < 500; ++i) {
        const Exact text(random_text(random, 40));
        text_amounts(o200k, cl100k, text.view, amounts.data());
        double sums[kAmounts] = {};
        for (std::size_t at = 0; at < amounts.size(); ++at) sums[at % kAmounts] += amounts[at];
        check(sums[0] == static_cast<double>(o200k.count(text.view)), "tokens of o200k");
        check(sums[1] == static_cast<double>(cl100k.count(text.view)), "tokens of cl100k");
    }
    const std::string long_run(100000, '=');
    text_amounts(o200k, cl100k, long_run + "\xC3\xA9", amounts.data());
    double characters = 0;
    for (std::size_t at = 2; at < amounts.size(); at += kAmounts) characters += amounts[at];
    check(characters == 100001, "characters of a long piece");
}

void test_long_pieces() {
    std::vector<std::string> tokens = {"aa", "aaaa", "aaaaaaaa"};
    tokens.push_back(std::string(100, ' '));
    tokens.push_back("  ");
    const Bpe bpe(vocabulary(tokens), Pattern::o200k);
    check(bpe.count(std::string(1000003, 'a')) == 125002, "8 * 125000 + 2 + 1 letters");
    check(bpe.count(std::string(1000000, ' ')) == 500000, "a million blanks");
    check(bpe.count(std::string(100, ' ')) == 1, "a token, though no merges make it");
}

}  // namespace

int main() {
    test_counts_equal_merging();
    test_pieces_of_any_script_equal_merging();
    test_a_token_that_no_merges_make();
    test_spans_equal_counts_of_slices();
    test_blocks_agree_with_single_pieces();
    test_threads_agree();
    test_damaged_files_are_refused();
    test_hash_tells_texts_apart();
    test_amounts_add_up();
    test_long_pieces();
    if (failures == 0) std::puts("ok");
    return failures == 0 ? 0 : 1;
}
