// Code: fenced, indented below a line that announces it, or without any mark.
#include <algorithm>

#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

constexpr int kDeepestCut = 6;            // nesting levels down to which code is cut at statements
constexpr std::size_t kTornCode = 40;     // bytes of a last line whose code is not in the text
constexpr int kCodeIndent = 4;            // columns by which Markdown indents code
constexpr std::size_t kQuoteLines = 200;  // lines of a string or a comment, at most
constexpr std::size_t kWholeCode = 1600;  // bytes up to which code is one unit, if `room` allows

bool only_closes(std::string_view content) {
    return content.find_first_not_of("}])>;, ") == content.npos;
}

// Whether a line looks like Markdown: a heading, the rule of a table, an item, an admonition.
bool is_markdown(std::string_view content) {
    if (content.starts_with("## ") || content.starts_with("### ") || content.starts_with("!!! "))
        return true;
    return content.starts_with("- **") || content.starts_with("- [") ||
           content.starts_with("* [") || (content[0] == '|' && is_table_rule(content));
}

// Whether a string in triple quotes begins after these characters: "text = ", "print(", "return r".
bool precedes_string(std::string_view before) {
    for (int letters = 0; letters < 2 && !before.empty(); ++letters) {
        if (std::string_view("rRfFbBuU").find(before.back()) == std::string_view::npos) break;
        before.remove_suffix(1);
    }
    while (!before.empty() && before.back() == ' ') before.remove_suffix(1);
    if (before.empty()) return false;
    return std::string_view("=([{,:+").find(before.back()) != std::string_view::npos ||
           before == "return" || before.ends_with(" return");
}

}  // namespace

// Fences ------------------------------------------------------------------------------------------

// Whether source code is wrapped in a fence, as a program that writes Markdown leaves it.
bool OutlineReader::is_fenced_source() const {
    const std::size_t first = filled(0);
    std::size_t last = count();
    while (last > first && blank(last - 1)) --last;
    return last > first + 1 && line(first).indent == 0 && fence_size(content(first)) > 0 &&
           line(last - 1).indent == 0 && fence_size(content(last - 1)) > 0;
}

// Whether there is code above line i or below line `last`: prose has quotes of its own.
bool OutlineReader::among_code(std::size_t i, std::size_t last) const {
    while (i > 0 && blank(i - 1)) --i;
    const std::size_t next = filled(last + 1);
    return (i > 0 && evidence(i - 1) > 0) || (next < count() && evidence(next) > 0);
}

// The line that closes the string or the comment that line i opens and leaves open; i if none does.
std::size_t OutlineReader::string_end(std::size_t i) const {
    const std::string_view here = content(i);
    if (const std::size_t end = quote_end(i, count() - 1); end > i) {
        // Quotes alone on their line open a string below a blank line or a signature, else they
        // close one.
        const bool alone = here.size() == 3 && i > 0 && !after_blank(i);
        if (alone && !content(i - 1).ends_with(':') && content(i - 1)[0] != '#') return i;
        return among_code(i, end) ? end : i;
    }
    for (const std::string_view quotes : {"\"\"\"", "'''"}) {
        const std::size_t at = here.rfind(quotes);
        if (at == here.npos || !precedes_string(here.substr(0, at))) continue;
        std::size_t found = 0;
        for (std::size_t k = here.find(quotes); k != here.npos; k = here.find(quotes, k + 3))
            ++found;
        if (found % 2 == 0) continue;
        for (std::size_t m = i + 1; m < count() && m < i + kQuoteLines; ++m)
            if (!blank(m) && content(m).find(quotes) != here.npos) return m;
    }
    return i;
}

// Note the lines in which a fence is part of source code: all of a file of code, else those of a
// string or a comment outside Markdown's fences. A docstring has fences of its own.
void OutlineReader::find_quoted_lines() {
    if (text_.find("```") == text_.npos && text_.find("~~~") == text_.npos) return;
    if (options_.format == Format::code && !is_fenced_source()) {
        quoted_.assign(count(), true);
        return;
    }
    for (std::size_t i = filled(0); i < count(); i = filled(i + 1)) {
        stop_.check(500);
        if (const std::size_t size = fence_size(content(i)); size > 0) {
            i = fence_end(i, content(i)[0], size);
            continue;
        }
        const std::size_t end = string_end(i);
        if (end > i && quoted_.empty()) quoted_.assign(count(), false);
        for (; i < end; ++i) quoted_[i + 1] = true;
    }
}

// The line of the fence that closes code opened at line i by `size` of these marks, or `count()`.
std::size_t OutlineReader::fence_end(std::size_t i, char mark, std::size_t size) const {
    std::size_t close = i + 1;
    while (close < count()) {
        const std::string_view there = content(close);
        if (!there.empty() && there[0] == mark && fence_size(there) >= size && !quoted(close) &&
            there.find_first_not_of(mark) == there.npos)
            break;
        ++close;
    }
    return close;
}

// In a text that begins inside fenced code, the first fence is a closing one. Decide between the
// two readings: choose the one with less Markdown inside fences and less code outside.
void OutlineReader::find_torn_fence() {
    if (text_.find("```") == text_.npos) return;
    std::size_t first = count();
    int opens_first = 0, closes_first = 0;  // lines that contradict each reading
    bool inside = false, decided = false;
    for (std::size_t i = 0; i < count() && !decided; ++i) {
        if (blank(i) || quoted(i)) continue;
        if (const std::size_t after = patch_end(i); after > i) {
            i = after - 1;  // the lines of a patch are no fences of this text
            continue;
        }
        const std::string_view here = content(i);
        const std::size_t size = here[0] == '`' && !underlines_title(i) ? fence_size(here) : 0;
        if (size > 0) {
            // A fence with a language is an opening one, so the lines above it are outside.
            if (here.size() > size) {
                decided = true;
                if (first < count()) (inside ? opens_first : closes_first) += 1000;
                break;
            }
            if (first == count()) first = i;
            inside = !inside;
            continue;
        }
        const bool prose = is_markdown(here);
        const bool code = !prose && (evidence(i) == 2 || line(i).indent >= 4);
        if (first == count()) {
            opens_first += code;
            closes_first += prose || (!code && here.size() > 60);
        } else {
            opens_first += inside ? prose : code;
            closes_first += inside ? code : prose;
        }
    }
    if (first == count() || filled(0) >= count()) return;
    // A complete text has an even number of fences.
    if (!decided) (inside ? opens_first : closes_first) += 1;
    torn_ = closes_first < opens_first;
    torn_close_ = first;
}

// Whether a line of backticks underlines the line above it: both have about the same length.
bool OutlineReader::underlines_title(std::size_t i) const {
    const std::size_t size = content(i).size();
    if (size < 4 || after_blank(i) ||
        content(i).find_first_not_of(content(i)[0]) != content(i).npos)
        return false;
    const std::size_t title = content(i - 1).size();
    return title <= size + 2 && size <= title + 2 && (i < 2 || after_blank(i - 1));
}

std::size_t OutlineReader::take_fence(std::size_t i) {
    if (torn_) {  // from the beginning of the text to the fence that closes it
        torn_ = false;
        close_lists(-1);
        std::size_t last = torn_close_;
        const std::int32_t first = next_unit();
        if (last > i) {
            std::size_t end = last - 1;
            while (end > i && blank(end)) --end;
            add_code(i, end, kNoSpan, kUnopened, 0);
        }
        const std::int32_t closing =
            add_line(last, SpanKind::fence, next_unit() > first ? first : kNoSpan, kLabel);
        for (auto u = first; u < closing; ++u)
            if (units_[static_cast<std::size_t>(u)].also == kNoSpan) tie(u, closing);
        close_block(first);
        if (first == closing) flag(closing, kHidden);
        lead_ = {};
        return last + 1;
    }
    if (quoted(i)) return 0;
    const std::string_view here = content(i);
    const Marker marker = marker_of(here);
    const std::size_t size = fence_size(here.substr(marker.size));
    if (size == 0 || underlines_title(i)) return 0;
    const char mark = here[marker.size];
    // A line of tildes more often underlines a heading in reStructuredText.
    const bool tildes = mark == '~' && here.size() == marker.size + size;
    if (tildes && wasted_ > 2 * text_.size()) return 0;
    if (tildes && (!after_blank(i) || (i + 2 < count() && !blank(i + 1) && underlines(i + 2))))
        return 0;
    const std::size_t close = fence_end(i, mark, size);
    if (tildes && close >= count()) {
        wasted_ += text_.size() - line(i).first;
        return 0;
    }
    close_lists(line(i).indent);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t opening = add_line(i, SpanKind::fence, need, kLabel);
    std::size_t first = filled(i + 1), last = close;
    while (last > first && blank(last - 1)) --last;
    const bool closed = close < count();
    if (first < last) add_code(first, last - 1, opening, closed ? 0 : kUnclosed, 0);
    if (closed) tie(opening, add_line(close, SpanKind::fence, opening, kLabel));
    if (first >= last && !closed) flag(opening, kHidden);
    close_block(opening);
    lead_ = {};
    return closed ? close + 1 : count();
}

// Announced code ----------------------------------------------------------------------------------

std::size_t OutlineReader::take_literal(std::size_t i, int indent, std::int32_t need) {
    const std::size_t last = deeper_end(i, indent);
    close_lists(indent + 1);
    const std::int32_t first = next_unit();
    add_code(i, last, need, 0, 0);
    close_block(first);
    lead_ = {};
    return last + 1;
}

std::size_t OutlineReader::take_doctest(std::size_t i) {
    if (!content(i).starts_with(">>> ")) return 0;
    std::size_t last = i;
    while (!blank(last + 1) && line(last + 1).indent >= line(i).indent) ++last;
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    add_code(i, last, need, 0, 0);
    close_block(first);
    lead_ = {};
    return last + 1;
}

// Code without marks ------------------------------------------------------------------------------

bool OutlineReader::continues_code(std::size_t i, int base) const {
    const std::string_view here = content(i);
    if (line(i).indent > base) return true;
    if (begins_patch(i)) return false;
    const bool gap = after_blank(i);
    if (gap && releases(i)) return false;
    if (here[0] == '#' && here.substr(0, 2) != "##") return !gap || comments_code(i);
    if (here[0] == '#' && is_heading(here)) return false;
    if (evidence(i) > 0) return marker_of(here).size == 0 || !gap;
    if (marker_of(here).size > 0 || begins_turn(here)) return false;
    if (options_.format == Format::code) return true;
    if (gap || !is_terse(here) || blank(i + 1)) return false;
    return evidence(i + 1) > 0;
}

bool OutlineReader::starts_code(std::size_t i, bool running) const {
    const std::string_view here = content(i);
    if (begins_turn(here)) return false;
    if (options_.format == Format::code) return true;
    if (here.ends_with("::") && here.find(' ') != here.npos) return false;  // announces code
    if (here[0] == '#' && is_heading(here)) return comments_code(i);
    int points = evidence(i);
    const bool followed = !blank(i + 1);
    if (points < 2 && followed && opens_suite(here) && line(i + 1).indent > line(i).indent &&
        marker_of(content(i + 1)).size == 0)
        points = 2;
    if (points == 2) return !running || (followed && evidence(i + 1) > 0);
    if (!after_blank(i)) return false;
    if (points == 1 && followed && evidence(i + 1) == 2) return true;
    // Indented lines without other signs of code: indented prose begins with a capital.
    const auto head = static_cast<unsigned char>(here[0]);
    const bool opens_prose = (head >= 'A' && head <= 'Z') || head >= 0x80 || head == '"' ||
                             head == '\'' || head == '(' || head == '>' ||
                             (head >= '0' && head <= '9');
    return line(i).indent >= 4 && lists_.empty() && owners_.empty() &&
           (points == 1 || !opens_prose);
}

// Whether this line, which looks like a heading, is a comment above code or above another comment.
bool OutlineReader::comments_code(std::size_t i) const {
    const std::string_view here = content(i);
    if (here.substr(0, 2) == "##" || blank(i + 1)) return false;
    const std::string_view there = content(i + 1);
    return there[0] == '#' ? there.substr(0, 2) != "##" : evidence(i + 1) > 0;
}

// Whether line i is the first of lines that Markdown takes for code: after a blank line, they are
// deeper than the paragraph above, outside lists.
bool OutlineReader::below_paragraph(std::size_t i) const {
    if (i == 0 || !after_blank(i) || line(i).indent < kCodeIndent || units_.empty()) return false;
    if (units_.back().kind != SpanKind::prose || !lists_.empty() || !owners_.empty()) return false;
    if (marker_of(content(i)).size > 0) return false;
    std::size_t above = i - 1;
    while (above > 0 && blank(above)) --above;
    return line(above).indent + kCodeIndent <= line(i).indent;
}

// Whether the text begins with the last line of code that is not there, "    return None".
bool OutlineReader::ends_torn_code(std::size_t i) const {
    const std::size_t next = filled(i + 1);
    if (!units_.empty() || !blank(i + 1) || next >= count()) return false;
    const std::string_view here = content(i);
    if (here.size() > kTornCode || std::count(here.begin(), here.end(), ' ') > 1) return false;
    const bool leaves = here.starts_with("return") || here.starts_with("break") ||
                        here.starts_with("continue") || here.starts_with("pass") ||
                        only_closes(here);
    return leaves && line(next).indent <= line(i).indent;
}

std::size_t OutlineReader::take_code(std::size_t i) {
    if (!starts_code(i, false)) return 0;
    if (ends_torn_code(i)) {
        add_line(i, SpanKind::other, kNoSpan, kHidden);
        return i + 1;
    }
    int base = line(i).indent;
    std::size_t last = i;
    const bool indented = below_paragraph(i);
    for (std::size_t k = i + 1; k < count(); ++k) {
        if (blank(k)) continue;
        if (indented && !after_blank(k) && line(k).indent >= kCodeIndent) {
            base = std::min(base, line(k).indent);
            last = k;
            continue;
        }
        if ((!quoted(k) && fence_size(content(k)) > 0) || !continues_code(k, base)) break;
        base = std::min(base, line(k).indent);
        last = k;
    }
    close_lists(line(i).indent);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    if (need == lead_.unit && need != kNoSpan)
        add_code(i, last, need, 0, 0);
    else
        add_groups(i, last, need, 0, 0);
    close_block(first);
    lead_ = {};
    return last + 1;
}

// Units of code -----------------------------------------------------------------------------------

// Append lines first .. last as one unit if it fits, else as separate statements.
void OutlineReader::add_code(std::size_t first, std::size_t last, std::int32_t need, unsigned flags,
                             int depth) {
    const std::size_t bytes = line(last).last - line(first).first;
    if (bytes <= std::min(options_.room, kWholeCode))
        add_line(first, SpanKind::code, need, flags);
    else
        add_groups(first, last, need, flags, depth);
}

// The line that closes the string or the comment of several lines that begins at line k, at most
// `last`; k itself if none does.
std::size_t OutlineReader::quote_end(std::size_t k, std::size_t last) const {
    std::string_view here = content(k);
    const std::size_t mark = here.substr(0, 6).find_first_of("\"'/");
    if (mark > 2) return k;  // after at most two letters: r"""
    here.remove_prefix(mark);
    const bool comment = here.starts_with("/*");
    if (!comment && !here.starts_with("\"\"\"") && !here.starts_with("'''")) return k;
    const std::string_view close = comment ? std::string_view("*/") : here.substr(0, 3);
    if (here.find(close, close.size()) != here.npos) return k;
    for (std::size_t m = k + 1; m <= last && m < k + kQuoteLines; ++m) {
        if (blank(m)) continue;
        if (content(m).find(close) != std::string_view::npos) return m;
        if (line(m).indent < line(k).indent) return k;
    }
    return k;
}

// Append the string or the comment of lines first .. last in parts: none without its two marks.
void OutlineReader::add_quote(std::size_t first, std::size_t last, std::int32_t need,
                              unsigned flags) {
    const std::int32_t opening =
        add_cut(line(first).first, line(first).last, SpanKind::code, need, flags);
    for (std::size_t k = filled(first + 1); k < last;) {
        std::size_t end = k;
        while (end + 1 < last && !blank(end + 1)) ++end;
        add_cut(line(k).first, line(end).last, SpanKind::code, opening, flags);
        k = filled(end + 1);
    }
    tie(opening, add_cut(line(last).first, line(last).last, SpanKind::code, opening, flags));
}

// The last line of the group of statements that begins at line k.
std::size_t OutlineReader::group_end(std::size_t k, std::size_t last, int base) const {
    std::size_t end = quote_end(k, last);
    if (end > k) return end;
    // A group ends before a line at the base indentation that follows a blank or deeper line.
    bool deeper = false;
    for (std::size_t m = k + 1; m <= last; ++m) {
        if (blank(m)) continue;
        const bool at_base = line(m).indent <= base;
        if (at_base && (deeper || after_blank(m)) && !closes_block(content(m)) &&
            !only_closes(content(m)))
            break;
        if (at_base && !deeper && quote_end(m, last) > m) break;
        deeper = line(m).indent > base || (deeper && only_closes(content(m)));
        end = m;
    }
    return end;
}

// Append the groups of statements of lines first .. last, cut at the smallest indentation. A group
// that is too long becomes its first lines and, recursively, the deeper statements, which need
// them.
void OutlineReader::add_groups(std::size_t first, std::size_t last, std::int32_t need,
                               unsigned flags, int depth) {
    int base = line(first).indent;
    for (std::size_t k = first; k <= last; ++k)
        if (!blank(k) && !only_closes(content(k))) base = std::min(base, line(k).indent);
    for (std::size_t k = first; k <= last;) {
        std::size_t end = group_end(k, last, base);
        if (line(end).last - line(k).first <= std::min(options_.room, kWholeCode)) {
            add_line(k, SpanKind::code, need, flags);
        } else if (quote_end(k, end) == end && end > k) {
            add_quote(k, end, need, flags);
        } else if (line(k).indent > base && depth < kDeepestCut) {
            // The text begins inside a block: what is above the next line with less indentation.
            std::size_t above = k;
            while (above < end && (blank(above + 1) || line(above + 1).indent >= line(k).indent ||
                                   only_closes(content(above + 1))))
                ++above;
            while (blank(above)) --above;
            end = above;
            add_groups(k, end, need, flags, depth + 1);
        } else {
            add_clauses(k, end, base, need, flags, depth);
        }
        k = filled(end + 1);
    }
}

// Append the clauses of a statement of lines first .. last that is too long: "if ...:", "else:".
// The body of each needs its first line, and that the first line of the clause above.
void OutlineReader::add_clauses(std::size_t first, std::size_t last, int base, std::int32_t need,
                                unsigned flags, int depth) {
    for (std::size_t k = first; k <= last;) {
        std::size_t end = k;
        bool deeper = false;
        for (std::size_t m = k + 1; m <= last; ++m) {
            if (blank(m)) continue;
            if (deeper && line(m).indent <= base && !only_closes(content(m))) break;
            deeper = deeper || line(m).indent > base;
            end = m;
        }
        std::size_t body = k;
        while (body <= end && (blank(body) || line(body).indent <= base)) ++body;
        const std::size_t bytes = line(end).last - line(k).first;
        const bool whole = k > first && end == last && bytes <= std::min(options_.room, kWholeCode);
        if (whole || body > end || body == k || depth >= kDeepestCut) {
            add_cut(line(k).first, line(end).last, SpanKind::code, need, flags);
        } else {
            std::size_t head = body - 1;
            while (blank(head)) --head;
            // A signature is shown only with at least one statement of its body.
            add_cut(line(k).first, line(head).last, SpanKind::code, need, flags | kLeadIn);
            need = next_unit() - 1;
            add_groups(body, end, need, flags, depth + 1);
        }
        k = filled(end + 1);
    }
}

}  // namespace ctxmem
