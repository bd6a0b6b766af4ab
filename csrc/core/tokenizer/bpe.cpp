#include "core/tokenizer/bpe.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <queue>

#include "core/text/unicode.hpp"
#include "core/tokenizer/piece_cache.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kPortion = std::size_t{16} << 10;  // bytes between two reports of work
constexpr std::uint64_t kUnitsPerByte = 10;
constexpr Token kLongest = Token{1} << 31;  // free in a Token: no longer one matches at its place

bool is_ascii(const BytesKey& key) {
    constexpr std::uint64_t kHigh = 0x8080808080808080ull;
    return ((key.low | (key.high & ~(std::uint64_t{0xFF} << 56))) & kHigh) == 0;
}

bool is_whitespace_before(std::string_view text, std::size_t at, std::size_t& begin) {
    if (at == 0) return false;
    begin = at - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    const CharClass c = char_class(decode(text, begin).value);
    return c == CharClass::space || c == CharClass::newline;
}

// What is left after merging `piece` pair by pair: the number of tokens, and where the first ended
// before the last merge.
struct Merged {
    std::size_t tokens;
    std::size_t last_border;
};

Merged merge(const Vocabulary& vocabulary, std::string_view piece, StopToken& stop) {
    // A list of tokens by where they begin; an entry of the heap is stale unless both its tokens
    // still end where they did.
    struct Pair {
        Rank rank;
        std::size_t begin, middle, end;
        bool operator<(const Pair& other) const {  // the lowest rank, leftmost, is on top
            return rank != other.rank ? rank > other.rank : begin > other.begin;
        }
    };
    const std::size_t size = piece.size();
    std::vector<std::size_t> next(size + 1), previous(size + 1);
    for (std::size_t i = 0; i <= size; ++i) {
        next[i] = i + 1;
        previous[i] = i == 0 ? 0 : i - 1;
    }
    std::priority_queue<Pair> heap;
    const auto push = [&](std::size_t begin) {
        const std::size_t middle = next[begin];
        if (middle >= size) return;
        const Token token = vocabulary.find(piece.data() + begin, next[middle] - begin);
        if (token != kNoToken) heap.push({vocabulary[token].rank, begin, middle, next[middle]});
    };
    for (std::size_t i = 0; i < size; ++i) push(i);
    std::size_t tokens = size;
    std::size_t last_border = 0;
    while (!heap.empty()) {
        stop.check(100);
        const Pair pair = heap.top();
        heap.pop();
        if (next[pair.begin] != pair.middle || next[pair.middle] != pair.end) continue;
        next[pair.begin] = pair.end;
        next[pair.middle] = 0;  // no token begins here any more
        if (pair.end < size) previous[pair.end] = pair.begin;
        last_border = pair.middle;
        --tokens;
        push(pair.begin);
        if (pair.begin > 0) push(previous[pair.begin]);
    }
    return {tokens, last_border};
}

}  // namespace

// Merge the ASCII of a key pair by pair. Sixteen numbers hold, for each byte that begins a token,
// the rank of that token with its right neighbour and, below it, the byte's position: the least is
// the pair to merge next, the leftmost of its rank.
std::int64_t Bpe::merge_short(const BytesKey& key, std::size_t size) const {
    constexpr std::uint32_t kNone = 0xFFFFFFFFu;
    constexpr unsigned kPosition = 15;
    static_assert(Vocabulary::kRanks <= 1u << 28, "a rank and a position fit 32 bits");
    char bytes[kPacked + 1 + kReadable] = {};
    std::memcpy(bytes, &key, sizeof key);
    std::uint32_t pairs[kPacked + 1];
    for (unsigned i = 0; i <= kPacked; ++i) {
        const Rank rank = i + 1 < size ? ascii_pairs_[ascii_pair(bytes + i)] : kNoRank;
        pairs[i] = rank == kNoRank ? kNone : rank << 4 | i;
    }
    std::uint32_t starts = (2u << size) - 1;  // one bit a token, and one for the end
    std::int64_t tokens = static_cast<std::int64_t>(size);
    const auto pair_at = [&](unsigned begin, unsigned end) {
        const Token token = vocabulary_.find(key_of_readable(bytes + begin, end - begin));
        pairs[begin] = token == kNoToken ? kNone : vocabulary_[token].rank << 4 | begin;
    };
    for (;;) {
        std::uint32_t least = kNone;
        for (const std::uint32_t pair : pairs) least = std::min(least, pair);
        if (least == kNone) return tokens;
        const unsigned at = least & kPosition;
        std::uint32_t after = starts & ~((2u << at) - 1);  // where later tokens begin, and the end
        const auto middle = static_cast<unsigned>(std::countr_zero(after));
        starts &= ~(1u << middle);
        pairs[middle] = kNone;
        --tokens;
        after &= after - 1;
        const auto end = static_cast<unsigned>(std::countr_zero(after));
        after &= after - 1;
        if (after != 0)
            pair_at(at, static_cast<unsigned>(std::countr_zero(after)));
        else
            pairs[at] = kNone;
        if (const std::uint32_t before = starts & ((1u << at) - 1); before != 0)
            pair_at(31u - static_cast<unsigned>(std::countl_zero(before)), end);
    }
}

// What one thread needs while it counts.
struct Bpe::Workspace {
    PieceCache counts;
    // Of the piece being encoded: its bytes and kReadable more, its tokens so far, its dead ends.
    std::vector<char> piece;
    std::vector<Token> tokens;  // with kLongest
    std::vector<std::uint64_t> dead;
    StopToken* stop = &StopToken::none();  // of the call that has borrowed it
};

// How a token of two bytes or more is made: by a merge of two of lower rank, unless `kind` says
// otherwise.
struct Bpe::Made {
    enum Kind : std::uint64_t { unknown, never, unordered, merged = Vocabulary::kMerged };
    Kind kind;
    Token left, right;
};

class Bpe::Borrowed {
public:
    Borrowed(const Bpe& bpe, StopToken& stop) : work_(bpe.pool_) { (*work_).stop = &stop; }
    Workspace& operator*() const { return *work_; }

private:
    WorkspacePool<Workspace>::Borrowed work_;
};

Bpe::Bpe(std::string_view file, Pattern pattern) : Bpe(Vocabulary(file), pattern, true) {}

Bpe::Bpe(Vocabulary&& vocabulary, Pattern pattern, bool whole_piece)
    : vocabulary_(std::move(vocabulary)),
      pattern_(pattern),
      whole_piece_(whole_piece),
      ascii_pairs_(128 * 128, kNoRank) {
    for (std::size_t place = 0; place < vocabulary_.places(); ++place) {
        const auto token = static_cast<Token>(place);
        const Vocabulary::Entry& entry = vocabulary_[token];
        if (entry.size < 2) continue;
        const std::string_view bytes = vocabulary_.bytes(token);
        lengths_.note(bytes);
        if (entry.size > kPacked || !is_ascii(entry.key))
            pairs_.note(bytes);
        else if (entry.size == 2)
            ascii_pairs_[ascii_pair(bytes.data())] = entry.rank;
    }
}

Bpe::~Bpe() = default;

// How tokens are made -------------------------------------------------------------------------

Bpe::Made Bpe::find_split(Token token) const {
    const Rank rank = vocabulary_[token].rank;
    const std::string_view bytes = vocabulary_.bytes(token);
    char padded[255 + kReadable] = {};
    std::memcpy(padded, bytes.data(), bytes.size());
    // If ranks rise, the token's parts are the encoding of its bytes by all merges before its own.
    for (std::size_t border = 1; border < bytes.size(); ++border) {
        const Token left = vocabulary_.find_readable(padded, border);
        if (left == kNoToken) continue;
        const Token right = vocabulary_.find_readable(padded + border, bytes.size() - border);
        if (right == kNoToken) continue;
        const auto rises = [&](Token part) {
            return vocabulary_[part].size == 1 ||
                   (vocabulary_[part].rank < rank && made_from(part).kind == Made::merged);
        };
        if (rises(left) && rises(right) &&
            neighbours(padded + border, left, right, rank, false) == Answer::yes)
            return {Made::merged, left, right};
    }
    return {
        merge(vocabulary_, bytes, StopToken::none()).tokens == 1 ? Made::unordered : Made::never, 0,
        0};
}

// Requires a token of two bytes or more.
inline Bpe::Made Bpe::made_from(Token token) const {
    constexpr std::uint64_t kTokenBits = Vocabulary::kTokenBits;
    constexpr std::uint64_t kToken = (std::uint64_t{1} << kTokenBits) - 1;
    std::atomic<std::uint64_t>& kept = vocabulary_[token].made;
    std::uint64_t word = kept.load(std::memory_order_relaxed);
    if (word == 0) {
        const Made made = find_split(token);
        word = std::uint64_t{made.kind} << 2 * kTokenBits | std::uint64_t{made.left} << kTokenBits |
               made.right;
        kept.store(word, std::memory_order_relaxed);
    }
    return {static_cast<Made::Kind>(word >> 2 * kTokenBits),
            static_cast<Token>(word >> kTokenBits & kToken), static_cast<Token>(word & kToken)};
}

// Left to right -------------------------------------------------------------------------------

// Whether `left`, whose bytes end at `border`, and `right`, whose bytes begin there, are the
// encoding of their bytes by merges of rank below `limit`. `left_is_longest` says that no longer
// token matches where `left` begins. Requires kReadable bytes from every byte of both.
Bpe::Answer Bpe::neighbours(const char* border, Token left, Token right, Rank limit,
                            bool left_is_longest) const {
    const Vocabulary::Entry* one = &vocabulary_[left];
    const Vocabulary::Entry* two = &vocabulary_[right];
    // From these sizes down, a side is part of a character, and no token goes across the border
    // from inside that character, or into it.
    std::size_t enough_left = 0;
    std::size_t enough_right = 0;
    if (const std::size_t size = character_size(*border);
        size > 1 && !vocabulary_.torn_at_end(border[-1], *border))
        enough_right = size - 1;
    if (is_continuation(border[-1]) && !is_continuation(*border) &&
        !vocabulary_.torn_at_begin(border[-1], *border)) {
        std::size_t size = 1;
        while (size < one->size && is_continuation(border[-1 - static_cast<int>(size)])) ++size;
        enough_left = size;
    }
    // A merge of the two at the border comes before the merge undone last if its rank is below
    // `limit`. Where the ranks are equal the leftmost comes first: that is the merge across the
    // border, unless the one undone was on the left of it.
    for (;;) {
        if (one->size <= enough_left || two->size <= enough_right) return Answer::yes;
        const std::size_t size = one->size + two->size;
        if (!left_is_longest && size <= vocabulary_.longest()) {
            const Token both = vocabulary_.find_readable(border - one->size, size);
            if (both != kNoToken && vocabulary_[both].rank < limit) return Answer::no;
        }
        if (one->size == 1 && two->size == 1) return Answer::yes;
        if (two->size == 1 || (one->size != 1 && one->rank > two->rank)) {
            const Made made = made_from(left);
            if (made.kind != Made::merged) return Answer::unordered;
            limit = one->rank;
            left = made.right;
            one = &vocabulary_[left];
            left_is_longest = false;
        } else {
            const Made made = made_from(right);
            if (made.kind != Made::merged) return Answer::unordered;
            limit = two->rank + 1;
            right = made.left;
            two = &vocabulary_[right];
        }
    }
}

// Requires a piece that is no token itself.
std::int64_t Bpe::encode(const char* bytes, std::size_t size, Workspace& work) const {
    if (work.piece.size() < size + kReadable) {
        work.piece.resize(size + kReadable);
        work.tokens.resize(size);
    }
    std::memcpy(work.piece.data(), bytes, size);
    const char* piece = work.piece.data();
    Token* tokens = work.tokens.data();
    std::size_t count = 0;
    // One bit a position: no encoding leads on from there.
    work.dead.assign(size / 64 + 1, 0);
    std::uint64_t* dead = work.dead.data();
    // False once another way is needed: ranks do not rise, or the questions about neighbours run
    // away (see bpe.hpp).
    bool ordered = true;
    std::size_t questions = 0;
    std::size_t furthest = 0;

    // Whether `token` continues the encoding of piece[0, at).
    const auto continues = [&](std::size_t at, Token token) {
        if (token == kNoToken) return false;
        const std::size_t end = at + vocabulary_[token].size;
        if (dead[end / 64] >> end % 64 & 1) return false;
        if (vocabulary_[token].size > 1) {
            const Made made = made_from(token);
            ordered = ordered && made.kind != Made::unordered;
            if (made.kind != Made::merged) return false;
        }
        if (count == 0) return true;
        const Token last = tokens[count - 1];
        if (++questions > 256 + furthest) ordered = false;
        const Answer answer =
            neighbours(piece + at, last & ~kLongest, token, kNoRank, (last & kLongest) != 0);
        ordered = ordered && answer != Answer::unordered;
        return answer == Answer::yes;
    };
    // The longest token of at most `most` bytes that continues the encoding, or none. `is_longest`
    // becomes false if there is a longer one that does not.
    bool is_longest = true;
    const auto fits = [&](std::size_t at, Token token) {
        if (continues(at, token)) return true;
        if (token != kNoToken) is_longest = false;
        return false;
    };
    const auto longest = [&](std::size_t at, std::size_t most) {
        if (most >= 3) {
            std::uint32_t lefts =
                vocabulary_.lengths_after(piece + at) & lengths_.after(piece + at);
            if (most > 30 && lefts >> 31 != 0)
                for (std::size_t n = std::min(most, vocabulary_.longest_after(piece + at)); n > 30;
                     --n)
                    if (const Token token = vocabulary_.find(piece + at, n); fits(at, token))
                        return token;
            lefts &= (2u << std::min<std::size_t>(most, 30)) - 1;
            while (lefts != 0) {
                const auto n = static_cast<std::size_t>(31 - std::countl_zero(lefts));
                lefts ^= 1u << n;
                const Token token = vocabulary_.find_readable(piece + at, n);
                if (fits(at, token)) return token;
            }
        }
        for (std::size_t n = std::min<std::size_t>(most, 2); n > 0; --n)
            if (const Token token = vocabulary_.find(key_of_readable(piece + at, n));
                fits(at, token))
                return token;
        return kNoToken;
    };

    std::size_t at = 0;
    std::size_t most = size - 1;
    while (at < size && ordered) {
        work.stop->check(30);
        const Token token = longest(at, most);
        if (token != kNoToken) {
            tokens[count++] = token | (is_longest ? kLongest : 0);
            at += vocabulary_[token].size;
            furthest = std::max(furthest, at);
            most = size - at;
            is_longest = true;
        } else if (count > 0) {
            dead[at / 64] |= std::uint64_t{1} << at % 64;
            most = vocabulary_[tokens[--count] & ~kLongest].size;
            at -= most--;
            is_longest = false;
        } else {
            break;  // only where ranks do not rise
        }
    }
    constexpr std::size_t kKept = std::size_t{1} << 20;  // the room of huger pieces is given back
    if (size > kKept) {
        work.piece = {};
        work.tokens = {};
        work.dead = {};
    }
    if (at < size || !ordered)
        return static_cast<std::int64_t>(merge(vocabulary_, {bytes, size}, *work.stop).tokens);
    return static_cast<std::int64_t>(count);
}

std::int64_t Bpe::count_by_merging(std::string_view piece) const {
    if (piece.empty()) return 0;
    if (whole_piece_ && vocabulary_.find(piece.data(), piece.size()) != kNoToken) return 1;
    return static_cast<std::int64_t>(merge(vocabulary_, piece, StopToken::none()).tokens);
}

// Pieces --------------------------------------------------------------------------------------

// Whether bytes that are `token` count as one.
template <Bpe::Extent extent>
inline bool Bpe::is_one(Token token) const {
    if (token == kNoToken) return false;
    if (extent == Extent::piece && whole_piece_) return true;
    return vocabulary_[token].size == 1 || made_from(token).kind != Made::never;
}

// The tokens of a piece that may be cut at `cut`, part by part. `readable` bytes may be read.
std::int64_t Bpe::count_parts(const char* piece, std::size_t cut, std::size_t size,
                              std::size_t readable, Workspace& work) const {
    char padded[2 * kReadable];
    std::int64_t total = 0;
    for (std::size_t at = 0; at < size;) {
        if (readable - at < kReadable) {  // so the rest is copied to where enough may be read
            std::memset(padded, 0, sizeof padded);
            std::memcpy(padded, piece + at, size - at);
            piece = padded;
            cut -= at;
            size -= at;
            at = 0;
            readable = sizeof padded;
        }
        work.stop->check(kUnitsPerByte);
        total += count_any<Extent::part>(piece + at, cut - at, work);
        at = cut;
        if (at < size) cut = pairs_.next_cut(piece, at, size);
    }
    return total;
}

// Bytes that no cache holds: part by part, or encoded if they cannot be cut. `readable` bytes may
// be read at the address.
template <Bpe::Extent extent>
std::int64_t Bpe::count_unseen(const char* bytes, std::size_t size, std::size_t readable,
                               Workspace& work) const {
    if (extent == Extent::piece)
        if (const std::size_t cut = pairs_.next_cut(bytes, 0, size); cut < size)
            return count_parts(bytes, cut, size, readable, work);
    // A token that reaches across no cut is found whole.
    if (size > kPacked && is_one<extent>(vocabulary_.find(bytes, size))) return 1;
    return encode(bytes, size, work);
}

// Up to kPacked bytes that the cache does not hold.
template <Bpe::Extent extent>
std::int64_t Bpe::count_short(const BytesKey& key, std::size_t size, Workspace& work) const {
    if (is_one<extent>(vocabulary_.find(key))) return 1;
    if (is_ascii(key)) return merge_short(key, size);
    char bytes[kPacked + 1 + kReadable] = {};
    std::memcpy(bytes, &key, sizeof key);
    return count_unseen<extent>(bytes, size, sizeof bytes, work);
}

// More than kPacked bytes.
template <Bpe::Extent extent>
std::int64_t Bpe::count_long(const char* bytes, std::size_t size, Workspace& work) const {
    if (size > PieceCache::kLong) return count_unseen<extent>(bytes, size, size, work);
    PieceCache::LongSlot key =
        PieceCache::long_key(bytes, size, extent == Extent::part ? PieceCache::kPart : 0);
    PieceCache::LongSlot& slot = work.counts.long_slot(key);
    if (slot.holds(key)) return slot.tokens;
    const std::int64_t tokens = count_unseen<extent>(bytes, size, size, work);
    key.tokens = static_cast<std::uint32_t>(tokens);
    slot = key;
    return tokens;
}

// Any size, with kReadable bytes at the address or more than kPacked.
template <Bpe::Extent extent>
inline std::int64_t Bpe::count_any(const char* bytes, std::size_t size, Workspace& work) const {
    if (size > kPacked) return count_long<extent>(bytes, size, work);
    const BytesKey key = key_of_readable(bytes, size);
    const BytesKey marked = {key.low ^ (extent == Extent::part ? PieceCache::kPart : 0), key.high};
    BytesKey& slot = work.counts.short_slot(hash_of(marked));
    if (PieceCache::holds(slot, marked)) return PieceCache::count_of(slot);
    const std::int64_t tokens = count_short<extent>(key, size, work);
    slot = PieceCache::slot_of(marked, tokens);
    return tokens;
}

std::int64_t Bpe::count_piece(std::string_view piece, StopToken& stop) const {
    if (piece.empty()) return 0;
    const Borrowed work(*this, stop);
    if (piece.size() > kPacked) return count_any<Extent::piece>(piece.data(), piece.size(), *work);
    char padded[kReadable] = {};
    std::memcpy(padded, piece.data(), piece.size());
    return count_any<Extent::piece>(padded, piece.size(), *work);
}

// Call visit(end, tokens) for each piece from `at` on that starts before `stop`, in order.
template <class Visit>
inline void Bpe::for_each_piece(std::string_view text, std::size_t& at, std::size_t stop,
                                Workspace& work, Visit visit) const {
    constexpr std::uint64_t kHigh = 0x8080808080808080ull;
    char padded[kBlock + kReadable + kPacked];
    while (at < stop) {
        const std::size_t left = text.size() - at;
        // Reading beyond the text is avoided by a copy of its end.
        const char* block = text.data() + at;
        if (left < kBlock + kReadable) {
            std::memcpy(padded, block, left);
            std::memset(padded + left, 0, sizeof padded - left);
            block = padded;
        }
        std::uint64_t eight = 0;
        std::memcpy(&eight, block, 8);
        if ((eight & kHigh) == 0) {
            const PieceStarts pieces =
                piece_starts(pattern_, block, std::min(left, kBlock), left < kBlock);
            if (pieces.certain > 0) {
                std::size_t begin = 0;
                for (std::uint64_t bits = pieces.bits & ~std::uint64_t{1}; bits != 0;
                     bits &= bits - 1) {
                    const auto end = static_cast<std::size_t>(std::countr_zero(bits));
                    visit(at + end, count_any<Extent::piece>(block + begin, end - begin, work));
                    begin = end;
                }
                at += pieces.certain;
                continue;
            }
        }
        const std::size_t size = piece_end(pattern_, text, at) - at;
        const char* piece = size > kPacked ? text.data() + at : block;
        at += size;
        visit(at, count_any<Extent::piece>(piece, size, work));
    }
}

std::int64_t Bpe::count_from(std::string_view text, std::size_t& at, std::size_t end,
                             StopToken& stop) const {
    const Borrowed work(*this, stop);
    std::int64_t total = 0;
    while (at < end) {
        const std::size_t begin = at;
        for_each_piece(text, at, std::min(begin + kPortion, end), *work,
                       [&](std::size_t, std::int64_t tokens) { total += tokens; });
        stop.check(kUnitsPerByte * (at - begin));
    }
    return total;
}

void Bpe::count_pieces(std::string_view text, std::size_t& at, std::size_t end,
                       std::vector<PieceTokens>& out, StopToken& stop) const {
    const Borrowed work(*this, stop);
    while (at < end) {
        const std::size_t begin = at;
        for_each_piece(text, at, std::min(begin + kPortion, end), *work,
                       [&](std::size_t stopped, std::int64_t tokens) {
                           out.push_back({stopped, tokens});
                       });
        stop.check(kUnitsPerByte * (at - begin));
    }
}

std::int64_t Bpe::count(std::string_view text, StopToken& stop) const {
    std::size_t at = 0;
    return count_from(text, at, text.size(), stop);
}

void Bpe::count_spans(std::string_view text, std::span<const ByteSpan> spans, std::int64_t* counts,
                      StopToken& stop) const {
    const Borrowed work(*this, stop);
    // borders[i] is where piece i begins, totals[i] the tokens of what is before it.
    std::vector<std::size_t> borders{0};
    std::vector<std::int64_t> totals{0};
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t begin = at;
        for_each_piece(text, at, std::min(begin + kPortion, text.size()), *work,
                       [&](std::size_t end, std::int64_t tokens) {
                           borders.push_back(end);
                           totals.push_back(totals.back() + tokens);
                       });
        stop.check(kUnitsPerByte * (at - begin));
    }
    for (std::size_t i = 0; i < spans.size(); ++i) {
        stop.check(1000);
        const std::string_view cut = text.substr(0, spans[i].end);
        // The last border that cutting the text leaves in place.
        std::size_t whole = cut.size();
        for (std::size_t begin = 0; is_whitespace_before(cut, whole, begin);) whole = begin;
        const auto last = static_cast<std::size_t>(
            std::upper_bound(borders.begin(), borders.end(), whole) - borders.begin() - 1);
        // From the span's start to a border of the text, or to the span's end.
        std::int64_t total = 0;
        at = spans[i].begin;
        auto next = static_cast<std::size_t>(std::lower_bound(borders.begin(), borders.end(), at) -
                                             borders.begin());
        while (at < borders[last] && borders[next] != at) {
            for_each_piece(cut, at, at + 1, *work,
                           [&](std::size_t, std::int64_t tokens) { total += tokens; });
            while (borders[next] < at) ++next;
        }
        if (at < borders[last]) {
            total += totals[last] - totals[next];
            at = borders[last];
        }
        for_each_piece(cut, at, cut.size(), *work,
                       [&](std::size_t, std::int64_t tokens) { total += tokens; });
        counts[i] = total;
    }
}

}  // namespace ctxmem
