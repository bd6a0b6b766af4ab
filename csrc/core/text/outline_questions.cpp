// Questions and answers: a question that is a paragraph of its own is the heading of its answer.
#include <algorithm>
#include <array>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kLongQuestion = 200;  // bytes, at most
constexpr std::size_t kQuestionLines = 3;   // lines of a question that is marked as one, at most

constexpr std::array kMarks = {"?"sv, "\xEF\xBC\x9F"sv, "\xD8\x9F"sv};  // ?, full-width, Arabic
// clang-format off
// Words before a colon or a full stop that mark a question, and those that mark an answer.
constexpr std::array kAsks = {
    "Q"sv, "Question"sv, "Frage"sv, "Pregunta"sv, "Domanda"sv, "Vraag"sv, "Pytanie"sv,
    "\xD0\x92\xD0\xBE\xD0\xBF\xD1\x80\xD0\xBE\xD1\x81"sv,  // ru
    "\xE9\x97\xAE"sv, "\xE5\x95\x8F"sv};                         // zh, ja
constexpr std::array kAnswers = {
    "A"sv, "Answer"sv, "Antwort"sv, "Respuesta"sv, "R\xC3\xA9ponse"sv, "Risposta"sv, "Antwoord"sv,
    "Odpowied\xC5\xBA"sv, "\xD0\x9E\xD1\x82\xD0\xB2\xD0\xB5\xD1\x82"sv,  // pl, ru
    "\xE7\xAD\x94"sv};                                                     // zh, ja
// clang-format on

// Whether a line begins with one of these words, perhaps with a number: "Q:", "Q 3.", "**Q1**:".
template <std::size_t n>
bool begins_with(const std::array<std::string_view, n>& words, std::string_view said) {
    while (!said.empty() && said[0] == '*') said.remove_prefix(1);
    for (const std::string_view word : words) {
        if (!opens(said, word)) continue;
        std::size_t at = word.size();
        while (at < said.size() && (said[at] == ' ' || is_digit(said[at]))) ++at;
        while (at < said.size() && said[at] == '*') ++at;
        const bool wide = said.substr(at).starts_with("\xEF\xBC\x9A");
        if (wide || (at + 1 < said.size() && (said[at] == ':' || said[at] == '.') &&
                     (said[at + 1] == ' ' || said[at + 1] == '*')))
            return true;
    }
    return false;
}

}  // namespace

// Whether a line ends with a question mark, perhaps within emphasis.
bool OutlineReader::asks(std::size_t i) const {
    if (i >= count() || blank(i)) return false;
    std::string_view said = content(i);
    if (said.size() > kLongQuestion) return false;
    while (!said.empty() && (said.back() == '*' || said.back() == '_')) said.remove_suffix(1);
    return std::any_of(kMarks.begin(), kMarks.end(),
                       [&](std::string_view mark) { return said.ends_with(mark); });
}

void OutlineReader::count_questions() {
    for (std::size_t i = 0; i < count(); ++i) questions_ += after_blank(i) && asks(i);
}

std::size_t OutlineReader::take_question(std::size_t i) {
    if (options_.format != Format::unknown || torn_ || line(i).indent >= 4) return 0;
    const std::string_view here = content(i);
    const bool marked = begins_with(kAsks, here);
    if (!marked && (dialogue_ || !after_blank(i) || !asks(i) || !is_question_of_text(i))) return 0;
    std::size_t last = i;
    while (marked && !asks(last) && !blank(last + 1) && last + 1 < i + kQuestionLines &&
           !begins_with(kAnswers, content(last + 1)) && !starts_block(last + 1, true))
        ++last;
    const std::size_t next = filled(last + 1);
    const bool cut_off = next >= count();  // its answer is
    if (cut_off ? !answered_ : !is_answered(i, next)) return 0;
    answered_ = true;
    close_lists(-1);
    owners_.clear();
    introduce_sections();
    add_heading(i, last, 0);
    lead_ = {};
    return last + 1;
}

// Whether the line `next` begins the answer of the question at line i, not another question or
// item of a list.
bool OutlineReader::is_answered(std::size_t i, std::size_t next) const {
    if (line(next).indent < line(i).indent || begins_with(kAsks, content(next))) return false;
    if (asks(next) && after_blank(next)) return false;
    if (begins_with(kAsks, content(i))) return true;
    return marker_of(content(i)).size == 0 || marker_of(content(next)).size == 0;
}

// Whether a paragraph that ends with a question mark is the question of an answer: in a text that
// has several or begins with it, or if it is numbered or emphasized. Others ask the reader.
bool OutlineReader::is_question_of_text(std::size_t i) const {
    const std::string_view here = content(i);
    const Marker marker = marker_of(here);
    if (marker.bullet || here[0] == '>' || here[0] == '|') return false;
    if (here.starts_with("**") || here.starts_with("__")) return here.ends_with(here.substr(0, 2));
    return marker.size > 0 || questions_ > 1 || i == filled(0);
}

}  // namespace ctxmem
