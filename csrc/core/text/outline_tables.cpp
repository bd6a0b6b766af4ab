// Tables in Markdown, grid, simple, HTML and separated-value notation; a row needs its header.
#include <algorithm>
#include <string>
#include <vector>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kRowsOfText = 3;      // rows of separated values, at least
constexpr std::size_t kRaggedRows = 4;      // rows of unequal length, at least, with their header
constexpr std::size_t kRowsLookedAt = 8;    // rows read to decide whether the lines are a table
constexpr std::size_t kAlignedBytes = 256;  // bytes of a row whose columns spaces align
constexpr std::size_t kLinesOfRow = 16;     // lines of one row of separated values, at most
constexpr std::size_t kLongestRow = 2000;   // bytes; in a longer line no separators are counted
constexpr std::size_t kNever = static_cast<std::size_t>(-1);

bool grid_rule(std::string_view content) {
    return content.size() >= 4 && content[0] == '+' && content.back() == '+' &&
           content.find_first_not_of("+-=") == content.npos;
}

// "=====  ====": the border of a table with at least two columns.
bool simple_rule(std::string_view content) {
    return content.size() >= 3 && content[0] == '=' && content.find(' ') != content.npos &&
           content.find_first_not_of("= ") == content.npos;
}

// The offset of the second column of a line, in bytes: after the first two spaces; 0 if none.
std::size_t second_column(std::string_view text, const Line& line) {
    const std::size_t gap = text.substr(line.first, line.last - line.first).find("  ");
    if (gap == std::string_view::npos) return 0;
    return skip_space(text, line.first + gap, line.last) - line.begin;
}

// The offset of `tag` ("<tr") in text[at, end), ignoring case; kNever if it is not there.
std::size_t find_tag(std::string_view text, std::size_t at, std::size_t end, std::string_view tag) {
    for (; at + tag.size() <= end; ++at) {
        if (text[at] != '<') continue;
        std::size_t k = 1;
        while (k < tag.size() && (text[at + k] | 0x20) == (tag[k] | 0x20)) ++k;
        if (k == tag.size()) return at;
    }
    return kNever;
}

// The number of separators in a line, outside quoted cells.
std::size_t separators(std::string_view content, char separator) {
    if (content.size() > kLongestRow) return 0;
    std::size_t found = 0;
    bool quoted = false;
    for (const char c : content) {
        if (c == '"')
            quoted = !quoted;
        else
            found += c == separator && !quoted;
    }
    return quoted ? 0 : found;
}

// Whether two spaces follow each other.
bool has_gap(std::string_view content) {
    bool found = false;
    for (std::size_t i = 1; i < content.size(); ++i)
        found |= (int{content[i - 1] == ' '} & int{content[i] == ' '}) != 0;  // without a branch
    return found;
}

// Whether a row with this number of separators may belong to a table with `columns`: rows may lack
// their last cells.
bool fits_columns(std::size_t found, std::size_t columns) {
    const std::size_t apart = found > columns ? found - columns : columns - found;
    return found > 0 && apart <= std::max<std::size_t>(1, columns / 3);
}

// Whether the cells of a line are column names: short, not a number, not empty.
bool names_columns(std::string_view content, char separator) {
    std::size_t begin = 0;
    while (begin <= content.size()) {
        const std::size_t end = std::min(content.find(separator, begin), content.size());
        std::string_view cell = content.substr(begin, end - begin);
        while (!cell.empty() && (cell[0] == ' ' || cell[0] == '"')) cell.remove_prefix(1);
        if (cell.empty() || cell.size() > 60) return false;
        const bool signed_number = cell.size() > 1 && (cell[0] == '-' || cell[0] == '+');
        if (is_digit(cell[signed_number ? 1 : 0])) return false;
        begin = end + 1;
    }
    return true;
}

// The words of the first kAlignedBytes bytes of a line, by the columns where they begin and end.
struct Word {
    int begin, end;
    std::size_t at, size;  // bytes
};
std::vector<Word> words_of(std::string_view text, const Line& line) {
    std::vector<Word> words;
    const std::size_t stop = std::min(line.last, line.begin + kAlignedBytes);
    int column = 0;
    for (std::size_t at = line.begin; at < stop; ++at) {
        if ((text[at] & '\xC0') == '\x80') continue;  // part of a character
        if (text[at] != ' ') {
            if (at == line.begin || text[at - 1] == ' ') words.push_back({column, column, at, 0});
            if (!words.empty()) words.back().end = column + 1;
        }
        ++column;
    }
    for (Word& word : words) word.size = std::min(text.find(' ', word.at), stop) - word.at;
    return words;
}

// Whether the words may be names of columns: at least three, some of them far apart.
bool names_aligned(std::string_view text, const std::vector<Word>& words) {
    if (words.size() < 3) return false;
    bool apart = false;
    std::size_t capital = 0;
    for (std::size_t k = 0; k < words.size(); ++k) {
        const std::string_view word = text.substr(words[k].at, words[k].size);
        apart |= k > 0 && words[k].begin > words[k - 1].end + 1;
        capital += (word[0] >= 'A' && word[0] <= 'Z') || word[0] == '%';
        if (word.find_first_of("=;{}\"',<>|$!?&\t`") != word.npos) return false;
        if (word.back() == '.' || word.back() == ':') return false;
        const bool letter = std::any_of(word.begin(), word.end(), [](char c) {
            return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        });
        if (!letter && word != "#") return false;
    }
    return apart && 2 * capital >= words.size();
}

// Whether a row has words below at least half of the names: where a name begins, or where it ends.
bool is_aligned(const std::vector<Word>& names, const std::vector<Word>& row, int shift) {
    std::size_t aligned = 0;
    for (std::size_t n = 0, k = 0; n < names.size(); ++n) {
        const int begin = names[n].begin + shift, end = names[n].end + shift;
        while (k < row.size() && row[k].end < end && row[k].begin < begin) ++k;
        if (k < row.size() && (row[k].begin == begin || row[k].end == end)) ++aligned;
    }
    return 2 * aligned >= names.size() && aligned >= 2;
}

}  // namespace

std::size_t OutlineReader::take_table(std::size_t i) {
    std::size_t next = 0;
    if ((next = take_grid(i)) > 0 || (next = take_aligned(i)) > 0 || (next = take_simple(i)) > 0 ||
        (next = take_pipes(i)) > 0 || (next = take_html_table(i)) > 0 ||
        (next = take_separated(i)) > 0)
        lead_ = {};
    return next;
}

// | a | b |, with or without a rule below the header; the outer bars may be missing.
std::size_t OutlineReader::take_pipes(std::size_t i) {
    const auto bars = [&](std::size_t k) {
        return !blank(k) && content(k).substr(0, 512).find('|') != std::string_view::npos;
    };
    if (!bars(i)) return 0;
    const bool ruled = bars(i + 1) && is_table_rule(content(i + 1)) && !is_table_rule(content(i));
    const bool row = content(i)[0] == '|' && is_table_row(content(i));
    if (!ruled && !row && !is_table_rule(content(i))) return 0;
    std::size_t last = i;
    while (bars(last + 1) && fence_size(content(last + 1)) == 0) ++last;
    close_lists(line(i).indent);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    std::int32_t header = kNoSpan;
    std::size_t k = i;
    if (ruled) {
        header = add_line(i, SpanKind::header, need, kLabel);
        k = i + 2;
    } else if (is_table_rule(content(i))) {
        add_line(i, SpanKind::other, kNoSpan, kHidden);
        k = i + 1;
    } else if (last - i >= 2 && (units_.empty() ? false : after_blank(i))) {
        header = add_line(i, SpanKind::header, need, kLabel);  // bars without a rule
        k = i + 1;
    }
    for (; k <= last; ++k) {
        const std::int32_t on = header == kNoSpan ? need : header;
        add_cut(line(k).first, line(k).last, SpanKind::table_row, on,
                header == kNoSpan ? unsigned{kHeadless} : 0u);
    }
    close_block(first);
    return last + 1;
}

// A grid table: rows between +---+---+ borders; a border of = ends the header.
std::size_t OutlineReader::take_grid(std::size_t i) {
    const auto drawn = [&](std::size_t k) {
        return !blank(k) && (content(k)[0] == '+' || content(k)[0] == '|');
    };
    const std::string_view here = content(i);
    const bool torn = here[0] == '|' && units_.empty();
    if (!grid_rule(here) && !torn) return 0;
    std::size_t last = i, rules = 0, double_rule = kNever;
    for (std::size_t k = i; drawn(k); ++k) {
        last = k;
        if (!grid_rule(content(k))) continue;
        ++rules;
        if (content(k).find('=') != std::string_view::npos && double_rule == kNever)
            double_rule = k;
    }
    if (rules == 0 || (torn && rules < 1)) return 0;
    const bool bold = grid_rule(here) && i + 1 <= last && content(i + 1).find("**") != here.npos;
    std::size_t head_end = double_rule;
    if (head_end == kNever && bold)
        for (std::size_t k = i + 1; k <= last && head_end == kNever; ++k)
            if (grid_rule(content(k))) head_end = k;
    close_lists(line(i).indent);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    std::int32_t header = kNoSpan;
    std::size_t k = i;
    if (head_end != kNever) {
        header = add_line(i, SpanKind::header, need, kLabel);
        k = head_end + 1;
    }
    const bool headless = header == kNoSpan && (torn || !grid_rule(here));
    for (std::size_t row = k; row <= last; row = k) {
        while (k <= last && grid_rule(content(k))) ++k;  // the border above the first row
        while (k <= last && !grid_rule(content(k))) ++k;
        if (k <= last) ++k;  // and the one below it
        add_cut(line(row).first, line(k - 1).last, SpanKind::table_row,
                header == kNoSpan ? need : header, headless ? unsigned{kHeadless} : 0u);
    }
    close_block(first);
    return last + 1;
}

// A simple table: ==== ==== borders above and below the header, and below the table.
std::size_t OutlineReader::take_simple(std::size_t i) {
    std::size_t borders[3];
    std::size_t found = 0, last = i;
    if (!simple_rule(content(i))) return take_columns(i);
    for (std::size_t k = i; k < count() && found < 3; ++k) {
        if (blank(k)) {
            if (found < 2 || filled(k) >= count()) break;
            continue;
        }
        if (!simple_rule(content(k))) {
            if (line(k).indent < line(i).indent) break;
            last = k;
            continue;
        }
        borders[found++] = k;
        last = k;
        if (found == 2 && (blank(k + 1))) break;
    }
    close_lists(line(i).indent);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    if (found < 2) {  // the last border of a table that begins before this text
        add_line(i, SpanKind::other, kNoSpan, kHidden);
        return i + 1;
    }
    const bool closed = found == 3;
    const bool headed = borders[1] > i + 1 && (closed || !blank(borders[1] + 1));
    if (!headed) {  // two borders and no header
        last = borders[1];
        const std::int32_t top = add_line(i, SpanKind::header, need, kLabel);
        for (std::size_t k = i + 1; k < last; ++k)
            if (!blank(k) && (line(k).indent <= line(i).indent || k == i + 1))
                add_line(k, SpanKind::table_row, top);
        tie(top, add_line(last, SpanKind::header, top, kLabel));
        close_block(first);
        return last + 1;
    }
    const std::int32_t header = add_line(i, SpanKind::header, need, kLabel);
    if (closed) last = borders[2];
    const std::size_t stop = closed ? last : last + 1;
    const std::size_t body = borders[1] + 1;
    for (std::size_t k = body; k < stop; ++k) {
        if (blank(k)) continue;
        if (k > body && line(k).indent > line(i).indent) continue;  // continues the row above
        add_line(k, SpanKind::table_row, header);
    }
    if (closed) tie(header, add_line(last, SpanKind::header, header, kLabel));
    close_block(first);
    return last + 1;
}

// The output of df, ps or top: columns that spaces align, below a line of their names.
std::size_t OutlineReader::take_aligned(std::size_t i) {
    const std::string_view here = content(i);
    if (options_.format != Format::unknown || here.size() > kAlignedBytes || blank(i + 1) ||
        (!after_blank(i) && i > 0) || !has_gap(here) || simple_rule(content(i + 1)))
        return 0;
    const std::vector<Word> names = words_of(text_, line(i));
    if (!names_aligned(text_, names)) return 0;
    // A text that begins with the names may have lost the spaces before them.
    std::vector<Word> row = words_of(text_, line(i + 1));
    const int shift = i == filled(0) && line(i).indent == 0 && !row.empty()
                          ? row.front().end - names.front().end
                          : 0;
    std::size_t last = i, looked = 0, aligned = 0, numbers = 0;
    for (std::size_t k = i + 1; !blank(k) && looked < kRowsLookedAt; ++k) {
        row = words_of(text_, line(k));
        const bool numbered = std::any_of(
            row.begin(), row.end(), [&](const Word& word) { return is_digit(text_[word.at]); });
        ++looked;
        aligned += is_aligned(names, row, 0) || (shift > 0 && is_aligned(names, row, shift));
        numbers += numbered;
    }
    if (10 * aligned < 7 * looked || 2 * numbers < looked) return 0;
    for (std::size_t k = i + 1; !blank(k) && 2 * words_of(text_, line(k)).size() >= names.size();
         ++k)
        last = k;
    if (last == i) return 0;
    close_lists(line(i).indent);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t header = add_line(i, SpanKind::header, need, kLabel);
    for (std::size_t k = i + 1; k <= last; ++k)
        add_cut(line(k).first, line(k).last, SpanKind::table_row, header);
    close_block(header);
    return last + 1;
}

// Whether the lines are rows of numbers and names that spaces align, such as the output of df.
bool OutlineReader::aligns_numbers(std::size_t i, std::size_t last) const {
    if (options_.format != Format::unknown || last == i || second_column(text_, line(i)) == 0)
        return false;
    const std::vector<Word> first = words_of(text_, line(i));
    std::size_t aligned = 0, looked = 0;
    for (std::size_t k = i + 1; k <= last && looked < kRowsLookedAt; ++k, ++looked) {
        const std::vector<Word> row = words_of(text_, line(k));
        const auto number = [&](const Word& word) { return is_digit(text_[word.at]); };
        const auto numbers =
            static_cast<std::size_t>(std::count_if(row.begin(), row.end(), number));
        aligned += first.size() >= 4 && is_aligned(first, row, 0) && 3 * numbers >= row.size();
    }
    return 10 * aligned >= 7 * looked;
}

// Rows of a simple table whose borders are not in the text, recognised by aligned columns.
std::size_t OutlineReader::take_columns(std::size_t i) {
    if (!units_.empty()) return 0;
    std::size_t last = i, rows = 0, aligned = 0, at = 0;
    for (std::size_t k = i; !blank(k) && !simple_rule(content(k)); ++k) last = k;
    const bool bordered = last + 1 < count() && !blank(last + 1);
    for (std::size_t k = i + 1; k <= last; ++k) {
        const std::size_t column = second_column(text_, line(k));
        ++rows;
        if (column == 0) continue;
        if (at == 0) at = column;
        aligned += column == at;
    }
    if (at == 0 || aligned < (bordered ? 1u : 2u) || 10 * aligned < 7 * rows) {
        if (bordered || !aligns_numbers(i, last)) return 0;
    }
    const std::int32_t first = next_unit();
    for (std::size_t row = i; row <= last; ++row) {
        if (row > i + 1 && line(row).indent > line(i + 1).indent) continue;  // continues the row
        add_line(row, SpanKind::table_row, kNoSpan, kHeadless);
    }
    if (bordered) add_line(last + 1, SpanKind::other, kNoSpan, kHidden);
    close_block(first);
    return last + 1 + bordered;
}

// An HTML table: a row extends from <tr to the next <tr; the first row with <th is the header.
std::size_t OutlineReader::take_html_table(std::size_t i) {
    const std::size_t begin = line(i).first;
    const bool whole = find_tag(text_, begin, std::min(begin + 6, text_.size()), "<table") == begin;
    const bool row = !whole && units_.empty() &&
                     find_tag(text_, begin, std::min(begin + 3, text_.size()), "<tr") == begin;
    if ((!whole && !row) || wasted_ > 2 * text_.size()) return 0;
    std::size_t end = find_tag(text_, begin, text_.size(), "</table");
    const bool closed = end != kNever;
    if (!closed) end = text_.size();
    std::size_t at = find_tag(text_, begin, end, "<tr");
    if (!closed && at != kNever) {  // it ends after its last row, if that row is complete
        std::size_t last = at;
        for (std::size_t k = at; k != kNever; k = find_tag(text_, k + 3, end, "<tr")) last = k;
        const std::size_t row_end = find_tag(text_, last, end, "</tr");
        const std::size_t bracket = row_end == kNever ? row_end : text_.find('>', row_end);
        if (bracket != text_.npos && row_end != kNever) end = bracket + 1;
    }
    if (at == kNever) {
        wasted_ += end - begin;
        return 0;
    }
    close_lists(-1);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    const std::int32_t opening =
        whole && at > begin ? add(begin, SpanKind::header, need, kLabel) : kNoSpan;
    std::int32_t header = opening;
    bool headed = false;
    while (at != kNever) {
        const std::size_t next = find_tag(text_, at + 3, end, "<tr");
        const std::size_t stop = next == kNever ? end : next;
        const bool names = !headed && find_tag(text_, at, stop, "<th") != kNever;
        if (names) {
            header = add(at, SpanKind::header, header == kNoSpan ? need : header, kLabel);
            headed = true;
        } else {
            add_cut(at, trim_space(text_, at, stop), SpanKind::table_row,
                    header == kNoSpan ? need : header, whole ? 0u : unsigned{kHeadless});
        }
        at = next;
    }
    std::size_t after = end;
    if (closed) {
        const std::int32_t closing = add(end, SpanKind::header, opening, kLabel);
        if (opening != kNoSpan) tie(opening, closing);
        const std::size_t bracket = text_.find('>', end);
        after = bracket == std::string_view::npos ? text_.size() : bracket + 1;
    }
    close_block(first);
    // Text after the table on its last line is a separate block.
    std::size_t k = i;
    while (k < count() && line(k).last <= after) ++k;
    if (k < count() && line(k).first < after) {
        const std::size_t rest = skip_space(text_, after, line(k).last);
        if (rest < line(k).last) add_rest(rest, line(k).last);
        ++k;
    }
    return k;
}

// The last line of the row of separated values that begins at line i: where its quotes are closed.
std::size_t OutlineReader::quoted_end(std::size_t i) const {
    std::size_t quotes = 0;
    for (std::size_t k = i; k < count() && k < i + kLinesOfRow; ++k) {
        const std::string_view here = content(k);
        quotes += static_cast<std::size_t>(std::count(here.begin(), here.end(), '"'));
        if (quotes % 2 == 0) return k;
    }
    return i;
}

// Values separated by commas, semicolons or tabs: the same number in every row, or nearly so below
// the names of the columns. All lines of a file of separated values are rows.
std::size_t OutlineReader::take_separated(std::size_t i) {
    if (options_.format == Format::code || options_.format == Format::record) return 0;
    const std::string_view here = content(i);
    char separator = 0;
    std::size_t columns = 0;
    const bool declared = options_.format == Format::table;
    // Most lines are prose with a comma or none, which needs no look at the quotes.
    int commas = 0, others = 0;
    for (const char c : here) {
        commas += c == ',';
        others += (c == '\t') | (c == ';');
    }
    if (!declared && commas < 2 && others == 0) return 0;
    for (const char c : {'\t', ',', ';'}) {
        const std::size_t found = separators(here, c);
        if (found > columns) {
            columns = found;
            separator = c;
        }
    }
    if (columns == 0 || (!declared && columns < 2 && separator != '\t')) return 0;
    // First lines of the rows: a quoted cell may span several lines.
    std::vector<std::size_t> rows{i}, ends{quoted_end(i)};  // the first and last line of each row
    std::size_t last = ends[0], digits = 0, uneven = 0;
    const auto row_text = [&](std::size_t first, std::size_t end) {
        return text_.substr(line(first).first, line(end).last - line(first).first);
    };
    // A row cut by the beginning of the text has fewer cells than the rows below it.
    const bool names = names_columns(here, separator);
    const std::size_t below = declared ? filled(last + 1) : last + 1;
    const std::size_t cells =
        blank(below) ? columns : separators(row_text(below, quoted_end(below)), separator);
    const bool first_torn = units_.empty() && cells != columns && !(names && columns > cells);
    const auto read_rows = [&](std::size_t most) {
        while (rows.size() < most) {
            const std::size_t k = declared ? filled(last + 1) : last + 1;
            if (blank(k)) break;
            const std::size_t end = quoted_end(k);
            if (!declared) {
                const std::size_t found = separators(row_text(k, end), separator);
                const bool torn = end + 1 >= count() && found < columns;
                const bool fits = names ? fits_columns(found, columns) : found == columns;
                if (!fits && !torn) break;
                uneven += found != columns && !torn;
            }
            rows.push_back(k);
            ends.push_back(end);
            last = end;
        }
    };
    read_rows(declared ? count() : kRowsLookedAt);  // enough to decide whether to read them all
    for (std::size_t k = i; k <= last && k < i + 8; ++k)
        for (const char c : content(k)) digits += is_digit(c);
    if (!declared && (rows.size() < (uneven > 0 ? kRaggedRows : kRowsOfText) || here.size() > 400 ||
                      here.ends_with('.') || here.ends_with(':')))
        return 0;
    // Lines of a poem may have equally many commas, so a comma-separated table must have no space
    // after a comma, and digits or column names.
    if (!declared && separator == ',') {
        std::size_t spaced = 0;
        for (std::size_t k = i; k <= last; ++k)
            spaced += content(k).find(", ") != std::string_view::npos;
        const auto worded =
            static_cast<std::size_t>(std::count_if(rows.begin(), rows.end(), [&](std::size_t row) {
                return names_columns(content(row), separator);
            }));
        if (uneven > 0 && 2 * worded > rows.size()) return 0;  // few of the rows have numbers
        if (spaced > 0 || (digits == 0 && (!names || uneven > 0))) return 0;
    }
    read_rows(count());
    close_lists(-1);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    const bool headed = !first_torn && rows.size() > 1 && names &&
                        !names_columns(row_text(rows[1], quoted_end(rows[1])), separator);
    const std::int32_t header = headed ? add_line(i, SpanKind::header, need, kLabel) : kNoSpan;
    for (std::size_t r = headed ? 1 : 0; r < rows.size(); ++r)
        add_cut(line(rows[r]).first, line(ends[r]).last, SpanKind::table_row,
                headed ? header : need, headed ? 0u : unsigned{kHeadless});
    close_block(first);
    return last + 1;
}

}  // namespace ctxmem
