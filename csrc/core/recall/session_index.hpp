// The index of a session: which messages, and which passages of them, speak of what is asked.
//
// Postings by stem (recall_words.hpp) of passages (passages.hpp), with BM25 for the passages and
// for the whole messages; a message scores the mean of its own and its best passage's. A user's
// message also gains from the answer after it and from the user's messages at most two places
// away; an answer counts less by a weight for its role, and gains from the question before it. The
// texts are not kept. A posting takes four bytes, a passage sixteen.
//
// Stems are compared by bytes, in a table whose hash is seeded, so a caller cannot make them
// collide. Appending is linear in the message; a search reads the postings of its words. Not
// thread-safe.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/recall/passages.hpp"
#include "core/recall/recall_words.hpp"

namespace ctxmem {

enum class Speaker : std::uint8_t { user = 0, assistant = 1, tool = 2, system = 3, chunk = 4 };
constexpr std::size_t kSpeakers = 5;

// The speaker with this name, such as "user". Throws std::invalid_argument for another name.
Speaker speaker_of(std::string_view role);

struct SearchOptions {
    std::array<float, kSpeakers> weight{1.f, .35f, .35f, .35f, .7f};  // by speaker
    float answer = .3f;  // share of its answer's score that a user's message gains
    float near = .2f;    // share of the better neighbour among the user's messages
    float asked = .4f;   // share of the question's score that an answer gains
    double since = -std::numeric_limits<double>::infinity();  // seconds; messages without a time
    double until = std::numeric_limits<double>::infinity();   // are found only without limits
    std::string_view faint{};  // words that count for little, as those that only ask
    float faint_share = .3f;   // of the weight of another word
};

struct Found {
    std::vector<std::int64_t> message;  // numbers, best first
    std::vector<float> score;
    std::vector<std::int64_t> first{
        0};  // the passages of message i are rows first[i] .. first[i+1]
    std::vector<std::int64_t> start, end;  // code points
    std::vector<float> passage_score;
    std::vector<std::uint8_t> speaker;  // of each message, the number of a Speaker
};

// The messages of an index that are not removed, in order.
struct MessageColumns {
    std::vector<std::int64_t> number;
    std::vector<std::uint8_t> speaker;
    std::vector<double> time;
};

// Their passages, in order.
struct PassageColumns {
    std::vector<std::int64_t> message;     // its number
    std::vector<std::int64_t> start, end;  // code points
};

class SessionIndex {
public:
    explicit SessionIndex(std::uint64_t seed) : seed_(seed) {}

    // Add a message: UTF-8, seconds or NaN, and the code points at which it is cut into pages.
    // Throws std::invalid_argument unless `number` is greater than those before, std::length_error
    // if the index is full. Returns how many passages it has.
    std::size_t add(std::uint32_t number, Speaker speaker, std::string_view text, double time,
                    std::span<const std::int64_t> edges);
    // Forget a message; returns whether it was there. Linear in the index.
    bool remove(std::uint32_t number);
    // The messages that speak of the question, `limit` at most; ties go to the newer one.
    Found search(std::string_view question, std::size_t limit, const SearchOptions& options);
    // How many messages have a word; of what reads as several words, the first. 0 for one that is
    // not looked for.
    std::size_t frequency(std::string_view word);

    // The messages with numbers first .. last as bytes that `load` appends to an index.
    std::string segment(std::uint32_t first, std::uint32_t last) const;
    // Append the messages of a segment; returns how many. Throws std::invalid_argument, and leaves
    // the index as it was, if the bytes are no segment or its messages do not follow those here.
    std::size_t load(std::string_view bytes);

    MessageColumns messages() const;
    PassageColumns passages() const;
    std::size_t size() const { return live_; }
    std::size_t memory() const;  // bytes

private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};
    static constexpr std::uint32_t kMostPassages = std::uint32_t{1} << 28;
    struct Message {
        double time;
        std::uint32_t number, first, words;
        std::int32_t asker;  // the user's message before it, a position; -1 if there is none
        Speaker speaker;
        bool removed;
    };
    struct Passage {
        std::uint32_t message, start, end, words;
    };
    struct Term {
        std::uint64_t at;  // of its bytes
        std::uint32_t size, messages;
        std::vector<std::uint32_t> postings;  // passage << 4 | frequency, 15 at most
    };
    struct Slot {
        std::uint32_t hash, term;
    };
    struct Scores;

    std::uint64_t hash(std::string_view word) const;
    std::uint32_t find(std::string_view word) const { return find(word, key_of(word)); }
    std::uint32_t find(std::string_view word, std::uint32_t key) const;
    std::uint32_t find_or_add(std::string_view word) { return find_or_add(word, key_of(word)); }
    std::uint32_t find_or_add(std::string_view word, std::uint32_t key);
    std::uint32_t key_of(std::string_view word) const {
        return static_cast<std::uint32_t>(hash(word));
    }
    // Hints for a loop over many words: what the search for a key will read first, second, third.
    void prefetch_slot(std::uint32_t key) const;
    void prefetch_term(std::uint32_t key) const;
    void prefetch_bytes(std::uint32_t key) const;
    void grow();
    std::string_view bytes_of(const Term& term) const {
        return std::string_view(bytes_).substr(term.at, term.size);
    }
    std::uint32_t end_of(std::size_t m) const {
        return m + 1 < messages_.size() ? messages_[m + 1].first
                                        : static_cast<std::uint32_t>(passages_.size());
    }
    void push_message(std::uint32_t number, Speaker speaker, double time);
    void count(std::size_t message, int sign);
    std::size_t position(std::uint32_t number) const;
    void score_term(const Term& term, float share, Scores& scores) const;
    void combine(const SearchOptions& options, Scores& scores) const;
    std::vector<std::uint32_t> terms_of(std::string_view text);

    std::uint64_t seed_;
    std::vector<Message> messages_;
    std::vector<Passage> passages_;
    std::vector<Term> terms_;
    std::vector<Slot> slots_;
    std::string bytes_;
    std::size_t live_ = 0, live_passages_ = 0;
    std::array<std::uint64_t, 2> spoken_{}, count_{};  // words and messages: the user's, others'
    std::int32_t asker_ = -1;
    RecallWords words_;
    std::vector<std::uint32_t> here_, distinct_;
};

}  // namespace ctxmem
