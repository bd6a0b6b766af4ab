#include "core/ranking/stems.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

// English -----------------------------------------------------------------------------------------

constexpr std::size_t kLeast = 3;  // bytes of an English stem, at least

// Longest first, so that the first match is the longest match.
constexpr std::array<std::string_view, 27> kEnglish = {
    "ations", "ality", "ation", "ating", "ators", "ments", "ingly", "ated", "ates",
    "ator",   "edly",  "ions",  "ment",  "ness",  "ate",   "ies",   "ing",  "ion",
    "ity",    "ely",   "al",    "ed",    "er",    "es",    "ly",    "e",    "s"};

// Up to eight bytes packed into an integer, the last byte lowest, so that the ending of a word is
// the low part of its integer.
constexpr std::uint64_t packed(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

struct Ending {
    std::uint64_t bytes, mask;
    std::uint32_t size;
};

constexpr auto kPackedEnglish = [] {
    std::array<Ending, kEnglish.size()> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto size = static_cast<std::uint32_t>(kEnglish[i].size());
        out[i] = {packed(kEnglish[i]), (std::uint64_t{1} << 8 * size) - 1, size};
    }
    return out;
}();

std::string_view english(std::string_view word) {
    std::size_t size = word.size();
    const std::uint64_t tail = packed(word.substr(size - std::min<std::size_t>(size, 8)));
    for (const Ending& ending : kPackedEnglish)
        if ((tail & ending.mask) == ending.bytes && size >= kLeast + ending.size) {
            if (ending.size == 1 && word.ends_with("ss")) break;  // "class", "process"
            size -= ending.size;
            break;
        }
    // Makes "stopped" equal "stop"; then "agreement" equal "agreed", "notify" equal "notifies".
    if (size < word.size() && size > kLeast && word[size - 1] == word[size - 2]) --size;
    while (size > kLeast &&
           (word[size - 1] == 'e' || word[size - 1] == 'i' || word[size - 1] == 'y'))
        --size;
    return word.substr(0, size);
}

// Endings of other scripts ------------------------------------------------------------------------

constexpr std::size_t kCyrillic = 2, kArabic = 2, kDevanagari = 3;  // bytes of a letter

// Remove the first matching ending from a word of at least `least` bytes.
bool strip(std::string_view& word, std::span<const std::string_view> endings, std::size_t least) {
    if (word.size() < least) return false;
    for (const std::string_view ending : endings)
        if (word.ends_with(ending)) {
            word.remove_suffix(ending.size());
            return true;
        }
    return false;
}

// Endings of four, three, two and one letters. Yo has been folded to ye.
constexpr std::string_view kRussian4[] = {"иями", "оями"};
constexpr std::string_view kRussian3[] = {"иям", "иях", "оях", "ями", "оям", "оьв", "ами", "его",
                                          "ему", "ери", "ими", "ого", "ому", "ыми", "оев"};
constexpr std::string_view kRussian2[] = {
    "ая", "яя", "ях", "юю", "ах", "ею", "их", "ия", "ию", "ьв", "ою", "ую", "ям", "ых", "ея",
    "ам", "ем", "ей", "ев", "ий", "им", "ое", "ой", "ом", "ов", "ые", "ый", "ым", "ми"};
constexpr std::string_view kRussian1[] = {"а", "е", "и", "о", "у", "й", "ы", "я", "ь"};
// Reflexive endings whose last two letters are removed; "сь" alone also ends nouns.
constexpr std::string_view kReflexive[] = {"лась", "лось", "лись", "юсь"};
constexpr std::string_view kRussianLast[] = {"ь", "и"};

std::string_view russian(std::string_view word) {
    constexpr std::size_t k = kCyrillic;
    const auto ends = [&](std::string_view ending) { return word.ends_with(ending); };
    if (word.size() >= 6 * k && (ends("ся") || std::ranges::any_of(kReflexive, ends)))
        word.remove_suffix(2 * k);
    strip(word, kRussian4, 7 * k) || strip(word, kRussian3, 6 * k) ||
        strip(word, kRussian2, 5 * k) || strip(word, kRussian1, 4 * k);
    if (!strip(word, kRussianLast, 4 * k) && word.size() >= 4 * k && word.ends_with("нн"))
        word.remove_suffix(k);
    return word;
}

// The article, with or without a prefix, and the prefix "and"; at most one is removed. Endings are
// removed in this order, each once: suffixed pronouns, dual, plural, feminine, nisba.
constexpr std::string_view kArticles[] = {"ال", "وال", "بال", "كال", "فال", "لل"};
constexpr std::string_view kAnd = "و";
constexpr std::string_view kArabicEndings[] = {"ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي"};

std::string_view arabic(std::string_view word) {
    constexpr std::size_t k = kArabic;
    const auto* article = std::ranges::find_if(kArticles, [&](std::string_view prefix) {
        return word.starts_with(prefix) && word.size() >= prefix.size() + 2 * k;
    });
    if (article != std::end(kArticles))
        word.remove_prefix(article->size());
    else if (word.starts_with(kAnd) && word.size() >= 4 * k)
        word.remove_prefix(k);
    for (const std::string_view ending : kArabicEndings)
        if (word.size() >= ending.size() + 2 * k && word.ends_with(ending))
            word.remove_suffix(ending.size());
    return word;
}

// Endings of five, four, three, two and one letters, folded: with short vowels.
constexpr std::string_view kHindi5[] = {"ाएंगि", "ाएंगे", "ाउंगि", "ाउंगा", "ाइयों", "ाइयां"};
constexpr std::string_view kHindi4[] = {"ाएगि", "ाएगा", "ाओगि", "ाओगे", "एंगि", "ेंगि",
                                        "एंगे",   "ेंगे",    "ुंगि",   "ुंगा",  "ातिं", "नाओं",
                                        "नाएं",  "ताओं",  "ताएं",  "ियां", "ियों"};
constexpr std::string_view kHindi3[] = {"ाकर", "ाइए", "ाइं",  "ाया", "ेगि",  "ेगा",  "ोगि",
                                        "ोगे",  "ाने",  "ाना", "ाते",  "ाति", "ाता", "तिं",
                                        "ाओं",  "ाएं",  "ुओं",   "ुएं",   "ुआं"};
constexpr std::string_view kHindi2[] = {"कर", "ाओ", "िए", "ाइ", "ाए", "ने", "नि", "ना",
                                        "ते",  "िं",  "ति", "ता", "ां",  "ों", "ें"};
constexpr std::string_view kHindi1[] = {"ो", "े", "ु", "ि", "ा"};

std::string_view hindi(std::string_view word) {
    constexpr std::size_t k = kDevanagari;
    strip(word, kHindi5, 7 * k) || strip(word, kHindi4, 6 * k) || strip(word, kHindi3, 5 * k) ||
        strip(word, kHindi2, 4 * k) || strip(word, kHindi1, 3 * k);
    return word;
}

// Folding -----------------------------------------------------------------------------------------

constexpr char32_t kDropped = 0;

char32_t folded_arabic(char32_t c) {
    switch (c) {
        case 0x622:
        case 0x623:
        case 0x625:
        case 0x671: return 0x627;  // alef
        case 0x624: return 0x648;  // waw with hamza
        case 0x626:
        case 0x649:
        case 0x6CC: return 0x64A;  // yeh
        case 0x629: return 0x647;  // teh marbuta: heh
        case 0x6A9: return 0x643;  // kaf
        case 0x640:
        case 0x670: return kDropped;  // tatweel, small alef
        default: break;
    }
    const bool mark = (c >= 0x610 && c <= 0x61A) || (c >= 0x64B && c <= 0x65F) ||
                      (c >= 0x6D6 && c <= 0x6DC) || (c >= 0x6DF && c <= 0x6E4) ||
                      (c >= 0x6E7 && c <= 0x6E8) || (c >= 0x6EA && c <= 0x6ED);
    return mark ? kDropped : c;
}

constexpr char32_t kBindu = 0x902, kVirama = 0x94D;

// Indexed by code point - 0x900; 1: the character is dropped, 0: it is kept.
constexpr auto kFoldedDevanagari = [] {
    std::array<std::uint16_t, 128> to{};
    const auto fold = [&](std::size_t from, std::uint16_t c) { to[from - 0x900] = c; };
    fold(0x901, 0x902);                                          // candrabindu
    fold(0x929, 0x928), fold(0x931, 0x930), fold(0x934, 0x933);  // letters with nukta
    constexpr std::uint16_t kWithout[] = {0x915, 0x916, 0x917, 0x91C, 0x921, 0x922, 0x92B, 0x92F};
    for (std::size_t i = 0; i < 8; ++i) fold(0x958 + i, kWithout[i]);
    fold(0x93C, 1), fold(0x94D, 1);          // nukta, virama
    fold(0x945, 0x947), fold(0x946, 0x947);  // chandra and short vowels
    fold(0x949, 0x94B), fold(0x94A, 0x94B), fold(0x90D, 0x90F), fold(0x90E, 0x90F);
    fold(0x911, 0x913), fold(0x912, 0x913), fold(0x972, 0x905);
    fold(0x908, 0x907), fold(0x90A, 0x909), fold(0x960, 0x90B);  // long vowels
    fold(0x961, 0x90C), fold(0x910, 0x90F), fold(0x914, 0x913);
    fold(0x940, 0x93F), fold(0x942, 0x941), fold(0x944, 0x943), fold(0x963, 0x962);
    fold(0x948, 0x947), fold(0x94C, 0x94B);
    return to;
}();

bool is_nasal(char32_t c) {
    return c == 0x919 || c == 0x91E || c == 0x923 || c == 0x928 || c == 0x92E;
}

// At a virama: replace a nasal consonant before it by a bindu, the alternative spelling. Every
// letter of this script has three bytes.
void virama_after(std::vector<char>& word) {
    if (word.size() < kDevanagari) return;
    const std::string_view last(word.data() + word.size() - kDevanagari, kDevanagari);
    if (static_cast<unsigned char>(last[0]) != 0xE0 || !is_nasal(decode(last, 0).value)) return;
    word.resize(word.size() - kDevanagari);
    append_utf8(kBindu, word);
}

}  // namespace

bool append_folded(char32_t lower, std::vector<char>& word) {
    char32_t c = lower;
    if (c == 0x451) {
        c = 0x435;
    } else if (c >= 0x600 && c < 0x700) {
        c = folded_arabic(c);
        if (c == kDropped) return false;
    } else if (c >= 0x900 && c < 0x980) {
        const char32_t to = kFoldedDevanagari[c - 0x900];
        if (c == kVirama) virama_after(word);
        if (to == 1) return false;
        if (to != 0) c = to;
    }
    append_utf8(c, word);
    return true;
}

std::string_view stem(std::string_view word, bool ascii) {
    if (ascii) return english(word);
    // The first bytes of a letter identify its script: two bytes in all, or three that begin with
    // 0xE0.
    const auto byte = [&](std::size_t back) -> unsigned {
        return back <= word.size() ? static_cast<unsigned char>(word[word.size() - back]) : 0;
    };
    if (byte(2) == 0xD0 || byte(2) == 0xD1) return russian(word);
    if (byte(2) >= 0xD8 && byte(2) <= 0xDB) return arabic(word);
    if (byte(3) == 0xE0 && (byte(2) == 0xA4 || byte(2) == 0xA5)) return hindi(word);
    return word;
}

}  // namespace ctxmem
