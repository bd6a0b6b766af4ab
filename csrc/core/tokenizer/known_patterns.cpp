#include <string>

#include "core/tokenizer/pretokenise.hpp"

namespace ctxmem {
namespace {

// Words of the o200k family, without the contraction behind each of the two alternatives.
#define CTXMEM_WORD_LOWER \
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
#define CTXMEM_WORD_UPPER \
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
#define CTXMEM_CONTRACTION R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define CTXMEM_SLASHES R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)"
#define CTXMEM_NEWLINES R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)"
#define CTXMEM_SPACES R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"

struct Spelling {
    std::string_view regex;
    Pattern pattern;
    bool onig;  // means the same in Oniguruma, where $ is the end of a line and {1,3}+ a repetition
};

constexpr Spelling kSpellings[] = {
    // GPT-2, r50k_base and p50k_base; ByteLevel's own.
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", Pattern::gpt2,
     true},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
     Pattern::gpt2, true},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", Pattern::gpt2,
     true},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)",
     Pattern::gpt2, false},
    // cl100k_base: of tiktoken 0.14, of earlier ones.
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|)"
     R"(\s++$|\s*[\r\n]|\s+(?!\S)|\s)",
     Pattern::cl100k, false},
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|)"
     R"(\s*[\r\n]|\s+(?!\S)|\s+)",
     Pattern::llama3, true},
    // Llama 3, and the first spelling of cl100k_base.
    {CTXMEM_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" CTXMEM_NEWLINES CTXMEM_SPACES,
     Pattern::llama3, true},
    // Qwen 1 to 3.
    {CTXMEM_CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" CTXMEM_NEWLINES CTXMEM_SPACES,
     Pattern::qwen2, true},
    {CTXMEM_CONTRACTION
     R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" CTXMEM_SPACES,
     Pattern::qwen3_5, true},
    {CTXMEM_WORD_LOWER CTXMEM_CONTRACTION "?|" CTXMEM_WORD_UPPER CTXMEM_CONTRACTION
                                          R"(?|\p{N}{1,3})" CTXMEM_SLASHES CTXMEM_SPACES,
     Pattern::o200k, true},
    // Mistral's tekken.json.
    {CTXMEM_WORD_LOWER "|" CTXMEM_WORD_UPPER R"(|\p{N})" CTXMEM_SLASHES CTXMEM_SPACES,
     Pattern::tekken, true},
};

#undef CTXMEM_WORD_LOWER
#undef CTXMEM_WORD_UPPER
#undef CTXMEM_CONTRACTION
#undef CTXMEM_SLASHES
#undef CTXMEM_NEWLINES
#undef CTXMEM_SPACES

}  // namespace

std::optional<Pattern> known_pattern(std::string_view regex, Engine engine) {
    // Some files hold the characters \r and \n instead of their escapes.
    std::string escaped;
    for (const char c : regex) {
        if (c == '\r') {
            escaped += "\\r";
        } else if (c == '\n') {
            escaped += "\\n";
        } else {
            escaped += c;
        }
    }
    for (const Spelling& spelling : kSpellings)
        if (spelling.regex == escaped && (spelling.onig || engine == Engine::rust))
            return spelling.pattern;
    return std::nullopt;
}

}  // namespace ctxmem
