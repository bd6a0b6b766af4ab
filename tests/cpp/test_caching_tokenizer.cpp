// Counts that are kept, from one thread and from many, run with the sanitizers:
// those of texts, units and character spans are what the tokenizer counts of
// each by itself.
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/tokenizer/caching_tokenizer.hpp"
#include "core/tokenizer/tokenizer_parts.hpp"
#include "counted_check.hpp"
#include "exact.hpp"

using namespace ctxmem;

namespace {

const std::vector<std::string> kAtoms = {"a",  "b", "ab ", "the cat", "\n",
                                         "  ", "é", "人",  "😀",       "1"};
const std::string kLone = "\xED\xA0\xBD"; // a high surrogate, as three bytes
const std::string kLow = "\xED\xB8\x80";  // and a low one

// All bytes, then some tokens, in the order of their ranks.
Tokenizer::Parts byte_pairs(const std::string &regex = {}) {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte)
    tokens.emplace_back(1, static_cast<char>(byte));
  for (const char *token : {"ab", "th", "the", " c", "at", "  "})
    tokens.emplace_back(token);
  const std::vector<std::string_view> views(tokens.begin(), tokens.end());
  if (!regex.empty())
    return parts_of_ranks(views, regex);
  Tokenizer::Parts parts;
  parts.bpe = std::make_unique<Bpe>(Vocabulary(views), Pattern::cl100k, true);
  return parts;
}

std::string random_text(std::mt19937 &random, std::size_t atoms) {
  std::string text;
  for (std::size_t i = random() % atoms; i > 0; --i)
    text += kAtoms[random() % kAtoms.size()];
  return text;
}

void test_texts(const std::string &regex) {
  std::mt19937 random(1);
  const Tokenizer plain(byte_pairs(regex));
  CachingTokenizer counted(byte_pairs(regex),
                           7); // a small table, so that counts are dropped
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 12; ++i)
      texts.push_back(round % 3 > 0 && i % 2 > 0 ? texts[0]
                                                 : random_text(random, 60));
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    for (const bool cache : {true, true, false}) {
      const auto tokens = counted.count_many(views, cache, StopToken::none());
      for (std::size_t i = 0; i < views.size(); ++i)
        check(tokens[i] == plain.count(views[i]), "kept counts: " + texts[i]);
    }
    check(counted.count(views[0], StopToken::none()) == plain.count(views[0]),
          "one text");
  }
}

std::int64_t characters_of(std::string_view text) {
  std::int64_t characters = 0;
  for (const char byte : text)
    characters += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  return characters;
}

void test_units() {
  std::mt19937 random(2);
  const std::string after = "\n";
  const Tokenizer plain(byte_pairs());
  CachingTokenizer counted(byte_pairs());
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 4; ++i) {
      texts.push_back("x" + random_text(random, 40) + "y");
      if (round % 4 == 0)
        texts.back() += kLone + "z";
    }
    Corpus corpus(std::vector<std::string_view>(texts.begin(), texts.end()));
    std::vector<std::int64_t> first = {0}, start, end;
    for (std::size_t t = 0; t < texts.size();
         ++t) { // one unit, or two of any size
      const std::int64_t size = characters_of(texts[t]);
      const std::int64_t border =
          t % 2 > 0 ? 1 + static_cast<std::int64_t>(random() % size) : size;
      start.push_back(0);
      end.push_back(border);
      if (border < size) {
        start.push_back(border);
        end.push_back(size);
      }
      first.push_back(static_cast<std::int64_t>(start.size()));
    }
    corpus.set_units(first, start, end);
    const auto tokens = counted.count_units(corpus, after, StopToken::none());
    for (std::size_t t = 0; t < corpus.texts(); ++t) {
      for (std::size_t u = corpus.first_of(t); u < corpus.first_of(t + 1);
           ++u) {
        const Corpus::Body &body = corpus.body(u);
        std::string expected = without_surrogates(
            corpus.text(t).substr(body.begin, body.end - body.begin));
        if (body.broken)
          expected += "\n";
        check(tokens[u] == plain.count(expected), "a unit: " + expected);
      }
      const std::string block = without_surrogates(texts[t]) + after;
      check(counted.count(block, StopToken::none()) == plain.count(block),
            "a block");
    }
  }
}

void test_spans(const std::string &regex) {
  std::mt19937 random(3);
  const Tokenizer plain(byte_pairs(regex));
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> characters;
    std::string whole;
    const bool surrogates = round % 3 == 0;
    for (int i = 0; i < 30; ++i) {
      const std::string one = surrogates && i % 5 == 0 ? kLone
                              : surrogates && i % 5 == 1
                                  ? kLow
                                  : kAtoms[random() % kAtoms.size()];
      for (std::size_t at = 0, next = 0; at < one.size(); at = next) {
        for (next = at + 1; next < one.size() && (one[next] & 0xC0) == 0x80;)
          ++next;
        characters.push_back(one.substr(at, next - at));
      }
      whole += one;
    }
    const Exact text(whole);
    const auto length = static_cast<std::int64_t>(characters.size());
    std::vector<CharacterSpan> spans;
    for (int i = 0; i < 20; ++i) {
      const auto x =
          static_cast<std::int64_t>(random() % (characters.size() + 1));
      const auto y =
          static_cast<std::int64_t>(random() % (characters.size() + 1));
      spans.push_back({std::min(x, y), std::max(x, y)});
    }
    const auto tokens = count_character_spans(
        plain, text.view, length, surrogates, spans, StopToken::none());
    for (std::size_t i = 0; i < spans.size(); ++i) {
      std::string part;
      for (std::int64_t c = spans[i].begin; c < spans[i].end; ++c)
        part += characters[static_cast<std::size_t>(c)];
      check(tokens[i] == plain.count(without_surrogates(part)),
            "a span: " + part);
    }
    for (const CharacterSpan wrong :
         {CharacterSpan{-1, 0}, {2, 1}, {0, length + 1}}) {
      bool refused = false;
      try {
        count_character_spans(plain, text.view, length, surrogates, {&wrong, 1},
                              StopToken::none());
      } catch (const std::out_of_range &) {
        refused = true;
      }
      check(refused, "a span outside the text");
    }
  }
}

void test_threads() {
  const Tokenizer plain(byte_pairs());
  CachingTokenizer counted(byte_pairs(), 16);
  std::vector<std::string> texts;
  std::mt19937 random(4);
  for (int i = 0; i < 64; ++i)
    texts.push_back(random_text(random, 60));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<std::vector<std::int64_t>> found(4);
  std::vector<std::thread> threads;
  for (auto &tokens : found)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round)
        tokens = counted.count_many(views, true, StopToken::none());
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const auto &tokens : found)
    for (std::size_t i = 0; i < views.size(); ++i)
      check(tokens[i] == plain.count(views[i]), "many threads");
}

void test_added_tokens() {
  Tokenizer::Parts parts = byte_pairs();
  // Of two with one content the last holds: the first would take the blanks
  // along.
  add_listed_tokens({{{"<x>", true, true, false}, false},
                     {{"<x>", false, false, false}, false}},
                    parts);
  check(parts.added_raw.size() == 1 && !parts.added_raw[0].strip_left,
        "the last one is kept");
  check(Tokenizer(std::move(parts)).count(" <x> ") == 3,
        "an added token, and two blanks");
}

} // namespace

int main() {
  for (const char *regex : {"", "\\s+|\\S+"}) {
    test_texts(regex);
    test_spans(regex);
  }
  test_units();
  test_threads();
  test_added_tokens();
  bool refused = false;
  try {
    parts_of_encoding("", "o300k_base");
  } catch (const std::invalid_argument &) {
    refused = true;
  }
  check(refused, "an encoding that there is not");
  return failures > 0;
}
