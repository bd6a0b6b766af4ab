#include "core/bpe.hpp"

#include <algorithm>
#include <cstring>
#include <queue>

#include "core/unicode.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kCacheBits = 15;
constexpr std::uint64_t kCountBits = std::uint64_t{0xF} << 60;  // free in a BytesKey
constexpr std::size_t kReadable = 16;                           // bytes that key_of_readable reads
constexpr std::size_t kLinear = 64;  // up to this size, scanning all pairs beats a heap

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

Merged merge_linear(const Vocabulary& vocabulary, std::string_view piece) {
    // Token i is piece[begin[i] .. begin[i + 1]); pair[i] is tokens i and i + 1 as one.
    std::size_t begin[kLinear + 1];
    Token pair[kLinear];
    std::size_t tokens = piece.size();
    std::size_t last_border = 0;
    const auto merged = [&](std::size_t i) {
        return i + 1 < tokens
                   ? vocabulary.find(piece.data() + begin[i], begin[i + 2] - begin[i])
                   : kNoToken;
    };
    for (std::size_t i = 0; i <= tokens; ++i) begin[i] = i;
    for (std::size_t i = 0; i < tokens; ++i) pair[i] = merged(i);
    while (tokens > 1) {
        const std::size_t at =
            static_cast<std::size_t>(std::min_element(pair, pair + tokens) - pair);
        if (pair[at] == kNoToken) break;
        last_border = begin[at + 1];
        std::copy(begin + at + 2, begin + tokens + 1, begin + at + 1);
        std::copy(pair + at + 1, pair + tokens, pair + at);
        --tokens;
        pair[at] = merged(at);
        if (at > 0) pair[at - 1] = merged(at - 1);
    }
    return {tokens, last_border};
}

Merged merge_by_heap(const Vocabulary& vocabulary, std::string_view piece) {
    // A list of tokens by where they begin; an entry of the heap is stale unless both its tokens
    // still end where they did.
    struct Pair {
        Token token;
        std::size_t begin, middle, end;
        bool operator<(const Pair& other) const {  // the lowest rank, leftmost, is on top
            return token != other.token ? token > other.token : begin > other.begin;
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
        if (token != kNoToken) heap.push({token, begin, middle, next[middle]});
    };
    for (std::size_t i = 0; i < size; ++i) push(i);
    std::size_t tokens = size;
    std::size_t last_border = 0;
    while (!heap.empty()) {
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

Merged merge(const Vocabulary& vocabulary, std::string_view piece) {
    return piece.size() <= kLinear ? merge_linear(vocabulary, piece)
                                   : merge_by_heap(vocabulary, piece);
}

}  // namespace

// What one thread needs while it counts.
struct Bpe::Workspace {
    // Direct-mapped. A slot is the key of a piece with its count in the free bits; an empty slot
    // has size 0, which no piece has.
    std::vector<BytesKey> counts = std::vector<BytesKey>(std::size_t{1} << kCacheBits);
    std::vector<char> piece;            // the piece being encoded, and kReadable bytes
    std::vector<Token> tokens;          // the encoding of what stands before `at`
    std::vector<std::uint64_t> dead;    // one bit a position: no encoding leads on from there
};

// How a token is made: by a merge of two of lower rank, unless `kind` says otherwise.
struct Bpe::Made {
    enum Kind : std::uint64_t { unknown, never, unordered, merged };
    Kind kind;
    Token left, right;
};

class Bpe::Borrowed {
public:
    explicit Borrowed(const Bpe& bpe) : bpe_(bpe) {
        work_ = bpe.spare_.exchange(nullptr, std::memory_order_acquire);
        if (work_ != nullptr) return;
        const std::lock_guard hold(bpe.lock_);
        if (bpe.idle_.empty()) {
            bpe.workspaces_.push_back(std::make_unique<Workspace>());
            bpe.idle_.reserve(bpe.workspaces_.size());  // so that giving back cannot fail
            work_ = bpe.workspaces_.back().get();
        } else {
            work_ = bpe.idle_.back();
            bpe.idle_.pop_back();
        }
    }
    ~Borrowed() {
        Workspace* none = nullptr;
        if (bpe_.spare_.compare_exchange_strong(none, work_, std::memory_order_release)) return;
        const std::lock_guard hold(bpe_.lock_);
        bpe_.idle_.push_back(work_);
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Workspace& operator*() const { return *work_; }

private:
    const Bpe& bpe_;
    Workspace* work_;
};

Bpe::Bpe(std::string_view file, Pattern pattern)
    : vocabulary_(file),
      pattern_(pattern),
      splits_(std::make_unique<std::atomic<std::uint64_t>[]>(vocabulary_.size())) {}

Bpe::~Bpe() = default;

// Splits --------------------------------------------------------------------------------------

Bpe::Made Bpe::find_split(Token token) const {
    const std::string_view bytes = vocabulary_.bytes(token);
    const Merged merged = merge(vocabulary_, bytes);
    if (merged.tokens != 1) return {Made::never, 0, 0};
    const Token left = vocabulary_.find(bytes.data(), merged.last_border);
    const Token right = vocabulary_.find(bytes.data() + merged.last_border,
                                         bytes.size() - merged.last_border);
    const auto rises = [&](Token part) {
        return vocabulary_.length(part) == 1 ||
               (part < token && made_from(part).kind == Made::merged);
    };
    return {rises(left) && rises(right) ? Made::merged : Made::unordered, left, right};
}

// Requires a token of two bytes or more.
Bpe::Made Bpe::made_from(Token token) const {
    constexpr std::uint64_t kTokenBits = 31;  // two tokens and the kind in one word
    constexpr std::uint64_t kToken = (std::uint64_t{1} << kTokenBits) - 1;
    const std::uint64_t word = splits_[token].load(std::memory_order_relaxed);
    if (word != 0)
        return {static_cast<Made::Kind>(word >> 2 * kTokenBits),
                static_cast<Token>(word >> kTokenBits & kToken), static_cast<Token>(word & kToken)};
    const Made made = find_split(token);
    splits_[token].store(std::uint64_t{made.kind} << 2 * kTokenBits |
                             std::uint64_t{made.left} << kTokenBits | made.right,
                         std::memory_order_relaxed);
    return made;
}

// Left to right -------------------------------------------------------------------------------

// Whether `left`, which ends at `border` in `piece`, and `right`, which begins there, are the
// encoding of their bytes. Clears `ordered` if that cannot be told from ranks. Requires kReadable
// bytes from every byte of the two.
bool Bpe::neighbours(const char* piece, std::size_t border, Token left, Token right,
                     bool& ordered) const {
    std::size_t left_size = vocabulary_.length(left);
    std::size_t right_size = vocabulary_.length(right);
    // A merge of the two at the border comes before the merge undone last if its rank is below
    // this. Where the ranks are equal the leftmost comes first: that is the merge across the
    // border, unless the one undone was on the left of it.
    Token limit = kNoToken;
    for (;;) {
        const std::size_t size = left_size + right_size;
        if (size <= vocabulary_.longest()) {
            const char* bytes = piece + border - left_size;
            const Token both = size <= kPacked ? vocabulary_.find(key_of_readable(bytes, size))
                                               : vocabulary_.find(bytes, size);
            if (both < limit) return false;
        }
        if (left_size == 1 && right_size == 1) return true;
        if (right_size == 1 || (left_size != 1 && left > right)) {
            const Made made = made_from(left);
            ordered = ordered && made.kind == Made::merged;
            if (!ordered) return false;
            limit = left;
            left = made.right;
            left_size = vocabulary_.length(left);
        } else {
            const Made made = made_from(right);
            ordered = ordered && made.kind == Made::merged;
            if (!ordered) return false;
            limit = right + 1;
            right = made.left;
            right_size = vocabulary_.length(right);
        }
    }
}

std::int64_t Bpe::encode(const char* bytes, std::size_t size, Workspace& work) const {
    work.piece.resize(size + kReadable);
    std::memcpy(work.piece.data(), bytes, size);
    const char* piece = work.piece.data();
    work.tokens.clear();
    work.dead.assign(size / 64 + 1, 0);
    bool ordered = true;

    // Whether `token` continues the encoding of piece[0, at).
    const auto continues = [&](std::size_t at, Token token) {
        if (token == kNoToken) return false;
        const std::size_t length = vocabulary_.length(token);
        const std::size_t end = at + length;
        if (work.dead[end / 64] >> end % 64 & 1) return false;
        if (length > 1) {
            const Made made = made_from(token);
            if (made.kind == Made::never) return false;
            if (made.kind == Made::unordered) ordered = false;
        }
        return work.tokens.empty() || neighbours(piece, at, work.tokens.back(), token, ordered);
    };
    // The longest token of at most `most` bytes that continues the encoding, or none.
    const auto longest = [&](std::size_t at, std::size_t most) {
        if (most >= 3) {
            const Vocabulary::Lengths& lengths = vocabulary_.lengths_after(piece + at);
            for (std::size_t n = std::min<std::size_t>(most, lengths.longest); n > 31; --n)
                if (const Token token = vocabulary_.find(piece + at, n); continues(at, token))
                    return token;
            std::uint32_t lefts = lengths.up_to_31;
            if (most < 31) lefts &= (2u << most) - 1;
            while (lefts != 0) {
                const auto n = static_cast<std::size_t>(31 - std::countl_zero(lefts));
                lefts ^= 1u << n;
                const Token token = n <= kPacked ? vocabulary_.find(key_of_readable(piece + at, n))
                                                 : vocabulary_.find(piece + at, n);
                if (continues(at, token)) return token;
            }
        }
        for (std::size_t n = std::min<std::size_t>(most, 2); n > 0; --n)
            if (const Token token = vocabulary_.find(key_of_readable(piece + at, n));
                continues(at, token))
                return token;
        return kNoToken;
    };

    std::size_t at = 0;
    std::size_t most = size;
    while (at < size && ordered) {
        const Token token = longest(at, most);
        if (token != kNoToken) {
            work.tokens.push_back(token);
            at += vocabulary_.length(token);
            most = size - at;
        } else if (!work.tokens.empty()) {
            work.dead[at / 64] |= std::uint64_t{1} << at % 64;
            most = vocabulary_.length(work.tokens.back());
            at -= most--;
            work.tokens.pop_back();
        } else {
            break;  // only where ranks do not rise
        }
    }
    const auto tokens = static_cast<std::int64_t>(work.tokens.size());
    constexpr std::size_t kKept = std::size_t{1} << 20;  // a huge piece is no reason to keep its room
    if (size > kKept) {
        work.piece = {};
        work.tokens = {};
        work.dead = {};
    }
    if (at < size || !ordered) return count_by_merging({bytes, size});
    return tokens;
}

std::int64_t Bpe::count_by_merging(std::string_view piece) const {
    if (piece.empty()) return 0;
    if (vocabulary_.find(piece.data(), piece.size()) != kNoToken) return 1;
    return static_cast<std::int64_t>(merge(vocabulary_, piece).tokens);
}

// Pieces --------------------------------------------------------------------------------------

// A piece that the cache does not hold.
std::int64_t Bpe::count_short(const BytesKey& key, std::uint64_t hash, std::size_t size,
                              Workspace& work) const {
    std::int64_t tokens = 1;
    if (vocabulary_.find(key, hash) == kNoToken)
        tokens = encode(reinterpret_cast<const char*>(&key), size, work);
    BytesKey& slot = work.counts[hash >> (64 - kCacheBits)];
    slot = {key.low, key.high | static_cast<std::uint64_t>(tokens) << 60};
    return tokens;
}

// A piece of any size with kReadable bytes at its address, or of more than kPacked bytes.
inline std::int64_t Bpe::count_any(const char* piece, std::size_t size, Workspace& work) const {
    if (size > kPacked) {
        if (vocabulary_.find(piece, size) != kNoToken) return 1;
        return encode(piece, size, work);
    }
    const BytesKey key = key_of_readable(piece, size);
    const std::uint64_t hash = hash_of(key);
    const BytesKey& slot = work.counts[hash >> (64 - kCacheBits)];
    if (((slot.low ^ key.low) | ((slot.high ^ key.high) & ~kCountBits)) == 0)
        return static_cast<std::int64_t>(slot.high >> 60);
    return count_short(key, hash, size, work);
}

std::int64_t Bpe::count_piece(std::string_view piece) const {
    if (piece.empty()) return 0;
    const Borrowed work(*this);
    char padded[kPacked + kReadable] = {};
    if (piece.size() > kPacked) return count_any(piece.data(), piece.size(), *work);
    std::memcpy(padded, piece.data(), piece.size());
    return count_any(padded, piece.size(), *work);
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
                    visit(at + end, count_any(block + begin, end - begin, work));
                    begin = end;
                }
                at += pieces.certain;
                continue;
            }
        }
        const std::size_t size = piece_end(pattern_, text, at) - at;
        const char* piece = size > kPacked ? text.data() + at : block;
        at += size;
        visit(at, count_any(piece, size, work));
    }
}

std::int64_t Bpe::count_from(std::string_view text, std::size_t& at, std::size_t stop) const {
    const Borrowed work(*this);
    std::int64_t total = 0;
    for_each_piece(text, at, std::min(stop, text.size()), *work,
                   [&](std::size_t, std::int64_t tokens) { total += tokens; });
    return total;
}

std::int64_t Bpe::count(std::string_view text) const {
    std::size_t at = 0;
    return count_from(text, at, text.size());
}

void Bpe::count_spans(std::string_view text, std::span<const ByteSpan> spans,
                      std::int64_t* counts) const {
    const Borrowed work(*this);
    // borders[i] is where piece i begins, totals[i] the tokens of what stands before it.
    std::vector<std::size_t> borders{0};
    std::vector<std::int64_t> totals{0};
    std::size_t at = 0;
    for_each_piece(text, at, text.size(), *work, [&](std::size_t end, std::int64_t tokens) {
        borders.push_back(end);
        totals.push_back(totals.back() + tokens);
    });
    for (std::size_t i = 0; i < spans.size(); ++i) {
        const std::string_view cut = text.substr(0, spans[i].end);
        // The last border that cutting the text leaves in place.
        std::size_t whole = cut.size();
        for (std::size_t begin = 0; is_whitespace_before(cut, whole, begin);) whole = begin;
        const auto last = static_cast<std::size_t>(
            std::upper_bound(borders.begin(), borders.end(), whole) - borders.begin() - 1);
        // From the span's start to a border of the text, or to the span's end.
        std::int64_t total = 0;
        at = spans[i].begin;
        auto next = static_cast<std::size_t>(
            std::lower_bound(borders.begin(), borders.end(), at) - borders.begin());
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
