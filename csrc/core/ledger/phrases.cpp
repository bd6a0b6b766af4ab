#include "core/ledger/phrases.hpp"

#include <stdexcept>

#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

std::u32string decoded(std::string_view utf8) {
    std::u32string out;
    for (std::size_t at = 0; at < utf8.size();) {
        const CodePoint point = decode(utf8, at);
        out.push_back(point.value);
        at += point.size;
    }
    return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(separator, at), text.size());
        if (end > at) out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

// Letters of scripts without spaces are words of their own.
std::vector<std::u32string> words_of(std::u32string_view given) {
    std::vector<std::u32string> out;
    bool joined = false;
    for (const char32_t c : given) {
        const bool spaceless = (class_byte(c) & kSpaceless) != 0;
        if (spaceless || !joined)
            out.emplace_back(1, c);
        else
            out.back().push_back(c);
        joined = !spaceless;
    }
    return out;
}

// The words behind the first without which no sentence has the phrase.
void set_needs(Phrase& phrase) {
    std::size_t filled = 0;
    for (std::size_t i = 1; i < phrase.elements.size(); ++i) {
        const Element& element = phrase.elements[i];
        if (element.optional) {
            i += element.skip - 1;
            continue;
        }
        phrase.needs_number |= element.type == Element::Type::number;
        phrase.needs_day |= element.type == Element::Type::day;
        if (element.type != Element::Type::words || filled == phrase.needs.size()) continue;
        for (const std::uint32_t word : element.words) phrase.needs[filled] |= mask_of(word);
        ++filled;
    }
}

}  // namespace

const Phrases& Phrases::get() {
    static const Phrases phrases;
    return phrases;
}

Phrases::Phrases() {
    for (const std::string_view word :
         {"i'm",     "i've",   "don't",  "doesn't",   "didn't",  "can't",    "won't",
          "isn't",   "aren't", "wasn't", "shouldn't", "mustn't", "couldn't", "wouldn't",
          "haven't", "hasn't", "you're", "they're",   "that's",  "what's",   "there's",
          "let's",   "we've",  "you've", "you'll"}) {
        std::string plain(word);
        plain.erase(plain.find('\''), 1);
        alias(plain, word);
    }
    alias("u", "you");
    alias("ur", "your");
    alias("pls", "please");
    alias("plz", "please");
    std::uint32_t bit = 1;
    for (const WordRoles& role : word_roles()) {
        for (const std::string_view word : split(role.words, ' '))
            roles_[intern(decoded(word))] |= bit;
        bit <<= 1;
    }
    for (const PhraseRows& table : phrase_rows())
        for (const char* row : table.rows) add(table.language, row);
}

std::uint32_t Phrases::intern(std::u32string_view word) {
    std::uint64_t hash = kWordSeed;
    for (const char32_t c : word)
        if (c == U'*') {
            sizes_ |= 1ull << (word.size() - 1);
            hash = mix_char(hash, static_cast<char32_t>(kPrefixMark) << 24);
        } else {
            hash = mix_char(hash, c);
        }
    const auto [at, added] = words_.emplace(hash, static_cast<std::uint32_t>(roles_.size()));
    if (added) {
        roles_.push_back(0);
        first_.emplace_back();
    }
    return at->second;
}

// Lets a word be another, as people type it: "im" for "i'm".
void Phrases::alias(std::string_view word, std::string_view of) {
    const std::uint32_t number = intern(decoded(of));
    std::uint64_t hash = kWordSeed;
    for (const char32_t c : decoded(word)) hash = mix_char(hash, c);
    words_.emplace(hash, number);
}

void Phrases::add(std::uint8_t language, std::string_view row) {
    const std::size_t bar = row.find('|');
    const auto head = split(row.substr(0, bar), ' ');
    if (head.size() != 3) throw std::invalid_argument("phrase: expected kind, strength and flags");
    Phrase phrase{};
    phrase.language = language;
    phrase.kind = 255;
    for (std::size_t k = 0; k < kStatementKinds.size(); ++k)
        if (kStatementKinds[k] == head[0]) phrase.kind = static_cast<std::uint8_t>(k);
    if (phrase.kind == 255) throw std::invalid_argument("phrase: no such kind");
    phrase.strength = static_cast<std::uint8_t>(head[1][0] - '0');
    for (const char flag : head[2]) {
        phrase.question |= flag == 'q';
        phrase.request |= flag == 'r';
        phrase.updates |= flag == 'u';
        phrase.negates |= flag == 'n';
        phrase.retracts |= flag == 't';
        phrase.condition |= flag == 'c';
        phrase.begins |= flag == 'b';
    }
    std::size_t opened = 0;
    bool open = false;
    for (std::string_view part : split(row.substr(bar + 1), ' ')) {
        if (part.front() == '(') {
            opened = phrase.elements.size();
            open = true;
            part.remove_prefix(1);
        }
        const bool closes = part.back() == ')';
        if (closes) part.remove_suffix(1);
        using Type = Element::Type;
        const auto simple = [&](Type type, std::uint8_t skip = 0) {
            phrase.elements.push_back({type, false, skip, {}});
        };
        if (part == "^") {
            if (phrase.elements.empty())
                phrase.clause = true;
            else
                simple(Type::clause);
        } else if (part == "$") {
            simple(Type::end);
        } else if (part.front() == '~') {
            simple(Type::gap, static_cast<std::uint8_t>(part[1] - '0'));
        } else if (part == "%verb") {
            simple(Type::verb);
        } else if (part == "%ing") {
            simple(Type::ing);
        } else if (part == "%word") {
            simple(Type::word);
        } else if (part == "%noun") {
            simple(Type::noun);
        } else if (part.front() == '!') {
            Element element{Type::except, false, 0, {}};
            for (const std::string_view choice : split(part.substr(1), '/'))
                element.words.push_back(intern(decoded(choice)));
            phrase.elements.push_back(std::move(element));
        } else if (part == "%num") {
            simple(Type::number);
        } else if (part == "%val") {
            simple(Type::value);
        } else if (part == "%day") {
            simple(Type::day);
        } else {
            const auto choices = split(part, '/');
            const auto first = words_of(decoded(choices[0]));
            if (first.size() > 1) {
                for (const std::u32string& letter : first)
                    phrase.elements.push_back({Type::words, false, 0, {intern(letter)}});
            } else {
                Element element{Type::words, false, 0, {}};
                for (const std::string_view choice : choices)
                    element.words.push_back(intern(decoded(choice)));
                phrase.elements.push_back(std::move(element));
            }
        }
        if (closes && open) {
            phrase.elements[opened].optional = true;
            phrase.elements[opened].skip =
                static_cast<std::uint8_t>(phrase.elements.size() - opened);
            open = false;
        }
    }
    set_needs(phrase);
    const auto number = static_cast<std::uint32_t>(phrases_.size());
    if (phrase.elements.empty() || phrase.elements[0].optional)
        throw std::invalid_argument("phrase: expected a word at the beginning");
    switch (phrase.elements[0].type) {
        case Element::Type::words:
            for (const std::uint32_t word : phrase.elements[0].words)
                first_[word].push_back(number);
            break;
        case Element::Type::number: first_[kAnyNumber].push_back(number); break;
        case Element::Type::verb: first_[kAnyVerb].push_back(number); break;
        case Element::Type::ing: first_[kAnyIng].push_back(number); break;
        default: throw std::invalid_argument("phrase: expected a word at the beginning");
    }
    phrases_.push_back(std::move(phrase));
}

}  // namespace ctxmem
