#include "core/solver/packing_check.hpp"

#include <algorithm>

namespace ctxmem {
namespace {

void check_starts(const std::vector<std::int64_t>& starts, std::size_t count, const char* message) {
    require(!starts.empty() && starts.front() == 0 &&
                starts.back() == static_cast<std::int64_t>(count) &&
                std::is_sorted(starts.begin(), starts.end()),
            message);
}

void check_lists(const Lists& lists, std::size_t bound, const char* message) {
    check_starts(lists.starts, lists.members.size(), message);
    for (const std::int64_t member : lists.members)
        require(member >= 0 && member < static_cast<std::int64_t>(bound), message);
}

void check_all(const std::vector<std::int64_t>& numbers, std::int64_t low, std::int64_t high,
               const char* message) {
    for (const std::int64_t number : numbers) require(number >= low && number <= high, message);
}

}  // namespace

void check(const Problem& p) {
    const std::size_t n = p.items();
    const auto items = static_cast<std::int64_t>(n);
    const auto sections = static_cast<std::int64_t>(p.parent.size());
    require(p.budget >= 0 && p.budget <= std::int64_t{1} << 31, "budget must be 0 to 2**31");
    require(p.separator >= 0 && p.separator <= kMaxTokens, "separator must be 0 to 2**40");
    require(p.tokens.size() == p.values.size(), "tokens and values must have the same length");
    check_starts(p.starts, p.tokens.size(), "starts must ascend from 0 to the number of options");
    require(p.section.size() == n && p.pin.size() == n, "section and pin need one entry per item");
    check_all(p.tokens, 1, kMaxTokens, "tokens must be 1 to 2**40");
    check_all(p.values, -kMaxSum, kMaxSum, "values must be within 2**58");
    check_all(p.section, -1, sections - 1, "section is out of range");
    for (std::size_t i = 0; i < n; ++i)
        require(p.pin[i] >= Problem::kFree && p.pin[i] < p.starts[i + 1] - p.starts[i],
                "pin is out of range");
    require(p.needs.size() % 2 == 0, "needs must be pairs");
    check_all(p.needs, 0, items - 1, "needs are out of range");
    check_lists(p.groups, n, "groups must list items");
    check_lists(p.together, n, "together must list items");
    require(p.minimum.size() == p.parent.size() && p.maximum.size() == p.parent.size() &&
                p.header.size() == p.parent.size(),
            "sections need parent, minimum, maximum and header each");
    check_all(p.parent, -1, sections - 1, "parent is out of range");
    check_all(p.header, 0, kMaxTokens, "header must be 0 to 2**40");
    require(p.redundancy.size() % 3 == 0, "redundancy must be triples");
    for (std::size_t r = 0; r < p.redundancy.size(); r += 3)
        require(p.redundancy[r] >= 0 && p.redundancy[r] < items && p.redundancy[r + 1] >= 0 &&
                    p.redundancy[r + 1] < items && p.redundancy[r] != p.redundancy[r + 1] &&
                    p.redundancy[r + 2] >= 0,
                "redundancy must be item, another item, penalty >= 0");
    check_all(p.concepts, 0, kMaxSum, "concepts must not be negative");
    check_lists(p.covers, p.concepts.size(), "covers must list concepts");
    require(p.covers.count() == 0 || p.covers.count() == p.tokens.size(),
            "covers need one list per option");
    require(p.prefix.size() == p.bonus.size(), "prefix and bonus must have the same length");
    check_all(p.prefix, 0, items - 1, "prefix is out of range");
    check_all(p.bonus, 0, kMaxSum, "bonus must not be negative");
}

}  // namespace ctxmem
