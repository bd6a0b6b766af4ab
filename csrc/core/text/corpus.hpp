// The merged texts of one pack, decoded once, with the units that they are cut into.
//
// Python counts characters, the core counts bytes. The corpus maps the one to the other for every
// unit, so that the steps after the outline (counting, features, the fill) read views of the same
// bytes. Linear in the texts; where a text is ASCII, an offset in code points is one in bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ctxmem {

class Corpus {
public:
    // UTF-8, in which a surrogate may be encoded as three bytes. Keeps the views.
    explicit Corpus(std::vector<std::string_view> texts);

    std::size_t texts() const { return texts_.size(); }
    std::string_view text(std::size_t t) const { return texts_[t]; }
    std::span<const std::string_view> views() const { return texts_; }
    // Whether a text contains surrogates.
    bool has_surrogates(std::size_t t) const { return kinds_[t] == Kind::surrogates; }

    // Set the units: those of text t are rows first[t] .. first[t + 1], with offsets in code points.
    // Throws std::invalid_argument unless the offsets of a text ascend and lie within it.
    void set_units(std::span<const std::int64_t> first, std::span<const std::int64_t> start,
                   std::span<const std::int64_t> end);

    // The body of a unit is its text without the white space around it, as str.strip removes it.
    struct Body {
        std::size_t begin, end;    // bytes
        std::int64_t start, stop;  // code points
        bool broken;               // a line break follows it in the unit
    };
    std::size_t units() const { return bodies_.size(); }
    std::size_t first_of(std::size_t t) const { return static_cast<std::size_t>(first_[t]); }
    const Body& body(std::size_t unit) const { return bodies_[unit]; }

private:
    enum class Kind : std::uint8_t { ascii, unicode, surrogates };

    std::vector<std::string_view> texts_;
    std::vector<Kind> kinds_;
    std::vector<std::int64_t> first_;
    std::vector<Body> bodies_;
};

// The text as tokenisers read it: a high and a low surrogate that meet become one character, and a
// lone one becomes U+FFFD. Requires UTF-8, in which a surrogate may be encoded as three bytes.
std::string without_surrogates(std::string_view text);

// Whether str.isspace is true for this character.
bool is_python_space(char32_t c);

}  // namespace ctxmem
