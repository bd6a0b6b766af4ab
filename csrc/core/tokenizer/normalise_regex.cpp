// Replace by a regular expression of one element, as " {2,}" or "\s+": enough for the normalisers
// of published tokenizers.
#include <limits>
#include <optional>

#include "core/text/ascii.hpp"
#include "core/tokenizer/normalise.hpp"

namespace ctxmem {
namespace {

// One element and how often it is repeated.
struct Repeated {
    char32_t point = 0;
    bool white_space = false;  // \s, and `point` is 0
    std::size_t least = 1, most = 1;

    bool matches(char32_t c) const { return white_space ? is_white_space(c) : c == point; }
};

class PatternReader {
public:
    explicit PatternReader(std::string_view pattern) : pattern_(pattern) {}

    // The string that the pattern is, if it has no operator.
    std::optional<std::string> literal() {
        std::string out;
        while (at_ < pattern_.size()) {
            const auto one = element();
            if (!one || one->white_space) return std::nullopt;
            append_utf8(one->point, out);
        }
        return out;
    }

    // One element with a quantifier.
    std::optional<Repeated> repeated() {
        auto one = element();
        if (!one || !quantifier(*one) || at_ != pattern_.size()) return std::nullopt;
        return one;
    }

private:
    std::optional<Repeated> element() {
        if (at_ == pattern_.size()) return std::nullopt;
        CodePoint point = decode(pattern_, at_);
        at_ += point.size;
        if (point.value != '\\') {
            constexpr std::string_view kOperators = ".^$*+?()[]{}|";
            if (point.value < 0x80 &&
                kOperators.find(static_cast<char>(point.value)) != std::string_view::npos)
                return std::nullopt;
            return Repeated{point.value};
        }
        if (at_ == pattern_.size()) return std::nullopt;
        point = decode(pattern_, at_);
        at_ += point.size;
        const auto byte = static_cast<char>(point.value);
        if (point.value >= 0x80 || is_digit(byte)) return std::nullopt;
        if (!is_alpha(byte)) return Repeated{point.value};
        switch (byte) {
            case 's': return Repeated{0, true};
            case 'n': return Repeated{'\n'};
            case 'r': return Repeated{'\r'};
            case 't': return Repeated{'\t'};
            default: return std::nullopt;
        }
    }

    bool quantifier(Repeated& one) {
        if (at_ == pattern_.size()) return true;
        const char sign = pattern_[at_++];
        if (sign == '+') {
            one.most = kNoLimit;
            return true;
        }
        if (sign != '{' || !number(one.least) || one.least == 0) return false;
        one.most = one.least;
        if (at_ < pattern_.size() && pattern_[at_] == ',') {
            ++at_;
            if (!number(one.most)) one.most = kNoLimit;
        }
        if (at_ == pattern_.size() || pattern_[at_] != '}' || one.most < one.least) return false;
        ++at_;
        return true;
    }

    bool number(std::size_t& value) {
        const std::size_t begin = at_;
        std::size_t read = 0;
        for (; at_ < pattern_.size() && is_digit(pattern_[at_]) && at_ - begin < 6; ++at_)
            read = read * 10 + static_cast<std::size_t>(pattern_[at_] - '0');
        if (at_ == begin) return false;
        value = read;
        return true;
    }

    static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
    std::string_view pattern_;
    std::size_t at_ = 0;
};

class ReplaceRepeated final : public Normaliser {
public:
    ReplaceRepeated(const Repeated& element, std::string_view content)
        : element_(element), content_(content) {}

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        std::size_t copied = 0;
        bool changed = false;
        for (std::size_t at = next(text, 0); at < text.size(); at = next(text, at)) {
            const std::size_t begin = at;
            for (std::size_t count = 0; count < element_.most && at < text.size(); ++count) {
                const CodePoint point = decode(text, at);
                if (!element_.matches(point.value)) break;
                at += point.size;
                if (count + 1 < element_.least) continue;
                if (count + 1 == element_.least) {
                    if (!changed) buffer.clear();
                    changed = true;
                    buffer.append(text.substr(copied, begin - copied)).append(content_);
                }
                copied = at;
            }
        }
        return changed ? std::string_view(buffer.append(text.substr(copied))) : text;
    }

private:
    // Where the element is next, from `at` on.
    std::size_t next(std::string_view text, std::size_t at) const {
        if (!element_.white_space && element_.point < 0x80)
            return std::min(text.find(static_cast<char>(element_.point), at), text.size());
        while (at < text.size()) {
            const CodePoint point = decode(text, at);
            if (element_.matches(point.value)) break;
            at += point.size;
        }
        return at;
    }

    Repeated element_;
    std::string content_;
};

}  // namespace

NormaliserPtr make_replace_regex(std::string_view pattern, std::string_view content) {
    if (const auto literal = PatternReader(pattern).literal())
        return make_replace(*literal, content);
    if (const auto repeated = PatternReader(pattern).repeated())
        return std::make_unique<ReplaceRepeated>(*repeated, content);
    throw Unsupported("the regular expression '" + std::string(pattern) +
                      "' of a Replace normaliser");
}

}  // namespace ctxmem
