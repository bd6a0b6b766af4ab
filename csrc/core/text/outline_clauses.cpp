// Contracts, laws and standards: a number and a title, alone in a line, are the heading of the
// clauses below them.
#include <algorithm>
#include <array>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kLongTitle = 80;      // bytes, at most
constexpr int kTitleWords = 4;              // at most
constexpr std::size_t kShortSentence = 40;  // bytes of a title before the text of its clause

constexpr std::array kParts = {
    "\xC2\xA7"sv, "Article"sv, "ARTICLE"sv, "Art."sv,    "Artikel"sv, "Articulo"sv,  "Articolo"sv,
    "Section"sv,  "SECTION"sv, "Clause"sv,  "Chapter"sv, "CHAPTER"sv, "Part"sv,      "PART"sv,
    "Schedule"sv, "Annex"sv,   "Anlage"sv,  "Anhang"sv,  "Kapitel"sv, "Abschnitt"sv, "Chapitre"sv};

bool is_roman(char c) { return std::string_view("IVXLC").find(c) != std::string_view::npos; }

// Whether a line begins with the number of a part: "§ 2", "Article 5", "PART IV", "第7条".
bool names_part(std::string_view said) {
    if (said.starts_with("\xE7\xAC\xAC")) {
        const std::string_view near = said.substr(0, 24);
        return near.find("\xE6\x9D\xA1") != near.npos || near.find("\xE7\xAB\xA0") != near.npos;
    }
    for (const std::string_view part : kParts) {
        if (!opens(said, part)) continue;
        std::size_t at = part.size();
        const bool spaced = at < said.size() && (said[at] == ' ' || part == kParts[0]);
        while (at < said.size() && said[at] == ' ') ++at;
        if (spaced && at < said.size() && (is_digit(said[at]) || is_roman(said[at]))) return true;
    }
    return false;
}

// How many numbers a line begins with: 1 for "2. Term", 2 for "2.1 Term"; 0 if with none.
int depth_of(std::string_view said) {
    int depth = 0;
    for (std::size_t at = 0; at < said.size() && is_digit(said[at]); ++at) {
        ++depth;
        while (at < said.size() && is_digit(said[at])) ++at;
        if (at >= said.size() || said[at] != '.') break;
    }
    return depth;
}

bool is_sentence(std::string_view said) {
    return std::string_view(".,;:!?").find(said.back()) != std::string_view::npos ||
           said.ends_with("\xE3\x80\x82") || said.ends_with("\xEF\xBC\x9A");
}

}  // namespace

std::size_t OutlineReader::take_clause_title(std::size_t i) {
    const std::string_view here = content(i);
    if (options_.format != Format::unknown || torn_ || dialogue_ || !after_blank(i) ||
        line(i).indent >= 4 || here.size() > kLongTitle || is_sentence(here))
        return 0;
    const std::size_t next = filled(i + 1);
    if (next >= count()) return 0;
    if (names_part(here) ? names_part(content(next)) : !numbers_title(i, next)) return 0;
    close_lists(-1);
    owners_.clear();
    introduce_sections();
    add_heading(i, i, 0);
    lead_ = {};
    return i + 1;
}

// Where sentences of text[begin, end) may begin if it begins with the number and the title of a
// clause: "Section 1.02. Restrictions. Licensee shall not ..." is one sentence.
std::size_t OutlineReader::after_clause_title(std::size_t begin, std::size_t end) const {
    const std::string_view said = text_.substr(begin, end - begin);
    if (!names_part(said)) return begin;
    std::size_t after = 0;
    for (int part = 0; part < 2; ++part) {  // the number, the title
        const std::size_t stop = said.find(". ", after);
        if (stop == said.npos || stop - after > kShortSentence) break;
        if (part > 0 && std::count(&said[after], &said[stop], ' ') >= kTitleWords) break;
        after = stop + 2;
    }
    return after > 0 ? std::min(end - 1, begin + after) : begin;
}

// Whether line i is a number and a title, and the line `next` neither the item after it in a list
// nor nested below it.
bool OutlineReader::numbers_title(std::size_t i, std::size_t next) const {
    const std::string_view here = content(i);
    const Marker marker = marker_of(here);
    if (marker.size == 0 || !is_digit(here[0]) || !blank(i + 1)) return false;
    const char head = here[marker.size];
    const bool titled = is_upper(head) || static_cast<unsigned char>(head) >= 0x80;
    return titled && line(next).indent <= line(i).indent + 1 &&
           depth_of(content(next)) != depth_of(here);
}

}  // namespace ctxmem
