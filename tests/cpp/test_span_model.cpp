// Features and forests under the sanitizers: random tables, some of them
// damaged, random forests.
#include <random>
#include <stdexcept>
#include <string>

#include "check.hpp"
#include "core/ranking/span_model.hpp"

using namespace ctxmem;

namespace {

std::mt19937 random_bits(7);

std::size_t below(std::size_t n) { return random_bits() % n; }

std::string random_text() {
  static const char *const pieces[] = {"Anna ",
                                       "the ",
                                       "2019 ",
                                       "\xC3\xA9t\xC3\xA9 ",
                                       "?",
                                       "\n",
                                       "\xE6\x9D\xB1",
                                       "terminates ",
                                       "\xED\xA0\x80",
                                       "\xFF",
                                       "",
                                       "_",
                                       "-",
                                       ".",
                                       "maxOver",
                                       "HTTPSo",
                                       "\xD9\x8F",
                                       "\xD9\x88\xD8\xA7\xD9\x84",
                                       "\xD1\x8F",
                                       "\xE0\xA4\xA8",
                                       "\xE0\xA5\x8D",
                                       "\xE0\xB8\x81",
                                       "\xE0\xB8\xB5",
                                       "\xE0"};
  std::string text;
  for (std::size_t k = below(12); k > 0; --k)
    text += pieces[below(std::size(pieces))];
  return text;
}

struct Case {
  std::vector<std::string> texts, asked;
  std::vector<std::string_view> merged_texts, queries;
  std::vector<std::int64_t> first{0}, start, end, place;
  std::vector<std::string> sources;
  std::vector<std::string_view> names;
  std::vector<std::uint8_t> kind, flags;
  std::vector<std::int32_t> need, block, document, chunk_first, chunk_last;
  std::vector<double> evidence;
  std::vector<float> vectors, query_vectors;
  std::size_t width = 0;

  Case() {
    for (std::size_t t = below(5); t > 0; --t) {
      texts.emplace_back();
      std::int64_t at = 0;
      for (std::size_t s = below(4); s > 0; --s) {
        const std::string text = random_text();
        std::int64_t characters = 0;
        for (const char c : text)
          characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
        texts.back() += text;
        start.push_back(at);
        end.push_back(at += characters);
        kind.push_back(static_cast<std::uint8_t>(below(13)));
        flags.push_back(static_cast<std::uint8_t>(below(128)));
      }
      first.push_back(static_cast<std::int64_t>(start.size()));
      place.push_back(static_cast<std::int64_t>(below(1000)));
    }
    for (std::size_t s = 0; s < start.size(); ++s) { // any unit: cycles, too
      need.push_back(static_cast<std::int32_t>(below(start.size() + 1)) - 1);
      block.push_back(static_cast<std::int32_t>(below(start.size())));
    }
    if (below(2) == 0)
      for (std::size_t t = 0; t < texts.size(); ++t)
        sources.push_back(random_text());
    for (std::size_t t = 0; t < texts.size(); ++t)
      document.push_back(static_cast<std::int32_t>(below(texts.size())));
    for (std::size_t c = below(6); c > 0; --c) {
      const std::size_t a = below(start.size() + 1),
                        b = below(start.size() + 1);
      chunk_first.push_back(static_cast<std::int32_t>(std::min(a, b)));
      chunk_last.push_back(static_cast<std::int32_t>(std::max(a, b)));
      for (std::size_t k = 0; k < kRetrieval; ++k)
        evidence.push_back(below(3) == 0
                               ? std::nan("")
                               : static_cast<double>(below(100)) / 99);
    }
    for (std::size_t q = below(3); q > 0; --q)
      asked.push_back(random_text());
    if (below(2) == 0) {
      width = 3;
      for (std::size_t k = 0; k < start.size() * width; ++k)
        vectors.push_back(static_cast<float>(below(100)) / 99);
      for (std::size_t k = 0; k < asked.size() * width; ++k)
        query_vectors.push_back(static_cast<float>(below(100)) / 99);
    }
    for (const auto &text : sources)
      names.push_back(text);
    for (const auto &text : texts)
      merged_texts.push_back(text);
    for (const auto &text : asked)
      queries.push_back(text);
  }

  void damage() {
    switch (below(10)) {
    case 0:
      first.push_back(0);
      break;
    case 1:
      if (!end.empty())
        end[below(end.size())] = -1;
      break;
    case 2:
      if (!document.empty())
        document[0] = static_cast<std::int32_t>(below(9)) - 4;
      break;
    case 3:
      if (!chunk_last.empty())
        chunk_last[0] = 1000;
      break;
    case 4:
      evidence.push_back(0);
      break;
    case 5:
      vectors.push_back(0);
      break;
    case 6:
      if (!need.empty())
        need[0] = static_cast<std::int32_t>(need.size());
      break;
    case 7:
      if (!block.empty())
        block[0] = -1;
      break;
    case 8:
      names.resize(texts.size() + 1);
      break;
    default:
      kind.push_back(0);
    }
  }

  SpanInput input() const {
    SpanInput in;
    in.merged_texts = merged_texts;
    in.first = first;
    in.start = start;
    in.end = end;
    in.kind = kind;
    in.flags = flags;
    in.need = need;
    in.block = block;
    in.names = names;
    in.document = document;
    in.place = place;
    in.chunk_first = chunk_first;
    in.chunk_last = chunk_last;
    in.retrieval = evidence;
    in.queries = queries;
    in.vectors = vectors;
    in.query_vectors = query_vectors;
    in.width = width;
    return in;
  }
};

void grow(TreesData &trees, std::uint32_t leaves, std::size_t features) {
  if (leaves == 1) {
    trees.value.push_back(static_cast<float>(below(100)) / 50 - 1);
    return;
  }
  const auto left = static_cast<std::uint32_t>(1 + below(leaves - 1));
  trees.left.push_back(left);
  trees.feature.push_back(static_cast<std::uint32_t>(below(features)));
  trees.threshold.push_back(static_cast<float>(below(100)) / 50 - 1);
  grow(trees, left, features);
  grow(trees, leaves - left, features);
}

NamedTrees random_trees(std::span<const std::string_view> names) {
  NamedTrees trees;
  trees.features.assign(names.begin(), names.end());
  for (std::size_t t = below(4); t > 0; --t) {
    trees.trees.leaves.push_back(
        static_cast<std::uint32_t>(1 + below(kMostLeaves)));
    grow(trees.trees, trees.trees.leaves.back(), names.size());
  }
  return trees;
}

} // namespace

int main() {
  int refused = 0;
  for (int round = 0; round < 1500; ++round) {
    Case one;
    if (round % 3 == 0)
      one.damage();
    const SpanModel model(random_trees(SpanFeatures::draft_names()),
                          random_trees(SpanFeatures::final_names()), 0.5f);
    try {
      const SpanFeatures features(one.input());
      CHECK(features.spans() == one.start.size());
      for (const float density : model.predict(features))
        CHECK(density >= 0 && density <= 1);
    } catch (const std::invalid_argument &) {
      ++refused;
    }
  }
  CHECK(refused > 100 && refused < 500);
  // Damaged forests are refused or made, never read beyond.
  for (int round = 0; round < 2000; ++round) {
    NamedTrees trees = random_trees(SpanFeatures::draft_names());
    std::vector<std::uint32_t> *const parts[] = {
        &trees.trees.leaves, &trees.trees.feature, &trees.trees.left};
    std::vector<std::uint32_t> &part = *parts[below(3)];
    if (!part.empty())
      part[below(part.size())] = static_cast<std::uint32_t>(below(40));
    try {
      const GradientBoostedTrees made(trees.trees, trees.features.size());
      std::vector<float> zeros(300, 0.0f), out(300);
      const std::vector<const float *> columns(trees.features.size(),
                                               zeros.data());
      made.sum(columns, out);
    } catch (const std::invalid_argument &) {
    }
  }
  return 0;
}
