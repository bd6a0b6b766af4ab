// The words by which messages are found: stems, as bytes, so that an index compares them exactly.
//
// A word is a run of letters, marks and numbers, lower-cased, folded and stemmed (stems.hpp); one
// with a digit is not stemmed, and a point between two digits stays in it. A CamelCase word yields
// its parts and the whole. Scripts without spaces yield pairs of neighbouring letters, and a letter
// that is alone. English function words and pronouns yield nothing. Linear in the text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ctxmem {

constexpr std::size_t kLongestWord = 64;  // bytes; what is longer is cut

// The stems of one text, as views of one buffer. Reuse it for many texts.
class RecallWords {
public:
    // Replace the words by those of `utf8`. Accepts any bytes.
    void read(std::string_view utf8);
    std::size_t size() const { return ends_.size(); }
    std::string_view operator[](std::size_t i) const {
        const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
        return std::string_view(bytes_).substr(begin, ends_[i] - begin);
    }

private:
    void push(std::string_view word, bool digit);
    void close();
    void alone(std::string_view letter);

    std::string bytes_;
    std::vector<std::size_t> ends_;
    std::vector<char> word_;
    std::string before_;    // the letter before, of a script without spaces
    bool paired_ = false;   // it is part of a pair already
    std::size_t hump_ = 0;  // where the open part of a CamelCase word begins
    bool digit_ = false, lower_ = false;
};

}  // namespace ctxmem
