// A keyed 128-bit hash of a text: without the key, collisions cannot be made.
//
// Stage one turns each block of 512 bytes into two 128-bit sums, each of (word + key) * (word +
// key) over pairs of 64-bit words (NH: Black, Halevi, Krawczyk, Krovetz, Rogaway, "UMAC", 1999).
// With a random key, two different blocks of equal size get equal sums with probability at most
// 2^-64; the two sums use independent keys, so 2^-128 together. Stage two takes the four words of
// each block, and at last the size of the text, as coefficients of two polynomials at two random
// points modulo 2^61 - 1 (Carter and Wegman 1979): two different texts of n bytes agree in both
// with probability at most ((n / 64 + 17) / 2^61)^2, which is 2^-93 for 1 MB, whatever the texts
// are. The bound holds for texts chosen without knowing the key; draw it at random, once a process.
//
// Four multiplications for 32 bytes, all independent: 10 to 20 bytes a cycle.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/tokenizer/count_table.hpp"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace ctxmem {

class TextHash {
public:
    static constexpr std::size_t kWords = 64;  // words of a block
    // Random words: the keys of the two sums, then the two points.
    using Key = std::array<std::uint64_t, 2 * kWords + 2>;

    explicit TextHash(const Key& key) : key_(key) {
        for (std::size_t i = 0; i < 2; ++i) points_[i] = reduce(0, key[2 * kWords + i]);
    }

    ContentKey operator()(std::string_view text) const {
        std::uint64_t first = 0;
        std::uint64_t second = 0;
        const auto add = [&](std::uint64_t word) {
            // 61 bits at most, in two parts, so that the whole word is hashed.
            for (const std::uint64_t part : {word & 0xFFFFFFFFu, word >> 32}) {
                first = times(first, points_[0]) + part;
                second = times(second, points_[1]) + part;
            }
        };
        const char* at = text.data();
        std::size_t left = text.size();
        while (left > 0) {
            const std::size_t size = left < 8 * kWords ? left : 8 * kWords;
            const Sums sums = sum_block(at, size);
            for (const std::uint64_t word : {sums.a.low, sums.a.high, sums.b.low, sums.b.high})
                add(word);
            at += size;
            left -= size;
        }
        add(text.size());
        return {reduce(0, first), reduce(0, second)};
    }

private:
    static constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;

    struct Wide {
        std::uint64_t low, high;
    };
    struct Sums {
        Wide a{}, b{};
    };

    static Wide multiply(std::uint64_t a, std::uint64_t b) {
#ifdef __SIZEOF_INT128__
        __extension__ using Uint128 = unsigned __int128;
        const Uint128 product = static_cast<Uint128>(a) * b;
        return {static_cast<std::uint64_t>(product), static_cast<std::uint64_t>(product >> 64)};
#elif defined(_M_X64)
        Wide out;
        out.low = _umul128(a, b, &out.high);
        return out;
#else
        return {a * b, __umulh(a, b)};
#endif
    }

    static void add(Wide& sum, const Wide& more) {
        sum.low += more.low;
        sum.high += more.high + (sum.low < more.low);
    }

    // high * 2^64 + low modulo the prime. Requires high < 2^59, so that the sum fits.
    static std::uint64_t reduce(std::uint64_t high, std::uint64_t low) {
        std::uint64_t sum = (low & kPrime) + (high << 3 | low >> 61);
        sum = (sum & kPrime) + (sum >> 61);
        return sum >= kPrime ? sum - kPrime : sum;
    }

    static std::uint64_t times(std::uint64_t a, std::uint64_t b) {
        const Wide product = multiply(a, b);
        return reduce(product.high, product.low);
    }

    static std::uint64_t word_at(const char* bytes) {
        std::uint64_t word;
        std::memcpy(&word, bytes, 8);
        return word;
    }

    // Bytes beyond the block count as zero; the size, hashed at the end, distinguishes them.
    Sums sum_block(const char* bytes, std::size_t size) const {
        Sums sums;
        const std::uint64_t* key = key_.data();
        const auto pair = [&](std::uint64_t x, std::uint64_t y) {
            add(sums.a, multiply(x + key[0], y + key[1]));
            add(sums.b, multiply(x + key[kWords], y + key[kWords + 1]));
            key += 2;
        };
        for (; size >= 32; size -= 32, bytes += 32) {
            pair(word_at(bytes), word_at(bytes + 8));
            pair(word_at(bytes + 16), word_at(bytes + 24));
        }
        char last[32] = {};
        std::memcpy(last, bytes, size);
        if (size > 0) pair(word_at(last), word_at(last + 8));
        if (size > 16) pair(word_at(last + 16), word_at(last + 24));
        return sums;
    }

    Key key_;
    std::uint64_t points_[2];
};

}  // namespace ctxmem
