#include "core/tokenizer/sentence_piece.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <queue>
#include <stdexcept>
#include <unordered_map>

#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

using File = SentencePieceFile;

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";
constexpr float kLargeScore = 100000.0f;
constexpr std::uint32_t kUnreached = 0xFFFFFFFFu;
constexpr std::size_t kKept = std::size_t{1} << 16;  // nodes that are kept from text to text

bool is_reserved(File::Kind kind) {
    return kind == File::unknown || kind == File::control || kind == File::byte;
}

std::size_t size_at(std::string_view text, std::size_t at) {
    return std::min(character_size(text[at]), text.size() - at);
}

}  // namespace

// Tokens of pieces that are given from left to right, or all from right to left.
class SentencePieceModel::PieceCount {
public:
    explicit PieceCount(bool byte_fallback) : byte_fallback_(byte_fallback) {}

    void add(bool unknown, std::size_t bytes) {
        if (unknown && byte_fallback_)
            tokens += static_cast<std::int64_t>(bytes);
        else if (!unknown || !last_unknown_)
            ++tokens;
        last_unknown_ = unknown;
    }

    std::int64_t tokens = 0;

private:
    bool byte_fallback_;
    bool last_unknown_ = false;
};

SentencePieceModel::SentencePieceModel(const File& file)
    : type_(file.type), byte_fallback_(file.byte_fallback), ids_(file.pieces.size()) {
    check(file);
    std::vector<std::pair<std::string_view, std::uint32_t>> defined;
    for (std::uint32_t i = 0; i < file.pieces.size(); ++i) {
        const File::Piece& piece = file.pieces[i];
        scores_.push_back(piece.score);
        kinds_.push_back(piece.kind);
        longest_ = std::max(longest_, piece.text.size());
        if (piece.kind != File::user_defined) continue;
        defined.emplace_back(piece.text, i);
        may_begin_[static_cast<unsigned char>(piece.text[0])] = true;
    }
    user_defined_ = Trie(std::move(defined));
    if (type_ == File::unigram) read_unigram(file);
    if (type_ == File::byte_pair) read_byte_pairs(file);
}

void SentencePieceModel::check(const File& file) {
    const auto refuse = [](const std::string& what) {
        throw std::invalid_argument("the pieces of the SentencePiece model are wrong: " + what);
    };
    std::array<bool, 256> bytes{};
    StringIndex reserved;
    for (std::uint32_t i = 0; i < file.pieces.size(); ++i) {
        const File::Piece& piece = file.pieces[i];
        if (piece.text.empty()) refuse("piece " + std::to_string(i) + " is empty");
        if (!std::isfinite(piece.score)) refuse("a score is no number");
        StringIndex& index = is_reserved(piece.kind) ? reserved : ids_;
        if (!index.set(piece.text, i)) refuse("'" + std::string(piece.text) + "' is given twice");
        if (piece.kind == File::unknown) {
            if (unknown_ != StringIndex::kNone) refuse("there are two for what is unknown");
            unknown_ = i;
        }
        if (piece.kind == File::byte) {
            constexpr std::string_view kDigits = "0123456789ABCDEF";
            const std::string_view text = piece.text;
            const bool framed = text.size() == 6 && text.starts_with("<0x") && text[5] == '>';
            const std::size_t high = framed ? kDigits.find(text[3]) : std::string_view::npos;
            const std::size_t low = framed ? kDigits.find(text[4]) : std::string_view::npos;
            if (!file.byte_fallback || high > 15 || low > 15)
                refuse("'" + std::string(text) + "' is no byte, or bytes are not in use");
            bytes[high * 16 + low] = true;
        }
    }
    if (unknown_ == StringIndex::kNone) refuse("there is none for what is unknown");
    if (file.byte_fallback && std::find(bytes.begin(), bytes.end(), false) != bytes.end())
        refuse("not all bytes have one");
}

void SentencePieceModel::read_unigram(const File& file) {
    float least = FLT_MAX;
    std::vector<std::pair<std::string_view, std::uint32_t>> strings;
    for (std::uint32_t i = 0; i < file.pieces.size(); ++i) {
        const File::Piece& piece = file.pieces[i];
        if (piece.kind == File::normal) least = std::min(least, piece.score);
        if (piece.kind == File::normal || piece.kind == File::user_defined)
            strings.emplace_back(piece.text, i);
    }
    unknown_score_ = least - 10.0f;
    pieces_ = Trie(std::move(strings));
}

// The merges that two neighbours have if both together are a piece. They are left out, so that the
// text is counted as defined, if a piece is unused, or has a character that is no piece itself.
void SentencePieceModel::read_byte_pairs(const File& file) {
    std::vector<std::string_view> vocabulary{""};  // the first is for what is unknown
    std::vector<float> scores;
    for (const File::Piece& piece : file.pieces) {
        if (piece.kind == File::unused) return;
        if (piece.kind == File::normal) scores.push_back(piece.score);
        const bool names_byte =
            piece.kind == File::byte && ids_.find(piece.text) == StringIndex::kNone;
        if (piece.kind == File::normal || names_byte) vocabulary.push_back(piece.text);
    }
    StringIndex symbols(vocabulary.size());
    for (std::uint32_t i = 1; i < vocabulary.size(); ++i) symbols.set(vocabulary[i], i);
    std::sort(scores.begin(), scores.end(), std::greater<>());
    scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
    std::vector<Merge> merges;
    for (const File::Piece& piece : file.pieces) {
        if (piece.kind != File::normal) continue;
        const Symbol result = symbols.find(piece.text);
        const auto place =
            std::lower_bound(scores.begin(), scores.end(), piece.score, std::greater<>());
        const auto rank = static_cast<std::uint32_t>(place - scores.begin()) + 1;
        const std::size_t first = size_at(piece.text, 0);
        for (std::size_t at = first; at < piece.text.size(); at += size_at(piece.text, at)) {
            const std::string_view character = piece.text.substr(at, size_at(piece.text, at));
            const std::uint32_t id = ids_.find(character);
            const std::uint32_t begin = ids_.find(piece.text.substr(0, first));
            if (id == StringIndex::kNone || begin == StringIndex::kNone) return;
            const std::uint32_t left = ids_.find(piece.text.substr(0, at));
            const std::uint32_t right = ids_.find(piece.text.substr(at));
            const auto merges_with = [&](std::uint32_t part) {
                return part != StringIndex::kNone && kinds_[part] == File::normal;
            };
            if (merges_with(left) && merges_with(right))
                merges.push_back({symbols.find(piece.text.substr(0, at)),
                                  symbols.find(piece.text.substr(at)), result, rank});
        }
    }
    std::stable_sort(merges.begin(), merges.end(),
                     [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
    MergeOptions options;
    options.unknown = "";
    options.byte_fallback = byte_fallback_;
    options.fuse_unknown = true;
    auto model = std::make_unique<MergeModel>(vocabulary, std::move(merges), options);
    if (model->fast()) merges_ = std::move(model);
}

// The size of the longest user-defined piece at a place, or 0.
std::size_t SentencePieceModel::user_defined_at(std::string_view text, std::size_t at) const {
    if (!may_begin_[static_cast<unsigned char>(text[at])]) return 0;
    std::size_t longest = 0;
    user_defined_.prefixes(text.substr(at), [&](std::size_t size, auto) { longest = size; });
    return longest;
}

// Pieces that are reserved, such as those for control, are not found in text; nor are unused ones.
bool SentencePieceModel::is_unknown(std::string_view piece) const {
    const std::uint32_t id = ids_.find(piece);
    return id == StringIndex::kNone || kinds_[id] == File::unused;
}

std::int64_t SentencePieceModel::count(std::string_view text) const {
    if (text.empty()) return 0;
    if (text.size() > 0x7FFFFFFF) throw std::invalid_argument("a text of more than 2 GB");
    switch (type_) {
        case File::unigram: return count_unigram(text);
        case File::byte_pair:
            return merges_ != nullptr ? count_byte_pairs(text) : count_as_defined(text);
        case File::word: return count_words(text);
        case File::character: return count_characters(text);
    }
    return 0;
}

std::int64_t SentencePieceModel::count_byte_pairs(std::string_view text) const {
    std::int64_t tokens = 0;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = user_defined_at(text, at);
        if (size == 0) {
            at += size_at(text, at);
            continue;
        }
        tokens += merges_->count(text.substr(begin, at - begin)) + 1;
        begin = at += size;
    }
    return tokens + merges_->count(text.substr(begin));
}

// Neighbours are merged from a heap; a merged symbol's size is 0.
std::int64_t SentencePieceModel::count_as_defined(std::string_view text) const {
    struct Node {
        std::int32_t previous, next;
        std::size_t begin, size;
        bool frozen;
    };
    struct Pair {
        float score;
        std::int32_t left, right;
        std::size_t size;
        bool operator<(const Pair& other) const {
            return score != other.score ? score < other.score : left > other.left;
        }
    };
    std::vector<Node> nodes;
    for (std::size_t at = 0; at < text.size(); at += nodes.back().size) {
        const std::size_t defined = user_defined_at(text, at);
        const auto i = static_cast<std::int32_t>(nodes.size());
        nodes.push_back({i - 1, i + 1, at, defined > 0 ? defined : size_at(text, at), defined > 0});
    }
    nodes.back().next = -1;
    const auto node = [&](std::int32_t i) -> Node& { return nodes[static_cast<std::size_t>(i)]; };
    // How unused pieces are taken apart: as they were put together last.
    std::unordered_map<std::string_view, std::size_t> splits;
    std::priority_queue<Pair> heap;
    const auto push = [&](std::int32_t left, std::int32_t right) {
        if (left < 0 || right < 0 || node(left).frozen || node(right).frozen) return;
        const std::size_t size = node(left).size + node(right).size;
        if (size > longest_) return;
        const std::string_view both = text.substr(node(left).begin, size);
        const std::uint32_t id = ids_.find(both);
        if (id == StringIndex::kNone) return;
        heap.push({scores_[id], left, right, size});
        if (kinds_[id] == File::unused) splits[both] = node(left).size;
    };
    for (std::int32_t i = 1; i < static_cast<std::int32_t>(nodes.size()); ++i) push(i - 1, i);
    while (!heap.empty()) {
        const Pair pair = heap.top();
        heap.pop();
        Node& left = node(pair.left);
        Node& right = node(pair.right);
        if (left.size == 0 || right.size == 0 || left.size + right.size != pair.size) continue;
        left.size = pair.size;
        left.next = right.next;
        if (right.next >= 0) node(right.next).previous = pair.left;
        right.size = 0;
        push(left.previous, pair.left);
        push(pair.left, left.next);
    }
    PieceCount total(byte_fallback_);
    std::vector<std::string_view> parts;
    for (std::int32_t i = 0; i >= 0; i = node(i).next) {
        parts.push_back(text.substr(node(i).begin, node(i).size));
        while (!parts.empty()) {
            const std::string_view part = parts.back();
            parts.pop_back();
            const auto split = splits.find(part);
            if (split == splits.end()) {
                total.add(is_unknown(part), part.size());
            } else {
                parts.push_back(part.substr(split->second));
                parts.push_back(part.substr(0, split->second));
            }
        }
    }
    return total.tokens;
}

std::int64_t SentencePieceModel::count_unigram(std::string_view text) const {
    const WorkspacePool<UnigramWork>::Borrowed work(pool_);
    auto& nodes = (*work).float_nodes;
    nodes.assign(text.size() + 1, {0, kUnreached, 0});
    std::size_t furthest = 0;  // place reached
    for (std::size_t at = 0; at < text.size();) {
        // Sums are kept small, as the library keeps them: from time to time all are counted from here.
        if (std::abs(nodes[at].score) > kLargeScore) {
            const float offset = nodes[at].score;
            for (std::size_t i = at; i <= furthest; ++i)
                if (i == at || nodes[i].begin != kUnreached) nodes[i].score -= offset;
        }
        const float here = nodes[at].score;
        const auto reach = [&](std::size_t size, float score, std::uint32_t token) {
            UnigramWork::FloatNode& node = nodes[at + size];
            const float sum = score + here;
            furthest = std::max(furthest, at + size);
            if (node.begin == kUnreached || sum > node.score)
                node = {sum, static_cast<std::uint32_t>(at), token};
        };
        const std::size_t character = size_at(text, at);
        bool known = false;
        pieces_.prefixes(text.substr(at), [&](std::size_t size, std::uint32_t token) {
            const float score = kinds_[token] == File::user_defined
                                    ? static_cast<float>(0.1 * static_cast<double>(size - 1))
                                    : scores_[token];
            reach(size, score, token);
            known = known || size == character;
        });
        if (!known) reach(character, unknown_score_, unknown_);
        at += character;
    }
    PieceCount total(byte_fallback_);
    for (std::size_t end = text.size(); end > 0; end = nodes[end].begin)
        total.add(nodes[end].token == unknown_, end - nodes[end].begin);
    if (nodes.size() > kKept) nodes = {};
    return total.tokens;
}

std::int64_t SentencePieceModel::count_words(std::string_view text) const {
    PieceCount total(byte_fallback_);
    std::size_t begin = 0;
    const auto add = [&](std::size_t end) {
        total.add(is_unknown(text.substr(begin, end - begin)), end - begin);
        begin = end;
    };
    for (std::size_t at = text.find(kSpaceMark, 1); at < text.size();
         at = text.find(kSpaceMark, at + 1))
        add(at);
    add(text.size());
    return total.tokens;
}

std::int64_t SentencePieceModel::count_characters(std::string_view text) const {
    PieceCount total(byte_fallback_);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t defined = user_defined_at(text, at);
        const std::size_t size = defined > 0 ? defined : size_at(text, at);
        total.add(is_unknown(text.substr(at, size)), size);
        at += size;
    }
    return total.tokens;
}

}  // namespace ctxmem
