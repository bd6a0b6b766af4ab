// Statements that bind: the sentences of a message that state a rule, a limit, a preference, a
// decision, a value and the like, found by trigger phrases and the form of the sentence.
//
// A text is read line by line. Code, tables, quoted lines, tagged elements and what is announced as
// pasted ("here is the mail:") do not bind and are skipped. The rest is split into sentences, and
// each sentence into words. A phrase of phrases.cpp that begins at a word makes the sentence a
// statement, unless it is in a question, in a condition, in quotation marks or reported from
// somebody else. Phrases with "always" and "never" require an imperative or a subject that is
// bound (you, we, our team), because descriptions of behaviour ("it always fails") are far more
// frequent than rules. This is the shallow cue-phrase method of Cohen, Carvalho and Mitchell,
// Learning to classify email into speech acts, 2004, with fixed phrases instead of learned ones.
//
// Linear: a phrase has a bounded number of words, with gaps of bounded length, and each word begins
// a bounded number of phrases.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

enum class StatementKind : std::uint8_t {
    rule,
    limit,
    instruction,
    preference,
    decision,
    commitment,
    deadline,
    value,
    correction,
    dead_end,
    permission,
    fact,
    proposal,
    acceptance,
    refusal,
};
inline constexpr std::array<std::string_view, 15> kStatementKinds = {
    "rule",       "limit",    "instruction", "preference", "decision",
    "commitment", "deadline", "value",       "correction", "dead_end",
    "permission", "fact",     "proposal",    "acceptance", "refusal"};

// Flags of a statement. Updates: it says that something changed ("now", "instead"). Leans: it refers
// to the sentence before it. Negates: it contains a negation. Retracts: it takes something back.
// Listed: a line "name: value"; of many in a text none is returned.
constexpr std::uint8_t kUpdates = 1, kLeans = 2, kNegates = 4, kRetracts = 8, kListed = 16;

// Offsets are bytes; an empty span has equal ends.
struct Statement {
    StatementKind kind;
    std::uint8_t language;  // of the phrase, as in PhraseRows
    std::uint8_t strength;  // 1 to 9: how surely it binds
    std::uint8_t flags;
    std::uint32_t start, end;
    std::uint32_t cue_start, cue_end;
    std::uint32_t subject_start, subject_end;
    std::uint32_t value_start, value_end;
};

// The statements of a text in text order, at most one for a sentence. `replies`: also proposals,
// acceptances and refusals. `trusted`: the text is the operator's, so nothing counts as pasted.
std::vector<Statement> find_statements(std::string_view text, bool replies, bool trusted,
                                       StopToken& stop = StopToken::none());

// A row of numbers for each statement: kind, language, strength, flags, then start and end of
// statement, cue, subject and value, in characters; 0 and 0 for an empty subject or value. Linear:
// spans may go back by a sentence, so each offset is counted from the one before.
constexpr std::size_t kStatementColumns = 12;
std::vector<std::int64_t> statement_rows(std::string_view text,
                                         std::span<const Statement> statements);

}  // namespace ctxmem
