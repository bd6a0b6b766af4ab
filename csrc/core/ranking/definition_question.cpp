#include "core/ranking/definition_question.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "core/text/normal.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kLongestSubject = 8;     // terms
constexpr std::size_t kLongestSentence = 300;  // bytes
constexpr std::size_t kMostSubjects = 4;       // of a query with its variants
constexpr std::size_t kFewestAfter = 3;        // terms that a definition has after its subject

// What stands before and after the subject, in lower case with a space for each mark. The longer of
// two forms that begin alike comes first.
struct Form {
    std::string_view before, after;
};
// clang-format off
constexpr std::array kForms = {
    // English
    Form{"what is the meaning of ", ""}, Form{"what is the definition of ", ""},
    Form{"what is the purpose of ", ""}, Form{"what s the purpose of ", ""},
    Form{"what is meant by ", ""}, Form{"what exactly is ", ""},
    Form{"what is ", " used for"}, Form{"what are ", " used for"}, Form{"what s ", " used for"},
    Form{"what is ", " for"}, Form{"what are ", " for"}, Form{"what s ", " for"},
    Form{"what is ", " all about"}, Form{"what is ", " about"}, Form{"what s ", " about"},
    Form{"what is ", ""}, Form{"what are ", ""}, Form{"what was ", ""}, Form{"what were ", ""},
    Form{"what s ", ""}, Form{"what does ", " do"}, Form{"what do ", " do"},
    Form{"what does ", " mean"}, Form{"what do ", " mean"}, Form{"what does ", " stand for"},
    Form{"what can ", " do"}, Form{"who is ", ""}, Form{"who are ", ""}, Form{"who was ", ""},
    Form{"who were ", ""}, Form{"who s ", ""}, Form{"define ", ""}, Form{"definition of ", ""},
    Form{"meaning of ", ""}, Form{"purpose of ", ""}, Form{"overview of ", ""},
    Form{"an overview of ", ""}, Form{"give me an overview of ", ""},
    Form{"describe briefly ", ""}, Form{"briefly describe ", ""}, Form{"describe ", ""},
    Form{"briefly explain ", ""}, Form{"can you explain what ", " is"},
    Form{"can you explain ", ""}, Form{"explain what ", " is"}, Form{"explain what ", " are"},
    Form{"explain what ", " does"}, Form{"explain what ", " means"}, Form{"explain ", ""},
    Form{"tell me about ", ""}, Form{"tell me what ", " is"}, Form{"tell me what ", " does"},
    Form{"tell me who ", " is"},
    // German, French
    Form{"was versteht man unter ", ""}, Form{"was ist ", ""}, Form{"was sind ", ""},
    Form{"was war ", ""}, Form{"was macht ", ""}, Form{"was bedeutet ", ""},
    Form{"was kann ", ""}, Form{"wofür ist ", " da"}, Form{"wer ist ", ""}, Form{"wer war ", ""},
    Form{"wer sind ", ""}, Form{"definiere ", ""}, Form{"erkläre ", ""},
    Form{"qu est ce que c est que ", ""}, Form{"qu est ce que ", ""}, Form{"qu est ce qu ", ""},
    Form{"c est quoi ", ""}, Form{"que signifie ", ""}, Form{"que fait ", ""},
    Form{"à quoi sert ", ""}, Form{"qui est ", ""}, Form{"qui était ", ""},
    // Spanish, Italian, Portuguese
    Form{"qué es ", ""}, Form{"que es ", ""}, Form{"qué son ", ""}, Form{"qué significa ", ""},
    Form{"qué hace ", ""}, Form{"para qué sirve ", ""}, Form{"quién es ", ""},
    Form{"quien es ", ""}, Form{"quién fue ", ""}, Form{"che cos è ", ""}, Form{"cos è ", ""},
    Form{"cosa è ", ""}, Form{"cosa sono ", ""}, Form{"cosa significa ", ""}, Form{"chi è ", ""},
    Form{"chi era ", ""}, Form{"o que é ", ""}, Form{"o que são ", ""}, Form{"o que faz ", ""},
    Form{"o que significa ", ""}, Form{"quem é ", ""}, Form{"quem foi ", ""},
    // Dutch, Polish, Swedish, Danish, Norwegian, Finnish, Turkish
    Form{"wat is ", ""}, Form{"wat zijn ", ""}, Form{"wat betekent ", ""}, Form{"wie is ", ""},
    Form{"wie was ", ""}, Form{"co to jest ", ""}, Form{"czym jest ", ""}, Form{"czym są ", ""},
    Form{"kim jest ", ""}, Form{"kim był ", ""}, Form{"kim była ", ""}, Form{"vad är ", ""},
    Form{"vem är ", ""}, Form{"hvad er ", ""}, Form{"hvem er ", ""}, Form{"hva er ", ""},
    Form{"mikä on ", ""}, Form{"kuka on ", ""}, Form{"", " nedir"}, Form{"", " kimdir"},
    Form{"", " ne demek"},
    // Russian, Ukrainian, Arabic, Hindi, Chinese, Japanese
    Form{"что такое ", ""}, Form{"кто такой ", ""}, Form{"кто такая ", ""},
    Form{"что значит ", ""}, Form{"що таке ", ""}, Form{"хто такий ", ""}, Form{"ما هو ", ""},
    Form{"ما هي ", ""}, Form{"من هو ", ""}, Form{"من هي ", ""}, Form{"", " क्या है"},
    Form{"", " कौन है"}, Form{"什么是", ""}, Form{"", "是什么"}, Form{"谁是", ""}, Form{"", "是谁"},
    Form{"", "とは何ですか"}, Form{"", "とは何か"}, Form{"", "って何"}, Form{"", "とは"},
};
constexpr std::array<std::string_view, 49> kVerbs = {
    "is", "are", "was", "were", "means", "denotes", "describes", "refers", "stands", "provides",
    "implements", "ist", "sind", "war", "waren", "bedeutet", "bezeichnet", "est", "sont", "était",
    "désigne", "es", "son", "era", "eran", "fue", "significa", "è", "sono", "fu", "é", "são", "foi",
    "zijn", "betekent", "jest", "są", "był", "była", "to", "är", "er", "on", "это", "является", "це",
    "هو", "هي", "是"};
constexpr std::array<std::string_view, 29> kArticles = {
    "the", "a", "an", "der", "die", "das", "ein", "eine", "einen", "le", "la", "les", "l", "un",
    "une", "el", "los", "las", "una", "il", "lo", "gli", "i", "o", "os", "as", "um", "het", "een"};
// clang-format on

// A text in lower case, with one space for each run of anything but letters and digits.
std::string only_words(std::string_view text) {
    std::string out;
    bool gap = false;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = decode(text, at);
        at += point.size;
        const CharClass kind = char_class(point.value);
        if (kind == CharClass::other || kind >= CharClass::space) {
            gap = !out.empty();
            continue;
        }
        if (gap) out += ' ';
        gap = false;
        append_utf8(lower_case(point.value), out);
    }
    return out;
}

std::string_view subject_of(std::string_view question) {
    for (const Form& form : kForms)
        if (question.size() > form.before.size() + form.after.size() &&
            question.starts_with(form.before) && question.ends_with(form.after))
            return question.substr(form.before.size(),
                                   question.size() - form.before.size() - form.after.size());
    return {};
}

// Where a sentence ends: at a mark before a space, or at the end of the line.
std::size_t end_of_sentence(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\n') return at;
        const bool mark = text[at] == '.' || text[at] == '?' || text[at] == '!' || text[at] == ';';
        if (mark && at + 1 < text.size() && text[at + 1] == ' ') return at;
    }
    return text.size();
}

std::vector<std::uint32_t> numbers_of(std::span<const std::string_view> words, Terms& known) {
    std::vector<Term> terms;
    for (const std::string_view word : words) known.append(word, terms);
    std::vector<std::uint32_t> out;
    for (const Term& term : terms) out.push_back(term.id);
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

DefinitionQuestion::DefinitionQuestion(Terms& known, std::span<const std::string_view> queries) {
    for (std::string_view query : queries) {
        while (!query.empty() && subjects_.size() < kMostSubjects) {
            const std::size_t end = end_of_sentence(query);
            read(query.substr(0, end), known);
            query.remove_prefix(std::min(query.size(), end + 1));
        }
    }
}

void DefinitionQuestion::read(std::string_view sentence, Terms& known) {
    if (sentence.size() > kLongestSentence) return;
    const std::string words = only_words(sentence);
    const std::string_view subject = subject_of(words);
    if (subject.empty()) return;
    if (articles_.empty()) {
        articles_ = numbers_of(kArticles, known);
        verbs_ = numbers_of(kVerbs, known);
    }
    std::vector<Term> terms;
    known.append(subject, terms);
    Subject numbers;
    bool named = false;
    for (const Term& term : terms) {
        if (term.extra || (numbers.empty() && terms.size() > 1 && is_article(term.id))) continue;
        numbers.push_back(term.id);
        named = named || !term.function;
    }
    if (named && numbers.size() <= kLongestSubject) subjects_.push_back(std::move(numbers));
}

bool DefinitionQuestion::is_article(std::uint32_t term) const {
    return std::binary_search(articles_.begin(), articles_.end(), term);
}

DefinitionQuestion::Beginning DefinitionQuestion::beginning(std::span<const Term> terms,
                                                            const Subject& subject) const {
    std::size_t met = 0, after = 0;
    bool verb = false;
    for (const Term& term : terms) {
        if (term.extra) continue;
        if (met == subject.size()) {
            if (after == 0) verb = std::binary_search(verbs_.begin(), verbs_.end(), term.id);
            if (++after == kFewestAfter) return verb ? Beginning::verb : Beginning::subject;
        } else if (term.id == subject[met]) {
            ++met;
        } else if (met > 0 || !is_article(term.id)) {
            break;
        }
    }
    return Beginning::other;
}

bool DefinitionQuestion::is_subject(std::span<const Term> terms, const Subject& subject) const {
    std::size_t met = 0;
    for (const Term& term : terms) {
        if (term.extra) continue;
        if (met < subject.size() && term.id == subject[met])
            ++met;
        else if (!term.function && !is_article(term.id))
            return false;
    }
    return met == subject.size();
}

}  // namespace ctxmem
