// The index of a session by hand-written cases, and segments changed at random
// under a right checksum: each is refused, or loads into an index that works.
#undef NDEBUG
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>

#include "core/recall/session_index.hpp"

using namespace ctxmem;

namespace {

constexpr std::uint32_t kLast = ~std::uint32_t{0};

void add(SessionIndex &index, std::uint32_t number, Speaker speaker,
         const std::string &text) {
  index.add(number, speaker, text, static_cast<double>(number), {});
}

void test_found_messages_are_the_best_first() {
  SessionIndex index(1);
  add(index, 3, Speaker::user, "The port of the proxy is 8443.");
  add(index, 5, Speaker::assistant, "Noted: the proxy listens on 8443.");
  add(index, 9, Speaker::user, "The garden needs rain.");
  const Found found = index.search("Which ports has the proxy?", 9, {});
  assert(found.message.size() == 3); // the last is beside what was found
  assert(found.message[0] == 3 && found.speaker[0] == 0);
  assert(found.first.back() == static_cast<std::int64_t>(found.start.size()));
  assert(index.search("Which ports has the proxy?", 1, {}).message.size() == 1);
  assert(index.search("", 9, {}).message.empty());
}

void test_a_removed_message_leaves_no_word() {
  SessionIndex index(2);
  add(index, 0, Speaker::user, "xylophone");
  add(index, 1, Speaker::user, "garden");
  assert(index.remove(0) && !index.remove(0) && index.size() == 1);
  assert(index.segment(0, kLast).find("xylophon") == std::string::npos);
  add(index, 2, Speaker::user, "another xylophone");
  assert(index.search("xylophone", 9, {}).message[0] == 2);
  assert((index.messages().number == std::vector<std::int64_t>{1, 2}));
  assert((index.passages().message == std::vector<std::int64_t>{1, 2}));
}

void test_a_speaker_is_one_of_five() {
  assert(speaker_of("user") == Speaker::user);
  assert(speaker_of("chunk") == Speaker::chunk);
  bool refused = false;
  try {
    speaker_of("User");
  } catch (const std::invalid_argument &) {
    refused = true;
  }
  assert(refused);
}

void test_numbers_ascend() {
  SessionIndex index(3);
  add(index, 4, Speaker::user, "one");
  bool refused = false;
  try {
    add(index, 4, Speaker::user, "two");
  } catch (const std::invalid_argument &) {
    refused = true;
  }
  assert(refused && index.size() == 1);
}

std::uint64_t checksum(const std::string &segment) {
  std::uint64_t sum = 0x243F6A8885A308D3ull ^ (segment.size() - 32);
  for (std::size_t at = 32; at < segment.size(); at += 8) {
    std::uint64_t block = 0;
    std::memcpy(&block, segment.data() + at,
                std::min<std::size_t>(8, segment.size() - at));
    sum = (std::rotl(sum, 23) ^ block) * 0x9E3779B97F4A7C15ull;
  }
  return sum ^ sum >> 29;
}

void seal(std::string &segment) {
  const std::uint64_t sum = checksum(segment);
  std::memcpy(segment.data() + 24, &sum, 8);
}

void test_hostile_segments() {
  std::mt19937 random(4);
  const auto below = [&](std::size_t n) { return random() % n; };
  SessionIndex source(5);
  for (std::uint32_t i = 0; i < 5; ++i) {
    std::string text;
    for (std::size_t w = 0; w < 60; ++w)
      text += "w" + std::to_string(below(40)) + " ";
    add(source, i, static_cast<Speaker>(i), text + "\n\n" + text);
  }
  const std::string whole = source.segment(0, kLast);
  std::string same = whole;
  seal(same);
  assert(same == whole);
  constexpr std::uint32_t kValues[] = {0, 1, 15, 1u << 28, 1u << 31, kLast};
  int loaded = 0, refused = 0;
  for (int i = 0; i < 10000; ++i) {
    std::string mutant = whole;
    for (std::size_t n = 1 + below(3); n > 0; --n) {
      const std::size_t at =
          below(4) == 0 ? 8 + below(16) : 32 + below(whole.size() - 36);
      if (below(2) == 0)
        mutant[at] = static_cast<char>(below(256));
      else
        std::memcpy(mutant.data() + at, &kValues[below(6)], 4);
    }
    if (below(10) == 0)
      mutant.resize(32 + below(mutant.size() - 32));
    seal(mutant);
    SessionIndex index(6);
    if (below(3) == 0)
      add(index, 0, Speaker::user, "w1 before");
    const std::string before = index.segment(0, kLast);
    try {
      index.load(mutant);
      ++loaded;
      index.search("w1 w2 w3 w39", 99, {});
      SessionIndex again(7);
      again.load(index.segment(0, kLast));
      for (std::uint32_t number = 0; number < 5; ++number)
        index.remove(number);
    } catch (const std::invalid_argument &) {
      ++refused;
      assert(index.segment(0, kLast) == before);
    }
  }
  assert(loaded > 100 && refused > 5000);
}

} // namespace

int main() {
  test_found_messages_are_the_best_first();
  test_a_removed_message_leaves_no_word();
  test_a_speaker_is_one_of_five();
  test_numbers_ascend();
  test_hostile_segments();
  return 0;
}
