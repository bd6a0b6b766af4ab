#include "core/span_fill.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <queue>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "core/asked.hpp"
#include "core/code_points.hpp"
#include "core/spans.hpp"
#include "core/words.hpp"
#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

constexpr int kShingle = 5;             // words
constexpr std::size_t kMainly = 2;       // of differing words, one in so many is the main thing
constexpr double kScope = 0.5;           // of what a heading stands above
constexpr std::int64_t kJoint = 3;      // tokens that a cut may add; see bound()
constexpr auto kNone = std::int32_t{-1};
constexpr std::uint8_t kMust = 1, kMustNot = 2;

// Sorted, for a binary search: what changes a statement though nearly all of its words stay. "may"
// is left out: it is seldom the month.
constexpr std::array<std::string_view, 54> kTelling = {
    "april", "august", "billion", "cannot", "december", "double", "eight", "eighteen", "eighty",
    "eleven", "except", "february", "fifteen", "fifty", "five", "forty", "four", "fourteen",
    "half", "hundred", "january", "july", "june", "march", "million", "neither", "never", "nine",
    "nineteen", "ninety", "no", "none", "nor", "not", "november", "october", "september", "seven",
    "seventeen", "seventy", "six", "sixteen", "sixty", "ten", "thirteen", "thirty", "thousand",
    "three", "twelve", "twenty", "twice", "two", "unless", "without"};

bool is_letter(unsigned char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

class Filling {
public:
    explicit Filling(const FillInput& input) : in_(input), n_(input.tokens.size()),
                                               asked_(input.query) {
        check();
        locate();
    }

    Fill run(std::int64_t limit) {
        fill_ = Fill{};
        fill_.kept.assign(n_, 0);
        fill_.stands_for_it.assign(n_, kNone);
        owner_.clear();
        runs_.assign(documents_, 0);
        for (std::size_t s = 0; s < n_; ++s)
            if (in_.demand[s] == kMust) take(s);
        fill_.pins_fit = fill_.spent <= limit;
        if (fill_.pins_fit) take_best(limit);
        return std::move(fill_);
    }

    double total() const {
        double sum = 0;
        for (std::size_t s = 0; s < n_; ++s)
            if (in_.demand[s] != kMustNot) sum += worth_of(s);
        return sum;
    }

    // The optimum of an easier problem: spans in parts, without overhead, each at no more than it
    // costs in any run: T(a) + T(b) - T(a + b) was at most kJoint in two million raw cuts.
    double bound(std::int64_t limit) const {
        std::vector<Next> order;
        order.reserve(n_);
        for (std::size_t s = 0; s < n_; ++s)
            if (in_.demand[s] != kMustNot)
                order.push_back({worth_of(s) / static_cast<double>(cheapest(s)),
                                 static_cast<std::uint32_t>(s)});
        std::sort(order.begin(), order.end(), [](const Next& a, const Next& b) { return b < a; });
        double value = 0;
        double room = static_cast<double>(limit);
        for (const auto& [density, s] : order) {
            const double cost = static_cast<double>(cheapest(s));
            const double part = std::min(1.0, room / cost);
            value += part * worth_of(s);
            room -= part * cost;
            if (room <= 0) break;
        }
        return value;
    }

private:
    struct Next {
        double density;
        std::uint32_t span;
        bool operator<(const Next& other) const {
            return density != other.density ? density < other.density : span > other.span;
        }
    };

    void check() const {
        const std::size_t stretches = in_.stretches.size();
        if (in_.first.size() != stretches + 1 || in_.overhead.size() != stretches ||
            in_.document.size() != stretches ||
            in_.start.size() != n_ || in_.end.size() != n_ || in_.kind.size() != n_ || in_.worth.size() != n_ ||
            in_.demand.size() != n_ || in_.first[0] != 0 ||
            in_.first[stretches] != static_cast<std::int64_t>(n_))
            throw std::invalid_argument("fill: the arrays do not belong together");
        for (std::size_t t = 0; t < stretches; ++t)
            if (in_.first[t] > in_.first[t + 1] || in_.document[t] < 0)
                throw std::invalid_argument("fill: stretches out of order");
        for (std::size_t s = 0; s < n_; ++s)  // NaN has no place in an order
            if (!std::isfinite(in_.worth[s]) || in_.tokens[s] < 0)
                throw std::invalid_argument("fill: a worth or a number of tokens that is none");
    }

    // Where each span stands in bytes.
    void locate() {
        stretch_of_.resize(n_);
        text_.resize(n_);
        for (std::size_t t = 0; t < in_.stretches.size(); ++t) {
            documents_ = std::max(documents_, static_cast<std::size_t>(in_.document[t]) + 1);
            const auto first = static_cast<std::size_t>(in_.first[t]);
            const auto last = static_cast<std::size_t>(in_.first[t + 1]);
            if (first == last) continue;
            CodePointReader reader(in_.stretches[t], in_.end[last - 1]);
            for (std::size_t s = first; s < last; ++s) {
                text_[s] = reader.between(in_.start[s], in_.end[s]);
                stretch_of_[s] = static_cast<std::uint32_t>(t);
            }
        }
    }

    double worth_of(std::size_t s) const { return in_.worth[s] * static_cast<double>(in_.tokens[s]); }
    std::int64_t cheapest(std::size_t s) const {
        return std::max<std::int64_t>(1, in_.tokens[s] - kJoint);
    }
    bool kept(std::size_t s, std::size_t other) const {
        return other < n_ && fill_.kept[other] && stretch_of_[other] == stretch_of_[s];
    }

    // What the window grows by when it takes a span: less where that joins two runs.
    std::int64_t cost(std::size_t s) const {
        const int runs = new_runs(s);
        const bool first = runs > 0 && runs_[document(s)] == 0;
        return in_.tokens[s] + (first ? in_.overhead[stretch_of_[s]] : runs * in_.again);
    }
    int new_runs(std::size_t s) const { return 1 - (s > 0 && kept(s, s - 1)) - kept(s, s + 1); }
    std::size_t document(std::size_t s) const {
        return static_cast<std::size_t>(in_.document[stretch_of_[s]]);
    }
    bool heading(std::size_t s) const {
        return in_.kind[s] == static_cast<std::uint8_t>(SpanKind::heading);
    }
    double density(std::size_t s) const {
        double worth = worth_of(s);
        if (heading(s) && kept(s, s + 1))
            worth = std::max(worth, kScope * in_.worth[s + 1] * static_cast<double>(in_.tokens[s]));
        return worth / static_cast<double>(std::max<std::int64_t>(1, cost(s)));
    }

    void take_best(std::int64_t limit) {
        std::vector<Next> heap;
        heap.reserve(n_);
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (std::size_t s = 0; s < n_; ++s) {
            if (fill_.kept[s] || in_.demand[s] == kMustNot) continue;
            if (!heading(s) || kept(s, s + 1))
                heap.push_back({density(s), static_cast<std::uint32_t>(s)});
            // One that joins two runs costs less than its own tokens.
            least = std::min(least, in_.tokens[s] - in_.again);
        }
        std::make_heap(heap.begin(), heap.end());
        while (!heap.empty() && heap.front().density >= in_.least) {
            if (fill_.spent + least > limit) {  // nothing fits any more
                fill_.price = std::max(fill_.price, heap.front().density);
                break;
            }
            std::pop_heap(heap.begin(), heap.end());
            const Next next = heap.back();
            heap.pop_back();
            // What stands beside it may have changed since it was put in.
            const double now = density(next.span);
            if (now != next.density && !heap.empty() && now < heap.front().density) {
                heap.push_back({now, next.span});
                std::push_heap(heap.begin(), heap.end());
                continue;
            }
            if (fill_.spent + cost(next.span) > limit) {
                fill_.price = std::max(fill_.price, now);
                continue;
            }
            if (const std::int32_t owner = says_the_same(next.span); owner != kNone) {
                fill_.stands_for_it[next.span] = owner;
                continue;
            }
            take(next.span);
            // What stands below it is there: now the heading may come.
            if (next.span > 0 && heading(next.span - 1) && waits(next.span, next.span - 1)) {
                heap.push_back({density(next.span - 1), next.span - 1});
                std::push_heap(heap.begin(), heap.end());
            }
        }
    }
    bool waits(std::size_t s, std::size_t above) const {
        return stretch_of_[s] == stretch_of_[above] && !fill_.kept[above] &&
               in_.demand[above] != kMustNot;
    }

    void take(std::size_t s) {
        fill_.spent += cost(s);
        fill_.value += worth_of(s);
        runs_[document(s)] += new_runs(s);
        fill_.kept[s] = 1;
        if (in_.alike > 1) return;
        for (const std::uint64_t shingle : shingles(s))
            owner_.try_emplace(shingle, static_cast<std::int32_t>(s));
    }

    const std::vector<std::uint64_t>& shingles(std::size_t s) {
        words_.clear();
        split_words(text_[s], words_);
        shingles_.clear();
        if (words_.size() >= static_cast<std::size_t>(kShingle)) {
            shingles_.resize(words_.size() - kShingle + 1);
            kernels().shingle(words_.data(), words_.size(), kShingle, shingles_.data());
        }
        return shingles_;
    }

    // The kept span that holds most of what this one says, if the window holds enough of it.
    std::int32_t says_the_same(std::size_t s) {
        if (in_.alike > 1 || owner_.empty()) return kNone;
        const std::vector<std::uint64_t>& mine = shingles(s);
        if (mine.empty()) return kNone;
        owners_.clear();
        for (const std::uint64_t shingle : mine)
            if (const auto at = owner_.find(shingle);
                at != owner_.end() && stretch_of_[static_cast<std::size_t>(at->second)] != stretch_of_[s])
                owners_.push_back(at->second);
        if (static_cast<double>(owners_.size()) < in_.alike * static_cast<double>(mine.size()))
            return kNone;
        std::sort(owners_.begin(), owners_.end());
        std::int32_t most = kNone;
        std::size_t best = 0;
        for (std::size_t i = 0; i < owners_.size();) {
            std::size_t j = i;
            while (j < owners_.size() && owners_[j] == owners_[i]) ++j;
            if (j - i > best) {
                best = j - i;
                most = owners_[i];
            }
            i = j;
        }
        const std::string_view other = text_[static_cast<std::size_t>(most)];
        if (in_.careful && (differ_tellingly(text_[s], other) || asked_.set_apart(text_[s], other)))
            return kNone;
        return most;
    }

    const FillInput& in_;
    std::size_t n_;
    std::size_t documents_ = 0;
    std::vector<std::uint32_t> stretch_of_;
    std::vector<std::string_view> text_;
    std::vector<int> runs_;  // of each document
    Fill fill_;
    std::unordered_map<std::uint64_t, std::int32_t> owner_;  // shingle -> the first span with it
    std::vector<std::uint64_t> words_, shingles_;
    std::vector<std::int32_t> owners_;
    AskedWords asked_;
};

std::uint64_t hash_token(std::string_view token) {
    std::uint64_t hash = 0x9E3779B97F4A7C15ull ^ token.size();
    for (const char c : token) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0xD6E8FEB86659FD93ull;
        hash ^= hash >> 32;
    }
    return hash;
}

// What a text says that a version must not change, sorted, each as often as it stands there.
struct Telling {
    std::vector<std::uint64_t> numbers, words;

    explicit Telling(std::string_view utf8) {
        std::string word;
        for (std::size_t at = 0; at < utf8.size();) {
            const auto c = static_cast<unsigned char>(utf8[at]);
            std::size_t end = at + 1;
            if (is_digit(c)) {
                while (number_goes_on(utf8, end)) ++end;
                if (end < utf8.size() && utf8[end] == '%') ++end;
                numbers.push_back(hash_token(utf8.substr(at, end - at)));
            } else if (is_letter(c)) {
                word.clear();
                for (end = at; end < utf8.size() && is_letter(static_cast<unsigned char>(utf8[end]));)
                    word.push_back(static_cast<char>(utf8[end++] | 0x20));
                const std::string_view rest = utf8.substr(end);
                if (word.ends_with('n') && (rest.starts_with("'t") || rest.starts_with("\u2019t")))
                    words.insert(words.end(), 2, hash_token("not"));  // "isn't": of two words
                else if (std::binary_search(kTelling.begin(), kTelling.end(), word))
                    words.push_back(hash_token(word));
            }
            at = end;
        }
        std::sort(numbers.begin(), numbers.end());
        std::sort(words.begin(), words.end());
    }

    static bool number_goes_on(std::string_view utf8, std::size_t at) {
        if (at >= utf8.size()) return false;
        const auto c = static_cast<unsigned char>(utf8[at]);
        if (is_digit(c)) return true;
        return (c == '.' || c == ',' || c == ':' || c == '/' || c == '-') && at + 1 < utf8.size() &&
               is_digit(static_cast<unsigned char>(utf8[at + 1]));
    }
};

// How many entries of two sorted lists have no partner in the other.
std::size_t difference(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
    std::size_t i = 0, j = 0, alone = 0;
    while (i < a.size() && j < b.size()) {
        if (a[i] == b[j]) {
            ++i;
            ++j;
        } else {
            a[i] < b[j] ? ++i : ++j;
            ++alone;
        }
    }
    return alone + (a.size() - i) + (b.size() - j);
}

}  // namespace

std::span<const std::string_view> telling_words() { return kTelling; }

bool differ_tellingly(std::string_view a, std::string_view b) {
    const Telling first(a), second(b);
    if (first.numbers != second.numbers) return true;
    const std::size_t telling = difference(first.words, second.words);
    if (telling == 0) return false;
    std::vector<std::uint64_t> mine, theirs;
    split_words(a, mine);
    split_words(b, theirs);
    std::sort(mine.begin(), mine.end());
    std::sort(theirs.begin(), theirs.end());
    return kMainly * telling > difference(mine, theirs);
}

Fill fill_spans(const FillInput& input) {
    Filling filling(input);
    Fill fill = filling.run(input.limit);
    const double all = filling.total();
    fill.left = all > 0 ? std::max(0.0, 1 - fill.value / all) : 0;
    fill.bound = std::max(fill.value, filling.bound(input.least > 0 ? fill.spent : input.limit));
    return fill;
}

}  // namespace ctxmem
