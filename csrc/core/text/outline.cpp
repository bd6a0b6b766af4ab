#include "core/text/outline.hpp"

#include <algorithm>
#include <cassert>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kShortLead = 240;    // bytes of a line above a list that may introduce it
constexpr std::size_t kFirstAnswer = 160;  // bytes of the first sentence of an answer
constexpr std::size_t kLastWords = 100;    // bytes at the end of what introduces a list
// Words after which a sentence does not end: what they announce is the code below.
constexpr std::array<std::string_view, 21> kBreakOff = {
    "with", "by",  "using", "run",  "do",   "perform", "type", "execute", "use",  "via", "is",
    "to",   "and", "or",    "from", "into", "write",   "call", "mit",     "avec", "con"};
constexpr std::size_t kAnswer = 24;      // bytes within which an answer such as "No." ends
constexpr std::size_t kTornTail = 40;    // bytes of the end of a sentence that the text begins with
constexpr std::size_t kShortTitle = 24;  // bytes of a heading of one or two words
constexpr int kRelease = 3;              // level of a release that no # marks
constexpr std::size_t kBytesOfLine = 32;  // low estimate

// The mark of a line that repeats one punctuation mark at least three times (an underline in
// reStructuredText, a rule); 0 for any other line.
char mark_of_line(std::string_view content) {
    if (content.size() < 3) return 0;
    const char c = content[0];
    if (std::string_view("=-~^\"'`#*+.:_<>").find(c) == std::string_view::npos) return 0;
    return content.find_first_not_of(c) == content.npos ? c : '\0';
}

// Whether a text that begins with this sentence begins inside of it: at most two words up to a full
// stop, the first in lower case or a number; the end of a function; or a single function word.
bool is_torn_tail(std::string_view said) {
    if (said.size() < 2 || said.size() > kTornTail) return false;
    if (std::count(said.begin(), said.end(), ' ') > 1) return false;
    for (const std::string_view word : {"an", "and", "are", "be", "for", "in", "is", "it", "not",
                                        "of", "or", "the", "to", "was", "with"})
        if (said == word) return true;
    if (said.starts_with("return ")) return true;
    const char head = said[0];
    const bool small = (head >= 'a' && head <= 'z') || (head >= '0' && head <= '9');
    return small && said.back() == '.' && said[said.size() - 2] != '.';
}

// Whether a sentence only answers the question above it.
bool is_answer(std::string_view said) {
    for (const std::string_view word :
         {"Yes", "No", "Not yet", "Of course", "Ja", "Nein", "Oui", "Non", "Nee", "S\xC3\xAD",
          "\xD0\x94\xD0\xB0", "\xD0\x9D\xD0\xB5\xD1\x82"})
        if (said.size() == word.size() + 1 && said.starts_with(word) &&
            (said.back() == '.' || said.back() == '!'))
            return true;
    return false;
}

bool is_ascii(std::string_view text) {
    unsigned char bits = 0;
    for (const char c : text) bits |= static_cast<unsigned char>(c);
    return bits < 0x80;
}

std::int64_t code_points(std::string_view text) {
    std::int64_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return count;
}

}  // namespace

OutlineReader::OutlineReader(std::string_view text, const OutlineOptions& options, StopToken& stop)
    : text_(text), options_(options), stop_(stop) {
    options_.room = std::max<std::size_t>(options_.room, 32);
    lines_.reserve(text.size() / kBytesOfLine + 1);
    for (std::size_t at = 0; at < text.size();) {
        const Line whole = line_at(text, at);
        add_lines(whole);
        stop_.check(20 + (whole.next - at));
        at = whole.next;
    }
    evidence_.assign(lines_.size(), kUnread);
    kinds_.assign(lines_.size(), LineKind::unread);
    filled_.resize(lines_.size());
    std::size_t next = lines_.size();
    for (std::size_t i = lines_.size(); i-- > 0;) {
        if (!lines_[i].blank()) next = i;
        filled_[i] = next;
    }
}

void OutlineReader::run() {
    count_turns();
    count_questions();
    find_quoted_lines();
    find_torn_fence();
    for (std::size_t i = filled(0); i < count(); i = filled(i)) {
        stop_.check(500);
        i = take(i);
    }
    close_lists(-1);
    // A lead-in at the end of the text: the units it introduces are cut off.
    if (lead_.unit != kNoSpan && lead_.colon) flag(lead_.unit, kLeadIn);
    forget_lead_ins();
    if (units_.empty() || units_.front().start > 0) {
        units_.insert(units_.begin(), {0, SpanKind::other, kFiller, kNoSpan, kNoSpan, 0});
        for (std::size_t u = 1; u < units_.size(); ++u) {
            units_[u].need += units_[u].need != kNoSpan;
            units_[u].also += units_[u].also != kNoSpan;
            ++units_[u].block;
        }
    }
}

// Clear kLeadIn where no unit needs the lead-in (a mark or a rule followed it), so that it can be
// shown by itself.
void OutlineReader::forget_lead_ins() {
    std::vector<bool> needed(units_.size(), false);
    for (const Unit& unit : units_)
        for (const std::int32_t other : {unit.need, unit.also})
            if (other != kNoSpan) needed[static_cast<std::size_t>(other)] = true;
    for (std::size_t u = 0; u < units_.size(); ++u)
        if (!needed[u] && static_cast<std::int32_t>(u) != lead_.unit &&
            !std::binary_search(of_sections_.begin(), of_sections_.end(),
                                static_cast<std::int32_t>(u)))
            units_[u].flags &= static_cast<std::uint8_t>(~unsigned{kLeadIn});
}

std::size_t OutlineReader::take(std::size_t i) {
    std::size_t next = 0;
    const bool literal = lead_.literal && line(i).indent > lead_.indent && !torn_;
    if (literal && filled(lead_.line + 1) == i)
        return take_literal(i, lead_.indent, lead_or_owner(i));
    if ((next = take_patch(i)) > 0 || (next = take_fence(i)) > 0 || (next = take_table(i)) > 0 ||
        (next = take_json(i)) > 0 || (next = take_stray(i)) > 0 || (next = take_signature(i)) > 0 ||
        (next = take_decoration(i)) > 0 || (next = take_page_block(i)) > 0 ||
        (next = take_directive(i)) > 0)
        return next;
    if ((next = take_doctest(i)) > 0 || (next = take_heading(i)) > 0 ||
        (next = take_question(i)) > 0 || (next = take_clause_title(i)) > 0 ||
        (next = take_turn(i)) > 0 || (next = take_trace(i)) > 0 || (next = take_entries(i)) > 0 ||
        (next = take_records(i)) > 0 || (next = take_item(i)) > 0 || (next = take_entry(i)) > 0)
        return next;
    if ((next = take_code(i)) > 0) return next;
    return take_paragraph(i);
}

// Units -------------------------------------------------------------------------------------------

std::int32_t OutlineReader::add(std::size_t begin, SpanKind kind, std::int32_t need,
                                unsigned flags) {
    assert(units_.empty() || begin > units_.back().start);
    if (!units_.empty()) stop_.check(50 + 3 * (begin - units_.back().start));
    const std::int32_t unit = next_unit();
    units_.push_back({begin, kind, static_cast<std::uint8_t>(flags), need, kNoSpan, unit});
    return unit;
}

std::int32_t OutlineReader::add_cut(std::size_t begin, std::size_t end, SpanKind kind,
                                    std::int32_t need, unsigned flags) {
    const std::int32_t first = next_unit();
    const std::string_view said = text_.substr(begin, end - begin);
    if (end - begin <= options_.room) {
        add(begin, kind, need, flags);
    } else if (kind == SpanKind::code || kind == SpanKind::record ||
               said.find('\n') != std::string_view::npos) {
        // As many whole lines as fit into `room` bytes.
        std::size_t piece = begin;
        for (std::size_t at = begin; at < end;) {
            std::size_t next = text_.find('\n', at);
            next = next >= end ? end : skip_space(text_, next, end);
            if (next - piece > options_.room && at > piece) {
                add_parts(piece, trim_space(text_, piece, at), kind, need, flags);
                piece = at;
            }
            at = next;
        }
        add_parts(piece, end, kind, need, flags);
    } else {
        std::vector<std::size_t> starts;
        sentence_starts(text_, begin, end, begin, text_.size() + 8, starts, stop_);
        for (std::size_t k = 0; k < starts.size(); ++k)
            add_parts(starts[k],
                      k + 1 < starts.size() ? trim_space(text_, starts[k], starts[k + 1]) : end,
                      kind, need, flags);
    }
    return first;
}

void OutlineReader::close_block(std::int32_t first) {
    for (auto u = static_cast<std::size_t>(first); u < units_.size(); ++u) units_[u].block = first;
}

std::int32_t OutlineReader::owner(int indent) {
    while (!owners_.empty() && owners_.back().indent >= indent) owners_.pop_back();
    return owners_.empty() ? heading_ : owners_.back().unit;
}

std::int32_t OutlineReader::lead_or_owner(std::size_t i) {
    const std::int32_t owning = owner(line(i).indent);
    if (lead_.unit == kNoSpan || filled(lead_.line + 1) != i || lead_.indent > line(i).indent)
        return owning;
    if (lead_.colon) {
        flag(lead_.unit, kLeadIn);
    } else if (lead_.line + 1 != i) {
        return owning;
    }
    return lead_.unit;
}

// A sentence that ends in a colon right above headings or entries introduces all of these sections.
// It is not shown alone, but no section needs it.
void OutlineReader::introduce_sections() {
    if (lead_.unit == kNoSpan || !lead_.colon) return;
    flag(lead_.unit, kLeadIn);
    of_sections_.push_back(lead_.unit);
}

std::size_t OutlineReader::deeper_end(std::size_t i, int indent) const {
    std::size_t last = i;
    for (std::size_t k = i; k < count() && (lines_[k].blank() || lines_[k].indent > indent); ++k)
        if (!lines_[k].blank()) last = k;
    return last;
}

// Headings ----------------------------------------------------------------------------------------

bool OutlineReader::underlines(std::size_t i) const {
    if (i >= count() || blank(i) || line(i).indent > 3) return false;
    const std::string_view here = content(i);
    return mark_of_line(here) != 0;
}

std::size_t OutlineReader::take_heading(std::size_t i) {
    const std::string_view here = content(i);
    std::size_t last = i;
    if (is_heading(here)) {
        if (line(i).indent >= 4 || comments_code(i) || options_.format == Format::record ||
            (here.starts_with("# ") && keyed(i + 1)) || here.find_first_not_of("# \t") == here.npos)
            return 0;
    } else if (underlines(i) && i + 2 < count() && underlines(i + 2) && !blank(i + 1) &&
               content(i + 2) == here && line(i + 1).last - line(i + 1).first <= here.size() + 2) {
        last = i + 2;  // a line above and one below
    } else if (underlines(i + 1) && !underlines(i) && line(i).indent < 4) {
        const char mark = content(i + 1)[0];
        const bool common = mark == '=' || mark == '-';
        const bool long_enough = content(i + 1).size() + 2 >= here.size();
        if ((!common && (!long_enough || !after_blank(i))) || here.find('|') != here.npos ||
            marker_of(here).size > 0 || here.starts_with(".. "))
            return 0;
        if (here.size() > 160 || (rule_of(content(i + 1)) == 0 && !long_enough)) return 0;
        last = i + 1;
    } else if (!outlines(i) && !titles(i) && !releases(i)) {
        return 0;
    }
    close_lists(-1);
    owners_.clear();
    introduce_sections();
    add_heading(i, last, heading_level(i, last));
    lead_ = {};
    return last + 1;
}

// The level of a heading: # marks give even levels. A release is between # and ##, and the headings
// below it are its sections. 0 if the level is unknown.
int OutlineReader::heading_level(std::size_t i, std::size_t last) const {
    const std::string_view here = content(i);
    if (is_heading(here)) return 2 * static_cast<int>(here.find_first_not_of('#'));
    const std::size_t title = i + (last == i + 2);
    if (names_release(content(title)) || releases(i)) return kRelease;
    if (release_ == kNoSpan || above_.empty() || above_.front().unit != release_) return 0;
    if (outlines(i)) return 2 * static_cast<int>(stars_of(here));
    const char mark = last > i ? content(last)[0] : '\0';
    // Marks that underline deeper and deeper headings, as is the custom.
    const std::string_view ranks = "#*=-~^\"'`+.:_<>";
    const bool deeper =
        mark == 0 ||
        (release_mark_ == 0 ? mark != '=' : ranks.find(mark) > ranks.find(release_mark_));
    return deeper ? kRelease + 1 : 0;
}

// Append a heading. A heading of one or two words ("Fixed", "Examples") needs its parent heading,
// and every section of a release needs the release. The parent is known only where # marks give the
// level, and below a release.
void OutlineReader::add_heading(std::size_t i, std::size_t last, int level) {
    std::int32_t need = kNoSpan;
    std::string_view title = content(i + (last == i + 2));
    const char* marks = level == kRelease ? "* " : "# ";
    title.remove_prefix(std::min(title.size(), title.find_first_not_of(marks)));
    const bool release = names_release(title) && level > 0;
    if (level > 0) {
        while (!above_.empty() && above_.back().indent >= level) above_.pop_back();
        std::string_view said = text_.substr(line(i).first, line(last).last - line(i).first);
        said.remove_prefix(std::min(said.size(), said.find_first_not_of("# ")));
        const bool plain = said.find_first_of("`_.0123456789(") == said.npos;
        const bool section = std::any_of(above_.begin(), above_.end(), [&](const Owner& heading) {
            return heading.unit == release_;
        });
        const bool brief =
            plain && said.size() <= kShortTitle && std::count(said.begin(), said.end(), ' ') <= 1;
        if (!above_.empty() && !release && (section || brief)) need = above_.back().unit;
    } else {
        above_.clear();
    }
    heading_ = add_line(i, SpanKind::heading, need, kLabel);
    if (level > 0) above_.push_back({level, heading_});
    if (!release) return;
    release_ = heading_;
    release_mark_ = last > i ? content(last)[0] : content(i)[0] == '*' ? '*' : '\0';
}

// Whether this line is a title: a line in capitals, or a short first line above running text.
bool OutlineReader::titles(std::size_t i) const {
    const std::string_view here = content(i);
    if (here.size() > 100 || i + 1 >= count() || dialogue_) return false;
    if (is_title(here) && line(i).indent < 8) {
        const std::size_t below = filled(i + 1);
        return below < count() && !is_title(content(below)) &&
               (blank(i + 1) ? after_blank(i) : true);
    }
    if (blank(i + 1)) return false;
    const std::string_view there = content(i + 1);
    const auto head = static_cast<unsigned char>(there[0]);
    const bool capital = (head >= 'A' && head <= 'Z') || head == '"' || head >= 0x80;
    return units_.empty() && here.size() <= 60 && there.size() > 3 * here.size() / 2 &&
           there.size() > 50 && capital && is_terse(here) && !begins_turn(here) &&
           line(i + 1).indent == line(i).indent && here.back() != ',' && here.back() != ';' &&
           here.back() != ':';
}

// Rules, underlines without a title, and list or block markers without content.
std::size_t OutlineReader::take_stray(std::size_t i) {
    const std::string_view here = content(i);
    const bool marks = options_.format == Format::unknown && here.size() <= 6 &&
                       (here.find_first_not_of('#') == here.npos || here == "--" || here == "**" ||
                        here == "+" || here == "||");
    const bool lone = marks || here == ".." || here == "#." || here == "::" || here == "-" ||
                      here == "*" || here == "|" || here == ":" || here == "!!!" || here == "???";
    if (lone && !(here == ".." && !blank(i + 1))) {
        const bool introduces = here == "::" && lead_.unit != kNoSpan;
        if (introduces) {
            lead_.literal = true;
            lead_.line = i;
            lead_.indent = line(i).indent;
        }
        add_line(i, SpanKind::other, kNoSpan, kHidden);
        return i + 1;
    }
    if (mark_of_line(here) == 0 && rule_of(here) == 0) return 0;
    const bool above_title = underlines(i) && i + 2 < count() && !blank(i + 1) && underlines(i + 2);
    if (above_title && content(i + 2) == here) return 0;
    const bool rule = after_blank(i) && i > 0 && blank(i + 1) && i + 1 < count();
    add_line(i, SpanKind::other, kNoSpan, rule ? kFiller : kHidden);
    close_lists(-1);
    if (dialogue_) owners_.clear();  // the turn above ends
    lead_ = {};
    return i + 1;
}

// Paragraphs --------------------------------------------------------------------------------------

bool OutlineReader::stops(std::string_view said) const {
    const auto last = static_cast<unsigned char>(said.back());
    return last >= 0x80 || std::string_view(".;:!?,)").find(said.back()) != said.npos ||
           said.ends_with(" and") || said.ends_with(" or");
}

bool OutlineReader::starts_block(std::size_t i, bool running_stops) const {
    const std::string_view here = content(i);
    if (fence_size(here) > 0 || is_heading(here) || here.starts_with(".. ") ||
        here.starts_with(">>> ") || line(i).block || begins_turn(here) || lines_[i].wide_indent ||
        begins_patch(i) || speaks(i))
        return true;
    const Marker marker = marker_of(here);
    if (marker.size > 0 && (marker.bullet || running_stops)) return true;
    if (running_stops && here.starts_with("#. ")) return true;  // reStructuredText numbers it
    if (is_table_row(here) || here.starts_with("<table") || here.starts_with("<tr")) return true;
    if (running_stops && (here[0] == '{' || here.starts_with("[{") || here == "[")) return true;
    if (i + 1 < count() && !blank(i + 1) && here.find('|') != here.npos &&
        is_table_rule(content(i + 1)))
        return true;
    return starts_code(i, !running_stops);
}

// The last line of the paragraph that begins at line i.
std::size_t OutlineReader::paragraph_end(std::size_t i) const {
    const bool quoted = content(i)[0] == '>';
    const int least = owners_.empty() ? -1 : owners_.back().indent;
    std::size_t k = i;
    while (!blank(k + 1)) {
        stop_.check(100);
        const std::string_view next = content(k + 1);
        if ((next[0] == '>') != quoted || starts_block(k + 1, stops(content(k)))) break;
        if (lines_[k + 1].indent <= least && lines_[i].indent > least) break;  // the body ends
        if (underlines(k + 1) ||
            (k + 2 < count() && underlines(k + 2) && lines_[k + 1].indent < 4 &&
             rule_of(content(k + 2)) == 0 && stops(content(k))))
            break;
        if (content(k).ends_with("::") && lines_[k + 1].indent > lines_[k].indent) break;
        ++k;
    }
    return k;
}

// The first sentence of a text that begins with text[begin, end): the torn end of a sentence is
// hidden, and an answer is joined with the sentence after it. Returns where sentences may begin.
std::size_t OutlineReader::take_torn(std::size_t begin, std::size_t end) {
    std::vector<std::size_t> starts;
    sentence_starts(text_, begin, end, begin, text_.size() + 8, starts, stop_);
    const bool alone = starts.size() == 1;
    if (alone && skip_space(text_, end, text_.size()) >= text_.size()) return begin;
    const std::size_t next = alone ? end : starts[1];
    const std::string_view said = text_.substr(begin, trim_space(text_, begin, next) - begin);
    const bool answer = is_answer(said);
    if (is_torn_tail(said) || (answer && alone)) {
        add(begin, SpanKind::other, kNoSpan, kHidden);
        return next;
    }
    return answer ? next + 1 : begin;
}

// Where sentences of text[begin, end), the first below a heading, may begin: "Yes." is joined with
// the sentence after it.
std::size_t OutlineReader::after_answer(std::size_t begin, std::size_t end) const {
    const std::string_view said = text_.substr(begin, std::min(kAnswer, end - begin));
    const std::size_t stop = said.find_first_of(".!");
    if (stop == said.npos || !is_answer(said.substr(0, stop + 1))) return begin;
    return std::min(end - 1, begin + stop + 2);
}

// Whether the unit before this byte ends with a question mark.
bool OutlineReader::asks_above(std::size_t begin) const {
    const std::size_t start = units_.back().start;
    return text_.substr(start, trim_space(text_, start, begin) - start).ends_with('?');
}

// Ties the sentences of an answer to its first one, which may say no: "There is no fee. For ...".
void OutlineReader::tie_answer(std::int32_t first) {
    const auto head = static_cast<std::size_t>(first);
    if (head + 1 >= units_.size()) return;
    if (units_[head + 1].start - units_[head].start > kFirstAnswer) return;
    for (std::size_t u = head + 1; u < units_.size(); ++u)
        if (units_[u].also == kNoSpan) tie(static_cast<std::int32_t>(u), first);
}

// Whether a paragraph without a colon introduces what is below line `last`: a list ("Users must not
// do any of the following.") or, if it breaks off, code ("You can run the tests with").
bool OutlineReader::announces(std::string_view said, std::size_t last) const {
    const std::size_t below = filled(last + 1);
    if (below >= count()) return false;
    if (content(below)[0] == '`' || evidence(below) > 1) {
        const std::size_t space = said.find_last_of(" \n");
        const std::string_view word = said.substr(space == said.npos ? 0 : space + 1);
        return std::find(kBreakOff.begin(), kBreakOff.end(), word) != kBreakOff.end();
    }
    if (marker_of(content(below)).size == 0) return false;
    const std::string_view end = said.substr(said.size() - std::min(kLastWords, said.size()));
    for (const std::string_view word : {"following", "folgende", "suivant", "siguiente", "seguent",
                                        "volgende", "\u6B21\u306E", "\u4E0B\u5217", "\u4EE5\u4E0B"})
        if (end.find(word) != end.npos) return true;
    return false;
}

std::size_t OutlineReader::take_paragraph(std::size_t i) {
    const std::size_t last = paragraph_end(i);
    std::size_t begin = line(i).first;
    const std::size_t end = line(last).last;
    const bool headed = !units_.empty() && units_.back().kind == SpanKind::heading;
    std::size_t scan = units_.empty() ? take_torn(begin, end)
                       : headed       ? after_answer(begin, end)
                                      : begin;
    if (scan == begin) scan = after_clause_title(begin, end);
    if (scan >= end) return last + 1;
    if (!units_.empty() && begin < scan && units_.back().start == begin) begin = scan;
    const std::string_view said = text_.substr(begin, end - begin);
    // A quotation needs the line that names its author ("Anna wrote:"), and a command of its own
    // the line that says what it does ("Run the tests with").
    const bool quoted = said[0] == '>' || (said[0] == '`' && said.back() == '`');
    const bool introduced = quoted && lead_.colon;
    const std::int32_t owning = introduced ? lead_or_owner(i) : owner(line(i).indent);
    close_lists(line(i).indent);
    const bool asked = headed && asks_above(begin);
    const std::int32_t first =
        add_sentences(begin, end, std::max(begin, scan), SpanKind::prose, owning);
    if (asked) tie_answer(first);
    const bool colon = ends_with_colon(said) || announces(said, last);
    lead_ = {next_unit() - 1, last, line(i).indent, colon, said.ends_with("::")};
    // "To have several versions,", above deeper lines, introduces them.
    const std::size_t below = filled(last + 1);
    const bool deeper = below < count() && line(below).indent >= line(i).indent + 4;
    lead_.colon = lead_.colon || (said.ends_with(',') && below == last + 2 && deeper);
    const std::size_t sentence = end - units_.back().start;
    if (!lead_.colon && (last > i || sentence > kShortLead || stops(said))) lead_ = {};
    return last + 1;
}

// --------------------------------------------------------------------------------------------------

void append_outline(std::string_view text, const OutlineOptions& options, Outline& outline,
                    StopToken& stop) {
    stop.check(100);
    if (!text.empty()) {
        OutlineReader reader(text, options, stop);
        reader.run();
        auto base = static_cast<std::int32_t>(outline.start.size());
        const auto& units = reader.units();
        std::int64_t at = 0;
        const bool ascii = is_ascii(text);
        if (options.named) {
            outline.start.push_back(0);
            outline.end.push_back(0);
            outline.kind.push_back(static_cast<std::uint8_t>(SpanKind::source));
            outline.flags.push_back(kLabel);
            outline.need.push_back(kNoSpan);
            outline.also.push_back(kNoSpan);
            outline.block.push_back(base);
            ++base;
        }
        const bool headless = std::any_of(units.begin(), units.end(), [](const auto& unit) {
            return (unit.flags & kHeadless) != 0;
        });
        if (headless) {
            outline.start.push_back(0);
            outline.end.push_back(0);
            outline.kind.push_back(static_cast<std::uint8_t>(SpanKind::lent));
            outline.flags.push_back(kLabel | kHidden);
            outline.need.push_back(options.named ? base - 1 : kNoSpan);
            outline.also.push_back(kNoSpan);
            outline.block.push_back(base);
            ++base;
        }
        const std::int32_t name = options.named ? base - 1 - headless : kNoSpan;
        for (std::size_t i = 0; i < units.size(); ++i) {
            const OutlineReader::Unit& unit = units[i];
            const std::size_t next = i + 1 < units.size() ? units[i + 1].start : text.size();
            outline.start.push_back(at);
            at += ascii ? static_cast<std::int64_t>(next - unit.start)
                        : code_points(text.substr(unit.start, next - unit.start));
            outline.end.push_back(at);
            outline.kind.push_back(static_cast<std::uint8_t>(unit.kind));
            outline.flags.push_back(unit.flags);
            const bool orphan = options.named && unit.need == kNoSpan &&
                                unit.kind != SpanKind::heading && (unit.flags & kFiller) == 0;
            outline.need.push_back((unit.flags & kHeadless) != 0 && unit.need == kNoSpan ? base - 1
                                   : orphan                                              ? name
                                   : unit.need == kNoSpan                                ? kNoSpan
                                                          : unit.need + base);
            outline.also.push_back(unit.also == kNoSpan ? kNoSpan : unit.also + base);
            outline.block.push_back(unit.block + base);
        }
    }
    outline.first.push_back(static_cast<std::int64_t>(outline.start.size()));
}

void append_uncut(std::string_view text, Outline& outline) {
    const auto unit = static_cast<std::int32_t>(outline.start.size());
    outline.start.push_back(0);
    outline.end.push_back(is_ascii(text) ? static_cast<std::int64_t>(text.size())
                                         : code_points(text));
    outline.kind.push_back(static_cast<std::uint8_t>(SpanKind::prose));
    outline.flags.push_back(0);
    outline.need.push_back(kNoSpan);
    outline.also.push_back(kNoSpan);
    outline.block.push_back(unit);
    outline.first.push_back(static_cast<std::int64_t>(outline.start.size()));
}

}  // namespace ctxmem
