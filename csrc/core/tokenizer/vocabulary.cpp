#include "core/tokenizer/vocabulary.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>

#include "core/support/base64.hpp"

namespace ctxmem {
namespace {

// What is read of a file, front to back. Reading beyond its end gives '\0', which is no base64, no
// digit and no end of line.
struct Reader {
    std::string_view file;
    std::size_t at = 0;

    bool done() const { return at >= file.size(); }
    char peek(std::size_t ahead = 0) const {
        return at + ahead < file.size() ? file[at + ahead] : '\0';
    }
    // Base64 with its padding, decoded to `out`, which has room for three bytes more than there
    // are; the number of bytes, 0 if it is none.
    std::size_t base64(char* out) { return decode_base64_at(file, at, out); }

    // Decimal digits. False if there are none, or too many for a rank.
    bool rank(Rank& out) {
        std::uint64_t value = 0;
        const std::size_t begin = at;
        for (; peek() >= '0' && peek() <= '9' && at - begin < 11; ++at)
            value = value * 10 + static_cast<std::uint64_t>(peek() - '0');
        out = static_cast<Rank>(value);
        return at > begin && value < Vocabulary::kRanks;
    }

    bool skip(char expected) {
        if (peek() != expected || done()) return false;
        ++at;
        return true;
    }
    bool end_of_line() {
        skip('\r');
        return skip('\n') || done();
    }
};

std::uint64_t hash_long(const char* bytes, std::size_t size) {
    std::uint64_t hash = size;
    for (std::size_t at = 0; at < size; at += kPacked) {
        const BytesKey key = key_of(bytes + at, std::min(kPacked, size - at));
        hash = (hash ^ hash >> 31) * 0x9FB21C651E98DF25ull + hash_of(key);
    }
    return hash;
}

// The CRC-32 of zlib (ISO 3309), eight bytes at a step (Kounavis and Berry 2008).
constexpr auto kCrc = [] {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        tables[0][byte] = crc;
    }
    for (std::size_t step = 1; step < 8; ++step)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t crc = tables[step - 1][byte];
            tables[step][byte] = crc >> 8 ^ tables[0][crc & 255];
        }
    return tables;
}();

std::uint32_t crc32(std::string_view bytes) {
    std::uint32_t crc = 0xFFFFFFFFu;
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t eight = 0;
        std::memcpy(&eight, bytes.data() + at, 8);
        eight ^= crc;
        crc = 0;
        for (std::size_t step = 0; step < 8; ++step) crc ^= kCrc[7 - step][eight >> 8 * step & 255];
    }
    for (; at < bytes.size(); ++at)
        crc = crc >> 8 ^ kCrc[0][(crc ^ static_cast<unsigned char>(bytes[at])) & 255];
    return ~crc;
}

// Packed data whose size and checksum are right; see vocabulary.hpp.
class Packed {
public:
    static constexpr std::string_view kMagic = "CTXMBPE";
    static constexpr std::size_t kSingles = 256;

    static bool is_one(std::string_view data) { return data.starts_with(kMagic); }

    explicit Packed(std::string_view data) {
        if (data.size() < kPlanes + 4) throw damaged("they are cut short");
        if (data[kMagic.size()] != 1)
            throw std::invalid_argument(
                "the packed vocabulary has version " +
                std::to_string(static_cast<unsigned char>(data[kMagic.size()])) +
                "; this release reads version 1");
        const std::uint32_t tokens = number(data, kMagic.size() + 1);
        if (tokens < kSingles || tokens > kMost) throw damaged("the number of tokens is wrong");
        merges_ = tokens - kSingles;
        if (data.size() != kPlanes + 5 * merges_ + 4) throw damaged("their size is wrong");
        if (number(data, data.size() - 4) != crc32(data.substr(0, data.size() - 4)))
            throw damaged("their checksum is wrong");
        singles_ = data.data() + kPlanes - kSingles;
        planes_ = data.data() + kPlanes;
    }

    static std::invalid_argument damaged(const std::string& why) {
        return std::invalid_argument("the packed data of the vocabulary are damaged: " + why);
    }

    std::size_t merges() const { return merges_; }
    char single(std::size_t token) const { return singles_[token]; }
    Rank left(std::size_t merge) const {
        return plane(0, merge) | plane(2, merge) << 8 | (plane(4, merge) & 15) << 16;
    }
    Rank right(std::size_t merge) const {
        return plane(1, merge) | plane(3, merge) << 8 | plane(4, merge) >> 4 << 16;
    }

private:
    static constexpr std::size_t kPlanes = 300;  // where they begin
    static constexpr std::uint32_t kMost = 1u << 20;

    static std::uint32_t number(std::string_view data, std::size_t at) {
        std::uint32_t value = 0;
        std::memcpy(&value, data.data() + at, 4);
        return value;
    }
    std::uint32_t plane(std::size_t which, std::size_t merge) const {
        return static_cast<unsigned char>(planes_[which * merges_ + merge]);
    }

    std::size_t merges_ = 0;
    const char* singles_ = nullptr;
    const char* planes_ = nullptr;
};

constexpr std::size_t kMostBytes = std::size_t{1} << 32;  // of a file, and of all tokens

}  // namespace

struct Vocabulary::Line {
    Rank rank;
    std::uint32_t offset;  // of the token's bytes among all tokens' bytes
    std::uint32_t size;
};

Vocabulary::Vocabulary(std::string_view file) {
    if (file.size() >= kMostBytes) throw std::invalid_argument("the vocabulary is too large");
    if (Packed::is_one(file))
        read_packed(file);
    else
        read_lines(file);
}

Vocabulary::Vocabulary(std::span<const std::string_view> tokens) {
    if (tokens.size() >= kRanks) throw std::invalid_argument("the vocabulary is too large");
    std::size_t total = 0;
    for (const std::string_view token : tokens) {
        if (token.empty() || token.size() > 255)
            throw std::invalid_argument("a token of the vocabulary has " +
                                        std::to_string(token.size()) + " bytes; expected 1 to 255");
        total += token.size();
    }
    if (total >= kMostBytes) throw std::invalid_argument("the vocabulary is too large");
    std::vector<char> all(total + kReadable);
    std::vector<Line> lines;
    lines.reserve(tokens.size());
    std::uint32_t used = 0;
    for (const std::string_view token : tokens) {
        lines.push_back(
            {static_cast<Rank>(lines.size()), used, static_cast<std::uint32_t>(token.size())});
        token.copy(all.data() + used, token.size());
        used += lines.back().size;
    }
    fill(lines, all.data(), [](std::size_t, Token) {});
}

void Vocabulary::read_lines(std::string_view file) {
    std::vector<Line> lines;
    lines.reserve(file.size() / 16);
    // Base64 takes four bytes for three; the decoder and key_of_readable go a little beyond.
    std::vector<char> all(file.size() / 4 * 3 + kReadable);
    std::size_t used = 0;
    Reader reader{file};
    for (std::size_t number = 1; !reader.done(); ++number) {
        if (reader.end_of_line()) continue;
        const std::size_t size = reader.base64(all.data() + used);
        Rank rank = 0;
        if (size == 0 || size > 255 || !reader.skip(' ') || !reader.rank(rank) ||
            !reader.end_of_line())
            throw std::invalid_argument("line " + std::to_string(number) +
                                        " of the vocabulary is not 'base64 rank'");
        lines.push_back({rank, static_cast<std::uint32_t>(used), static_cast<std::uint32_t>(size)});
        used += size;
    }
    const auto by_rank = [](const Line& a, const Line& b) { return a.rank < b.rank; };
    if (!std::is_sorted(lines.begin(), lines.end(), by_rank))
        std::sort(lines.begin(), lines.end(), by_rank);
    for (std::size_t i = 1; i < lines.size(); ++i)
        if (lines[i].rank == lines[i - 1].rank)
            throw std::invalid_argument("rank " + std::to_string(lines[i].rank) +
                                        " is given twice in the vocabulary");
    fill(lines, all.data(), [](std::size_t, Token) {});
}

void Vocabulary::read_packed(std::string_view data) {
    const Packed packed(data);
    const std::size_t tokens = Packed::kSingles + packed.merges();
    std::vector<Line> lines;
    lines.reserve(tokens);
    for (Rank i = 0; i < Packed::kSingles; ++i) lines.push_back({i, i, 1});
    std::uint32_t used = Packed::kSingles;
    for (std::size_t m = 0; m < packed.merges(); ++m) {
        const auto rank = static_cast<Rank>(lines.size());
        const Rank left = packed.left(m), right = packed.right(m);
        if (left >= rank || right >= rank)
            throw Packed::damaged("token " + std::to_string(rank) + " is made of a later one");
        const std::uint32_t size = lines[left].size + lines[right].size;
        if (size > 255)
            throw Packed::damaged("token " + std::to_string(rank) + " has more than 255 bytes");
        lines.push_back({rank, used, size});
        used += size;  // at most 255 << 20
    }

    // Most parts are short, so sixteen bytes are copied at once; the bytes behind are written
    // later.
    constexpr std::size_t kAtOnce = 16;
    std::vector<char> all(used + std::max(kAtOnce, kReadable));
    const auto copy = [&](const Line& part, char* out) {
        char bytes[kAtOnce];  // a part may end less than sixteen bytes before `out`
        std::memcpy(bytes, all.data() + part.offset, kAtOnce);
        std::memcpy(out, bytes, kAtOnce);
        if (part.size > kAtOnce)
            std::memcpy(out + kAtOnce, all.data() + part.offset + kAtOnce, part.size - kAtOnce);
    };
    for (std::size_t i = 0; i < Packed::kSingles; ++i) all[i] = packed.single(i);
    for (std::size_t m = 0; m < packed.merges(); ++m) {
        const Line &left = lines[packed.left(m)], &right = lines[packed.right(m)];
        char* out = all.data() + lines[Packed::kSingles + m].offset;
        copy(left, out);
        copy(right, out + left.size);
    }

    std::vector<Token> places(tokens);
    fill(lines, all.data(), [&](std::size_t i, Token token) {
        places[i] = token;
        if (i < Packed::kSingles) return;
        const std::size_t m = i - Packed::kSingles;
        const std::uint64_t left = places[packed.left(m)], right = places[packed.right(m)];
        entries_[token].made.store(kMerged << 2 * kTokenBits | left << kTokenBits | right,
                                   std::memory_order_relaxed);
    });
}

// Calls note(i, token) when the token of line i has its place. Requires kReadable bytes from every
// byte of the tokens.
template <class Note>
void Vocabulary::fill(std::span<const Line> lines, const char* all, Note note) {
    make_room(lines.size());
    const auto hash_of_line = [&](const Line& line) {
        const char* bytes = all + line.offset;
        return line.size > kPacked ? hash_long(bytes, line.size)
                                   : hash_of(key_of_readable(bytes, line.size));
    };
    // Places are taken at random in 8 MB; asking for them early halves the time.
    constexpr std::size_t kAhead = 16;
    std::uint64_t ahead[kAhead] = {};
    for (std::size_t i = 0; i < std::min(kAhead, lines.size()); ++i)
        ahead[i] = hash_of_line(lines[i]);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const Line& line = lines[i];
        const std::uint64_t hash = ahead[i % kAhead];
        if (i + kAhead < lines.size()) {
            ahead[i % kAhead] = hash_of_line(lines[i + kAhead]);
            prefetch(&tags_[ahead[i % kAhead] >> shift_]);
            prefetch(&entries_[ahead[i % kAhead] >> shift_]);
        }
        const char* bytes = all + line.offset;
        const bool is_long = line.size > kPacked;
        const BytesKey key =
            is_long ? BytesKey{long_bytes_.size(), 0} : key_of_readable(bytes, line.size);
        if ((is_long ? find_long(bytes, line.size) : find(key, hash)) != kNoToken)
            throw std::invalid_argument("the token of rank " + std::to_string(line.rank) +
                                        " is given twice in the vocabulary");
        const Token token = insert(hash, key, line.rank, line.size);
        note(i, token);
        if (is_long) long_bytes_.append(bytes, line.size);
        longest_ = std::max<std::size_t>(longest_, line.size);
        note_torn({bytes, line.size});
        note_lengths(bytes, line.size);
    }
    long_bytes_.shrink_to_fit();
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        if (find(&c, 1) == kNoToken)
            throw std::invalid_argument("the vocabulary has no token for byte " +
                                        std::to_string(byte));
    }
}

void Vocabulary::make_room(std::size_t tokens) {
    std::size_t places = 64;
    while (places * 4 < tokens * 5) places *= 2;  // at most four fifths full
    mask_ = places - 1;
    shift_ = 64u - static_cast<unsigned>(std::countr_zero(places));
    tags_.assign(places + kGroup, 0);
    constexpr std::size_t kLine = 64;
    memory_ = HugePageArray<unsigned char>(places * sizeof(Entry) + kLine);
    void* begin = memory_.data();
    std::size_t room = memory_.size();
    entries_ = static_cast<Entry*>(std::align(kLine, places * sizeof(Entry), begin, room));
    lengths_after_.assign(kPrefixes, 0);
    longest_after_.assign(kPrefixes, 0);
    size_ = tokens;
}

void Vocabulary::note_lengths(const char* bytes, std::uint32_t size) {
    if (size < 3) return;
    const std::size_t place = prefix(bytes);
    lengths_after_[place] |= 1u << std::min(size, 31u);
    longest_after_[place] = std::max(longest_after_[place], static_cast<std::uint8_t>(size));
}

void Vocabulary::note_torn(std::string_view bytes) {
    std::size_t begin = 0;  // of the first character that begins here
    while (begin < bytes.size() && is_continuation(bytes[begin])) ++begin;
    if (begin > 0 && begin < bytes.size())
        torn_at_begin_.set(two_bytes(bytes[begin - 1], bytes[begin]));
    std::size_t last = bytes.size() - 1;  // where the last character begins
    while (last > 0 && is_continuation(bytes[last])) --last;
    if (last > 0 && character_size(bytes[last]) > bytes.size() - last)
        torn_at_end_.set(two_bytes(bytes[last - 1], bytes[last]));
}

Token Vocabulary::find_long(const char* bytes, std::size_t size) const {
    if (size > longest_) return kNoToken;
    return probe(hash_long(bytes, size), [&](const Entry& entry) {
        return entry.size == size &&
               std::memcmp(long_bytes_.data() + entry.key.low, bytes, size) == 0;
    });
}

Token Vocabulary::insert(std::uint64_t hash, const BytesKey& key, Rank rank, std::uint32_t size) {
    static_assert(std::is_trivially_destructible_v<Entry>, "entries are left to their memory");
    std::size_t at = hash >> shift_;
    unsigned empty = 0;
    while ((empty = equal_tags(at, 0)) == 0) at = (at + kGroup) & mask_;
    at = (at + std::countr_zero(empty)) & mask_;
    tags_[at] = tag_of(hash);
    if (at < kGroup) tags_[mask_ + 1 + at] = tags_[at];
    new (&entries_[at]) Entry{key, rank, size, {}};
    return static_cast<Token>(at);
}

}  // namespace ctxmem
