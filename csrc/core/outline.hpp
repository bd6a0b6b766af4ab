// The outline of a text: its blocks cut into the units that are chosen, and what each needs to be
// understood.
//
// A unit is a sentence, a list item, a table row, a block of code, a member of a record, an entry's
// name, a heading. `need` names the unit without which it says something else or nothing: a row
// needs its header, the body of an entry its name, an item its lead-in, a passage its heading, a
// key the keys above it; `also` names one more: the closing fence of an opening one, the warning
// about a step, the sentence that "This" points back to, the next step of a short procedure. What
// a choice must hold is the closure over both, so several units that share a header pay for it
// once.
//
// Lines are read top to bottom. Every block begins with a line that says what it is (a fence, a
// marker, a border, a directive, a key ...) and ends where indentation or a blank line ends it; a
// stack of names and items by indentation knows what deeper lines belong to. Texts are pieces of
// documents: a table may have lost its header and code its fence, and flags say so. What is longer
// than `room` bytes is cut finer: code at statement groups that need the signature above them,
// anything else at lines, clauses, runs of words.
//
// White space belongs to the unit before it, indentation too. So units cover the text, each but a
// leading blank one starts with a character that is no white space, and units whose white space
// holds a newline add up exactly in tokens.
//
// Total: every text has an outline. Linear in the text: a line is classified from its first bytes
// and those of its neighbours, and look-ahead of whole blocks is paid for by the block or counted.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ctxmem {

enum class SpanKind : std::uint8_t {
    other = 0,  // white space at the beginning, rules, anchors
    prose = 1,
    heading = 2,
    list_item = 3,
    table_row = 4,
    code = 5,
    record = 6,  // a member, a line or an entry of data
    name = 7,    // what an entry, a key or a directive is called
    header = 8,  // of a table
    fence = 9,   // opens or closes code
    turn = 10,   // of a dialogue
    source = 11, // nothing of the text: the name of its source, which what has no heading needs
    lent = 12,   // nothing of the text: a header of another one, which its first rows may need
};

enum SpanFlag : std::uint8_t {
    kLabel = 1,      // names what is below it: never shown alone, and of no value by itself
    kLeadIn = 2,     // introduces what follows: never shown without something of that
    kHidden = 4,     // a stray mark: never shown
    kFiller = 8,     // an anchor, a rule, a comment: shown only beside what is shown
    kHeadless = 16,  // a row whose header is not in the text
    kUnopened = 32,  // code whose opening fence is not in the text
    kUnclosed = 64,  // code whose closing fence is not in the text
    kPart = 128,     // begins inside of a sentence or a line that was too long
};

// What the source's name says a text is.
enum class Format : std::uint8_t { unknown = 0, record = 1, table = 2, code = 3 };

constexpr std::int32_t kNoSpan = -1;

// The units of many texts in one table; those of text i are rows first[i] .. first[i + 1].
// Invariant: within a text start[k + 1] == end[k], so units cover it in order; offsets count code
// points (every byte that is no continuation byte counts as one). `need` and `also` are rows of the
// same text, or kNoSpan; `block` is the first row of the paragraph, list, table or code a row is of.
struct Outline {
    std::vector<std::int64_t> start, end;
    std::vector<std::uint8_t> kind, flags;
    std::vector<std::int32_t> need, also, block;
    std::vector<std::int64_t> first{0};
};

struct OutlineOptions {
    std::size_t room = 1600;  // bytes: what is longer is cut finer
    Format format = Format::unknown;
    bool named = false;  // begin with a unit of no length that stands for the name of the source
};

// Append the outline of one text: UTF-8, in which surrogates may stand as three bytes each.
// An empty text has no units.
void append_outline(std::string_view text, const OutlineOptions& options, Outline& outline);

}  // namespace ctxmem
