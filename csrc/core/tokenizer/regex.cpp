#include "core/tokenizer/regex.hpp"

#include <algorithm>
#include <bit>

#include "core/text/unicode.hpp"
#include "core/tokenizer/regex_program.hpp"

namespace ctxmem {
namespace {

// How much work is done before states are kept: a part for the text so far, and one to begin with.
constexpr std::uint64_t kFreeWork = 4096;
constexpr std::uint64_t kFreeWorkPerByte = 64;

bool is_tail(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

std::size_t before(std::string_view text, std::size_t at) {
    do --at;
    while (at > 0 && is_tail(text[at]));
    return at;
}

// The end of the character at `at` if it belongs to the set, else `at`.
std::size_t step(const RegexSet& set, std::string_view text, std::size_t at) {
    if (at >= text.size()) return at;
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::uint8_t answer = set.lead[lead];
    if (answer == RegexSet::no) return at;
    if (lead < 0x80) return at + 1;
    const CodePoint c = decode(text, at);
    return answer == RegexSet::yes || set.test(c.value) ? at + c.size : at;
}

bool is_word(const RegexSet& words, std::string_view text, std::size_t at) {
    return step(words, text, at) != at;
}

bool holds(Assertion assertion, const RegexSet* words, std::string_view text, std::size_t at) {
    const bool at_end = at == text.size();
    switch (assertion) {
        case Assertion::begin_text: return at == 0;
        case Assertion::end_text: return at_end;
        case Assertion::end_text_or_newline:
            return at_end || (at + 1 == text.size() && text[at] == '\n');
        case Assertion::begin_line: return at == 0 || text[at - 1] == '\n';
        case Assertion::begin_line_with_text: return at == 0 || (text[at - 1] == '\n' && !at_end);
        case Assertion::end_line: return at_end || text[at] == '\n';
        default: break;
    }
    const bool left = at > 0 && is_word(*words, text, before(text, at));
    const bool right = is_word(*words, text, at);
    return (left != right) == (assertion == Assertion::word_border);
}

// Bits of positions, made when the first is set.
class Bits {
public:
    bool has(std::size_t at) const { return !words_.empty() && (words_[at >> 6] >> (at & 63) & 1); }
    void set(std::size_t first, std::size_t last, std::size_t size) {
        if (words_.empty()) words_.resize((size >> 6) + 1);
        for (std::size_t at = first; at <= last; ++at)
            words_[at >> 6] |= std::uint64_t{1} << (at & 63);
    }

private:
    std::vector<std::uint64_t> words_;
};

}  // namespace

// Where to go on when a state has failed: with the rest of the branches, or with fewer or more
// characters of a loop.
struct RegexMatches::Choice {
    std::uint32_t pc;
    std::uint32_t left;   // characters that a lazy loop may still take
    std::size_t at;       // the position; of a greedy loop, its end
    std::uint64_t other;  // the branches not tried; of a greedy loop, its least end
    std::size_t trail;    // how long the trail was
};

// States that are being tried, in order. When a choice before them is taken up again they have
// failed: (memo, failed_from to last). When the group of a look matches they have succeeded: (memo,
// first to last).
struct RegexMatches::Trail {
    std::uint32_t memo;
    std::size_t first, last, failed_from;
};

struct RegexMatches::Memo {
    std::vector<Bits> failed, matched;
    std::vector<Trail> trail;
    std::size_t size;

    Memo(std::size_t states, std::size_t text_size)
        : failed(states), matched(states), size(text_size) {}

    void fail(std::size_t from) {
        for (; trail.size() > from; trail.pop_back()) {
            const Trail& state = trail.back();
            failed[state.memo].set(state.failed_from, state.last, size);
        }
    }
    void match(std::size_t from) {
        for (; trail.size() > from; trail.pop_back()) {
            const Trail& state = trail.back();
            matched[state.memo].set(state.first, state.last, size);
        }
    }
};

Regex::Regex(std::string_view pattern, Engine engine)
    : program_(std::make_unique<RegexProgram>(compile_regex(pattern, engine))) {}
Regex::Regex(Regex&&) noexcept = default;
Regex::~Regex() = default;

RegexMatches::RegexMatches(const Regex& regex, std::string_view text)
    : program_(regex.program()), text_(text) {}
RegexMatches::~RegexMatches() = default;

// Try to match from instruction `pc` at `at`, which becomes the end of the match. `nested`: within a
// look, whose success does not depend on what follows it.
template <bool memo>
RegexMatches::Outcome RegexMatches::run(std::uint32_t pc, std::size_t& at_out, bool nested) {
    const RegexInstruction* const code = program_.code.data();
    const RegexSet* const sets = program_.sets.data();
    const std::string_view text = text_;
    const std::size_t base = choices_.size();
    const std::size_t trail_base = memo ? memo_->trail.size() : 0;
    const std::uint64_t most = kFreeWork + kFreeWorkPerByte * at_;
    std::size_t at = at_out;

    const auto trail_size = [&]() -> std::size_t { return memo ? memo_->trail.size() : 0; };
    const auto choose = [&](std::size_t where, std::uint64_t other, std::uint32_t left = 0) {
        choices_.push_back({pc, left, where, other, trail_size()});
    };
    const auto succeed = [&] {
        choices_.resize(base);
        if constexpr (memo) {
            if (nested)
                memo_->match(trail_base);
            else
                memo_->trail.resize(trail_base);
        }
        at_out = at;
        return Outcome::matched;
    };
    // Keep the state that a greedy loop, which may end at `least`, ends at `at`. A loop without a
    // bound is one state a position; of one with a bound it is what follows that is known.
    const auto leave_greedy = [&](const RegexInstruction& in, std::size_t least) {
        if constexpr (memo) {
            const bool bounded = in.max != kUnbounded;
            if (bounded && nested && memo_->matched[in.memo].has(at)) return Outcome::matched;
            if (bounded && memo_->failed[in.memo].has(at)) return Outcome::failed;
            memo_->trail.push_back({in.memo, bounded ? at : least, at, at});
        }
        return Outcome::too_much;  // not known
    };

    for (;;) {
        const RegexInstruction& in = code[pc];
        bool failed = false;
        switch (in.op) {
            case RegexOp::byte:
                if (at < text.size() && text[at] == in.byte)
                    ++at;
                else
                    failed = true;
                break;
            case RegexOp::set: {
                const std::size_t end = step(sets[in.index], text, at);
                failed = end == at;
                at = end;
                break;
            }
            case RegexOp::possessive:
            case RegexOp::greedy: {
                const RegexSet& set = sets[in.index];
                std::size_t end = at;
                std::size_t least = at;
                std::uint32_t count = 0;
                bool known = false;  // an end of the loop that has failed before was met
                while (count < in.max) {
                    if constexpr (memo) {
                        if (in.memo != 0 && in.max == kUnbounded && count >= in.min) {
                            if (nested && memo_->matched[in.memo].has(end)) return succeed();
                            if (memo_->failed[in.memo].has(end)) {
                                known = true;
                                break;
                            }
                        }
                    }
                    const std::size_t after = step(set, text, end);
                    if (after == end) break;
                    end = after;
                    if (++count == in.min) least = end;
                }
                work_ += count;
                if (count < in.min) {
                    failed = true;
                    break;
                }
                if (in.op == RegexOp::possessive) {
                    failed = known;
                    if constexpr (memo)
                        if (in.memo != 0 && !known)
                            memo_->trail.push_back({in.memo, least, end, least});
                    at = end;
                    break;
                }
                if (known) {
                    // What is from here on has failed; go on with the end before it.
                    if (end == least) {
                        failed = true;
                        break;
                    }
                    end = before(text, end);
                }
                at = end;
                if (at > least) choose(at, least);
                const Outcome outcome = leave_greedy(in, least);
                if (outcome == Outcome::matched) return succeed();
                failed = outcome == Outcome::failed;
                break;
            }
            case RegexOp::lazy: {
                std::uint32_t count = 0;
                for (; count < in.min && !failed; ++count) {
                    const std::size_t after = step(sets[in.index], text, at);
                    failed = after == at;
                    at = after;
                }
                if (failed) break;
                const std::uint32_t left = in.max == kUnbounded ? kUnbounded : in.max - in.min;
                if constexpr (memo) {
                    if (in.max == kUnbounded) {
                        if (nested && memo_->matched[in.memo].has(at)) return succeed();
                        if (memo_->failed[in.memo].has(at)) {
                            failed = true;
                            break;
                        }
                        memo_->trail.push_back({in.memo, at, at, at});
                    }
                }
                if (left > 0) choose(at, 0, left);
                break;
            }
            case RegexOp::dispatch: {
                const RegexDispatch& table = program_.dispatches[in.index];
                std::uint64_t branches = at < text.size()
                                             ? table.by_lead[static_cast<unsigned char>(text[at])]
                                             : table.at_end;
                failed = branches == 0;
                if (failed) break;
                if constexpr (memo) {
                    if (nested && memo_->matched[in.memo].has(at)) return succeed();
                    if (memo_->failed[in.memo].has(at)) {
                        failed = true;
                        break;
                    }
                    memo_->trail.push_back({in.memo, at, at, at});
                }
                const int branch = std::countr_zero(branches);
                branches &= branches - 1;
                if (branches != 0) choose(at, branches);
                pc = table.branches[static_cast<std::size_t>(branch)];
                continue;
            }
            case RegexOp::atomic: choose(at, 0); break;
            case RegexOp::atomic_end:
                while (choices_.back().pc != in.index) choices_.pop_back();
                choices_.pop_back();
                break;
            case RegexOp::look_set:
                failed = (step(sets[in.index], text, at) != at) == in.negative;
                break;
            case RegexOp::look: {
                std::size_t end = at;
                const Outcome outcome = run<memo>(in.index, end, true);
                if (outcome == Outcome::too_much) return outcome;
                failed = (outcome == Outcome::matched) == in.negative;
                break;
            }
            case RegexOp::back:
                for (std::uint32_t i = 0; i < in.min && !failed; ++i) {
                    failed = at == 0;
                    if (!failed) at = before(text, at);
                }
                break;
            case RegexOp::assertion:
                failed = !holds(in.assertion, sets + program_.words, text, at);
                break;
            case RegexOp::match: return succeed();
        }
        ++work_;
        if (!failed) {
            pc = in.next;
            continue;
        }
        // Back to the last choice.
        for (;;) {
            if constexpr (!memo)
                if (work_ > most) return Outcome::too_much;
            if (choices_.size() == base) {
                if constexpr (memo) memo_->fail(trail_base);
                return Outcome::failed;
            }
            const Choice choice = choices_.back();
            choices_.pop_back();
            if constexpr (memo) memo_->fail(choice.trail);
            pc = choice.pc;
            at = choice.at;
            const RegexInstruction& again = code[pc];
            if (again.op == RegexOp::dispatch) {
                const std::uint64_t rest = choice.other & (choice.other - 1);
                if (rest != 0) choose(at, rest);
                pc = program_.dispatches[again.index]
                         .branches[static_cast<std::size_t>(std::countr_zero(choice.other))];
                break;
            }
            if (again.op == RegexOp::greedy) {
                at = before(text, at);
                if (at > choice.other) choose(at, choice.other);
                const Outcome outcome = leave_greedy(again, static_cast<std::size_t>(choice.other));
                if (outcome == Outcome::matched) return succeed();
                if (outcome == Outcome::failed) continue;
                pc = again.next;
                break;
            }
            if (again.op == RegexOp::lazy) {
                const std::size_t after = step(sets[again.index], text, at);
                if (after == at) continue;
                at = after;
                const std::uint32_t left = choice.left == kUnbounded ? kUnbounded : choice.left - 1;
                if constexpr (memo) {
                    if (again.max == kUnbounded) {
                        if (nested && memo_->matched[again.memo].has(at)) return succeed();
                        if (memo_->failed[again.memo].has(at)) continue;
                        memo_->trail.push_back({again.memo, at, at, at});
                    }
                }
                if (left > 0) choose(at, 0, left);
                pc = again.next;
                break;
            }
            // The mark of an atomic group that has failed: on to the choice before it.
        }
    }
}

bool RegexMatches::next(RegexMatch& match) {
    const std::string_view text = text_;
    const auto skip = [&] {
        const auto byte = static_cast<unsigned char>(text[at_]);
        return program_.can_begin[byte] == 0 || is_tail(text[at_]);
    };
    while (at_ <= text.size()) {
        while (at_ < text.size() && skip()) ++at_;
        if (at_ == text.size() && !program_.can_begin_at_end) break;
        std::size_t end = at_;
        Outcome outcome = Outcome::too_much;
        if (!memo_) {
            outcome = run<false>(program_.start, end, false);
            if (outcome == Outcome::too_much) {
                choices_.clear();
                memo_ = std::make_unique<Memo>(program_.memos, text.size());
            }
        }
        if (memo_) {
            end = at_;
            outcome = run<true>(program_.start, end, false);
        }
        const std::size_t begin = at_;
        if (outcome == Outcome::matched && !(end == begin && begin == last_end_)) {
            match = {begin, end};
            last_end_ = end;
            at_ = end > begin ? end : end + 1;
            return true;
        }
        ++at_;
    }
    at_ = text.size() + 1;
    return false;
}

}  // namespace ctxmem
