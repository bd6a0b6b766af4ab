#include "core/tokenizer/added_tokens.hpp"

#include <algorithm>
#include <utility>

#include "core/text/char_set.hpp"
#include "core/text/unicode.hpp"
#include "core/tokenizer/regex_parse.hpp"
#include "core/tokenizer/vocabulary.hpp"

namespace ctxmem {
namespace {

bool is_white(std::string_view text, std::size_t at) {
    const CharClass c = char_class(decode(text, at).value);
    return c == CharClass::space || c == CharClass::newline;
}

std::size_t character_before(std::string_view text, std::size_t at) {
    do --at;
    while (at > 0 && is_continuation(text[at]));
    return at;
}

// Whether a character is one of \w, as Rust's expressions have it.
bool is_word(std::string_view text, std::size_t at) {
    static const CharTest words(word_set(Engine::rust));
    return words(decode(text, at).value);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
    std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
    std::vector<std::pair<std::string_view, std::uint32_t>> contents;
    for (std::size_t i = tokens_.size(); i-- > 0;) {  // of equal strings a trie keeps the last
        const std::string& bytes = tokens_[i].content;
        contents.emplace_back(bytes, static_cast<std::uint32_t>(i));
        const auto first = static_cast<unsigned char>(bytes[0]);
        for (unsigned second = 0; second < 256; ++second)
            if (bytes.size() == 1 || second == static_cast<unsigned char>(bytes[1]))
                begins_.set(two_bytes(first, static_cast<unsigned char>(second)));
    }
    trie_ = Trie(std::move(contents));
}

bool AddedTokens::within_lines() const {
    return std::none_of(tokens_.begin(), tokens_.end(), [](const AddedToken& token) {
        return token.strip_left || token.strip_right || token.alone ||
               token.content.find_first_of("\r\n") != std::string::npos;
    });
}

AddedTokens::Match AddedTokens::next(std::string_view text, std::size_t at) const {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (; at < text.size(); ++at) {
        // At the last byte only tokens of one byte match, and they set the bit for any second.
        const unsigned char second = at + 1 < text.size() ? byte(at + 1) : 0;
        if (!begins_[two_bytes(byte(at), second)]) continue;
        std::uint32_t longest = kNone;
        trie_.prefixes(text.substr(at), [&](std::size_t, std::uint32_t token) { longest = token; });
        if (longest != kNone) return {at, longest};
    }
    return {at, kNone};
}

// What a match takes from the text. `done` is where the match before it ended.
AddedTokens::Extent AddedTokens::widened(std::string_view text, const Match& match,
                                         std::size_t done) const {
    const AddedToken& token = tokens_[match.token];
    std::size_t begin = match.begin;
    std::size_t end = match.begin + token.content.size();
    if (token.alone) {
        const bool before = begin > 0 && is_word(text, character_before(text, begin));
        const bool after = end < text.size() && is_word(text, end);
        if (before || after) return {begin, kRejected};
    }
    if (token.strip_left) {
        while (begin > 0) {
            const std::size_t before = character_before(text, begin);
            if (!is_white(text, before)) break;
            begin = before;
        }
        begin = std::max(begin, done);
    }
    if (token.strip_right)
        while (end < text.size() && is_white(text, end)) end += decode(text, end).size;
    return {begin, end};
}

}  // namespace ctxmem
