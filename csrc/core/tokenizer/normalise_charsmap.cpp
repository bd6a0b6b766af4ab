// The two normalisers that read a precompiled character map: that of `tokenizers`, which looks for
// the shortest key in a grapheme cluster, and that of SentencePiece, which looks for the longest.
#include <array>
#include <optional>

#include "core/text/graphemes.hpp"
#include "core/tokenizer/charsmap.hpp"
#include "core/tokenizer/normalise.hpp"
#include "core/tokenizer/trie.hpp"

namespace ctxmem {
namespace {

// Characters that pass through unchanged, whatever is beside them; none above U+FFFF.
class PassedCharacters {
public:
    void set(char32_t c, bool passes) {
        if (c < 0x80)
            ascii_[c] = passes;
        else if (passes)
            wide_[c / 64] |= std::uint64_t{1} << c % 64;
        else
            wide_[c / 64] &= ~(std::uint64_t{1} << c % 64);
    }

    bool has(char32_t c) const {
        if (c < 0x80) return ascii_[c];
        return c < 0x10000 && (wide_[c / 64] >> c % 64 & 1) != 0;
    }

    // The end of those from `at` on, of the ASCII ones and of the others.
    std::size_t ascii_end(std::string_view text, std::size_t at) const {
        while (at < text.size() && ascii_[static_cast<unsigned char>(text[at])]) ++at;
        return at;
    }
    std::size_t wide_end(std::string_view text, std::size_t at) const {
        while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80) {
            const CodePoint point = decode(text, at);
            if (!has(point.value)) break;
            at += point.size;
        }
        return at;
    }

    // The end of all of them.
    std::size_t end(std::string_view text, std::size_t at) const {
        for (std::size_t begin = at;; begin = at) {
            at = wide_end(text, ascii_end(text, at));
            if (at == begin) return at;
        }
    }

    // Those of more than one byte with which no key begins.
    void set_wide(const Charsmap& map) {
        for (char32_t c = 0x80; c < 0x10000; ++c) {
            char bytes[4];
            const auto size = static_cast<std::size_t>(write_utf8(c, bytes) - bytes);
            const std::string_view character(bytes, size);
            set(c, !map.opens(character) && map.shortest(character).size == 0);
        }
    }

private:
    std::array<bool, 256> ascii_{};
    std::vector<std::uint64_t> wide_ = std::vector<std::uint64_t>(0x10000 / 64);
};

class Precompiled final : public Normaliser {
public:
    static constexpr std::size_t kWhole = 6;  // a cluster of fewer bytes is looked up as one

    explicit Precompiled(std::string_view charsmap) : map_(charsmap) {
        passed_.set_wide(map_);
        // Between two of these there is always a boundary. So in a run of them each is a cluster,
        // except the first and the last.
        for (char32_t c = 0x80; c < 0x10000; ++c)
            if (!stands_alone(grapheme_class(c))) passed_.set(c, false);
        for (char32_t c = 0; c < 0x80; ++c) {
            const char byte = static_cast<char>(c);
            passed_.set(c, c != '\r' && map_.shortest({&byte, 1}).size == 0);
        }
    }

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        Output out{text, buffer};
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t begin = at;
            at = passed_.end(text, at);
            if (at == text.size()) break;
            if (at > begin && static_cast<unsigned char>(text[at]) >= 0x80)
                at = character_before(text, at);  // what follows may join it
            at = clusters(text, at, out);
        }
        return out.finish();
    }

private:
    // What is replaced, written when the first replacement is.
    struct Output {
        std::string_view text;
        std::string& buffer;
        std::size_t copied = 0;
        bool changed = false;

        void replace(std::size_t begin, std::size_t end, std::string_view by) {
            if (!changed) {
                buffer.clear();
                buffer.reserve(text.size() + 16);
                changed = true;
            }
            buffer.append(text.substr(copied, begin - copied)).append(by);
            copied = end;
        }
        std::string_view finish() {
            if (!changed) return text;
            return buffer.append(text.substr(copied));
        }
    };

    static bool stands_alone(GraphemeClass kind) {
        using enum GraphemeClass;
        return kind == other || kind == control || kind == consonant || kind == pictograph ||
               kind == hangul_lv || kind == hangul_lvt;
    }

    // Read clusters up to a passed character that follows a passed one, and return where it is.
    std::size_t clusters(std::string_view text, std::size_t at, Output& out) const {
        GraphemeClusters reader;
        std::size_t begin = at;
        for (bool was_passed = false; at < text.size();) {
            const CodePoint point = decode(text, at);
            const bool passed = passed_.has(point.value);
            if (passed && was_passed) break;
            was_passed = passed;
            if (!reader.joins(point.value) && at > begin) {
                replace_cluster(text, begin, at, out);
                begin = at;
            }
            at += point.size;
        }
        replace_cluster(text, begin, at, out);
        return at;
    }

    void replace_cluster(std::string_view text, std::size_t begin, std::size_t end,
                         Output& out) const {
        if (end - begin < kWhole && replace(text, begin, end, out)) return;
        for (std::size_t next = begin; begin < end; begin = next) {
            next = begin + decode(text, begin).size;
            replace(text, begin, next, out);
        }
    }

    bool replace(std::string_view text, std::size_t begin, std::size_t end, Output& out) const {
        const Charsmap::Match match = map_.shortest(text.substr(begin, end - begin));
        if (match.size != 0) out.replace(begin, end, match.replacement);
        return match.size != 0;
    }

    Charsmap map_;
    PassedCharacters passed_;
};

Trie trie_of(const std::vector<std::string>& strings) {
    std::vector<std::pair<std::string_view, std::uint32_t>> values;
    for (const std::string& string : strings) values.emplace_back(string, 0);
    return Trie(std::move(values));
}

class SentencePieceNormaliser final : public Normaliser {
public:
    SentencePieceNormaliser(std::string_view charsmap, const SentencePieceOptions& options,
                            const std::vector<std::string>& kept)
        : options_(options),
          kept_(trie_of(kept)),
          keeps_(!kept.empty()),
          space_(options.escape_whitespaces ? std::string_view("\xE2\x96\x81")
                                            : std::string_view(" ")) {
        if (!charsmap.empty()) map_.emplace(charsmap);
        for (char32_t c = 0; c < 0x10000; ++c) passed_.set(c, true);
        if (map_) {
            passed_.set_wide(*map_);
            for (char32_t c = 0; c < 0x80; ++c) passed_.set(c, !opens_ascii_key(c));
        }
        for (char32_t c = 0; c < 0x10000; ++c) {
            char bytes[4];
            write_utf8(c, bytes);
            if (kept_.child(Trie::kRoot, bytes[0]) != Trie::kNone) passed_.set(c, false);
        }
        plain_space_ = passed_.has(' ');
        passed_.set(' ', false);
    }

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        const std::size_t begin = options_.remove_extra_whitespaces ? leading_space(text) : 0;
        buffer.clear();
        if (begin == text.size()) return text.empty() ? text : std::string_view(buffer);
        buffer.reserve(text.size() + text.size() / 2 + 8);
        const bool suffix = options_.treat_whitespace_as_suffix;
        if (options_.add_dummy_prefix && !suffix) buffer.append(space_);
        append(text, begin, buffer);
        if (options_.remove_extra_whitespaces)
            while (std::string_view(buffer).ends_with(space_))
                buffer.resize(buffer.size() - space_.size());
        if (options_.add_dummy_prefix && suffix) buffer.append(space_);
        return buffer == text ? text : std::string_view(buffer);
    }

private:
    struct Part {
        std::size_t size;  // bytes read
        std::string_view normalised;
    };

    // What is at the beginning of `text`, which is not empty.
    Part first(std::string_view text) const {
        if (keeps_) {
            std::size_t longest = 0;
            kept_.prefixes(text, [&](std::size_t size, std::uint32_t) { longest = size; });
            if (longest > 0) return {longest, text.substr(0, longest)};
        }
        if (map_)
            if (const Charsmap::Match match = map_->longest(text); match.size > 0)
                return {match.size, match.replacement};
        const std::size_t size = decode(text, 0).size;
        return {size, text.substr(0, size)};
    }

    std::size_t leading_space(std::string_view text) const {
        std::size_t at = 0;
        while (at < text.size()) {
            const Part part = first(text.substr(at));
            if (part.normalised != " ") break;
            at += part.size;
        }
        return at;
    }

    // Whether a key is this character alone, or with another ASCII character behind it.
    bool opens_ascii_key(char32_t c) const {
        char bytes[2] = {static_cast<char>(c), 0};
        if (map_->shortest({bytes, 1}).size != 0) return true;
        for (int second = 1; second < 0x80; ++second) {
            bytes[1] = static_cast<char>(second);
            if (map_->opens({bytes, 2})) return true;
        }
        return false;
    }

    // The end of the characters from `at` on that pass whatever follows them.
    std::size_t passed_run(std::string_view text, std::size_t at) const {
        const std::size_t begin = passed_.wide_end(text, at);
        const std::size_t end = passed_.ascii_end(text, begin);
        // The last ASCII character may open a key with what is behind it.
        const bool opens =
            end > begin && end < text.size() && static_cast<unsigned char>(text[end]) >= 0x80;
        return opens ? end - 1 : end;
    }

    void append(std::string_view text, std::size_t at, std::string& out) const {
        const bool joins = options_.remove_extra_whitespaces;
        std::size_t copied = at;
        for (bool after_space = joins; at < text.size();) {
            if (const std::size_t end = passed_run(text, at); end > at) {
                at = end;
                after_space = false;
                continue;
            }
            if (is_plain_space(text, at)) {
                out.append(text.substr(copied, at - copied));
                if (!after_space) out.append(space_);
                copied = ++at;
                after_space = joins;
                continue;
            }
            Part part = first(text.substr(at));
            const bool same = part.normalised.data() == text.data() + at;
            if (same && part.normalised.find(' ') == std::string_view::npos) {
                at += part.size;
                after_space = false;
                continue;
            }
            out.append(text.substr(copied, at - copied));
            copied = at += part.size;
            while (after_space && part.normalised.starts_with(' '))
                part.normalised.remove_prefix(1);
            if (part.normalised.empty()) continue;
            append_escaped(part.normalised, out);
            after_space = joins && part.normalised.ends_with(' ');
        }
        out.append(text.substr(copied));
    }

    // Whether a space is here that no key or kept string begins with.
    bool is_plain_space(std::string_view text, std::size_t at) const {
        return plain_space_ && text[at] == ' ' &&
               (at + 1 == text.size() || static_cast<unsigned char>(text[at + 1]) < 0x80);
    }

    void append_escaped(std::string_view part, std::string& out) const {
        for (std::size_t space = part.find(' '); space != std::string_view::npos;
             space = part.find(' ')) {
            out.append(part.substr(0, space)).append(space_);
            part.remove_prefix(space + 1);
        }
        out.append(part);
    }

    SentencePieceOptions options_;
    std::optional<Charsmap> map_;
    Trie kept_;
    bool keeps_;
    bool plain_space_ = false;  // before ASCII, no key and no kept string begins with a space
    PassedCharacters passed_;
    std::string_view space_;
};

}  // namespace

NormaliserPtr make_precompiled(std::string_view charsmap) {
    return std::make_unique<Precompiled>(charsmap);
}

NormaliserPtr make_sentencepiece_normaliser(std::string_view charsmap,
                                            const SentencePieceOptions& options,
                                            const std::vector<std::string>& kept) {
    return std::make_unique<SentencePieceNormaliser>(charsmap, options, kept);
}

}  // namespace ctxmem
