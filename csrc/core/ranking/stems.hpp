// Stems: words without their most frequent endings, so that different forms of a word are equal.
//
// Light stemming; the script of the last character of a word selects the rules:
//   English  a light form of Porter, An algorithm for suffix stripping, 1980
//   Arabic   light10 of Larkey, Ballesteros, Connell, Improving stemming for Arabic, 2002
//   Hindi    Ramanathan, Rao, A lightweight stemmer for Hindi, 2003
//   Russian  Dolamic, Savoy, Indexing and searching strategies for the Russian language, 2009,
//            and the reflexive ending
// Other languages in these scripts lose the same endings, consistently in texts and queries. Words
// are UTF-8 and compared by bytes; any bytes are accepted. Constant time per word.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace ctxmem {

// Append the folded form of a lower-case character. Russian yo becomes ye. Arabic loses diacritics
// and tatweel, and the variants of alef, yeh and teh marbuta are unified. Hindi loses nukta and
// virama; long vowels become short, and a nasal consonant before another consonant becomes a bindu.
// Returns whether anything was appended.
bool append_folded(char32_t lower, std::vector<char>& word);

// The stem of a folded word, a prefix or inner part of it. `ascii`: whether the whole word is
// ASCII.
std::string_view stem(std::string_view word, bool ascii);

}  // namespace ctxmem
