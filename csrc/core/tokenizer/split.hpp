// The pre-tokenisers that a tokenizer.json may name, as Hugging Face `tokenizers` applies them.
//
// Pieces are bytes of the text, also behind ByteLevel: its alphabet, a character for each byte, is
// an encoding of the bytes that the model undoes when it is read. Only what follows ByteLevel in a
// sequence sees that alphabet. All are linear in the text, but for the bound of regex.hpp.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/tokenizer/pretokenise.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem {

// What becomes of the parts that match; the parts between them are pieces.
enum class SplitBehaviour : std::uint8_t {
    removed,
    isolated,              // each is a piece
    merged_with_previous,  // each goes with what is before it, unless that matched too
    merged_with_next,
    contiguous,  // matches side by side are one piece
};

// Of the names in tokenizer.json, as in "MergedWithNext". Throws Unsupported for others.
SplitBehaviour split_behaviour(std::string_view name);

enum class Prepend : std::uint8_t { always, first, never };

using PreTokeniserPtr = std::unique_ptr<PreTokeniser>;

// One piece, the whole text.
PreTokeniserPtr no_split();
// All that follow throw Unsupported for arguments that they do not know.
PreTokeniserPtr split_by_regex(std::string_view regex, SplitBehaviour behaviour, bool invert,
                               Engine engine = Engine::onig);
PreTokeniserPtr split_by_string(std::string_view text, SplitBehaviour behaviour, bool invert);
PreTokeniserPtr split_byte_level(bool add_prefix_space, bool use_regex);
// A blank becomes `replacement`, which a piece starts with; one is put before the text.
PreTokeniserPtr split_metaspace(std::string_view replacement, Prepend prepend, bool split);
PreTokeniserPtr split_whitespace();       // words and runs of symbols; white space is dropped
PreTokeniserPtr split_whitespace_only();  // at white space, which is dropped
PreTokeniserPtr split_bert();             // the same, and each punctuation mark is a piece
PreTokeniserPtr split_punctuation(SplitBehaviour behaviour);
PreTokeniserPtr split_digits(bool individual);
PreTokeniserPtr split_at_delimiter(std::string_view character);  // which is dropped
PreTokeniserPtr split_fixed_length(std::size_t characters);
// Each cuts the pieces of the one before it.
PreTokeniserPtr split_sequence(std::vector<PreTokeniserPtr> stages);

// The pieces of one of the known patterns, by the fast way of pretokenise.hpp.
PreTokeniserPtr split_by_pattern(Pattern pattern);

// The pattern whose pieces this gives and nothing else, null if it is not one of the known ones.
// Such a text may be counted by piece_starts and piece_end directly.
const Pattern* known_pattern(const PreTokeniser& pre_tokeniser);

}  // namespace ctxmem
