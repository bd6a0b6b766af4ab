#include "core/tokenizer/pretokenise.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/text/unicode.hpp"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define CTXMEM_SSE2 1
#endif

namespace ctxmem {
namespace {

// One piece at a time, any text ---------------------------------------------------------------

bool is_letter(CharClass c) { return c >= CharClass::upper && c <= CharClass::letter; }
bool is_number(CharClass c) { return c == CharClass::number; }
bool is_symbol(CharClass c) { return c == CharClass::other || c == CharClass::mark; }
bool is_space(CharClass c) { return c == CharClass::space || c == CharClass::newline; }

struct Char {
    CharClass kind;
    std::size_t end;
};

// `marks`: a mark counts as a letter.
template <bool marks = false>
inline Char char_at(std::string_view text, std::size_t at) {
    const CodePoint point = decode(text, at);
    const CharClass kind = char_class(point.value);
    return {marks && kind == CharClass::mark ? CharClass::letter : kind, at + point.size};
}

// Where the run of characters that `belongs` accepts ends.
template <bool marks = false, class Belongs>
std::size_t run_end(std::string_view text, std::size_t at, Belongs belongs) {
    while (at < text.size()) {
        const Char c = char_at<marks>(text, at);
        if (!belongs(c.kind)) break;
        at = c.end;
    }
    return at;
}

// The length of 's, 't, 'm, 'd, 'll, 've or 're at `at`; 0 if there is none. The gpt2 family has
// them in lower case only.
std::size_t contraction(Pattern::Family family, std::string_view text, std::size_t at) {
    if (at + 1 >= text.size() || text[at] != '\'') return 0;
    const char fold = family == Pattern::Family::gpt2 ? 0 : 0x20;
    const auto lower = [&](std::size_t i) -> char {
        return i < text.size() ? static_cast<char>(text[i] | fold) : '\0';
    };
    const char first = lower(at + 1);
    const char second = lower(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    if ((first == 'l' && second == 'l') || ((first == 'v' || first == 'r') && second == 'e'))
        return 3;
    // The long s, U+017F, folds to s.
    if (fold && text[at + 1] == '\xC5' && at + 2 < text.size() && text[at + 2] == '\xBF') return 3;
    return 0;
}

// As many numbers as a piece may have.
std::size_t number_end(const Pattern& pattern, std::string_view text, std::size_t at) {
    if (pattern.digits == 0) return run_end(text, at, is_number);
    for (int i = 0; i < pattern.digits && at < text.size(); ++i) {
        const Char c = char_at(text, at);
        if (!is_number(c.kind)) break;
        at = c.end;
    }
    return at;
}

// Symbols and the newlines (and slashes) after them.
template <bool marks = false>
std::size_t symbols_end(const Pattern& pattern, std::string_view text, std::size_t at) {
    at = run_end<marks>(text, at, is_symbol);
    if (pattern.family == Pattern::Family::gpt2) return at;
    while (at < text.size() &&
           (text[at] == '\n' || text[at] == '\r' || (pattern.slash && text[at] == '/')))
        ++at;
    return at;
}

// Whitespace at `at`: up to its last newline (not in gpt2); else all of it at the end of the text;
// else all but the last character, which goes with what follows.
std::size_t space_end(const Pattern& pattern, std::string_view text, std::size_t at) {
    std::size_t end = at;
    std::size_t last = at;
    std::size_t after_newline = at;
    while (end < text.size()) {
        const Char c = char_at(text, end);
        if (!is_space(c.kind)) break;
        last = end;
        end = c.end;
        if (c.kind == CharClass::newline) after_newline = end;
    }
    const bool to_the_end = end == text.size();
    if (to_the_end && pattern.whole_end) return end;
    if (after_newline > at && pattern.family != Pattern::Family::gpt2) return after_newline;
    return to_the_end || last == at ? end : last;
}

// o200k's two word alternatives, without their optional first character. `upper_only` is where a
// match of the second alternative alone ends: capitals with nothing after them.
struct Word {
    std::size_t end;         // of the first alternative; 0 if it fails
    std::size_t upper_only;  // of the second; 0 if it fails too
};

Word word_at(std::string_view text, std::size_t at) {
    // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]* takes all it can. If a lower-case letter follows, the second
    // class begins there; if not, the first must give back up to its last caseless character.
    std::size_t end = at;
    std::size_t caseless_end = 0;
    while (end < text.size()) {
        const Char c = char_at(text, end);
        if (c.kind == CharClass::lower) {
            const auto tail = [](CharClass k) {
                return k == CharClass::lower || k == CharClass::letter || k == CharClass::mark;
            };
            return {run_end(text, end, tail), 0};
        }
        const bool caseless = c.kind == CharClass::letter || c.kind == CharClass::mark;
        if (!caseless && c.kind != CharClass::upper) break;
        end = c.end;
        if (caseless) caseless_end = end;
    }
    return {caseless_end, end > at ? end : 0};
}

std::size_t piece_end_o200k(const Pattern& pattern, std::string_view text, std::size_t at) {
    const Char first = char_at(text, at);
    if (first.kind == CharClass::number) return number_end(pattern, text, at);
    if (first.kind != CharClass::newline) {
        const bool prefix = !is_letter(first.kind);
        const Word word = word_at(text, prefix ? first.end : at);
        std::size_t end = word.end;
        // A mark may be the optional first character or part of the word; the first alternative is
        // tried both ways before the second.
        if (end == 0 && first.kind == CharClass::mark) end = word_at(text, at).end;
        if (end == 0) end = word.upper_only;
        if (end != 0)
            return end + (pattern.contractions ? contraction(pattern.family, text, end) : 0);
    }
    if (is_symbol(first.kind)) return symbols_end(pattern, text, at);
    if (text[at] == ' ' && first.end < text.size() && is_symbol(char_at(text, first.end).kind))
        return symbols_end(pattern, text, first.end);
    return space_end(pattern, text, at);
}

template <bool marks>
std::size_t piece_end_cl100k(const Pattern& pattern, std::string_view text, std::size_t at) {
    const Char first = char_at<marks>(text, at);
    if (is_letter(first.kind)) return run_end<marks>(text, at, is_letter);
    if (first.kind == CharClass::number) return number_end(pattern, text, at);
    if (pattern.contractions)
        if (const std::size_t size = contraction(pattern.family, text, at)) return at + size;
    if (first.kind != CharClass::newline && first.end < text.size()) {
        const CharClass next = char_at<marks>(text, first.end).kind;
        if (is_letter(next)) return run_end<marks>(text, first.end, is_letter);
        if (text[at] == ' ' && is_symbol(next)) return symbols_end<marks>(pattern, text, first.end);
    }
    if (is_symbol(first.kind)) return symbols_end<marks>(pattern, text, at);
    return space_end(pattern, text, at);
}

std::size_t piece_end_gpt2(const Pattern& pattern, std::string_view text, std::size_t at) {
    if (pattern.contractions)
        if (const std::size_t size = contraction(pattern.family, text, at)) return at + size;
    // A blank goes with what follows it.
    const std::size_t from = at + (text[at] == ' ' && at + 1 < text.size());
    const CharClass kind = char_at(text, from).kind;
    if (is_letter(kind)) return run_end(text, from, is_letter);
    if (is_number(kind)) return number_end(pattern, text, from);
    if (is_symbol(kind)) return symbols_end(pattern, text, from);
    return space_end(pattern, text, at);
}

// Blocks of ASCII -----------------------------------------------------------------------------

// One bit a byte.
struct Classes {
    std::uint64_t letter, lower, digit, blank, space, newline, slash, apostrophe, high;
};

#ifdef CTXMEM_SSE2
Classes classify(const char* block) {
    Classes out{};
    for (int part = 0; part < 4; ++part) {
        const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * part));
        // Unsigned c - low < count, by a signed comparison shifted by 128.
        const auto within = [](__m128i value, char low, char count) {
            const __m128i moved = _mm_add_epi8(value, _mm_set1_epi8(static_cast<char>(-128 - low)));
            return _mm_cmplt_epi8(moved, _mm_set1_epi8(static_cast<char>(-128 + count)));
        };
        const auto bits = [&](__m128i mask) {
            return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(mask)))
                   << (16 * part);
        };
        const auto equals = [&](char value) { return _mm_cmpeq_epi8(c, _mm_set1_epi8(value)); };
        const __m128i letter = within(_mm_or_si128(c, _mm_set1_epi8(0x20)), 'a', 26);
        out.letter |= bits(letter);
        // Bit 5 of a letter is its case; shifted to bit 7, where the mask is taken from.
        out.lower |= bits(_mm_and_si128(letter, _mm_slli_epi16(c, 2)));
        out.digit |= bits(within(c, '0', 10));
        out.blank |= bits(equals(' '));
        out.space |= bits(_mm_or_si128(equals(' '), within(c, '\t', 5)));
        out.newline |= bits(_mm_or_si128(equals('\n'), equals('\r')));
        out.slash |= bits(equals('/'));
        out.apostrophe |= bits(equals('\''));
        out.high |= bits(c);
    }
    return out;
}
#else
// Eight bytes at a time: a byte of flags each, then the 8 x 8 bits transposed (Warren, Hacker's
// Delight 7-3), so that each flag's eight bits are together.
constexpr struct Flags {
    std::uint8_t of[256] = {};
    constexpr Flags() {
        for (int c = 0; c < 256; ++c) {
            const int lower = c | 0x20;
            const bool letter = c < 128 && lower >= 'a' && lower <= 'z';
            of[c] = static_cast<std::uint8_t>(
                (letter ? 1 : 0) | (letter && c >= 'a' ? 2 : 0) | (c >= '0' && c <= '9' ? 4 : 0) |
                (c == ' ' ? 8 : 0) | (c == ' ' || (c >= 9 && c <= 13) ? 16 : 0) |
                (c == '\n' || c == '\r' ? 32 : 0) | (c == '/' ? 64 : 0) | (c == '\'' ? 128 : 0));
        }
    }
} kFlags;

Classes classify(const char* block) {
    Classes out{};
    std::uint64_t* const planes[8] = {&out.letter, &out.lower,   &out.digit, &out.blank,
                                      &out.space,  &out.newline, &out.slash, &out.apostrophe};
    for (int part = 0; part < 8; ++part) {
        std::uint64_t x = 0;
        for (int i = 0; i < 8; ++i) {
            const auto c = static_cast<unsigned char>(block[8 * part + i]);
            x |= static_cast<std::uint64_t>(kFlags.of[c]) << (8 * i);
            out.high |= static_cast<std::uint64_t>(c >> 7) << (8 * part + i);
        }
        const auto swap = [&](std::uint64_t mask, int shift) {
            const std::uint64_t t = (x ^ (x >> shift)) & mask;
            x ^= t ^ (t << shift);
        };
        swap(0x00AA00AA00AA00AAull, 7);
        swap(0x0000CCCC0000CCCCull, 14);
        swap(0x00000000F0F0F0F0ull, 28);
        for (int flag = 0; flag < 8; ++flag)
            *planes[flag] |= (x >> (8 * flag) & 0xFF) << (8 * part);
    }
    return out;
}
#endif

constexpr std::uint64_t below(std::size_t bit) {
    return bit >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bit) - 1;
}

using Family = Pattern::Family;

// The digits that start a piece: every one, every third of a run, or the first.
std::uint64_t number_starts(std::uint8_t most, std::uint64_t digit) {
    if (most == 1) return digit;
    std::uint64_t next = digit & ~(digit << 1);
    if (most == 0) return next;
    std::uint64_t starts = next;
    std::uint64_t run = digit;
    for (int i = 0; i < most; ++i) run &= digit << (i + 1);
    while ((next = next << most & run) != 0) starts |= next;
    return starts;
}

// What starts a piece in whitespace. In gpt2 a run does, and its last character if something
// follows. In the others so does what is after the last newline: blanks after a newline, unless
// another newline ends them; and the last character only if it is no newline.
template <Family family>
std::uint64_t space_starts(std::uint64_t blank_or_tab, std::uint64_t newline) {
    const std::uint64_t space = blank_or_tab | newline;
    std::uint64_t starts = space & ~(space << 1);
    if constexpr (family == Family::gpt2) return starts | (space & ~(space >> 1));
    starts |= blank_or_tab & ~(space >> 1);
    std::uint64_t inner = blank_or_tab & newline >> 1;
    for (std::uint64_t more = inner; more != 0; inner |= more)
        more = inner >> 1 & blank_or_tab & ~inner;
    return starts | (blank_or_tab & newline << 1 & ~inner);
}

template <Family family>
PieceStarts starts_of(const Pattern& pattern, const char* block, std::size_t size, bool at_end) {
    const Classes is = classify(block);
    const std::size_t known =
        is.high == 0 ? size : std::min(size, static_cast<std::size_t>(std::countr_zero(is.high)));
    if (known == 0) return {1, 0};
    at_end = at_end && known == size;

    // `before(x)` has a bit where the byte before is an x; before the first byte there is nothing.
    const auto before = [](std::uint64_t bits) { return bits << 1; };
    const std::uint64_t newline = is.newline;
    const std::uint64_t blank_or_tab = is.space & ~newline;
    std::uint64_t symbol = ~(is.letter | is.digit | is.space);

    // Newlines (and slashes) after symbols belong to them. The addition carries from the first
    // newline after a symbol through the run of such characters and clears what it passes; a
    // further newline-after-symbol in the same run would stay set, so it is added back.
    std::uint64_t tail = 0;
    if constexpr (family != Family::gpt2) {
        const std::uint64_t joinable = pattern.slash ? newline | is.slash : newline;
        const std::uint64_t first = newline & before(symbol);
        tail = joinable & (~(joinable + first) | first);
    }
    symbol &= ~tail;
    const std::uint64_t free_newline = newline & ~tail;
    const std::uint64_t space = blank_or_tab | free_newline;

    // Symbols: a run starts a piece unless a blank before it did. One symbol alone is then the
    // first character of a word that follows it, except in gpt2.
    const std::uint64_t symbol_start = symbol & ~before(symbol) & ~before(is.blank);
    std::uint64_t starts = symbol_start;
    if constexpr (family == Family::gpt2) {
        starts |= is.letter & ~before(is.letter | is.blank);
        starts |= number_starts(pattern.digits, is.digit) & ~before(is.blank);
    } else {
        // Words: from the first letter, unless a space or a lone symbol is its first character.
        starts |= is.letter & ~before(is.letter | blank_or_tab) & ~before(symbol_start);
        starts |= number_starts(pattern.digits, is.digit);
    }
    if constexpr (family == Family::o200k) starts |= is.letter & ~is.lower & before(is.lower);
    starts |= space_starts<family>(blank_or_tab, free_newline);

    // How far this holds. Whitespace that may go on is cut at its start; a contraction looks two
    // bytes ahead.
    std::size_t certain = known;
    if (!at_end) certain = known < 3 ? 0 : known - 3;
    if (const std::uint64_t open = ~space & below(known); open != 0)
        certain = std::min<std::size_t>(certain, 64 - std::countl_zero(open));
    else
        certain = 0;

    // Contractions: part of the word before them (o200k), or pieces of their own.
    std::uint64_t quotes = is.apostrophe & below(certain + 1) & is.letter >> 1;
    quotes &= family == Family::o200k ? before(is.letter) : symbol_start;
    if (!pattern.contractions) quotes = 0;
    std::size_t last_end = 0;
    for (; quotes != 0; quotes &= quotes - 1) {
        const auto at = static_cast<std::size_t>(std::countr_zero(quotes));
        const std::size_t length = contraction(family, {block, known}, at);
        // A second one in a row is not after a word: it starts a piece like any lone symbol.
        if (length == 0 || (family == Family::o200k && at == last_end)) continue;
        last_end = at + length;
        const std::uint64_t inside = below(last_end) & ~below(at + (family != Family::o200k));
        starts &= ~inside;
        if (last_end < kBlock) starts |= std::uint64_t{1} << last_end;
    }

    if (at_end && certain == known) starts |= std::uint64_t{1} << known;
    starts = (starts & below(certain + 1)) | 1;
    return {starts, static_cast<std::size_t>(63 - std::countl_zero(starts))};
}

}  // namespace

std::size_t piece_end(Pattern pattern, std::string_view text, std::size_t at) {
    if (pattern.family == Family::o200k) return piece_end_o200k(pattern, text, at);
    if (pattern.family == Family::gpt2) return piece_end_gpt2(pattern, text, at);
    return pattern.marks ? piece_end_cl100k<true>(pattern, text, at)
                         : piece_end_cl100k<false>(pattern, text, at);
}

PieceStarts piece_starts(Pattern pattern, const char* block, std::size_t size, bool at_end) {
    switch (pattern.family) {
        case Family::gpt2: return starts_of<Family::gpt2>(pattern, block, size, at_end);
        case Family::cl100k: return starts_of<Family::cl100k>(pattern, block, size, at_end);
        default: return starts_of<Family::o200k>(pattern, block, size, at_end);
    }
}

}  // namespace ctxmem
