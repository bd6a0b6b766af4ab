#include "core/spans.hpp"

#include <algorithm>
#include <cassert>

#include "core/json_cuts.hpp"
#include "core/lines.hpp"
#include "core/sentences.hpp"

namespace ctxmem {
namespace {

constexpr int kBlockLines = 30;

// Reads one text line by line and notes where its spans start.
// Invariant: starts_ ascends strictly, and kinds_ says what begins at each; so a span needs no end.
class Splitter {
public:
    explicit Splitter(std::string_view text) : text_(text) {}

    void run() {
        std::size_t at = 0;
        while (at < text_.size()) at = take(line_at(text_, at));
        close_paragraph();
        if (starts_.empty() || starts_.front() > 0) {
            starts_.insert(starts_.begin(), 0);
            kinds_.insert(kinds_.begin(), SpanKind::other);
        }
    }

    const std::vector<std::size_t>& starts() const { return starts_; }
    const std::vector<SpanKind>& kinds() const { return kinds_; }

private:
    struct Paragraph {
        bool open = false;
        SpanKind kind = SpanKind::prose;
        std::size_t begin = 0;
        std::size_t end = 0;
        std::size_t scan = 0;  // where sentences may end from: after a list item's marker
        int lines = 0;
        bool quoted = false;  // its lines begin with >
    };
    struct Block {
        bool open = false;
        std::size_t begin = 0;
        int indent = 0;       // of its first line
        int lines = 0;        // without the fence
        bool deeper = false;  // a line after the first was indented further
    };

    std::string_view content(const Line& line) const {
        return text_.substr(line.first, line.last - line.first);
    }

    // Take in one line; returns where the next begins.
    std::size_t take(const Line& line) {
        if (fence_ > 0) {
            take_fenced(line);
        } else if (line.blank()) {
            close_paragraph();
            after_blank_ = true;
            table_ = false;
        } else {
            const std::size_t next = take_content(line);
            after_blank_ = false;
            return next;
        }
        return line.next;
    }

    std::size_t take_content(const Line& line) {
        const std::string_view here = content(line);
        if (const std::size_t size = fence_size(here); size > 0) {
            open_fence(line, here[0], size);
            return line.next;
        }
        if (in_code_ && continues_code(line, here)) {
            add_code(line);
            return line.next;
        }
        in_code_ = false;
        block_.open = false;
        if (here[0] == '{' || here[0] == '[')
            if (const std::size_t next = take_json(line); next > 0) return next;
        if (take_table_row(line, here) || take_heading(line, here) || take_item(line, here))
            return line.next;
        if (starts_code(line, here)) {
            close_paragraph();
            in_code_ = true;
            base_ = line.indent;
            add_code(line);
            return line.next;
        }
        take_prose(line, here);
        return line.next;
    }

    // Prose and list items ---------------------------------------------------------------------

    void take_prose(const Line& line, std::string_view here) {
        const bool quoted = here[0] == '>';
        if (paragraph_.open && !begins_turn(here) && !line.wide_indent &&
            quoted == paragraph_.quoted) {
            paragraph_.end = line.last;
            ++paragraph_.lines;
            return;
        }
        if (!paragraph_.open && line.indent == 0) in_list_ = false;
        close_paragraph();
        if (titles(line, here)) {
            add(line.first, line.last, SpanKind::heading);
            return;
        }
        paragraph_ = {true, SpanKind::prose, line.first, line.last, line.first, 1, quoted};
    }

    // Is this line the title of the text below it: in capitals, or a short first line of the text?
    bool titles(const Line& line, std::string_view here) const {
        if (here.size() > 100 || line.next >= text_.size()) return false;
        const Line below = line_at(text_, line.next);
        if (below.blank()) return false;
        const std::string_view there = content(below);
        if (is_title(here)) return !is_title(there);
        const auto head = static_cast<unsigned char>(there[0]);
        const bool opens = (head >= 'A' && head <= 'Z') || head == '"' || head >= 0x80;
        return starts_.empty() && here.size() <= 60 && there.size() > 3 * here.size() / 2 &&
               there.size() > 50 && opens && is_terse(here) && !begins_turn(here) &&
               here.back() != ',' && here.back() != ';' && here.back() != ':';
    }

    bool take_item(const Line& line, std::string_view here) {
        const Marker marker = marker_of(here);
        if (marker.size == 0) return false;
        const bool in_text = paragraph_.open && paragraph_.kind != SpanKind::list_item;
        if (in_text && !marker.bullet && !may_end_clause()) return false;
        close_paragraph();
        paragraph_ = {true, SpanKind::list_item, line.first, line.last, line.first + marker.size,
                      1,    false};
        in_list_ = true;
        return true;
    }

    // Does the open paragraph end as one that a numbered item may follow?
    bool may_end_clause() const {
        const std::string_view said =
            text_.substr(paragraph_.begin, paragraph_.end - paragraph_.begin);
        const auto last = static_cast<unsigned char>(said.back());
        return last >= 0x80 || std::string_view(".;:!?,)").find(said.back()) != said.npos ||
               said.ends_with(" and") || said.ends_with(" or");
    }

    void close_paragraph() {
        if (!paragraph_.open) return;
        paragraph_.open = false;
        const std::string_view said =
            text_.substr(paragraph_.begin, paragraph_.end - paragraph_.begin);
        if (paragraph_.lines == 1 && is_title(said)) {
            add(paragraph_.begin, paragraph_.end, SpanKind::heading);
            return;
        }
        sentence_starts(text_, paragraph_.begin, paragraph_.end, paragraph_.scan, starts_);
        kinds_.resize(starts_.size(), paragraph_.kind);
    }

    // Headings, rules, tables ------------------------------------------------------------------

    bool take_heading(const Line& line, std::string_view here) {
        const char rule = rule_of(here);
        if (rule != 0 && (rule == '=' || rule == '-') && paragraph_.open &&
            paragraph_.lines == 1 && paragraph_.kind == SpanKind::prose) {
            paragraph_.open = false;  // underlined
            add(paragraph_.begin, line.last, SpanKind::heading);
            return true;
        }
        if (rule == 0 && !is_heading(here)) return false;
        if (rule == 0 && comments_code(line, here)) return false;
        close_paragraph();
        in_list_ = false;
        add(line.first, line.last, rule != 0 ? SpanKind::other : SpanKind::heading);
        return true;
    }

    bool take_table_row(const Line& line, std::string_view here) {
        const bool bar = here.substr(0, 256).find('|') != here.npos;
        bool row = is_table_row(here) || (table_ && bar);
        if (!row && bar && line.next < text_.size()) {
            const Line below = line_at(text_, line.next);
            row = !below.blank() && is_table_rule(content(below));
        }
        table_ = row && bar;
        if (!row) return false;
        close_paragraph();
        in_list_ = false;
        add(line.first, line.last, SpanKind::table_row);
        return true;
    }

    // Add text[begin, end) as one span, or as several if it is too long.
    void add(std::size_t begin, std::size_t end, SpanKind kind) {
        assert(starts_.empty() || begin > starts_.back());
        if (end - begin > kLongest && kind != SpanKind::code)
            sentence_starts(text_, begin, end, begin, starts_);
        else
            cut_long(text_, begin, end, starts_);
        kinds_.resize(starts_.size(), kind);
    }

    // JSON -------------------------------------------------------------------------------------

    // Take the value that begins with this line, if it ends with a line; 0 if there is none.
    std::size_t take_json(const Line& line) {
        if (wasted_ > 2 * text_.size()) return 0;
        std::vector<std::size_t> cuts;
        const JsonValue value = read_json(text_, line.first, kLongest, cuts);
        std::size_t after = value.end;
        if (value.valid) {
            while (after < text_.size() && text_[after] != '\n' &&
                   skip_space(text_, after, after + 1) > after)
                ++after;
            if (after < text_.size() && text_[after] == ',') ++after;
            if (after < text_.size() && text_[after] == '\r') ++after;
        }
        if (!value.valid || (after < text_.size() && text_[after] != '\n')) {
            wasted_ += value.end - line.first;
            return 0;
        }
        close_paragraph();
        in_list_ = false;
        std::size_t begin = line.first;
        for (const std::size_t cut : cuts) {
            add(begin, cut, SpanKind::json);
            begin = skip_space(text_, cut, value.end);
        }
        add(begin, value.end, SpanKind::json);
        return after < text_.size() ? after + 1 : after;
    }

    // Code -------------------------------------------------------------------------------------

    int evidence(const Line& line) const { return code_evidence(line, content(line)); }

    bool continues_code(const Line& line, std::string_view here) const {
        if (line.indent > base_) return true;
        const bool comment = here[0] == '#' && here.substr(0, 2) != "##";
        if (comment) return !after_blank_ || comments_code(line, here);
        if (here[0] == '#' && is_heading(here)) return false;
        if (evidence(line) > 0) return marker_of(here).size == 0 || !after_blank_;
        if (marker_of(here).size > 0 || begins_turn(here)) return false;
        if (after_blank_ || !is_terse(here) || line.next >= text_.size()) return false;
        const Line below = line_at(text_, line.next);
        return !below.blank() && evidence(below) > 0;
    }

    bool starts_code(const Line& line, std::string_view here) const {
        if (begins_turn(here)) return false;
        const bool running = paragraph_.open && !may_end_clause();
        if (here[0] == '#' && is_heading(here)) return comments_code(line, here);
        int points = evidence(line);
        const bool has_below = line.next < text_.size();
        const Line below = has_below ? line_at(text_, line.next) : line;
        const bool followed = has_below && !below.blank();
        if (points < 2 && followed && opens_suite(here) && below.indent > line.indent &&
            marker_of(content(below)).size == 0)
            points = 2;
        if (points == 2)
            return !running || (followed && evidence(below) > 0);
        if (paragraph_.open) return false;
        if (points == 1 && followed && evidence(below) == 2) return true;
        // Indented code without a sign of it: prose that is indented opens with a capital.
        const auto head = static_cast<unsigned char>(here[0]);
        const bool opens_prose = (head >= 'A' && head <= 'Z') || head >= 0x80 || head == '"' ||
                                 head == '\'' || head == '(' || head == '>' ||
                                 (head >= '0' && head <= '9');
        return line.indent >= 4 && !in_list_ && (points == 1 || !opens_prose) &&
               (after_blank_ || line.begin == 0);
    }

    // Is this line, which looks like a heading, a comment: above code, or above another comment?
    bool comments_code(const Line& line, std::string_view here) const {
        if (here.substr(0, 2) == "##" || line.next >= text_.size()) return false;
        const Line below = line_at(text_, line.next);
        if (below.blank()) return false;
        const std::string_view there = content(below);
        return there[0] == '#' ? there.substr(0, 2) != "##" : evidence(below) > 0;
    }

    void add_code(const Line& line) {
        base_ = std::min(base_, line.indent);
        const bool closer = closes_block(content(line));
        bool fresh = !block_.open || line.last - block_.begin > kLongest;
        if (!fresh && block_.lines > 0)
            fresh = block_.lines >= kBlockLines ||
                    (!closer && (after_blank_ || line.indent < block_.indent ||
                                 (block_.deeper && line.indent <= block_.indent)));
        if (fresh) {
            add(line.first, line.last, SpanKind::code);
            block_ = {true, line.first, line.indent, 1, false};
            return;
        }
        if (block_.lines == 0) block_.indent = line.indent;
        block_.deeper |= line.indent > block_.indent;
        ++block_.lines;
    }

    void open_fence(const Line& line, char mark, std::size_t size) {
        close_paragraph();
        add(line.first, line.last, SpanKind::code);
        fence_ = size;
        fence_mark_ = mark;
        base_ = 0;
        block_ = {true, line.first, 0, 0, false};
    }

    void take_fenced(const Line& line) {
        if (line.blank()) {
            after_blank_ = true;
            return;
        }
        const std::string_view here = content(line);
        const bool closing = here[0] == fence_mark_ && fence_size(here) >= fence_ &&
                             here.find_first_not_of(fence_mark_) == here.npos;
        if (!closing) {
            add_code(line);
        } else {
            // The fence stays with its last block, unless the two are too long for one span.
            if (line.last - block_.begin > kLongest)
                add(line.first, line.last, SpanKind::code);
            fence_ = 0;
            in_code_ = false;
            block_.open = false;
        }
        after_blank_ = false;
    }

    std::string_view text_;
    std::vector<std::size_t> starts_;
    std::vector<SpanKind> kinds_;
    Paragraph paragraph_;
    Block block_;
    bool after_blank_ = false;
    bool table_ = false;    // rows with bars may go on
    bool in_list_ = false;  // indentation belongs to a list, not to code
    bool in_code_ = false;
    int base_ = 0;          // the least indentation of the code being read
    std::size_t fence_ = 0;
    char fence_mark_ = 0;
    std::size_t wasted_ = 0;  // bytes read for JSON that was none
};

std::int64_t code_points(std::string_view text) {
    std::int64_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return count;
}

}  // namespace

void append_spans(std::string_view text, Spans& spans) {
    if (!text.empty()) {
        Splitter splitter(text);
        splitter.run();
        const std::vector<std::size_t>& starts = splitter.starts();
        std::int64_t at = 0;
        for (std::size_t i = 0; i < starts.size(); ++i) {
            const std::size_t next = i + 1 < starts.size() ? starts[i + 1] : text.size();
            spans.start.push_back(at);
            at += code_points(text.substr(starts[i], next - starts[i]));
            spans.end.push_back(at);
            spans.kind.push_back(static_cast<std::uint8_t>(splitter.kinds()[i]));
        }
    }
    spans.first.push_back(static_cast<std::int64_t>(spans.start.size()));
}

Spans split_spans(std::span<const std::string_view> texts) {
    Spans spans;
    for (const std::string_view text : texts) append_spans(text, spans);
    return spans;
}

}  // namespace ctxmem
