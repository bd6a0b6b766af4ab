// What the fuzz targets share: a law that must hold, numbers and texts drawn from the bytes of an
// input, and a digest of the results.
//
// A target is a function LLVMFuzzerTestOneInput. libFuzzer calls it, or plain.cpp, which runs a
// corpus without libFuzzer and prints the digest: two builds of one target, for two compilers or two
// architectures, must print the same.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

// Ends the run by name if a law is broken.
#define LAW(condition)                                                                        \
    if (!(condition)) {                                                                       \
        std::fprintf(stderr, "%s:%d: the law is broken: %s\n", __FILE__, __LINE__, #condition); \
        std::abort();                                                                         \
    }

namespace fuzz {

// FNV-1a over all results since the program began.
inline std::uint64_t digest = 0xCBF29CE484222325ull;

inline void note(std::uint64_t value) {
    for (int byte = 0; byte < 8; ++byte) {
        digest = (digest ^ (value & 0xFF)) * 0x100000001B3ull;
        value >>= 8;
    }
}
inline void note(double value) { note(std::bit_cast<std::uint64_t>(value)); }
inline void note(float value) { note(std::uint64_t{std::bit_cast<std::uint32_t>(value)}); }
template <class Integer>
    requires std::is_integral_v<Integer> || std::is_enum_v<Integer>
inline void note(Integer value) {
    note(static_cast<std::uint64_t>(value));
}
template <class Column>
inline void note_all(const Column& column) {
    note(std::uint64_t{column.size()});
    for (const auto& value : column) note(value);
}

// Text in memory of exactly its size, so that a sanitizer finds a byte that is read beyond it.
class Exact {
public:
    explicit Exact(std::string_view text)
        : bytes_(new char[text.size()]), view_(bytes_.get(), text.size()) {
        text.copy(bytes_.get(), text.size());
    }
    std::string_view view() const { return view_; }

private:
    std::unique_ptr<char[]> bytes_;
    std::string_view view_;
};

// Draws from the front of an input; an input that has ended gives zeros.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size)
        : rest_(reinterpret_cast<const char*>(data), size) {}

    bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        const char first = rest_.front();
        rest_.remove_prefix(1);
        return static_cast<std::uint8_t>(first);
    }
    bool coin() { return (byte() & 1) != 0; }
    // 0 <= drawn < below; one byte for a small range.
    std::int64_t below(std::int64_t below) {
        if (below <= 1) return 0;
        std::uint64_t drawn = byte();
        for (std::int64_t range = 256; range < below && range < (std::int64_t{1} << 40); range <<= 8)
            drawn = drawn << 8 | byte();
        return static_cast<std::int64_t>(drawn % static_cast<std::uint64_t>(below));
    }
    // Any 64 bits; often a number at which something changes.
    std::int64_t odd() {
        constexpr std::int64_t kOdd[] = {0, 1, -1, -2, 7, std::int64_t{1} << 31,
                                         (std::int64_t{1} << 31) + 1, std::int64_t{1} << 40,
                                         std::int64_t{1} << 58, -(std::int64_t{1} << 58),
                                         std::int64_t{1} << 60, INT64_MAX, INT64_MIN};
        const std::uint8_t which = byte();
        if (which < std::size(kOdd)) return kOdd[which];
        std::uint64_t drawn = 0;
        for (int i = 0; i < 8; ++i) drawn = drawn << 8 | byte();
        return static_cast<std::int64_t>(drawn);
    }
    std::string_view take(std::size_t size) {
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    // Up to the next byte 0xFF, which is part of no text; the rest if there is none.
    std::string_view field() {
        const std::size_t end = rest_.find('\xFF');
        const std::string_view taken = take(end == std::string_view::npos ? rest_.size() : end);
        if (!rest_.empty()) rest_.remove_prefix(1);
        return taken;
    }
    std::string_view rest() { return take(rest_.size()); }

private:
    std::string_view rest_;
};

// UTF-8 made of any bytes: what is no character is left out, surrogates of three bytes stay.
inline std::string utf8_of(std::string_view bytes) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    std::string text;
    for (std::size_t at = 0; at < bytes.size();) {
        const unsigned char head = byte(at);
        const std::size_t size = head < 0x80   ? 1
                                 : head < 0xC2 ? 0
                                 : head < 0xE0 ? 2
                                 : head < 0xF0 ? 3
                                 : head < 0xF5 ? 4
                                               : 0;
        bool whole = size > 0 && at + size <= bytes.size();
        for (std::size_t k = 1; whole && k < size; ++k) whole = (byte(at + k) & 0xC0) == 0x80;
        if (whole && size >= 3) {
            const unsigned char next = byte(at + 1);
            whole = !(head == 0xE0 && next < 0xA0) && !(head == 0xF0 && next < 0x90) &&
                    !(head == 0xF4 && next > 0x8F);
        }
        if (whole) text.append(bytes.substr(at, size));
        at += whole ? size : 1;
    }
    return text;
}

// The same without surrogates, which are no UTF-8.
inline std::string valid_utf8_of(std::string_view bytes) {
    std::string text = utf8_of(bytes), valid;
    for (std::size_t at = 0; at < text.size();) {
        const bool surrogate = text[at] == '\xED' && (text[at + 1] & 0x20) != 0;
        if (!surrogate) valid += text[at];
        at += surrogate ? 3 : 1;
    }
    return valid;
}

}  // namespace fuzz
