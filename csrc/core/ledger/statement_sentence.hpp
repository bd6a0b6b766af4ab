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

#include "core/ledger/phrases.hpp"
#include "core/ledger/sentence_words.hpp"
#include "core/ledger/statements.hpp"
#include "core/text/line_classifier.hpp"
#include "core/text/sentences.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem::ledger {

// Reads one sentence.
class Sentence : public SentenceWords {
public:
    using SentenceWords::SentenceWords;

    bool find(bool replies, std::size_t before, std::vector<Statement>& out) {
        const Statement none{};
        Statement best = none, corrected = none, limit = none;
        std::size_t cue = 0, corrected_cue = 0, limit_cue = 0;
        const auto offer = [&](const Statement& found, std::size_t at) {
            // "My phone is 111" states a value, too.
            const bool valued = found.strength == best.strength &&
                                best.kind == StatementKind::fact &&
                                found.kind == StatementKind::value;
            if (found.strength > best.strength || valued) best = found, cue = at;
            if (found.kind != StatementKind::correction && found.strength > corrected.strength)
                corrected = found, corrected_cue = at;
            if (found.kind == StatementKind::limit && found.strength > limit.strength)
                limit = found, limit_cue = at;
        };
        const std::size_t first_out = out.size();
        for (std::size_t i = 0; i < words_.size(); ++i) {
            const Word& at = words_[i];
            const bool verb = at.starts && takes({Element::Type::verb, false, 0, {}}, i, true);
            const std::uint32_t begins[] = {at.exact, at.prefix, at.number ? kAnyNumber : 0,
                                            verb ? kAnyVerb : 0, at.starts && at.ing ? kAnyIng : 0};
            for (const std::uint32_t word : begins) {
                if (word == 0) continue;
                for (const std::uint32_t p : table_.beginning(word)) {
                    const Phrase& phrase = table_.phrase(p);
                    if (lacks(phrase)) continue;
                    const bool reply = phrase.kind >= static_cast<int>(StatementKind::proposal);
                    if (reply && !replies) continue;
                    if (phrase.clause && !words_[i].starts) continue;
                    if (phrase.begins && (!words_[i].starts || has_subject_before(i))) continue;
                    if (!reply && blocked(i, phrase)) continue;
                    std::size_t last = 0;
                    value_ = words_.size();
                    free_ = false;
                    if (phrase.elements[0].type == Element::Type::number) value_ = i;
                    if (!match(phrase, 1, i + 1, last)) continue;
                    if (!reply && last > i + 1 && last - 1 != value_ && words_[last - 1].quoted)
                        continue;
                    if (!reply && (is_past(phrase, i) || describes(phrase, i) ||
                                   supposes(phrase, i) || reports(phrase, i)))
                        continue;
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
            if (i + 1 < words_.size() && !words_[i + 1].comma && is_joined(i)) {
                const Statement found = value_at(i, true);
                if (found.strength != 0) offer(found, i);
            }
            if (words_[i].assigned) {
                const Statement found = assigned_at(i);
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

private:
    static bool keeps_kind(const Statement& s) {
        switch (s.kind) {
            case StatementKind::rule:
            case StatementKind::limit:
            case StatementKind::instruction:
            case StatementKind::preference:
            case StatementKind::decision:
            case StatementKind::deadline:
            case StatementKind::value: return true;
            default: return false;
        }
    }

    // Kinds that are not stated by a sentence that doubts them.
    static constexpr std::uint32_t kDoubted = 1u << static_cast<int>(StatementKind::rule) |
                                              1u << static_cast<int>(StatementKind::limit) |
                                              1u << static_cast<int>(StatementKind::decision) |
                                              1u << static_cast<int>(StatementKind::permission) |
                                              1u << static_cast<int>(StatementKind::commitment) |
                                              1u << static_cast<int>(StatementKind::deadline) |
                                              1u << static_cast<int>(StatementKind::value);

    // Kinds of which a sentence about the past states nothing that still holds.
    static constexpr std::uint32_t kPastKinds = 1u << static_cast<int>(StatementKind::rule) |
                                                1u << static_cast<int>(StatementKind::limit) |
                                                1u << static_cast<int>(StatementKind::preference) |
                                                1u << static_cast<int>(StatementKind::decision) |
                                                1u << static_cast<int>(StatementKind::commitment) |
                                                1u << static_cast<int>(StatementKind::deadline) |
                                                1u << static_cast<int>(StatementKind::value);

    bool blocked(std::size_t at, const Phrase& phrase) const {
        const Word& word = words_[at];
        if (word.quoted || word.supposed || unsaid_) return true;
        if (kDoubted >> phrase.kind & 1 && hedge_ < at && at < hedge_ + 7 &&
            (words_[at].roles & kOwner) == 0 && (words_[at - 1].roles & kOwner) == 0 &&
            !(words_[at].starts && words_[at].comma) && !turns(hedge_, at))
            return true;
        if (past_ < words_.size() && kPastKinds >> phrase.kind & 1 &&
            !turns(std::min(past_, at), std::max(past_, at)))
            return true;
        // "Never use it, ok?" asks for nothing but a yes.
        const bool asked_to = tagged_ && (phrase.clause || phrase.begins) &&
                              (phrase.kind == static_cast<int>(StatementKind::rule) ||
                               phrase.kind == static_cast<int>(StatementKind::instruction));
        if (at >= question_ && !phrase.question && !phrase.request && !asked_to) return true;
        if (at >= question_ && phrase.question && at > 0 && asks_about(at, phrase)) return true;
        if (at >= question_ && weighs(at, phrase)) return true;
        return (word.conditional && !phrase.condition) || at > reported_ + 1;
    }

    // "I'll update it and make sure": the author does, and asks for nothing.
    bool has_subject_before(std::size_t at) const { return subject_ < at; }

    // Whether the sentence turns to something else between two words: "but", "now".
    bool turns(std::size_t from, std::size_t to) const {
        for (std::size_t i = from + 1; i <= to && i < words_.size(); ++i)
            if (raw_is(i, "but") || (words_[i].roles & kNow) != 0 ||
                (words_[i].comma && words_[i].starts && i < to))
                return true;
        return false;
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
        const bool stated = phrase.kind == static_cast<int>(StatementKind::deadline) ||
                            phrase.kind == static_cast<int>(StatementKind::value);
        if (stated && at <= question_ + 3 && (words_[question_].roles & kCopula) != 0) return true;
        if (words_[at].starts || asks_for_) return false;
        return phrase.kind == static_cast<int>(StatementKind::rule) || phrase.condition;
    }

    // A clause that only considers: "Would a budget of 2,000 euros help?", "Should you answer in English from now on?"
    bool weighs(std::size_t at, const Phrase& phrase) const {
        std::size_t first = at;
        while (first > question_ && !(words_[first].comma && words_[first].starts)) --first;
        if (first > question_) return false;
        if (is_one_of(question_, kWhether))
            return phrase.kind == static_cast<int>(StatementKind::instruction) ||
                   phrase.kind == static_cast<int>(StatementKind::limit);
        if (asks_for_) return false;
        const bool stated = phrase.kind == static_cast<int>(StatementKind::limit) ||
                            phrase.kind == static_cast<int>(StatementKind::deadline) ||
                            phrase.kind == static_cast<int>(StatementKind::value);
        // "Would the deadline of May 10 work?"
        if (stated && at > question_ &&
            (is_one_of(question_, kWould) || is_one_of(question_, kDoes)))
            return true;
        if (phrase.kind != static_cast<int>(StatementKind::limit) || at == 0 ||
            !is_one_of(at - 1, kOneOfSome))
            return false;
        for (std::size_t i = question_; i < words_.size(); ++i)
            if (is_one_of(i, kWould)) return true;
        return false;
    }

    // "The deadline was March 3": a value that no longer holds, unless it "was moved to" it.
    bool is_past(const Phrase& phrase, std::size_t cue) const {
        if (phrase.kind != static_cast<int>(StatementKind::limit) &&
            phrase.kind != static_cast<int>(StatementKind::deadline))
            return false;
        bool past = false;
        for (std::size_t i = cue; i > 0 && cue - i < 6 && !words_[i].comma; --i)
            past |= raw_is(i - 1, "had") && !raw_is(i, "better") && !raw_is(i, "to");
        for (std::size_t i = cue; i < std::min(value_, words_.size()); ++i) {
            if ((words_[i].roles & kNow) != 0) return false;
            const auto raw = raw_of(i);
            past |= raw == "was" || raw == "were";
        }
        return past;
    }

    // "You must be joking", "it must be a mistake": a guess, which asks for nothing.
    bool supposes(const Phrase& phrase, std::size_t cue) const {
        if (phrase.kind != static_cast<int>(StatementKind::rule)) return false;
        for (std::size_t i = cue; i < std::min(words_.size(), cue + 4); ++i) {
            if (!raw_is(i, "must") || i + 2 >= words_.size()) continue;
            const Word& next = words_[i + 2];
            if (raw_is(i + 1, "have"))
                return raw_is(i + 2, "been") || (next.inflected && ends_in(next, "ed"));
            if (!raw_is(i + 1, "be")) return false;
            if (next.ing || is_one_of(i + 2, kSupposed)) return true;
            for (std::size_t j = i + 3; j < std::min(words_.size(), i + 6); ++j)
                if (is_one_of(j, kMistakes)) return true;
        }
        return false;
    }

    bool ends_in(const Word& word, std::string_view ending) const {
        return text_.substr(word.from, word.to - word.from).ends_with(ending);
    }

    // "He decided to leave": what another person did, in the past, binds nobody here.
    bool reports(const Phrase& phrase, std::size_t cue) const {
        if ((kPastKinds >> phrase.kind & 1) == 0 ||
            phrase.kind == static_cast<int>(StatementKind::value))
            return false;
        // "They moved the deadline to March 10": whoever did it, it is another now.
        if (phrase.updates && (phrase.kind == static_cast<int>(StatementKind::deadline) ||
                               phrase.kind == static_cast<int>(StatementKind::limit)))
            return false;
        std::size_t first = cue;
        while (first > 0 && cue - first < 9 && !words_[first].comma && !words_[first].starts)
            --first;
        for (std::size_t i = cue + 1; i < std::min(words_.size(), cue + 4); ++i)
            if (raw_is(i, "we") || raw_is(i, "us") || raw_is(i, "our")) return false;
        const bool decided = phrase.kind == static_cast<int>(StatementKind::decision) &&
                             first + 1 == cue && words_[first].starts && words_[first].named &&
                             (words_[first].roles & (kSelf | kOpener | kJoiner)) == 0 &&
                             ends_in(words_[cue], "ed");
        if (decided) return true;  // "Anna decided"
        for (std::size_t i = first; i <= cue; ++i) {
            if ((words_[i].roles & kNow) != 0) return false;
            if ((words_[i].roles & (kSelf | kOwner)) == kSelf) return false;
            if (!is_one_of(i, kPersons)) continue;
            for (std::size_t j = i + 1; j < std::min(words_.size(), std::max(cue, i + 3) + 1); ++j)
                if (j <= cue && (is_one_of(j, kDid) || ends_in(words_[j], "ed"))) return true;
        }
        return false;
    }

    // "The API returns at most 100 items": a limit that a thing has, which nobody set here.
    bool describes(const Phrase& phrase, std::size_t cue) const {
        return phrase.kind == static_cast<int>(StatementKind::limit) && cue > 1 &&
               words_[cue - 1].inflected && !words_[cue].comma && !has(kSelf) &&
               text_[words_[cue - 1].to - 1] == 's';
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
            const bool no_width = element.type == Type::clause || element.type == Type::end ||
                                  element.type == Type::except;
            if (match(phrase, e + 1, at + (no_width ? 0 : 1), last)) {
                if (element.type == Type::number || element.type == Type::value ||
                    element.type == Type::day || element.type == Type::word) {
                    value_ = at;
                    free_ = element.type == Type::word;
                }
                return true;
            }
        }
        if (element.optional && match(phrase, e + element.skip, at, last)) return true;
        return at < words_.size() && !words_[at].comma && (words_[at].roles & kAdverb) != 0 &&
               match(phrase, e, at + 1, last);
    }

    // "port's", before a value that ends its clause.
    bool is_joined(std::size_t at) const {
        const auto raw = raw_of(at);
        if (!(raw.ends_with("'s") || raw.ends_with("\u2019s")) || raw.size() < 5) return false;
        const Word& value = words_[at + 1];
        const std::size_t behind = value_last(at + 1) + 1;
        return (has_digit(value) || (value.roles & kDay) != 0) &&
               (behind >= words_.size() || words_[behind].comma ||
                (words_[behind].roles & (kNow | kUnit)) != 0);
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
            const std::size_t first_value = dated_behind(s.kind, from);
            for (std::size_t i = first_value; i < std::min(words_.size(), first_value + 6); ++i)
                if (is_value(i) || (free_ && i == value_)) {
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

    // "The deadline for phase 2 was moved to 19 May": a deadline is the date behind a plain number.
    std::size_t dated_behind(StatementKind kind, std::size_t from) const {
        if (kind != StatementKind::deadline) return from;
        const auto dated = [&](std::size_t at) {
            return (words_[at].roles & kDay) != 0 || is_date(at);
        };
        std::size_t at = from;
        while (at < words_.size() && at < from + 6 && !is_value(at)) ++at;
        if (at + 1 >= words_.size() || !words_[at].number || dated(at) || dated(at + 1))
            return from;
        for (std::size_t i = at + 1; i < std::min(words_.size(), at + 6); ++i)
            if (dated(i)) return words_[i - 1].number ? i - 1 : i;
        return from;
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

    // `joined`: the word is the last of the subject, with "is" in it ("the port's 8443").
    Statement value_at(std::size_t copula, bool joined = false) const {
        Statement none{};
        if ((copula == 0 && !joined) || copula >= question_ || words_[copula].quoted) return none;
        std::size_t first = copula;
        while (first > 0 && copula - first < 7 && !words_[first].comma &&
               !(first < copula && words_[first].starts))
            --first;
        bool now = false;
        while (first < copula && (words_[first].roles & (kOpener | kNow)) != 0) {
            now |= (words_[first].roles & kNow) != 0;
            ++first;
        }
        const std::size_t last = joined ? copula : copula - 1;  // of the subject
        if (first > last) return none;
        const bool article = (words_[first].roles & kArticle) != 0;
        if (article && first < last && (words_[first + 1].roles & kOwner) != 0) ++first;  // il mio
        const bool owned = (words_[first].roles & kOwner) != 0;
        if (owned || article)
            ++first;
        else if (joined)
            return none;
        if (first > last) return none;
        for (std::size_t i = first; i < copula; ++i)
            if ((words_[i].roles & (kIf | kSays | kAsks)) != 0) return none;
        if (((words_[first].roles | words_[last].roles) & kNoSubject) != 0) return none;
        if (!owned && !article && !words_[first].starts) return none;
        std::size_t at = copula + 1;
        bool called = (words_[last].roles & kNameNoun) != 0;
        bool plain = (words_[last].roles & kNameOnly) != 0;  // any word is a name
        while (at < words_.size() && !words_[at].comma && (words_[at].roles & kFiller) != 0) {
            now |= (words_[at].roles & kNow) != 0;
            plain |= raw_is(at, "called") || raw_is(at, "named") || raw_is(at, "spelled");
            called |= plain;
            ++at;
        }
        if (at + 1 < words_.size() && !words_[at].comma && (words_[at].roles & kKindNoun) != 0 &&
            is_value(at + 1))
            ++at;
        if (at >= words_.size()) return none;
        if ((owned || article) && raw_of(at) == "not") return denied(copula, first);
        const bool ends =
            at + 1 == words_.size() || words_[at + 1].comma || (words_[at + 1].roles & kNow) != 0;
        const bool hyphened = raw_of(at).find_first_of("-_") != std::string_view::npos;
        const bool name = called && (plain || hyphened) && ends && copula - first < 4 &&
                          (owned || article) && !words_[at].comma && !words_[at].inflected &&
                          (words_[at].roles & kNoImperative) == 0;
        if (!is_value(at) && !name) return none;
        const Word& value = words_[at];
        const std::size_t behind = value_last(at) + 1;
        if (behind < words_.size() && !words_[behind].comma &&
            ((words_[behind].roles & kIf) != 0 || raw_is(behind, "when")))
            return none;
        const bool placed = at > copula + 1;  // "is on Friday", "is called Zeus"
        const bool exact = has_digit(value) || value.quoted || placed || name || value.identifier ||
                           (value.roles & kDay) != 0 || (article && ends && value.named);
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
        s.subject_end = words_[last].to;
        if (joined) s.subject_end -= text_[words_[last].to - 2] == '\'' ? 2 : 4;
        s.value_start = value.from;
        s.value_end = words_[value_last(at)].to;
        return s;
    }

    // "Base commit: 4fe21ab", "timeout = 45s": a value behind a colon or an equals sign.
    Statement assigned_at(std::size_t at) const {
        if (at == 0 || at > 4 || !words_[at].assigned || words_[at].quoted ||
            at + 4 < words_.size())
            return {};
        for (std::size_t i = 0; i < at; ++i)
            if ((i > 0 && words_[i].comma) || words_[i].number ||
                (words_[i].roles & (kIf | kAsks | kOpener | kNoSubject | kTransforms | kSays)) != 0)
                return {};
        if (!has_digit(words_[at]) && !words_[at].identifier) return {};
        Statement s{};
        s.kind = StatementKind::value;
        s.strength = 5;
        s.flags = kListed;
        s.cue_start = s.cue_end = words_[at].from;
        s.subject_start = words_[0].from;
        s.subject_end = words_[at - 1].to;
        s.value_start = words_[at].from;
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
};

}  // namespace ctxmem::ledger
