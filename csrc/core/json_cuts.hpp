// JSON by bracket matching: where a value ends, and where it may be cut.
//
// One pass with a stack of open brackets. Commas of one container are chained, so that when it
// closes, and its length is known, they become cuts or do not: those of the outermost container
// always, those of an inner one if it is too long to be one span and every container around it is
// cut. Literals and strings are checked as far as the pass needs; numbers are not.
// Linear in the bytes read, without recursion. What is nested deeper than kDeepest is no data.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace ctxmem {

constexpr std::size_t kDeepest = 500;

struct JsonValue {
    bool valid;
    std::size_t end;  // after the closing bracket; where reading stopped if not valid
};

// Read the value whose bracket opens at `at`, and append to `cuts`, ascending, the offsets behind
// the commas at which it may be cut. Requires text[at] to be { or [. Inner containers longer than
// `longest` bytes are cut too; numbers of an array stay together up to 100 bytes.
JsonValue read_json(std::string_view text, std::size_t at, std::size_t longest,
                    std::vector<std::size_t>& cuts);

}  // namespace ctxmem
