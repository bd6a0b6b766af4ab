// Normalisers that change each character by itself: lower case, accents, controls, Chinese.
#include <array>

#include "core/tokenizer/normalise.hpp"

namespace ctxmem {
namespace {

// Applies a rule to every character. A rule has
//   bool changes(const char*, std::size_t): whether it changes any of these ASCII bytes,
//   void ascii(std::string_view, std::string&): append what it makes of ASCII,
//   bool changes(char32_t), void wide(char32_t, std::string_view bytes, std::string&): of another.
template <class Rule>
class EachCharacter final : public Normaliser {
public:
    explicit EachCharacter(Rule rule) : rule_(rule) {}

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        std::size_t at = unchanged(text);
        if (at == text.size()) return text;
        buffer.clear();
        buffer.reserve(text.size() + 16);
        buffer.append(text.substr(0, at));
        while (at < text.size()) {
            if (const std::size_t run = ascii_run(text, at); run > 0) {
                rule_.ascii(text.substr(at, run), buffer);
                at += run;
                continue;
            }
            const std::size_t end = kept_wide(text, at);
            buffer.append(text.substr(at, end - at));
            at = end;
            if (at == text.size() || static_cast<unsigned char>(text[at]) < 0x80) continue;
            const CodePoint point = decode(text, at);
            rule_.wide(point.value, text.substr(at, point.size), buffer);
            at += point.size;
        }
        return buffer;
    }

private:
    static constexpr std::size_t kPortion = 256;

    // The size of a beginning that the rule keeps; all of the text, if it keeps that.
    std::size_t unchanged(std::string_view text) const {
        for (std::size_t at = 0; at < text.size();) {
            if (const std::size_t run = ascii_run(text, at); run > 0) {
                for (const std::size_t end = at + run; at < end;) {
                    const std::size_t size = std::min(kPortion, end - at);
                    if (rule_.changes(text.data() + at, size)) return at;
                    at += size;
                }
                continue;
            }
            const std::size_t end = kept_wide(text, at);
            if (end == at) return at;
            at = end;
        }
        return text.size();
    }

    // The end of the characters from `at` on that are not ASCII and that the rule keeps.
    std::size_t kept_wide(std::string_view text, std::size_t at) const {
        while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80) {
            const CodePoint point = decode(text, at);
            if (rule_.changes(point.value)) break;
            at += point.size;
        }
        return at;
    }

    Rule rule_;
};

template <class Rule>
NormaliserPtr each_character(Rule rule) {
    return std::make_unique<EachCharacter<Rule>>(rule);
}

template <class Test>
bool any_of(const char* bytes, std::size_t size, Test test) {
    unsigned found = 0;  // no early return, so that the loop becomes one of vectors
    for (std::size_t i = 0; i < size; ++i)
        found |= static_cast<unsigned>(test(static_cast<unsigned char>(bytes[i])));
    return found != 0;
}

constexpr bool is_capital(unsigned char byte) {
    return static_cast<unsigned char>(byte - 'A') < 26;
}

void append_lower_ascii(std::string_view run, std::string& out) {
    const std::size_t size = out.size();
    out.resize(size + run.size());
    char* const to = out.data() + size;
    for (std::size_t i = 0; i < run.size(); ++i) {
        const auto byte = static_cast<unsigned char>(run[i]);
        to[i] = static_cast<char>(byte | (is_capital(byte) ? 0x20 : 0));
    }
}

// Lower case; nonspacing marks are removed before, if asked for.
template <bool kLower, bool kStripMarks>
struct CaseRule {
    bool changes(const char* bytes, std::size_t size) const {
        return kLower && any_of(bytes, size, is_capital);
    }
    void ascii(std::string_view run, std::string& out) const {
        if constexpr (kLower)
            append_lower_ascii(run, out);
        else
            out.append(run);
    }
    bool changes(char32_t c) const {
        return (normal_flags(c) & ((kLower ? kLowers : 0) | (kStripMarks ? kNonspacing : 0))) != 0;
    }
    void wide(char32_t c, std::string_view, std::string& out) const {
        if (kStripMarks && (normal_flags(c) & kNonspacing) != 0) return;
        if (c == 0x130)
            out.append("i\xCC\x87");
        else
            append_utf8(full_lower_case(c), out);
    }
};

struct AccentRule {
    bool changes(const char*, std::size_t) const { return false; }
    void ascii(std::string_view run, std::string& out) const { out.append(run); }
    bool changes(char32_t c) const { return is_combining_mark(c); }
    void wide(char32_t, std::string_view, std::string&) const {}
};

enum class Fate : std::uint8_t { kept, removed, space };

// ASCII by the fate of each byte, without a branch.
template <class Rule>
void append_by_fate(std::string_view run, std::string& out) {
    static const std::array<Fate, 128> kFates = [] {
        std::array<Fate, 128> fates{};
        for (unsigned byte = 0; byte < 128; ++byte) fates[byte] = Rule::fate(byte);
        return fates;
    }();
    std::size_t size = out.size();
    out.resize(size + run.size());
    for (const char byte : run) {
        const Fate fate = kFates[static_cast<unsigned char>(byte) & 127];
        out[size] = fate == Fate::space ? ' ' : byte;
        size += fate != Fate::removed;
    }
    out.resize(size);
}

struct NmtRule {
    static constexpr Fate fate(char32_t c) {
        if (c < 0x80) {
            if (c >= 0x20) return c == 0x7F ? Fate::removed : Fate::kept;
            if (c == 9 || c == 10 || c == 12 || c == 13) return Fate::space;
            return c == 0 ? Fate::kept : Fate::removed;
        }
        if (c == 0x8F || c == 0x9F) return Fate::removed;
        const bool space = c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 ||
                           c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
        return space ? Fate::space : Fate::kept;
    }
    bool changes(const char* bytes, std::size_t size) const {
        return any_of(bytes, size,
                      [](unsigned char byte) { return (byte < 0x20) | (byte == 0x7F); });
    }
    void ascii(std::string_view run, std::string& out) const { append_by_fate<NmtRule>(run, out); }
    bool changes(char32_t c) const { return fate(c) != Fate::kept; }
    void wide(char32_t c, std::string_view, std::string& out) const {
        if (fate(c) == Fate::space) out.push_back(' ');
    }
};

// The first steps of BertNormalizer: controls are removed, white space becomes a space, and spaces
// are put around Chinese characters.
struct BertRule {
    bool clean, chinese;

    static constexpr bool is_chinese(char32_t c) {
        if (c < 0x20000)
            return (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
                   (c >= 0xF900 && c <= 0xFAFF);
        return c <= 0x2A6DF || (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
               (c >= 0x2F800 && c <= 0x2FA1F);
    }
    // In this order: what is a control is removed though it be white space.
    static Fate fate(char32_t c) {
        if (is_bert_control(c)) return Fate::removed;
        return is_white_space(c) ? Fate::space : Fate::kept;
    }
    bool changes(const char* bytes, std::size_t size) const {
        return clean && any_of(bytes, size,
                               [](unsigned char byte) { return (byte < 0x20) | (byte == 0x7F); });
    }
    void ascii(std::string_view run, std::string& out) const {
        if (clean)
            append_by_fate<BertRule>(run, out);
        else
            out.append(run);
    }
    bool changes(char32_t c) const {
        return (clean && (normal_flags(c) & kUnclean) != 0) || (chinese && is_chinese(c));
    }
    void wide(char32_t c, std::string_view bytes, std::string& out) const {
        const Fate fate = clean ? BertRule::fate(c) : Fate::kept;
        if (fate == Fate::removed) return;
        if (fate == Fate::space) {
            out.push_back(' ');
            return;
        }
        char padded[6] = {' '};
        char* const end = std::copy(bytes.begin(), bytes.end(), padded + 1);
        *end = ' ';
        out.append(padded, bytes.size() + 2);
    }
};

}  // namespace

NormaliserPtr make_lowercase() { return each_character(CaseRule<true, false>{}); }

NormaliserPtr make_strip_accents() { return each_character(AccentRule{}); }

NormaliserPtr make_nmt() { return each_character(NmtRule{}); }

NormaliserPtr make_bert(const BertOptions& options) {
    std::vector<NormaliserPtr> parts;
    if (options.clean_text || options.handle_chinese_chars)
        parts.push_back(each_character(BertRule{options.clean_text, options.handle_chinese_chars}));
    if (options.strip_accents) {
        parts.push_back(make_form(Form::nfd));
        parts.push_back(options.lowercase ? each_character(CaseRule<true, true>{})
                                          : each_character(CaseRule<false, true>{}));
    } else if (options.lowercase) {
        parts.push_back(make_lowercase());
    }
    return make_sequence(std::move(parts));
}

}  // namespace ctxmem
