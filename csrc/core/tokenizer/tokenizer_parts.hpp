// What tokenizers of each kind of file consist of, for the kinds that need no reader of sections.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tokenizer/tokenizer.hpp"

namespace ctxmem {

// An added token as a file lists it; `normalised` ones are matched in normalised text.
struct ListedToken {
    AddedToken token;
    bool normalised = false;
};

// Of the packed vocabulary of an encoding of OpenAI, or its .tiktoken file.
// Throws std::invalid_argument for another encoding, and if the data are damaged.
Tokenizer::Parts parts_of_encoding(std::string_view data, std::string_view encoding);

// Of byte pairs in the order of their ranks, and the regular expression, in tiktoken's dialect, that
// cuts texts. A pattern that is known is matched in one pass with the counting.
// Throws std::invalid_argument if either is damaged, Unsupported for what the engine does not do.
Tokenizer::Parts parts_of_ranks(std::span<const std::string_view> tokens, const std::string& regex);

// Of a SentencePiece .model file. Keeps nothing of the bytes.
// Throws std::invalid_argument if they are damaged.
Tokenizer::Parts parts_of_sentence_piece(std::string_view bytes);

// Add the added tokens of a tokenizer.json as the library `tokenizers` keeps them: of tokens with one
// content the last. Of contents that are equal only when normalised it takes any, here the first.
// Requires that the normaliser of the parts is set.
void add_listed_tokens(std::vector<ListedToken> listed, Tokenizer::Parts& parts);

}  // namespace ctxmem
