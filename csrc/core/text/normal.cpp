#include "core/text/normal.hpp"

#include <cstring>

namespace ctxmem {

std::size_t ascii_run(std::string_view text, std::size_t at) {
    constexpr std::uint64_t kHigh = 0x8080808080808080u;
    const std::size_t begin = at;
    // Four words a step keep pace with memory; the words of one step are loaded independently.
    for (; at + 32 <= text.size(); at += 32) {
        std::uint64_t words[4];
        std::memcpy(words, text.data() + at, 32);
        if (((words[0] | words[1] | words[2] | words[3]) & kHigh) != 0) break;
    }
    for (; at + 8 <= text.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + at, 8);
        if ((word & kHigh) != 0) break;
    }
    while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
    return at - begin;
}

}  // namespace ctxmem
