// Decoration of pages: badges, logos, comments, and lines of HTML tags without text. They say
// nothing that could answer a question, so they are shown only next to units that are shown.
#include <algorithm>
#include <array>

#include <string>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::size_t kLongestPart = 2000;      // bytes of a tag or of a link
constexpr std::size_t kLongestComment = 10000;  // bytes

// Tags that only place or decorate what is inside. Sorted.
constexpr std::array<std::string_view, 19> kTags = {
    "a",  "b",   "br", "center",  "div",    "em",   "h1",     "h2",  "h3", "h4",
    "hr", "img", "p",  "picture", "source", "span", "strong", "sub", "sup"};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool at(std::string_view text, std::size_t from, std::string_view what) {
    return text.substr(std::min(from, text.size())).starts_with(what);
}

// The offset after the bracket that closes the one at `from`, on the same paragraph; or kNone.
std::size_t after_bracket(std::string_view text, std::size_t from, char open, char close) {
    int depth = 0;
    const std::size_t stop = std::min(text.size(), from + kLongestPart);
    for (std::size_t k = from; k < stop; ++k) {
        if (text[k] == '\n') return kNone;
        if (text[k] == '\\')
            ++k;
        else if (text[k] == open)
            ++depth;
        else if (text[k] == close && --depth == 0)
            return k + 1;
    }
    return kNone;
}

// After the target of a link: (address) or [name], or nothing.
std::size_t after_target(std::string_view text, std::size_t from) {
    if (at(text, from, "(")) return after_bracket(text, from, '(', ')');
    if (at(text, from, "[")) return after_bracket(text, from, '[', ']');
    return from;
}

// After an image, ![alternative](address), or an image that is a link.
std::size_t after_image(std::string_view text, std::size_t from) {
    if (!at(text, from, "![") && !at(text, from, "[![")) return kNone;
    const std::size_t end = after_bracket(text, from + (text[from] == '!'), '[', ']');
    return end == kNone ? kNone : after_target(text, end);
}

// After a tag of kTags, which may be on several lines.
std::size_t after_tag(std::string_view text, std::size_t from) {
    if (!at(text, from, "<")) return kNone;
    std::size_t name = from + 1 + at(text, from + 1, "/");
    std::string lowered;
    for (;
         name < text.size() && lowered.size() < 8 && (is_alpha(text[name]) || is_digit(text[name]));
         ++name)
        lowered += static_cast<char>(is_alpha(text[name]) ? text[name] | 0x20 : text[name]);
    if (!std::binary_search(kTags.begin(), kTags.end(), std::string_view(lowered))) return kNone;
    if (name < text.size() && text[name] != '>' && text[name] != '/' && !is_blank(text[name]) &&
        text[name] != '\n')
        return kNone;
    const std::size_t stop = std::min(text.size(), from + kLongestPart);
    const std::size_t end = text.substr(0, stop).find_first_of("<>", name);
    return end == kNone || text[end] == '<' ? kNone : end + 1;
}

std::size_t after_comment(std::string_view text, std::size_t from) {
    if (!at(text, from, "<!--")) return kNone;
    const std::size_t end =
        text.substr(0, std::min(text.size(), from + kLongestComment)).find("-->", from + 4);
    return end == kNone ? kNone : end + 3;
}

// After what separates badges.
std::size_t after_separator(std::string_view text, std::size_t from) {
    for (const std::string_view mark : {"|", "&nbsp;", "\u00B7", "\u2022"})
        if (at(text, from, mark)) return from + mark.size();
    return kNone;
}

// The end of the decoration that begins at `from`: the end of its last line. Equal to `from` if that
// line has anything else.
std::size_t end_of_decoration(std::string_view text, std::size_t from) {
    std::size_t k = from;
    while (k < text.size() && text[k] != '\n') {
        if (is_blank(text[k])) {
            ++k;
            continue;
        }
        std::size_t next = kNone;
        for (const auto part : {after_image, after_comment, after_tag})
            if (next == kNone) next = part(text, k);
        if (next == kNone && k > from) next = after_separator(text, k);
        if (next == kNone) return from;
        k = next;
    }
    return k;
}

}  // namespace

// A line, or several that a tag or a comment extends over.
std::size_t OutlineReader::take_decoration(std::size_t i) {
    if (options_.format != Format::unknown) return 0;
    const std::string_view here = content(i);
    if (here[0] != '<' && !here.starts_with("![") && !here.starts_with("[![")) return 0;
    if (wasted_ > 2 * text_.size()) return 0;
    const std::size_t begin = line(i).first;
    const std::size_t end = end_of_decoration(text_, begin);
    if (end <= begin) {
        if (here.starts_with("<!--")) wasted_ += std::min(kLongestComment, text_.size() - begin);
        return 0;
    }
    const std::int32_t unit = add_line(i, SpanKind::other, kNoSpan, kFiller);
    close_block(unit);
    std::size_t last = i;
    while (last + 1 < count() && line(last + 1).first < end) ++last;
    // A line above it introduces what is below it.
    if (lead_.unit != kNoSpan && filled(lead_.line + 1) == i) lead_.line = last;
    return last + 1;
}

}  // namespace ctxmem
