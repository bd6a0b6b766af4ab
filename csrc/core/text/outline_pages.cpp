// Pages of HTML whose blocks are not on lines of their own, as in minified pages.
//
// A line that has several blocks is split before each of them, as if each began a line. A table, a
// script and a style are not split: they go on to their closing tag.
#include <algorithm>
#include <array>
#include <string>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::size_t kWholeItem = 240;  // bytes up to which an item is one unit
constexpr std::size_t kLongestName = 10;

// Tags that begin a block. Sorted.
constexpr std::array kBlocks = {
    "address"sv, "article"sv, "aside"sv,   "blockquote"sv, "body"sv,       "dd"sv,
    "details"sv, "div"sv,     "dl"sv,      "dt"sv,         "figcaption"sv, "figure"sv,
    "footer"sv,  "form"sv,    "h1"sv,      "h2"sv,         "h3"sv,         "h4"sv,
    "h5"sv,      "h6"sv,      "head"sv,    "header"sv,     "html"sv,       "li"sv,
    "main"sv,    "nav"sv,     "ol"sv,      "p"sv,          "pre"sv,        "script"sv,
    "section"sv, "style"sv,   "summary"sv, "table"sv,      "title"sv,      "ul"sv};
// Tags without words for a reader.
constexpr std::array kUnseen = {"!doctype"sv, "head"sv,   "html"sv, "link"sv,
                                "meta"sv,     "script"sv, "style"sv};

// A tag at the beginning of a text: its name in lower case, and its size in bytes; 0 if none.
struct Tag {
    std::string name;
    bool closing = false;
    std::size_t size = 0;
};
Tag tag_of(std::string_view text) {
    Tag tag;
    if (text.empty() || text[0] != '<') return tag;
    std::size_t k = 1;
    tag.closing = k < text.size() && text[k] == '/';
    k += tag.closing;
    while (k < text.size() && tag.name.size() <= kLongestName &&
           (is_alpha(text[k]) || is_digit(text[k]) || text[k] == '!')) {
        tag.name += static_cast<char>(is_alpha(text[k]) ? text[k] | 0x20 : text[k]);
        ++k;
    }
    const std::size_t end = tag.name.empty() ? kNone : text.find_first_of("<>", k);
    if (end != kNone && text[end] == '>') tag.size = end + 1;
    return tag;
}

template <std::size_t n>
bool holds(const std::array<std::string_view, n>& sorted, std::string_view word) {
    return std::binary_search(sorted.begin(), sorted.end(), word);
}

// The offset after the closing tag of an element that is not split; the end of the text without one.
std::size_t after_element(std::string_view text, std::size_t at, const std::string& name) {
    for (std::size_t k = text.find("</", at); k != kNone; k = text.find("</", k + 2)) {
        const Tag tag = tag_of(text.substr(k, kLongestName + 8));
        if (tag.name == name) return tag.size == 0 ? text.size() : k + tag.size;
    }
    return text.size();
}

// Where the blocks of a line begin, besides its start. Linear in the line.
std::vector<std::size_t> block_starts(std::string_view text) {
    std::vector<std::size_t> starts;
    bool said = false, closed = false;  // the block has words; it has been closed
    const auto cut = [&](std::size_t at) {
        if (at > 0) starts.push_back(at);
        said = closed = false;
    };
    for (std::size_t at = 0; at < text.size();) {
        if (const std::size_t next = skip_space(text, at, text.size()); next > at) {
            at = next;
            continue;
        }
        const Tag tag = tag_of(text.substr(at));
        if (tag.size == 0 || !holds(kBlocks, tag.name)) {
            const std::size_t size = std::max<std::size_t>(tag.size, 1);
            if (tag.name != "!doctype") {
                if (closed) cut(at);
                said = true;
            }
            at = tag.size > 0 ? at + size : std::min(text.find('<', at + 1), text.size());
        } else if (tag.closing) {
            said = closed = true;
            at += tag.size;
        } else if (tag.name == "table" || tag.name == "script" || tag.name == "style") {
            cut(at);
            at = after_element(text, at, tag.name);
            said = closed = true;
        } else {
            if (said) cut(at);
            at += tag.size;
        }
    }
    return starts;
}

// The text of a block without the tags after it.
std::string_view without_closing_tags(std::string_view said) {
    while (said.ends_with('>')) {
        const std::size_t open = said.rfind('<');
        if (open == kNone || open + 1 >= said.size() || said[open + 1] != '/') break;
        said = said.substr(0, trim_space(said, 0, open));
    }
    return said;
}

bool has_words(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const Tag tag = tag_of(text.substr(at));
        if (tag.size == 0 && text[at] != ' ' && text[at] != '\t') return true;
        at += std::max<std::size_t>(tag.size, 1);
    }
    return false;
}

}  // namespace

// Append a line, split at the blocks of a page.
void OutlineReader::add_lines(const Line& whole) {
    const std::string_view here = text_.substr(whole.first, whole.last - whole.first);
    if (fence_size(here) > 0) fenced_ = !fenced_;
    const bool table = here.find("<table") != kNone || here.find("<TABLE") != kNone;
    std::vector<std::size_t> starts;
    if (options_.format == Format::unknown && !fenced_ && (table || here.starts_with('<')))
        starts = block_starts(here);
    lines_.push_back(whole);
    lines_.back().block = !starts.empty();
    for (const std::size_t start : starts) {
        const std::size_t at = whole.first + start;
        Line& before = lines_.back();
        before.next = at;
        before.last = trim_space(text_, before.first, at);
        Line next = whole;
        next.begin = next.first = at;
        next.block = true;
        lines_.push_back(next);
    }
}

// A block of a line that was split.
std::size_t OutlineReader::take_page_block(std::size_t i) {
    if (!line(i).block) return 0;
    const std::string_view here = content(i);
    Tag tag = tag_of(here);
    if (holds(kUnseen, tag.name) || !has_words(here)) {
        close_block(add_line(i, SpanKind::other, kNoSpan, kFiller));
        return i + 1;
    }
    // The innermost of the tags that the block begins with.
    for (std::size_t at = tag.size; at > 0 && at < here.size();) {
        const Tag inner = tag_of(here.substr(skip_space(here, at, here.size())));
        if (inner.size == 0 || inner.closing || !holds(kBlocks, inner.name)) break;
        at = skip_space(here, at, here.size()) + inner.size;
        tag = inner;
    }
    std::size_t last = i;
    while (!blank(last + 1) && !line(last + 1).block && !starts_block(last + 1, true)) ++last;
    const std::size_t begin = line(i).first, end = line(last).last;
    if (tag.name.size() == 2 && tag.name[0] == 'h' && is_digit(tag.name[1])) {
        close_lists(-1);
        owners_.clear();
        introduce_sections();
        add_heading(i, last, 2 * (tag.name[1] - '0'));
        lead_ = {};
        return last + 1;
    }
    const bool item = tag.name == "li";
    const std::int32_t need = item ? lead_or_owner(i) : owner(line(i).indent);
    close_lists(line(i).indent);
    const std::int32_t lead = lead_.unit;
    const bool colon = lead_.colon;
    if (item && end - begin <= std::min(kWholeItem, options_.room))
        close_block(add(begin, SpanKind::list_item, need));
    else
        add_sentences(begin, end, begin, item ? SpanKind::list_item : SpanKind::prose, need);
    if (item && colon) {  // the items below have the same lead-in
        lead_ = {lead, last, line(i).indent, true, false};
        return last + 1;
    }
    const bool introduces = ends_with_colon(without_closing_tags(text_.substr(begin, end - begin)));
    lead_ = {next_unit() - 1, last, line(i).indent, introduces, false};
    if (!introduces) lead_ = {};
    return last + 1;
}

// Append what follows a table on its last line.
void OutlineReader::add_rest(std::size_t begin, std::size_t end) {
    if (has_words(text_.substr(begin, end - begin)))
        add_cut(begin, end, SpanKind::prose, heading_);
    else
        add(begin, SpanKind::other, kNoSpan, kFiller);
}

}  // namespace ctxmem
