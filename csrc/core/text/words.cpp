#include "core/text/words.hpp"

#include <algorithm>

#include "core/text/unicode.hpp"
#include "kernels/kernels.hpp"
#include "kernels/word_hash.hpp"

namespace ctxmem {
namespace {

// The lower-cased UTF-8 of a word that is not all ASCII.
class Lowered {
public:
    void add(char32_t c) { append_utf8(c, bytes_); }
    bool empty() const { return bytes_.empty(); }
    std::uint64_t take(const WordKey& key) {
        const std::size_t size = bytes_.size();
        bytes_.resize(size + kWordSlack);
        const std::uint64_t hash = hash_word(bytes_.data(), size, 0, key);
        bytes_.clear();
        return hash;
    }

private:
    std::vector<char> bytes_;
};

class Splitter {
public:
    Splitter(std::string_view utf8, std::uint64_t* out, const WordKey& key)
        : utf8_(utf8), out_(out), key_(key) {}

    std::uint64_t* split() {
        const auto split_ascii = kernels().split_ascii;
        while (at_ < utf8_.size()) {
            out_ += split_ascii(utf8_.data(), utf8_.size(), &at_, out_, key_);
            // Character by character does for what the kernel leaves.
            if (at_ < utf8_.size()) beyond_ascii();
        }
        return out_;
    }

private:
    // Words with characters that are not ASCII, until an ASCII separator that ASCII follows.
    void beyond_ascii() {
        bool alone =
            false;  // the open word is a letter of a spaceless script: only marks extend it
        const auto close = [&] {
            if (!word_.empty()) *out_++ = word_.take(key_);
            alone = false;
        };
        while (at_ < utf8_.size()) {
            const CodePoint point = decode(utf8_, at_);
            at_ += point.size;
            const std::uint8_t bits = class_byte(point.value);
            const auto kind = static_cast<CharClass>(bits & 7);
            if (kind == CharClass::other || kind >= CharClass::space) {
                close();
                const bool ascii_follows =
                    at_ < utf8_.size() && static_cast<unsigned char>(utf8_[at_]) < 0x80;
                if (ascii_follows) return;
                continue;
            }
            const bool spaceless = (bits & kSpaceless) != 0;
            if (spaceless || (alone && kind != CharClass::mark)) close();
            word_.add(lower_case(point.value));
            alone = alone || spaceless;
        }
        close();
    }

    std::string_view utf8_;
    std::uint64_t* out_;
    const WordKey& key_;
    std::size_t at_ = 0;  // no word is open here
    Lowered word_;
};

}  // namespace

std::size_t split_words(std::string_view utf8, std::uint64_t* out, const WordKey& key) {
    return static_cast<std::size_t>(Splitter(utf8, out, key).split() - out);
}

void split_words(std::string_view utf8, std::vector<std::uint64_t>& out, const WordKey& key) {
    const std::size_t before = out.size();
    out.resize(before + most_words(utf8.size()));
    out.resize(before + split_words(utf8, out.data() + before, key));
}

void split_characters(std::string_view utf8, std::vector<std::uint64_t>& out, const WordKey& key) {
    bool separated = false;  // something other than a word character came after the last one
    bool any = false;
    for (std::size_t at = 0; at < utf8.size();) {
        const CodePoint point = decode(utf8, at);
        at += point.size;
        const std::uint8_t kind = class_byte(point.value) & 7;
        if (kind < 1 || kind > 5) {
            separated = true;
            continue;
        }
        if (separated && any) out.push_back(mix_word(key.words[0], U' ', key));
        out.push_back(mix_word(key.words[0], lower_case(point.value), key));
        any = true;
        separated = false;
    }
}

}  // namespace ctxmem
