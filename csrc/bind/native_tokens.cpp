#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>
#include <random>
#include <string>

#include "bind/native.hpp"
#include "core/tokenizer/bpe.hpp"
#include "core/tokenizer/count_table.hpp"
#include "core/tokenizer/estimate.hpp"
#include "core/tokenizer/text_hash.hpp"

namespace ctxmem::bind {
namespace {

constexpr std::size_t kCached = std::size_t{1} << 16;  // texts whose count is kept, 3 MB
constexpr std::size_t kWorthCaching = 64;              // bytes; below, counting is as fast
constexpr std::size_t kWorthRelease = 4096;            // bytes that take some 20 us to count

Pattern pattern_of(const std::string& encoding) {
    if (encoding == "o200k_base") return Pattern::o200k;
    if (encoding == "cl100k_base") return Pattern::cl100k;
    throw std::invalid_argument("encoding is '" + encoding +
                                "'; expected 'o200k_base' or 'cl100k_base'");
}

TextHash::Key random_key() {
    std::random_device device;
    TextHash::Key key;
    for (std::uint64_t& word : key) word = std::uint64_t{device()} << 32 | device();
    return key;
}

class BpeCounter {
public:
    BpeCounter(const py::bytes& data, const std::string& encoding)
        : bpe_(std::string_view(data), pattern_of(encoding)),
          hash_(random_key()),
          cached_(kCached) {}

    const Bpe& bpe() const { return bpe_; }
    std::size_t vocabulary_size() const { return bpe_.vocabulary().size(); }

    std::int64_t count(const py::str& text) {
        const Texts texts(text);
        const std::string_view view = texts.views()[0];
        if (view.size() < kWorthCaching) return bpe_.count(view);
        std::int64_t out = 0;
        count_cached({&view, 1}, &out);
        return out;
    }

    py::array_t<std::int64_t> count_many(const py::list& texts, bool cache) {
        const Texts held(texts);
        std::vector<std::int64_t> out(held.views().size());
        if (cache)
            count_cached(held.views(), out.data());
        else
            count_uncached(held.views(), out.data());
        return to_array(std::move(out));
    }

    // The tokens of the body of each unit, with the line break that follows it. A text that is one
    // unit is counted again as a block, followed by `after`: the counts of both come from one pass,
    // and that of the block is kept.
    py::array_t<std::int64_t> count_units(const HeldCorpus& held, const py::str& after) {
        const Corpus& corpus = held.corpus();
        const Texts tail(after);
        std::vector<std::string_view> priced(corpus.units());
        std::vector<std::size_t> alone;  // units that are a whole text
        std::deque<std::string> copies;
        for (std::size_t t = 0; t < corpus.texts(); ++t) {
            const std::string_view text = corpus.text(t);
            const std::size_t first = corpus.first_of(t);
            for (std::size_t u = first; u < corpus.first_of(t + 1); ++u) {
                const Corpus::Body& body = corpus.body(u);
                const bool next = body.broken && body.end < text.size() && text[body.end] == '\n';
                priced[u] = text.substr(body.begin, body.end + next - body.begin);
                if (body.broken == next && !corpus.has_surrogates(t)) continue;
                std::string& copy = copies.emplace_back(
                    corpus.has_surrogates(t) ? without_surrogates(priced[u]) : priced[u]);
                if (body.broken != next) copy.push_back('\n');
                priced[u] = copy;
            }
            const bool one = corpus.first_of(t + 1) == first + 1 && !corpus.has_surrogates(t);
            if (one && corpus.body(first).begin == 0 && !corpus.body(first).broken)
                alone.push_back(first);
        }
        std::vector<std::int64_t> out(priced.size());
        count_blocks(priced, alone, tail.views()[0]);
        count_cached(priced, out.data());
        return to_array(std::move(out));
    }

    py::array_t<std::int64_t> count_spans(const py::str& text,
                                          const py::array_t<std::int64_t>& spans) {
        if (spans.ndim() != 2 || spans.shape(1) != 2)
            throw std::invalid_argument("spans must have the shape (k, 2)");
        const auto ends = spans.unchecked<2>();
        const Py_ssize_t length = PyUnicode_GET_LENGTH(text.ptr());
        for (py::ssize_t i = 0; i < ends.shape(0); ++i)
            if (ends(i, 0) < 0 || ends(i, 0) > ends(i, 1) || ends(i, 1) > length)
                throw std::out_of_range(
                    "span " + std::to_string(i) + " is (" + std::to_string(ends(i, 0)) + ", " +
                    std::to_string(ends(i, 1)) +
                    "); expected 0 <= start <= " + "end <= " + std::to_string(length));
        std::vector<std::int64_t> out(static_cast<std::size_t>(ends.shape(0)));
        const Texts held(text);
        if (held.repaired()) {
            // Repairing joins surrogates, so offsets would shift; each slice is repaired by itself.
            for (std::size_t i = 0; i < out.size(); ++i) {
                const auto row = static_cast<py::ssize_t>(i);
                const auto slice = py::reinterpret_steal<py::str>(
                    PyUnicode_Substring(text.ptr(), ends(row, 0), ends(row, 1)));
                if (!slice) throw py::error_already_set();
                out[i] = bpe_.count(Texts(slice).views()[0]);
            }
            return to_array(std::move(out));
        }
        std::vector<ByteSpan> bytes(out.size());
        const std::string_view view = held.views()[0];
        for (std::size_t i = 0; i < out.size(); ++i) {
            const auto row = static_cast<py::ssize_t>(i);
            bytes[i] = {static_cast<std::size_t>(ends(row, 0)),
                        static_cast<std::size_t>(ends(row, 1))};
        }
        {
            const py::gil_scoped_release release;
            StopToken stop = stop_on_signal();
            if (view.size() != static_cast<std::size_t>(length)) to_byte_offsets(view, bytes);
            bpe_.count_spans(view, bytes, out.data(), stop);
        }
        return to_array(std::move(out));
    }

private:
    using Views = std::span<const std::string_view>;

    // Requires the GIL, and releases it if the texts are large.
    void count_uncached(Views texts, std::int64_t* out) {
        std::size_t bytes = 0;
        for (const std::string_view text : texts) bytes += text.size();
        if (bytes < kWorthRelease) {
            for (std::size_t i = 0; i < texts.size(); ++i) out[i] = bpe_.count(texts[i]);
            return;
        }
        const py::gil_scoped_release release;
        StopToken stop = stop_on_signal();
        for (std::size_t i = 0; i < texts.size(); ++i) {
            stop.check(10);
            out[i] = bpe_.count(texts[i], stop);
        }
    }

    void count_cached(Views texts, std::int64_t* out) {
        std::vector<ContentKey> keys(texts.size());
        std::vector<std::string_view> missing;
        std::vector<std::size_t> where;
        for (std::size_t i = 0; i < texts.size(); ++i)
            if (texts[i].size() >= kWorthCaching) keys[i] = hash_(texts[i]);
        {
            const std::lock_guard hold(lock_);
            for (std::size_t i = 0; i < texts.size(); ++i) {
                out[i] = texts[i].size() >= kWorthCaching ? cached_.find(keys[i]) : -1;
                if (out[i] >= 0) continue;
                missing.push_back(texts[i]);
                where.push_back(i);
            }
        }
        if (missing.empty()) return;
        std::vector<std::int64_t> counts(missing.size());
        count_uncached(missing, counts.data());
        const std::lock_guard hold(lock_);
        for (std::size_t k = 0; k < where.size(); ++k) {
            out[where[k]] = counts[k];
            if (missing[k].size() >= kWorthCaching) cached_.insert(keys[where[k]], counts[k]);
        }
    }

    // Keep the counts of these texts and of the texts followed by `after`, unless they are known.
    // Requires texts that do not end in white space. Then every piece of such a block that ends
    // within the text is a piece of the text (bpe.hpp), so the two share all but the last pieces.
    void count_blocks(Views texts, std::span<const std::size_t> chosen, std::string_view after) {
        std::vector<ContentKey> keys(chosen.size());
        std::vector<std::size_t> missing;
        for (std::size_t k = 0; k < chosen.size(); ++k)
            if (texts[chosen[k]].size() > kWorthCaching) keys[k] = hash_(texts[chosen[k]]);
        {
            const std::lock_guard hold(lock_);
            for (std::size_t k = 0; k < chosen.size(); ++k)
                if (texts[chosen[k]].size() > kWorthCaching && cached_.find(keys[k]) < 0)
                    missing.push_back(k);
        }
        struct Counted {
            ContentKey key, block_key;
            std::int64_t tokens, block_tokens;
        };
        std::vector<Counted> counted;
        std::string block;
        {
            const py::gil_scoped_release release;
            StopToken stop = stop_on_signal();
            for (const std::size_t k : missing) {
                const std::string_view text = texts[chosen[k]];
                block.assign(text).append(after);
                std::size_t at = 0;
                const std::int64_t shared =
                    bpe_.count_from(block, at, text.size() - kWorthCaching, stop);
                if (at > text.size()) continue;  // a piece that reaches beyond the text
                const std::string_view rest = std::string_view(block).substr(at);
                counted.push_back({keys[k], hash_(block),
                                   shared + bpe_.count(text.substr(at), stop),
                                   shared + bpe_.count(rest, stop)});
            }
        }
        const std::lock_guard hold(lock_);
        for (const Counted& one : counted) {
            cached_.insert(one.key, one.tokens);
            cached_.insert(one.block_key, one.block_tokens);
        }
    }

    // Character offsets to byte offsets.
    static void to_byte_offsets(std::string_view text, std::vector<ByteSpan>& spans) {
        std::vector<std::size_t*> offsets;
        for (ByteSpan& span : spans) {
            offsets.push_back(&span.begin);
            offsets.push_back(&span.end);
        }
        std::sort(offsets.begin(), offsets.end(),
                  [](const std::size_t* a, const std::size_t* b) { return *a < *b; });
        std::size_t at = 0;
        std::size_t characters = 0;
        for (std::size_t* offset : offsets) {
            while (characters < *offset) {
                ++at;
                while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
                    ++at;
                ++characters;
            }
            *offset = at;
        }
    }

    Bpe bpe_;
    TextHash hash_;
    std::mutex lock_;  // guards cached_; held for look-ups only, never while counting
    CountTable cached_;
};

py::array_t<double> text_amounts_many(const BpeCounter& o200k, const BpeCounter& cl100k,
                                      const py::list& texts) {
    if (o200k.bpe().pattern() != Pattern::o200k || cl100k.bpe().pattern() != Pattern::cl100k)
        throw std::invalid_argument(
            "expected counters of o200k_base and cl100k_base, in this order");
    const Texts held(texts);
    const std::size_t size = held.views().size();
    py::array_t<double> out({size, kKinds, kAmounts});
    double* at = out.mutable_data();
    {
        const py::gil_scoped_release release;
        StopToken stop = stop_on_signal();
        for (const std::string_view text : held.views()) {
            stop.check(1000);
            text_amounts(o200k.bpe(), cl100k.bpe(), text, at, stop);
            at += kKinds * kAmounts;
        }
    }
    return out;
}

}  // namespace

void bind_tokens(py::module_& m) {
    py::class_<BpeCounter>(
        m, "Bpe",
        "Count tokens of cl100k_base or o200k_base, exactly; safe from many threads at once.\n\n"
        "`data` are the bytes of the encoding's .tiktoken file; ValueError if they are damaged.")
        .def(py::init<const py::bytes&, const std::string&>(), py::arg("data"), py::arg("encoding"))
        .def("__len__", &BpeCounter::vocabulary_size)
        .def("count", &BpeCounter::count, py::arg("text"),
             "Return the number of tokens of the text.")
        .def("count_many", &BpeCounter::count_many, py::arg("texts"), py::arg("cache") = true,
             "Return the number of tokens of each text; with `cache`, counts are kept by content.")
        .def("count_units", &BpeCounter::count_units, py::arg("corpus"), py::arg("after") = "",
             "Return the number of tokens of each unit of a corpus without the white space around\n"
             "it, with the line break that follows it. The counts of texts of one unit, followed "
             "by\n"
             "`after`, are kept by content.")
        .def("count_spans", &BpeCounter::count_spans, py::arg("text"), py::arg("spans"),
             "Return the number of tokens of text[start:end] for each row (start, end) of spans.");
    m.def("text_amounts", &text_amounts_many, py::arg("o200k"), py::arg("cl100k"), py::arg("texts"),
          "Return what each text is made of: an array of texts x kinds x (tokens of o200k_base,\n"
          "tokens of cl100k_base, characters, pieces). ValueError unless the counters are those.");
    py::list kinds;
    for (const std::string_view kind : kTextKinds) kinds.append(py::str(std::string(kind)));
    m.attr("TEXT_KINDS") = py::tuple(kinds);
}

}  // namespace ctxmem::bind
