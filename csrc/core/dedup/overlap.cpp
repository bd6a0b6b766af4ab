#include "core/dedup/overlap.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <unordered_map>

#include "core/support/secret.hpp"
#include "core/text/unicode.hpp"

#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
#endif

namespace ctxmem {
namespace {

constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;

std::uint64_t reduce(std::uint64_t x) {
    x = (x & kPrime) + (x >> 61);
    return x >= kPrime ? x - kPrime : x;
}

std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
    __extension__ using Uint128 = unsigned __int128;
    const Uint128 product = static_cast<Uint128>(a) * b;
    const auto low = static_cast<std::uint64_t>(product);
    const auto high = static_cast<std::uint64_t>(product >> 64);
#elif defined(_MSC_VER) && defined(_M_X64)
    std::uint64_t high;
    const std::uint64_t low = _umul128(a, b, &high);
#else
    const std::uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
    const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    const std::uint64_t other = a0 * b1 + (middle & 0xFFFFFFFFu);
    const std::uint64_t low = a * b;
    const std::uint64_t high = a1 * b1 + (middle >> 32) + (other >> 32);
#endif
    return reduce((low & kPrime) + (low >> 61 | high << 3));
}

struct Key {
    std::uint64_t hash;
    std::uint64_t length;
    bool operator==(const Key& other) const { return hash == other.hash && length == other.length; }
};
struct KeyHash {
    std::size_t operator()(const Key& key) const {
        return static_cast<std::size_t>((key.hash ^ key.length << 40) * 0x9E3779B97F4A7C15ull >> 8);
    }
};
template <class Value>
using ByKey = std::unordered_map<Key, Value, KeyHash>;

// Every prefix hash of one text, so that the hash of any window is one multiplication. The base is
// drawn at random once a process, so that nobody can choose texts of equal hash.
class Windows {
public:
    void read(std::string_view text) {
        characters_.clear();
        for (std::size_t at = 0; at < text.size();) {
            const CodePoint point = decode(text, at);
            at += point.size;
            characters_.push_back(point.value);
        }
        prefixes_.resize(characters_.size() + 1);
        prefixes_[0] = 0;
        for (std::size_t i = 0; i < characters_.size(); ++i)
            prefixes_[i + 1] = reduce(multiply(prefixes_[i], base_) + characters_[i] + 1);
        while (powers_.size() <= characters_.size())
            powers_.push_back(powers_.empty() ? 1 : multiply(powers_.back(), base_));
    }
    std::size_t length() const { return characters_.size(); }
    Key window(std::size_t begin, std::size_t length) const {
        const std::uint64_t before = multiply(prefixes_[begin], powers_[length]);
        return {reduce(prefixes_[begin + length] + kPrime - before), length};
    }
    // Whether `text` occurs at character `begin`, as far as both go.
    bool continues(std::size_t begin, std::string_view text) const {
        std::size_t i = begin;
        for (std::size_t at = 0; at < text.size() && i < characters_.size(); ++i) {
            const CodePoint point = decode(text, at);
            if (point.value != characters_[i]) return false;
            at += point.size;
        }
        return true;
    }

private:
    const std::uint64_t base_ = process_key().words[0] % kPrime;
    std::vector<char32_t> characters_;
    std::vector<std::uint64_t> prefixes_;
    std::vector<std::uint64_t> powers_;
};

// The texts of one source that can have a row at all: those that begin as a place inside another
// text does, those with such a place, and those that begin alike. All others are left out before
// they are hashed character by character, which takes several times as long.
//
// A key is mixed from three words of the first `min_chars` bytes. Texts that share `min_chars` code
// points share these bytes, so equal texts have equal keys; unequal ones with equal keys are only
// not left out.
class StartFilter {
public:
    StartFilter(std::span<const std::string_view> texts, std::size_t min_chars)
        : texts_(texts), least_(min_chars) {}

    std::vector<std::int32_t> of(std::span<const std::int32_t> members, StopToken& stop) {
        if (members.size() < 2) return {};
        if (least_ < kWord) return {members.begin(), members.end()};
        while ((std::size_t{1} << bits_) < kBitsPerText * members.size()) ++bits_;
        marks_.assign((std::size_t{1} << bits_) / 64, 0);
        chosen_.assign(members.size(), false);
        for (std::size_t m = 0; m < members.size(); ++m) enter(members[m], m);
        for (std::size_t m = 0; m < members.size(); ++m) look_inside(members[m], m, stop);
        std::vector<std::int32_t> out;
        for (std::size_t m = 0; m < members.size(); ++m)
            if (chosen_[m]) out.push_back(members[m]);
        return out;
    }

private:
    static constexpr std::size_t kWord = 8;
    static constexpr std::size_t kBitsPerText = 64;
    // The members that begin alike, as a list through next_; `found`: all of them are chosen.
    struct Group {
        std::size_t first;
        bool found;
    };

    std::uint64_t key(const char* at) const {
        std::uint64_t first, middle, last;
        std::memcpy(&first, at, kWord);
        std::memcpy(&middle, at + (least_ - kWord) / 2, kWord);
        std::memcpy(&last, at + least_ - kWord, kWord);
        return mix_word(mix_word(first, middle, key_), last, key_);
    }

    void choose(Group& group) {
        group.found = true;
        for (std::size_t m = group.first; m != kNone; m = next_[m]) chosen_[m] = true;
    }

    void enter(std::int32_t text, std::size_t m) {
        next_.push_back(kNone);
        if (texts_[text].size() < least_) return;
        const std::uint64_t start = key(texts_[text].data());
        const std::uint64_t place = start >> (64 - bits_);
        marks_[place >> 6] |= std::uint64_t{1} << (place & 63);
        const auto [entry, is_new] = groups_.try_emplace(start, Group{m, false});
        if (is_new) return;
        next_[m] = entry->second.first;
        entry->second.first = m;
        choose(entry->second);
    }

    void look_inside(std::int32_t text, std::size_t m, StopToken& stop) {
        const std::string_view said = texts_[text];
        stop.check(2 * said.size());
        for (std::size_t at = 1; at + least_ <= said.size(); ++at) {
            const std::uint64_t here = key(said.data() + at);
            const std::uint64_t place = here >> (64 - bits_);
            if (!((marks_[place >> 6] >> (place & 63)) & 1)) continue;
            const auto group = groups_.find(here);
            if (group == groups_.end()) continue;
            chosen_[m] = true;
            if (!group->second.found) choose(group->second);
        }
    }

    static constexpr std::size_t kNone = ~std::size_t{0};
    const WordKey& key_ = process_key();
    std::span<const std::string_view> texts_;
    const std::size_t least_;
    unsigned bits_ = 10;
    std::vector<std::uint64_t> marks_;  // a bitmap before the table, as most places are no start
    std::unordered_map<std::uint64_t, Group> groups_;
    std::vector<std::size_t> next_;
    std::vector<bool> chosen_;
};

// The texts of one source.
class Source {
public:
    Source(std::span<const std::string_view> texts, std::size_t min_chars, Overlaps& rows,
           StopToken& stop)
        : texts_(texts), least_(min_chars), rows_(rows), stop_(stop) {}

    void match(std::span<const std::int32_t> members) {
        enter(members);
        if (entries_.size() < 2) return;
        find_contained();
        find_overlapping();
    }

private:
    struct Entry {
        std::int32_t text;
        std::size_t length;
        bool contained = false;
    };
    struct Suffix {  // the first two texts that end so; two, because one may be `right` itself
        std::int32_t first = -1;
        std::int32_t second = -1;
        std::size_t offset_first = 0;
        std::size_t offset_second = 0;
    };

    // The largest min_chars * 2^k that fits.
    std::size_t head_of(std::size_t length) const {
        std::size_t head = least_;
        while (head <= length / 2) head *= 2;
        return head;
    }

    // Index every distinct text by its whole and by two heads: the shortest one says at one look
    // whether any text could begin here, the longest one keeps texts apart that share a header.
    void enter(std::span<const std::int32_t> members) {
        for (const std::int32_t text : members) {
            if (texts_[text].size() < least_) continue;
            stop_.check(8 * texts_[text].size());
            windows_.read(texts_[text]);
            const std::size_t length = windows_.length();
            if (length < least_) continue;
            const auto [place, is_new] =
                wholes_.try_emplace(windows_.window(0, length), entries_.size());
            if (!is_new) {
                const std::int32_t same = entries_[place->second].text;
                if (texts_[same] == texts_[text]) add(same, text, 0);
                continue;
            }
            entries_.push_back({text, length});
            const Key shortest = windows_.window(0, least_);
            starts_.try_emplace(shortest, 0);
            mark(shortest.hash);
            const std::size_t head = head_of(length);
            longest_head_ = std::max(longest_head_, head);
            std::vector<std::size_t>& lengths = heads_[windows_.window(0, head)];
            if (std::find(lengths.begin(), lengths.end(), length) == lengths.end())
                lengths.push_back(length);
        }
    }

    void find_contained() {
        std::vector<std::size_t> order(entries_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return entries_[a].length > entries_[b].length;
        });
        for (const std::size_t left : order) {
            if (entries_[left].contained) continue;
            const std::size_t length = entries_[left].length;
            windows_.read(texts_[entries_[left].text]);
            stop_.check(16 * length);
            for (std::size_t offset = 0; offset + least_ <= length; ++offset) {
                const Key start = windows_.window(offset, least_);
                if (!marked(start.hash) || starts_.find(start) == starts_.end()) continue;
                find_contained_at(left, offset);
                if (offset > 0) enter_suffix(left, offset);
            }
        }
    }

    void find_contained_at(std::size_t left, std::size_t offset) {
        const std::size_t room = entries_[left].length - offset;
        for (std::size_t head = least_; head <= room && head <= longest_head_; head *= 2) {
            const auto lengths = heads_.find(windows_.window(offset, head));
            if (lengths == heads_.end()) continue;
            stop_.check(30 * lengths->second.size());
            for (const std::size_t length : lengths->second) {
                if (length > room) continue;
                const auto whole = wholes_.find(windows_.window(offset, length));
                if (whole == wholes_.end() || whole->second == left) continue;
                Entry& right = entries_[whole->second];
                if (right.contained || !windows_.continues(offset, texts_[right.text])) continue;
                right.contained = true;
                add(entries_[left].text, right.text, offset);
            }
        }
    }

    void enter_suffix(std::size_t left, std::size_t offset) {
        const std::size_t length = entries_[left].length - offset;
        const std::int32_t text = entries_[left].text;
        if (length >= ends_at_.size()) ends_at_.resize(length + 1, false);
        ends_at_[length] = true;
        Suffix& suffix = suffixes_[windows_.window(offset, length)];
        if (suffix.first < 0 || text < suffix.first) {
            suffix.second = suffix.first;
            suffix.offset_second = suffix.offset_first;
            suffix.first = text;
            suffix.offset_first = offset;
        } else if (suffix.second < 0 || text < suffix.second) {
            suffix.second = text;
            suffix.offset_second = offset;
        }
    }

    void find_overlapping() {
        if (suffixes_.empty()) return;
        for (const Entry& right : entries_) {
            if (right.contained) continue;
            windows_.read(texts_[right.text]);
            stop_.check(8 * right.length);
            std::size_t overlap = std::min(right.length, ends_at_.size()) - 1;
            for (; overlap >= least_; --overlap) {
                if (!ends_at_[overlap]) continue;
                const auto suffix = suffixes_.find(windows_.window(0, overlap));
                if (suffix == suffixes_.end()) continue;
                const bool itself = suffix->second.first == right.text;
                const std::int32_t left = itself ? suffix->second.second : suffix->second.first;
                if (left < 0) continue;
                const std::size_t offset =
                    itself ? suffix->second.offset_second : suffix->second.offset_first;
                if (!ends_with_start_of(left, offset, right.text)) continue;
                add(left, right.text, offset);
                break;
            }
        }
    }

    bool ends_with_start_of(std::int32_t left, std::size_t offset, std::int32_t right) const {
        std::size_t at = 0;
        for (std::size_t i = 0; i < offset; ++i) at += decode(texts_[left], at).size;
        const std::string_view end = texts_[left].substr(at);
        return texts_[right].substr(0, end.size()) == end;
    }

    void add(std::int32_t left, std::int32_t right, std::size_t offset) {
        rows_.left.push_back(left);
        rows_.right.push_back(right);
        rows_.offset.push_back(static_cast<std::int64_t>(offset));
    }

    // A bitmap before the table of starts: nearly all windows are no text's start.
    static constexpr std::size_t kMarkBits = 18;
    void mark(std::uint64_t hash) {
        if (marks_.empty()) marks_.assign((std::size_t{1} << kMarkBits) / 64, 0);
        const std::uint64_t place = hash >> (61 - kMarkBits);
        marks_[place >> 6] |= std::uint64_t{1} << (place & 63);
    }
    bool marked(std::uint64_t hash) const {
        const std::uint64_t place = hash >> (61 - kMarkBits);
        return (marks_[place >> 6] >> (place & 63)) & 1;
    }

    std::span<const std::string_view> texts_;
    const std::size_t least_;
    Overlaps& rows_;
    StopToken& stop_;
    Windows windows_;
    std::vector<Entry> entries_;
    ByKey<std::size_t> wholes_;              // whole text -> entry
    ByKey<char> starts_;                     // the first min_chars of every text
    ByKey<std::vector<std::size_t>> heads_;  // longest head -> the distinct lengths of its texts
    std::size_t longest_head_ = 0;
    ByKey<Suffix> suffixes_;     // ends of texts that begin as some text does
    std::vector<bool> ends_at_;  // lengths of those
    std::vector<std::uint64_t> marks_;
};

}  // namespace

Overlaps text_overlaps(std::span<const std::string_view> texts,
                       std::span<const std::int32_t> source, std::int64_t min_chars,
                       StopToken& stop) {
    if (min_chars < 1) throw std::invalid_argument("min_chars must be at least 1");
    if (source.size() != texts.size())
        throw std::invalid_argument("expected as many sources as texts");
    std::vector<std::int32_t> order(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return source[a] < source[b]; });
    Overlaps found;
    for (std::size_t begin = 0; begin < order.size();) {
        std::size_t end = begin;
        while (end < order.size() && source[order[end]] == source[order[begin]]) ++end;
        const std::span<const std::int32_t> all = std::span(order).subspan(begin, end - begin);
        const auto least = static_cast<std::size_t>(min_chars);
        const std::vector<std::int32_t> members = StartFilter(texts, least).of(all, stop);
        if (!members.empty()) Source(texts, least, found, stop).match(members);
        begin = end;
    }
    std::vector<std::size_t> rows(found.left.size());
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    std::sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) {
        return found.left[a] != found.left[b] ? found.left[a] < found.left[b]
                                              : found.right[a] < found.right[b];
    });
    Overlaps sorted;
    for (const std::size_t row : rows) {
        sorted.left.push_back(found.left[row]);
        sorted.right.push_back(found.right[row]);
        sorted.offset.push_back(found.offset[row]);
    }
    return sorted;
}

}  // namespace ctxmem
