// Added tokens: strings that a tokenizer takes out of a text before anything else looks at it.
//
// A file lists them beside the vocabulary: `<|im_start|>`, `<mask>`, runs of spaces. The leftmost
// match counts, and of those that begin at the same place the longest; a match may take the white
// space beside it along. What lies between matches is encoded in the usual way. A trie of the
// tokens is walked wherever the next two bytes begin one, so texts without them cost a look-up a
// byte; a text costs at most its bytes times those of the longest token.
#pragma once
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/tokenizer/trie.hpp"

namespace ctxmem {

struct AddedToken {
    std::string content;
    bool strip_left = false;   // takes the white space before it along
    bool strip_right = false;  // and the white space behind it
    bool alone = false;        // matches only where no word character is beside it
};

class AddedTokens {
public:
    AddedTokens() = default;
    // Empty contents are left out; of equal ones the first counts.
    explicit AddedTokens(std::vector<AddedToken> tokens);

    bool empty() const { return tokens_.empty(); }

    // Whether no token holds a newline, takes white space along or looks at what is beside it.
    bool within_lines() const;

    // visit(begin, end, is_token) for each match and each part between matches, in order.
    template <class Visit>
    void split(std::string_view text, Visit visit) const {
        std::size_t done = 0;
        for (std::size_t at = 0; !tokens_.empty() && at < text.size();) {
            const Match match = next(text, at);
            if (match.token == kNone) break;
            at = match.begin + tokens_[match.token].content.size();
            const Extent extent = widened(text, match, done);
            if (extent.end == kRejected) continue;
            if (done < extent.begin) visit(done, extent.begin, false);
            // A match whose text went with the white space of the one before is no token.
            if (extent.begin < extent.end) visit(extent.begin, extent.end, true);
            done = extent.end;
        }
        if (done < text.size()) visit(done, text.size(), false);
    }

private:
    static constexpr std::uint32_t kNone = Trie::kNone;
    static constexpr std::size_t kRejected = static_cast<std::size_t>(-1);

    struct Match {
        std::size_t begin;
        std::uint32_t token;
    };
    struct Extent {
        std::size_t begin, end;
    };

    static std::size_t two_bytes(unsigned char x, unsigned char y) {
        return x | std::size_t{y} << 8;
    }

    Match next(std::string_view text, std::size_t at) const;
    Extent widened(std::string_view text, const Match& match, std::size_t done) const;

    std::vector<AddedToken> tokens_;
    Trie trie_;                  // of the contents, to the place of a token
    std::bitset<65536> begins_;  // two bytes that begin a token; a token of one byte sets them all
};

}  // namespace ctxmem
