// Openers: words at the head of a sentence that point back to the one before.
//
// "It expires after an hour." is understood only with the sentence that says what expires.
// Pronouns point to what was named ("He", "Sie", "Он"), demonstratives to the very sentence before
// ("This", "Such notice", "In that case", "Dies"), contrasts limit it ("However", "Jedoch"). Lists of
// the commonest of fourteen languages; they are compared as they are written at the head of a sentence.
// Constant time.
#pragma once
#include <cstdint>
#include <string_view>

namespace ctxmem {

enum class Opener : std::uint8_t { none = 0, pronoun = 1, demonstrative = 2, contrast = 3 };

// What the first words of a sentence do. Quotes and brackets before it are passed over.
Opener opener_of(std::string_view sentence);

}  // namespace ctxmem
