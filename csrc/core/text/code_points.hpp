// Reads a text forward by offsets in code points, as Python counts them. Linear in the text; where
// all of it is ASCII, an offset in code points is one in bytes, and nothing is read.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ctxmem {

class CodePointReader {
public:
    // `reached` is an offset within the text. If it is as great as the text has bytes, each code
    // point takes one.
    CodePointReader(std::string_view text, std::int64_t reached)
        : text_(text), ascii_(reached == static_cast<std::int64_t>(text.size())) {}

    // What lies between two offsets. Requires that they ascend from call to call.
    std::string_view between(std::int64_t start, std::int64_t end) {
        const std::size_t from = advance(start);
        return text_.substr(from, advance(end) - from);
    }

private:
    std::size_t advance(std::int64_t to) {
        if (ascii_) {
            character_ =
                std::max(character_, std::min(to, static_cast<std::int64_t>(text_.size())));
            return byte_ = static_cast<std::size_t>(character_);
        }
        while (character_ < to && byte_ < text_.size()) {
            do ++byte_;
            while (byte_ < text_.size() &&
                   (static_cast<unsigned char>(text_[byte_]) & 0xC0) == 0x80);
            ++character_;
        }
        return byte_;
    }

    std::string_view text_;
    bool ascii_;
    std::size_t byte_ = 0;
    std::int64_t character_ = 0;
};

}  // namespace ctxmem
