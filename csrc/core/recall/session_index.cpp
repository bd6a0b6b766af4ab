#include "core/recall/session_index.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "core/support/huge_page_array.hpp"

namespace ctxmem {
namespace {

constexpr float kSaturation = 1.2f;  // k1 of BM25
constexpr float kLength = .75f;      // b of BM25
constexpr std::uint32_t kMostFrequent = 15;
constexpr std::size_t kMostAsked = 256;  // words of a question; later ones are not looked for

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::size_t code_points(std::string_view bytes) {
    return static_cast<std::size_t>(
        std::count_if(bytes.begin(), bytes.end(), [](char c) { return !continues(c); }));
}

std::vector<std::size_t> byte_offsets(std::string_view text, std::span<const std::int64_t> edges) {
    std::vector<std::size_t> out;
    std::size_t at = 0;
    std::int64_t point = 0;
    for (const std::int64_t edge : edges) {
        while (at < text.size() && (point < edge || continues(text[at])))
            point += !continues(text[at++]) ? 1 : 0;
        out.push_back(at);
    }
    return out;
}

}  // namespace

Speaker speaker_of(std::string_view role) {
    constexpr std::string_view kNames[kSpeakers] = {"user", "assistant", "tool", "system", "chunk"};
    for (std::size_t i = 0; i < kSpeakers; ++i)
        if (role == kNames[i]) return static_cast<Speaker>(i);
    throw std::invalid_argument("role is '" + std::string(role) +
                                "'; expected user, assistant, tool, system or chunk");
}

struct SessionIndex::Scores {
    std::vector<float> passage, message, total;
    std::vector<std::uint32_t> touched;  // messages with a score of their own, ascending
};

std::uint64_t SessionIndex::hash(std::string_view word) const {
    std::uint64_t state = seed_ ^ word.size() * 0x9E3779B97F4A7C15ull;
    while (!word.empty()) {
        std::uint64_t block = 0;
        const std::size_t size = std::min<std::size_t>(8, word.size());
        std::memcpy(&block, word.data(), size);
        state = (state ^ block) * (0xD6E8FEB86659FD93ull ^ (seed_ << 1));
        state ^= state >> 32;
        word.remove_prefix(size);
    }
    return state * 0x9E3779B97F4A7C15ull >> 16;
}

std::uint32_t SessionIndex::find(std::string_view word, std::uint32_t key) const {
    if (slots_.empty()) return kNone;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = key & mask; slots_[at].term != kNone; at = (at + 1) & mask)
        if (slots_[at].hash == key && bytes_of(terms_[slots_[at].term]) == word)
            return slots_[at].term;
    return kNone;
}

std::uint32_t SessionIndex::find_or_add(std::string_view word, std::uint32_t key) {
    const std::uint32_t known = find(word, key);
    if (known != kNone) return known;
    if (2 * (terms_.size() + 1) >= slots_.size()) grow();
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = key & mask;
    while (slots_[at].term != kNone) at = (at + 1) & mask;
    slots_[at] = {key, static_cast<std::uint32_t>(terms_.size())};
    terms_.push_back({bytes_.size(), static_cast<std::uint32_t>(word.size()), 0, {}});
    bytes_ += word;
    return slots_[at].term;
}

void SessionIndex::prefetch_slot(std::uint32_t key) const {
    if (!slots_.empty()) prefetch(&slots_[key & (slots_.size() - 1)]);
}

void SessionIndex::prefetch_term(std::uint32_t key) const {
    if (slots_.empty()) return;
    const Slot& slot = slots_[key & (slots_.size() - 1)];
    if (slot.term != kNone) prefetch(&terms_[slot.term]);
}

void SessionIndex::prefetch_bytes(std::uint32_t key) const {
    if (slots_.empty()) return;
    const Slot& slot = slots_[key & (slots_.size() - 1)];
    if (slot.term == kNone) return;
    const Term& term = terms_[slot.term];
    prefetch(bytes_.data() + term.at);
    prefetch(term.postings.data() + term.postings.size());
}

void SessionIndex::grow() {
    std::vector<Slot> before(std::max<std::size_t>(1024, 2 * slots_.size()), Slot{0, kNone});
    before.swap(slots_);
    const std::size_t mask = slots_.size() - 1;
    for (const Slot& slot : before) {
        if (slot.term == kNone) continue;
        std::size_t at = slot.hash & mask;
        while (slots_[at].term != kNone) at = (at + 1) & mask;
        slots_[at] = slot;
    }
}

void SessionIndex::push_message(std::uint32_t number, Speaker speaker, double time) {
    const auto at = static_cast<std::int32_t>(messages_.size());
    const auto first = static_cast<std::uint32_t>(passages_.size());
    messages_.push_back({time, number, first, 0, asker_, speaker, false});
    if (speaker == Speaker::user) asker_ = at;
}

void SessionIndex::count(std::size_t m, int sign) {
    const Message& message = messages_[m];
    const std::size_t kind = message.speaker == Speaker::user ? 0 : 1;
    const auto step = static_cast<std::uint64_t>(static_cast<std::int64_t>(sign));
    count_[kind] += step;
    spoken_[kind] += step * message.words;
    live_ += static_cast<std::size_t>(step);
    live_passages_ += static_cast<std::size_t>(step * (end_of(m) - message.first));
}

std::size_t SessionIndex::add(std::uint32_t number, Speaker speaker, std::string_view text,
                              double time, std::span<const std::int64_t> edges) {
    if (!messages_.empty() && number <= messages_.back().number)
        throw std::invalid_argument("messages are added in ascending order of their numbers");
    if (text.size() > kNone) throw std::length_error("the text is longer than 4 GB");
    const std::vector<ByteRange> cuts = cut_passages(text, byte_offsets(text, edges));
    if (passages_.size() + cuts.size() >= kMostPassages)
        throw std::length_error("the index holds as many passages as it can");
    push_message(number, speaker, time);
    const auto m = static_cast<std::uint32_t>(messages_.size() - 1);
    distinct_.clear();
    std::size_t at = 0, point = 0;
    for (const ByteRange& cut : cuts) {
        const auto passage = static_cast<std::uint32_t>(passages_.size());
        const std::string_view body = text.substr(cut.begin, cut.end - cut.begin);
        point += code_points(text.substr(at, cut.begin - at));
        const std::size_t start = point;
        point += code_points(body);
        at = cut.end;
        words_.read(body);
        here_.clear();
        for (std::size_t w = 0; w < words_.size(); ++w) here_.push_back(find_or_add(words_[w]));
        std::sort(here_.begin(), here_.end());
        for (std::size_t i = 0; i < here_.size();) {
            std::size_t next = i;
            while (next < here_.size() && here_[next] == here_[i]) ++next;
            const auto times = static_cast<std::uint32_t>(next - i);
            terms_[here_[i]].postings.push_back(passage << 4 | std::min(times, kMostFrequent));
            distinct_.push_back(here_[i]);
            i = next;
        }
        const auto length = static_cast<std::uint32_t>(here_.size());
        passages_.push_back(
            {m, static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(point), length});
        messages_[m].words += length;
    }
    std::sort(distinct_.begin(), distinct_.end());
    distinct_.erase(std::unique(distinct_.begin(), distinct_.end()), distinct_.end());
    for (const std::uint32_t term : distinct_) ++terms_[term].messages;
    count(m, 1);
    return cuts.size();
}

std::size_t SessionIndex::position(std::uint32_t number) const {
    const auto at = std::lower_bound(
        messages_.begin(), messages_.end(), number,
        [](const Message& message, std::uint32_t wanted) { return message.number < wanted; });
    return static_cast<std::size_t>(at - messages_.begin());
}

bool SessionIndex::remove(std::uint32_t number) {
    const std::size_t m = position(number);
    if (m == messages_.size() || messages_[m].number != number || messages_[m].removed)
        return false;
    const std::uint32_t first = messages_[m].first, end = end_of(m);
    for (Term& term : terms_) {
        auto& postings = term.postings;
        const auto from = std::lower_bound(postings.begin(), postings.end(), first << 4);
        const auto to = std::lower_bound(from, postings.end(), end << 4);
        if (from == to) continue;
        postings.erase(from, to);
        --term.messages;
        if (!postings.empty()) continue;
        // Its bytes go too. An empty word is never looked for, so the slot stays as it is.
        std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(term.at), term.size, '\0');
        term.size = 0;
        postings.shrink_to_fit();
    }
    count(m, -1);
    for (std::uint32_t p = first; p < end; ++p) passages_[p].start = passages_[p].end = 0;
    for (std::uint32_t p = first; p < end; ++p) passages_[p].words = 0;
    messages_[m].words = 0;
    messages_[m].removed = true;
    return true;
}

void SessionIndex::score_term(const Term& term, float share, Scores& scores) const {
    const auto n = static_cast<float>(live_), df = static_cast<float>(term.messages);
    const float idf = share * std::log(1 + (n - df + .5f) / (df + .5f)) * (kSaturation + 1);
    const auto mean = [](std::uint64_t words, std::uint64_t of) {
        const auto divisor = static_cast<float>(std::max<std::uint64_t>(of, 1));
        return std::max(1.f, static_cast<float>(words) / divisor);
    };
    const float passage_mean = mean(spoken_[0] + spoken_[1], live_passages_);
    const float message_mean[2] = {mean(spoken_[0], count_[0]),
                                   mean(spoken_[0] + spoken_[1], live_)};
    const auto gain = [&](float f, float length) {
        return idf * f / (f + kSaturation * (1 - kLength + kLength * length));
    };
    const auto& postings = term.postings;
    for (std::size_t i = 0; i < postings.size();) {
        const std::uint32_t m = passages_[postings[i] >> 4].message;
        std::uint32_t all = 0;
        for (; i < postings.size() && passages_[postings[i] >> 4].message == m; ++i) {
            const std::uint32_t p = postings[i] >> 4, f = postings[i] & 15;
            all += f;
            scores.passage[p] +=
                gain(static_cast<float>(f), static_cast<float>(passages_[p].words) / passage_mean);
        }
        if (scores.message[m] == 0) scores.touched.push_back(m);
        const float usual = message_mean[messages_[m].speaker == Speaker::user ? 0 : 1];
        scores.message[m] +=
            gain(static_cast<float>(all), static_cast<float>(messages_[m].words) / usual);
    }
}

// From the scores of the messages themselves to those with their neighbours.
void SessionIndex::combine(const SearchOptions& options, Scores& scores) const {
    std::vector<float>& own = scores.message;
    for (const std::uint32_t m : scores.touched) {
        const float* passages = scores.passage.data();
        const float best = *std::max_element(passages + messages_[m].first, passages + end_of(m));
        own[m] = .5f * own[m] + .5f * best;
    }
    const auto user = [&](std::size_t m) { return messages_[m].speaker == Speaker::user; };
    scores.total.assign(own.size(), 0);
    const std::size_t size = messages_.size();
    std::vector<bool> near_touched(size + 4);  // two places before the first message
    for (const std::uint32_t m : scores.touched)
        for (std::size_t k = m; k <= std::size_t{m} + 4; ++k) near_touched[k] = true;
    std::vector<std::uint32_t> reached;
    for (std::size_t m = 0; m < size; ++m)
        if (near_touched[m + 2]) reached.push_back(static_cast<std::uint32_t>(m));
    for (const std::uint32_t m : reached) {
        if (!user(m) || messages_[m].removed) continue;
        const float answer = m + 1 < size && !user(m + 1) ? own[m + 1] : 0;
        const std::int32_t before = messages_[m].asker;
        const bool close = before >= 0 && m - static_cast<std::uint32_t>(before) <= 2;
        float beside = close ? own[static_cast<std::size_t>(before)] : 0;
        for (std::size_t k = m + 1; k < std::min<std::size_t>(m + 3, size); ++k)
            if (user(k)) beside = std::max(beside, own[k]);
        scores.total[m] =
            options.weight[0] * (own[m] + options.answer * answer) + options.near * beside;
    }
    for (const std::uint32_t m : reached) {
        if (user(m) || messages_[m].removed) continue;
        const std::int32_t asker = messages_[m].asker;
        const bool near = asker >= 0 && m - static_cast<std::uint32_t>(asker) <= 2;
        const float asked = near ? scores.total[static_cast<std::size_t>(asker)] : 0;
        scores.total[m] = options.weight[static_cast<std::size_t>(messages_[m].speaker)] *
                          (own[m] + options.asked * asked);
    }
    scores.touched = std::move(reached);
}

// The known words of a text, each once, in its order, so that sums do not depend on how the index
// came to be.
std::vector<std::uint32_t> SessionIndex::terms_of(std::string_view text) {
    words_.read(text);
    std::vector<std::uint32_t> out;
    for (std::size_t w = 0; w < words_.size() && out.size() < kMostAsked; ++w) {
        const std::uint32_t term = find(words_[w]);
        if (term != kNone && std::find(out.begin(), out.end(), term) == out.end())
            out.push_back(term);
    }
    return out;
}

std::size_t SessionIndex::frequency(std::string_view word) {
    const std::vector<std::uint32_t> terms = terms_of(word);
    return terms.empty() ? 0 : terms_[terms[0]].messages;
}

Found SessionIndex::search(std::string_view question, std::size_t limit,
                           const SearchOptions& options) {
    const std::vector<std::uint32_t> asked = terms_of(question), faint = terms_of(options.faint);
    Scores scores;
    scores.passage.resize(passages_.size());
    scores.message.resize(messages_.size());
    for (const std::uint32_t term : asked) {
        const bool is_faint = std::find(faint.begin(), faint.end(), term) != faint.end();
        score_term(terms_[term], is_faint ? options.faint_share : 1.f, scores);
    }
    combine(options, scores);

    const bool limited = std::isfinite(options.since) || std::isfinite(options.until);
    auto& order = scores.touched;
    std::erase_if(order, [&](std::uint32_t m) {
        const double time = messages_[m].time;
        return !(scores.total[m] > 0) ||
               (limited && !(time >= options.since && time < options.until));
    });
    limit = std::min(limit, order.size());
    const auto better = [&](std::uint32_t a, std::uint32_t b) {
        const float x = scores.total[a], y = scores.total[b];
        return x != y ? x > y : a > b;
    };
    const auto kept = order.begin() + static_cast<std::ptrdiff_t>(limit);
    if (kept != order.end()) std::nth_element(order.begin(), kept, order.end(), better);
    std::sort(order.begin(), kept, better);
    Found found;
    for (std::size_t i = 0; i < limit; ++i) {
        const std::uint32_t m = order[i];
        found.message.push_back(messages_[m].number);
        found.score.push_back(scores.total[m]);
        found.speaker.push_back(static_cast<std::uint8_t>(messages_[m].speaker));
        for (std::uint32_t p = messages_[m].first; p < end_of(m); ++p) {
            found.start.push_back(passages_[p].start);
            found.end.push_back(passages_[p].end);
            found.passage_score.push_back(scores.passage[p]);
        }
        found.first.push_back(static_cast<std::int64_t>(found.start.size()));
    }
    return found;
}

MessageColumns SessionIndex::messages() const {
    MessageColumns live;
    for (const Message& message : messages_) {
        if (message.removed) continue;
        live.number.push_back(message.number);
        live.speaker.push_back(static_cast<std::uint8_t>(message.speaker));
        live.time.push_back(message.time);
    }
    return live;
}

PassageColumns SessionIndex::passages() const {
    PassageColumns live;
    for (const Passage& passage : passages_) {
        if (messages_[passage.message].removed) continue;
        live.message.push_back(messages_[passage.message].number);
        live.start.push_back(passage.start);
        live.end.push_back(passage.end);
    }
    return live;
}

std::size_t SessionIndex::memory() const {
    std::size_t bytes = messages_.capacity() * sizeof(Message) +
                        passages_.capacity() * sizeof(Passage) + slots_.capacity() * sizeof(Slot) +
                        terms_.capacity() * sizeof(Term) + bytes_.capacity();
    for (const Term& term : terms_) bytes += term.postings.capacity() * sizeof(std::uint32_t);
    return bytes;
}

}  // namespace ctxmem
