// The normalisers of tokenizer.json and of SentencePiece, exact against `tokenizers` and
// `sentencepiece`.
//
// All are linear in the text, and give it back without a copy where nothing changes: ASCII is looked
// at in words, other characters by one look-up. The forms are those of Unicode Standard Annex 15,
// with the tables of `tokenizers` (core/text/normal.hpp).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/normal.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem {

using NormaliserPtr = std::unique_ptr<Normaliser>;

// One after the other; the identity, if there is none.
NormaliserPtr make_sequence(std::vector<NormaliserPtr> parts);

NormaliserPtr make_form(Form form);

// The lower case of each character by itself: a final sigma is a sigma.
NormaliserPtr make_lowercase();

// White space at the two ends is removed.
NormaliserPtr make_strip(bool left, bool right);

// Marks are removed; a composed letter keeps its accent.
NormaliserPtr make_strip_accents();

// Controls are removed, white space and some format characters become a space: the rules of neural
// machine translation in SentencePiece.
NormaliserPtr make_nmt();

// Every occurrence of a string, from the left, without overlap. The empty string is found before
// every character and at the end, though not in an empty text.
NormaliserPtr make_replace(std::string_view pattern, std::string_view content);

// The same for the matches of a regular expression of one element: a character or \s, with a
// quantifier or none. Throws Unsupported for any other.
NormaliserPtr make_replace_regex(std::string_view pattern, std::string_view content);

// Before every text that is not empty.
NormaliserPtr make_prepend(std::string_view prefix);

struct BertOptions {
    bool clean_text = true;
    bool handle_chinese_chars = true;
    bool strip_accents = true;
    bool lowercase = true;
};
NormaliserPtr make_bert(const BertOptions& options);

// The precompiled_charsmap of SentencePiece as `tokenizers` applies it: a grapheme cluster under 6
// bytes is replaced by what the shortest key at its beginning says, a longer one character by
// character. Throws std::invalid_argument if the map is damaged.
NormaliserPtr make_precompiled(std::string_view charsmap);

struct SentencePieceOptions {
    bool add_dummy_prefix = true;
    bool remove_extra_whitespaces = true;
    bool escape_whitespaces = true;
    bool treat_whitespace_as_suffix = false;
};

// The normaliser of a .model file: the longest key at each place is replaced, white space is
// trimmed and joined, and becomes U+2581. The charsmap may be empty. `kept` are strings that are not
// normalised (user-defined symbols). Throws std::invalid_argument if the map is damaged.
NormaliserPtr make_sentencepiece_normaliser(std::string_view charsmap,
                                            const SentencePieceOptions& options,
                                            const std::vector<std::string>& kept = {});

}  // namespace ctxmem
