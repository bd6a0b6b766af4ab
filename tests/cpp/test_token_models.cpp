// The models of tokenizer files, run with the address and undefined-behaviour sanitizers: every
// piece is in memory of exactly its size, and the quick way is compared with the heap.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/tokenizer/merge_model.hpp"
#include "core/tokenizer/sentence_piece.hpp"
#include "core/tokenizer/unigram.hpp"
#include "core/tokenizer/word_piece.hpp"
#include "counted_check.hpp"
#include "exact.hpp"

using namespace ctxmem;

namespace {

std::string random_text(std::mt19937& random) {
    static const std::vector<std::string> atoms = {"a", "b", "ab", "é", "人", "😀", "▁", "aaaaaaaa"};
    std::string text;
    for (std::size_t i = random() % 30 + 1; i > 0; --i) text += atoms[random() % atoms.size()];
    return text;
}

void test_merges() {
    std::mt19937 random(1);
    for (int round = 0; round < 60; ++round) {
        std::vector<std::string> tokens = {"<unk>", "a", "b", "▁"};
        std::vector<std::pair<std::string, std::string>> splits;
        for (int i = 0; i < 12; ++i) {
            const std::string left = tokens[1 + random() % (tokens.size() - 1)];
            const std::string right = tokens[1 + random() % (tokens.size() - 1)];
            splits.emplace_back(left, right);
            if (std::find(tokens.begin(), tokens.end(), left + right) == tokens.end())
                tokens.push_back(left + right);
        }
        std::shuffle(splits.begin(), splits.end(), random);
        const std::vector<std::string_view> vocabulary(tokens.begin(), tokens.end());
        const std::vector<std::pair<std::string_view, std::string_view>> merges(splits.begin(),
                                                                                splits.end());
        MergeOptions options;
        options.unknown = "<unk>";
        options.fuse_unknown = round % 2 == 0;
        const MergeModel model(vocabulary, merges, options);
        check(model.fast(), "any order of merges is encoded from left to right");
        for (int i = 0; i < 30; ++i) {
            const Exact text(random_text(random));
            check(model.count(text.view) == model.count_by_merging(text.view),
                  "merges of " + std::string(text.view));
        }
    }
}

void test_others() {
    std::mt19937 random(2);
    const UnigramModel unigram({{"<unk>", 0}, {"a", -1}, {"ab", -1.5}, {"人", -3}},
                               {false, true, 0});
    const std::vector<std::string_view> words = {"[UNK]", "a", "##a", "##b", "##人", "##ab"};
    const WordPieceModel word_piece(words, {});
    const WordLevelModel word_level(words, "[UNK]", false);
    for (int i = 0; i < 500; ++i) {
        const Exact text(random_text(random));
        check(unigram.count(text.view) > 0, "unigram");
        check(word_piece.count(text.view) > 0, "word pieces");
        check(word_level.count(text.view) == 1, "words");
    }
}

void test_sentence_piece() {
    std::mt19937 random(3);
    for (const auto type : {SentencePieceFile::unigram, SentencePieceFile::byte_pair,
                            SentencePieceFile::word, SentencePieceFile::character})
        for (const auto kind : {SentencePieceFile::normal, SentencePieceFile::unused}) {
            SentencePieceFile file;
            file.type = type;
            file.pieces = {{"<unk>", 0, SentencePieceFile::unknown},
                           {"a", -1, SentencePieceFile::normal},
                           {"b", -2, SentencePieceFile::normal},
                           {"aa", -3, SentencePieceFile::normal},
                           {"aaa", -3, kind},
                           {"é", -3, SentencePieceFile::user_defined}};
            const SentencePieceModel model(file);
            for (int i = 0; i < 200; ++i) {
                const Exact text(random_text(random));
                check(model.count(text.view) > 0, "SentencePiece");
            }
        }
    for (int i = 0; i < 5000; ++i) {
        std::string bytes;
        for (std::size_t n = random() % 40; n > 0; --n)
            bytes.push_back(static_cast<char>(random() % 4 == 0 ? random() % 256 : random() % 48));
        const Exact file(bytes);
        try {
            read_sentence_piece(file.view);
        } catch (const std::invalid_argument&) {
            continue;
        }
    }
}

}  // namespace

int main() {
    test_merges();
    test_others();
    test_sentence_piece();
    return failures == 0 ? 0 : 1;
}
