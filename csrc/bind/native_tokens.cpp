#include <string>
#include <utility>
#include <vector>

#include "bind/json.hpp"
#include "bind/native.hpp"
#include "core/tokenizer/caching_tokenizer.hpp"
#include "core/tokenizer/estimate.hpp"
#include "core/tokenizer/tokenizer_json.hpp"
#include "core/tokenizer/tokenizer_parts.hpp"

namespace ctxmem::bind {
namespace {

std::unique_ptr<CachingTokenizer> of_encoding(const py::bytes& data, const std::string& encoding) {
    return std::make_unique<CachingTokenizer>(parts_of_encoding(std::string_view(data), encoding));
}

// The sections of a tokenizer.json.
std::unique_ptr<CachingTokenizer> of_sections(const py::handle& model, const py::handle& normalizer,
                                              const py::handle& pre_tokenizer,
                                              const py::handle& added_tokens) {
    return std::make_unique<CachingTokenizer>(parts_of_sections(
        json_of(model), json_of(normalizer), json_of(pre_tokenizer), json_of(added_tokens)));
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
    const Texts held(texts);
    py::array_t<double> out({held.views().size(), kKinds, kAmounts});
    double* at = out.mutable_data();
    run_unlocked([&](StopToken& stop) {
        text_amounts(o200k.tokenizer().plain_bpe(), cl100k.tokenizer().plain_bpe(), held.views(),
                     at, stop);
    });
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
    m.attr("TEXT_KINDS") = names(kTextKinds);
}

}  // namespace ctxmem::bind
