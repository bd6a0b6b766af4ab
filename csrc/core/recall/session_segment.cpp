// Segments: the messages of a range as bytes, little-endian, version 1.
//
//   "CXSI", version, messages, passages, terms, postings, checksum of what follows (8 bytes)
//   a message   number, speaker (1 byte), time (8 bytes), passages
//   a passage   start, end, words
//   a term      size (1 byte), bytes, postings; then each posting, passage << 4 | frequency
//
// Numbers have four bytes where nothing else is said; passages count from the segment's first.
#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "core/recall/session_index.hpp"

namespace ctxmem {
namespace {

static_assert(std::endian::native == std::endian::little, "segments are little-endian");

constexpr std::uint32_t kMagic = 0x49535843;  // "CXSI"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeader = 32;

template <class T>
void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

[[noreturn]] void refuse(const char* why) { throw std::invalid_argument(why); }

class Reader {
public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}
    template <class T>
    T get() {
        T value;
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }
    std::string_view take(std::size_t size) {
        if (size > bytes_.size() - at_) refuse("the segment is cut short");
        at_ += size;
        return bytes_.substr(at_ - size, size);
    }
    std::size_t left() const { return bytes_.size() - at_; }

private:
    std::string_view bytes_;
    std::size_t at_ = 0;
};

// Finds damage, not forgery: what is read is checked as well.
std::uint64_t checksum(std::string_view bytes) {
    std::uint64_t sum = 0x243F6A8885A308D3ull ^ bytes.size();
    while (!bytes.empty()) {
        std::uint64_t block = 0;
        const std::size_t size = std::min<std::size_t>(8, bytes.size());
        std::memcpy(&block, bytes.data(), size);
        sum = (std::rotl(sum, 23) ^ block) * 0x9E3779B97F4A7C15ull;
        bytes.remove_prefix(size);
    }
    return sum ^ sum >> 29;
}

struct ReadTerm {
    std::string_view word, postings;
};

}  // namespace

std::string SessionIndex::segment(std::uint32_t first, std::uint32_t last) const {
    const std::size_t from = position(first);
    const std::size_t to = last == kNone ? messages_.size() : position(last + 1);
    const std::uint32_t passages_from = from < to ? messages_[from].first : 0;
    const std::uint32_t passages_to = from < to ? end_of(to - 1) : 0;
    // Removed messages are left out, so passages are numbered anew.
    std::vector<std::uint32_t> renumbered(passages_to - passages_from);
    std::string body, rows;
    std::uint32_t messages = 0, passages = 0, terms = 0, postings = 0;
    for (std::size_t m = from; m < to; ++m) {
        if (messages_[m].removed) continue;
        ++messages;
        put(body, messages_[m].number);
        put(body, static_cast<std::uint8_t>(messages_[m].speaker));
        put(body, messages_[m].time);
        put(body, end_of(m) - messages_[m].first);
        for (std::uint32_t p = messages_[m].first; p < end_of(m); ++p) {
            put(rows, passages_[p].start);
            put(rows, passages_[p].end);
            put(rows, passages_[p].words);
            renumbered[p - passages_from] = passages++;
        }
    }
    body += rows;
    struct Range {
        const Term* term;
        std::vector<std::uint32_t>::const_iterator begin, end;
    };
    std::vector<Range> ranges;
    for (const Term& term : terms_) {
        const auto& all = term.postings;
        const auto begin = std::lower_bound(all.begin(), all.end(), passages_from << 4);
        const auto end = std::lower_bound(begin, all.end(), passages_to << 4);
        if (begin != end) ranges.push_back({&term, begin, end});
    }
    std::sort(ranges.begin(), ranges.end(), [&](const Range& a, const Range& b) {
        return bytes_of(*a.term) < bytes_of(*b.term);
    });
    for (const Range& range : ranges) {
        ++terms;
        put(body, static_cast<std::uint8_t>(range.term->size));
        body += bytes_of(*range.term);
        put(body, static_cast<std::uint32_t>(range.end - range.begin));
        postings += static_cast<std::uint32_t>(range.end - range.begin);
        for (auto at = range.begin; at != range.end; ++at)
            put(body, renumbered[(*at >> 4) - passages_from] << 4 | (*at & 15));
    }
    std::string out;
    for (const std::uint32_t number : {kMagic, kVersion, messages, passages, terms, postings})
        put(out, number);
    put(out, checksum(body));
    return out + body;
}

std::size_t SessionIndex::load(std::string_view bytes) {
    Reader reader(bytes);
    if (bytes.size() < kHeader || reader.get<std::uint32_t>() != kMagic)
        refuse("the bytes are no segment of an index");
    if (reader.get<std::uint32_t>() != kVersion) refuse("the segment has another version");
    const auto messages = reader.get<std::uint32_t>(), passages = reader.get<std::uint32_t>(),
               terms = reader.get<std::uint32_t>(), postings = reader.get<std::uint32_t>();
    if (reader.get<std::uint64_t>() != checksum(bytes.substr(kHeader)))
        refuse("the segment is damaged");
    const std::uint64_t least =
        17ull * messages + 12ull * passages + 5ull * terms + 4ull * postings;
    if (least > reader.left()) refuse("the segment is cut short");
    if (passages_.size() + passages >= kMostPassages) refuse("the index would be too large");

    // All of it is read and checked before anything changes.
    std::vector<Message> read(messages);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < messages; ++i) {
        Message& message = read[i];
        message.number = reader.get<std::uint32_t>();
        const auto speaker = reader.get<std::uint8_t>();
        message.time = reader.get<double>();
        message.words = reader.get<std::uint32_t>();  // its passages, for now
        const bool follows = i > 0 ? message.number > read[i - 1].number
                                   : messages_.empty() || message.number > messages_.back().number;
        if (!follows) refuse("the messages of the segment do not follow those of the index");
        if (speaker >= kSpeakers) refuse("the segment has a speaker that is none");
        message.speaker = static_cast<Speaker>(speaker);
        total += message.words;
    }
    if (total != passages) refuse("the passages of the segment do not add up");
    std::vector<Passage> rows(passages);
    for (Passage& row : rows) {
        row.start = reader.get<std::uint32_t>();
        row.end = reader.get<std::uint32_t>();
        row.words = reader.get<std::uint32_t>();
        if (row.start >= row.end) refuse("a passage of the segment is empty");
    }
    std::vector<ReadTerm> found;
    found.reserve(terms);
    std::vector<std::uint64_t> words(passages);
    total = 0;
    for (std::size_t i = 0; i < terms; ++i) {
        const std::string_view word = reader.take(reader.get<std::uint8_t>());
        const std::size_t size = reader.get<std::uint32_t>();
        const std::string_view lists = reader.take(4 * size);
        if (word.empty() || word.size() > kLongestWord || size == 0)
            refuse("a term of the segment is empty");
        if (i > 0 && word <= found.back().word) refuse("the terms of the segment are out of order");
        std::int64_t before = -1;
        for (std::size_t p = 0; p < size; ++p) {
            std::uint32_t posting;
            std::memcpy(&posting, lists.data() + 4 * p, 4);
            const std::uint32_t passage = posting >> 4;
            if (passage >= passages || passage <= before || (posting & 15) == 0)
                refuse("the postings of the segment are out of order");
            before = passage;
            words[passage] += posting & 15;
        }
        total += size;
        found.push_back({word, lists});
    }
    if (total != postings || reader.left() > 0) refuse("the segment does not add up");
    for (std::size_t p = 0; p < passages; ++p)
        if (words[p] > rows[p].words) refuse("a passage of the segment has too few words");
    const auto base = static_cast<std::uint32_t>(passages_.size());
    std::size_t row = 0;
    for (const Message& message : read) {
        push_message(message.number, message.speaker, message.time);
        const std::size_t m = messages_.size() - 1;
        for (std::uint32_t p = 0; p < message.words; ++p, ++row) {
            rows[row].message = static_cast<std::uint32_t>(m);
            messages_[m].words += rows[row].words;
            passages_.push_back(rows[row]);
        }
        count(m, 1);
    }
    // Most of the time is the wait for memory, so what is read next is asked for ahead.
    constexpr std::size_t kAhead = 8;
    std::vector<std::uint32_t> keys(found.size());
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = key_of(found[i].word);
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (i + 3 * kAhead < keys.size()) prefetch_slot(keys[i + 3 * kAhead]);
        if (i + 2 * kAhead < keys.size()) prefetch_term(keys[i + 2 * kAhead]);
        if (i + kAhead < keys.size()) prefetch_bytes(keys[i + kAhead]);
        const ReadTerm& from = found[i];
        Term& term = terms_[find_or_add(from.word, keys[i])];
        const std::size_t size = from.postings.size() / 4, at = term.postings.size();
        term.postings.resize(at + size);
        std::memcpy(term.postings.data() + at, from.postings.data(), 4 * size);
        std::uint32_t before = kNone;
        for (std::size_t p = at; p < at + size; ++p) {
            term.postings[p] += base << 4;
            const std::uint32_t m = passages_[term.postings[p] >> 4].message;
            term.messages += m != before ? 1 : 0;
            before = m;
        }
    }
    return messages;
}

}  // namespace ctxmem
