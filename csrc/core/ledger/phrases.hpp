// The phrases that begin a statement, by language and kind, as data; compiled once, on first use.
//
// A row is "kind strength flags | phrase". In a phrase
//   word       is that word, lower-cased; a*  any word that begins with a; a/b  either
//   (a b)      may be absent
//   ~3         up to three words of any kind
//   ^          the beginning of a clause
//   %verb      a word that may be an imperative, first in a phrase only where a clause begins;
//              %ing  a word in -ing, likewise; %num  a number; %val  a number, identifier, name
//              or quotation; %day  a date; %word  a word that no table of roles excludes, as value;
//              %noun  one of these that may be a noun: no number and nothing in -ed
//   !word      here is another word than that; !a/b  none of these
//   $          the end of the sentence, but for "please", "ok?" and the like
// Flags: q also in a question; r a request in the form of a question; u an update; n a negation;
// t takes something back; c also in a condition; b only
// where nobody is the subject of what it begins; - none.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/ledger/statements.hpp"

namespace ctxmem {

struct PhraseRows {
    std::uint8_t language;  // en, de, fr, es, it, pt, nl, ja, zh
    std::span<const char* const> rows;
};
// Every table of phrases.
std::span<const PhraseRows> phrase_rows();

// Words with a role of their own, in every language.
struct WordRoles {
    const char* name;
    const char* words;
};
std::span<const WordRoles> word_roles();

// Roles as bits, in the order of word_roles().
enum Role : std::uint32_t {
    kOpener = 1u << 0,        // opens a clause where one begins: "please", "also"
    kJoiner = 1u << 1,        // opens a clause anywhere: "and", "but"
    kAsks = 1u << 2,          // begins a question
    kIf = 1u << 3,            // begins a condition
    kReporter = 1u << 4,      // somebody else, who says something
    kSays = 1u << 5,          // says, told
    kNoImperative = 1u << 6,  // does not follow "always" or "never" in an imperative
    kDay = 1u << 7,           // Friday, March, tomorrow
    kCopula = 1u << 8,        // is, are
    kOwner = 1u << 9,         // my, our
    kArticle = 1u << 10,      // the, this
    kNow = 1u << 11,          // now, currently, instead: an update
    kFiller = 1u << 12,       // between a copula and the value
    kNoSubject = 1u << 13,    // no subject of a value
    kPoints = 1u << 14,       // refers to a sentence before: "that", "them"
    kNo = 1u << 15,           // negation
    kPasted = 1u << 16,       // a noun for a text of somebody else
    kShows = 1u << 17,        // announces such a text
    kUnit = 1u << 18,         // follows a number: EUR, words
    kSelf = 1u << 19,      // the author of a message, or what only an author writes: I, our, please
    kRequests = 1u << 20,  // begins a request to the assistant
    kTransforms = 1u << 21,  // asks for work on a text that is given: "translate"
    kNameNoun = 1u << 22,    // a noun whose value is a name: "branch"
    kMarks = 1u << 23,       // begins words of doubt or of the past
    kCount = 1u << 24,       // a number in words
    kNameOnly = 1u << 25,    // a noun whose value is a name, and no adjective
    kAdverb = 1u << 26,      // may be between any two words of a phrase: "really"
    kKindNoun = 1u << 27,    // before a value: "room 7"
};

struct Element {
    enum class Type : std::uint8_t {
        words,
        gap,
        verb,
        ing,
        number,
        value,
        day,
        word,
        noun,
        clause,
        end,
        except
    };
    Type type;
    bool optional = false;  // with the next `skip` elements
    std::uint8_t skip = 0;  // elements of the optional group, or the longest gap
    std::vector<std::uint32_t> words;
};

struct Phrase {
    std::uint8_t language, kind, strength;
    bool question = false, request = false, updates = false, negates = false, retracts = false,
         condition = false, clause = false, begins = false;
    std::vector<Element> elements;
    // One mask of each of the first words that must be in the sentence (see mask_of), and of others.
    std::array<std::uint64_t, 3> needs{};
    bool needs_number = false, needs_day = false;
};

// The bit of a word in the mask of a sentence: if it is not set, the sentence lacks the word.
constexpr std::uint64_t mask_of(std::uint32_t word) { return 1ull << (word * 0x9E3779B1u >> 26); }

// Numbers of what is no word but begins phrases: %num, %verb, %ing.
constexpr std::uint32_t kAnyNumber = 1, kAnyVerb = 2, kAnyIng = 3;

class Phrases {
public:
    static const Phrases& get();

    // The number of a word, 0 if no table has it.
    std::uint32_t word(std::uint64_t hash) const {
        const auto found = words_.find(hash);
        return found == words_.end() ? 0 : found->second;
    }
    std::uint32_t roles(std::uint32_t word) const { return roles_[word]; }
    // Phrases that begin with the word.
    std::span<const std::uint32_t> beginning(std::uint32_t word) const { return first_[word]; }
    const Phrase& phrase(std::uint32_t i) const { return phrases_[i]; }
    bool has_prefix_of(std::size_t size) const { return size < 64 && (sizes_ >> size & 1) != 0; }

private:
    Phrases();
    std::uint32_t intern(std::u32string_view word);
    void alias(std::string_view word, std::string_view of);
    void add(std::uint8_t language, std::string_view row);

    std::unordered_map<std::uint64_t, std::uint32_t> words_;
    std::vector<std::uint32_t> roles_ = std::vector<std::uint32_t>(4);
    std::vector<std::vector<std::uint32_t>> first_ = std::vector<std::vector<std::uint32_t>>(4);
    std::vector<Phrase> phrases_;
    std::uint64_t sizes_ = 0;
};

// The hash of a word is built character by character; that of a prefix is `kPrefixMark` mixed in.
constexpr std::uint64_t kWordSeed = 0xCBF29CE484222325ull, kPrefixMark = 0x2A;
constexpr std::uint64_t mix_char(std::uint64_t hash, char32_t c) {
    return (hash ^ c) * 0x100000001B3ull ^ (hash >> 29);
}

}  // namespace ctxmem
