#include "core/tokenizer/normalise.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ctxmem {
namespace {

class Sequence final : public Normaliser {
public:
    explicit Sequence(std::vector<NormaliserPtr> parts) : parts_(std::move(parts)) {}

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        std::string other;
        std::string* const buffers[2] = {&buffer, &other};
        unsigned free = 0;  // the buffer that does not hold `now`
        std::string_view now = text;
        for (const NormaliserPtr& part : parts_) {
            const std::string_view next = part->apply(now, *buffers[free]);
            // By address: no part gives the text back from another place.
            if (next.data() == now.data() && next.size() == now.size()) continue;
            now = next;
            free ^= 1;
        }
        if (free == 0 && now.data() != text.data()) {  // it is in `other`
            buffer.assign(now);
            return buffer;
        }
        return now;
    }

private:
    std::vector<NormaliserPtr> parts_;
};

class Strip final : public Normaliser {
public:
    Strip(bool left, bool right) : left_(left), right_(right) {}

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        std::size_t begin = 0, end = text.size();
        while (left_ && begin < end) {
            const CodePoint point = decode(text, begin);
            if (!is_white_space(point.value)) break;
            begin += point.size;
        }
        while (right_ && end > begin) {
            const std::size_t last = character_before(text, end);
            if (!is_white_space(decode(text, last).value)) break;
            end = last;
        }
        if (end - begin == text.size()) return text;
        buffer.assign(text.substr(begin, end - begin));
        return buffer;
    }

private:
    bool left_, right_;
};

class Prepend final : public Normaliser {
public:
    explicit Prepend(std::string_view prefix) : prefix_(prefix) {}

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        if (text.empty() || prefix_.empty()) return text;
        buffer.clear();
        buffer.reserve(prefix_.size() + text.size());
        return buffer.append(prefix_).append(text);
    }

private:
    std::string prefix_;
};

class ReplaceString final : public Normaliser {
public:
    ReplaceString(std::string_view pattern, std::string_view content)
        : pattern_(pattern), content_(content) {}

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        std::size_t found = text.find(pattern_);
        if (found == std::string_view::npos) return text;
        buffer.clear();
        std::size_t copied = 0;
        for (; found != std::string_view::npos; found = text.find(pattern_, copied)) {
            buffer.append(text.substr(copied, found - copied)).append(content_);
            copied = found + pattern_.size();
        }
        return buffer.append(text.substr(copied));
    }

private:
    std::string pattern_, content_;
};

// One byte by a few, as a space by U+2581: every byte is written as if it were replaced, and what is
// too much is written over, which costs no branch.
class ReplaceByte final : public Normaliser {
public:
    static constexpr std::size_t kMost = 8;

    // Requires content.size() <= kMost.
    ReplaceByte(char byte, std::string_view content) : byte_(byte), size_(content.size()) {
        std::memcpy(&content_, content.data(), content.size());
    }

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        const auto count = static_cast<std::size_t>(std::count(text.begin(), text.end(), byte_));
        if (count == 0) return text;
        const std::size_t size = text.size() - count + count * size_;
        buffer.resize(size + kMost);
        char* out = buffer.data();
        for (const char byte : text) {
            const bool is = byte == byte_;
            const std::uint64_t word =
                is ? content_ : std::uint64_t{static_cast<unsigned char>(byte)} << kFirst;
            std::memcpy(out, &word, kMost);
            out += is ? size_ : 1;
        }
        buffer.resize(size);
        return buffer;
    }

private:
    static constexpr unsigned kFirst = std::endian::native == std::endian::little ? 0 : 56;

    char byte_;
    std::size_t size_;
    std::uint64_t content_ = 0;  // its bytes in memory
};

// The empty string is before every character and at the end.
class ReplaceNothing final : public Normaliser {
public:
    explicit ReplaceNothing(std::string_view content) : content_(content) {}

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        if (text.empty() || content_.empty()) return text;
        buffer.clear();
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t size = decode(text, at).size;
            buffer.append(content_).append(text.substr(at, size));
            at += size;
        }
        return buffer.append(content_);
    }

private:
    std::string content_;
};

}  // namespace

NormaliserPtr make_sequence(std::vector<NormaliserPtr> parts) {
    if (parts.size() == 1) return std::move(parts.front());
    return std::make_unique<Sequence>(std::move(parts));
}

NormaliserPtr make_strip(bool left, bool right) { return std::make_unique<Strip>(left, right); }

NormaliserPtr make_prepend(std::string_view prefix) { return std::make_unique<Prepend>(prefix); }

NormaliserPtr make_replace(std::string_view pattern, std::string_view content) {
    if (pattern.empty()) return std::make_unique<ReplaceNothing>(content);
    if (pattern.size() == 1 && content.size() <= ReplaceByte::kMost)
        return std::make_unique<ReplaceByte>(pattern[0], content);
    return std::make_unique<ReplaceString>(pattern, content);
}

}  // namespace ctxmem
