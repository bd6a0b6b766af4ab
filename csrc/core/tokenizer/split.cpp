#include "core/tokenizer/split.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "core/text/unicode.hpp"
#include "core/tokenizer/byte_alphabet.hpp"
#include "core/tokenizer/regex.hpp"
#include "core/tokenizer/regex_program.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kMostStages = 64;

std::size_t character_end(std::string_view text, std::size_t at) {
    return at + decode(text, at).size;
}

// Behaviours ----------------------------------------------------------------------------------

// Makes pieces of the parts of a text, which come in order and say whether they matched.
class Pieces {
public:
    Pieces(std::string_view text, SplitBehaviour behaviour, PieceSink& sink)
        : text_(text), behaviour_(behaviour), sink_(sink) {}

    void part(std::size_t begin, std::size_t end, bool matched) {
        switch (behaviour_) {
            case SplitBehaviour::isolated: give(begin, end); return;
            case SplitBehaviour::removed:
                if (!matched) give(begin, end);
                return;
            case SplitBehaviour::contiguous: joins_ = matched == matched_; break;
            case SplitBehaviour::merged_with_previous: joins_ = matched && !matched_; break;
            case SplitBehaviour::merged_with_next: joins_ = !matched && matched_; break;
        }
        if (!joins_) {
            give(begin_, end_);
            begin_ = begin;
        }
        end_ = end;
        matched_ = matched;
    }

    void finish() { give(begin_, end_); }

private:
    void give(std::size_t begin, std::size_t end) {
        if (begin < end) sink_.piece(text_.substr(begin, end - begin));
    }

    std::string_view text_;
    SplitBehaviour behaviour_;
    PieceSink& sink_;
    std::size_t begin_ = 0, end_ = 0;  // of the piece that may still grow
    bool matched_ = false;             // whether the last part did
    bool joins_ = false;
};

// What matches -----------------------------------------------------------------------------------

class FindRegex {
public:
    FindRegex(std::string_view regex, Engine engine) : regex_(regex, engine) {}

    template <class Part>
    void operator()(std::string_view text, Part part) const {
        RegexMatches matches(regex_, text);
        RegexMatch match{};
        std::size_t at = 0;
        while (matches.next(match)) {
            if (match.begin > at) part(at, match.begin, false);
            part(match.begin, match.end, true);
            at = match.end;
        }
        if (at < text.size()) part(at, text.size(), false);
    }

private:
    Regex regex_;
};

class FindString {
public:
    explicit FindString(std::string_view wanted) : wanted_(wanted) {
        if (wanted.empty()) throw Unsupported("a split at the empty string");
    }

    template <class Part>
    void operator()(std::string_view text, Part part) const {
        std::size_t at = 0;
        for (;;) {
            const std::size_t found = text.find(wanted_, at);
            const std::size_t begin = std::min(found, text.size());
            if (begin > at) part(at, begin, false);
            if (found == std::string_view::npos) return;
            at = begin + wanted_.size();
            part(begin, at, true);
        }
    }

private:
    std::string wanted_;
};

// Each character of a set is a match of its own.
class FindSet {
public:
    explicit FindSet(const CharSet& set) : set_(set) {}

    template <class Part>
    void operator()(std::string_view text, Part part) const {
        std::size_t done = 0;
        for (std::size_t at = 0; at < text.size();) {
            const std::uint8_t answer = set_.lead[static_cast<unsigned char>(text[at])];
            if (answer == RegexSet::no) {
                // The other bytes of a character are no first bytes of one.
                ++at;
                continue;
            }
            const CodePoint c = decode(text, at);
            const std::size_t end = at + c.size;
            if (answer != RegexSet::look || set_.test(c.value)) {
                if (at > done) part(done, at, false);
                part(at, end, true);
                done = end;
            }
            at = end;
        }
        if (text.size() > done) part(done, text.size(), false);
    }

private:
    RegexSet set_;
};

template <class Find>
class SplitAt final : public PreTokeniser {
public:
    SplitAt(Find find, SplitBehaviour behaviour, bool invert)
        : find_(std::move(find)), behaviour_(behaviour), invert_(invert) {}

    void split(std::string_view text, bool, PieceSink& sink) const override {
        Pieces pieces(text, behaviour_, sink);
        find_(text, [&](std::size_t begin, std::size_t end, bool matched) {
            pieces.part(begin, end, matched != invert_);
        });
        pieces.finish();
    }

private:
    Find find_;
    SplitBehaviour behaviour_;
    bool invert_;
};

template <class Find>
PreTokeniserPtr split_at(Find find, SplitBehaviour behaviour, bool invert = false) {
    return std::make_unique<SplitAt<Find>>(std::move(find), behaviour, invert);
}

// Known patterns ------------------------------------------------------------------------------

class SplitPattern final : public PreTokeniser {
public:
    explicit SplitPattern(Pattern pattern) : pattern_(pattern) {}

    void split(std::string_view text, bool, PieceSink& sink) const override {
        std::size_t at = 0;
        while (at < text.size()) {
            const PieceStarts starts = starts_at(text, at);
            std::size_t from = 0;
            for (std::uint64_t bits = starts.bits & ~std::uint64_t{1}; bits != 0;
                 bits &= bits - 1) {
                const auto to = static_cast<std::size_t>(std::countr_zero(bits));
                sink.piece(text.substr(at + from, to - from));
                from = to;
            }
            at += starts.certain;
            if (starts.certain != 0) continue;
            const std::size_t end = piece_end(pattern_, text, at);
            sink.piece(text.substr(at, end - at));
            at = end;
        }
    }

    const Pattern& pattern() const { return pattern_; }

private:
    PieceStarts starts_at(std::string_view text, std::size_t at) const {
        const std::size_t left = text.size() - at;
        if (left >= kBlock) return piece_starts(pattern_, text.data() + at, kBlock, false);
        char copy[kBlock] = {};
        std::memcpy(copy, text.data() + at, left);
        return piece_starts(pattern_, copy, left, true);
    }

    Pattern pattern_;
};

// Those that change the text ------------------------------------------------------------------

class ByteLevel final : public PreTokeniser {
public:
    ByteLevel(bool add_prefix_space, bool use_regex)
        : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}

    void split(std::string_view text, bool first, PieceSink& sink) const override {
        std::string prefixed;
        if (add_prefix_space_ && !text.empty() && text[0] != ' ') {
            prefixed.reserve(text.size() + 1);
            prefixed.append(" ").append(text);
            text = prefixed;
        }
        if (use_regex_)
            gpt2_.split(text, first, sink);
        else if (!text.empty())
            sink.piece(text);
    }

    bool changes_nothing() const { return !add_prefix_space_ && !use_regex_; }
    const Pattern* pattern() const {
        return use_regex_ && !add_prefix_space_ ? &gpt2_.pattern() : nullptr;
    }

private:
    bool add_prefix_space_;
    bool use_regex_;
    SplitPattern gpt2_{Pattern::gpt2};
};

class Metaspace final : public PreTokeniser {
public:
    Metaspace(std::string_view replacement, Prepend prepend, bool split)
        : replacement_(replacement), prepend_(prepend), split_(split), find_(replacement) {}

    void split(std::string_view text, bool first, PieceSink& sink) const override {
        if (text.empty()) return;
        std::string changed;
        const bool starts = text[0] == ' ' || text.starts_with(replacement_);
        if (!starts && (prepend_ == Prepend::always || (prepend_ == Prepend::first && first)))
            changed = replacement_;
        std::size_t at = 0;
        for (;;) {
            const std::size_t blank = text.find(' ', at);
            changed.append(text, at, std::min(blank, text.size()) - at);
            if (blank == std::string_view::npos) break;
            changed += replacement_;
            at = blank + 1;
        }
        if (!split_) {
            sink.piece(changed);
            return;
        }
        Pieces pieces(changed, SplitBehaviour::merged_with_next, sink);
        find_(changed, [&](std::size_t begin, std::size_t end, bool matched) {
            pieces.part(begin, end, matched);
        });
        pieces.finish();
    }

private:
    std::string replacement_;
    Prepend prepend_;
    bool split_;
    FindString find_;
};

// Others --------------------------------------------------------------------------------------

class Whole final : public PreTokeniser {
public:
    void split(std::string_view text, bool, PieceSink& sink) const override {
        if (!text.empty()) sink.piece(text);
    }
};

class FixedLength final : public PreTokeniser {
public:
    explicit FixedLength(std::size_t characters) : characters_(characters) {}

    void split(std::string_view text, bool, PieceSink& sink) const override {
        for (std::size_t at = 0; at < text.size();) {
            std::size_t end = at;
            for (std::size_t i = 0; i < characters_ && end < text.size(); ++i)
                end = character_end(text, end);
            sink.piece(text.substr(at, end - at));
            at = end;
        }
    }

private:
    std::size_t characters_;
};

class Sequence final : public PreTokeniser {
public:
    explicit Sequence(std::vector<PreTokeniserPtr> stages) : stages_(std::move(stages)) {}

    std::vector<PreTokeniserPtr>& stages() { return stages_; }

    void split(std::string_view text, bool first, PieceSink& sink) const override {
        split_from(0, text, first, sink);
    }

private:
    // Gives the pieces of one stage to the next.
    class Next final : public PieceSink {
    public:
        Next(const Sequence& all, std::size_t stage, std::string_view text, bool first,
             PieceSink& sink)
            : all_(all), stage_(stage), text_(text), first_(first), sink_(sink) {}

        void piece(std::string_view piece) override {
            // A piece behind something that was dropped does not begin the input.
            const bool within =
                piece.data() >= text_.data() && piece.data() < text_.data() + text_.size();
            all_.split_from(stage_, piece, first_ && (!within || piece.data() == text_.data()),
                            sink_);
            first_ = false;
        }

    private:
        const Sequence& all_;
        std::size_t stage_;
        std::string_view text_;
        bool first_;
        PieceSink& sink_;
    };

    void split_from(std::size_t stage, std::string_view text, bool first, PieceSink& sink) const {
        if (stage + 1 == stages_.size()) {
            stages_[stage]->split(text, first, sink);
            return;
        }
        Next next(*this, stage + 1, text, first, sink);
        stages_[stage]->split(text, first, next);
    }

    std::vector<PreTokeniserPtr> stages_;
};

// What follows ByteLevel: it sees the letters of bytes, and its pieces are bytes again. It only cuts
// (split_sequence sees to that), so that there are no characters but these letters.
class BehindByteLevel final : public PreTokeniser {
public:
    explicit BehindByteLevel(PreTokeniserPtr rest) : rest_(std::move(rest)) {}

    void split(std::string_view text, bool first, PieceSink& sink) const override {
        std::string mapped;
        mapped.reserve(text.size() + text.size() / 2);
        for (const char c : text) mapped += letter_of_byte(static_cast<unsigned char>(c));
        Bytes bytes(sink);
        rest_->split(mapped, first, bytes);
    }

private:
    class Bytes final : public PieceSink {
    public:
        explicit Bytes(PieceSink& sink) : sink_(sink) {}
        void piece(std::string_view piece) override {
            bytes_.clear();
            for (std::size_t at = 0; at < piece.size();) {
                const CodePoint letter = decode(piece, at);
                bytes_ += static_cast<char>(kByteOfLetter[letter.value]);
                at += letter.size;
            }
            sink_.piece(bytes_);
        }

    private:
        PieceSink& sink_;
        std::string bytes_;
    };

    PreTokeniserPtr rest_;
};

template <class Kind>
bool is_a(const PreTokeniser& pre_tokeniser) {
    return dynamic_cast<const Kind*>(&pre_tokeniser) != nullptr;
}

CharSet numeric_set() {
    return CharSet::named("N") | CharSet(std::span<const CharRange>(tables::kMoreNumeric));
}

CharSet punctuation_set() { return CharSet(std::span<const CharRange>(tables::kPunctuation)); }

std::vector<PreTokeniserPtr> pair_of(PreTokeniserPtr first, PreTokeniserPtr second) {
    std::vector<PreTokeniserPtr> both;
    both.push_back(std::move(first));
    both.push_back(std::move(second));
    return both;
}

}  // namespace

SplitBehaviour split_behaviour(std::string_view name) {
    if (name == "Removed") return SplitBehaviour::removed;
    if (name == "Isolated") return SplitBehaviour::isolated;
    if (name == "MergedWithPrevious") return SplitBehaviour::merged_with_previous;
    if (name == "MergedWithNext") return SplitBehaviour::merged_with_next;
    if (name == "Contiguous") return SplitBehaviour::contiguous;
    throw Unsupported("split behaviour " + std::string(name));
}

PreTokeniserPtr no_split() { return std::make_unique<Whole>(); }

PreTokeniserPtr split_by_regex(std::string_view regex, SplitBehaviour behaviour, bool invert,
                               Engine engine) {
    const auto known = known_pattern(regex, engine);
    // A known pattern matches all of every text, so that isolated or inverted matches are the same.
    const bool whole =
        behaviour == SplitBehaviour::isolated || (behaviour == SplitBehaviour::removed && invert);
    if (known && whole) return split_by_pattern(*known);
    return split_at(FindRegex(regex, engine), behaviour, invert);
}

PreTokeniserPtr split_by_string(std::string_view text, SplitBehaviour behaviour, bool invert) {
    return split_at(FindString(text), behaviour, invert);
}

PreTokeniserPtr split_byte_level(bool add_prefix_space, bool use_regex) {
    return std::make_unique<ByteLevel>(add_prefix_space, use_regex);
}

PreTokeniserPtr split_metaspace(std::string_view replacement, Prepend prepend, bool split) {
    if (replacement.empty() || character_end(replacement, 0) != replacement.size())
        throw Unsupported("a Metaspace replacement that is not one character");
    return std::make_unique<Metaspace>(replacement, prepend, split);
}

PreTokeniserPtr split_whitespace() {
    return split_at(FindRegex(R"(\w+|[^\w\s]+)", Engine::rust), SplitBehaviour::removed, true);
}

PreTokeniserPtr split_whitespace_only() {
    return split_at(FindSet(CharSet::space()), SplitBehaviour::removed);
}

PreTokeniserPtr split_bert() {
    return split_sequence(
        pair_of(split_whitespace_only(), split_punctuation(SplitBehaviour::isolated)));
}

PreTokeniserPtr split_punctuation(SplitBehaviour behaviour) {
    return split_at(FindSet(punctuation_set()), behaviour);
}

PreTokeniserPtr split_digits(bool individual) {
    return split_at(FindSet(numeric_set()),
                    individual ? SplitBehaviour::isolated : SplitBehaviour::contiguous);
}

PreTokeniserPtr split_at_delimiter(std::string_view character) {
    if (character.empty() || character_end(character, 0) != character.size())
        throw Unsupported("a delimiter that is not one character");
    return split_by_string(character, SplitBehaviour::removed, false);
}

PreTokeniserPtr split_fixed_length(std::size_t characters) {
    if (characters == 0) throw Unsupported("pieces of length 0");
    return std::make_unique<FixedLength>(characters);
}

PreTokeniserPtr split_sequence(std::vector<PreTokeniserPtr> stages) {
    std::vector<PreTokeniserPtr> flat;
    for (PreTokeniserPtr& stage : stages) {
        if (auto* inner = dynamic_cast<Sequence*>(stage.get()))
            std::move(inner->stages().begin(), inner->stages().end(), std::back_inserter(flat));
        else
            flat.push_back(std::move(stage));
    }
    // A piece goes through the stages by recursion, so their number bounds the stack.
    if (flat.size() > kMostStages) throw Unsupported("a sequence of more than 64 pre-tokenisers");
    for (std::size_t i = 0; i + 1 < flat.size(); ++i) {
        if (is_a<BehindByteLevel>(*flat[i]))
            throw Unsupported("a nested sequence that goes on behind ByteLevel");
        if (!is_a<ByteLevel>(*flat[i])) continue;
        const auto rest = flat.begin() + static_cast<std::ptrdiff_t>(i) + 1;
        if (i + 2 == flat.size() && is_a<BehindByteLevel>(**rest)) break;
        for (auto later = rest; later != flat.end(); ++later)
            if (is_a<ByteLevel>(**later) || is_a<Metaspace>(**later))
                throw Unsupported("a pre-tokeniser behind ByteLevel that changes the text");
        PreTokeniserPtr behind = std::make_unique<BehindByteLevel>(
            split_sequence({std::make_move_iterator(rest), std::make_move_iterator(flat.end())}));
        flat.erase(rest, flat.end());
        flat.push_back(std::move(behind));
        break;
    }
    if (flat.empty()) return no_split();
    if (flat.size() == 2 && is_a<SplitPattern>(*flat[0])) {
        const auto* last = dynamic_cast<const ByteLevel*>(flat[1].get());
        if (last != nullptr && last->changes_nothing()) flat.pop_back();
    }
    if (flat.size() == 1) return std::move(flat[0]);
    return std::make_unique<Sequence>(std::move(flat));
}

PreTokeniserPtr split_by_pattern(Pattern pattern) {
    return std::make_unique<SplitPattern>(pattern);
}

const Pattern* known_pattern(const PreTokeniser& pre_tokeniser) {
    if (const auto* known = dynamic_cast<const SplitPattern*>(&pre_tokeniser))
        return &known->pattern();
    const auto* byte_level = dynamic_cast<const ByteLevel*>(&pre_tokeniser);
    return byte_level == nullptr ? nullptr : byte_level->pattern();
}

}  // namespace ctxmem
