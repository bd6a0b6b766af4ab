// Lists, definition entries and directives.
#include <algorithm>
#include <array>
#include <string>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kLongSentence = 160;   // bytes of a sentence that names nothing
constexpr std::size_t kWholeItem = 240;      // bytes up to which an item is one unit
constexpr std::size_t kClauseTitle = 60;     // bytes of the title of a clause, at most
constexpr std::size_t kFirstSentence = 120;  // bytes of a first sentence that the others need
constexpr std::size_t kProcedure = 1000;  // bytes up to which a list is shown whole or not at all
constexpr std::size_t kFewItems = 9;      // items that such a list has at most
constexpr std::size_t kLongStep = 200;    // bytes; greatest mean length of a procedure's steps
constexpr std::size_t kMostWarnings = 4;  // warnings of a procedure shown with each step, at most
constexpr std::size_t kLongName = 100;    // bytes; longest first line of an entry

bool is_name(char c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '-'; }

template <std::size_t n>
bool holds(const std::array<std::string_view, n>& sorted, std::string_view word) {
    return std::binary_search(sorted.begin(), sorted.end(), word);
}

// Directives of reStructuredText whose body is code.
constexpr std::array kCode = {"code"sv,       "code-block"sv,     "code-tab"sv,
                              "doctest"sv,    "parsed-literal"sv, "prompt"sv,
                              "sourcecode"sv, "testcode"sv,       "testoutput"sv};
// Directives without text for a reader.
constexpr std::array kUnseen = {
    "automodule"sv,     "autosummary"sv, "contents"sv, "currentmodule"sv, "figure"sv,
    "graphviz"sv,       "highlight"sv,   "image"sv,    "include"sv,       "index"sv,
    "literalinclude"sv, "mermaid"sv,     "meta"sv,     "module"sv,        "raw"sv,
    "sectionauthor"sv,  "toctree"sv};
// Directives that name the kind of the passage below them.
constexpr std::array kAdmonition = {
    "admonition"sv,   "attention"sv,      "caution"sv,  "centered"sv, "container"sv, "danger"sv,
    "deprecated"sv,   "error"sv,          "epigraph"sv, "hint"sv,     "important"sv, "note"sv,
    "rubric"sv,       "seealso"sv,        "sidebar"sv,  "tip"sv,      "todo"sv,      "topic"sv,
    "versionadded"sv, "versionchanged"sv, "warning"sv};
constexpr std::array kTable = {"csv-table"sv, "list-table"sv, "table"sv};

// The directive that a line opens: its name and the rest of the line; empty if there is none.
struct Directive {
    std::string_view name, rest;
};
Directive directive_of(std::string_view content) {
    if (!content.starts_with(".. ")) return {};
    std::size_t at = 3;
    while (at < content.size() && content[at] == ' ') ++at;
    const std::size_t begin = at;
    while (at < content.size() && (is_name(content[at]) || content[at] == ':' ||
                                   content[at] == '.' || content[at] == '+')) {
        if (content.substr(at).starts_with("::")) {
            std::string_view name = content.substr(begin, at - begin);
            if (const std::size_t domain = name.rfind(':'); domain != name.npos)
                name.remove_prefix(domain + 1);
            std::string_view rest = content.substr(at + 2);
            while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
            return {name, rest};
        }
        ++at;
    }
    return {};
}

// Whether an item forbids a step or names a condition for it, by a list of words.
bool warns(std::string_view item) {
    std::string lower;
    for (const char c : item.substr(0, 400))
        lower.push_back(static_cast<char>(c >= 'A' && c <= 'Z'                ? c | 0x20
                                          : c == '*' || c == '_' || c == '\n' ? ' '
                                                                              : c));
    std::string packed;
    for (const char c : lower)
        if (c != ' ' || packed.empty() || packed.back() != ' ') packed.push_back(c);
    for (const std::string_view sign : {"do not"sv,
                                        "don't"sv,
                                        "don\xE2\x80\x99t"sv,
                                        "never"sv,
                                        "only if"sv,
                                        "unless"sv,
                                        "warning"sv,
                                        "caution"sv,
                                        "danger"sv,
                                        "must not"sv,
                                        "not run"sv,
                                        "otherwise skip"sv,
                                        "skip step"sv,
                                        "nicht "sv,
                                        "niemals"sv,
                                        "nur wenn"sv,
                                        "achtung"sv,
                                        "ne pas"sv,
                                        "jamais"sv,
                                        "attention"sv,
                                        "no ejecut"sv,
                                        "nunca"sv,
                                        "solo si"sv,
                                        "non eseguire"sv,
                                        "mai "sv,
                                        "niet "sv,
                                        "nooit"sv,
                                        "nie "sv,
                                        "\xD0\xBD\xD0\xB5 "sv,
                                        "\xE4\xB8\x8D\xE8\xA6\x81"sv,
                                        "\xE5\x88\x87\xE5\x8B\xBF"sv,
                                        "\xE3\x81\xAA\xE3\x81\x84\xE3\x81\xA7"sv})
        if (packed.find(sign) != packed.npos) return true;
    return false;
}

// The numbering style of an item. Digits ("1.", "1)"), letters ("a.", "i."), numbers in brackets
// ("(1)"), letters in brackets ("(a)") and clause numbers ("9.2") are distinguished.
char style_of(std::string_view item) {
    if (item[0] == '(') return item.size() > 1 && is_digit(item[1]) ? '(' : '[';
    if (!is_digit(item[0])) return is_alpha(item[0]) ? 'a' : '#';
    const std::size_t digits = item.find_first_not_of("0123456789");
    const bool clause =
        digits + 1 < item.size() && item[digits] == '.' && is_digit(item[digits + 1]);
    return clause ? 'c' : '1';
}

// Whether the number of an item is the first of its kind: 1, (a), i, 4.1.
bool begins_numbering(std::string_view item) {
    std::size_t at = item[0] == '(', end = at;
    while (end < item.size() &&
           (is_digit(item[end]) || is_alpha(item[end]) ||
            (item[end] == '.' && end + 1 < item.size() && is_digit(item[end + 1]))))
        ++end;
    if (const std::size_t dot = item.substr(0, end).rfind('.'); dot != item.npos && dot > at)
        at = dot + 1;
    const std::string_view number = item.substr(at, end - at);
    return number.empty() || number == "1" || number == "a" || number == "A" || number == "i" ||
           number == "I";
}

// "- **name** ...", "- `name`: ...": the item names the blocks nested below it.
bool names_what_follows(std::string_view item) {
    return item.starts_with("**") || item.starts_with("`") || item.starts_with("__");
}

}  // namespace

// Lists -------------------------------------------------------------------------------------------

std::size_t OutlineReader::take_item(std::size_t i) {
    const std::string_view here = content(i);
    Marker marker = marker_of(here);
    const bool field = here.size() > 2 && here[0] == ':' && is_name(here[1]) &&
                       here.substr(0, 80).find(": ", 1) != here.npos;
    if (here.starts_with("#. ")) marker = {3, false};
    if (marker.size == 0 && !field) return 0;
    const int indent = line(i).indent;
    close_lists(indent + 1);
    std::size_t last = i;
    while (!blank(last + 1)) {
        const Line& next = line(last + 1);
        if (content(last).ends_with("::") && next.indent > indent) break;
        if (field && next.indent <= indent) break;
        if (starts_block(last + 1,
                         next.indent <= indent || stops(content(last)) || next.indent > indent + 1))
            break;
        if (underlines(last + 1)) break;
        ++last;
    }
    last = nested_end(i, last, indent);
    const char style = field ? ':' : marker.bullet ? here[0] : style_of(here);
    const bool begins = marker.bullet || field || begins_numbering(here);
    if (!go_on_with_list(indent, style)) {
        std::int32_t lead = lead_of_list(i, begins);
        while (is_long_sentence(lead, line(i).begin))
            lead = units_[static_cast<std::size_t>(lead)].need;
        if (!begins) close_lists(indent);
        lists_.push_back({indent, false, style, lead, {}, 0, last});
        lists_.back().ordered = !marker.bullet && !field;
    }
    // All items of a nested list need the item that owns the list.
    const std::int32_t lead = lists_.back().lead;
    owner(indent);
    const std::size_t begin = line(i).first, end = line(last).last;
    const std::int32_t first = next_unit();
    if (end - begin <= std::min(kWholeItem, options_.room)) {
        add(begin, SpanKind::list_item, lead);
    } else {
        const std::size_t said = skip_space(text_, begin + marker.size, end);
        add_sentences(begin, end, said, SpanKind::list_item, lead);
        tie_to_first(first, lead, marker.bullet || field || style == '1' || style == '#');
    }
    lists_.back().items.push_back(first);
    lists_.back().bytes += end - begin;
    lists_.back().last = last;
    own(indent, first);
    const std::string_view said = text_.substr(begin, end - begin);
    const bool colon = said.ends_with(':') || announces(said, last);
    lead_ = {next_unit() - 1, last, indent, colon, said.ends_with("::")};
    if (names_what_follows(here.substr(marker.size)) && !lead_.colon) lead_ = {};
    return last + 1;
}

// The sentences of an item need its first one, which says what it is about: the title of a clause
// ("9.2 Termination.") or, of points and steps, a sentence of moderate length. Those that need
// another sentence of the item keep that.
void OutlineReader::tie_to_first(std::int32_t first, std::int32_t lead, bool point) {
    const auto head = static_cast<std::size_t>(first);
    std::size_t next = head + 1;  // after the parts of the first sentence
    while (next < units_.size() && (units_[next].flags & kPart) != 0) ++next;
    if (next >= units_.size()) return;
    if (units_[next].start - units_[head].start > (point ? kFirstSentence : kClauseTitle)) return;
    for (std::size_t u = head + 1; u < units_.size(); ++u)
        if (units_[u].need == lead) units_[u].need = first;
}

// Continues the open list with this indentation and kind of marker, if there is one: after the
// points (a) and (b) of clause 3.2 comes clause 3.3.
bool OutlineReader::go_on_with_list(int indent, char style) {
    for (std::size_t k = lists_.size(); k-- > 0 && lists_[k].indent == indent;) {
        if (lists_[k].style != style) continue;
        for (; lists_.size() > k + 1; lists_.pop_back()) close_list(lists_.back());
        return true;
    }
    return false;
}

// What a new list needs: what introduces it, or its owner. An item above it introduces it if it
// ends in a colon or if the numbering of the list begins here; "13." below "(d)" goes on with
// another.
std::int32_t OutlineReader::lead_of_list(std::size_t i, bool begins) {
    const bool below_item =
        lead_.unit != kNoSpan &&
        units_[static_cast<std::size_t>(lead_.unit)].kind == SpanKind::list_item;
    if (below_item && !begins && !lead_.colon) return owner(line(i).indent);
    // A line without a stop right above introduces the list, too: "It may be revoked if".
    if (begins && lead_.unit != kNoSpan && lead_.line + 1 == i) {
        const char end = text_[line(lead_.line).last - 1];
        lead_.colon = lead_.colon || is_alpha(end) || is_digit(end) || end == ',';
    }
    return lead_or_owner(i);
}

// Whether a unit of the text read so far is a long sentence of an item that introduces nothing.
// What is nested below it can be understood without it, as the points of a clause in a contract
// are.
bool OutlineReader::is_long_sentence(std::int32_t unit, std::size_t read) const {
    if (unit == kNoSpan) return false;
    const auto u = static_cast<std::size_t>(unit);
    if (units_[u].kind != SpanKind::list_item || (units_[u].flags & kLeadIn) != 0) return false;
    const std::size_t next = u + 1 < units_.size() ? units_[u + 1].start : read;
    const std::size_t end = trim_space(text_, units_[u].start, next);
    return end - units_[u].start > kLongSentence &&
           (text_[end - 1] == '.' || text_[end - 1] == ';');
}

// The last line of the item including the nested paragraphs that fit into one unit with it.
std::size_t OutlineReader::nested_end(std::size_t i, std::size_t last, int indent) const {
    const std::size_t most = std::min(kWholeItem, options_.room);
    std::size_t end = last;
    while (true) {
        const std::size_t next = filled(end + 1);
        if (next >= count() || line(next).indent <= indent) return end;
        if (next == end + 1 || starts_block(next, true) || content(end).ends_with(':')) return last;
        std::size_t stop = next;
        while (!blank(stop + 1) && line(stop + 1).indent > indent) {
            if (starts_block(stop + 1, true)) return last;
            ++stop;
        }
        if (line(stop).last - line(i).first > most || content(stop).ends_with(':')) return last;
        end = stop;
    }
}

// Close the lists at this indentation and deeper.
void OutlineReader::close_lists(int indent) {
    while (!lists_.empty() && lists_.back().indent >= indent) {
        close_list(lists_.back());
        lists_.pop_back();
    }
}

void OutlineReader::close_list(List& list) {
    for (const std::int32_t item : list.items)
        units_[static_cast<std::size_t>(item)].block = list.items.front();
    const std::size_t n = list.items.size();
    const std::size_t room = std::min(kProcedure, 2 * options_.room / 3);
    const bool introduced =
        list.lead != kNoSpan && (units_[static_cast<std::size_t>(list.lead)].flags & kLeadIn) != 0;
    // Lettered clauses of contracts are independent of each other; steps and points are not.
    const bool steps = list.style == '1' || list.style == '#';
    const bool lettered = std::string_view("a([c").find(list.style) != std::string_view::npos;
    const bool points = introduced && !lettered;
    if ((steps || points) && n >= 2 && n <= kFewItems && list.bytes <= room) {
        for (std::size_t k = 0; k < n; ++k) tie_last(list.items[k], list.items[(k + 1) % n]);
    } else if (n >= 2) {
        tie_warnings(list);
    }
}

// The end of the last item of a list, in bytes, including the blocks nested below it.
std::size_t OutlineReader::item_end(const List& list) const {
    const std::size_t next = filled(list.last + 1);
    const bool nested = next < count() && line(next).indent > list.indent;
    return line(nested ? deeper_end(next, list.indent) : list.last).next;
}

// The first unit in [from, stop) that starts before byte `end` and contains a warning; else
// kNoSpan.
std::int32_t OutlineReader::find_warning(std::int32_t from, std::int32_t stop,
                                         std::size_t end) const {
    for (auto u = static_cast<std::size_t>(from); u < static_cast<std::size_t>(stop); ++u) {
        const Unit& unit = units_[u];
        if (unit.start >= end) break;
        if (unit.kind != SpanKind::list_item && unit.kind != SpanKind::prose) continue;
        const std::size_t next = u + 1 < units_.size() ? units_[u + 1].start : text_.size();
        if (warns(text_.substr(unit.start, std::min(next, end) - unit.start)))
            return static_cast<std::int32_t>(u);
    }
    return kNoSpan;
}

// Show the warnings of a procedure with each of its steps. If more than half of the items contain
// warnings, the list itself is about warnings, and nothing is tied.
void OutlineReader::tie_warnings(const List& list) {
    const bool steps = list.style == '1' || list.style == '#';
    if (!steps || list.bytes > kLongStep * list.items.size()) return;
    const std::size_t end = item_end(list);
    // The first sentence with a warning of each item.
    std::vector<std::int32_t> warnings;
    for (std::size_t k = 0; k < list.items.size() && warnings.size() < kMostWarnings; ++k) {
        const std::int32_t item = list.items[k];
        const std::int32_t stop = k + 1 < list.items.size() ? list.items[k + 1] : next_unit();
        const std::int32_t warning = find_warning(item, stop, end);
        if (warning == kNoSpan) continue;
        warnings.push_back(warning);
        if (Unit& unit = units_[static_cast<std::size_t>(warning)];
            warning > item && unit.need < item)
            unit.need = item;
    }
    if (warnings.empty() || 2 * warnings.size() > list.items.size()) return;
    for (std::size_t k = 0; k + 1 < warnings.size(); ++k) tie(warnings[k], warnings[k + 1]);
    for (const std::int32_t item : list.items)
        if (std::find(warnings.begin(), warnings.end(), item) == warnings.end())
            tie_last(item, warnings.front());
}

// Tie the last of the units that an item is tied to, its exceptions.
void OutlineReader::tie_last(std::int32_t item, std::int32_t other) {
    std::int32_t last = item;
    while (units_[static_cast<std::size_t>(last)].also == last + 1) ++last;
    if (last != other) tie(last, other);
}

// Entries -----------------------------------------------------------------------------------------

std::size_t OutlineReader::take_directive(std::size_t i) {
    const std::string_view here = content(i);
    const int indent = line(i).indent;
    // MkDocs: !!! note "Title", with an indented body below it.
    if (here.starts_with("!!! ") || here.starts_with("??? ") || here.starts_with("???+ ")) {
        close_lists(indent);
        const std::size_t below = filled(i + 1);
        const bool body = below < count() && line(below).indent > indent;
        const std::int32_t unit = add_line(i, body ? SpanKind::name : SpanKind::prose,
                                           owner(indent), body ? unsigned{kLabel} : 0u);
        if (body) own(indent, unit);
        lead_ = {};
        return i + 1;
    }
    if (!here.starts_with(".. ") && here != "..") return 0;
    const Directive directive = directive_of(here);
    const auto unseen = [&](std::size_t last) {
        introduce_sections();
        const std::int32_t first = add_line(i, SpanKind::other, kNoSpan, kFiller);
        for (std::size_t k = i + 1; k <= last; ++k)
            if (!blank(k)) add_line(k, SpanKind::other, kNoSpan, kFiller);
        close_block(first);
        return last + 1;
    };
    if (directive.name.empty()) {  // a target, a substitution, a comment
        std::size_t last = i;
        while (!blank(last + 1) && line(last + 1).indent > indent) ++last;
        return unseen(last);
    }
    if (holds(kUnseen, directive.name))
        return unseen(deeper_end(i + 1, indent) > i + 1 ||
                              (!blank(i + 1) && line(i + 1).indent > indent)
                          ? deeper_end(i + 1, indent)
                          : i);
    close_lists(indent);
    if (holds(kCode, directive.name)) {
        const std::int32_t need = lead_or_owner(i);
        const std::int32_t opening = add_line(i, SpanKind::fence, need, kLabel);
        std::size_t k = i + 1;
        while (!blank(k) && line(k).indent > indent && content(k)[0] == ':') {
            add_line(k, SpanKind::other, opening, kFiller);
            ++k;
        }
        k = filled(k);
        if (k >= count() || line(k).indent <= indent) {
            flag(opening, kHidden);
            for (auto u = static_cast<std::size_t>(opening) + 1; u < units_.size(); ++u)
                units_[u].need = kNoSpan;
            return std::max(i + 1, std::min(k, count()));
        }
        return take_literal(k, indent, opening);
    }
    if (holds(kAdmonition, directive.name)) {
        const std::int32_t owning = owner(indent);
        if (!directive.rest.empty() && directive.name != "rubric" && directive.name != "topic") {
            const std::size_t last = paragraph_end(i);
            std::size_t stop = i;
            while (stop < last && line(stop + 1).indent > indent) ++stop;
            const std::int32_t first = add_sentences(line(i).first, line(stop).last,
                                                     line(i).first + 4, SpanKind::prose, owning);
            own(indent, first);
            lead_ = {};
            return stop + 1;
        }
        own(indent, add_line(i, SpanKind::name, owning, kLabel));
        lead_ = {};
        return i + 1;
    }
    introduce_sections();
    const std::int32_t owning = owner(indent);
    if (holds(kTable, directive.name)) {
        own(indent, add_line(i, SpanKind::header, owning, kLabel));
        lead_ = {};
        return i + 1;
    }
    own(indent, add_line(i, SpanKind::name, owning, kLabel));
    lead_ = {};
    return i + 1;
}

// A short line with deeper lines directly below it: a term, an option, an attribute.
std::size_t OutlineReader::take_entry(std::size_t i) {
    const std::string_view here = content(i);
    if (blank(i + 1) || here.size() > kLongName || line(i + 1).indent < line(i).indent + 2)
        return 0;
    const bool below_label = !units_.empty() && (units_.back().kind == SpanKind::name ||
                                                 units_.back().kind == SpanKind::heading);
    if (!after_blank(i) && line(i - 1).indent <= line(i).indent && !below_label) return 0;
    if (here.ends_with("::") || here.starts_with(">")) return 0;
    // The indentation of the first line of a text is unknown: the text may begin inside a line.
    if (i == 0 && here[0] != '-' && here[0] != '`' && here.find(' ') != here.npos) return 0;
    const auto head = static_cast<unsigned char>(here[0]);
    const std::string_view there = content(i + 1);
    const bool option = here[0] == '-' && here.size() > 1;
    if (!option && (evidence(i) == 2 || evidence(i + 1) == 2 || opens_suite(here))) return 0;
    if (marker_of(there).size > 0 && here.ends_with(':')) return 0;
    if (!option && (here.ends_with('.') || here.ends_with(',') || head == '(' || head == '"'))
        return 0;
    if (is_table_row(here)) return 0;
    close_lists(line(i).indent);
    introduce_sections();
    const std::int32_t owning = owner(line(i).indent);
    own(line(i).indent, add_line(i, SpanKind::name, owning, kLabel));
    lead_ = {};
    return i + 1;
}

}  // namespace ctxmem
