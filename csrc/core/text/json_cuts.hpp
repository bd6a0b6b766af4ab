// The end of a JSON value and the positions at which it may be cut, by bracket matching.
//
// One pass with a stack of open brackets. The commas of each container form a linked list. When the
// container closes, its length is known, and the pass decides whether these commas become cuts:
// commas of the outermost container always; commas of an inner container if it is too long for one
// span and every enclosing container is cut. Literals and strings are validated as far as the pass
// requires; numbers are not. Linear in the bytes read, without recursion. A value nested deeper
// than kDeepest levels is rejected.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

constexpr std::size_t kDeepest = 500;

struct JsonValue {
    bool valid;
    std::size_t end;  // offset after the closing bracket; if invalid, the offset of the error
};

// Read the value whose opening bracket is at `at`. Append to `cuts`, in ascending order, the
// offsets after the commas at which the value may be cut. Requires text[at] to be { or [. Inner
// containers longer than `longest` bytes are cut too; numbers of an array stay together up to 100
// bytes.
JsonValue read_json(std::string_view text, std::size_t at, std::size_t longest,
                    std::vector<std::size_t>& cuts, StopToken& stop = StopToken::none());

}  // namespace ctxmem
