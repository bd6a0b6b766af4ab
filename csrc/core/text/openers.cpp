#include "core/text/openers.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

template <std::size_t n>
constexpr std::array<std::string_view, n> sorted(std::array<std::string_view, n> words) {
    std::sort(words.begin(), words.end());
    return words;
}

// Words that begin sentences of another language as something else are left out: "On", "To", "Il".
// clang-format off
constexpr auto kPronouns = sorted(std::array{
    "He"sv, "Her"sv, "His"sv, "It"sv, "Its"sv, "She"sv, "Their"sv, "They"sv,              // en
    "Er"sv, "Sie"sv, "Ihr"sv, "Ihre"sv, "Sein"sv, "Seine"sv,                              // de
    "Elle"sv, "Elles"sv, "Ils"sv, "Leur"sv, "Leurs"sv,                                    // fr
    "Ella"sv, "Ellas"sv, "Ellos"sv, "\xC3\x89l"sv,                                        // es
    "Egli"sv, "Essa"sv, "Esse"sv, "Essi"sv, "Esso"sv,                                     // it
    "Ela"sv, "Elas"sv, "Ele"sv, "Eles"sv,                                                 // pt
    "Hij"sv, "Zij"sv, "Haar"sv,                                                           // nl
    "Ona"sv, "Oni"sv, "Jego"sv, "Jej"sv,                                                  // pl
    "\xD0\x9E\xD0\xBD"sv, "\xD0\x9E\xD0\xBD\xD0\xB0"sv, "\xD0\x9E\xD0\xBD\xD0\xB8"sv,    // ru
    "\xD0\x9E\xD0\xBD\xD0\xBE"sv, "\xD0\x95\xD0\xB3\xD0\xBE"sv, "\xD0\x95\xD1\x91"sv,
    "\xD0\x98\xD1\x85"sv,
    "\xD9\x87\xD9\x88"sv, "\xD9\x87\xD9\x8A"sv, "\xD9\x87\xD9\x85"sv,                     // ar
    "\xE0\xA4\xB5\xE0\xA4\xB9"sv, "\xE0\xA4\xB5\xE0\xA5\x87"sv});                         // hi

// Contrasts and exceptions, which make no sense without the rule before them, nor it without them.
constexpr auto kContrasts = sorted(std::array{
    "However"sv, "Nevertheless"sv, "Nonetheless"sv, "Otherwise"sv, "Jedoch"sv, "Allerdings"sv, "Andernfalls"sv, "Dennoch"sv,
    "Toutefois"sv, "Cependant"sv, "Sinon"sv, "Tuttavia"sv, "Altrimenti"sv, "Echter"sv, "Jednak"sv,
    "\xD0\x9E\xD0\xB4\xD0\xBD\xD0\xB0\xD0\xBA\xD0\xBE"sv, "\xD0\x98\xD0\xBD\xD0\xB0\xD1\x87\xD0\xB5"sv});  // ru

constexpr auto kDemonstratives = sorted(std::array{
    "Such"sv, "Thereafter"sv, "Thereby"sv,                                                // en
    "Dadurch"sv, "Daher"sv, "Damit"sv, "Dies"sv, "Solche"sv, "Solcher"sv,                 // de
    "Ceci"sv, "Cela"sv, "Celle-ci"sv, "Celui-ci"sv,                                       // fr
    "Dicha"sv, "Dicho"sv, "Ello"sv, "Eso"sv, "Esto"sv,                                    // es
    "Ci\xC3\xB2"sv,                                                                       // it
    "Isso"sv, "Isto"sv,                                                                   // pt
    "Dergelijke"sv, "Dit"sv,                                                              // nl
    "Takie"sv,                                                                            // pl
    "\xD0\xAD\xD1\x82\xD0\xBE"sv,                                                        // ru
    "\xE0\xA4\xAF\xE0\xA4\xB9"sv, "\xE0\xA4\xAF\xE0\xA5\x87"sv});                         // hi

// English demonstratives, which point back by themselves ("This means ...") and not before a noun:
// "This Agreement" and "This option" are what the text is about, and its headings say what that is.
constexpr auto kBeforeVerbs = sorted(std::array{"That"sv, "These"sv, "This"sv, "Those"sv});
constexpr auto kVerbs = sorted(std::array{
    "adds"sv, "allows"sv, "also"sv, "applies"sv, "are"sv, "avoids"sv, "became"sv, "began"sv,
    "brings"sv, "broke"sv, "brought"sv, "came"sv, "can"sv, "caused"sv, "causes"sv, "changes"sv,
    "comes"sv, "contributes"sv, "cost"sv, "costs"sv, "could"sv, "creates"sv, "depends"sv, "did"sv,
    "do"sv, "does"sv, "enables"sv, "ensures"sv, "explained"sv, "explains"sv, "failed"sv, "fails"sv,
    "fixes"sv, "follows"sv, "gave"sv, "gets"sv, "gives"sv, "goes"sv, "got"sv, "had"sv,
    "happened"sv, "happens"sv, "has"sv, "have"sv, "helped"sv, "helps"sv, "improves"sv,
    "included"sv, "includes"sv, "increases"sv, "is"sv, "isn"sv, "keeps"sv, "led"sv, "lets"sv,
    "made"sv, "makes"sv, "may"sv, "means"sv, "meant"sv, "might"sv, "must"sv, "needs"sv,
    "prevents"sv, "proved"sv, "proves"sv, "provides"sv, "reduces"sv, "refers"sv, "removes"sv,
    "represents"sv, "requires"sv, "resulted"sv, "results"sv, "returns"sv, "saves"sv, "seemed"sv,
    "seems"sv, "sets"sv, "should"sv, "shows"sv, "solves"sv, "sounds"sv, "stops"sv, "takes"sv,
    "took"sv, "uses"sv, "was"sv, "went"sv, "were"sv, "will"sv, "worked"sv, "works"sv, "would"sv});

// Verbs that could be adjectives ("That fixed price"), unless what they act on follows.
constexpr auto kActs = sorted(std::array{
    "changed"sv, "cleared"sv, "closed"sv, "confirmed"sv, "cured"sv, "doubled"sv, "ended"sv, "fixed"sv, "halved"sv, "improved"sv, "increased"sv,
    "reduced"sv, "removed"sv, "repaired"sv, "resolved"sv, "restored"sv, "saved"sv, "settled"sv, "solved"sv, "stopped"sv});
constexpr auto kObjects = sorted(std::array{
    "a"sv, "all"sv, "an"sv, "both"sv, "everything"sv, "her"sv, "him"sv, "his"sv, "it"sv, "its"sv, "me"sv, "my"sv, "our"sv, "that"sv, "the"sv,
    "their"sv, "them"sv, "things"sv, "this"sv, "us"sv});

// Several words that refer to the sentence before: the case that it says.
constexpr std::array kCases = {
    "In that case"sv, "In this case"sv, "In such a case"sv, "In such case"sv, "In such cases"sv,  // en
    "In that event"sv, "In such event"sv, "In these cases"sv, "In those cases"sv, "If so"sv,
    "In diesem Fall"sv, "In diesem Falle"sv, "In diesen F\xC3\xA4llen"sv, "In solchen F\xC3\xA4llen"sv,  // de
    "In einem solchen Fall"sv,
    "Dans ce cas"sv, "Dans un tel cas"sv, "En ce cas"sv,                                  // fr
    "En ese caso"sv, "En este caso"sv, "En tal caso"sv,                                   // es
    "In questo caso"sv, "In tal caso"sv,                                                  // it
    "Nesse caso"sv, "Neste caso"sv, "Em tal caso"sv,                                      // pt
    "In dat geval"sv, "In dit geval"sv,                                                   // nl
    "W takim przypadku"sv, "W tym przypadku"sv,                                           // pl
    "\xD0\x92 \xD1\x8D\xD1\x82\xD0\xBE\xD0\xBC \xD1\x81\xD0\xBB\xD1\x83\xD1\x87\xD0\xB0\xD0\xB5"sv,  // ru
    "\xD0\x92 \xD1\x82\xD0\xB0\xD0\xBA\xD0\xBE\xD0\xBC \xD1\x81\xD0\xBB\xD1\x83\xD1\x87\xD0\xB0\xD0\xB5"sv};

// Of Chinese, Japanese and Korean, which have no spaces behind them.
constexpr std::array kPronounHeads = {
    "\xE4\xBB\x96"sv, "\xE5\xA5\xB9"sv, "\xE5\xAE\x83"sv,                                 // zh
    "\xE5\xBD\xBC"sv,                                                                     // ja
    "\xEA\xB7\xB8\xEB\x8A\x94 "sv, "\xEA\xB7\xB8\xEB\x85\x80"sv};                         // ko
constexpr std::array kContrastHeads = {
    "\xE4\xBD\x86"sv, "\xE7\x84\xB6\xE8\x80\x8C"sv, "\xE5\x90\xA6\xE5\x88\x99"sv, "\xE3\x81\x9F\xE3\x81\xA0\xE3\x81\x97"sv, "\xE3\x81\x97\xE3\x81\x8B\xE3\x81\x97"sv,  // zh, ja
    "\xEB\x8B\xA4\xEB\xA7\x8C"sv, "\xEA\xB7\xB8\xEB\x9F\xAC\xEB\x82\x98"sv};  // ko
constexpr std::array kDemonstrativeHeads = {
    "\xE8\xBF\x99"sv, "\xE9\x80\x99"sv, "\xE8\xAF\xA5"sv, "\xE8\xA9\xB2"sv, "\xE6\xAD\xA4"sv,  // zh
    "\xE3\x81\x93\xE3\x82\x8C"sv, "\xE3\x81\x9D\xE3\x82\x8C"sv, "\xE3\x81\x93\xE3\x81\xAE"sv,  // ja
    "\xE3\x81\x9D\xE3\x81\xAE"sv,
    "\xE5\x9C\xA8\xE8\xBF\x99\xE7\xA7\x8D\xE6\x83\x85\xE5\x86\xB5"sv,                    // zh: in this case
    "\xE5\x9C\xA8\xE6\xAD\xA4\xE6\x83\x85\xE5\x86\xB5"sv,
    "\xEC\x9D\xB4\xEB\x8A\x94 "sv, "\xEC\x9D\xB4\xEA\xB2\x83"sv, "\xEC\x9D\xB4\xEB\x9F\xAC"sv};  // ko
// clang-format on

template <class Words>
bool holds(const Words& words, std::string_view word) {
    return std::binary_search(words.begin(), words.end(), word);
}

constexpr std::string_view kWordEnds = " \t\n,;:.'";

std::size_t word_end(std::string_view text) {
    return std::min(text.find_first_of(kWordEnds), text.size());
}

// Whether a text begins with a verb of which a demonstrative is the subject.
bool verb_follows(std::string_view text) {
    const std::size_t end = word_end(text);
    const std::string_view verb = text.substr(0, end);
    if (holds(kVerbs, verb)) return true;
    if (!holds(kActs, verb) || end == text.size()) return false;
    const std::string_view rest = text.substr(end + 1);
    return text[end] == ' ' && holds(kObjects, rest.substr(0, word_end(rest)));
}

// The lengths of the words above, a bit each, by their first byte: most sentences begin with none of
// them. A head may begin a word of any length.
constexpr std::size_t kLongestWord = 32;
constexpr std::array<std::uint64_t, 256> word_lengths() {
    std::array<std::uint64_t, 256> table{};
    const auto enter = [&](const auto& words, bool heads) {
        for (const std::string_view word : words)
            table[static_cast<unsigned char>(word[0])] |=
                heads ? ~std::uint64_t{0} : std::uint64_t{1} << word.size();
    };
    enter(kPronouns, false);
    enter(kDemonstratives, false);
    enter(kContrasts, false);
    enter(kBeforeVerbs, false);
    enter(std::array{"There"sv}, false);
    for (const std::string_view phrase : kCases)
        table[static_cast<unsigned char>(phrase[0])] |= std::uint64_t{1} << phrase.find(' ');
    enter(kPronounHeads, true);
    enter(kContrastHeads, true);
    enter(kDemonstrativeHeads, true);
    return table;
}
constexpr auto kWordLengths = word_lengths();

}  // namespace

Opener opener_of(std::string_view sentence) {
    while (!sentence.empty() && std::string_view("\"'([*_").find(sentence[0]) != sentence.npos)
        sentence.remove_prefix(1);
    if (sentence.empty()) return Opener::none;
    const std::uint64_t lengths = kWordLengths[static_cast<unsigned char>(sentence[0])];
    if (lengths == 0) return Opener::none;
    const std::size_t end = word_end(sentence);
    const std::string_view word = sentence.substr(0, std::min(end, kLongestWord));
    if ((lengths >> word.size() & 1) == 0) return Opener::none;
    if (holds(kPronouns, word)) return Opener::pronoun;
    if (holds(kDemonstratives, word)) return Opener::demonstrative;
    if (holds(kContrasts, word)) return Opener::contrast;
    if (holds(kBeforeVerbs, word) && end < sentence.size()) {
        return verb_follows(sentence.substr(end + 1)) ? Opener::demonstrative : Opener::none;
    }
    if (word == "There")
        return sentence.substr(end, 1) == "," ? Opener::demonstrative : Opener::none;
    const auto says = [&](std::string_view phrase) {
        const std::string_view rest = sentence.substr(std::min(phrase.size(), sentence.size()));
        return sentence.starts_with(phrase) && rest.find_first_of(" \t\n,;:.") == 0;
    };
    if (std::any_of(kCases.begin(), kCases.end(), says)) return Opener::demonstrative;
    if (word.empty() || static_cast<unsigned char>(word[0]) < 0xE3) return Opener::none;
    const auto begins = [&](std::string_view head) { return sentence.starts_with(head); };
    if (std::any_of(kPronounHeads.begin(), kPronounHeads.end(), begins)) return Opener::pronoun;
    if (std::any_of(kContrastHeads.begin(), kContrastHeads.end(), begins)) return Opener::contrast;
    if (std::any_of(kDemonstrativeHeads.begin(), kDemonstrativeHeads.end(), begins))
        return Opener::demonstrative;
    return Opener::none;
}

}  // namespace ctxmem
