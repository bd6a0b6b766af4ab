// Statements of texts in memory of exactly their size, run with sanitizers:
// spans are in bounds and on character borders, and hand-written sentences have
// the kinds that a reader sees.
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "check.hpp"
#include "core/ledger/statements.hpp"

using namespace ctxmem;

namespace {

std::vector<Statement> statements(const std::string &text,
                                  bool replies = false) {
  const std::unique_ptr<char[]> exact(new char[text.size()]);
  text.copy(exact.get(), text.size());
  const std::string_view view(exact.get(), text.size());
  const auto found = find_statements(view, replies, false);
  std::uint32_t end = 0;
  for (const Statement &s : found) {
    CHECK(s.start < s.end && s.end <= text.size());
    CHECK(replies || s.end >= end);
    CHECK(s.cue_start <= s.cue_end && s.cue_end <= text.size());
    CHECK(s.subject_start <= s.subject_end && s.subject_end <= text.size());
    CHECK(s.value_start <= s.value_end && s.value_end <= text.size());
    CHECK((static_cast<unsigned char>(text[s.start]) & 0xC0) != 0x80);
    CHECK(s.strength >= 1 && s.strength <= 9);
    end = s.end;
  }
  // Rows have the same offsets in characters; empty spans are 0 and 0.
  const auto rows = statement_rows(view, found);
  CHECK(rows.size() == found.size() * kStatementColumns);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::int64_t *row = rows.data() + i * kStatementColumns;
    const auto at = [&](std::uint32_t byte) {
      std::int64_t characters = 0;
      for (std::uint32_t b = 0; b < byte; ++b)
        characters += (static_cast<unsigned char>(text[b]) & 0xC0) != 0x80;
      return characters;
    };
    const Statement &s = found[i];
    CHECK(row[0] == static_cast<std::int64_t>(s.kind) && row[1] == s.language);
    CHECK(row[2] == s.strength && row[3] == s.flags);
    CHECK(row[4] == at(s.start) && row[5] == at(s.end));
    CHECK(row[6] == at(s.cue_start) && row[7] == at(s.cue_end));
    const bool subject = s.subject_start < s.subject_end;
    CHECK(row[8] == (subject ? at(s.subject_start) : 0));
    CHECK(row[9] == (subject ? at(s.subject_end) : 0));
    const bool value = s.value_start < s.value_end;
    CHECK(row[10] == (value ? at(s.value_start) : 0));
    CHECK(row[11] == (value ? at(s.value_end) : 0));
  }
  return found;
}

void has(const std::string &text, StatementKind kind,
         std::string_view value = {}) {
  const auto found = statements(text);
  CHECK(found.size() == 1);
  CHECK(found[0].kind == kind);
  CHECK(text.substr(found[0].value_start,
                    found[0].value_end - found[0].value_start) == value);
}

} // namespace

int main() {
  has("Never push to main.", StatementKind::rule);
  has("The staging port is 8443 now.", StatementKind::value, "8443");
  has("They moved the deadline to March 10.", StatementKind::deadline,
      "March 10");
  has("The deadline is 3 March.", StatementKind::deadline, "3 March");
  has("Correction, I can spend at most 90 dollars.", StatementKind::limit,
      "90");
  CHECK(statements("Is it true that you must never mix these two?").empty());
  CHECK(statements("Dear all,\nyou must never reply.\n").empty());
  CHECK(statements(
            "Dear all,\nplease reply.\nBest,\nTom\n\nNever quote this mail.")
            .size() == 1);

  const std::string pieces[] = {
      "never ",      "i will ",  "no ",          "?",
      ". ",          "\n",       "\n\n",         "\"",
      "```\n",       "<a>",      "</a>",         "- ",
      "# x\n",       "8443 ",    "is ",          "the ",
      "my ",         "March ",   "From: ",       "Best,\n",
      "Dear all,\n", "\xC3\xA9", "\xE4\xBB\x8E", "here is the mail:\n",
      "must not "};
  std::mt19937_64 rng(7);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (std::size_t i = rng() % 24; i > 0; --i)
      text += pieces[rng() % std::size(pieces)];
    statements(text, rng() % 2 == 0);
  }
  return 0;
}
