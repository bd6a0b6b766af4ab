// Words of ASCII: which bytes of 64 belong to words is one mask, and words are its runs of ones.
//
// Included by level.cpp only, after word_hash.hpp and, where there are vector instructions,
// immintrin.h.

struct ByteClasses {
    std::uint64_t words;   // bit i: byte i is an ASCII letter or digit
    std::uint64_t beyond;  // bit i: byte i is not ASCII
};

#if defined(__AVX512BW__)
static inline ByteClasses classify(const char* at) {
    const __m512i bytes = _mm512_loadu_si512(at);
    const __m512i lower = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    const __mmask64 letters =
        _mm512_cmplt_epu8_mask(_mm512_sub_epi8(lower, _mm512_set1_epi8('a')), _mm512_set1_epi8(26));
    const __mmask64 digits =
        _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8('0')), _mm512_set1_epi8(10));
    return {letters | digits, _mm512_movepi8_mask(bytes)};
}
#elif defined(__AVX2__)
static inline ByteClasses classify(const char* at) {
    ByteClasses classes{0, 0};
    for (int part = 0; part < 2; ++part) {
        const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at) + part);
        const __m256i lower =
            _mm256_sub_epi8(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
        const __m256i digit = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
        const __m256i word =
            _mm256_or_si256(_mm256_cmpeq_epi8(lower, _mm256_min_epu8(lower, _mm256_set1_epi8(25))),
                            _mm256_cmpeq_epi8(digit, _mm256_min_epu8(digit, _mm256_set1_epi8(9))));
        const auto mask = static_cast<std::uint32_t>(_mm256_movemask_epi8(word));
        const auto high = static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes));
        classes.words |= std::uint64_t{mask} << (32 * part);
        classes.beyond |= std::uint64_t{high} << (32 * part);
    }
    return classes;
}
#elif defined(__SSE2__) || (defined(_MSC_VER) && defined(_M_X64))
static inline ByteClasses classify(const char* at) {
    ByteClasses classes{0, 0};
    for (int part = 0; part < 4; ++part) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at) + part);
        const __m128i lower =
            _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        const __m128i digit = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
        const __m128i word =
            _mm_or_si128(_mm_cmpeq_epi8(lower, _mm_min_epu8(lower, _mm_set1_epi8(25))),
                         _mm_cmpeq_epi8(digit, _mm_min_epu8(digit, _mm_set1_epi8(9))));
        const auto mask = static_cast<std::uint32_t>(_mm_movemask_epi8(word));
        const auto high = static_cast<std::uint32_t>(_mm_movemask_epi8(bytes));
        classes.words |= std::uint64_t{mask} << (16 * part);
        classes.beyond |= std::uint64_t{high} << (16 * part);
    }
    return classes;
}
#else
// Eight bytes in one number: adding 0x80 - c to a byte below 0x80 sets its top bit if it is >= c.
static inline ByteClasses classify(const char* at) {
    constexpr std::uint64_t kOnes = 0x0101010101010101ull;
    constexpr std::uint64_t kTops = 0x80 * kOnes;
    ByteClasses classes{0, 0};
    for (int part = 0; part < 8; ++part) {
        const std::uint64_t bytes = load_bytes(at + 8 * part);
        const std::uint64_t ascii = bytes & ~kTops;
        const std::uint64_t lower = ascii | kLowerCase;
        const std::uint64_t letter =
            (lower + (0x80 - 'a') * kOnes) & ~(lower + (0x80 - 'z' - 1) * kOnes);
        const std::uint64_t digit =
            (ascii + (0x80 - '0') * kOnes) & ~(ascii + (0x80 - '9' - 1) * kOnes);
        const std::uint64_t tops = (letter | digit) & kTops & ~bytes;
        // Gathers the top bit of byte i into bit i.
        classes.words |= ((tops >> 7) * 0x0102040810204080ull >> 56) << (8 * part);
        classes.beyond |= (((bytes & kTops) >> 7) * 0x0102040810204080ull >> 56) << (8 * part);
    }
    return classes;
}
#endif

// Of a number that is not 0.
static inline unsigned lowest_bit(std::uint64_t bits) {
#if defined(_MSC_VER) && !defined(__clang__)
    unsigned long place;
    _BitScanForward64(&place, bits);
    return place;
#else
    return static_cast<unsigned>(__builtin_ctzll(bits));
#endif
}
static inline unsigned highest_bit(std::uint64_t bits) {
#if defined(_MSC_VER) && !defined(__clang__)
    unsigned long place;
    _BitScanReverse64(&place, bits);
    return place;
#else
    return 63u - static_cast<unsigned>(__builtin_clzll(bits));
#endif
}

static inline void copy_8(const char* from, char* to) {
#if defined(_MSC_VER) && !defined(__clang__)
    *reinterpret_cast<std::uint64_t __unaligned*>(to) = load_bytes(from);
#else
    __builtin_memcpy(to, from, 8);
#endif
}

static std::size_t split_ascii(const char* text, std::size_t size, std::size_t* from,
                               std::uint64_t* out, const WordKey& key) {
    constexpr std::size_t kBlock = 64;
    std::uint64_t* const first = out;
    std::size_t at = *from;
    while (at < size) {
        const std::size_t left = size - at;
        const char* bytes = text + at;
        char copy[kBlock + kWordSlack];
        if (left < kBlock + kWordSlack) {
            // The end of the text, with zeroes after it: they separate.
            for (char& byte : copy) byte = '\0';
            std::size_t i = 0;
            for (; i + 8 <= left; i += 8) copy_8(bytes + i, copy + i);
            for (; i < left; ++i) copy[i] = bytes[i];
            bytes = copy;
        }
        const ByteClasses classes = classify(bytes);
        // The block ends before the first byte that is not ASCII.
        const std::size_t whole = left < kBlock ? left : kBlock;
        const std::size_t end = classes.beyond == 0 ? whole : lowest_bit(classes.beyond);
        std::uint64_t words = classes.words;
        if (end < kBlock) words &= (std::uint64_t{1} << end) - 1;
        std::size_t closed = end;
        // A word that reaches the end of a block may go on; at the end of the text it cannot.
        if (end > 0 && end < left && (words >> (end - 1) & 1)) {
            const std::uint64_t up_to_end = end < kBlock ? (std::uint64_t{1} << end) - 1 : ~0ull;
            const std::uint64_t gaps = ~words & up_to_end;
            closed = gaps == 0 ? 0 : highest_bit(gaps) + 1;
            words &= (std::uint64_t{1} << closed) - 1;
        }
        std::uint64_t starts = words & ~(words << 1);
        std::uint64_t stops = ~words & (words << 1);  // a word up to bit 63 has no stop bit
        while (starts != 0) {
            const std::size_t start = lowest_bit(starts);
            const std::size_t stop = stops != 0 ? lowest_bit(stops) : kBlock;
            *out++ = hash_word(bytes + start, stop - start, kLowerCase, key);
            starts &= starts - 1;
            stops &= stops - 1;
        }
        at += closed;
        // A byte that is not ASCII, or a word that fills a block: not for this kernel.
        if (end < whole || closed == 0) break;
    }
    *from = at;
    return static_cast<std::size_t>(out - first);
}
