// Stems: what is left of a word when its commonest endings go, so that its other forms meet it.
//
// Light stemming, language by language, told apart by the script of the word's last character:
//   English  a light form of Porter, An algorithm for suffix stripping, 1980
//   Arabic   light10 of Larkey, Ballesteros, Connell, Improving stemming for Arabic, 2002
//   Hindi    Ramanathan, Rao, A lightweight stemmer for Hindi, 2003
//   Russian  Dolamic, Savoy, Indexing and searching strategies for the Russian language, 2009,
//            and the reflexive ending
// Other languages of these scripts lose the same endings, in texts and questions alike. A word is
// read as UTF-8 and compared byte by byte: total for any bytes, constant time a word.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace ctxmem {

// Append a lower-cased character as terms write it. Russian yo becomes ye; Arabic loses diacritics
// and tatweel, and the forms of alef, yeh and teh marbuta become one; Hindi loses nukta and virama,
// long vowels become short and nasal consonants before another a bindu. Returns whether the
// character left anything.
bool append_folded(char32_t lower, std::vector<char>& word);

// The part of a folded word that is its stem. Requires that `ascii` says whether all of it is ASCII.
std::string_view stem(std::string_view word, bool ascii);

}  // namespace ctxmem
