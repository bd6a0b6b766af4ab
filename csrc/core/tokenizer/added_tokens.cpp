#include "core/tokenizer/added_tokens.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "core/text/char_set.hpp"
#include "core/text/unicode.hpp"
#include "core/tokenizer/regex_parse.hpp"
#include "core/tokenizer/vocabulary.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kLongestToken = 4096;  // bytes; bounds the depth of the trie

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
    std::vector<std::uint32_t> sorted(tokens_.size());
    std::iota(sorted.begin(), sorted.end(), 0u);
    const auto content = [&](std::uint32_t i) -> const std::string& { return tokens_[i].content; };
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](auto a, auto b) { return content(a) < content(b); });
    const auto equal = [&](auto a, auto b) { return content(a) == content(b); };
    sorted.erase(std::unique(sorted.begin(), sorted.end(), equal), sorted.end());
    for (const std::uint32_t i : sorted) {
        const std::string& bytes = content(i);
        if (bytes.size() > kLongestToken)
            throw std::invalid_argument("an added token has " + std::to_string(bytes.size()) +
                                        " bytes; at most 4096 are supported");
        const auto first = static_cast<unsigned char>(bytes[0]);
        for (unsigned second = 0; second < 256; ++second)
            if (bytes.size() == 1 || second == static_cast<unsigned char>(bytes[1]))
                begins_.set(two_bytes(first, static_cast<unsigned char>(second)));
    }
    if (!sorted.empty()) add_node(sorted, 0, sorted.size(), 0);
}

bool AddedTokens::within_lines() const {
    return std::none_of(tokens_.begin(), tokens_.end(), [](const AddedToken& token) {
        return token.strip_left || token.strip_right || token.alone ||
               token.content.find_first_of("\r\n") != std::string::npos;
    });
}

// The node of the tokens sorted[low, high), which share their first `depth` bytes.
std::uint32_t AddedTokens::add_node(const std::vector<std::uint32_t>& sorted, std::size_t low,
                                    std::size_t high, std::size_t depth) {
    const auto node = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({0, 0, kNone});
    if (tokens_[sorted[low]].content.size() == depth) nodes_[node].token = sorted[low++];
    std::vector<std::size_t> starts;
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned char>(tokens_[sorted[i]].content[depth]);
    };
    for (std::size_t i = low; i < high; ++i)
        if (i == low || byte(i) != byte(i - 1)) starts.push_back(i);
    const auto first = static_cast<std::uint32_t>(edges_.size());
    nodes_[node].first_edge = first;
    nodes_[node].edges = static_cast<std::uint32_t>(starts.size());
    edges_.resize(edges_.size() + starts.size());
    for (std::size_t k = 0; k < starts.size(); ++k) {
        const std::size_t end = k + 1 < starts.size() ? starts[k + 1] : high;
        const unsigned char of = byte(starts[k]);
        const std::uint32_t child = add_node(sorted, starts[k], end, depth + 1);
        edges_[first + k] = {of, child};
    }
    return node;
}

std::uint32_t AddedTokens::longest_at(std::string_view text, std::size_t at) const {
    std::uint32_t found = kNone;
    std::uint32_t node = 0;
    for (;; ++at) {
        if (nodes_[node].token != kNone) found = nodes_[node].token;
        if (at == text.size()) return found;
        const Edge* begin = edges_.data() + nodes_[node].first_edge;
        const Edge* end = begin + nodes_[node].edges;
        const auto byte = static_cast<unsigned char>(text[at]);
        const Edge* edge = std::lower_bound(
            begin, end, byte, [](const Edge& e, unsigned char wanted) { return e.byte < wanted; });
        if (edge == end || edge->byte != byte) return found;
        node = edge->node;
    }
}

AddedTokens::Match AddedTokens::next(std::string_view text, std::size_t at) const {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (; at < text.size(); ++at) {
        // At the last byte only tokens of one byte match, and they set the bit for any second.
        const unsigned char second = at + 1 < text.size() ? byte(at + 1) : 0;
        if (!begins_[two_bytes(byte(at), second)]) continue;
        if (const std::uint32_t token = longest_at(text, at); token != kNone) return {at, token};
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
