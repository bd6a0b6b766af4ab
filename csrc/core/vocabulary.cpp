#include "core/vocabulary.hpp"

#include <algorithm>
#include <stdexcept>

namespace ctxmem {
namespace {

constexpr std::uint8_t kNotBase64 = 0xFF;
constexpr auto kBase64 = [] {
    std::array<std::uint8_t, 256> table{};
    for (auto& value : table) value = kNotBase64;
    const char* alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::uint8_t i = 0; i < 64; ++i) table[static_cast<unsigned char>(alphabet[i])] = i;
    return table;
}();

// Decode base64 with its padding. False if it is none.
bool decode_base64(std::string_view text, std::string& out) {
    if (text.empty() || text.size() % 4 != 0) return false;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    out.clear();
    for (std::size_t at = 0; at < text.size(); at += 4) {
        std::uint32_t bits = 0;
        const std::size_t digits = at + 4 == text.size() ? 4 - padding : 4;
        for (std::size_t i = 0; i < 4; ++i) {
            const std::uint8_t value =
                i < digits ? kBase64[static_cast<unsigned char>(text[at + i])] : 0;
            if (value == kNotBase64) return false;
            bits = bits << 6 | value;
        }
        for (std::size_t i = 0; i + 1 < digits; ++i)
            out.push_back(static_cast<char>(bits >> (16 - 8 * i)));
    }
    return true;
}

// Decimal digits only. False if there are none, or more than 32 bits of them.
bool decode_rank(std::string_view text, std::uint32_t& rank) {
    if (text.empty() || text.size() > 10) return false;
    std::uint64_t value = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') return false;
        value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    rank = static_cast<std::uint32_t>(value);
    return value < kNoToken;
}

std::uint64_t hash_long(const char* bytes, std::size_t size) {
    std::uint64_t hash = size;
    for (std::size_t at = 0; at < size; at += kPacked) {
        const BytesKey key = key_of(bytes + at, std::min(kPacked, size - at));
        hash = (hash ^ hash >> 31) * 0x9FB21C651E98DF25ull + hash_of(key);
    }
    return hash;
}

struct Line {
    std::uint32_t rank;
    std::uint32_t offset;  // of the token's bytes among all tokens' bytes
    std::uint32_t size;
};

}  // namespace

Vocabulary::Vocabulary(std::string_view file) {
    std::vector<Line> lines;
    std::string all;
    lines.reserve(file.size() / 16);
    all.reserve(file.size() / 2);
    std::string token;
    for (std::size_t at = 0, number = 1; at < file.size(); ++number) {
        const std::size_t end = std::min(file.find('\n', at), file.size());
        std::string_view line = file.substr(at, end - at);
        at = end + 1;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty()) continue;
        const std::size_t space = std::min(line.find(' '), line.size());
        std::uint32_t rank = 0;
        if (!decode_base64(line.substr(0, space), token) || token.size() > 255 ||
            !decode_rank(line.substr(std::min(space + 1, line.size())), rank))
            throw std::invalid_argument("line " + std::to_string(number) +
                                        " of the vocabulary is not 'base64 rank'");
        lines.push_back({rank, static_cast<std::uint32_t>(all.size()),
                         static_cast<std::uint32_t>(token.size())});
        all += token;
    }
    const auto by_rank = [](const Line& a, const Line& b) { return a.rank < b.rank; };
    if (!std::is_sorted(lines.begin(), lines.end(), by_rank))
        std::sort(lines.begin(), lines.end(), by_rank);
    for (std::size_t i = 1; i < lines.size(); ++i)
        if (lines[i].rank == lines[i - 1].rank)
            throw std::invalid_argument("rank " + std::to_string(lines[i].rank) +
                                        " is given twice in the vocabulary");

    if (lines.size() > std::size_t{1} << 28)
        throw std::invalid_argument("the vocabulary has more than 2**28 tokens");

    std::size_t places = 64;
    while (places * 3 < lines.size() * 4) places *= 2;  // at most three quarters full
    mask_ = places - 1;
    shift_ = 64u - static_cast<unsigned>(std::countr_zero(places));
    tags_.assign(places + kGroup, 0);
    entries_ = std::make_unique<Entry[]>(places);
    lengths_after_.assign(kPrefixes, 0);
    longest_after_.assign(kPrefixes, 0);
    size_ = lines.size();
    for (const Line& line : lines) {
        const char* bytes = all.data() + line.offset;
        if (find(bytes, line.size) != kNoToken)
            throw std::invalid_argument("the token of rank " + std::to_string(line.rank) +
                                        " is given twice in the vocabulary");
        const bool is_long = line.size > kPacked;
        const BytesKey key = is_long ? BytesKey{long_bytes_.size(), 0} : key_of(bytes, line.size);
        Entry& entry = entries_[insert(is_long ? hash_long(bytes, line.size) : hash_of(key))];
        entry.key = key;
        entry.rank = line.rank;
        entry.size = line.size;
        if (is_long) long_bytes_.append(bytes, line.size);
        longest_ = std::max<std::size_t>(longest_, line.size);
        note_torn({bytes, line.size});
        if (line.size < 3) continue;
        const std::size_t place = prefix(bytes);
        lengths_after_[place] |= 1u << std::min(line.size, 31u);
        longest_after_[place] =
            std::max(longest_after_[place], static_cast<std::uint8_t>(line.size));
    }
    long_bytes_.shrink_to_fit();
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        if (find(&c, 1) == kNoToken)
            throw std::invalid_argument("the vocabulary has no token for byte " +
                                        std::to_string(byte));
    }
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

Token Vocabulary::insert(std::uint64_t hash) {
    std::size_t at = hash >> shift_;
    unsigned empty = 0;
    while ((empty = equal_tags(at, 0)) == 0) at = (at + kGroup) & mask_;
    at = (at + std::countr_zero(empty)) & mask_;
    tags_[at] = tag_of(hash);
    if (at < kGroup) tags_[mask_ + 1 + at] = tags_[at];
    return static_cast<Token>(at);
}

}  // namespace ctxmem
