#include "core/text/corpus.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Three bytes from ED A0 80 to ED BF BF encode a surrogate.
bool is_surrogate_at(std::string_view text, std::size_t at) {
    return text[at] == '\xED' && at + 2 < text.size() &&
           static_cast<unsigned char>(text[at + 1]) >= 0xA0;
}

bool holds_surrogates(std::string_view text) {
    for (std::size_t at = text.find('\xED'); at != text.npos; at = text.find('\xED', at + 1))
        if (is_surrogate_at(text, at)) return true;
    return false;
}

}  // namespace

bool is_python_space(char32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
    switch (c) {
        case 0x85:
        case 0xA0:
        case 0x1680:
        case 0x2028:
        case 0x2029:
        case 0x202F:
        case 0x205F:
        case 0x3000: return true;
        default: return c >= 0x2000 && c <= 0x200A;
    }
}

std::string without_surrogates(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    std::vector<char> joined;
    for (std::size_t at = 0; at < text.size();) {
        if (!is_surrogate_at(text, at)) {
            out.push_back(text[at++]);
            continue;
        }
        const char32_t high = decode(text, at).value;
        at += 3;
        char32_t c = 0xFFFD;
        if (high < 0xDC00 && at < text.size() && is_surrogate_at(text, at)) {
            const char32_t low = decode(text, at).value;
            if (low >= 0xDC00) {
                c = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                at += 3;
            }
        }
        joined.clear();
        append_utf8(c, joined);
        out.append(joined.begin(), joined.end());
    }
    return out;
}

Corpus::Corpus(std::vector<std::string_view> texts) : texts_(std::move(texts)) {
    kinds_.reserve(texts_.size());
    for (const std::string_view text : texts_) {
        unsigned char bits = 0;
        for (const char c : text) bits |= static_cast<unsigned char>(c);
        kinds_.push_back(bits < 0x80              ? Kind::ascii
                         : holds_surrogates(text) ? Kind::surrogates
                                                  : Kind::unicode);
    }
    first_.assign(texts_.size() + 1, 0);
}

void Corpus::set_units(std::span<const std::int64_t> first, std::span<const std::int64_t> start,
                       std::span<const std::int64_t> end) {
    if (first.size() != texts_.size() + 1 || start.size() != end.size() || first[0] != 0 ||
        first.back() != static_cast<std::int64_t>(start.size()))
        throw std::invalid_argument("corpus: the columns of the units have inconsistent lengths");
    // All of them before any unit is read: an offset that is too large lies beyond the columns.
    if (!std::ranges::is_sorted(first))
        throw std::invalid_argument("corpus: the texts of the units are out of order");
    std::vector<Body> bodies;
    bodies.reserve(start.size());
    for (std::size_t t = 0; t < texts_.size(); ++t) {
        const std::string_view text = texts_[t];
        const bool ascii = kinds_[t] == Kind::ascii;
        std::size_t byte = 0;
        std::int64_t character = 0;
        const auto advance = [&](std::int64_t to) {
            if (to < character) throw std::invalid_argument("corpus: the units are out of order");
            if (ascii) {
                const std::int64_t step = to - character;
                if (step > static_cast<std::int64_t>(text.size() - byte))
                    throw std::invalid_argument("corpus: a unit ends after its text");
                byte += static_cast<std::size_t>(step);
                character = to;
                return byte;
            }
            while (character < to) {
                if (byte == text.size())
                    throw std::invalid_argument("corpus: a unit ends after its text");
                do ++byte;
                while (byte < text.size() && is_continuation(text[byte]));
                ++character;
            }
            return byte;
        };
        for (auto u = static_cast<std::size_t>(first[t]);
             u < static_cast<std::size_t>(first[t + 1]); ++u) {
            Body body{};
            body.begin = advance(start[u]);
            body.end = advance(end[u]);
            body.start = start[u];
            body.stop = end[u];
            while (body.end > body.begin) {
                std::size_t last = body.end - 1;
                while (last > body.begin && is_continuation(text[last])) --last;
                const char32_t c = decode(text, last).value;
                if (!is_python_space(c)) break;
                body.broken = body.broken || c == '\n';
                body.end = last;
                --body.stop;
            }
            while (body.begin < body.end) {
                const CodePoint c = decode(text, body.begin);
                if (!is_python_space(c.value)) break;
                body.begin += c.size;
                ++body.start;
            }
            bodies.push_back(body);
        }
    }
    first_.assign(first.begin(), first.end());
    bodies_ = std::move(bodies);
}

}  // namespace ctxmem
