#include "core/text/outline_exceptions.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/text/ascii.hpp"

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kLongest = 120;  // letters of a short exception
constexpr std::size_t kBytes = 384;    // bytes of a text that is compared
constexpr std::size_t kNoun = 4;       // letters of a noun that two sentences share, at least

template <std::size_t n>
constexpr std::array<std::string_view, n> sorted(std::array<std::string_view, n> words) {
    std::sort(words.begin(), words.end());
    return words;
}

// clang-format off
// What begins an exception, wherever it is in a sentence.
constexpr auto kExceptions = sorted(std::array{
    "unless "sv, "except "sv, "except,"sv, "excepting "sv, "excluding "sv, "other than "sv, "provided that"sv, "provided,"sv,
    "save for"sv, "save that"sv, "save where"sv, "with the exception"sv, "but not "sv, "but only "sv, "only if "sv, "only when "sv, "only where "sv,
    "es sei denn"sv, "außer "sv, "ausgenommen"sv, "mit ausnahme"sv, "sofern "sv, "soweit "sv, "nur wenn"sv, "aber nicht"sv, "aber nur"sv, "jedoch nicht"sv, "jedoch nur"sv,
    "sauf "sv, "à moins que"sv, "à moins d"sv, "à l'exception"sv, "à l’exception"sv, "excepté"sv, "hormis "sv, "à condition"sv, "sous réserve"sv, "mais pas"sv, "mais seulement"sv, "seulement si"sv, "uniquement si"sv,
    "salvo "sv, "excepto "sv, "a menos que"sv, "a no ser que"sv, "siempre que"sv, "con excepción"sv, "con la excepción"sv, "pero no"sv, "pero solo"sv, "pero sólo"sv, "solo si"sv, "sólo si"sv,
    "tranne "sv, "eccetto"sv, "a meno che"sv, "purché"sv, "ad eccezione"sv, "a condizione che"sv, "ma non"sv, "ma solo"sv, "solo se"sv,
    "exceto "sv, "desde que"sv, "com exceção"sv, "mas não"sv, "mas só"sv, "só se"sv, "somente se"sv,
    "tenzij "sv, "behalve "sv, "mits "sv, "met uitzondering"sv, "uitgezonderd"sv, "maar niet"sv, "maar alleen"sv, "alleen als"sv,
    "chyba że"sv, "z wyjątkiem"sv, "oprócz "sv, "pod warunkiem"sv, "o ile "sv, "ale nie"sv, "ale tylko"sv, "tylko jeśli"sv,
    "кроме "sv, "за исключением"sv, "при условии"sv, "если только"sv, "только если"sv, "но не"sv, "но только"sv, "если не"sv,
    "إلا "sv, "باستثناء"sv, "ما لم"sv, "بشرط"sv,
    "जब तक"sv, "को छोड़कर"sv, "सिवाय"sv, "बशर्ते"sv,
    "除非"sv, "除外"sv, "但不"sv, "不包括"sv, "ただし"sv, "を除"sv, "限り"sv, "제외"sv, "않는 한"sv, "다만"sv});

// What begins a condition or a contrast, where a part of a sentence begins with it.
constexpr auto kConditions = sorted(std::array{
    "but "sv, "not "sv, "nor "sv, "if "sv, "only "sv, "without "sv, "where "sv, "when "sv, "as long as"sv, "so long as"sv, "in case"sv, "in the event"sv, "subject to"sv, "until "sv, "should "sv, "however"sv,
    "aber "sv, "wenn "sv, "falls "sv, "solange "sv, "nur "sv, "ohne "sv, "nicht "sv, "jedoch "sv, "sondern "sv, "vorausgesetzt"sv, "vorbehaltlich"sv, "im falle"sv, "bis "sv,
    "mais "sv, "si "sv, "s'il"sv, "s’il"sv, "sans "sv, "lorsque "sv, "lorsqu"sv, "tant que"sv, "en cas "sv, "seulement "sv, "uniquement "sv, "pourvu que"sv, "cependant"sv, "toutefois"sv,
    "pero "sv, "sin "sv, "cuando "sv, "en caso "sv, "solo "sv, "sólo "sv, "mientras "sv, "sino "sv, "con tal "sv,
    "ma "sv, "se "sv, "senza "sv, "qualora "sv, "nel caso"sv, "in caso"sv, "quando "sv, "però "sv, "soltanto "sv,
    "mas "sv, "sem "sv, "caso "sv, "em caso"sv, "somente "sv, "apenas "sv, "porém"sv,
    "maar "sv, "als "sv, "indien "sv, "zonder "sv, "alleen "sv, "wanneer "sv, "zolang "sv, "niet "sv,
    "ale "sv, "jeśli "sv, "jeżeli "sv, "gdy "sv, "bez "sv, "tylko "sv, "jednak"sv,
    "но "sv, "если "sv, "без "sv, "только "sv, "когда "sv, "однако"sv, "в случае"sv,
    "إذا "sv, "لكن"sv, "ولكن"sv, "في حال"sv, "بدون "sv,
    "यदि"sv, "अगर"sv, "लेकिन"sv, "बिना"sv,
    "但"sv, "如果"sv, "若"sv, "如"sv, "只有"sv, "しかし"sv, "もし"sv, "만약"sv, "그러나"sv, "단,"sv});

// The same with the capital letters that are not ASCII, at the head of a sentence.
constexpr auto kConditionHeads = sorted(std::array{
    "Если "sv, "Кроме "sv, "За исключением"sv, "При условии"sv, "Только "sv, "В случае"sv, "Когда "sv, "À moins"sv, "À l'exception"sv, "À condition"sv, "Außer "sv, "À défaut"sv, "Sólo "sv, "Só "sv});

// The ends of the condition that a sentence of Japanese or Korean begins with.
constexpr std::array kConditionEnds = {
    "場合、"sv, "場合は、"sv, "場合には、"sv, "除き、"sv, "除いて、"sv, "限り、"sv, "なければ、"sv, "ならば、"sv, "とき、"sv, "ときは、"sv, "時は、"sv,
    "경우,"sv, "경우에는,"sv, "제외하고,"sv, "않는 한,"sv, "않으면,"sv};

// What begins a sentence that restricts the one before it.
constexpr auto kHeads = sorted(std::array{
    "but "sv, "except "sv, "exception"sv, "excluded"sv, "excluding "sv, "exclusion"sv, "exempt"sv, "not included"sv, "not covered"sv, "not applicable"sv, "not if "sv, "not for "sv,
    "the only exception"sv, "the sole exception"sv, "the exception"sv, "an exception"sv, "one exception"sv, "another exception"sv, "the exclusions"sv,
    "there is one exception"sv, "there is an exception"sv, "there is only one exception"sv, "there are exceptions"sv, "there are some exceptions"sv, "there are two exceptions"sv, "there are three exceptions"sv, "it must not"sv, "it may not"sv, "they must not"sv, "they may not"sv,
    "this does not"sv, "these do not"sv, "that does not"sv, "this applies only"sv, "this only applies"sv, "this is only"sv, "this is not"sv, "this holds only"sv, "this may not"sv, "this excludes"sv, "this exclude"sv,
    "the foregoing do"sv, "the foregoing shall not"sv, "the above do"sv, "notwithstanding the foregoing"sv, "notwithstanding the above"sv,
    "only if "sv, "only when "sv, "provided that"sv, "provided,"sv, "save for"sv, "save that"sv, "save where"sv,
    "aber "sv, "ausgenommen"sv, "ausnahme"sv, "die einzige ausnahme"sv, "einzige ausnahme"sv, "eine ausnahme"sv, "es gibt eine ausnahme"sv, "es gibt ausnahmen"sv, "es gibt nur eine ausnahme"sv, "davon ausgenommen"sv, "hiervon ausgenommen"sv, "nicht enthalten"sv, "nicht inbegriffen"sv, "nicht eingeschlossen"sv, "nicht davon"sv,
    "dies gilt nicht"sv, "das gilt nicht"sv, "dies gilt nur"sv, "das gilt nur"sv, "es sei denn"sv, "nur wenn"sv, "nur für"sv, "außer "sv, "Außer "sv, "sofern "sv, "vorausgesetzt"sv, "dies ist nicht"sv, "ausgeschlossen"sv,
    "mais "sv, "sauf "sv, "exceptions"sv, "à l'exception"sv, "À l'exception"sv, "À l’exception"sv, "À condition"sv, "la seule exception"sv, "une exception"sv, "seule exception"sv, "il y a une exception"sv, "il y a des exceptions"sv, "il existe une exception"sv, "il existe des exceptions"sv, "ceci ne"sv, "cela ne"sv, "sont exclu"sv, "en sont exclu"sv, "hormis "sv, "uniquement si"sv, "seulement si"sv, "à moins"sv, "À moins"sv,
    "pero "sv, "salvo "sv, "excepto "sv, "excepción"sv, "excepciones"sv, "la única excepción"sv, "una excepción"sv, "hay una excepción"sv, "hay excepciones"sv, "existe una excepción"sv, "existen excepciones"sv, "con la excepción"sv, "esto no"sv, "solo si"sv, "sólo si"sv, "quedan exclu"sv, "queda exclu"sv, "se exclu"sv, "únicamente si"sv,
    "ma "sv, "tranne "sv, "eccetto"sv, "eccezion"sv, "l'unica eccezione"sv, "l’unica eccezione"sv, "un'eccezione"sv, "un’eccezione"sv, "ciò non"sv, "questo non"sv, "solo se"sv, "fanno eccezione"sv, "fa eccezione"sv, "c'è un'eccezione"sv, "c’è un’eccezione"sv, "ci sono eccezioni"sv, "esiste un'eccezione"sv, "esiste un’eccezione"sv, "sono esclus"sv,
    "mas "sv, "exceto "sv, "exceção"sv, "exceções"sv, "a única exceção"sv, "uma exceção"sv, "há uma exceção"sv, "há exceções"sv, "existe uma exceção"sv, "existem exceções"sv, "isto não"sv, "isso não"sv, "só se"sv, "somente se"sv,
    "maar "sv, "behalve "sv, "uitzondering"sv, "de enige uitzondering"sv, "een uitzondering"sv, "er is een uitzondering"sv, "er is één uitzondering"sv, "er zijn uitzonderingen"sv, "dit geldt niet"sv, "dit geldt alleen"sv, "dat geldt niet"sv, "uitgezonderd"sv, "uitgesloten"sv, "alleen als"sv, "tenzij "sv,
    "ale "sv, "wyjątek"sv, "wyjątk"sv, "jedynym wyjątkiem"sv, "jedyny wyjątek"sv, "jest jeden wyjątek"sv, "jest wyjątek"sv, "są wyjątki"sv, "istnieją wyjątki"sv, "nie dotyczy"sv, "tylko jeśli"sv, "z wyjątkiem"sv, "chyba że"sv,
    "Но "sv, "Исключени"sv, "Единственное исключение"sv, "Есть исключени"sv, "Есть одно исключение"sv, "Существует исключение"sv, "Существуют исключения"sv, "Кроме "sv, "За исключением"sv, "Только если"sv, "Это не "sv,
    "لكن"sv, "ولكن"sv, "إلا "sv, "باستثناء"sv, "الاستثناء"sv, "لا ينطبق"sv, "لا يسري"sv,
    "लेकिन"sv, "परंतु"sv, "परन्तु"sv, "किन्तु"sv, "अपवाद"sv, "यह लागू नहीं"sv,
    "但"sv, "例外"sv, "除外"sv, "ただし"sv, "しかし"sv, "但し"sv, "단,"sv, "단 "sv, "다만"sv, "예외"sv});

// What says, anywhere in a short sentence, that something is excepted.
constexpr auto kPredicates = sorted(std::array{
    "does not apply"sv, "do not apply"sv, "doesn't apply"sv, "don't apply"sv, "shall not apply"sv, "will not apply"sv, "is excluded"sv, "are excluded"sv, "is excepted"sv, "are excepted"sv, "is exempt"sv, "are exempt"sv,
    "is not included"sv, "are not included"sv, "is not covered"sv, "are not covered"sv, "is not eligible"sv, "are not eligible"sv, "is an exception"sv, "are an exception"sv, "are exceptions"sv, "is the only exception"sv, "are the only exception"sv,
    "gilt nicht"sv, "gelten nicht"sv, "gilt jedoch nicht"sv, "gelten jedoch nicht"sv, "gilt aber nicht"sv, "gelten aber nicht"sv, "ausgenommen"sv, "ausgeschlossen"sv, "ist befreit"sv, "sind befreit"sv, "nicht enthalten"sv, "nicht inbegriffen"sv,
    "ne s'appli"sv, "ne s’appli"sv, "est exclu"sv, "sont exclu"sv, "ne vaut pas"sv, "ne valent pas"sv, "est exempté"sv, "sont exempté"sv, "n'est pas compris"sv, "n’est pas compris"sv, "ne sont pas compris"sv, "n'est pas inclus"sv, "n’est pas inclus"sv, "ne sont pas inclus"sv, "fait exception"sv, "font exception"sv,
    "no se aplica"sv, "no es aplicable"sv, "no son aplicables"sv, "quedan exclu"sv, "queda exclu"sv, "están exclu"sv, "está exclu"sv, "están exent"sv, "está exent"sv, "no está incluid"sv, "no están incluid"sv,
    "non si applica"sv, "non vale per"sv, "non valgono per"sv, "sono esclus"sv, "è esclus"sv, "sono esent"sv, "è esente"sv, "fa eccezione"sv, "fanno eccezione"sv, "non è inclus"sv, "non sono inclus"sv,
    "não se aplica"sv, "está excluíd"sv, "estão excluíd"sv, "ficam excluíd"sv, "são excluíd"sv, "é excluíd"sv, "está isent"sv, "estão isent"sv, "não está incluíd"sv, "não estão incluíd"sv,
    "geldt niet"sv, "gelden niet"sv, "niet van toepassing"sv, "is uitgesloten"sv, "zijn uitgesloten"sv, "is uitgezonderd"sv, "zijn uitgezonderd"sv, "is vrijgesteld"sv, "zijn vrijgesteld"sv, "niet inbegrepen"sv,
    "nie dotyczy"sv, "nie stosuje się"sv, "nie obowiązuj"sv, "jest wyłączon"sv, "są wyłączon"sv, "wykluczen"sv, "wykluczon"sv, "wyłączeni"sv, "jest wykluczon"sv, "są zwolnien"sv, "jest zwolnion"sv,
    "не относится"sv, "не относятся"sv, "не распространя"sv, "не применя"sv, "не действу"sv, "исключаются"sv, "исключены"sv, "освобожд"sv, "не входит"sv, "не входят"sv, "не касается"sv,
    "لا ينطبق"sv, "لا تنطبق"sv, "لا يسري"sv, "لا تسري"sv, "يستثنى"sv, "تستثنى"sv, "باستثناء"sv,
    "लागू नहीं"sv, "अपवाद"sv, "को छोड़कर"sv, "शामिल नहीं"sv,
    "除外"sv, "不适用"sv, "不適用"sv, "不包括"sv, "不包含"sv, "例外"sv,
    "適用されません"sv, "適用されない"sv, "適用しません"sv, "適用しない"sv, "除きます"sv, "対象外"sv, "この限りで"sv, "含まれません"sv, "含みません"sv,
    "적용되지"sv, "제외"sv, "예외"sv});

// What denies a noun at the head of a sentence, and what begins its condition.
constexpr std::array kDenials = {
    "no hay "sv, "no "sv, "kein "sv, "keine "sv, "keinen "sv, "aucun "sv, "aucune "sv, "ningún "sv, "ninguna "sv,
    "nessun "sv, "nessuna "sv, "nenhum "sv, "nenhuma "sv, "geen "sv, "żaden "sv, "żadna "sv, "żadne "sv, "Żaden "sv, "Żadna "sv, "Żadne "sv};
constexpr auto kIfs = sorted(std::array{
    "if "sv, "unless "sv, "where "sv, "when "sv, "in case"sv, "for "sv, "wenn "sv, "falls "sv, "sofern "sv, "soweit "sv, "bei "sv, "für "sv, "si "sv, "s'il"sv, "s’il"sv, "lorsqu"sv, "en cas"sv,
    "pour "sv, "cuando "sv, "para "sv, "se "sv, "quando "sv, "in caso"sv, "per "sv, "em caso"sv, "als "sv, "indien "sv, "voor "sv, "wanneer "sv, "jeśli "sv, "jeżeli "sv, "gdy "sv});
// clang-format on

// At most kBytes bytes of a text, ASCII letters in lower case, white space as one space.
class Plain {
public:
    explicit Plain(std::string_view text) {
        for (std::size_t at = 0; at < text.size() && size_ < kBytes; ++at) {
            const char c = text[at];
            const bool space = c == ' ' || (c >= 9 && c <= 13);
            if (space && (size_ == 0 || bytes_[size_ - 1] == ' ')) continue;
            bytes_[size_++] = space ? ' ' : is_upper(c) ? static_cast<char>(c | 0x20) : c;
        }
    }
    std::string_view view() const { return {bytes_.data(), size_}; }

private:
    std::array<char, kBytes> bytes_{};
    std::size_t size_ = 0;
};

// Whether one of the sorted phrases is at the beginning of the text.
template <std::size_t n>
bool begins(const std::array<std::string_view, n>& phrases, std::string_view text) {
    if (text.empty()) return false;
    const auto before = [](std::string_view phrase, char c) {
        return static_cast<unsigned char>(phrase[0]) < static_cast<unsigned char>(c);
    };
    auto at = std::lower_bound(phrases.begin(), phrases.end(), text[0], before);
    for (; at != phrases.end() && (*at)[0] == text[0]; ++at)
        if (text.starts_with(*at)) return true;
    return false;
}

// Whether a phrase may begin at this byte: after anything but a letter or a digit, and at every
// character of a script that puts no spaces between words.
bool may_begin(std::string_view text, std::size_t at) {
    const auto here = static_cast<unsigned char>(text[at]);
    if (here >= 0xE3) return true;
    if ((here & 0xC0) == 0x80 || at == 0) return at == 0;
    const char last = text[at - 1];
    return !is_alpha(last) && !is_digit(last) && static_cast<unsigned char>(last) < 0x80;
}

template <std::size_t n>
bool holds(const std::array<std::string_view, n>& phrases, std::string_view text,
           std::size_t from = 0) {
    for (std::size_t at = from; at < text.size(); ++at)
        if (may_begin(text, at) && begins(phrases, text.substr(at))) return true;
    return false;
}

std::string_view without_quotes(std::string_view text) {
    while (!text.empty() && std::string_view("\"'([*_ \n").find(text[0]) != text.npos)
        text.remove_prefix(1);
    return text;
}

// Letters, of which those of Chinese, Japanese and Korean count twice.
std::size_t width(std::string_view text) {
    std::size_t letters = 0;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        letters += (byte & 0xC0) != 0x80;
        letters += byte >= 0xE3 && byte < 0xF0;
    }
    return letters;
}

// Whether the sentence denies, under a condition, a noun that the rule has.
bool denies_noun_of(std::string_view sentence, std::string_view rule) {
    for (const std::string_view denial : kDenials) {
        if (!sentence.starts_with(denial)) continue;
        const std::string_view rest = sentence.substr(denial.size());
        const std::string_view noun = rest.substr(0, rest.find_first_of(" ,.;:"));
        if (noun.size() < kNoun || !holds(kIfs, rest, noun.size())) return false;
        for (std::size_t at = rule.find(noun); at != rule.npos; at = rule.find(noun, at + 1))
            if (at == 0 || may_begin(rule, at)) return true;
        return false;
    }
    return false;
}

}  // namespace

bool restricts_clause(std::string_view part, bool inside) {
    const Plain plain(without_quotes(part));
    return begins(kConditions, plain.view()) ||
           (inside ? holds(kExceptions, plain.view()) : begins(kExceptions, plain.view()));
}

bool states_condition(std::string_view part) {
    const std::string_view said = without_quotes(part);
    const Plain plain(said);
    if (begins(kConditions, plain.view()) || begins(kExceptions, plain.view()) ||
        begins(kConditionHeads, said))
        return true;
    const auto ends = [&](std::string_view end) { return said.ends_with(end); };
    return std::any_of(kConditionEnds.begin(), kConditionEnds.end(), ends);
}

bool restricts_rule(std::string_view sentence, std::string_view rule) {
    if (sentence.size() > kBytes || width(sentence) > kLongest) return false;
    const Plain plain(without_quotes(sentence));
    if (begins(kHeads, plain.view()) || holds(kPredicates, plain.view())) return true;
    return denies_noun_of(plain.view(), Plain(rule).view());
}

}  // namespace ctxmem
