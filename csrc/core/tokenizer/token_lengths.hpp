// Which lengths the tokens with given first six bytes have.
//
// A look-up of the longest token at a place asks for each length in turn, and the lengths of all
// tokens that share a first character are many: in Georgian or Thai every multiple of three. By six
// bytes, two characters of three bytes each, one to three lengths are left. The sets are hashed, so
// other lengths may be among them; 256 kB, constant time.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace ctxmem {

class TokenLengths {
public:
    static constexpr std::size_t kPrefix = 6;  // bytes
    static constexpr std::uint32_t kShort = (1u << kPrefix) - 1;  // lengths that are not known here

    void note(std::string_view token) {
        if (token.size() >= kPrefix)
            lengths_[place(token.data())] |= 1u << std::min<std::size_t>(token.size(), 31);
    }

    // One bit for each length from kPrefix to 30; bit 31 says that there are longer ones. Requires
    // kPrefix readable bytes.
    std::uint32_t after(const char* bytes) const { return lengths_[place(bytes)] | kShort; }

private:
    static constexpr unsigned kBits = 16;

    static std::size_t place(const char* bytes) {
        std::uint64_t six = 0;
        std::memcpy(&six, bytes, kPrefix);
        return six * 0x9E3779B97F4A7C15ull >> (64 - kBits);
    }

    std::vector<std::uint32_t> lengths_ = std::vector<std::uint32_t>(std::size_t{1} << kBits);
};

}  // namespace ctxmem
