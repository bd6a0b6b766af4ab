#include "core/ranking/definitions.hpp"

#include <algorithm>
#include <limits>

#include "core/ranking/definition_question.hpp"
#include "core/text/outline.hpp"

namespace ctxmem {
namespace {

using Beginning = DefinitionQuestion::Beginning;

constexpr float kLikely = .6f;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

// The first spans of one document that answer, each of its kind.
struct Answers {
    std::size_t by_verb = kNone, by_subject = kNone, by_heading = kNone;
};

// Where a span counts among the answers of its document; null if it is none.
std::size_t* place_of(const SpanTable& table, std::size_t span,
                      const DefinitionQuestion::Subject& subject, Answers& answers) {
    const auto kind = static_cast<SpanKind>(table.input().kind[span]);
    const bool prose = kind == SpanKind::prose;
    if (!prose && kind != SpanKind::list_item) return nullptr;
    if ((table.input().flags[span] & (kLabel | kHidden | kFiller | kPart)) != 0) return nullptr;
    const DefinitionQuestion& question = table.definition_question();
    switch (question.beginning(table.terms(span), subject)) {
        case Beginning::verb: return &answers.by_verb;
        case Beginning::subject: return prose ? &answers.by_subject : nullptr;
        case Beginning::other: break;
    }
    const std::size_t heading = table.heading(span);
    const bool below =
        prose && heading != span && question.is_subject(table.terms(heading), subject);
    return below ? &answers.by_heading : nullptr;
}

void add_answers(const SpanTable& table, const DefinitionQuestion::Subject& subject,
                 std::vector<float>& certainty, StopToken& stop) {
    std::vector<Answers> found(table.documents());
    for (std::size_t s = 0; s < table.spans(); ++s) {
        stop.check(50);
        std::size_t* first = place_of(table, s, subject, found[table.document(s)]);
        if (first && (*first == kNone || table.place(s) < table.place(*first))) *first = s;
    }
    const auto set = [&](std::size_t span, float certain) {
        if (span != kNone) certainty[span] = std::max(certainty[span], certain);
    };
    for (const auto& [by_verb, by_subject, by_heading] : found) {
        set(by_verb, 1);
        const bool before = by_subject != kNone && by_verb != kNone &&
                            table.place(by_subject) < table.place(by_verb);
        if (by_verb == kNone || before) set(by_subject, kLikely);
        if (by_verb == kNone && by_subject == kNone) set(by_heading, kLikely);
    }
}

}  // namespace

std::vector<float> definitions(const SpanTable& table, StopToken& stop) {
    const auto& subjects = table.definition_question().subjects();
    std::vector<float> certainty(subjects.empty() ? 0 : table.spans(), 0.0f);
    for (const auto& subject : subjects) add_answers(table, subject, certainty, stop);
    return certainty;
}

}  // namespace ctxmem
