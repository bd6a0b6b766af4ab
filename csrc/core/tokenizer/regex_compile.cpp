#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <utility>

#include "core/tokenizer/regex_program.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem {
namespace {

using Kind = RegexNode::Kind;
using Greed = RegexNode::Greed;

constexpr std::size_t kMostCode = 4000;
constexpr std::size_t kMostEmitted = 64 * kMostCode;  // nodes, with repetitions of empty ones
constexpr std::size_t kMostBranches = 64;

// How matching may go on from a state.
struct First {
    CharSet set;           // with a character of this set
    bool accepts = false;  // or by succeeding at once, whatever comes
    bool asserts = false;  // or by an assertion, about which nothing is known

    bool anywhere() const { return accepts || asserts; }
};

First either(const First& a, const First& b) {
    return {a.set | b.set, a.accepts || b.accepts, a.asserts || b.asserts};
}

// Whether a node may match without a character.
bool nullable(const RegexNode& node) {
    const auto each = [&](auto fold) {
        return fold(node.children.begin(), node.children.end(), nullable);
    };
    switch (node.kind) {
        case Kind::set: return false;
        case Kind::sequence:
            return each([](auto a, auto b, auto f) { return std::all_of(a, b, f); });
        case Kind::choice: return each([](auto a, auto b, auto f) { return std::any_of(a, b, f); });
        case Kind::repeat: return node.min == 0 || nullable(node.children[0]);
        case Kind::atomic: return nullable(node.children[0]);
        default: return true;
    }
}

First first_of(const RegexNode& node, const First& after) {
    switch (node.kind) {
        case Kind::set: return {node.set};
        case Kind::sequence: {
            First first = after;
            for (auto child = node.children.rbegin(); child != node.children.rend(); ++child)
                first = first_of(*child, first);
            return first;
        }
        case Kind::choice: {
            First first = first_of(node.children[0], after);
            for (const RegexNode& child : node.children)
                first = either(first, first_of(child, after));
            return first;
        }
        case Kind::repeat: {
            const First body = first_of(node.children[0], after);
            return node.min == 0 ? either(body, after) : body;
        }
        case Kind::atomic: {
            const First inside = first_of(node.children[0], {{}, true, false});
            if (!inside.anywhere()) return inside;
            return {inside.set | after.set, inside.accepts && after.accepts,
                    inside.asserts || after.asserts};
        }
        default: return {CharSet::all(), false, true};
    }
}

// The number of characters that a node matches, if it is always the same.
std::optional<std::uint32_t> width(const RegexNode& node) {
    std::uint32_t sum = 0;
    switch (node.kind) {
        case Kind::set: return 1;
        case Kind::sequence:
            for (const RegexNode& child : node.children) {
                const auto one = width(child);
                if (!one) return std::nullopt;
                sum += *one;
            }
            return sum;
        case Kind::choice: {
            const auto first = width(node.children[0]);
            for (const RegexNode& child : node.children)
                if (width(child) != first) return std::nullopt;
            return first;
        }
        case Kind::repeat: {
            const auto one = width(node.children[0]);
            if (!one || node.min != node.max) return std::nullopt;
            return *one * node.min;
        }
        case Kind::atomic: return width(node.children[0]);
        default: return 0;
    }
}

// The first byte of a character.
unsigned lead_of(char32_t c) {
    if (c < 0x80) return c;
    if (c < 0x800) return 0xC0 | c >> 6;
    if (c < 0x10000) return 0xE0 | c >> 12;
    return 0xF0 | c >> 18;
}

// Call visit(lead, all) for each first byte of a character of the set; `all`: the set has every
// character that begins so.
template <class Visit>
void for_each_lead(const CharSet& set, Visit visit) {
    constexpr char32_t kFirst[] = {0x80, 0x800, 0x10000};
    for (const CharRange& range : set.ranges()) {
        char32_t c = range.first;
        while (c <= range.last) {
            const unsigned lead = lead_of(c);
            char32_t end = c + 1;  // behind the last character with this first byte
            char32_t begin = c;
            if (c >= 0x80) {
                const int shift = c < 0x800 ? 6 : c < 0x10000 ? 12 : 18;
                begin = std::max<char32_t>(c >> shift << shift, kFirst[shift / 6 - 1]);
                end = ((c >> shift) + 1) << shift;
            }
            visit(lead, c == begin && range.last >= end - 1);
            c = end;
        }
    }
}

class Compiler {
public:
    explicit Compiler(Engine engine) : engine_(engine) {}

    RegexProgram compile(const RegexNode& tree) {
        const First done{{}, true, false};
        const std::uint32_t match = add({.op = RegexOp::match});
        out_.start = emit(tree, match, done);
        const First first = first_of(tree, done);
        out_.can_begin_at_end = first.anywhere();
        if (first.anywhere()) {
            // Any byte but the second and later ones of a character.
            out_.can_begin.fill(1);
            std::fill(out_.can_begin.begin() + 0x80, out_.can_begin.begin() + 0xC0,
                      std::uint8_t{0});
        } else {
            for_each_lead(first.set, [&](unsigned lead, bool) { out_.can_begin[lead] = 1; });
        }
        return std::move(out_);
    }

private:
    [[noreturn]] static void fail(const std::string& what) {
        throw Unsupported("regular expression: " + what);
    }

    std::uint32_t add(RegexInstruction instruction) {
        if (out_.code.size() >= kMostCode) fail("more than 4000 steps");
        out_.code.push_back(instruction);
        return static_cast<std::uint32_t>(out_.code.size() - 1);
    }

    std::uint32_t set_index(const CharSet& set) {
        for (std::size_t i = 0; i < known_.size(); ++i)
            if (known_[i] == set) return static_cast<std::uint32_t>(i);
        known_.push_back(set);
        out_.sets.emplace_back(set);
        return static_cast<std::uint32_t>(known_.size() - 1);
    }

    // The first instruction of a node that is followed by `next`, which goes on as `after` says.
    std::uint32_t emit(const RegexNode& node, std::uint32_t next, const First& after) {
        // An empty group adds no step, however often it is repeated.
        if (++emitted_ > kMostEmitted) fail("repetitions of what is empty");
        switch (node.kind) {
            case Kind::set: return emit_set(node.set, next);
            case Kind::sequence: {
                First first = after;
                for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
                    next = emit(*child, next, first);
                    first = first_of(*child, first);
                }
                return next;
            }
            case Kind::choice: {
                std::vector<std::uint32_t> branches;
                std::vector<First> firsts;
                for (const RegexNode& child : node.children) {
                    branches.push_back(emit(child, next, after));
                    firsts.push_back(first_of(child, after));
                }
                return emit_dispatch(std::move(branches), firsts);
            }
            case Kind::repeat: return emit_repeat(node, next, after);
            case Kind::atomic: return emit_atomic(node.children[0], next);
            case Kind::look: return emit_look(node, next);
            default: break;
        }
        if (node.assertion == Assertion::word_border || node.assertion == Assertion::no_word_border)
            out_.words = set_index(word_set(engine_));
        return add({.op = RegexOp::assertion, .assertion = node.assertion, .next = next});
    }

    std::uint32_t emit_set(const CharSet& set, std::uint32_t next) {
        const std::vector<CharRange>& ranges = set.ranges();
        if (ranges.size() == 1 && ranges[0].first == ranges[0].last && ranges[0].first < 128)
            return add(
                {.op = RegexOp::byte, .byte = static_cast<char>(ranges[0].first), .next = next});
        return add({.op = RegexOp::set, .next = next, .index = set_index(set)});
    }

    std::uint32_t emit_dispatch(std::vector<std::uint32_t> branches, std::vector<First> firsts) {
        while (branches.size() > kMostBranches) {
            // The last 64 become one.
            const auto from = static_cast<std::ptrdiff_t>(branches.size() - kMostBranches);
            First all = firsts[static_cast<std::size_t>(from)];
            for (std::size_t i = static_cast<std::size_t>(from); i < firsts.size(); ++i)
                all = either(all, firsts[i]);
            const std::uint32_t rest = emit_dispatch({branches.begin() + from, branches.end()},
                                                     {firsts.begin() + from, firsts.end()});
            branches.resize(static_cast<std::size_t>(from));
            firsts.resize(static_cast<std::size_t>(from));
            branches.push_back(rest);
            firsts.push_back(all);
        }
        const std::uint32_t at =
            add({.op = RegexOp::dispatch, .memo = out_.memos++, .atomic = atomic_});
        fill_dispatch(at, std::move(branches), firsts);
        return at;
    }

    void fill_dispatch(std::uint32_t at, std::vector<std::uint32_t> branches,
                       const std::vector<First>& firsts) {
        RegexDispatch table;
        for (std::size_t i = 0; i < branches.size(); ++i) {
            const std::uint64_t bit = std::uint64_t{1} << i;
            if (firsts[i].anywhere()) {
                for (std::uint64_t& mask : table.by_lead) mask |= bit;
                table.at_end |= bit;
            } else {
                for_each_lead(firsts[i].set,
                              [&](unsigned lead, bool) { table.by_lead[lead] |= bit; });
            }
        }
        table.branches = std::move(branches);
        out_.code[at].index = static_cast<std::uint32_t>(out_.dispatches.size());
        out_.dispatches.push_back(std::move(table));
    }

    std::uint32_t emit_atomic(const RegexNode& body, std::uint32_t next) {
        const std::uint32_t end = add({.op = RegexOp::atomic_end, .next = next});
        const std::uint32_t begin = add({.op = RegexOp::atomic, .index = end});
        out_.code[end].atomic = begin;
        const std::uint32_t inside = within(begin, [&] {
            return emit(body, end, {{}, true, false});
        });
        out_.code[begin].next = inside;
        return begin;
    }

    // What `emit` returns, for the body of this atomic group; 0 for that of a look.
    template <class Emit>
    std::uint32_t within(std::uint32_t atomic, Emit emit) {
        const std::uint32_t outer = std::exchange(atomic_, atomic);
        const std::uint32_t first = emit();
        atomic_ = outer;
        return first;
    }

    std::uint32_t emit_repeat(const RegexNode& node, std::uint32_t next, const First& after) {
        const RegexNode& body = node.children[0];
        if (body.kind == Kind::set) return emit_loop(node, next, after);
        if (node.greed == Greed::possessive) {
            RegexNode greedy = node;
            greedy.greed = Greed::greedy;
            return emit_atomic(greedy, next);
        }
        if (node.max == kUnbounded && nullable(body)) fail("a loop over what may be empty");
        const bool lazy = node.greed == Greed::lazy;
        const auto option = [&](std::uint32_t inside, const First& in, std::uint32_t outside) {
            return lazy ? std::pair(std::vector{outside, inside}, std::vector{after, in})
                        : std::pair(std::vector{inside, outside}, std::vector{in, after});
        };
        First first = after;
        std::uint32_t entry = next;
        if (node.max == kUnbounded) {
            // Any number more: a dispatch between the body, which leads back to it, and `next`.
            first = either(first_of(body, after), after);
            entry = add({.op = RegexOp::dispatch, .memo = out_.memos++, .atomic = atomic_});
            const std::uint32_t inside = emit(body, entry, first);
            auto [branches, firsts] = option(inside, first_of(body, first), next);
            fill_dispatch(entry, std::move(branches), firsts);
        } else {
            for (std::uint32_t i = node.min; i < node.max; ++i) {
                const std::uint32_t inside = emit(body, entry, first);
                const First in = first_of(body, first);
                auto [branches, firsts] = option(inside, in, next);
                entry = emit_dispatch(std::move(branches), std::move(firsts));
                first = either(in, after);
            }
        }
        for (std::uint32_t i = 0; i < node.min; ++i) {
            entry = emit(body, entry, first);
            first = first_of(body, first);
        }
        return entry;
    }

    // A loop over one set.
    std::uint32_t emit_loop(const RegexNode& node, std::uint32_t next, const First& after) {
        const CharSet& set = node.children[0].set;
        RegexInstruction loop{.op = RegexOp::greedy, .next = next, .atomic = atomic_};
        loop.index = set_index(set);
        loop.min = node.min;
        loop.max = node.max;
        // Giving characters back helps only if what follows begins with one and does not succeed
        // without.
        const bool needs_all =
            after.accepts || (!after.asserts && (after.set & set).empty()) || node.min == node.max;
        if (node.greed == Greed::lazy)
            loop.op = RegexOp::lazy;
        else if (node.greed == Greed::possessive || needs_all)
            loop.op = RegexOp::possessive;
        if (loop.op != RegexOp::possessive || loop.max == kUnbounded) loop.memo = out_.memos++;
        return add(loop);
    }

    std::uint32_t emit_look(const RegexNode& node, std::uint32_t next) {
        const RegexNode& body = node.children[0];
        RegexInstruction look{.op = RegexOp::look, .negative = node.negative, .next = next};
        if (!node.behind && body.kind == Kind::set) {
            look.op = RegexOp::look_set;
            look.index = set_index(body.set);
            return add(look);
        }
        const std::uint32_t match = add({.op = RegexOp::match});
        const First done{{}, true, false};
        if (!node.behind) {
            look.index = within(0, [&] { return emit(body, match, done); });
            return add(look);
        }
        std::vector<RegexNode> alternatives =
            body.kind == Kind::choice ? body.children : std::vector{body};
        look.index = within(0, [&] { return emit_behind(alternatives, match); });
        return add(look);
    }

    std::uint32_t emit_behind(const std::vector<RegexNode>& alternatives, std::uint32_t match) {
        std::vector<std::uint32_t> branches;
        std::vector<First> firsts;
        for (const RegexNode& alternative : alternatives) {
            const auto characters = width(alternative);
            if (!characters) fail("a look-behind of no fixed width");
            branches.push_back(add({.op = RegexOp::back,
                                    .next = emit(alternative, match, {{}, true, false}),
                                    .min = *characters}));
            firsts.push_back({CharSet::all(), false, true});
        }
        return emit_dispatch(std::move(branches), std::move(firsts));
    }

    Engine engine_;
    RegexProgram out_;
    std::vector<CharSet> known_;  // the sets of the program
    std::uint32_t atomic_ = 0;    // the group whose body is being compiled
    std::size_t emitted_ = 0;
};

}  // namespace

RegexSet::RegexSet(const CharSet& set) : test(set) {
    std::array<bool, 256> part{};
    for_each_lead(set, [&](unsigned byte, bool all) {
        if (all)
            lead[byte] = byte < 0x80 ? yes : whole;
        else
            part[byte] = true;
    });
    for (std::size_t byte = 0; byte < 256; ++byte)
        if (part[byte]) lead[byte] = look;
}

RegexProgram compile_regex(std::string_view pattern, Engine engine) {
    return Compiler(engine).compile(parse_regex(pattern, engine));
}

}  // namespace ctxmem
