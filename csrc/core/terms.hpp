// Terms: the words of a text as relevance compares them, told apart by dense numbers.
//
// A term is the stem (stems.hpp) of a word as words.hpp cuts it, so that "terminates" meets
// "termination"; a word with a digit keeps all it has. Two rules go beyond that cut:
//   Identifiers  "task_queues", "task-queues", "queue.tasks" and "taskQueues" give their parts and
//                then the whole, written together: a question may have either, and "e-mail" meets
//                "email". Between two digits a point or a hyphen stays: "4.2" is not "42".
//   Thai         a run of letters gives its pairs of neighbours, each letter with its marks: a
//                letter alone says next to nothing. Letters of Han and kana do, and stay alone.
// Each term carries what its word looked like: a capital at its head, a digit in it, whether it is
// one of some sixty English function words, which say nothing about relevance in any corpus, and
// whether it is the whole of parts that were terms before it. Linear in the text; total for any
// bytes; no allocation a word.
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
    bool extra;     // a part or the whole of an identifier, beside the words that it is cut into
};

class Terms {
public:
    // Append the terms of a text; equal words have equal ids, which ascend from 0 as they appear.
    void append(std::string_view utf8, std::vector<Term>& out);
    std::size_t size() const { return size_; }

private:
    // Hashes of stems by open addressing, never more than half full.
    static constexpr std::uint32_t kFree = ~std::uint32_t{0};
    static constexpr std::size_t kFewest = 1024;
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t number = kFree;
    };
    // Of the letters with case that the open part ends in: where a hump of CamelCase may begin.
    enum class Case : std::uint8_t { none, upper, uppers, uppers_lower, lower };
    // What the open word is: of letters beside each other, one letter alone, or a run of Thai.
    enum class Script : std::uint8_t { spaced, alone, thai };
    struct Word {
        std::vector<char> bytes;  // lower-cased and folded
        bool capital = false, digit = false, ascii = true;
        void clear();
    };

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
    std::uint32_t size_ = 0;
    Word word_;   // the open word, or the open part of an identifier
    Word whole_;  // the closed parts of the identifier that is open
    std::size_t parts_ = 0;
    std::size_t hump_ = 0;        // where the open hump of word_ begins
    std::size_t last_upper_ = 0;  // where the last capital of word_ begins
    std::size_t letter_ = 0;      // where the second letter of a Thai pair begins, 0 in the first
    Case case_ = Case::none;
    Script script_ = Script::spaced;
};

}  // namespace ctxmem
