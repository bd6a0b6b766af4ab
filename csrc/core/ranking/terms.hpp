// Terms: the words of a text as the relevance features compare them, identified by dense integers.
//
// A term is the stem (stems.hpp) of a word as words.hpp segments it, so that "terminates" matches
// "termination"; a word with a digit is not stemmed. Two rules extend the segmentation:
//   Identifiers  "task_queues", "task-queues", "queue.tasks" and "taskQueues" yield their parts and
//                then the whole, without separators: a query may contain either form, and "e-mail"
//                matches "email". A point or hyphen between two digits is kept: "4.2" is not "42".
//   Thai         a run of letters yields its bigrams, each letter with its marks, since a single
//                letter has almost no meaning. Han and kana characters have, so they are unigrams.
// Each term carries properties of its word: an initial capital, a digit, whether it is one of 66
// English function words, which carry no relevance, and whether it is a part or the whole of an
// identifier. Linear in the text; accepts any bytes; no allocation per word.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ctxmem {

struct Term {
    std::uint32_t id;
    bool capital;   // its word begins with a capital letter
    bool digit;     // its word has a digit
    bool function;  // its word is a function word
    bool extra;     // a part or the whole of an identifier, in addition to its words
};

class Terms {
public:
    // Append the terms of a text. Equal words have equal ids; ids are assigned from 0 in order of
    // first appearance.
    void append(std::string_view utf8, std::vector<Term>& out);
    std::size_t size() const { return size_; }

private:
    // A hash table of stems with open addressing, at most half full.
    static constexpr std::uint32_t kFree = ~std::uint32_t{0};
    static constexpr std::size_t kFewest = 1024;
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t number = kFree;
    };
    // Terms of words of at most 15 ASCII letters, by these letters: most words of a text are found
    // here, and cost neither a stem nor a look at the function words. A later word of the same slot
    // replaces an earlier one.
    struct KnownWord {
        std::uint64_t first = 0, last = 0;  // the letters; 0 for no word
        std::uint32_t id = 0;
        bool function = false;
    };
    static constexpr unsigned kKnownBits = 12;
    static constexpr std::size_t kLongestKnown = 15;
    // The case of the last letters of the open part, which decides where CamelCase is cut.
    enum class Case : std::uint8_t { none, upper, uppers, uppers_lower, lower };
    // The open word: several letters, a single character (Han, kana), or a run of Thai.
    enum class Script : std::uint8_t { spaced, alone, thai };
    struct Word {
        std::vector<char> bytes;  // lower-cased and folded
        bool capital = false, digit = false, ascii = true;
        void clear();
    };

    std::size_t append_known(std::string_view utf8, std::size_t at, std::vector<Term>& out);
    std::size_t append_other(std::string_view utf8, std::size_t at, std::vector<Term>& out);
    std::size_t join(std::string_view utf8, std::size_t at, std::vector<Term>& out);
    void upper(std::vector<Term>& out);
    void lower(std::vector<Term>& out);
    void next_thai(std::vector<Term>& out);
    void close_hump(std::size_t end, std::vector<Term>& out);
    void close_word(std::vector<Term>& out);
    void close_part(std::vector<Term>& out);
    void close(std::vector<Term>& out);
    void push(std::string_view word, const Word& of, bool extra, std::vector<Term>& out);
    std::uint32_t number_of(std::uint64_t hash);
    std::size_t free_or_same(std::uint64_t hash) const;
    void grow();

    std::vector<Slot> slots_;
    std::vector<KnownWord> known_;
    std::uint32_t size_ = 0;
    Word word_;   // the open word, or the open part of an identifier
    Word whole_;  // the closed parts of the identifier that is open
    std::size_t parts_ = 0;
    std::size_t hump_ = 0;        // offset in word_ of the current CamelCase part
    std::size_t last_upper_ = 0;  // offset in word_ of its last capital
    std::size_t letter_ = 0;      // offset of the second letter of a Thai pair; 0 before it
    Case case_ = Case::none;
    Script script_ = Script::spaced;
};

}  // namespace ctxmem
