// Questions that ask what something is: "What is pgbouncer?", "Wer war Ada Lovelace?".
//
// The words of such a question are those of every sentence about its subject, so they do not tell
// the sentence that answers it from the others. The form of the answer does: it begins with the
// subject, and a verb such as "is" follows (definitions.hpp).
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/ranking/terms.hpp"

namespace ctxmem {

class DefinitionQuestion {
public:
    DefinitionQuestion() = default;
    // Read the sentences of a query and of its variants, in 19 languages. Linear in their
    // text. The terms are numbered by `known`.
    DefinitionQuestion(Terms& known, std::span<const std::string_view> queries);

    // The terms of what is asked for, without an article in front.
    using Subject = std::vector<std::uint32_t>;
    // None if the query is of another kind.
    const std::vector<Subject>& subjects() const { return subjects_; }

    // How a text begins.
    enum class Beginning : std::uint8_t {
        other,
        subject,  // with the subject, and more follows
        verb,     // with the subject and a form of "to be", "to mean" or "to provide"
    };
    // Requires that the terms were numbered by the same `known`.
    Beginning beginning(std::span<const Term> terms, const Subject& subject) const;
    // Whether the terms are those of the subject and no others, but for function words.
    bool is_subject(std::span<const Term> terms, const Subject& subject) const;

private:
    void read(std::string_view sentence, Terms& known);
    bool is_article(std::uint32_t term) const;

    std::vector<Subject> subjects_;
    std::vector<std::uint32_t> articles_, verbs_;  // numbers of terms, sorted
};

}  // namespace ctxmem
