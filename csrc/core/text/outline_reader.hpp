// The parser that reads one text into its outline (outline.hpp).
//
// The reader visits the lines in order. Each `take_` function recognises one kind of block. It
// returns 0 if line i does not begin such a block; otherwise it appends the units of the whole
// block and returns the number of the line after it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/text/line_classifier.hpp"
#include "core/text/outline.hpp"

namespace ctxmem {

// Nesting depth up to which names are distinguished. It bounds the length of a chain of needs, so
// that selection stays linear.
constexpr std::size_t kDeepestOwner = 32;

// Whether the content may name a release in a change log: "version 1.33 - 2021-01-07".
bool names_release(std::string_view content);
// The number of stars before the title of a line, as in GNU NEWS: "* Changes in 1.2"; 0 if none.
std::size_t stars_of(std::string_view content);

// What a line of data is, from its first bytes (outline_records.cpp).
enum class LineKind : std::int8_t {
    unread = -1,
    other,
    member,
    opener,
    section,
    closer,
    comment,
    item
};

// Whether a text ends with a colon, before marks of emphasis.
bool ends_with_colon(std::string_view said);

class OutlineReader {
public:
    OutlineReader(std::string_view text, const OutlineOptions& options, StopToken& stop);
    void run();

    struct Unit {
        std::size_t start;  // bytes
        SpanKind kind;
        std::uint8_t flags;
        std::int32_t need, also, block;
    };
    // Invariant: `start` is strictly ascending.
    const std::vector<Unit>& units() const { return units_; }

private:
    // A name or an item that owns the lines below it with a greater indentation.
    struct Owner {
        int indent;
        std::int32_t unit;
    };
    // The items of one level, while they are read.
    struct List {
        int indent;
        bool ordered;
        char style;                       // of the markers of its items, as style_of returns it
        std::int32_t lead;                // the unit that the items need
        std::vector<std::int32_t> items;  // the first unit of each item
        std::size_t bytes;
        std::size_t last;  // line of the last item
    };
    // The last sentence of the previous block, which may introduce the next block.
    struct Lead {
        std::int32_t unit = kNoSpan;
        std::size_t line = 0;  // the last line of its block
        int indent = 0;
        bool colon = false;
        bool literal = false;  // ends with ::, so deeper lines are code
    };

    // Lines ------------------------------------------------------------------------------------
    std::size_t count() const { return lines_.size(); }
    const Line& line(std::size_t i) const { return lines_[i]; }
    std::string_view content(std::size_t i) const {
        return text_.substr(lines_[i].first, lines_[i].last - lines_[i].first);
    }
    bool blank(std::size_t i) const { return i >= lines_.size() || lines_[i].blank(); }
    bool after_blank(std::size_t i) const { return i == 0 || lines_[i - 1].blank(); }
    // The first line at or after i that is not blank; count() if there is none.
    std::size_t filled(std::size_t i) const { return i < count() ? filled_[i] : count(); }
    // The last non-blank line of the run that starts at i and whose lines are blank or deeper than
    // `indent`.
    std::size_t deeper_end(std::size_t i, int indent) const;

    // Units ------------------------------------------------------------------------------------
    std::int32_t next_unit() const { return static_cast<std::int32_t>(units_.size()); }
    std::int32_t add(std::size_t begin, SpanKind kind, std::int32_t need, unsigned flags = 0);
    std::int32_t add_line(std::size_t i, SpanKind kind, std::int32_t need, unsigned flags = 0) {
        return add(lines_[i].first, kind, need, flags);
    }
    // Append text[begin, end) as units of one kind, each at most `room` bytes; returns the first.
    std::int32_t add_cut(std::size_t begin, std::size_t end, SpanKind kind, std::int32_t need,
                         unsigned flags = 0);
    void add_parts(std::size_t begin, std::size_t end, SpanKind kind, std::int32_t need,
                   unsigned flags);
    // Append the sentences of text[begin, end) with their dependencies; returns the first.
    std::int32_t add_sentences(std::size_t begin, std::size_t end, std::size_t scan, SpanKind kind,
                               std::int32_t need);
    void point_back(std::int32_t sentence, std::string_view said, bool same_block);
    void tie_back(std::int32_t sentence, std::int32_t to);
    bool tie_exception(std::int32_t rule, std::int32_t sentence, std::string_view said);
    void restrict_parts(std::int32_t first, std::int32_t clause, std::int32_t unit);
    void close_block(std::int32_t first);
    void flag(std::int32_t unit, unsigned flags) {
        units_[static_cast<std::size_t>(unit)].flags |= static_cast<std::uint8_t>(flags);
    }
    void tie(std::int32_t unit, std::int32_t also) {
        units_[static_cast<std::size_t>(unit)].also = also;
    }
    // The unit that owns a block whose first line has this indentation, or the last heading.
    std::int32_t owner(int indent);
    void own(int indent, std::int32_t unit) {
        if (owners_.size() < kDeepestOwner) owners_.push_back({indent, unit});
    }
    // The lead-in of the block that begins at line i, now flagged as such; without one, the owner.
    std::int32_t lead_or_owner(std::size_t i);
    void introduce_sections();

    void forget_lead_ins();
    std::size_t take(std::size_t i);
    // Whether line i begins a new block rather than continuing a paragraph. `running_stops`: the
    // line before it may end a paragraph.
    bool starts_block(std::size_t i, bool running_stops) const;
    bool stops(std::string_view said) const;

    // Paragraphs, headings: outline.cpp
    std::size_t take_heading(std::size_t i);
    int heading_level(std::size_t i, std::size_t last) const;
    void add_heading(std::size_t i, std::size_t last, int level);
    std::size_t take_stray(std::size_t i);
    std::size_t take_torn(std::size_t begin, std::size_t end);
    std::size_t after_answer(std::size_t begin, std::size_t end) const;
    bool asks_above(std::size_t begin) const;
    void tie_answer(std::int32_t first);
    bool announces(std::string_view said, std::size_t last) const;
    std::size_t take_paragraph(std::size_t i);
    bool titles(std::size_t i) const;
    bool underlines(std::size_t i) const;
    std::size_t paragraph_end(std::size_t i) const;

    // Badges, comments and lines of tags: outline_decoration.cpp
    std::size_t take_decoration(std::size_t i);

    // Contracts and laws: outline_clauses.cpp
    std::size_t take_clause_title(std::size_t i);
    std::size_t after_clause_title(std::size_t begin, std::size_t end) const;
    bool numbers_title(std::size_t i, std::size_t next) const;

    // Questions and answers: outline_questions.cpp
    void count_questions();
    bool asks(std::size_t i) const;
    std::size_t take_question(std::size_t i);
    bool is_answered(std::size_t i, std::size_t next) const;
    bool is_question_of_text(std::size_t i) const;

    // Patches: outline_patches.cpp
    std::size_t take_patch(std::size_t i);
    std::size_t patch_end(std::size_t i) const;
    char mark(std::size_t i) const { return text_[lines_[i].begin]; }
    bool begins_file(std::size_t i) const;
    bool begins_hunk(std::size_t i) const;
    bool begins_patch(std::size_t i) const { return begins_file(i) || begins_hunk(i); }
    bool begins_inside_hunk(std::size_t i) const;
    std::size_t file_end(std::size_t i) const;
    std::size_t hunk_end(std::size_t i) const;
    void add_hunk(std::size_t first, std::size_t last, std::int32_t need);

    // Change logs: outline_changes.cpp
    bool releases(std::size_t i) const;
    bool outlines(std::size_t i) const;
    std::size_t take_signature(std::size_t i);

    // Lists, entries, directives: outline_lists.cpp
    std::size_t take_item(std::size_t i);
    void tie_to_first(std::int32_t first, std::int32_t lead, bool point);
    bool go_on_with_list(int indent, char style);
    std::int32_t lead_of_list(std::size_t i, bool begins);
    bool is_long_sentence(std::int32_t unit, std::size_t read) const;
    std::size_t nested_end(std::size_t i, std::size_t last, int indent) const;
    std::size_t take_directive(std::size_t i);
    std::size_t take_entry(std::size_t i);
    void close_lists(int indent);
    void close_list(List& list);
    std::size_t item_end(const List& list) const;
    std::int32_t find_warning(std::int32_t from, std::int32_t stop, std::size_t end) const;
    void tie_warnings(const List& list);
    void tie_last(std::int32_t item, std::int32_t other);

    // Dialogue: outline_dialogue.cpp
    void count_turns();
    std::size_t words_of_turn(std::size_t i) const;
    bool begins_cue(std::size_t i) const;
    bool speaks(std::size_t i) const;
    std::size_t take_turn(std::size_t i);
    std::size_t take_cue(std::size_t i);
    std::int32_t add_turn(std::size_t i, std::size_t last, std::size_t words, std::int32_t need);
    std::size_t turn_end(std::size_t i) const;
    bool goes_on(std::size_t i) const;

    // Pages: outline_pages.cpp
    void add_lines(const Line& whole);
    std::size_t take_page_block(std::size_t i);
    void add_rest(std::size_t begin, std::size_t end);

    // Tables: outline_tables.cpp
    std::size_t take_table(std::size_t i);
    std::size_t take_pipes(std::size_t i);
    std::size_t take_grid(std::size_t i);
    std::size_t take_simple(std::size_t i);
    std::size_t take_aligned(std::size_t i);
    bool aligns_numbers(std::size_t i, std::size_t last) const;
    std::size_t take_columns(std::size_t i);
    std::size_t take_html_table(std::size_t i);
    std::size_t take_separated(std::size_t i);
    std::size_t quoted_end(std::size_t i) const;

    // Code: outline_code.cpp
    bool underlines_title(std::size_t i) const;
    bool is_fenced_source() const;
    bool among_code(std::size_t i, std::size_t last) const;
    std::size_t string_end(std::size_t i) const;
    void find_quoted_lines();
    std::size_t fence_end(std::size_t i, char mark, std::size_t size) const;
    bool quoted(std::size_t i) const { return !quoted_.empty() && quoted_[i]; }
    void find_torn_fence();
    std::size_t take_fence(std::size_t i);
    std::size_t take_literal(std::size_t i, int indent, std::int32_t need);
    std::size_t take_doctest(std::size_t i);
    std::size_t take_code(std::size_t i);
    void add_code(std::size_t first, std::size_t last, std::int32_t need, unsigned flags,
                  int depth);
    void add_groups(std::size_t first, std::size_t last, std::int32_t need, unsigned flags,
                    int depth);
    void add_clauses(std::size_t first, std::size_t last, int base, std::int32_t need,
                     unsigned flags, int depth);
    std::size_t quote_end(std::size_t k, std::size_t last) const;
    void add_quote(std::size_t first, std::size_t last, std::int32_t need, unsigned flags);
    std::size_t group_end(std::size_t k, std::size_t last, int base) const;
    int evidence(std::size_t i) const {
        if (evidence_[i] == kUnread)
            evidence_[i] = static_cast<std::int8_t>(code_evidence(lines_[i], content(i)));
        return evidence_[i];
    }
    bool starts_code(std::size_t i, bool running) const;
    bool continues_code(std::size_t i, int base) const;
    bool ends_torn_code(std::size_t i) const;
    bool below_paragraph(std::size_t i) const;
    bool comments_code(std::size_t i) const;

    // Tracebacks: outline_traces.cpp
    std::size_t trace_end(std::size_t i) const;
    bool names_exception(std::size_t i) const;
    bool in_frames(std::size_t i) const;
    std::int32_t add_trace(std::size_t i, std::size_t end, std::int32_t need);
    std::size_t take_trace(std::size_t i);

    // Records: outline_records.cpp
    std::size_t take_json(std::size_t i);
    std::size_t take_records(std::size_t i);
    std::size_t take_entries(std::size_t i);
    LineKind kind(std::size_t i) const;
    bool is_above_values(std::size_t i) const;
    bool keyed(std::size_t i) const;
    bool states_code(std::size_t i, std::size_t last) const;
    bool opens_more(std::size_t k, std::size_t last) const;
    void add_records(std::size_t i, std::size_t last);
    std::int32_t add_record(std::size_t k, std::size_t last, std::int32_t owning);
    void add_closer(std::size_t k, std::int32_t owning);
    bool is_identity(std::size_t k, std::int32_t unit) const;
    std::int32_t record_owner(std::size_t k);
    bool owns_values(std::size_t k) const;
    std::int32_t record_subject(std::size_t i, std::size_t last, std::int32_t lead);
    std::size_t record_end(std::size_t i, std::size_t most) const;

    std::string_view text_;
    OutlineOptions options_;
    StopToken& stop_;
    std::vector<Line> lines_;
    std::vector<std::size_t> filled_;
    // What `evidence` and `kind` returned for each line: several kinds of blocks ask for it.
    static constexpr std::int8_t kUnread = -1;
    mutable std::vector<std::int8_t> evidence_;
    mutable std::vector<LineKind> kinds_;
    std::vector<Unit> units_;
    std::vector<Owner> above_;  // the last heading and its ancestors; `indent` is the level
    std::vector<Owner> owners_, openers_;  // openers_: units of a record that are not closed yet
    std::size_t record_last_ = 0;
    std::string_view subject_key_;  // the first key that several consecutive records share
    std::vector<List> lists_;
    Lead lead_;
    std::int32_t heading_ = kNoSpan;
    std::int32_t release_ = kNoSpan;     // the heading of the last release
    char release_mark_ = 0;              // '*' if stars mark it, the mark of its underline, or 0
    std::int32_t antecedent_ = kNoSpan;  // the last sentence without an anaphoric opener
    std::int32_t antecedent_end_ = 0;    // the unit after the sentences that may refer to it
    std::vector<bool> quoted_;    // lines in which a fence is part of code; empty if there are none
    std::size_t torn_close_ = 0;  // line of the closing fence whose opening fence is missing
    bool torn_ = false;
    bool fenced_ = false;  // the line that is split is inside a fence
    bool dialogue_ = false;
    std::int32_t voice_ = kNoSpan;  // the last cue of a transcript that names its speaker
    std::size_t questions_ = 0;     // paragraphs that end with a question mark
    bool answered_ = false;         // a question with its answer has been read
    std::vector<std::size_t> cuts_;
    std::vector<std::int32_t> of_sections_;  // lead-ins of headings or entries, ascending
    std::size_t wasted_ = 0;                 // bytes read ahead without finding a block
};

}  // namespace ctxmem
