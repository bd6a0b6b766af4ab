#include <string>
#include <utility>
#include <vector>

#include "bind/native.hpp"
#include "bind/native_models.hpp"
#include "bind/native_normalise.hpp"
#include "bind/native_split.hpp"
#include "bind/section.hpp"
#include "core/tokenizer/caching_tokenizer.hpp"
#include "core/tokenizer/estimate.hpp"
#include "core/tokenizer/tokenizer_parts.hpp"

namespace ctxmem::bind {
namespace {

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

std::vector<ListedToken> read_added_tokens(const py::handle& section) {
    std::vector<ListedToken> out;
    for (const py::handle item : section) {
        const Section fields(item, "an added token");
        out.push_back({{std::string(fields.text("content")), fields.flag("lstrip", false),
                        fields.flag("rstrip", false), fields.flag("single_word", false)},
                       fields.flag("normalized", false)});
    }
    return out;
}

std::unique_ptr<CachingTokenizer> of_encoding(const py::bytes& data, const std::string& encoding) {
    return std::make_unique<CachingTokenizer>(parts_of_encoding(std::string_view(data), encoding));
}

// The sections of a tokenizer.json.
std::unique_ptr<CachingTokenizer> of_sections(const py::handle& model, const py::handle& normalizer,
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
    add_listed_tokens(read_added_tokens(added_tokens), parts);
    return std::make_unique<CachingTokenizer>(std::move(parts));
}

std::unique_ptr<CachingTokenizer> of_ranks(const py::list& tokens, const std::string& regex) {
    std::vector<std::string_view> views;
    views.reserve(tokens.size());
    for (const py::handle token : tokens) views.push_back(py::cast<std::string_view>(token));
    return std::make_unique<CachingTokenizer>(parts_of_ranks(views, regex));
}

std::unique_ptr<CachingTokenizer> of_sentence_piece(const py::bytes& data) {
    return std::make_unique<CachingTokenizer>(parts_of_sentence_piece(std::string_view(data)));
}

std::int64_t count_text(CachingTokenizer& tokenizer, const py::str& text) {
    const Texts held(text);
    return run_stoppable(held.bytes(),
                         [&](StopToken& stop) { return tokenizer.count(held.views()[0], stop); });
}

py::array_t<std::int64_t> count_texts(CachingTokenizer& tokenizer, const py::list& texts,
                                      bool cache) {
    const Texts held(texts);
    return to_array(run_stoppable(held.bytes(), [&](StopToken& stop) {
        return tokenizer.count_many(held.views(), cache, stop);
    }));
}

py::array_t<std::int64_t> count_units(CachingTokenizer& tokenizer, const HeldCorpus& held,
                                      const py::str& after) {
    const Texts tail(after);
    return to_array(run_stoppable(held.bytes(), [&](StopToken& stop) {
        return tokenizer.count_units(held.corpus(), tail.views()[0], stop);
    }));
}

py::array_t<std::int64_t> count_spans(const CachingTokenizer& tokenizer, const py::str& text,
                                      const Array<std::int64_t>& spans) {
    if (spans.ndim() != 2 || spans.shape(1) != 2)
        throw std::invalid_argument("spans must have the shape (k, 2)");
    std::vector<CharacterSpan> rows;
    for (py::ssize_t i = 0; i < spans.shape(0); ++i)
        rows.push_back({spans.at(i, 0), spans.at(i, 1)});
    const Texts held(text, Surrogates::kept);
    const auto length = static_cast<std::int64_t>(PyUnicode_GET_LENGTH(text.ptr()));
    return to_array(run_stoppable(held.bytes(), [&](StopToken& stop) {
        return count_character_spans(tokenizer.tokenizer(), held.views()[0], length,
                                     held.had_surrogates(), rows, stop);
    }));
}

py::array_t<double> text_amounts_many(const CachingTokenizer& o200k, const CachingTokenizer& cl100k,
                                      const py::list& texts) {
    const Bpe* one = o200k.tokenizer().plain_bpe();
    const Bpe* two = cl100k.tokenizer().plain_bpe();
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
    py::class_<CachingTokenizer>(
        m, "Tokenizer",
        "Count the tokens of cl100k_base or o200k_base exactly, without making them; safe from "
        "many "
        "threads at once.\n\n"
        "`data` are the packed vocabulary of the encoding or its .tiktoken file; ValueError if "
        "they are damaged.")
        .def(py::init(&of_encoding), py::arg("data"), py::arg("encoding"))
        .def_static("from_sections", &of_sections, py::arg("model"), py::arg("normalizer"),
                    py::arg("pre_tokenizer"), py::arg("added_tokens"),
                    "Return the tokenizer that the sections of a tokenizer.json describe.\n\n"
                    "Raises Unsupported for what the core does not do, ValueError if they are "
                    "damaged.")
        .def_static("from_ranks", &of_ranks, py::arg("tokens"), py::arg("pattern"),
                    "Return the tokenizer of byte pairs in the order of their ranks, with the "
                    "regular expression\nthat cuts texts, in tiktoken's dialect.\n\n"
                    "Raises Unsupported for what the core does not do, ValueError if they are "
                    "damaged.")
        .def_static("from_sentencepiece", &of_sentence_piece, py::arg("data"),
                    "Return the tokenizer of a SentencePiece .model file.\n\n"
                    "ValueError if it is damaged.")
        .def_property_readonly(
            "additive",
            [](const CachingTokenizer& tokenizer) { return tokenizer.tokenizer().additive(); },
            "Whether the counts of blocks that end in a newline add up.")
        .def("count", &count_text, py::arg("text"), "Return the number of tokens of the text.")
        .def("count_many", &count_texts, py::arg("texts"), py::arg("cache") = true,
             "Return the number of tokens of each text; with `cache`, counts are kept by content.")
        .def("count_units", &count_units, py::arg("corpus"), py::arg("after") = "",
             "Return the number of tokens of each unit of a corpus without the white space around\n"
             "it, with the line break that follows it. The counts of texts of one unit, followed "
             "by\n"
             "`after`, are kept by content.")
        .def("count_spans", &count_spans, py::arg("text"), py::arg("spans"),
             "Return the number of tokens of text[start:end] for each row (start, end) of spans.");
    m.def("text_amounts", &text_amounts_many, py::arg("o200k"), py::arg("cl100k"), py::arg("texts"),
          "Return what each text is made of: an array of texts x kinds x (tokens of o200k_base,\n"
          "tokens of cl100k_base, characters, pieces). ValueError unless the counters are those.");
    py::list kinds;
    for (const std::string_view kind : kTextKinds) kinds.append(py::str(std::string(kind)));
    m.attr("TEXT_KINDS") = py::tuple(kinds);
}

}  // namespace ctxmem::bind
