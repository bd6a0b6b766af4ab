// Records: JSON, read by its brackets; lines of keys and values, read by their indentation.
#include <algorithm>
#include <array>
#include <string>

#include "core/text/ascii.hpp"
#include "core/text/json_cuts.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kLooked = 160;  // bytes of a line from which its kind is determined
constexpr std::size_t kLongKey = 60;
constexpr std::size_t kComments = 12;     // comment lines above data, at most
constexpr std::size_t kEntries = 3;       // entries of a log or a dump, at least
constexpr std::size_t kTold = 40;         // lines read to decide whether a block is data
constexpr std::size_t kMostLines = 4000;  // lines of one block, at most

constexpr std::array<bool, 256> key_bytes() {
    std::array<bool, 256> table{};
    for (std::size_t c = 0; c < 256; ++c)
        table[c] = c >= 0x80 || is_alpha(static_cast<char>(c)) || is_digit(static_cast<char>(c));
    for (const char c : std::string_view("_-./$@{}*")) table[static_cast<unsigned char>(c)] = true;
    return table;
}
constexpr auto kKeyBytes = key_bytes();

bool is_key(char c) { return kKeyBytes[static_cast<unsigned char>(c)]; }

// First keys of an entry that say which one it is, in lower case. Sorted.
constexpr std::array<std::string_view, 32> kIdentities = {
    "city", "code",      "country", "currency", "date",   "day",     "email", "file",
    "host", "id",        "key",     "label",    "login",  "month",   "name",  "order",
    "path", "plan",      "product", "question", "region", "service", "sku",   "slug",
    "time", "timestamp", "title",   "uid",      "url",    "user",    "uuid",  "year"};
constexpr std::size_t kLongIdentity = 120;  // bytes of the line of such a key

// Whether the first key of a line says which entry the lines below it are about: "name", <id>,
// "order_id", "userName".
bool names_entry(std::string_view content) {
    content.remove_prefix(std::min(content.size(), content.find_first_not_of("\"'<")));
    std::size_t size = 0;
    while (size < content.size() && (is_alpha(content[size]) || content[size] == '_')) ++size;
    const std::string_view key = content.substr(0, size);
    for (const std::string_view end : {"_id", "Id", "ID", "_name", "Name"})
        if (key.ends_with(end)) return true;
    std::string lowered(key);
    for (char& c : lowered) c = static_cast<char>(c | 0x20);
    return std::binary_search(kIdentities.begin(), kIdentities.end(), std::string_view(lowered));
}

// The content without the leading dashes of list items.
std::string_view undashed(std::string_view content) {
    while (content.size() > 2 && content[0] == '-' && content[1] == ' ') {
        content.remove_prefix(2);
        while (!content.empty() && content[0] == ' ') content.remove_prefix(1);
    }
    return content;
}

// The kind of an XML element: <a> opens a block of deeper lines; <a>b</a> and <a/> are complete.
// HTML tags are not data.
LineKind kind_of_element(std::string_view content) {
    if (content.size() < 3 || content.back() != '>' || !is_key(content[1])) return LineKind::other;
    const std::size_t end = std::min(content.find_first_of(" >/", 1), content.size());
    const std::string_view name = content.substr(1, end - 1);
    for (const std::string_view page :
         {"a",     "article", "b",     "blockquote", "body",   "br",      "code", "div",
          "em",    "footer",  "h1",    "h2",         "h3",     "h4",      "head", "header",
          "hr",    "html",    "i",     "img",        "li",     "link",    "main", "meta",
          "nav",   "ol",      "p",     "pre",        "script", "section", "span", "strong",
          "style", "table",   "tbody", "td",         "th",     "thead",   "tr",   "ul"})
        if (name == page) return LineKind::other;
    const bool whole = content.ends_with("/>") || content.find("</") != content.npos;
    return whole ? LineKind::member : LineKind::opener;
}

// Whether what follows the colon of a key is no value: an anchor, a tag, the mark of a block of
// text, a comment. The value is then in the lines below.
bool lacks_value(std::string_view rest) {
    while (true) {
        while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
        if (rest.empty() || rest[0] == '#') return true;
        const std::string_view word = rest.substr(0, rest.find(' '));
        const bool block = (word[0] == '|' || word[0] == '>') &&
                           word.find_first_not_of("+-123456789", 1) == word.npos;
        if (word[0] != '&' && word[0] != '!' && !block) return false;
        rest.remove_prefix(word.size());
    }
}

// The end of the part of a title that begins at byte `at`: a quoted key or a bare one; `at` if there
// is none.
std::size_t title_key_end(std::string_view content, std::size_t at) {
    const char quote = content[at];
    if (quote != '"' && quote != '\'') {
        while (at < content.size() && is_key(content[at]) && content[at] != '.') ++at;
        return at;
    }
    for (std::size_t k = at + 1; k < content.size(); ++k) {
        if (content[k] == quote) return k + 1;
        if (content[k] == '\\' && quote == '"') ++k;
    }
    return at;
}

// Whether a line is the title of a section with a quoted key: ["a b"], ["a.b"."c"], [[x.'y z']],
// and [remote "origin"], perhaps with a comment after it.
bool is_quoted_section(std::string_view content) {
    const std::size_t brackets = content.size() > 1 && content[1] == '[' ? 2 : 1;
    std::size_t at = brackets;
    const auto skip_spaces = [&] {
        while (at < content.size() && (content[at] == ' ' || content[at] == '\t')) ++at;
    };
    bool quoted = false;
    for (int keys = 0;; ++keys) {
        skip_spaces();
        if (at >= content.size()) return false;
        const bool quote = content[at] == '"' || content[at] == '\'';
        const std::size_t end = title_key_end(content, at);
        if (end == at) return false;
        quoted = quoted || quote;
        at = end;
        skip_spaces();
        if (at < content.size() && content[at] == '.') {
            ++at;
        } else if (at >= content.size() || content[at] != '"' || quote || keys > 0) {
            break;
        }
    }
    if (!quoted || content.substr(at, brackets) != std::string_view("]]").substr(0, brackets))
        return false;
    at += brackets;
    skip_spaces();
    return at >= content.size() || content[at] == '#' || content[at] == ';';
}

// Whether a line is the title of a section, perhaps with a comment after it: "[a.b]", "[[a]]",
// "[a.\"b c\"] # d". An array of JSON with several values is none.
bool is_section(std::string_view content) {
    if (content[0] != '[') return false;
    if (is_quoted_section(content)) return true;
    const std::size_t mark = content.find_last_of(";#");
    if (mark != content.npos && mark > 0 && content[mark - 1] == ' ')
        content = content.substr(0, content.find_last_not_of(' ', mark - 1) + 1);
    if (content.size() < 3 || content.back() != ']') return false;
    if (content[1] == '[') return true;
    return content.find(',') == content.npos && content.find_first_of("\"'") == content.npos;
}

// Whether the title of a section could be an array of JSON with one value: ["a b"], [[1]].
bool may_be_array(std::string_view content) {
    const std::size_t at = content.find_first_not_of("[ ");
    return at != content.npos && (content[at] == '"' || content[at] == '-' ||
                                  is_digit(content[at]) || content[at] == '{');
}

LineKind kind_of(std::string_view content) {
    const std::string_view looked = content.substr(0, kLooked);
    const char head = looked[0];
    if (head == '#' || (head == ';' && looked.size() > 1) || looked.starts_with("//"))
        return LineKind::comment;
    const bool bracket = !is_alpha(head) && !is_digit(head);
    if (bracket && looked.find_first_not_of("[]{}(),;") == looked.npos) return LineKind::closer;
    if (looked.starts_with("</")) return LineKind::closer;
    if (looked.starts_with("<<:")) return LineKind::member;  // the keys of another block of YAML
    if (head == '<') return kind_of_element(content);
    if (is_section(content)) return LineKind::section;
    const bool dashed = looked.starts_with("- ");
    const std::string_view body = undashed(looked);
    if (body.empty()) return LineKind::other;
    std::size_t at = 0;
    if (body[0] == '"' || body[0] == '\'') {
        at = body.find(body[0], 1);
        if (at == body.npos) return dashed ? LineKind::item : LineKind::other;
        ++at;
    } else {
        std::size_t spaces = 0;
        while (at < body.size() && at < kLongKey &&
               (is_key(body[at]) ||
                (body[at] == ' ' && spaces < 4 && at + 1 < body.size() && is_key(body[at + 1])))) {
            spaces += body[at] == ' ';
            ++at;
            const bool quoted = body[at - 1] == '.' && at < body.size() && body[at] == '"';
            if (quoted) at = std::min(body.find('"', at + 1), body.size() - 1) + 1;
        }
        if (at == 0) return dashed ? LineKind::item : LineKind::other;
    }
    std::size_t mark = at;
    while (mark < body.size() && body[mark] == ' ') ++mark;
    if (mark < body.size() && body[mark] == ':' &&
        (mark + 1 >= body.size() || body[mark + 1] == ' ')) {
        if (lacks_value(body.substr(mark + 1))) return LineKind::opener;
        const char last = content.back();
        return last == '{' || last == '[' || last == '|' || last == '>' ? LineKind::opener
                                                                        : LineKind::member;
    }
    if (mark < body.size() && body[mark] == '=' &&
        (mark + 1 >= body.size() || body[mark + 1] != '=')) {
        const char last = content.back();
        return mark + 1 >= body.size() || last == '[' || last == '{' ? LineKind::opener
                                                                     : LineKind::member;
    }
    return dashed ? LineKind::item : LineKind::other;
}

// "INSERT INTO ...;", "2024-05-01 12:00 ...", "[12:03] ...": each line is a separate entry.
bool is_entry_line(std::string_view content) {
    if (content.starts_with("INSERT INTO") || content.starts_with("insert into")) return true;
    return begins_turn(content) && (content[0] == '[' || (content[0] >= '0' && content[0] <= '9'));
}

// Whether a line is a statement of code: a definition, an import, a control statement, a call.
bool is_statement(std::string_view content) {
    for (const std::string_view opening :
         {"def ", "import ", "from ", "return", "if ", "class ", "for ", "@", "print("})
        if (opens(content, opening)) return true;
    return content.ends_with(");") || content.ends_with(") {") ||
           (content.ends_with(')') && content.find("= ") != std::string_view::npos);
}

}  // namespace

std::size_t OutlineReader::take_json(std::size_t i) {
    const std::string_view here = content(i);
    if ((here[0] != '{' && here[0] != '[') || wasted_ > 2 * text_.size()) return 0;
    if (here[0] == '[' && kind(i) == LineKind::section && is_above_values(i)) return 0;
    // JSON indented over several lines is read line by line, as a record.
    if (here.size() == 1 && !blank(i + 1) && line(i + 1).indent > line(i).indent) {
        if (record_end(i, kTold) > i) return 0;
    }
    std::vector<std::size_t> cuts;
    const JsonValue value =
        read_json(text_, line(i).first, std::min<std::size_t>(options_.room, 400), cuts, stop_);
    std::size_t after = value.end;
    if (value.valid) {
        while (after < text_.size() && text_[after] != '\n' &&
               skip_space(text_, after, after + 1) > after)
            ++after;
        if (after < text_.size() && text_[after] == ',') ++after;
        if (after < text_.size() && text_[after] == '\r') ++after;
    }
    if (!value.valid || (after < text_.size() && text_[after] != '\n')) {
        wasted_ += value.end - line(i).first;
        return 0;
    }
    close_lists(-1);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    std::size_t begin = line(i).first;
    // A short value, such as a line of JSON Lines, is one entry.
    if (value.end - begin > std::min<std::size_t>(options_.room, 400))
        for (const std::size_t cut : cuts) {
            add_cut(begin, trim_space(text_, begin, cut), SpanKind::record, need);
            begin = skip_space(text_, cut, value.end);
        }
    add_cut(begin, value.end, SpanKind::record, need);
    close_block(first);
    lead_ = {};
    std::size_t k = i;
    while (k < count() && line(k).next <= after) ++k;
    return std::max(k + (k < count() && line(k).begin < after ? 1 : 0), i + 1);
}

// The last line of the data that begins at line i, within about `most` lines; i itself if the lines
// are not data.
std::size_t OutlineReader::record_end(std::size_t i, std::size_t most) const {
    const bool known = options_.format == Format::record;
    std::size_t members = 0, openers = 0, total = 0, last = i, plain = 0;
    for (std::size_t k = i; !blank(k) || (k > i && filled(k) < count()); ++k) {
        if (k >= count()) break;
        if (blank(k)) {
            if (known || line(filled(k)).indent > line(i).indent || openers > 0) {
                k = filled(k) - 1;
                continue;
            }
            break;
        }
        const std::string_view here = content(k);
        if (fence_size(here) > 0 ||
            (!known && (here.starts_with("## ") || here.starts_with(".. "))))
            break;
        const LineKind what = kind(k);
        if (what == LineKind::other && !known && line(k).indent <= line(i).indent) break;
        ++total;
        members += what == LineKind::member;
        openers +=
            what == LineKind::opener && !blank(k + 1) && line(k + 1).indent >= line(k).indent;
        plain += what == LineKind::member && here.size() > 100 && here.back() == '.';
        last = k;
        if (total > most) break;
    }
    if (known) return last > i || total > 0 ? std::max(last, i) : i;
    if (last == i || total < 2) return i;
    const std::size_t keyed = members + openers;
    if (keyed < 2 || plain * 2 > keyed || (2 * keyed < total && openers == 0)) return i;
    return last;
}

// Whether the lines i .. last contain statements of code, so that they are not data.
bool OutlineReader::states_code(std::size_t i, std::size_t last) const {
    std::size_t code = 0, total = 0;
    for (std::size_t k = i; k <= last && total < kTold; ++k) {
        if (blank(k)) continue;
        ++total;
        code += is_statement(content(k));
    }
    return code > 0 && 8 * code >= total;
}

LineKind OutlineReader::kind(std::size_t i) const {
    if (kinds_[i] != LineKind::unread) return kinds_[i];
    const LineKind what = kind_of(content(i));
    const bool array = what == LineKind::section && may_be_array(content(i)) && !is_above_values(i);
    return kinds_[i] = array ? LineKind::other : what;
}

// Whether the first line below line i that is no comment sets a value, or is the title of another
// section of settings.
bool OutlineReader::is_above_values(std::size_t i) const {
    std::size_t below = filled(i + 1);
    LineKind what = LineKind::comment;
    for (std::size_t k = 0; k < kComments && what == LineKind::comment; ++k) {
        if (below >= count()) return options_.format == Format::record;
        what = kind_of(content(below));
        if (what == LineKind::comment) below = filled(below + 1);
    }
    if (what == LineKind::section) return options_.format == Format::record;
    const bool keyed = what == LineKind::member || what == LineKind::opener;
    return keyed && content(below).find('=') < content(below).find(':');
}

// Whether line i is a key with its value, a key that opens a nested block, or a section.
bool OutlineReader::keyed(std::size_t i) const {
    if (blank(i)) return false;
    const LineKind what = kind(i);
    return what == LineKind::member || what == LineKind::opener || what == LineKind::section;
}

std::size_t OutlineReader::take_records(std::size_t i) {
    if (options_.format == Format::code || options_.format == Format::table ||
        wasted_ > 4 * text_.size())
        return 0;
    if (options_.format == Format::record) {
        add_records(i, record_end(i, kMostLines));
        return std::max(i, record_last_) + 1;
    }
    // Comments belong to the data below them.
    std::size_t first = i;
    while (!blank(first) && first < i + kComments && kind(first) == LineKind::comment) ++first;
    if (blank(first)) return 0;
    if (!keyed(first) && kind(first) != LineKind::closer) return 0;
    if (first > i && content(i).starts_with("##")) return 0;
    const std::string_view here = content(first);
    std::size_t last = first;
    if (kind(first) == LineKind::section) {
        std::size_t below = filled(first + 1);
        while (below < count() && kind(below) == LineKind::comment) below = filled(below + 1);
        if (!keyed(below) || kind(below) == LineKind::section ||
            line(below).indent != line(first).indent)
            return 0;
        last = std::max(record_end(below, kMostLines), below);
        if (states_code(first, last)) return 0;
    } else {
        if (here.ends_with("::")) return 0;
        last = record_end(first, kTold);
        if (last == first || states_code(first, last)) return 0;
        // The first lines look like data: read the whole block.
        const std::size_t seen = last;
        last = record_end(first, kMostLines);
        if (last == first) {
            wasted_ += line(std::min(first + kMostLines, count() - 1)).last - line(seen).last;
            return 0;
        }
    }
    add_records(i, last);
    return last + 1;
}

// Append lines i .. last as members; each needs the nearest name above it with less indentation.
void OutlineReader::add_records(std::size_t i, std::size_t last) {
    close_lists(-1);
    const std::int32_t block = next_unit();
    // The lines without an owner in this block need the lead-in of the block.
    const std::int32_t outer = owner(line(i).indent);
    const std::int32_t lead = kind(i) == LineKind::section ? outer : lead_or_owner(i);
    openers_.clear();
    const std::int32_t subject = record_subject(i, last, lead);
    std::int32_t comment = kNoSpan;  // the one-line comment directly above
    std::size_t said = i;            // the first line below a comment that is none
    for (std::size_t k = i; k <= last; ++k) {
        if (blank(k)) {
            comment = kNoSpan;
            continue;
        }
        const LineKind what = kind(k);
        if (what == LineKind::section && (line(k).indent == 0 || owns_values(k))) {
            owners_.clear();
            heading_ = add_line(k, SpanKind::heading, kNoSpan, kLabel);
            comment = kNoSpan;
            continue;
        }
        if (said <= k) said = k + 1;
        while (what == LineKind::comment && said < last &&
               (blank(said) || kind(said) == LineKind::comment))
            ++said;
        // A comment with a smaller indentation than the line below it does not end a block.
        const bool shallow =
            what == LineKind::comment && said <= last && line(said).indent > line(k).indent;
        std::int32_t owning = record_owner(shallow ? said : k);
        if (owning == outer) owning = k == i ? lead : subject;
        if (k == i && subject != lead) continue;
        if (what == LineKind::comment) {
            const bool last_of_them = !blank(k + 1) && k < last && kind(k + 1) != LineKind::comment;
            const std::int32_t unit = add_line(k, SpanKind::record, owning, kFiller);
            comment = last_of_them && comment == kNoSpan ? unit : kNoSpan;
        } else if (what == LineKind::closer && !opens_more(k, last)) {
            add_closer(k, owning);
            comment = kNoSpan;
        } else {
            const std::int32_t unit = add_record(k, last, owning);
            // Without a key, the members of an entry are known by the one that identifies it.
            if (is_identity(k, unit)) owners_.back().unit = unit;
            // A one-line comment is shown with the member below it.
            if (comment != kNoSpan) tie(unit, comment);
            comment = kNoSpan;
        }
    }
    close_block(block);
    lead_ = {};
    record_last_ = last;
}

// Whether the line below line k sets a value, so that line k is the title of a section.
bool OutlineReader::owns_values(std::size_t k) const {
    return !blank(k + 1) && kind(k + 1) == LineKind::member &&
           content(k + 1).find('=') != std::string_view::npos;
}

// The key of a line, up to its colon or sign; empty if it has none.
std::string_view key_of(std::string_view content) {
    const std::size_t end = content.find_first_of(":=");
    return end == content.npos ? std::string_view{} : content.substr(0, end);
}

// Several records separated by blank lines that share their first key, such as "Patient: ...": the
// first line identifies the record. Append it as the name of the lines below it; return the unit
// that these lines need.
std::int32_t OutlineReader::record_subject(std::size_t i, std::size_t last, std::int32_t lead) {
    const std::string_view key = key_of(content(i));
    const std::size_t next = filled(last + 1);
    const bool member = kind(i) == LineKind::member && last > i && !blank(i + 1);
    const bool again =
        !key.empty() && (key == subject_key_ || (next < count() && key_of(content(next)) == key));
    if (!member || !again || line(i + 1).indent > line(i).indent || content(i)[0] == '-')
        return lead;
    subject_key_ = key;
    return add_line(i, SpanKind::name, lead, kLabel);
}

// The unit that owns line k of a record. A list may have the same indentation as its key.
std::int32_t OutlineReader::record_owner(std::size_t k) {
    const int indent = line(k).indent;
    if (content(k)[0] != '-') return owner(indent);
    const std::int32_t above = owner(indent + 1);
    if (owners_.empty() || owners_.back().indent != indent) return above;
    const Unit& unit = units_[static_cast<std::size_t>(owners_.back().unit)];
    const bool key = unit.kind == SpanKind::name && text_[unit.start] != '-';
    return key ? above : owner(indent);
}

// Whether a line of brackets opens a deeper block below it.
bool OutlineReader::opens_more(std::size_t k, std::size_t last) const {
    const std::string_view said = content(k);
    const std::size_t below = filled(k + 1);
    return (said.back() == '{' || said.back() == '[' || said.back() == '(') && below <= last &&
           line(below).indent > line(k).indent;
}

std::int32_t OutlineReader::add_record(std::size_t k, std::size_t last, std::int32_t owning) {
    const std::string_view said = content(k);
    const int indent = line(k).indent;
    const LineKind what = this->kind(k);
    const bool dashed = said[0] == '-';
    std::size_t below = filled(k + 1);
    while (below <= last && below < k + kComments && kind(below) == LineKind::comment)
        below = filled(below + 1);
    const bool inside = below <= last;
    const bool deeper = inside && line(below).indent > indent;
    const bool brackets = opens_more(k, last);
    const bool names = what == LineKind::opener || said.back() == ':';
    const bool opens =
        deeper && (names || dashed || said.back() == '(') && kind(below) != LineKind::closer;
    const bool opens_list = inside && what == LineKind::opener && !dashed &&
                            line(below).indent == indent && content(below).starts_with("- ");
    // A key that the text ends with: what it names is cut off.
    if (what == LineKind::opener && below >= count() && !units_.empty())
        return add_line(k, SpanKind::name, owning, kLabel);
    if (!opens && !opens_list && !brackets) {
        const std::int32_t unit = add_cut(line(k).first, line(k).last, SpanKind::record, owning);
        // A value over several lines: the others need the first, which has the key. Deeper keys
        // below a whole value are not a part of it: the text begins inside its first line.
        const bool goes_on = deeper && (!keyed(below) || said.back() == ',');
        if (goes_on && kind(below) != LineKind::closer) own(indent, unit);
        return unit;
    }
    const SpanKind kind = what == LineKind::closer ? SpanKind::fence : SpanKind::name;
    const std::int32_t unit = add_line(k, kind, owning, kLabel);
    own(indent, unit);
    openers_.push_back({indent, unit});
    return unit;
}

// Whether line k, whose unit was just appended, is the first member of an entry of a list and
// identifies it: "name": "billing" in one of several {...}, <id>7</id> in one of several <order>.
bool OutlineReader::is_identity(std::size_t k, std::int32_t unit) const {
    if (owners_.size() < 2 || owners_.back().unit != unit - 1) return false;  // not in a list
    if (kind(k) != LineKind::member || content(k).size() > kLongIdentity) return false;
    const Unit& above = units_[static_cast<std::size_t>(unit) - 1];
    const std::string_view opener =
        text_.substr(above.start, trim_space(text_, above.start, line(k).first) - above.start);
    const bool keyless = opener == "{" || (opener[0] == '<' && opener.find('=') == opener.npos);
    return keyless && names_entry(content(k));
}

// Append a closing bracket or tag and tie it to the opener with the same indentation.
void OutlineReader::add_closer(std::size_t k, std::int32_t owning) {
    const std::int32_t closing = add_line(k, SpanKind::fence, owning, kLabel);
    while (!openers_.empty() && openers_.back().indent > line(k).indent) openers_.pop_back();
    if (openers_.empty() || openers_.back().indent != line(k).indent) return;
    const std::int32_t opening = openers_.back().unit;
    openers_.pop_back();
    tie(opening, closing);
    units_[static_cast<std::size_t>(closing)].need = opening;
}

// A log or dump: lines that are separate entries, each with continuation lines, such as a
// traceback.
std::size_t OutlineReader::take_entries(std::size_t i) {
    if (!is_entry_line(content(i))) return 0;
    // Decide from the first lines whether this is a log, then find its end.
    std::size_t last = i, entries = 0, others = 0;
    const auto goes_on = [&](std::size_t k) { return !blank(k) && fence_size(content(k)) == 0; };
    for (std::size_t k = i; goes_on(k) && k < i + kTold; ++k) {
        if (const std::size_t end = trace_end(k); end > 0) k = end;
        const bool entry = is_entry_line(content(k));
        entries += entry;
        others += !entry && !in_frames(k);
        last = k;
    }
    if (entries < kEntries || 2 * entries < others) return 0;
    while (goes_on(last + 1)) ++last;
    close_lists(-1);
    const std::int32_t need = lead_or_owner(i);
    const std::int32_t first = next_unit();
    std::int32_t entry = need;      // what the lines below need: their entry or its exception
    std::int32_t failed = kNoSpan;  // the entry, or the exception, that the next exception explains
    for (std::size_t k = i; k <= last; ++k) {
        const bool begins = is_entry_line(content(k));
        const bool explains = !begins && failed != kNoSpan;
        if (const std::size_t end = explains ? trace_end(k) : 0; end > 0 && end <= last) {
            entry = add_trace(k, end, failed);
            tie(failed, entry);
            k = end;
            continue;
        }
        const bool exception = explains && names_exception(k);
        const std::int32_t unit = add_cut(line(k).first, line(k).last, SpanKind::record,
                                          begins      ? need
                                          : exception ? failed
                                                      : entry);
        if (exception) tie(failed, unit);
        if (begins || exception) entry = failed = unit;
    }
    close_block(first);
    lead_ = {};
    return last + 1;
}

}  // namespace ctxmem
