// Tokenizes a text for the difference rule (difference.hpp).
#include <algorithm>
#include <string>

#include "core/dedup/difference.hpp"
#include "core/dedup/word_lists.hpp"
#include "core/support/secret.hpp"

namespace ctxmem {
namespace {

constexpr int kMostMarker = 99;  // the greatest number accepted as a list marker
constexpr std::u32string_view kBullets = U">+*-\u2022\u25CF\u25CB\u25A0\u25A1\u25B6\u25C9\u25AA";
constexpr std::u32string_view kListBefore = U"\n.:;!?";  // what a list marker may follow
// The most characters of a word that identifies a language, of a currency and of a tag.
constexpr std::size_t kLongestCommon = 5, kLongestCurrency = 7, kTagLength = 200;
constexpr std::uint16_t kMilli = 0x8000, kBits = 0x4000;  // flags of units, see prefix_of
// Outsiders choose the texts, so the hash has a key. Only the equality of hashes decides anything.
std::uint64_t keyed_mix(std::uint64_t hash, std::uint64_t value) {
    return mix_word(hash, value, process_key());
}

// Two characters a step; the last step takes the size as well.
std::uint64_t keyed_hash(std::u32string_view word) {
    const WordKey& key = process_key();
    std::uint64_t hash = key.words[0] + word.size();
    std::size_t at = 0;
    for (; at + 2 < word.size(); at += 2)
        hash = mix_word(hash, std::uint64_t{word[at]} << 32 | word[at + 1], key);
    std::uint64_t last = 0;
    for (; at < word.size(); ++at) last = last << 32 | word[at];
    return mix_word(hash, last, key);
}

constexpr std::uint64_t kNumberSeed = 0x6E, kSymbolSeed = 0x73, kOperatorSeed = 0x6F;

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_space(char32_t c) { return c == U' ' || c == U'\t' || c == U'\r'; }
bool is_hangul(char32_t c) { return (c >= 0xAC00 && c < 0xD7A4) || (c >= 0x1100 && c < 0x1200); }
bool is_kana(char32_t c) { return c >= 0x3041 && c < 0x3100; }

enum class Kind { separator, letter, digit, spaceless, mark };

Kind kind_beyond_ascii(char32_t c) {
    if (is_hangul(c) || c == 0x30FC || c == 0x3007) return Kind::spaceless;
    const std::uint8_t bits = class_byte(c);
    switch (static_cast<CharClass>(bits & 7)) {
        case CharClass::mark: return Kind::mark;
        case CharClass::upper:
        case CharClass::lower:
        case CharClass::number: return Kind::letter;
        case CharClass::letter: return bits & kSpaceless ? Kind::spaceless : Kind::letter;
        default: return Kind::separator;
    }
}

constexpr auto kAsciiKinds = [] {
    std::array<Kind, 128> out{};
    for (char32_t c = U'a'; c <= U'z'; ++c) out[c] = Kind::letter;
    for (char32_t c = U'0'; c <= U'9'; ++c) out[c] = Kind::digit;
    return out;
}();

inline Kind kind_of(char32_t c) { return c < 0x80 ? kAsciiKinds[c] : kind_beyond_ascii(c); }

bool in_word(char32_t c) {
    const Kind kind = kind_of(c);
    return kind == Kind::letter || kind == Kind::digit || kind == Kind::mark;
}

// Operators of several characters, the longest first. A second list has layout, which is skipped.
constexpr std::array<std::u32string_view, 23> kOperators = {
    U"===", U"!==", U"<=>", U"==", U"!=", U"<=", U">=", U"<>", U"&&", U"||", U"->", U"=>",
    U"<-",  U":=",  U"+=",  U"-=", U"*=", U"/=", U"~=", U"=~", U"<<", U">>", U"++"};
constexpr std::array<std::u32string_view, 5> kLayout = {U"<!--", U"-->", U"...", U"**", U"--"};

}  // namespace

class TextScanner {
public:
    explicit TextScanner(ReadText& out) : out_(out), f_(out.folded_) {}

    void run(StopToken& stop) {
        line_start();
        while (i_ < f_.size()) {
            stop.check(50);
            const char32_t c = f_[i_];
            switch (kind_of(c)) {
                case Kind::letter:
                case Kind::mark: word(); break;
                case Kind::digit: number(i_, false); break;
                case Kind::spaceless: letter(); break;
                case Kind::separator: separator(c); break;
            }
        }
    }

private:
    using Token = ReadText::Token;

    bool starts(std::u32string_view with) const {
        if (f_.size() - i_ < with.size()) return false;
        return std::equal(with.begin(), with.end(),
                          f_.chars.begin() + static_cast<std::ptrdiff_t>(i_));
    }
    char32_t before(std::size_t i) const { return i > 0 ? f_[i - 1] : 0; }

    void push(Token token, std::uint64_t hash, std::size_t from, std::size_t to,
              bool joined = false) {
        out_.items_.push_back({hash, static_cast<std::uint32_t>(from),
                               static_cast<std::uint32_t>(to), token, joined});
        out_.spaceless_ |= token == Token::letter;
        out_.strong_ += token != Token::letter && token != Token::word;
    }
    std::u32string_view chars(std::size_t from, std::size_t to) const {
        return {f_.chars.data() + from, to - from};
    }
    void push_word(std::u32string_view word, std::size_t from, std::size_t to) {
        const WordLists& lists = WordLists::get();
        const std::uint16_t place = lists.place(word);
        push(Token::word, keyed_hash(word), from, to);
        out_.items_.back().listed = place;
        if (word.size() > kLongestCommon) return;  // it identifies no language
        for (std::size_t e : lists.entries(place))
            if (tables::kWordKind[e] == kind_number(WordKind::function))
                ++out_.known_by_[tables::kWordLanguage[e]];
    }
    void end_sentence() {
        const auto here = static_cast<std::uint32_t>(out_.items_.size());
        if (here > 0 && (out_.ends_.empty() || out_.ends_.back() != here))
            out_.ends_.push_back(here);
    }

    // Words and identifiers ----------------------------------------------------------------------

    void letter() {
        const std::size_t from = i_++;
        out_.kana_ = out_.kana_ || is_kana(f_[from]);
        while (i_ < f_.size() && kind_of(f_[i_]) == Kind::mark) ++i_;
        const bool joined = !out_.items_.empty() && out_.items_.back().to == from &&
                            out_.items_.back().token == Token::letter;
        push(Token::letter, keyed_hash(chars(from, i_)), from, i_, joined);
    }

    void word() {
        const std::size_t from = i_;
        std::size_t end = i_;
        while (f_[end] >= U'a' && f_[end] <= U'z') ++end;
        const char32_t after = f_[end];
        if (after == U' ' || after == U',' || after == U')' || after == 0 ||
            after == U'\n') {  // most
            const bool money = end - from <= kLongestCurrency && money_follows(end);
            if (!money && chars(from, end) != U"cannot") {
                i_ = end;
                return push_word(chars(from, end), from, end);
            }
        }
        bool digit = false, snake = false;
        scratch_.clear();
        for (;;) {
            while (i_ < f_.size() && in_word(f_[i_])) {
                digit = digit || is_digit(f_[i_]);
                scratch_.push_back(f_[i_++]);
            }
            const char32_t c = f_[i_], next = f_[i_ + 1];
            if (c == U'_' && in_word(next)) {
                snake = true;
            } else if (c == U'-' && is_digit(next)) {
                digit = true;
            } else if ((c == U'.' || c == U'/' || c == U':') && digit && is_digit(next)) {
            } else if (c == U'-' && hyphenation()) {
                continue;
            } else {
                break;
            }
            scratch_.push_back(c);
            ++i_;
        }
        const char32_t c = f_[i_];
        if (c == U'@' && in_word(f_[i_ + 1])) return address(from, U"._-@+");
        if (starts(U"://")) return address(from, U"._-@+:/?#%&=~,");
        if (c == U'+' && f_[i_ + 1] == U'+') {  // C++, i++
            i_ += 2;
            scratch_ += U"++";
            return push(Token::identifier, keyed_hash(scratch_), from, i_);
        }
        if (i_ - from <= 3 && capital(from, i_) && (c == U'+' || c == U'-' || c == U'#') &&
            !in_word(f_[i_ + 1])) {  // AA+, C#
            scratch_.push_back(c);
            ++i_;
            return push(Token::identifier, keyed_hash(scratch_), from, i_);
        }
        if (digit || snake) return push(Token::identifier, keyed_hash(scratch_), from, i_);
        if (starts(U"$") && word_entry(scratch_ + U"$", WordKind::currency) &&
            money_follows(i_ + 1)) {
            currency_ = word_entry(scratch_ + U"$", WordKind::currency);
            ++i_;
            return number_after(from);
        }
        if (scratch_.size() <= kLongestCurrency && word_entry(scratch_, WordKind::currency) &&
            money_follows(i_)) {
            currency_ = word_entry(scratch_, WordKind::currency);
            return number_after(from);
        }
        negated(from);
    }

    // Push a word; split it if its second part is a negation: "isn't" is "is not", "cannot" is "can
    // not".
    void negated(std::size_t from) {
        const std::size_t size = scratch_.size();
        if (size > 1 && scratch_.back() == U'n' && f_[i_] == U'\'' && f_[i_ + 1] == U't' &&
            !in_word(f_[i_ + 2])) {
            scratch_.pop_back();
            if (scratch_ == U"wo") scratch_ = U"will";
            if (scratch_ == U"ca") scratch_ = U"can";
            if (scratch_ == U"sha") scratch_ = U"shall";
            push_word(scratch_, from, i_ - 1);
            i_ += 2;
            return push_word(U"not", i_ - 3, i_);
        }
        if (scratch_ == U"cannot") {
            push_word(U"can", from, i_ - 3);
            return push_word(U"not", i_ - 3, i_);
        }
        push_word(scratch_, from, i_);
    }

    // At a hyphen after a letter: if the word continues in the next line, move there; return so.
    bool hyphenation() {
        std::size_t at = i_ + 1;
        while (is_space(f_[at])) ++at;
        if (f_[at] != U'\n') return false;
        ++at;
        while (is_space(f_[at])) ++at;
        if (at >= f_.size() || !in_word(f_[at])) return false;
        if (is_digit(f_[at]) || capital(at, at + 1)) scratch_.push_back(U'-');
        i_ = at;
        return true;
    }

    // Whether these characters are all ASCII capitals.
    bool capital(std::size_t from, std::size_t to) const {
        for (std::size_t i = from; i < to; ++i)
            if (f_[i] >= 0x80 || char_class(decode(out_.text_, f_.at[i]).value) != CharClass::upper)
                return false;
        return true;
    }

    void address(std::size_t from, std::u32string_view more) {
        while (i_ < f_.size() && (in_word(f_[i_]) || more.find(f_[i_]) != more.npos)) ++i_;
        while (!in_word(f_[i_ - 1]) && f_[i_ - 1] != U'/') --i_;
        push(Token::identifier, keyed_hash(chars(from, i_)), from, i_);
    }

    // Numbers ------------------------------------------------------------------------------------

    // Whether an amount begins at `at`, after at most one space.
    bool money_follows(std::size_t at) const {
        if (is_space(f_[at])) ++at;
        if (f_[at] == U'-') ++at;
        return is_digit(f_[at]);
    }

    // Read the number after a currency sign. `from` is the start of its text, sign included.
    void number_after(std::size_t from) {
        if (is_space(f_[i_])) ++i_;
        bool minus = minus_;
        if (f_[i_] == U'-') {
            minus = true;
            ++i_;
        }
        number(from, minus);
    }

    // At a digit: read a number. `from` is the start of its text, sign and currency included.
    void number(std::size_t from, bool minus) {
        digits_.clear();
        const std::size_t first = i_;
        take_digits();
        const std::size_t group = i_ - first;
        while (group <= 3 && f_[i_] == U' ' && is_digit(f_[i_ + 1]) && is_digit(f_[i_ + 2]) &&
               is_digit(f_[i_ + 3]) && !is_digit(f_[i_ + 4])) {  // 1 200
            ++i_;
            take_digits();
        }
        for (;;) {
            const char32_t c = f_[i_];
            const bool joins = c == U'.' || c == U',' || c == U':' || c == U'/' || c == U'-' ||
                               c == U'\'' || c == U'_' || c == U'^';
            if (joins && is_digit(f_[i_ + 1])) {
                digits_.push_back(static_cast<char>(c));
                ++i_;
            } else if (c == U' ' && f_[i_ + 1] == U'-' && f_[i_ + 2] == U' ' &&
                       is_digit(f_[i_ + 3])) {
                digits_.push_back('-');  // 5 - 6
                i_ += 3;
            } else {
                break;
            }
            take_digits();
        }
        if (kind_of(f_[i_]) == Kind::letter && identifier_goes_on(from)) return;
        std::uint64_t hash = keyed_mix(kNumberSeed, minus);
        for (const char c : canonical()) hash = keyed_mix(hash, static_cast<unsigned char>(c));
        std::uint16_t currency = currency_, unit = 0;
        currency_ = 0;
        minus_ = false;
        read_unit(currency, unit);
        push(Token::number, keyed_mix(keyed_mix(hash, currency), unit), from, i_);
    }

    void take_digits() {
        while (is_digit(f_[i_])) digits_.push_back(static_cast<char>(f_[i_++]));
    }

    // At a letter directly after digits: read an identifier such as 3D or 3f2a, unless the letters
    // are a unit, an ordinal ending or a listed word; return whether it was an identifier.
    bool identifier_goes_on(std::size_t from) {
        std::size_t end = i_;
        bool digit = false;
        while (in_word(f_[end]) ||
               ((f_[end] == U'_' || f_[end] == U'-') && in_word(f_[end + 1]) && digit)) {
            digit = digit || is_digit(f_[end]);
            ++end;
        }
        const std::u32string tail(chars(i_, end));
        if (!digit && (tail == U"st" || tail == U"nd" || tail == U"rd" || tail == U"th")) {
            i_ = end;
            return false;
        }
        if (!digit && !word_entries(tail).empty()) return false;
        if (!digit && f_[end] == U'^' && is_digit(f_[end + 1])) return false;  // 5m^2
        if (digit && tail.size() <= 3 && word_entry(tail, WordKind::unit_sign))
            return false;  // 5m2
        i_ = end;
        currency_ = 0;
        minus_ = false;
        push(Token::identifier, keyed_hash(chars(from, i_)), from, i_);
        return true;
    }

    // Read a unit, percent sign or currency after the number, with or without a space before it.
    void read_unit(std::uint16_t& currency, std::uint16_t& unit) {
        std::size_t at = i_;
        const bool apart =
            is_space(f_[at]) || (f_[at] == U'-' && kind_of(f_[at + 1]) == Kind::letter);
        if (apart) ++at;
        std::size_t end = at;
        while (in_word(f_[end]) || f_[end] == U'^' || f_[end] == U'\u00B0' || f_[end] == U'\u00B5')
            ++end;
        if (end == at || f_[end] == U'$') {
            if (end < f_.size() && !is_space(f_[end]) && f_[end] != U'\n' && f_[end] != 0) ++end;
        }
        if (end == at) return;
        const std::u32string name(chars(at, end));
        for (const std::size_t e : word_entries(name)) {
            const auto kind = static_cast<WordKind>(tables::kWordKind[e]);
            const bool whole = tables::kWordFlags[e] & kWordWhole;
            if (kind == WordKind::currency && currency == 0) {
                currency = tables::kWordValue[e];
            } else if (kind == WordKind::unit_sign && !(apart && whole && !capital(at, end))) {
                unit = static_cast<std::uint16_t>(tables::kWordValue[e] | prefix_of(at, end));
            } else {
                continue;
            }
            i_ = end;
            return;
        }
        if (name == U"per" || name == U"pour" || name == U"por") {  // per cent, pour cent
            if (const std::size_t cent = end + 1;
                is_space(f_[end]) && (chars_at(cent, U"cent") || chars_at(cent, U"ciento") ||
                                      chars_at(cent, U"cento"))) {
                unit = word_entry(U"%", WordKind::unit_sign);
                i_ = cent;
                while (in_word(f_[i_])) ++i_;
            }
        }
    }
    // A flag where only capitals tell units apart: mW from MW, Mb from MB. What is written without
    // any, "5 mw", is read as the more usual unit.
    std::uint16_t prefix_of(std::size_t at, std::size_t end) const {
        if (end - at < 2) return 0;
        const bool first = capital(at, at + 1);
        if (f_[at] == U'm' && !first && capital(at + 1, at + 2)) return kMilli;
        if (f_[end - 1] == U'b' && first && !capital(end - 1, end)) return kBits;
        return 0;
    }
    bool chars_at(std::size_t at, std::u32string_view what) const {
        if (at + what.size() > f_.size()) return false;
        return chars(at, at + what.size()) == what && !in_word(f_[at + what.size()]);
    }

    // The digits in canonical form: without grouping, with a full stop before the decimals.
    std::string_view canonical() {
        number_.clear();
        std::size_t from = 0;
        for (std::size_t i = 0; i <= digits_.size(); ++i) {
            const char c = i < digits_.size() ? digits_[i] : '-';
            if (c != '-' && c != '/' && c != ':' && c != '^') continue;
            part(std::string_view(digits_).substr(from, i - from));
            if (i < digits_.size()) number_.push_back(c);
            from = i + 1;
        }
        return number_;
    }

    void part(std::string_view digits) {
        std::size_t dots = 0, commas = 0;
        for (const char c : digits) {
            dots += c == '.';
            commas += c == ',';
        }
        char decimal = '.', grouping = ',';
        if (dots > 0 && commas > 0 && digits.rfind(',') > digits.rfind('.'))
            std::swap(decimal, grouping);
        if (dots == 0 && commas > 0) decimal = grouped(digits, ',') ? '.' : ',';
        if (dots > 1 && commas == 0 && grouped(digits, '.')) std::swap(decimal, grouping);
        const std::size_t decimals = decimal == '.' ? dots : commas;
        const bool known = decimals <= 1 && (decimal == '.' ? commas : dots) + decimals > 0;
        for (const char c : digits) {
            if (c == '\'' || c == '_') continue;
            if (known && c == (decimal == '.' ? ',' : '.')) continue;
            number_.push_back(known && c == decimal ? '.' : c);
        }
    }

    // Whether the digits are grouped by thousands. Groups before the last may have two digits, as
    // in India.
    static bool grouped(std::string_view digits, char by) {
        std::size_t size = 0;
        bool first = true;
        for (std::size_t i = 0; i < digits.size(); ++i) {
            if (digits[i] != by) {
                ++size;
                continue;
            }
            if (first ? size > 3 : size != 3 && size != 2) return false;
            first = false;
            size = 0;
        }
        return size == 3;
    }

    // Signs --------------------------------------------------------------------------------------

    void separator(char32_t c) {
        const std::size_t from = i_;
        const char32_t next = f_[i_ + 1], last = before(i_);
        if (c == U'\n') {
            ++i_;
            end_sentence();
            return line_start();
        }
        if (c == U' ') {
            ++i_;
            return;
        }
        if ((c == U'.' || c == U'!' || c == U'?' || c == U';') && !is_digit(next)) {
            const Kind after = kind_of(next);
            if (after != Kind::letter) end_sentence();
        }
        if (c >= 0x80 || c == U'$') return sign(c);
        if (c == U'.' && is_digit(next) && !in_word(last) && last != U'.') {  // .5
            ++i_;
            digits_.clear();
            const std::size_t at = i_;
            take_digits();
            std::uint64_t hash = keyed_mix(kNumberSeed, minus_);
            for (const char d : "0." + digits_)
                hash = keyed_mix(hash, static_cast<unsigned char>(d));
            std::uint16_t currency = currency_, unit = 0;
            currency_ = 0;
            minus_ = false;
            read_unit(currency, unit);
            return push(Token::number, keyed_mix(keyed_mix(hash, currency), unit), at - 1, i_);
        }
        if ((c == U'-' || c == U'+') && !in_word(last) && last != U')' && last != U'%' &&
            last != c) {
            if (is_digit(next)) {
                ++i_;
                return number(from, c == U'-');
            }
            if (c == U'-' && (next == U'$' || word_entry({&next, 1}, WordKind::currency)) &&
                money_follows(i_ + 2)) {
                ++i_;
                minus_ = true;
                return sign(next);
            }
        }
        if (c == U'[' && !in_word(last) && f_[i_ + 2] == U']' && (next == U' ' || next == U'x')) {
            i_ += 3;
            return push_symbol(next == U'x' ? U'\u2611' : U'\u2610', from);
        }
        signs(c);
    }

    // Push one of the listed signs, or read a currency with the amount after it.
    void sign(char32_t c) {
        const std::size_t from = minus_ ? i_ - 1 : i_;
        ++i_;
        if (const std::uint16_t value = word_entry({&c, 1}, WordKind::currency)) {
            if (money_follows(i_)) {
                currency_ = value;
                return number_after(from);
            }
            minus_ = false;
            return;
        }
        minus_ = false;
        if (word_entry({&c, 1}, WordKind::mark)) return push_symbol(c, from);
        if (word_entry({&c, 1}, WordKind::operator_))
            push(Token::operator_, keyed_mix(kOperatorSeed, c), from, i_);
    }

    void push_symbol(char32_t c, std::size_t from) {
        for (const std::size_t e : word_entries({&c, 1})) {
            if (static_cast<WordKind>(tables::kWordKind[e]) != WordKind::mark) continue;
            push(Token::symbol, keyed_mix(kSymbolSeed, tables::kWordValue[e]), from, i_);
            out_.items_.back().value = tables::kWordValue[e];
            out_.items_.back().family = tables::kWordFamily[e];
            return;
        }
    }

    void push_operator(std::u32string_view signs, std::size_t from) {
        std::uint64_t hash = kOperatorSeed;
        for (const char32_t c : signs) hash = keyed_mix(hash, c);
        push(Token::operator_, hash, from, i_);
    }

    // Read ASCII signs: push operators, skip layout.
    void signs(char32_t c) {
        const std::size_t from = i_;
        const char32_t last = before(i_);
        std::size_t run = i_;
        while (run < f_.size() && f_[run] == c) ++run;
        if (run - i_ >= 4) {  // a rule, an underline
            i_ = run;
            return;
        }
        if (i_ == tag_close_) {
            ++i_;
            return;
        }
        for (const std::u32string_view layout : kLayout)
            if (starts(layout)) {
                i_ += layout.size();
                return;
            }
        if (c == U'<' && opens_tag()) {
            ++i_;
            return;
        }
        for (const std::u32string_view signs : kOperators)
            if (starts(signs)) {
                i_ += signs.size();
                return push_operator(signs, from);
            }
        ++i_;
        const char32_t next = f_[i_];
        const bool apart = (is_space(last) && is_space(next)) || (is_digit(last) && is_digit(next));
        switch (c) {
            case U'<':
            case U'>':
            case U'=': return push_operator({&c, 1}, from);
            case U'+':
                if (apart || (in_word(last) && in_word(next))) push_operator({&c, 1}, from);
                return;
            case U'*':
                if (apart) push_operator({&c, 1}, from);
                return;
            case U'~':
                if (is_digit(next))
                    push(Token::operator_, keyed_mix(kOperatorSeed, U'\u2248'), from, i_);
                return;
            case U'!':
                if ((kind_of(next) == Kind::letter || next == U'(') && !in_word(last) &&
                    last != U')' && last != U'<' && last != U'!' && last != U'?')
                    push_operator({&c, 1}, from);
                return;
            default: return;
        }
    }

    // At `<`: whether a tag begins; if so, remember its end.
    bool opens_tag() {
        const char32_t next = f_[i_ + 1];
        if (next != U'/' && next != U'!' && kind_of(next) != Kind::letter) return false;
        for (std::size_t at = i_ + 1; at < std::min(f_.size(), i_ + kTagLength); ++at) {
            if (f_[at] == U'<' || f_[at] == U'\n') return false;
            if (f_[at] != U'>') continue;
            tag_close_ = at;
            return true;
        }
        return false;
    }

    // Skip the markers of quotations, lists and headings.
    void line_start() {
        for (;;) {
            while (is_space(f_[i_])) ++i_;
            const char32_t c = f_[i_], next = f_[i_ + 1];
            if (kBullets.find(c) == kBullets.npos) break;
            if (!is_space(next) && !(c == U'>' && next == U'>')) break;
            ++i_;
        }
        numbered();
    }

    // Skip `1. ` or `1) ` before a word if it can be a list marker: the line before it is complete,
    // or the number continues the list.
    void numbered() {
        std::size_t at = i_;
        int value = 0;
        while (is_digit(f_[at]) && value <= kMostMarker)
            value = value * 10 + static_cast<int>(f_[at++] - U'0');
        if (at == i_ || value > kMostMarker || (f_[at] != U'.' && f_[at] != U')')) return;
        std::size_t text = at + 1;
        while (is_space(f_[text])) ++text;
        const Kind kind = kind_of(f_[text]);
        if (text == at + 1 || (kind != Kind::letter && kind != Kind::spaceless)) return;
        std::size_t back = i_;
        while (back > 0 && is_space(f_[back - 1])) --back;
        if (back > 0) --back;  // the newline
        while (back > 0 && is_space(f_[back - 1])) --back;
        const char32_t last = before(back);
        if (last != 0 && kListBefore.find(last) == kListBefore.npos && value != marker_ + 1) return;
        marker_ = value;
        i_ = at + 1;
    }

    ReadText& out_;
    const Folded& f_;
    std::size_t i_ = 0;
    std::size_t tag_close_ = static_cast<std::size_t>(-1);
    int marker_ = -1;
    std::uint16_t currency_ = 0;  // the currency before the next number
    bool minus_ = false;
    std::u32string scratch_;
    std::string digits_, number_;
};

ReadText::ReadText(std::string_view utf8, StopToken& stop) : text_(utf8), folded_(utf8, stop) {
    items_.reserve(utf8.size() / 5 + 1);
    TextScanner(*this).run(stop);
    mark_data(stop);
}

}  // namespace ctxmem
