// One sentence of a message: its words, its clauses, and the statement in it that binds.
//
// The words are looked up once in the tables of phrases; a phrase counts if the form of the sentence
// allows it (not in a question, a condition, a quotation or a report). Linear in the sentence.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/ledger/statements.hpp"
#include "core/ledger/phrases.hpp"
#include "core/text/line_classifier.hpp"
#include "core/text/sentences.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem::ledger {

struct Word {
    std::uint32_t from, to;       // bytes
    std::uint32_t exact, prefix;  // numbers in the tables, 0 for none
    std::uint32_t roles;
    bool number, named, quoted, starts, comma;  // comma: punctuation is between it and the last
    bool conditional;                           // in a condition
    bool inflected;                             // ends in -ed, -ing or -s
};

constexpr std::size_t kLongSentence = 32;  // words; a longer one is cut to its clauses
constexpr int kMostFailedTags = 8;
constexpr std::size_t kLongestRequest = 400;  // bytes
constexpr std::size_t kLongSection = 90;      // words

inline bool is_word_char(std::uint8_t bits) { return (bits & 7) >= 1 && (bits & 7) <= 5; }

// Reads one sentence.
class Sentence {
public:
    Sentence(std::string_view text, std::size_t begin, std::size_t end, std::vector<Word>& words)
        : text_(text), begin_(begin), end_(end), words_(words), table_(Phrases::get()) {
        read();
        find_clauses();
    }

    bool find(bool replies, std::size_t before, std::vector<Statement>& out) {
        const Statement none{};
        Statement best = none, corrected = none, limit = none;
        std::size_t cue = 0, corrected_cue = 0, limit_cue = 0;
        const auto offer = [&](const Statement& found, std::size_t at) {
            if (found.strength > best.strength) best = found, cue = at;
            if (found.kind != StatementKind::correction && found.strength > corrected.strength)
                corrected = found, corrected_cue = at;
            if (found.kind == StatementKind::limit && found.strength > limit.strength)
                limit = found, limit_cue = at;
        };
        const std::size_t first_out = out.size();
        for (std::size_t i = 0; i < words_.size(); ++i) {
            for (const std::uint32_t word : {words_[i].exact, words_[i].prefix}) {
                if (word == 0) continue;
                for (const std::uint32_t p : table_.beginning(word)) {
                    const Phrase& phrase = table_.phrase(p);
                    if (lacks(phrase)) continue;
                    const bool reply = phrase.kind >= static_cast<int>(StatementKind::proposal);
                    if (reply && !replies) continue;
                    if (phrase.clause && !words_[i].starts) continue;
                    if (!reply && blocked(i, phrase)) continue;
                    std::size_t last = 0;
                    value_ = words_.size();
                    if (!match(phrase, 1, i + 1, last)) continue;
                    if (!reply && last > i + 1 && last - 1 != value_ && words_[last - 1].quoted)
                        continue;
                    if (!reply && is_past(phrase, i)) continue;
                    Statement found = made(phrase, i, last);
                    if (reply) {
                        out.push_back(found);
                        break;
                    }
                    offer(found, i);
                }
            }
            if ((words_[i].roles & kCopula) != 0) {
                const Statement found = value_at(i);
                if (found.strength != 0) offer(found, i);
            }
        }
        for (std::size_t i = first_out; i < out.size(); ++i) place(out[i], 0, before);
        if (best.strength == 0) return out.size() > first_out;
        // A correction keeps the kind of what it corrects, unless it only takes something back.
        if (best.kind == StatementKind::correction && (best.flags & kRetracts) == 0 &&
            corrected.strength != 0 && keeps_kind(corrected)) {
            corrected.strength = best.strength;
            corrected.flags |= kUpdates;
            best = corrected;
            cue = corrected_cue;
        }
        // So does "from now on".
        if (best.kind == StatementKind::instruction && limit.strength != 0) {
            limit.strength = best.strength;
            limit.flags |= kUpdates;
            best = limit;
            cue = limit_cue;
        }
        place(best, cue, before);
        out.push_back(best);
        return true;
    }

    bool empty() const { return words_.empty(); }
    std::size_t size() const { return words_.size(); }
    // Whether a word of the sentence has a role.
    bool has(std::uint32_t role) const {
        return std::any_of(words_.begin(), words_.end(),
                           [&](const Word& word) { return (word.roles & role) != 0; });
    }
    bool begins_with(std::uint32_t role) const {
        return !words_.empty() && (words_[0].roles & role) != 0;
    }

private:
    // Whether the sentence has not all words that a phrase requires; false where unknown.
    bool lacks(const Phrase& phrase) const {
        for (const std::uint64_t need : phrase.needs)
            if (need != 0 && (need & mask_) == 0) return true;
        return (phrase.needs_number && !numbers_) || (phrase.needs_day && !days_);
    }

    void read() {
        words_.clear();
        bool quoted = false, comma = false;
        for (std::size_t at = begin_; at < end_;) {
            const CodePoint point = decode(text_, at);
            const std::uint8_t bits = class_byte(point.value);
            if (!is_word_char(bits)) {
                switch (point.value) {
                    case U'"': quoted = !quoted; break;
                    case U'\u201C':
                    case U'\u00AB':
                    case U'\u201E':
                    case U'\u300C': quoted = true; break;
                    case U'\u201D':
                    case U'\u00BB':
                    case U'\u300D': quoted = false; break;
                    case U',':
                    case U';':
                    case U':':
                    case U'(':
                    case U')':
                    case U'.':
                    case U'!':
                    case U'?':
                    case U'\u2014':
                    case U'\u2013':
                    case U'\uFF0C':
                    case U'\u3001':
                    case U'\u3002':
                    case U'\uFF1B':
                    case U'\uFF1A': comma = true; break;
                    case U'=':
                    case U'\'': break;
                    case U'-': comma |= at > begin_ && text_[at - 1] == ' '; break;
                    default: break;
                }
                at += point.size;
                continue;
            }
            at = read_word(at, quoted, comma);
            comma = false;
        }
        // An opening mark without a closing one quotes nothing.
        if (quoted)
            for (auto word = words_.rbegin(); word != words_.rend() && word->quoted; ++word)
                word->quoted = false;
    }

    std::size_t read_word(std::size_t at, bool quoted, bool comma) {
        Word word{};
        word.from = static_cast<std::uint32_t>(at);
        word.quoted = quoted;
        word.comma = comma;
        std::uint64_t hash = kWordSeed;
        std::size_t count = 0, digits = 0;
        bool upper = false, inner_upper = false, joined_sign = false;
        while (at < end_) {
            const CodePoint point = decode(text_, at);
            const std::uint8_t bits = class_byte(point.value);
            char32_t c = point.value;
            if (is_word_char(bits)) {
                if ((bits & kSpaceless) != 0 && count > 0) break;
                const auto kind = static_cast<CharClass>(bits & 7);
                if (kind == CharClass::upper) (count == 0 ? upper : inner_upper) = true;
                digits += kind == CharClass::number;
                c = lower_case(c);
            } else {
                const bool apostrophe = c == U'\'' || c == U'\u2019';
                if (!apostrophe && c != U'-' && c != U'_' && c != U'.' && c != U'/' && c != U':' &&
                    c != U'@' && c != U',')
                    break;
                const std::size_t next = at + point.size;
                if (next >= end_) break;
                const std::uint8_t after = class_byte(decode(text_, next).value);
                const bool digit = static_cast<CharClass>(after & 7) == CharClass::number;
                if (!is_word_char(after) || (after & kSpaceless) != 0) break;
                if ((c == U',' || c == U':') && !(digit && digits > 0)) break;
                joined_sign |= c == U'_' || c == U'/' || c == U'.' || c == U'@';
                if (apostrophe) c = U'\'';
            }
            hash = mix_char(hash, c);
            ++count;
            at += point.size;
            if (count < 24 && table_.has_prefix_of(count))
                if (const auto found =
                        table_.word(mix_char(hash, static_cast<char32_t>(kPrefixMark) << 24)))
                    word.prefix = found;
            if (count == 1 && (bits & kSpaceless) != 0) break;
        }
        word.to = static_cast<std::uint32_t>(at);
        word.exact = table_.word(hash);
        word.roles = table_.roles(word.exact);
        word.number = digits > 0 && !upper && !inner_upper && !joined_letters(word, digits);
        word.named = digits > 0 || upper || inner_upper || joined_sign;
        const std::string_view raw = text_.substr(word.from, word.to - word.from);
        word.inflected =
            count > 3 && (raw.ends_with("ed") || raw.ends_with("ing") ||
                          (raw.ends_with("s") && !raw.ends_with("ss") && raw != "focus"));
        if (raw.ends_with("need") || raw.ends_with("feed") || raw.ends_with("embed") ||
            raw.ends_with("bring"))
            word.inflected = false;
        mask_ |= mask_of(word.exact) | mask_of(word.prefix);
        numbers_ |= word.number;
        days_ |= (word.roles & kDay) != 0 || (raw[0] >= '0' && raw[0] <= '9');
        words_.push_back(word);
        return at;
    }

    // "5kg" is a number, "a81d0ce" an identifier.
    bool joined_letters(const Word& word, std::size_t digits) const {
        const char first = text_[word.from];
        return first < '0' || first > '9' || word.to - word.from > 2 * digits + 4;
    }

    void find_clauses() {
        bool opener = true, condition = false;
        question_ = reported_ = words_.size();
        const std::string_view whole = text_.substr(begin_, end_ - begin_);
        const std::size_t mark = whole.find_last_not_of(" \n\r\t\"')");
        const bool asks = mark != std::string_view::npos &&
                          (whole[mark] == '?' || whole.substr(0, mark + 1).ends_with("\uFF1F") ||
                           begins_question());
        for (std::size_t i = 0; i < words_.size(); ++i) {
            Word& word = words_[i];
            const bool joined = i > 0 && (words_[i - 1].roles & kJoiner) != 0;
            word.starts = i == 0 || word.comma || joined || (opener && i > 0);
            opener = word.starts && (word.roles & kOpener) != 0;
            condition = (condition && !word.comma) || (word.starts && (word.roles & kIf) != 0);
            word.conditional = condition;
            const bool reporter = (i > 0 && (words_[i - 1].roles & kReporter) != 0) ||
                                  (i > 1 && (words_[i - 2].roles & kReporter) != 0);
            if (reported_ == words_.size() && reporter && (word.roles & kSays) != 0)
                reported_ = i - 1;
            if (reported_ == words_.size() &&
                text_.substr(word.from, word.to - word.from) == "heard")
                reported_ = i;
            if (asks && question_ == words_.size() && word.starts && (word.roles & kAsks) != 0)
                question_ = i;
        }
        if (asks && question_ == words_.size()) question_ = 0;
        if (question_ + 1 < words_.size()) {
            const Word& next = words_[question_ + 1];
            const auto raw = text_.substr(next.from, next.to - next.from);
            asks_for_ = raw == "you" || raw == "please";
        }
    }

    // A question without its mark: "is it true that". "Do", "can" and "when" begin other sentences.
    bool begins_question() const {
        if (words_.empty()) return false;
        const auto raw = text_.substr(words_[0].from, words_[0].to - words_[0].from);
        for (const std::string_view word : {"is", "are", "does", "did", "why", "how"})
            if (raw.size() == word.size() && (raw[0] | 0x20) == word[0] &&
                raw.substr(1) == word.substr(1))
                return true;
        return false;
    }

    static bool keeps_kind(const Statement& s) {
        switch (s.kind) {
            case StatementKind::rule:
            case StatementKind::limit:
            case StatementKind::instruction:
            case StatementKind::preference:
            case StatementKind::decision:
            case StatementKind::deadline:
            case StatementKind::value:
            case StatementKind::fact: return true;
            default: return false;
        }
    }

    bool blocked(std::size_t at, const Phrase& phrase) const {
        const Word& word = words_[at];
        if (word.quoted) return true;
        if (at >= question_ && !phrase.question && !phrase.request) return true;
        if (at >= question_ && phrase.question && at > 0 && asks_about(at, phrase)) return true;
        return (word.conditional && !phrase.condition) || at > reported_ + 1;
    }

    // "why do I prefer", "what if I prefer", "is it true that I must": the question is about it. A
    // rule in a question binds only in a clause of its own
    // or in a request ("can you").
    bool asks_about(std::size_t at, const Phrase& phrase) const {
        const std::uint32_t that = kPoints | kJoiner;
        std::size_t before = at - 1;
        if (before > 0 && (words_[before].roles & kOwner) != 0) --before;
        if ((words_[before].roles & kAsks) != 0 || (words_[before].roles & that) == that)
            return true;
        if (words_[at].starts || asks_for_) return false;
        return phrase.kind == static_cast<int>(StatementKind::rule) || phrase.condition;
    }

    // "The deadline was March 3": a value that no longer holds, unless it "was moved to" it.
    bool is_past(const Phrase& phrase, std::size_t cue) const {
        if (phrase.kind != static_cast<int>(StatementKind::limit) &&
            phrase.kind != static_cast<int>(StatementKind::deadline))
            return false;
        bool past = false;
        for (std::size_t i = cue; i < std::min(value_, words_.size()); ++i) {
            if ((words_[i].roles & kNow) != 0) return false;
            const auto raw = raw_of(i);
            past |= raw == "was" || raw == "were";
        }
        return past;
    }

    bool match(const Phrase& phrase, std::size_t e, std::size_t at, std::size_t& last) {
        using Type = Element::Type;
        if (e == phrase.elements.size()) {
            last = at;
            return true;
        }
        const Element& element = phrase.elements[e];
        if (element.type == Type::gap) {
            for (std::size_t skip = 0; skip <= element.skip && at + skip <= words_.size(); ++skip)
                if (match(phrase, e + 1, at + skip, last)) return true;
            return false;
        }
        if (takes(element, at)) {
            const bool no_width = element.type == Type::clause || element.type == Type::end;
            if (match(phrase, e + 1, at + (no_width ? 0 : 1), last)) {
                if (element.type == Type::number || element.type == Type::value ||
                    element.type == Type::day)
                    value_ = at;
                return true;
            }
        }
        return element.optional && match(phrase, e + element.skip, at, last);
    }

    bool takes(const Element& element, std::size_t at) const {
        using Type = Element::Type;
        if (element.type == Type::end) return at == words_.size();
        if (at >= words_.size()) return false;
        const Word& word = words_[at];
        switch (element.type) {
            case Type::words:
                return std::find(element.words.begin(), element.words.end(), word.exact) !=
                           element.words.end() ||
                       (word.prefix != 0 && std::find(element.words.begin(), element.words.end(),
                                                      word.prefix) != element.words.end());
            case Type::verb:
                return !word.comma && !word.number && !word.inflected &&
                       (word.roles & kNoImperative) == 0;
            case Type::number: return word.number;
            case Type::value: return is_value(at);
            case Type::day: return (word.roles & kDay) != 0 || is_date(at);
            case Type::clause: return word.starts;
            default: return false;
        }
    }

    bool is_value(std::size_t at) const {
        const Word& word = words_[at];
        return word.number || word.quoted || (word.named && !(at == 0 && !has_digit(word))) ||
               (word.roles & kDay) != 0;
    }

    // The last word of a value: "March 3", "3 March", "Monday morning".
    std::size_t value_last(std::size_t at) const {
        std::size_t last = at;
        const bool dated = (words_[at].roles & kDay) != 0;
        while (last + 1 < words_.size() && last < at + 2) {
            const Word& next = words_[last + 1];
            const bool day = (next.roles & kDay) != 0;
            if (next.comma || !(day ? dated || words_[at].number : dated && next.number)) break;
            ++last;
        }
        return last;
    }

    std::string_view raw_of(std::size_t at) const {
        return text_.substr(words_[at].from, words_[at].to - words_[at].from);
    }

    bool has_digit(const Word& word) const {
        for (std::uint32_t i = word.from; i < word.to; ++i)
            if (text_[i] >= '0' && text_[i] <= '9') return true;
        return false;
    }

    // 14th, 3/12, 2024-05-01, 17:00
    bool is_date(std::size_t at) const {
        const Word& word = words_[at];
        const std::string_view raw = text_.substr(word.from, word.to - word.from);
        if (raw.empty() || raw[0] < '0' || raw[0] > '9') return false;
        return raw.ends_with("th") || raw.ends_with("st") || raw.ends_with("nd") ||
               raw.ends_with("rd") || raw.ends_with("am") || raw.ends_with("pm") ||
               raw.find_first_of("/-:") != std::string_view::npos;
    }

    Statement made(const Phrase& phrase, std::size_t first, std::size_t last) const {
        Statement s{};
        s.kind = static_cast<StatementKind>(phrase.kind);
        s.language = phrase.language;
        s.strength = phrase.strength;
        s.flags = static_cast<std::uint8_t>((phrase.updates ? kUpdates : 0) |
                                            (phrase.negates ? kNegates : 0) |
                                            (phrase.retracts ? kRetracts : 0));
        s.cue_start = words_[first].from;
        s.cue_end = words_[std::max(last, first + 1) - 1].to;
        if (s.kind == StatementKind::limit || s.kind == StatementKind::deadline ||
            s.kind == StatementKind::value || s.kind == StatementKind::correction) {
            const std::size_t from = std::min(value_, last > first + 1 ? last - 1 : last);
            for (std::size_t i = from; i < std::min(words_.size(), from + 6); ++i)
                if (is_value(i)) {
                    const bool dated = (words_[i].roles & kDay) != 0 && i > 0 && !words_[i].comma &&
                                       words_[i - 1].number;
                    s.value_start = words_[dated ? i - 1 : i].from;
                    s.value_end = words_[value_last(i)].to;
                    break;
                }
            set_subject(s, first);
        }
        return s;
    }

    // The words of the clause before the cue.
    void set_subject(Statement& s, std::size_t cue) const {
        std::size_t i = cue;
        while (i > 0 && cue - i < 6 && !words_[i].comma && !words_[i].starts) --i;
        while (i < cue && (words_[i].roles & (kOpener | kOwner | kArticle | kNow)) != 0) ++i;
        if (i >= cue || (words_[i].roles & kNoSubject) != 0) return;
        s.subject_start = words_[i].from;
        s.subject_end = words_[cue - 1].to;
    }

    Statement value_at(std::size_t copula) const {
        Statement none{};
        if (copula == 0 || copula >= question_ || words_[copula].quoted) return none;
        std::size_t first = copula;
        while (first > 0 && copula - first < 7 && !words_[first].comma &&
               !(first < copula && words_[first].starts))
            --first;
        bool now = false;
        while (first < copula && (words_[first].roles & (kOpener | kNow)) != 0) {
            now |= (words_[first].roles & kNow) != 0;
            ++first;
        }
        if (first >= copula) return none;
        const bool owned = (words_[first].roles & kOwner) != 0;
        const bool article = (words_[first].roles & kArticle) != 0;
        if (owned || article) ++first;
        if (first >= copula) return none;
        for (std::size_t i = first; i < copula; ++i)
            if ((words_[i].roles & (kIf | kSays | kAsks)) != 0) return none;
        if (((words_[first].roles | words_[copula - 1].roles) & kNoSubject) != 0) return none;
        if (!owned && !article && !words_[first].starts) return none;
        std::size_t at = copula + 1;
        while (at < words_.size() && !words_[at].comma && (words_[at].roles & kFiller) != 0) {
            now |= (words_[at].roles & kNow) != 0;
            ++at;
        }
        if (at >= words_.size()) return none;
        if ((owned || article) && raw_of(at) == "not") return denied(copula, first);
        if (!is_value(at)) return none;
        const Word& value = words_[at];
        const bool placed = at > copula + 1;  // "is on Friday", "is called Zeus"
        const bool exact = has_digit(value) || value.quoted || placed;
        if (!exact && !owned && !now) return none;
        for (std::size_t i = at + 1; i < std::min(words_.size(), at + 4); ++i)
            now |= (words_[i].roles & kNow) != 0;
        Phrase phrase{};
        phrase.condition = false;
        if (blocked(copula, phrase)) return none;
        Statement s{};
        s.kind = StatementKind::value;
        s.language = 0;
        s.strength = static_cast<std::uint8_t>(4 + owned + now + (exact ? 1 : 0));
        s.flags = now ? kUpdates : 0;
        s.cue_start = words_[copula].from;
        s.cue_end = words_[copula].to;
        s.subject_start = words_[first].from;
        s.subject_end = words_[copula - 1].to;
        s.value_start = value.from;
        s.value_end = words_[value_last(at)].to;
        return s;
    }

    // "The port is not 9001": what is said to be wrong.
    Statement denied(std::size_t copula, std::size_t first) const {
        std::size_t at = copula + 2;
        while (at < words_.size() && !words_[at].comma && (words_[at].roles & kFiller) != 0) ++at;
        if (at >= words_.size() || words_[at].comma || !has_digit(words_[at]) ||
            blocked(copula, Phrase{}))
            return {};
        Statement s{};
        s.kind = StatementKind::correction;
        s.strength = 5;
        s.flags = kUpdates | kNegates;
        s.cue_start = words_[copula].from;
        s.cue_end = words_[copula + 1].to;
        s.subject_start = words_[first].from;
        s.subject_end = words_[copula - 1].to;
        return s;
    }

    // Set the span: the sentence without the question behind the cue; of a very long one the clauses
    // around the cue; with the sentence before where the statement refers to it.
    void place(Statement& s, std::size_t cue, std::size_t before) const {
        std::size_t first = 0, last = words_.size();
        if (question_ > cue && question_ < words_.size()) last = question_;
        if (last - first > kLongSentence) {
            std::size_t near = cue;
            while (near > 0 && (!words_[near].comma || cue - near < 3) && cue - near < 14) --near;
            first = near;
            std::size_t far = std::min(last, cue + 10);
            while (far < last && !words_[far].comma && far < cue + 24) ++far;
            last = far;
        }
        s.start = static_cast<std::uint32_t>(first == 0 ? begin_ : words_[first].from);
        if (last == words_.size()) {
            s.end = static_cast<std::uint32_t>(end_);
        } else {
            s.end = std::max(words_[last - 1].to, s.cue_end);
        }
        for (const Word& word : words_) {
            if (word.to <= s.start || word.from >= s.end) continue;
            if ((word.roles & kNo) != 0) s.flags |= kNegates;
            if ((word.roles & kNow) != 0) s.flags |= kUpdates;
        }
        const bool binds = s.kind == StatementKind::rule || s.kind == StatementKind::instruction;
        if (binds && before < begin_ && s.start == begin_ && !has_noun_before_pointer(s)) {
            s.flags |= kLeans;
            s.start = static_cast<std::uint32_t>(before);
        }
    }

    // Whether nothing right behind the cue points to the sentence before.
    bool has_noun_before_pointer(const Statement& s) const {
        std::size_t seen = 0;
        for (const Word& word : words_) {
            if (word.from < s.cue_start) continue;
            if ((word.roles & kPoints) != 0) {
                const auto raw = text_.substr(word.from, word.to - word.from);
                return raw == "this" || raw == "das" || raw == "die";
            }
            if (++seen == 5) break;
        }
        return true;
    }

    std::string_view text_;
    std::size_t begin_, end_;
    std::vector<Word>& words_;
    const Phrases& table_;
    std::size_t value_ = 0;                    // the word that is the value in the last match
    std::size_t question_ = 0, reported_ = 0;  // the size of words_ where there is none
    std::uint64_t mask_ = 0;                   // of the words that are in the tables
    bool numbers_ = false, days_ = false;
    bool asks_for_ = false;  // the question is a request: "can you"
};

}  // namespace ctxmem::ledger
