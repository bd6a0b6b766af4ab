#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <unordered_map>

#include "bind/native.hpp"
#include "bind/native_models.hpp"
#include "bind/native_normalise.hpp"
#include "bind/native_split.hpp"
#include "bind/section.hpp"
#include "core/tokenizer/bpe.hpp"
#include "core/tokenizer/count_table.hpp"
#include "core/tokenizer/estimate.hpp"
#include "core/tokenizer/normalise.hpp"
#include "core/tokenizer/sentence_piece.hpp"
#include "core/tokenizer/split.hpp"
#include "core/tokenizer/text_hash.hpp"
#include "core/tokenizer/tokenizer.hpp"

namespace ctxmem::bind {
namespace {

constexpr std::size_t kCached = std::size_t{1} << 16;  // texts whose count is kept, 3 MB
constexpr std::size_t kWorthCaching = 64;              // bytes; below, counting is as fast

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

// Byte pairs behind a pre-tokeniser that has no known pattern.
class BpePieces final : public TokenModel {
public:
    explicit BpePieces(std::unique_ptr<Bpe> bpe) : bpe_(std::move(bpe)) {}
    std::int64_t count(std::string_view piece) const override { return bpe_->count_piece(piece); }

private:
    std::unique_ptr<Bpe> bpe_;
};

// Whether a step of a section, a sequence or not, is one that `wanted` is true of.
template <class Wanted>
bool has_step(const py::handle& section, const char* steps, const Wanted& wanted) {
    if (!py::isinstance<py::dict>(section)) return false;
    const auto fields = py::reinterpret_borrow<py::dict>(section);
    if (wanted(fields)) return true;
    if (!fields.contains(steps)) return false;
    for (const py::handle step : fields[steps])
        if (has_step(step, steps, wanted)) return true;
    return false;
}

bool says(const py::dict& step, const char* name, const char* value) {
    return step.contains(name) && py::object(step[name]).equal(py::str(value));
}

// Whether a normaliser's step may take the first character of a text away. Replacements by a blank
// or by U+2581 may, but nothing is put before those.
bool may_shorten_begin(const py::dict& step) {
    for (const char* type : {"Nmt", "StripAccents", "BertNormalizer"})
        if (says(step, "type", type)) return true;
    if (says(step, "type", "Strip"))
        return step.contains("strip_left") && py::object(step["strip_left"]).equal(py::bool_(true));
    if (!says(step, "type", "Replace")) return false;
    const auto content = py::str(step["content"]).cast<std::string>();
    if (content.starts_with(" ") || content.starts_with("\xE2\x96\x81")) return false;
    const auto pattern = py::reinterpret_borrow<py::dict>(step["pattern"]);
    return content.empty() || !pattern.contains("String") || py::len(pattern["String"]) > 1;
}

// `tokenizers` asks whether a piece begins where the text as it was given does, of which the
// normalisers here keep nothing.
void check_prepend_first(const py::handle& normalizer, const py::handle& pre_tokenizer) {
    const auto first = [](const py::dict& step) { return says(step, "prepend_scheme", "first"); };
    if (has_step(pre_tokenizer, "pretokenizers", first) &&
        has_step(normalizer, "normalizers", may_shorten_begin))
        throw Unsupported(
            "prepend_scheme 'first' behind a normalizer that may remove the first character");
}

struct GivenToken {
    AddedToken token;
    bool normalised;
};

GivenToken read_added_token(const py::handle& item) {
    const Section fields(item, "an added token");
    return {{std::string(fields.text("content")), fields.flag("lstrip", false),
             fields.flag("rstrip", false), fields.flag("single_word", false)},
            fields.flag("normalized", false)};
}

// The added tokens of a tokenizer.json, as the library `tokenizers` keeps them: of tokens with one
// content the last. Of contents that are equal only when normalised it takes any, here the first.
void read_added_tokens(const py::handle& section, Tokenizer::Parts& parts) {
    std::vector<GivenToken> given;
    for (const py::handle item : section) given.push_back(read_added_token(item));
    std::unordered_map<std::string, std::size_t> last;
    for (std::size_t i = 0; i < given.size(); ++i) last[given[i].token.content] = i;
    for (std::size_t i = 0; i < given.size(); ++i) {
        AddedToken& token = given[i].token;
        if (last[token.content] != i) continue;
        if (!given[i].normalised) {
            parts.added_raw.push_back(std::move(token));
            continue;
        }
        if (parts.normaliser != nullptr) {
            std::string buffer;
            token.content = std::string(parts.normaliser->apply(token.content, buffer));
        }
        parts.added_normalised.push_back(std::move(token));
    }
}

// A tokenizer with a cache of counts by content.
class TokenCounter {
public:
    explicit TokenCounter(Tokenizer::Parts parts)
        : tokenizer_(std::move(parts)), hash_(random_key()), cached_(kCached) {}

    static std::unique_ptr<TokenCounter> of_encoding(const py::bytes& data,
                                                     const std::string& encoding) {
        Tokenizer::Parts parts;
        parts.bpe = std::make_unique<Bpe>(std::string_view(data), pattern_of(encoding));
        return std::make_unique<TokenCounter>(std::move(parts));
    }

    // The sections of a tokenizer.json.
    static std::unique_ptr<TokenCounter> of_sections(const py::handle& model,
                                                     const py::handle& normalizer,
                                                     const py::handle& pre_tokenizer,
                                                     const py::handle& added_tokens) {
        Tokenizer::Parts parts;
        parts.normaliser = normalizer.is_none() ? nullptr : normaliser_from(normalizer);
        parts.pre_tokeniser = pre_tokeniser_from(pre_tokenizer);
        check_prepend_first(normalizer, pre_tokenizer);
        const bool byte_level = has_step(pre_tokenizer, "pretokenizers", [](const py::dict& step) {
            return says(step, "type", "ByteLevel");
        });
        parts.model = token_model_from(model, byte_level);
        read_added_tokens(added_tokens, parts);
        return std::make_unique<TokenCounter>(std::move(parts));
    }

    static std::unique_ptr<TokenCounter> of_ranks(const py::list& tokens,
                                                  const std::string& regex) {
        std::vector<std::string_view> views;
        views.reserve(tokens.size());
        for (const py::handle token : tokens) views.push_back(py::cast<std::string_view>(token));
        Tokenizer::Parts parts;
        const auto pattern = known_pattern(regex, Engine::rust);
        auto bpe =
            std::make_unique<Bpe>(Vocabulary(views), pattern.value_or(Pattern::cl100k), true);
        if (pattern) {
            parts.bpe = std::move(bpe);
        } else {
            parts.pre_tokeniser =
                split_by_regex(regex, SplitBehaviour::removed, true, Engine::rust);
            parts.model = std::make_unique<BpePieces>(std::move(bpe));
        }
        return std::make_unique<TokenCounter>(std::move(parts));
    }

    // A SentencePiece .model file.
    static std::unique_ptr<TokenCounter> of_sentence_piece(const py::bytes& data) {
        const SentencePieceFile file = read_sentence_piece(std::string_view(data));
        std::vector<std::string> kept;
        for (const SentencePieceFile::Piece& piece : file.pieces)
            if (piece.kind == SentencePieceFile::user_defined) kept.emplace_back(piece.text);
        Tokenizer::Parts parts;
        parts.normaliser = make_sentencepiece_normaliser(
            file.precompiled_charsmap,
            {file.add_dummy_prefix, file.remove_extra_whitespaces, file.escape_whitespaces,
             file.treat_whitespace_as_suffix},
            kept);
        parts.model = std::make_unique<SentencePieceModel>(file);
        return std::make_unique<TokenCounter>(std::move(parts));
    }

    bool additive() const { return tokenizer_.additive(); }
    const Bpe* bpe() const { return tokenizer_.plain_bpe(); }

    std::int64_t count(const py::str& text) {
        const Texts texts(text);
        const std::string_view view = texts.views()[0];
        if (view.size() < kWorthCaching) return tokenizer_.count(view);
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
        if (const Bpe* bpe = tokenizer_.plain_bpe())
            count_blocks(*bpe, priced, alone, tail.views()[0]);
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
                out[i] = tokenizer_.count(Texts(slice).views()[0]);
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
            tokenizer_.count_spans(view, bytes, out.data(), stop);
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
            for (std::size_t i = 0; i < texts.size(); ++i) out[i] = tokenizer_.count(texts[i]);
            return;
        }
        const py::gil_scoped_release release;
        StopToken stop = stop_on_signal();
        for (std::size_t i = 0; i < texts.size(); ++i) {
            stop.check(10);
            out[i] = tokenizer_.count(texts[i], stop);
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
    void count_blocks(const Bpe& bpe, Views texts, std::span<const std::size_t> chosen,
                      std::string_view after) {
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
                    bpe.count_from(block, at, text.size() - kWorthCaching, stop);
                if (at > text.size()) continue;  // a piece that reaches beyond the text
                const std::string_view rest = std::string_view(block).substr(at);
                counted.push_back({keys[k], hash_(block), shared + bpe.count(text.substr(at), stop),
                                   shared + bpe.count(rest, stop)});
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

    Tokenizer tokenizer_;
    TextHash hash_;
    std::mutex lock_;  // guards cached_; held for look-ups only, never while counting
    CountTable cached_;
};

py::array_t<double> text_amounts_many(const TokenCounter& o200k, const TokenCounter& cl100k,
                                      const py::list& texts) {
    const Bpe* one = o200k.bpe();
    const Bpe* two = cl100k.bpe();
    if (one == nullptr || two == nullptr || one->pattern() != Pattern::o200k ||
        two->pattern() != Pattern::cl100k)
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
            text_amounts(*one, *two, text, at, stop);
            at += kKinds * kAmounts;
        }
    }
    return out;
}

}  // namespace

void bind_tokens(py::module_& m) {
    py::class_<TokenCounter>(
        m, "Tokenizer",
        "Count the tokens of cl100k_base or o200k_base exactly, without making them; safe from "
        "many "
        "threads at once.\n\n"
        "`data` are the packed vocabulary of the encoding or its .tiktoken file; ValueError if "
        "they are damaged.")
        .def(py::init(&TokenCounter::of_encoding), py::arg("data"), py::arg("encoding"))
        .def_static("from_sections", &TokenCounter::of_sections, py::arg("model"),
                    py::arg("normalizer"), py::arg("pre_tokenizer"), py::arg("added_tokens"),
                    "Return the tokenizer that the sections of a tokenizer.json describe.\n\n"
                    "Raises Unsupported for what the core does not do, ValueError if they are "
                    "damaged.")
        .def_static("from_ranks", &TokenCounter::of_ranks, py::arg("tokens"), py::arg("pattern"),
                    "Return the tokenizer of byte pairs in the order of their ranks, with the "
                    "regular expression\nthat cuts texts, in tiktoken's dialect.\n\n"
                    "Raises Unsupported for what the core does not do, ValueError if they are "
                    "damaged.")
        .def_static("from_sentencepiece", &TokenCounter::of_sentence_piece, py::arg("data"),
                    "Return the tokenizer of a SentencePiece .model file.\n\n"
                    "ValueError if it is damaged.")
        .def_property_readonly("additive", &TokenCounter::additive,
                               "Whether the counts of blocks that end in a newline add up.")
        .def("count", &TokenCounter::count, py::arg("text"),
             "Return the number of tokens of the text.")
        .def("count_many", &TokenCounter::count_many, py::arg("texts"), py::arg("cache") = true,
             "Return the number of tokens of each text; with `cache`, counts are kept by content.")
        .def("count_units", &TokenCounter::count_units, py::arg("corpus"), py::arg("after") = "",
             "Return the number of tokens of each unit of a corpus without the white space around\n"
             "it, with the line break that follows it. The counts of texts of one unit, followed "
             "by\n"
             "`after`, are kept by content.")
        .def("count_spans", &TokenCounter::count_spans, py::arg("text"), py::arg("spans"),
             "Return the number of tokens of text[start:end] for each row (start, end) of spans.");
    m.def("text_amounts", &text_amounts_many, py::arg("o200k"), py::arg("cl100k"), py::arg("texts"),
          "Return what each text is made of: an array of texts x kinds x (tokens of o200k_base,\n"
          "tokens of cl100k_base, characters, pieces). ValueError unless the counters are those.");
    py::list kinds;
    for (const std::string_view kind : kTextKinds) kinds.append(py::str(std::string(kind)));
    m.attr("TEXT_KINDS") = py::tuple(kinds);
}

}  // namespace ctxmem::bind
