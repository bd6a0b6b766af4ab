// Sentences and their parts: which of them refer to another one, and which restrict one.
//
// A rule and the exception to it need each other: the exception in `need`, since it has the owner of
// its rule, and the rule in `also`. A rule that refers back to its antecedent keeps that in `need`
// then. These are no rings, which a selection may split in a small budget (window_problem.hpp).
#include <algorithm>
#include <array>

#include "core/text/openers.hpp"
#include "core/text/outline_exceptions.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kShortAntecedent = 80;  // bytes; a shorter antecedent is always tied
constexpr std::size_t kException = 120;       // bytes; a longer contrast is not tied to its rule
constexpr std::size_t kAntecedent = 280;      // bytes; a longer antecedent is never tied
constexpr std::size_t kRule = 600;            // bytes; an exception does not need a longer rule
constexpr std::size_t kGlued = 400;           // bytes; a longer "sentence" may be several lines
constexpr int kParts = 4;                     // of a sentence that need each other, at most

// Whether the lines look like separate entries rather than like wrapped running text.
bool is_glued(std::string_view text, std::size_t begin, std::size_t end) {
    text = text.substr(0, end);  // so that a search for a newline stops at `end`
    int lines = 0, fresh = 0;
    for (std::size_t at = text.find('\n', begin); at < end; at = text.find('\n', at + 1)) {
        const std::size_t next = skip_space(text, at, end);
        if (next >= end) break;
        const auto c = static_cast<unsigned char>(text[next]);
        ++lines;
        fresh += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '[' || c == '(';
    }
    return lines >= 2 && 5 * fresh >= 3 * lines;
}

// Whether a part ends with a mark, which is where a clause can end.
bool ends_at_mark(std::string_view part) {
    constexpr std::string_view kMarks = ",;:.!?)\"-";
    constexpr std::array kWide = {"\xE3\x80\x81", "\xE3\x80\x82", "\xEF\xBC\x8C",
                                  "\xEF\xBC\x9B", "\xEF\xBC\x9A", "\xD8\x8C"};
    if (!part.empty() && kMarks.find(part.back()) != kMarks.npos) return true;
    return std::any_of(kWide.begin(), kWide.end(),
                       [&](const char* mark) { return part.ends_with(mark); });
}

bool ends_clause(std::string_view part) {
    return part.ends_with(';') || part.ends_with("\xEF\xBC\x9B") || ends_with_colon(part);
}

}  // namespace

bool ends_with_colon(std::string_view said) {
    while (!said.empty() && (said.back() == '*' || said.back() == '_' || said.back() == '`'))
        said.remove_suffix(1);
    return said.ends_with(':') || said.ends_with("\xEF\xBC\x9A");  // the wide colon too
}

// Append a line or sentence, cut into parts if it is too long.
void OutlineReader::add_parts(std::size_t begin, std::size_t end, SpanKind kind, std::int32_t need,
                              unsigned flags) {
    cuts_.clear();
    cut_long(text_, begin, end, options_.room, cuts_, stop_);
    const bool spoken = kind != SpanKind::code && kind != SpanKind::record && cuts_.size() > 1;
    std::int32_t on = need;                // the parts after a colon need the part before it
    std::int32_t clause = next_unit();     // the first part of this clause, or of a part of it
    bool ended = true, condition = false;  // the clause has ended; a condition goes on
    // Where speech without marks is cut at spaces, nothing says what a word in a part restricts.
    const bool unmarked = cuts_.size() > kParts;
    bool after_mark = true;
    bool excepted = false;  // the clause has an exception, which may have further parts
    for (std::size_t k = 0; k < cuts_.size(); ++k) {
        const std::size_t stop = k + 1 < cuts_.size() ? cuts_[k + 1] : end;
        const std::string_view said =
            text_.substr(cuts_[k], trim_space(text_, cuts_[k], stop) - cuts_[k]);
        const std::int32_t unit = add(cuts_[k], kind, on, flags | (k > 0 ? unsigned{kPart} : 0u));
        if (k + 1 < cuts_.size() && ends_with_colon(said)) on = unit;
        if (!spoken) continue;
        stop_.check(4 * said.size());
        const bool known = after_mark || !unmarked;
        const bool restricts = k > 0 && known && restricts_clause(said, !ended);
        after_mark = ends_at_mark(said);
        if ((ended && !restricts) || unit - clause > kParts) {
            clause = unit;
            condition = states_condition(said);
            excepted = !condition && restricts_clause(said, true);
            condition = condition || excepted;
        } else if (restricts) {
            restrict_parts(said.size() <= kException ? clause : unit - 1, clause, unit);
            condition = excepted = true;
        } else if (condition && known) {
            units_[static_cast<std::size_t>(unit)].need = unit - 1;
            if ((unit == clause + 1 || excepted) &&
                units_[static_cast<std::size_t>(unit) - 1].also == kNoSpan)
                tie(unit - 1, unit);
        }
        ended = ends_clause(said);
    }
}

// Part `unit` restricts the parts from `clause` on: it needs them, and those from `first` on need it.
void OutlineReader::restrict_parts(std::int32_t first, std::int32_t clause, std::int32_t unit) {
    for (std::int32_t part = clause; part < unit; ++part) {
        units_[static_cast<std::size_t>(part) + 1].need = part;
        if (part >= first && units_[static_cast<std::size_t>(part)].also == kNoSpan)
            tie(part, unit);
    }
}

std::int32_t OutlineReader::add_sentences(std::size_t begin, std::size_t end, std::size_t scan,
                                          SpanKind kind, std::int32_t need) {
    const std::int32_t first = next_unit();
    std::vector<std::size_t> starts;
    sentence_starts(text_, begin, end, scan, text_.size() + 8, starts, stop_);
    std::int32_t before = kNoSpan;
    int exceptions = 0;  // that follow each other
    for (std::size_t k = 0; k < starts.size(); ++k) {
        const std::size_t next = k + 1 < starts.size() ? starts[k + 1] : end;
        const std::size_t last = trim_space(text_, starts[k], next);
        const std::int32_t sentence = next_unit();
        stop_.check(100 + (last - starts[k]));
        if (last - starts[k] > kGlued && is_glued(text_, starts[k], last)) {
            for (std::size_t at = starts[k]; at < last;) {
                const std::size_t stop = std::min(text_.find('\n', at), last);
                add_parts(at, trim_space(text_, at, stop), kind, need, 0);
                at = skip_space(text_, stop, last);
            }
        } else {
            add_parts(starts[k], last, kind, need, 0);
        }
        const std::string_view said = text_.substr(starts[k], last - starts[k]);
        point_back(sentence, said, sentence > first);
        const bool excepts =
            before != kNoSpan && exceptions < kParts && tie_exception(before, sentence, said);
        exceptions = excepts ? exceptions + 1 : 0;
        before = sentence;
    }
    close_block(first);
    return first;
}

// Tie a sentence with an anaphoric opener to its antecedent: a pronoun refers to the last sentence
// without such an opener, a demonstrative to the previous sentence.
void OutlineReader::point_back(std::int32_t sentence, std::string_view said, bool same_block) {
    // "These are free:" refers forward, to the list it introduces.
    const Opener opener = ends_with_colon(said) ? Opener::none : opener_of(said);
    const bool follows = same_block || (antecedent_end_ == sentence && antecedent_ != kNoSpan);
    if (opener != Opener::none && follows && antecedent_ != kNoSpan) {
        const std::int32_t to = opener == Opener::pronoun ? antecedent_ : sentence - 1;
        const auto next = static_cast<std::size_t>(to) + 1;
        const std::size_t size = units_[next].start - units_[next - 1].start;
        if (size <= std::min(kAntecedent, std::max(kShortAntecedent, said.size())))
            tie_back(sentence, to);
    } else {
        antecedent_ = sentence;
    }
    antecedent_end_ = next_unit();
}

// A sentence needs an earlier one. If it is tied to another unit, it has that one's owner.
void OutlineReader::tie_back(std::int32_t sentence, std::int32_t to) {
    Unit& unit = units_[static_cast<std::size_t>(sentence)];
    if (unit.also == kNoSpan)
        unit.also = to;
    else if (unit.need == units_[static_cast<std::size_t>(to)].need)
        unit.need = to;
}

// If the sentence `said` is a short exception to the sentence that begins with unit `rule`, the two
// are shown together; whether it is.
bool OutlineReader::tie_exception(std::int32_t rule, std::int32_t sentence, std::string_view said) {
    const std::size_t from = units_[static_cast<std::size_t>(rule)].start;
    const std::size_t size = units_[static_cast<std::size_t>(sentence)].start - from;
    const std::string_view before = text_.substr(from, std::min(size, kRule));
    const bool contrast = said.size() <= kException && opener_of(said) == Opener::contrast;
    if (ends_with_colon(said) || (!contrast && !restricts_rule(said, before))) return false;
    for (std::int32_t part = rule; part < sentence; ++part) {
        Unit& unit = units_[static_cast<std::size_t>(part)];
        const std::int32_t back = unit.also;
        const bool refers = part == rule && back != kNoSpan && back < part;
        if (refers && units_[static_cast<std::size_t>(back)].need == unit.need) {
            unit.need = back;
            unit.also = kNoSpan;
        }
        if (unit.also == kNoSpan) unit.also = sentence;
    }
    if (size <=
        kRule)  // the exception needs the last part of its rule, and each part the one before
        for (std::int32_t part = rule + 1; part <= sentence; ++part) {
            Unit& unit = units_[static_cast<std::size_t>(part)];
            unit.need = part - 1;
            if (unit.also == part - 1) unit.also = kNoSpan;
        }
    // The further parts of an exception need the part before them: without it they read as a rule.
    for (std::int32_t part = sentence + 1; part < next_unit(); ++part)
        units_[static_cast<std::size_t>(part)].need = part - 1;
    return true;
}

}  // namespace ctxmem
