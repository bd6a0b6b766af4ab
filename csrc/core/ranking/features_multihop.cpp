// Multi-hop features, derived from the spans with the highest draft values: rare terms and names
// that these spans contain and the query does not, where they occur in other documents (the second
// hop of a question); similarity of terms and vectors to these spans; and query terms that they
// lack.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/ranking/span_columns.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kTopSpans = 5;  // top spans that lead to other documents
constexpr std::size_t kFeedback = 8;  // top spans used for relevance feedback
constexpr std::size_t kLeaders = 3;   // top spans, and top documents, taken as the current answer
constexpr std::size_t kName = 8;      // first terms of an opening, taken as the document's name
constexpr std::size_t kNames = 64;    // capitalised terms of a span tried as the start of a name
constexpr double kRare = 0.1;         // rare: in at most this share of spans, openings ...
constexpr double kFew = 4;            // ... or in at most this number

class Multihop {
public:
    Multihop(const SpanTable& table, std::span<const float> density, StopToken& stop)
        : table_(table), density_(density), stop_(stop) {
        std::vector<std::uint32_t> order(table.spans());
        std::iota(order.begin(), order.end(), 0u);
        const std::size_t top = std::min(order.size(), kFeedback);
        std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top),
                          order.end(), [&](std::uint32_t a, std::uint32_t b) {
                              return density[a] != density[b] ? density[a] > density[b] : a < b;
                          });
        best_.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top));
    }

    // For each span, the greatest total weight of rare terms that it shares with one top span of
    // another document.
    std::vector<double> shared() const {
        std::vector<double> most(table_.spans(), 0.0), one(table_.spans(), 0.0);
        std::vector<std::uint32_t> met;
        for (const std::uint32_t from : first_best(kTopSpans)) {
            met.clear();
            for (const std::uint32_t term : table_.distinct(from)) {
                if (table_.asked(term) || !rare(table_.postings(term).size(), table_.spans()))
                    continue;
                stop_.check(5 + 5 * table_.postings(term).size());
                for (const auto& [span, count] : table_.postings(term)) {
                    if (table_.document(span) == table_.document(from)) continue;
                    if (one[span] == 0) met.push_back(span);
                    one[span] += table_.weight(term);
                }
            }
            for (const std::uint32_t span : met) {
                most[span] = std::max(most[span], one[span]);
                one[span] = 0;
            }
        }
        return most;
    }

    // For each document, the greatest share of its opening's weight found in one top span of
    // another document.
    Column openings_named() const {
        Column most(table_.documents(), 0.0f);
        std::vector<double> whole(table_.documents(), 0.0), one(table_.documents(), 0.0);
        for (std::size_t d = 0; d < whole.size(); ++d)
            for (const std::uint32_t term : opening(d, kOpening)) whole[d] += table_.weight(term);
        std::vector<std::uint32_t> met;
        for (const std::uint32_t from : first_best(kTopSpans)) {
            met.clear();
            for (const std::uint32_t term : table_.distinct(from)) {
                stop_.check(5 + 5 * table_.openings_with(term).size());
                for (const auto& [document, position] : table_.openings_with(term)) {
                    if (document == table_.document(from)) continue;
                    if (one[document] == 0) met.push_back(document);
                    one[document] += table_.weight(term);
                }
            }
            for (const std::uint32_t document : met) {
                most[document] =
                    std::max(most[document], static_cast<float>(one[document] / whole[document]));
                one[document] = 0;
            }
        }
        return most;
    }

    // For each document, the greatest weight of a name that occurs in a top span of another
    // document and in its own opening; only names with at least one term that is not in the query.
    Column names_in_openings() const {
        Column most(table_.documents(), 0.0f);
        for (const std::uint32_t from : first_best(kTopSpans)) {
            const std::span<const Term> terms = table_.terms(from);
            std::size_t names = 0;
            for (std::size_t at = 0; at < terms.size() && names < kNames; ++at) {
                if (!terms[at].capital) continue;
                ++names;
                const auto openings = table_.openings_with(terms[at].id);
                if (!rare(openings.size(), table_.documents())) continue;
                stop_.check(5 + 30 * openings.size());
                for (const auto& [document, position] : openings)
                    if (document != table_.document(from))
                        most[document] =
                            std::max(most[document],
                                     shared_name(terms.subspan(at),
                                                 table_.opening_terms(document).subspan(position)));
            }
        }
        return most;
    }

    // For each span, the greatest share of the name of another top document that it contains.
    Column leaders_named() const {
        Column most(table_.spans(), 0.0f);
        std::vector<std::size_t> leaders;
        for (const std::uint32_t from : best_)
            if (leaders.size() < kLeaders &&
                std::find(leaders.begin(), leaders.end(), table_.document(from)) == leaders.end())
                leaders.push_back(table_.document(from));
        std::vector<double> found;
        for (const std::size_t leader : leaders) {
            double whole = 0;
            found.assign(table_.spans(), 0.0);
            for (const std::uint32_t term : opening(leader, kName)) {
                whole += table_.weight(term);
                stop_.check(5 + 5 * table_.postings(term).size());
                for (const auto& [span, count] : table_.postings(term))
                    if (table_.document(span) != leader) found[span] += table_.weight(term);
            }
            for (std::size_t s = 0; whole > 0 && s < found.size(); ++s)
                most[s] = std::max(most[s], static_cast<float>(found[s] / whole));
        }
        return most;
    }

    // Relevance feedback (Rocchio 1971): the weight of terms that a span shares with the top spans
    // and that are not in the query, multiplied by the value of the top span. `elsewhere`: use only
    // top spans of other documents. A top span does not count for itself.
    Column feedback(bool elsewhere) const {
        std::vector<double> sum(table_.spans(), 0.0);
        for (const std::uint32_t from : best_)
            for (const std::uint32_t term : table_.distinct(from)) {
                if (table_.asked(term) || table_.weight(term) <= 0) continue;
                stop_.check(5 + 5 * table_.postings(term).size());
                const double weight = density_[from] * table_.weight(term);
                for (const auto& [span, count] : table_.postings(term))
                    if (span != from &&
                        !(elsewhere && table_.document(span) == table_.document(from)))
                        sum[span] += weight;
            }
        for (std::size_t s = 0; s < sum.size(); ++s)
            sum[s] /= std::sqrt(4.0 + static_cast<double>(table_.length(s)));
        return scaled(sum);
    }

    // The share, by weight, of the query terms missing from the top spans that a span contains.
    Column complement() const {
        Column out(table_.spans(), 0.0f);
        if (!table_.has_query()) return out;
        std::vector<std::uint32_t> lacking;
        double whole = 0;
        for (const std::uint32_t term : table_.queries()[0]) {
            const bool had = std::any_of(
                best_.begin(),
                best_.begin() + static_cast<std::ptrdiff_t>(std::min(kLeaders, best_.size())),
                [&](std::uint32_t span) { return has(span, term); });
            if (had || table_.postings(term).empty()) continue;
            lacking.push_back(term);
            whole += table_.weight(term);
        }
        for (const std::uint32_t term : lacking)
            for (const auto& [span, count] : table_.postings(term))
                out[span] += static_cast<float>(table_.weight(term) / whole);
        return out;
    }

    // Cosine of a span's vector to those of the top spans: the sum weighted by their values, and
    // the maximum over top spans of other documents.
    void add_near(Columns& columns) const {
        const SpanInput& in = table_.input();
        if (in.width == 0 || in.vectors.empty()) {
            columns.add("near_best", Column(table_.spans(), kMissing));
            columns.add("near_best_elsewhere", Column(table_.spans(), kMissing));
            return;
        }
        std::vector<double> near(table_.spans(), 0.0), elsewhere(table_.spans(), 0.0);
        for (std::size_t s = 0; s < near.size(); ++s)
            for (const std::uint32_t from : best_) {
                stop_.check(5 + table_.input().width / 8);
                const double cosine = alike(s, from);
                if (from != s) near[s] += cosine * density_[from];
                if (table_.document(s) != table_.document(from))
                    elsewhere[s] = std::max(elsewhere[s], cosine);
            }
        columns.add("near_best", spread(near));
        columns.add("near_best_elsewhere", spread(elsewhere));
    }

private:
    std::span<const std::uint32_t> first_best(std::size_t count) const {
        return std::span<const std::uint32_t>(best_).first(std::min(count, best_.size()));
    }
    static bool rare(std::size_t holders, std::size_t all) {
        return static_cast<double>(holders) <= std::max(kFew, kRare * static_cast<double>(all));
    }
    bool has(std::uint32_t span, std::uint32_t term) const {
        const auto terms = table_.distinct(span);
        return std::find(terms.begin(), terms.end(), term) != terms.end();
    }
    // The distinct terms among the first `count` terms of a document's opening.
    std::vector<std::uint32_t> opening(std::size_t document, std::size_t count) const {
        const std::span<const Term> terms = table_.opening_terms(document);
        std::vector<std::uint32_t> out;
        for (const Term& term : terms.first(std::min(count, terms.size())))
            if (std::find(out.begin(), out.end(), term.id) == out.end()) out.push_back(term.id);
        return out;
    }
    float shared_name(std::span<const Term> named, std::span<const Term> opening) const {
        double weight = 0;
        bool beyond = false;  // at least one term is not in the query
        std::size_t run = 0;
        for (; run < std::min(named.size(), opening.size()); ++run) {
            const Term& term = named[run];
            if (term.id != opening[run].id || !(term.capital || term.function || term.digit)) break;
            weight += table_.weight(term.id);
            beyond = beyond || !table_.asked(term.id);
        }
        return run >= 2 && beyond ? static_cast<float>(weight) : 0;
    }
    double alike(std::size_t a, std::size_t b) const {
        const std::size_t width = table_.input().width;
        const float* x = table_.input().vectors.data() + a * width;
        const float* y = table_.input().vectors.data() + b * width;
        float sum = 0;
        for (std::size_t k = 0; k < width; ++k) sum += x[k] * y[k];
        return sum;
    }

    const SpanTable& table_;
    std::span<const float> density_;
    StopToken& stop_;
    std::vector<std::uint32_t> best_;
};

}  // namespace

void add_multihop(const SpanTable& table, std::span<const float> density, Columns& columns,
                  StopToken& stop) {
    const Multihop multihop(table, density, stop);
    const std::vector<double> shared = multihop.shared();
    columns.add("multihop", Column(shared.begin(), shared.end()));
    columns.add("multihop_relative", scaled(shared));
    columns.add("opening_named", of_documents(table, multihop.openings_named()));
    columns.add("named_in_opening", of_documents(table, multihop.names_in_openings()));
    columns.add("named_here", multihop.leaders_named());
    columns.add("feedback", multihop.feedback(false));
    columns.add("feedback_elsewhere", multihop.feedback(true));
    columns.add("complement", multihop.complement());
    multihop.add_near(columns);
}

}  // namespace ctxmem
