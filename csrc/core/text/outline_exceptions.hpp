// Exceptions and conditions: the words by which a clause or a sentence restricts what was said.
//
// "... unless the order is below 20 euros" and "This does not apply to islands." reverse a rule, so a
// window shows neither without it. Phrases of fourteen languages; ASCII letters are compared in
// lower case, and a phrase matches where a word begins (in Chinese, Japanese and Korean anywhere).
// It may end inside a word, so that "exclu" covers the forms of a participle. Linear in the text.
#pragma once
#include <string_view>

namespace ctxmem {

// Whether this part of a sentence restricts the part before it: it begins with an exception or a
// condition ("if the box is unopened") or, with `inside`, has an exception ("..., unless ...").
bool restricts_clause(std::string_view part, bool inside);

// Whether the first part of a sentence states the condition of the part after it: "If the order is
// below 20 euros,", "Unless agreed otherwise,".
bool states_condition(std::string_view part);

// Whether a short sentence restricts the sentence before it: "This does not apply to islands.",
// "Visitors with bicycles are excluded.", "But only if the box is unopened.", and, after a sentence
// about a charge, "No charge is due if ...".
bool restricts_rule(std::string_view sentence, std::string_view rule);

}  // namespace ctxmem
