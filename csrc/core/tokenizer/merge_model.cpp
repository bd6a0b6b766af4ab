#include "core/tokenizer/merge_model.hpp"

#include <algorithm>

#include "core/text/unicode.hpp"
#include "core/tokenizer/byte_alphabet.hpp"

namespace ctxmem {
namespace {

constexpr char32_t kSpaceMark = 0x2581;  // "▁", SentencePiece's space
constexpr std::uint32_t kPairBits = 20;

// The place of a pair of characters in the table of bits: ASCII and "▁" have places of their own.
std::uint32_t place_of_pair(char32_t before, char32_t after) {
    const auto code = [](char32_t c) -> std::uint32_t {
        return c < 0x7F ? c : c == kSpaceMark ? 0x7F : 0x80;
    };
    const std::uint32_t one = code(before);
    const std::uint32_t two = code(after);
    if (one < 0x80 && two < 0x80) return one << 7 | two;
    const std::uint32_t hash = (before * 0x9E3779B1u ^ after) * 0x85EBCA6Bu >> (32 - kPairBits);
    return std::max(hash, 1u << 14);
}

StringIndex index_of(std::span<const std::string_view> vocabulary) {
    if (vocabulary.size() >= kNoSymbol / 2)
        throw std::invalid_argument("a vocabulary of more than 2**31 tokens");
    StringIndex ids(vocabulary.size());
    for (std::uint32_t i = 0; i < vocabulary.size(); ++i) ids.set(vocabulary[i], i);
    return ids;
}

}  // namespace

MergeModel::MergeModel(std::span<const std::string_view> vocabulary, std::vector<Merge> merges,
                       const MergeOptions& options)
    : options_(options) {
    read(vocabulary, merges, index_of(vocabulary));
}

MergeModel::MergeModel(std::span<const std::string_view> vocabulary,
                       std::span<const std::pair<std::string_view, std::string_view>> merges,
                       const MergeOptions& options)
    : options_(options) {
    if (merges.size() >= kNoSymbol / 2)
        throw std::invalid_argument("a vocabulary of more than 2**31 merges");
    const StringIndex ids = index_of(vocabulary);
    const auto id_of = [&](std::string_view token, std::size_t i) {
        const Symbol id = ids.find(token);
        if (id == kNoSymbol)
            throw std::invalid_argument("merge " + std::to_string(i) + " needs the token '" +
                                        std::string(token) + "', which is not in the vocabulary");
        return id;
    };
    std::vector<Merge> list;
    list.reserve(merges.size());
    std::string joined;
    for (std::size_t i = 0; i < merges.size(); ++i) {
        const auto& [left, right] = merges[i];
        if (right.size() <= options.prefix.size())
            throw Unsupported("a merge that adds nothing: '" + std::string(right) + "'");
        joined.assign(left).append(right.substr(options.prefix.size()));
        list.push_back(
            {id_of(left, i), id_of(right, i), id_of(joined, i), static_cast<std::uint32_t>(i + 1)});
    }
    read(vocabulary, list, ids);
}

void MergeModel::read(std::span<const std::string_view> vocabulary,
                      const std::vector<Merge>& merges, const StringIndex& ids) {
    const MergeOptions& options = options_;
    affixed_ = !options.prefix.empty() || !options.suffix.empty();
    read_bases(ids, vocabulary);

    // The text of each token, as pieces have it.
    std::vector<std::string> spelled(options.byte_level ? vocabulary.size() : 0);
    std::vector<std::string_view> texts(vocabulary.begin(), vocabulary.end());
    std::vector<bool> is_base(vocabulary.size(), false);
    if (options.byte_level)
        for (std::size_t i = 0; i < vocabulary.size(); ++i) {
            const auto bytes = bytes_of_letters(vocabulary[i]);
            if (bytes) spelled[i] = *bytes;
            texts[i] = spelled[i];
        }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (texts[i].empty()) continue;
        is_base[i] =
            options.byte_level ? texts[i].size() == 1 : decode(texts[i], 0).size == texts[i].size();
    }
    encoder_ = MergeEncoder(merges, texts, is_base);

    // What replaces an unknown character must take part in no merge.
    std::vector<bool> replaces(vocabulary.size(), false);
    if (unknown_ != kNoSymbol) replaces[unknown_] = true;
    for (const Symbol byte : bytes_)
        if (options.byte_fallback && byte != kNoSymbol) replaces[byte] = true;
    const bool apart = std::none_of(merges.begin(), merges.end(), [&](const Merge& merge) {
        return replaces[merge.left] || replaces[merge.right];
    });
    const bool covered =
        (options.byte_fallback && all_bytes_) || (unknown_ != kNoSymbol && !options.byte_fallback);
    bool every_byte = options.byte_level;
    for (unsigned byte = 0; byte < 256 && every_byte; ++byte)
        every_byte = bases_[0].find(byte) != kNoSymbol;
    fast_ = encoder_.ordered() && !affixed_ && (options.byte_level ? every_byte : covered && apart);
    if (fast_ && !options.byte_level) read_pairs(texts);
    if (options.ignore_merges)
        for (std::uint32_t i = 0; i < texts.size(); ++i)
            if (!texts[i].empty() && (!fast_ || !encoder_.is_made(i))) whole_.set(texts[i], i);
}

void MergeModel::add_base(const StringIndex& ids, char32_t c, std::string_view name) {
    for (unsigned place = 0; place < (affixed_ ? 4u : 1u); ++place) {
        std::string called((place & 1) != 0 ? options_.prefix : "");
        called.append(name).append((place & 2) != 0 ? options_.suffix : "");
        if (const Symbol id = ids.find(called); id != kNoSymbol) bases_[place].set(c, id);
    }
}

void MergeModel::read_bases(const StringIndex& ids, std::span<const std::string_view> vocabulary) {
    if (options_.byte_level) {
        for (unsigned byte = 0; byte < 256; ++byte)
            add_base(ids, byte, letter_of_byte(static_cast<unsigned char>(byte)));
    } else {
        // A token that is one character between a prefix and a suffix, or without them.
        for (std::string_view token : vocabulary)
            for (unsigned place = 0; place < (affixed_ ? 4u : 1u); ++place) {
                std::string_view name = token;
                if ((place & 1) != 0 && name.starts_with(options_.prefix))
                    name.remove_prefix(options_.prefix.size());
                if ((place & 2) != 0 && name.ends_with(options_.suffix))
                    name.remove_suffix(options_.suffix.size());
                if (name.empty()) continue;
                if (const CodePoint c = decode(name, 0); c.size == name.size())
                    add_base(ids, c.value, name);
            }
    }
    all_bytes_ = true;
    constexpr char kDigits[] = "0123456789ABCDEF";
    for (unsigned byte = 0; byte < 256; ++byte) {
        const std::string name = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
        bytes_[byte] = ids.find(name);
        // A character of one byte that is in the vocabulary is never replaced.
        all_bytes_ = all_bytes_ && (bytes_[byte] != kNoSymbol ||
                                    (byte < 0x80 && bases_[0].find(byte) != kNoSymbol));
    }
    if (options_.unknown) unknown_ = ids.find(*options_.unknown);
}

void MergeModel::read_pairs(std::span<const std::string_view> texts) {
    pairs_.assign((std::size_t{1} << kPairBits) / 64, 0);
    for (std::uint32_t i = 0; i < texts.size(); ++i) {
        if (!encoder_.is_made(i)) continue;
        char32_t before = 0;
        for (std::size_t at = 0; at < texts[i].size();) {
            const CodePoint c = decode(texts[i], at);
            if (at > 0) {
                const std::uint32_t place = place_of_pair(before, c.value);
                pairs_[place / 64] |= std::uint64_t{1} << place % 64;
            }
            before = c.value;
            at += c.size;
        }
    }
}

bool MergeModel::is_cut(std::uint32_t before, std::uint32_t after) const {
    const std::uint32_t place = place_of_pair(before, after);
    return (pairs_[place / 64] >> place % 64 & 1) == 0;
}

std::int64_t MergeModel::count(std::string_view piece) const {
    if (piece.empty()) return 0;
    const WorkspacePool<MergeWork>::Borrowed work(pool_);
    if (fast_ && !options_.byte_level) {
        if (options_.ignore_merges && whole_.find(piece) != StringIndex::kNone) return 1;
        return count_cut(piece, *work);
    }
    if (piece.size() > PieceCache::kLong) return count_whole(piece, *work);
    return (*work).cache.get(piece, [&] { return count_whole(piece, *work); });
}

std::int64_t MergeModel::count_by_merging(std::string_view piece) const {
    if (piece.empty()) return 0;
    const WorkspacePool<MergeWork>::Borrowed work(pool_);
    if (options_.ignore_merges && whole_.find(piece) != StringIndex::kNone) return 1;
    return count_merged(piece, *work);
}

// A piece that is not cut.
std::int64_t MergeModel::count_whole(std::string_view piece, MergeWork& work) const {
    if (options_.ignore_merges && whole_.find(piece) != StringIndex::kNone) return 1;
    return fast_ ? count_part(piece, work) : count_merged(piece, work);
}

// A text of base symbols, by the quick way if it goes.
std::int64_t MergeModel::count_part(std::string_view part, MergeWork& work) const {
    const auto tokens = encoder_.encode(part, work);
    return tokens ? *tokens : count_merged(part, work);
}

// A piece cut where no merge goes across: at characters that are not in the vocabulary, which take
// part in no merges, and between characters that no symbol has side by side.
std::int64_t MergeModel::count_cut(std::string_view piece, MergeWork& work) const {
    std::int64_t tokens = 0;
    std::size_t begin = 0;  // of the part
    const auto end_part = [&](std::size_t end) {
        if (begin == end) return;
        const std::string_view part = piece.substr(begin, end - begin);
        tokens += part.size() > PieceCache::kLong
                      ? count_part(part, work)
                      : work.cache.get(part, [&] { return count_part(part, work); });
    };
    bool unknown = false;  // the character before
    char32_t before = 0;
    for (std::size_t at = 0; at < piece.size();) {
        const CodePoint c = decode(piece, at);
        if (bases_[0].find(c.value) == kNoSymbol) {
            end_part(at);
            if (options_.byte_fallback)
                tokens += c.size;
            else if (!options_.fuse_unknown || !unknown)
                ++tokens;
            begin = at + c.size;
            unknown = true;
        } else {
            if (at > begin && is_cut(before, c.value)) {
                end_part(at);
                begin = at;
            }
            unknown = false;
        }
        before = c.value;
        at += c.size;
    }
    end_part(piece.size());
    return tokens;
}

// As defined: the symbols of the characters, merged.
std::int64_t MergeModel::count_merged(std::string_view piece, MergeWork& work) const {
    auto& symbols = work.symbols;
    symbols.clear();
    bool unknown = false;  // one is to be added before the next symbol of the vocabulary
    std::string name;
    for (std::size_t at = 0; at < piece.size();) {
        const CodePoint c = options_.byte_level
                                ? CodePoint{static_cast<unsigned char>(piece[at]), 1}
                                : decode(piece, at);
        const bool last = at + c.size == piece.size();
        const unsigned place = affixed_ ? (at > 0 ? 1u : 0u) | (last ? 2u : 0u) : 0u;
        const std::string_view bytes = piece.substr(at, c.size);
        at += c.size;
        if (const Symbol base = bases_[place].find(c.value); base != kNoSymbol) {
            if (unknown) symbols.push_back(unknown_);
            unknown = false;
            symbols.push_back(base);
            continue;
        }
        if (options_.byte_fallback) {
            name.assign((place & 1) != 0 ? options_.prefix : "");
            if (options_.byte_level)
                name.append(letter_of_byte(static_cast<unsigned char>(c.value)));
            else
                name.append(bytes);
            name.append((place & 2) != 0 ? options_.suffix : "");
            const auto symbol = [&](char byte) { return bytes_[static_cast<unsigned char>(byte)]; };
            if (std::all_of(name.begin(), name.end(),
                            [&](char byte) { return symbol(byte) != kNoSymbol; })) {
                for (const char byte : name) symbols.push_back(symbol(byte));
                continue;
            }
        }
        if (!options_.unknown) continue;  // the character is dropped
        if (unknown_ == kNoSymbol)
            throw std::invalid_argument(
                "the text has a character that the vocabulary has not, and "
                "the token for unknown ones, '" +
                *options_.unknown + "', is not in the vocabulary either");
        if (unknown && !options_.fuse_unknown) symbols.push_back(unknown_);
        unknown = true;
    }
    if (unknown) symbols.push_back(unknown_);
    const std::size_t tokens = encoder_.merge(symbols, work);
    if (symbols.capacity() > std::size_t{1} << 18) symbols = {};
    return static_cast<std::int64_t>(tokens);
}

}  // namespace ctxmem
