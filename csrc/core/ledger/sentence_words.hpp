// The words of one sentence of a message: looked up in the tables of phrases, and where clauses,
// questions, conditions, quotations and reports begin. Linear in the sentence.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/ledger/phrases.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem::ledger {

struct Word {
    std::uint32_t from, to;       // bytes
    std::uint32_t exact, prefix;  // numbers in the tables, 0 for none
    std::uint32_t roles;
    bool number, named, quoted, starts, comma;  // comma: punctuation is between it and the last
    bool conditional;                           // in a condition
    bool supposed;                              // in a condition inside of a question
    bool inflected;                             // ends in -ed, -ing or -s
    bool ing, identifier;                       // ends in -ing; has a sign or capitals inside
    bool assigned;                              // a colon or an equals sign is before it
};

constexpr std::size_t kLongSentence = 32;  // words; a longer one is cut to its clauses
constexpr int kMostFailedTags = 8;
constexpr std::size_t kLongestRequest = 400;  // bytes
constexpr std::size_t kLongSection = 90;      // words

// What begins a sentence that nobody means, ...
constexpr std::array<std::string_view, 14> kUnsaid = {
    "for example",   "for instance", "e.g",          "example",       "imagine",
    "as the saying", "say you",      "let's say",    "in theory",     "some people",
    "many people",   "most people",  "according to", "hypothetically"};
// ... what makes what is behind it a doubt, ...
constexpr std::array<std::string_view, 18> kHedges = {
    "was told",  "read that", "not sure",  "unsure",     "not certain", "i doubt",
    "wondering", "wonder",    "no idea",   "don't know", "dont know",   "maybe",
    "perhaps",   "might",     "not clear", "supposedly", "apparently",  "thinking about"};
// ... and what puts it in the past.
constexpr std::array<std::string_view, 19> kPastTimes = {
    "i used to",    "we used to",   "back then",  "back when",  "years ago",
    "year ago",     "last year",    "when i was", "in college", "in the past",
    "the old days", "at the time",  "as a kid",   "my old",     "our old",
    "my previous",  "our previous", "my former",  "our former"};
// "You must be joking": what follows "must be" in a supposition, not in a rule.
constexpr std::array<std::string_view, 22> kSupposed = {
    "tired", "mistaken", "exhausted", "hungry", "crazy", "mad",   "insane", "nuts",
    "wrong", "confused", "proud",     "happy",  "glad",  "right", "true",   "nice",
    "hard",  "fun",      "great",     "sick",   "some",  "so"};
constexpr std::array<std::string_view, 10> kMistakes = {
    "mistake", "joke",        "misunderstanding", "bug",    "error",
    "typo",    "coincidence", "genius",           "reason", "way"};
constexpr std::array<std::string_view, 25> kPersons = {
    "he",       "she",     "they",   "who",      "his",     "her",       "their",
    "somebody", "someone", "people", "it",       "brother", "sister",    "friend",
    "cousin",   "uncle",   "aunt",   "mother",   "father",  "neighbour", "neighbor",
    "roommate", "mom",     "dad",    "colleague"};
constexpr std::array<std::string_view, 22> kDid = {
    "had",     "was",   "were", "said", "told", "took", "made", "went", "kept",   "chose", "got",
    "thought", "wrote", "gave", "did",  "felt", "knew", "used", "came", "bought", "left",  "could"};
constexpr std::array<std::string_view, 4> kWriting = {"write", "draft", "compose", "generate"};
constexpr std::array<std::string_view, 6> kSaying = {"saying", "telling", "stating",
                                                     "which",  "where",   "returns"};
constexpr std::array<std::string_view, 3> kSome = {"some", "many", "most"};
constexpr std::array<std::string_view, 3> kTheirs = {"their", "his", "her"};
constexpr std::array<std::string_view, 3> kThis = {"this", "following", "below"};
constexpr std::array<std::string_view, 5> kTextNouns = {"paragraph", "sentence", "passage",
                                                        "clause", "statement"};
constexpr std::array<std::string_view, 10> kTextVerbs = {
    "translate", "summarize", "summarise", "paraphrase", "proofread",
    "reword",    "rephrase",  "shorten",   "condense",   "rewrite"};
constexpr std::array<std::string_view, 7> kSubjects = {"you", "he", "she", "they",
                                                       "it",  "to", "who"};
// What may follow the end of a sentence; the first ones ask whether the reader agrees.
constexpr std::size_t kAgreeing = 16;
constexpr std::array<std::string_view, 40> kClosers = {"ok",
                                                       "okay",
                                                       "alright",
                                                       "understood",
                                                       "got it",
                                                       "is that clear",
                                                       "deal",
                                                       "klar",
                                                       "verstanden",
                                                       "d'accord",
                                                       "compris",
                                                       "vale",
                                                       "de acuerdo",
                                                       "va bene",
                                                       "capito",
                                                       "oké",
                                                       "please",
                                                       "pls",
                                                       "plz",
                                                       "thanks",
                                                       "thank you",
                                                       "thx",
                                                       "bitte",
                                                       "danke",
                                                       "s'il te plaît",
                                                       "s'il vous plaît",
                                                       "svp",
                                                       "stp",
                                                       "merci",
                                                       "por favor",
                                                       "porfa",
                                                       "gracias",
                                                       "per favore",
                                                       "per piacere",
                                                       "grazie",
                                                       "obrigado",
                                                       "obrigada",
                                                       "alsjeblieft",
                                                       "alstublieft",
                                                       "graag"};
// What begins a question about whether something is to be done; a question about what would be; what
// begins a thing that is only thought of: "a budget of".
constexpr std::array<std::string_view, 6> kWhether = {"should", "shall",   "soll",
                                                      "sollte", "sollten", "sollen"};
constexpr std::array<std::string_view, 12> kWould = {"would", "could",  "might",   "wäre",
                                                     "würde", "könnte", "serait",  "pourrait",
                                                     "sería", "podría", "sarebbe", "seria"};
// What a question about a value begins with, beside the words above.
constexpr std::array<std::string_view, 9> kDoes = {"does", "do",  "did", "is",    "are",
                                                   "will", "ist", "est", "reicht"};
constexpr std::array<std::string_view, 9> kOneOfSome = {"a",  "an",  "ein", "einem", "eine",
                                                        "un", "una", "um",  "een"};
constexpr std::array<std::string_view, 4> kAsking = {"can", "could", "would", "will"};

inline bool is_word_char(std::uint8_t bits) { return (bits & 7) >= 1 && (bits & 7) <= 5; }

// Reads one sentence.
class SentenceWords {
public:
    SentenceWords(std::string_view text, std::size_t begin, std::size_t end,
                  std::vector<Word>& words)
        : text_(text), begin_(begin), end_(end), words_(words), table_(Phrases::get()) {
        read();
        find_closer();
        find_clauses();
    }

    // Whether the sentence asks for work on a text that it holds itself: "Translate this: ..."
    bool gives_text() const { return gives_text_; }
    // "Can you shorten this text?": it asks for work on another paragraph.
    bool asks_for_work() const {
        if (!has(kTransforms)) return false;
        for (std::size_t i = 0; i < words_.size(); ++i)
            if ((words_[i].roles & kTransforms) != 0)
                for (std::size_t j = i + 1; j < std::min(words_.size(), i + 5); ++j)
                    if (is_one_of(j, kThis) &&
                        (j + 1 == words_.size() ? is_one_of(i, kTextVerbs)
                                                : (words_[j + 1].roles & kPasted) != 0 ||
                                                      is_one_of(j + 1, kTextNouns)))
                        return true;
        return false;
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

protected:
    bool raw_is(std::size_t at, std::string_view word) const {
        if (at >= words_.size() || words_[at].to - words_[at].from != word.size()) return false;
        for (std::size_t i = 0; i < word.size(); ++i) {
            const char c = text_[words_[at].from + i];
            if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) != word[i]) return false;
        }
        return true;
    }

    bool contains(std::string_view word) const {
        for (std::size_t i = 0; i < words_.size(); ++i)
            if (raw_is(i, word)) return true;
        return false;
    }

    template <std::size_t N>
    bool is_one_of(std::size_t at, const std::array<std::string_view, N>& words) const {
        return std::any_of(words.begin(), words.end(),
                           [&](const std::string_view word) { return raw_is(at, word); });
    }

    // Whether words in lower case begin at a word.
    bool says(std::size_t at, std::string_view words) const {
        for (std::size_t begin = 0; begin < words.size(); ++at) {
            const std::size_t end = std::min(words.find(' ', begin), words.size());
            if (!raw_is(at, words.substr(begin, end - begin))) return false;
            begin = end + 1;
        }
        return true;
    }

    // Whether the sentence has not all words that a phrase requires; false where unknown.
    bool lacks(const Phrase& phrase) const {
        for (const std::uint64_t need : phrase.needs)
            if (need != 0 && (need & mask_) == 0) return true;
        return (phrase.needs_number && !numbers_) || (phrase.needs_day && !days_);
    }

    // `first`: a comma before the word is no matter.
    bool takes(const Element& element, std::size_t at, bool first = false) const {
        using Type = Element::Type;
        if (element.type == Type::end) return at == words_.size() || at == closer_;
        if (at >= words_.size()) return element.type == Type::except;
        const Word& word = words_[at];
        switch (element.type) {
            case Type::words:
                return std::find(element.words.begin(), element.words.end(), word.exact) !=
                           element.words.end() ||
                       (word.prefix != 0 && std::find(element.words.begin(), element.words.end(),
                                                      word.prefix) != element.words.end());
            case Type::verb:
                return (first || !word.comma) && !word.number && !word.inflected &&
                       (word.roles & kNoImperative) == 0;
            case Type::number: return word.number || (word.roles & kCount) != 0;
            case Type::value: return is_value(at);
            case Type::day: return (word.roles & kDay) != 0 || is_date(at);
            case Type::ing: return word.ing;
            case Type::word:
                return !word.comma && (word.roles & (kNoImperative | kOwner | kArticle)) == 0;
            case Type::noun:
                return !word.comma && !word.number &&
                       (word.roles & (kNoImperative | kOwner | kArticle | kOpener | kPoints |
                                      kCopula | kAsks)) == 0 &&
                       !(word.inflected && raw_of(at).ends_with("ed"));
            case Type::except:
                return std::find(element.words.begin(), element.words.end(), word.exact) ==
                       element.words.end();
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

private:
    void read() {
        words_.clear();
        bool quoted = false, comma = false;
        assigned_ = false;
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
                    case U'\uFF1A':
                        comma = true;
                        assigned_ = point.value == U':';
                        break;
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
                    case U'\uFF1B': comma = true; break;
                    case U'=': assigned_ = true; break;
                    case U'\'': break;
                    case U'-': comma |= at > begin_ && text_[at - 1] == ' '; break;
                    default: break;
                }
                at += point.size;
                continue;
            }
            at = read_word(at, quoted, comma);
            comma = assigned_ = false;
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
        word.assigned = assigned_;
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
                if (c == U':' && text_.substr(at, 3) == "://") {
                    const std::size_t end =
                        std::min(text_.find_first_of(" \t\r\n\"'<>)]", at), end_);
                    at = end;
                    while (at > word.from + 3 && ends_a_sentence(text_[at - 1])) --at;
                    joined_sign = true;
                    hash = kWordSeed;
                    break;
                }
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
        word.identifier = joined_sign || inner_upper;
        const std::string_view raw = text_.substr(word.from, word.to - word.from);
        word.inflected =
            count > 3 && (raw.ends_with("ed") || raw.ends_with("ing") ||
                          (raw.ends_with("s") && !raw.ends_with("ss") && raw != "focus"));
        word.ing = count > 4 && raw.ends_with("ing");
        if (raw.ends_with("need") || raw.ends_with("feed") || raw.ends_with("embed") ||
            raw.ends_with("bring"))
            word.inflected = false;
        mask_ |= mask_of(word.exact) | mask_of(word.prefix);
        numbers_ |= word.number || (word.roles & kCount) != 0;
        days_ |= (word.roles & kDay) != 0 || (raw[0] >= '0' && raw[0] <= '9');
        words_.push_back(word);
        return at;
    }

    static bool ends_a_sentence(char c) {
        return c == '.' || c == ',' || c == ';' || c == '!' || c == '?';
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
            const bool reporter =
                (i > 0 && (words_[i - 1].roles & kReporter) != 0) ||
                (i > 1 && ((words_[i - 2].roles & kReporter) != 0 || is_one_of(i - 2, kTheirs)));
            if (reported_ == words_.size() && reporter && (word.roles & kSays) != 0)
                reported_ = i - 1;
            if (reported_ == words_.size() &&
                text_.substr(word.from, word.to - word.from) == "heard")
                reported_ = i;
            if (asks && question_ == words_.size() && word.starts && (word.roles & kAsks) != 0)
                question_ = i;
        }
        if (asks && question_ == words_.size()) {
            question_ = 0;
            tagged_ = agreed_ && !begins_question();
        }
        find_supposed();
        find_force();
        find_subject();
        if (question_ + 1 < words_.size()) {
            const Word& next = words_[question_ + 1];
            const auto raw = text_.substr(next.from, next.to - next.from);
            asks_for_ = raw == "you" || raw == "please";
        }
    }

    // "Would it help if my budget is 2,000 euros?": what a question supposes, up to the next clause.
    void find_supposed() {
        bool supposed = false;
        for (std::size_t i = question_; i < words_.size(); ++i) {
            if (words_[i].comma && words_[i].starts) supposed = false;
            words_[i].supposed = supposed;
            supposed |= begins_condition(i);
        }
    }

    // "se" and "als" are other words, too ("se ajusta", "mehr als"), but not before an owner.
    bool begins_condition(std::size_t at) const {
        if ((words_[at].roles & kIf) == 0) return false;
        if (!raw_is(at, "se") && !raw_is(at, "als")) return true;
        if (at + 1 >= words_.size() || raw_is(at + 1, "mein") || raw_is(at + 1, "meine"))
            return false;
        return (words_[at + 1].roles & (kOwner | kArticle)) != 0;
    }

    // "No emojis please": where the words begin that only close the sentence.
    void find_closer() {
        closer_ = words_.size();
        agreed_ = false;
        for (bool more = true; more && closer_ > 1;) {
            more = false;
            for (std::size_t i = 0; i < kClosers.size() && !more; ++i) {
                const auto words = static_cast<std::size_t>(
                    1 + std::count(kClosers[i].begin(), kClosers[i].end(), ' '));
                const std::size_t from = closer_ - std::min(words, closer_);
                if (from == 0 || from + words != closer_ || !says(from, kClosers[i]) ||
                    (!words_[from].comma && (words_[from - 1].roles & (kCopula | kNo)) != 0))
                    continue;
                agreed_ |= i < kAgreeing;
                closer_ = from;
                more = true;
            }
        }
    }

    // What takes the force from a sentence: an example, a doubt, the past, a text to work on.
    void find_force() {
        hedge_ = past_ = words_.size();
        unsaid_ = false;
        std::size_t first = 0;
        while (first < words_.size() && (words_[first].roles & kOpener) != 0) ++first;
        if (first + 2 < words_.size() && is_one_of(first, kAsking) && raw_is(first + 1, "you"))
            first += 2;
        while (first < words_.size() && (words_[first].roles & kOpener) != 0) ++first;
        for (const std::string_view words : kUnsaid) unsaid_ |= says(first, words);
        unsaid_ |= is_one_of(first, kSome) && !raw_is(first + 1, "of");
        const bool year = raw_is(first, "in") && first + 1 < words_.size() &&
                          words_[first + 1].number &&
                          words_[first + 1].to - words_[first + 1].from == 4;
        const bool works = first < words_.size() && (words_[first].roles & kTransforms) != 0;
        const bool writes = is_one_of(first, kWriting);
        bool behind = false;
        for (std::size_t i = 0; i < words_.size(); ++i) {
            behind |= works && i > first && words_[i].comma && words_[i].assigned;
            behind |= writes && i > first && is_one_of(i, kSaying);
            words_[i].quoted |= behind;
            if ((words_[i].roles & kMarks) == 0) continue;
            for (const std::string_view words : kHedges)
                if (hedge_ == words_.size() && says(i, words)) hedge_ = i;
            for (const std::string_view words : kPastTimes)
                if (past_ == words_.size() && says(i, words)) past_ = i;
        }
        unsaid_ |= year && contains("was");
        gives_text_ = behind && works;
    }

    // The first word that says who does what the sentence is about.
    void find_subject() {
        subject_ = 0;
        while (subject_ < words_.size() && (words_[subject_].roles & kAsks) == 0 &&
               !is_one_of(subject_, kSubjects) &&
               ((words_[subject_].roles & kSelf) == 0 || raw_is(subject_, "please")))
            ++subject_;
    }

    // A question without its mark: "is it true that". "Do", "can" and "when" begin other sentences.
    bool begins_question() const {
        if (words_.empty()) return false;
        const auto raw = text_.substr(words_[0].from, words_[0].to - words_[0].from);
        for (const std::string_view word : {"is", "are", "does", "did", "why", "how"})
            if (raw.size() == word.size() && (raw[0] | 0x20) == word[0] &&
                raw.substr(1) == word.substr(1))
                return true;
        return (raw_is(0, "what") && raw_is(1, "if")) || (raw_is(0, "was") && raw_is(1, "wenn"));
    }

protected:
    std::string_view text_;
    std::size_t begin_, end_;
    std::vector<Word>& words_;
    const Phrases& table_;
    bool free_ = false;                        // any word is the value of the last match
    std::size_t value_ = 0;                    // the word that is the value in the last match
    std::size_t question_ = 0, reported_ = 0;  // the size of words_ where there is none
    std::uint64_t mask_ = 0;                   // of the words that are in the tables
    bool numbers_ = false, days_ = false;
    bool asks_for_ = false;  // the question is a request: "can you"
    bool assigned_ = false;
    std::size_t closer_ = 0;  // the size of words_ where there is none
    bool agreed_ = false;     // the closer asks whether the reader agrees: "ok?"
    bool tagged_ = false;     // only the closer makes the sentence a question
    std::size_t hedge_ = 0, past_ = 0, subject_ = 0;  // the size of words_ where there is none
    bool unsaid_ = false;                             // an example, or what people say
    bool gives_text_ = false;  // a request to work on the text behind its colon
};

}  // namespace ctxmem::ledger
