// Tracebacks: the exception is what a reader looks for, so the frames and the entry of a log above
// them are not shown without it.
#include "core/text/outline_reader.hpp"

namespace ctxmem {
namespace {

// A frame of Java or JavaScript: "at pay.Card.charge(Card.java:17)", "... 12 more".
bool is_frame(std::string_view content) {
    return (content.starts_with("at ") && content.find_first_of("(:") != content.npos) ||
           (content.starts_with("... ") && content.ends_with(" more"));
}

}  // namespace

// The line of the exception that ends the traceback of Python at line i; 0 if there is none.
std::size_t OutlineReader::trace_end(std::size_t i) const {
    if (blank(i) || !content(i).starts_with("Traceback (most recent call last)")) return 0;
    std::size_t k = i + 1;
    while (!blank(k) && line(k).indent > line(i).indent) ++k;
    return k == i + 1 || blank(k) ? 0 : k;
}

// Whether line i is an exception above its frames, or a frame.
bool OutlineReader::names_exception(std::size_t i) const {
    return !blank(i) && !is_frame(content(i)) && !blank(i + 1) && is_frame(content(i + 1));
}
bool OutlineReader::in_frames(std::size_t i) const { return is_frame(content(i)); }

// Append the traceback of lines i .. end; returns the unit of its exception.
std::int32_t OutlineReader::add_trace(std::size_t i, std::size_t end, std::int32_t need) {
    const std::int32_t head = add_line(i, SpanKind::name, need, kLabel);
    for (std::size_t k = i + 1; k < end;) {
        std::size_t next = k + 1;  // a frame has a line of code below it
        while (next < end && line(next).indent > line(i + 1).indent) ++next;
        add_cut(line(k).first, line(next - 1).last, SpanKind::record, head);
        k = next;
    }
    const std::int32_t exception = add_cut(line(end).first, line(end).last, SpanKind::record, need);
    tie(head, exception);
    return exception;
}

std::size_t OutlineReader::take_trace(std::size_t i) {
    const std::size_t end = trace_end(i);
    if (end == 0 || options_.format != Format::unknown) return 0;
    close_lists(line(i).indent);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    add_trace(i, end, need);
    close_block(first);
    lead_ = {};
    return end + 1;
}

}  // namespace ctxmem
