// Passages: the parts of a message that are ranked and shown on their own.
//
// A paragraph, a list or a block of code is one passage where it is short. A longer one is cut at
// lines, a longer line at sentences. Short neighbours are joined, and a heading or lead-in goes with
// what follows it. Linear in the text.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace ctxmem {

constexpr std::size_t kPassageBytes = 320;  // about 80 tokens of prose in any script

struct ByteRange {
    std::size_t begin, end;  // bytes
};

// The passages of UTF-8 in order. They do not overlap and leave out only white space; none crosses
// one of `edges`, ascending byte offsets. A text of white space alone has none.
std::vector<ByteRange> cut_passages(std::string_view text, std::span<const std::size_t> edges = {});

}  // namespace ctxmem
