#include "core/tokenizer/regex.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "core/text/unicode.hpp"
#include "core/tokenizer/regex_program.hpp"

namespace ctxmem {
namespace {

// How much work is done before states are kept: a part for the text so far, and one to begin with.
constexpr std::uint64_t kFreeWork = 4096;
constexpr std::uint64_t kFreeWorkPerByte = 64;

constexpr std::size_t kMostSpare = 8;  // stacks that a thread keeps

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
    if (answer <= RegexSet::yes) return at + answer;
    const CodePoint c = decode(text, at);
    return answer == RegexSet::whole || set.test(c.value) ? at + c.size : at;
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
// failed: (memo, failed_from to last). When the group that they belong to, a look or an atomic group,
// matches, they have led to its end: (memo, first to last).
struct RegexMatches::Trail {
    std::uint32_t memo;
    std::size_t first, last, failed_from;
};

// What is known of states: that they lead to no end of their group (or of the expression), or that
// they lead to it. Which of the two holds depends on nothing before the state; and for a group that
// is not entered again, nothing behind it.
struct RegexMatches::Memo {
    std::vector<Bits> failed, matched;
    std::vector<std::vector<std::uint32_t>> ends;  // of atomic groups, by state and position
    std::vector<Trail> trail;
    std::size_t size;

    Memo(std::size_t states, std::size_t text_size)
        : failed(states), matched(states), ends(states), size(text_size) {
        if (text_size > 0xFFFFFFFF) throw std::invalid_argument("a text of more than 4 GB");
    }

    void fail(std::size_t from) {
        for (; trail.size() > from; trail.pop_back()) {
            const Trail& state = trail.back();
            failed[state.memo].set(state.failed_from, state.last, size);
        }
    }
    void match_look(std::size_t from) {
        for (; trail.size() > from; trail.pop_back()) {
            const Trail& state = trail.back();
            matched[state.memo].set(state.first, state.last, size);
        }
    }
    void match_atomic(std::size_t from, std::size_t end) {
        for (; trail.size() > from; trail.pop_back()) {
            const Trail& state = trail.back();
            matched[state.memo].set(state.first, state.last, size);
            std::vector<std::uint32_t>& known = ends[state.memo];
            if (known.empty()) known.resize(size + 1);
            std::fill(known.begin() + static_cast<std::ptrdiff_t>(state.first),
                      known.begin() + static_cast<std::ptrdiff_t>(state.last) + 1,
                      static_cast<std::uint32_t>(end));
        }
    }
};

Regex::Regex(std::string_view pattern, Engine engine)
    : program_(std::make_unique<RegexProgram>(compile_regex(pattern, engine))) {}
Regex::Regex(Regex&&) noexcept = default;
Regex::~Regex() = default;

RegexMatches::RegexMatches(const Regex& regex, std::string_view text, bool keep_states)
    : program_(regex.program()), text_(text) {
    if (keep_states) memo_ = std::make_unique<Memo>(program_.memos, text.size());
    std::vector<std::vector<Choice>>& spare = spare_stacks();
    if (spare.empty()) return;
    choices_ = std::move(spare.back());
    spare.pop_back();
}

RegexMatches::~RegexMatches() {
    constexpr std::size_t kMostKept = 1024;
    choices_.clear();
    if (spare_stacks().size() < kMostSpare && choices_.capacity() <= kMostKept)
        spare_stacks().push_back(std::move(choices_));
}

// Stacks of this thread that are not in use: texts are often a few bytes long.
std::vector<std::vector<RegexMatches::Choice>>& RegexMatches::spare_stacks() {
    thread_local std::vector<std::vector<Choice>> stacks = [] {
        std::vector<std::vector<Choice>> none;
        none.reserve(kMostSpare);  // so that the destructor cannot fail
        return none;
    }();
    return stacks;
}

// Try to match from instruction `pc` at `at_out`, which becomes the end of the match. `nested`:
// within a look.
template <bool memo>
RegexMatches::Outcome RegexMatches::run(std::uint32_t pc, std::size_t& at_out, bool nested) {
    const RegexInstruction* const code = program_.code.data();
    const RegexSet* const sets = program_.sets.data();
    const std::string_view text = text_;
    const std::size_t base = choices_.size();
    const std::size_t trail_base = memo ? memo_->trail.size() : 0;
    const std::uint64_t most = kFreeWork + kFreeWorkPerByte * at_;
    std::size_t at = at_out;

    const auto choose = [&](std::size_t where, std::uint64_t other, std::uint32_t left = 0) {
        choices_.push_back({pc, left, where, other, memo ? memo_->trail.size() : 0});
    };
    const auto succeed = [&] {
        choices_.resize(base);
        if constexpr (memo) {
            if (nested)
                memo_->match_look(trail_base);
            else
                memo_->trail.resize(trail_base);
        }
        at_out = at;
        return Outcome::matched;
    };
    // Leave an atomic group, whose choices are then forgotten.
    const auto leave_atomic = [&](std::uint32_t begin) {
        while (choices_.back().pc != begin) choices_.pop_back();
        if constexpr (memo) memo_->match_atomic(choices_.back().trail, at);
        choices_.pop_back();
        pc = code[code[begin].index].next;
    };
    // What is known of a state; if nothing is, it is on the trail from now on.
    enum class Known { no, failed, matched };
    const auto known = [&](const RegexInstruction& in, std::size_t where) {
        if constexpr (memo) {
            if (memo_->failed[in.memo].has(where)) return Known::failed;
            if (memo_->matched[in.memo].has(where)) return Known::matched;
        }
        (void)in, (void)where;
        return Known::no;
    };
    const auto keep = [&](const RegexInstruction& in, std::size_t first, std::size_t last,
                          std::size_t failed_from) {
        if constexpr (memo) memo_->trail.push_back({in.memo, first, last, failed_from});
        (void)in, (void)first, (void)last, (void)failed_from;
    };
    // Go on from a state that leads to the end of its group. True if that ends the run.
    const auto ends_run = [&](const RegexInstruction& in, std::size_t where) {
        if (in.atomic == 0) return true;
        if constexpr (memo) at = memo_->ends[in.memo][where];
        leave_atomic(in.atomic);
        return false;
    };
    // End a greedy loop, whose least end is given, at `at`. A loop without a bound is one state a
    // position; of one with a bound it is what follows that is known.
    const auto end_greedy = [&](const RegexInstruction& in, std::size_t least) {
        if (in.max == kUnbounded) {
            keep(in, least, at, at);
            return Known::no;
        }
        const Known of_next = known(in, at);
        if (of_next == Known::no) keep(in, at, at, at);
        return of_next;
    };

    for (;;) {
        const RegexInstruction& in = code[pc];
        Known state = Known::no;  // failed: back to the last choice
        const auto fail_if = [&](bool failed) {
            if (failed) state = Known::failed;
        };
        std::size_t where = at;  // the position of a state that has matched
        switch (in.op) {
            case RegexOp::byte:
                fail_if(at >= text.size() || text[at] != in.byte);
                ++at;
                break;
            case RegexOp::set: {
                const std::size_t end = step(sets[in.index], text, at);
                fail_if(end == at);
                at = end;
                break;
            }
            case RegexOp::possessive:
            case RegexOp::greedy: {
                const RegexSet& set = sets[in.index];
                const bool kept = in.memo != 0 && in.max == kUnbounded;
                std::size_t end = at;
                std::size_t least = at;
                std::uint32_t count = 0;
                Known here = Known::no;  // of the loop at `end`
                while (count < in.max) {
                    if (!memo && count >= in.min && in.max == kUnbounded) {
                        // A run of ASCII.
                        const std::size_t from = end;
                        while (end < text.size() &&
                               set.lead[static_cast<unsigned char>(text[end])] == RegexSet::yes)
                            ++end;
                        work_ += end - from;
                    }
                    if (memo && kept && count >= in.min) {
                        here = known(in, end);
                        if (here != Known::no) break;
                    }
                    const std::size_t after = step(set, text, end);
                    if (after == end) break;
                    end = after;
                    if (++count == in.min) least = end;
                }
                work_ += count;
                if (here == Known::matched) {
                    keep(in, least, end, least);
                    state = here;
                    where = end;
                } else if (count < in.min || (here == Known::failed &&
                                              (in.op == RegexOp::possessive || end == least))) {
                    // What leads to an end that has failed is as good as it.
                    if (here == Known::failed && count >= in.min) keep(in, least, end, least);
                    state = Known::failed;
                } else if (in.op == RegexOp::possessive) {
                    if (kept) keep(in, least, end, least);
                    at = end;
                } else {
                    // What is behind an end that has failed has failed too.
                    at = here == Known::failed ? before(text, end) : end;
                    if (at > least) choose(at, least);
                    where = at;
                    state = end_greedy(in, least);
                }
                break;
            }
            case RegexOp::lazy: {
                for (std::uint32_t i = 0; i < in.min && state == Known::no; ++i) {
                    const std::size_t after = step(sets[in.index], text, at);
                    fail_if(after == at);
                    at = after;
                }
                if (state != Known::no) break;
                where = at;
                if (in.max == kUnbounded) {
                    state = known(in, at);
                    if (state != Known::no) break;
                    keep(in, at, at, at);
                }
                const std::uint32_t left = in.max == kUnbounded ? kUnbounded : in.max - in.min;
                if (left > 0) choose(at, 0, left);
                break;
            }
            case RegexOp::dispatch: {
                const RegexDispatch& table = program_.dispatches[in.index];
                std::uint64_t branches = at < text.size()
                                             ? table.by_lead[static_cast<unsigned char>(text[at])]
                                             : table.at_end;
                if (branches == 0) {
                    state = Known::failed;
                    break;
                }
                if (memo) {
                    state = known(in, at);
                    if (state != Known::no) break;
                    keep(in, at, at, at);
                }
                const int branch = std::countr_zero(branches);
                branches &= branches - 1;
                if (branches != 0) choose(at, branches);
                pc = table.branches[static_cast<std::size_t>(branch)];
                continue;
            }
            case RegexOp::atomic: choose(at, 0); break;
            case RegexOp::atomic_end: leave_atomic(in.atomic); continue;
            case RegexOp::look_set:
                fail_if((step(sets[in.index], text, at) != at) == in.negative);
                break;
            case RegexOp::look: {
                std::size_t end = at;
                const Outcome outcome = run<memo>(in.index, end, true);
                if (outcome == Outcome::too_much) return outcome;
                fail_if((outcome == Outcome::matched) == in.negative);
                break;
            }
            case RegexOp::back:
                for (std::uint32_t i = 0; i < in.min && state == Known::no; ++i) {
                    fail_if(at == 0);
                    if (at > 0) at = before(text, at);
                }
                break;
            case RegexOp::assertion:
                fail_if(!holds(in.assertion, sets + program_.words, text, at));
                break;
            case RegexOp::match: return succeed();
        }
        ++work_;
        if (state == Known::no) {
            pc = in.next;
            continue;
        }
        if (state == Known::matched) {
            if (ends_run(in, where)) return succeed();
            continue;
        }
        // Back to the last choice.
        for (bool found = false; !found;) {
            if (!memo && work_ > most) return Outcome::too_much;
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
            Known next = Known::no;
            if (again.op == RegexOp::dispatch) {
                const std::uint64_t rest = choice.other & (choice.other - 1);
                if (rest != 0) choose(at, rest);
                pc = program_.dispatches[again.index]
                         .branches[static_cast<std::size_t>(std::countr_zero(choice.other))];
                found = true;
                continue;
            }
            if (again.op == RegexOp::greedy) {
                const auto least = static_cast<std::size_t>(choice.other);
                at = before(text, at);
                if (at > least) choose(at, least);
                next = end_greedy(again, least);
            } else if (again.op == RegexOp::lazy) {
                const std::size_t after = step(sets[again.index], text, at);
                if (after == at) continue;
                at = after;
                if (again.max == kUnbounded) {
                    next = known(again, at);
                    if (next == Known::no) keep(again, at, at, at);
                }
                const std::uint32_t left = choice.left == kUnbounded ? kUnbounded : choice.left - 1;
                if (next == Known::no && left > 0) choose(at, 0, left);
            } else {
                continue;  // an atomic group has failed
            }
            if (next == Known::failed) continue;
            found = true;
            if (next == Known::no)
                pc = again.next;
            else if (ends_run(again, at))
                return succeed();
        }
    }
}

bool RegexMatches::next(RegexMatch& match) {
    const std::string_view text = text_;
    const std::array<std::uint8_t, 256>& can_begin = program_.can_begin;
    while (at_ <= text.size()) {
        std::size_t at = at_;
        while (at < text.size() && can_begin[static_cast<unsigned char>(text[at])] == 0) ++at;
        at_ = at;
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
        if (!memo_ && work_ > kFreeWork + kFreeWorkPerByte * at_)
            memo_ = std::make_unique<Memo>(program_.memos, text.size());
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
