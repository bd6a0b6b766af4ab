// Patches: the lines that name a file, the @@ line of each hunk, and groups of
// the lines of a hunk.
//
// A group of lines needs the @@ line above it, which needs the lines that name
// the file. A text may begin inside a hunk: the lines above its first header
// need nothing.
#include <algorithm>
#include <array>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kWholeHunk = 1600;  // bytes up to which a hunk is one unit, if `room` allows

constexpr std::size_t kCoded = 2;  // added lines of code without a header, at least

// Lines between "diff --git" and "---".
bool describes_file(std::string_view content) {
    constexpr std::array kOpenings = {"index "sv,
                                      "new file mode "sv,
                                      "deleted file mode "sv,
                                      "old mode "sv,
                                      "new mode "sv,
                                      "similarity index "sv,
                                      "dissimilarity index "sv,
                                      "rename from "sv,
                                      "rename to "sv,
                                      "copy from "sv,
                                      "copy to "sv,
                                      "Binary files "sv,
                                      "====="sv};
    return std::any_of(kOpenings.begin(), kOpenings.end(),
                       [&](std::string_view opening) { return opens(content, opening); });
}

// The number at `at`, which is moved behind it; at most 10^9.
long read_number(std::string_view s, std::size_t& at) {
    long number = 0;
    for (; at < s.size() && is_digit(s[at]); ++at)
        number = std::min(number * 10 + (s[at] - '0'), 1000000000L);
    return number;
}

// The numbers of old and new lines in "@@ -10,3 +10,4 @@".
struct Counts {
    long old_lines = 1, new_lines = 1;
    bool exhausted() const { return old_lines <= 0 && new_lines <= 0; }
};
Counts counts_of(std::string_view content) {
    Counts counts;
    std::size_t at = 4;
    read_number(content, at);
    if (at < content.size() && content[at] == ',') counts.old_lines = read_number(content, ++at);
    at = std::min(content.find('+', at), content.size() - 1) + 1;
    read_number(content, at);
    if (at < content.size() && content[at] == ',') counts.new_lines = read_number(content, ++at);
    return counts;
}

// Whether a changed line is no item of a list, in which a single space follows
// the mark.
bool is_solid(std::string_view content) {
    if (content.size() < 2 || content[1] == content[0]) return false;
    return content[1] != ' ' || (content.size() > 2 && content[2] == ' ');
}

}  // namespace

// Whether line i is the first of the lines that name a file.
bool OutlineReader::begins_file(std::size_t i) const {
    if (blank(i) || line(i).indent > 0) return false;
    const std::string_view here = content(i);
    const auto next = [&](std::size_t k, std::string_view opening) {
        return !blank(k) && line(k).indent == 0 && content(k).starts_with(opening);
    };
    switch (here[0]) {
        case '-': return here.starts_with("--- ") && next(i + 1, "+++ ");
        case 'd':
            return here.starts_with("diff --git ") ||
                   (here.starts_with("diff -") && next(i + 1, "--- ") && next(i + 2, "+++ "));
        case 'I': return here.starts_with("Index: ") && next(i + 1, "=====");
        default: return false;
    }
}

bool OutlineReader::begins_hunk(std::size_t i) const {
    if (blank(i) || line(i).indent > 0) return false;
    const std::string_view here = content(i);
    return here.starts_with("@@ -") && here.size() > 4 && is_digit(here[4]) &&
           here.substr(0, 64).find(" @@") != here.npos &&
           here.substr(0, 64).find(" +") != here.npos;
}

// The last of the lines that name the file.
std::size_t OutlineReader::file_end(std::size_t i) const {
    std::size_t last = i;
    while (!content(last).starts_with("+++ ") && !blank(last + 1)) {
        const std::string_view next = content(last + 1);
        const bool pair = next.starts_with("--- ") || next.starts_with("+++ ");
        if (!describes_file(next) && !pair) break;
        if (last > i && next.starts_with("--- ") && content(last).starts_with("--- ")) break;
        ++last;
    }
    return last;
}

// The last line of the hunk that line i begins; the counts of lines may be
// wrong.
std::size_t OutlineReader::hunk_end(std::size_t i) const {
    Counts counts = counts_of(content(i));
    std::size_t last = i;
    for (std::size_t k = i + 1; k < count(); ++k) {
        if (blank(k)) {  // an empty line of the file
            const std::size_t next = filled(k);
            if (counts.exhausted() || next >= count() ||
                std::string_view(" \t+-\\").find(mark(next)) == std::string_view::npos)
                break;
            --counts.old_lines;
            --counts.new_lines;
            continue;
        }
        const char c = mark(k);
        if (std::string_view(" \t+-\\").find(c) == std::string_view::npos || begins_file(k)) break;
        if (counts.exhausted() && (after_blank(k) || content(k) == "--")) break;
        counts.old_lines -= c != '+' && c != '\\';
        counts.new_lines -= c != '-' && c != '\\';
        last = k;
    }
    return last;
}

// Whether the text begins inside a hunk: up to the next header or the end, its
// lines are those of a hunk. The first line may have lost its mark.
bool OutlineReader::begins_inside_hunk(std::size_t i) const {
    if (i != filled(0) || !units_.empty() || begins_patch(i)) return false;
    std::size_t added = 0, removed = 0, loose = 0, coded = 0;
    bool headed = false;
    for (std::size_t k = i; k < count() && !headed; k = filled(k + 1)) {
        headed = begins_patch(k);
        const char c = mark(k);
        if (headed || c == ' ' || c == '\t' || c == '\\') continue;
        if (c != '+' && c != '-') {
            if (k > i) return false;
            continue;
        }
        const std::string_view here = content(k);
        if (here.size() == 1) continue;
        coded += evidence(k) > 0;
        (is_solid(here) ? (c == '+' ? added : removed) : loose) += 1;
    }
    if (loose > added + removed) return false;
    return headed ? added + removed > 0 : added > 0 && (removed > 0 || coded >= kCoded);
}

// The number of the line after the patch that begins at line i; i if none does.
std::size_t OutlineReader::patch_end(std::size_t i) const {
    if (options_.format != Format::unknown) return i;
    std::size_t k = i;
    if (begins_inside_hunk(i))
        while (k < count() && !begins_patch(k)) ++k;
    while (k < count()) {
        if (begins_file(k))
            k = file_end(k) + 1;
        else if (begins_hunk(k))
            k = hunk_end(k) + 1;
        else
            break;
        const std::size_t next = filled(k);
        if (next < count() && begins_patch(next)) k = next;
    }
    return k;
}

std::size_t OutlineReader::take_patch(std::size_t i) {
    if (torn_) return 0;
    const std::size_t end = patch_end(i);
    if (end == i) return 0;
    close_lists(-1);
    std::size_t k = i;
    if (!begins_patch(i)) {
        std::size_t last = i;
        for (; k < end && !begins_patch(k); ++k)
            if (!blank(k)) last = k;
        add_hunk(i, last, kNoSpan);
    }
    const std::int32_t need = k == i ? lead_or_owner(i) : kNoSpan;
    std::int32_t file = need;
    for (; k < end; k = filled(k)) {
        const std::int32_t first = next_unit();
        if (begins_hunk(k)) {
            const std::size_t last = hunk_end(k);
            const std::int32_t hunk = add_line(k, SpanKind::name, file, kLabel);
            if (last > k) add_hunk(filled(k + 1), last, hunk);
            close_block(first);
            k = last + 1;
            continue;
        }
        const std::size_t last = file_end(k);
        const std::size_t below = filled(last + 1);
        // A file without a hunk is renamed, or it is binary.
        const bool hunks = last + 1 >= count() || (below < end && begins_hunk(below));
        if (hunks)
            file = add_line(k, SpanKind::name, need, kLabel);
        else
            add_cut(line(k).first, line(last).last, SpanKind::code, need);
        k = last + 1;
    }
    lead_ = {};
    // "-- " and the version of git below the last hunk of a mail.
    const std::size_t below = filled(end);
    if (below >= count() || content(below) != "--" || blank(below + 1)) return end;
    const std::string_view version = content(below + 1);
    if (!is_digit(version[0]) || version.find(' ') != version.npos) return end;
    add_line(below, SpanKind::other, kNoSpan, kHidden);
    return below + 2;
}

// Append the lines of a hunk, as one unit if it fits. Otherwise a group ends at
// an empty line, and at the second line after a run of changes.
void OutlineReader::add_hunk(std::size_t first, std::size_t last, std::int32_t need) {
    const std::int32_t block = next_unit();
    const auto changed = [&](std::size_t k) { return mark(k) == '+' || mark(k) == '-'; };
    const std::size_t whole = std::min(options_.room, kWholeHunk);
    for (std::size_t k = first; k <= last;) {
        std::size_t end = k;
        bool changes = changed(k);
        const bool fits = line(last).last - line(k).first <= whole;
        for (std::size_t m = k + 1; m <= last; ++m) {
            if (blank(m)) continue;
            const bool empty = after_blank(m) || content(m - 1) == "+" || content(m - 1) == "-";
            const bool apart = changes && !changed(m) && !changed(m - 1);
            if (!fits && (empty || apart)) break;
            changes = changes || changed(m);
            end = m;
        }
        add_cut(line(k).first, line(end).last, SpanKind::code, need);
        k = filled(end + 1);
    }
    close_block(block);
}

}  // namespace ctxmem
