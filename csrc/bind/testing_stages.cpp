// The stages of a tokenizer, each by itself.
#include <memory>
#include <optional>
#include <string>

#include "bind/json.hpp"
#include "bind/native.hpp"
#include "bind/testing.hpp"
#include "core/tokenizer/merge_model.hpp"
#include "core/tokenizer/regex.hpp"
#include "core/tokenizer/sentence_piece.hpp"
#include "core/tokenizer/tokenizer_json.hpp"

namespace ctxmem::bind {
namespace {

// The tokens of one text by a model, without the GIL if the text is large.
template <class Model>
std::int64_t count_by(const Model& model, const py::str& text) {
    const Texts held(text);
    return run_stoppable(held.bytes(), [&](StopToken&) { return model.count(held.views()[0]); });
}

class CountedModel {
public:
    CountedModel(const py::handle& section, bool byte_level)
        : model_(token_model_from(json_of(section), byte_level)) {}

    std::int64_t count(const py::str& text) const { return count_by(*model_, text); }
    bool quick() const {
        const auto* merges = dynamic_cast<const MergeModel*>(model_.get());
        return merges == nullptr || merges->fast();
    }

private:
    std::unique_ptr<TokenModel> model_;
};

class CountedSentencePieces {
public:
    explicit CountedSentencePieces(const py::bytes& data)
        : data_(data), file_(read_sentence_piece(std::string_view(data_))), model_(file_) {
        file_.pieces = {};
    }

    std::int64_t count(const py::str& text) const { return count_by(model_, text); }
    bool quick() const { return model_.fast(); }
    py::dict normaliser() const {
        py::dict spec;
        spec["precompiled_charsmap"] = py::bytes(file_.precompiled_charsmap);
        spec["add_dummy_prefix"] = file_.add_dummy_prefix;
        spec["remove_extra_whitespaces"] = file_.remove_extra_whitespaces;
        spec["escape_whitespaces"] = file_.escape_whitespaces;
        spec["treat_whitespace_as_suffix"] = file_.treat_whitespace_as_suffix;
        return spec;
    }

private:
    py::bytes data_;
    SentencePieceFile file_;
    SentencePieceModel model_;
};

// Texts of Python through one normaliser.
class HeldNormaliser {
public:
    explicit HeldNormaliser(NormaliserPtr normaliser) : normaliser_(std::move(normaliser)) {}

    py::str apply(const py::str& text) const {
        const Texts texts(text);
        std::string buffer;
        std::string_view normalised;
        {
            const py::gil_scoped_release released;
            normalised = normaliser_->apply(texts.views()[0], buffer);
        }
        return py::str(normalised.data(), normalised.size());
    }

private:
    NormaliserPtr normaliser_;
};

HeldNormaliser sentencepiece(const py::bytes& charsmap, bool add_dummy_prefix,
                             bool remove_extra_whitespaces, bool escape_whitespaces,
                             bool treat_whitespace_as_suffix, const py::list& kept) {
    std::vector<std::string> strings;
    for (const py::handle one : kept) strings.push_back(one.cast<std::string>());
    return HeldNormaliser(
        make_sentencepiece_normaliser(std::string_view(charsmap),
                                      {add_dummy_prefix, remove_extra_whitespaces,
                                       escape_whitespaces, treat_whitespace_as_suffix},
                                      strings));
}

// Keeps pieces as bytes.
class Collected final : public PieceSink {
public:
    void piece(std::string_view piece) override { pieces_.append(py::bytes(piece)); }
    py::list take() { return std::move(pieces_); }

private:
    py::list pieces_;
};

class BoundPreTokeniser {
public:
    explicit BoundPreTokeniser(const py::object& section)
        : made_(pre_tokeniser_from(json_of(section))) {}

    py::list split(const py::str& text, bool first) const {
        const Texts held(text);
        Collected pieces;
        made_->split(held.views()[0], first, pieces);
        return pieces.take();
    }
    bool known() const { return known_pattern(*made_) != nullptr; }

private:
    PreTokeniserPtr made_;
};

Engine engine_of(const std::string& name) {
    if (name == "onig") return Engine::onig;
    if (name == "rust") return Engine::rust;
    throw std::invalid_argument("engine must be 'onig' or 'rust', not '" + name + "'");
}

class BoundRegex {
public:
    BoundRegex(const std::string& pattern, const std::string& engine)
        : regex_(pattern, engine_of(engine)) {}

    py::list split(const py::str& text) const {
        const Texts held(text);
        py::list out;
        RegexMatches matches(regex_, held.views()[0]);
        RegexMatch match{};
        while (matches.next(match))
            out.append(py::bytes(held.views()[0].substr(match.begin, match.end - match.begin)));
        return out;
    }

private:
    Regex regex_;
};

// Gives the pieces of a known pattern, or None.
py::object known_pieces(const std::string& pattern, const py::str& text,
                        const std::string& engine) {
    const std::optional<Pattern> known = known_pattern(pattern, engine_of(engine));
    if (!known) return py::none();
    const Texts held(text);
    Collected pieces;
    split_by_pattern(*known)->split(held.views()[0], true, pieces);
    return pieces.take();
}

void bind_models(py::module_& m) {
    py::class_<CountedModel>(
        m, "TokenModel",
        "The model of a tokenizer.json alone, without what comes before it.\n\n"
        "`section` is its part 'model'; `byte_level` says that pieces are bytes, which the "
        "vocabulary\nwrites in GPT-2's letters. ValueError if it is damaged, Unsupported for what "
        "only "
        "another\nlibrary can count.")
        .def(py::init<const py::handle&, bool>(), py::arg("section"), py::arg("byte_level") = false)
        .def_property_readonly("quick", &CountedModel::quick,
                               "False if byte pairs are merged as defined, with a heap.")
        .def("count", &CountedModel::count, py::arg("text"),
             "Return the number of tokens of a text that is one piece. ValueError if it has "
             "characters\nthat are not in the vocabulary, and there is no token for such.");
    py::class_<CountedSentencePieces>(
        m, "SentencePieceModel",
        "The model of a SentencePiece file alone, for text that is normalised already.\n\n"
        "`data` are the bytes of the file; ValueError if they are damaged.")
        .def(py::init<const py::bytes&>(), py::arg("data"))
        .def_property_readonly("quick", &CountedSentencePieces::quick,
                               "False if byte pairs are merged as defined, with a heap.")
        .def_property_readonly("normaliser", &CountedSentencePieces::normaliser,
                               "How the file says that text is normalised.")
        .def("count", &CountedSentencePieces::count, py::arg("text"),
             "Return the number of tokens of a normalised text.");
}

void bind_normalise(py::module_& m) {
    py::class_<HeldNormaliser>(m, "Normaliser",
                               "The normaliser of a tokenizer.json or of a SentencePiece model.")
        .def(py::init([](const py::object& section) {
                 return HeldNormaliser(normaliser_from(json_of(section)));
             }),
             py::arg("section"),
             "Read the `normalizer` section, a dict or None.\n\nRaises Unsupported for a type that "
             "is not known, ValueError for a section that is damaged.")
        .def_static("sentencepiece", &sentencepiece, py::arg("charsmap"), py::kw_only(),
                    py::arg("add_dummy_prefix") = true, py::arg("remove_extra_whitespaces") = true,
                    py::arg("escape_whitespaces") = true,
                    py::arg("treat_whitespace_as_suffix") = false, py::arg("kept") = py::list(),
                    "Return the normaliser that a SentencePiece model describes.\n\nStrings of "
                    "`kept` are not normalised. Raises ValueError for a damaged charsmap.")
        .def("apply", &HeldNormaliser::apply, py::arg("text"), "Return the normalised text.");
}

void bind_split(py::module_& m) {
    py::class_<BoundPreTokeniser>(
        m, "PreTokeniser",
        "Cut texts into pieces as the section `pre_tokenizer` of a tokenizer.json says.\n\n"
        "Unsupported for what is not known, which names it.")
        .def(py::init<const py::object&>(), py::arg("section"))
        .def("split", &BoundPreTokeniser::split, py::arg("text"), py::arg("first") = true,
             "Return the pieces as bytes; `first` says that the text begins the input.")
        .def_property_readonly("known", &BoundPreTokeniser::known,
                               "Whether it is one of the patterns that are matched by hand.");
    py::class_<BoundRegex>(
        m, "Regex",
        "A regular expression of a pre-tokeniser, as 'onig' (Hugging Face `tokenizers`) or 'rust'\n"
        "(tiktoken) reads it; Unsupported for what is not known.")
        .def(py::init<const std::string&, const std::string&>(), py::arg("pattern"),
             py::arg("engine"))
        .def("split", &BoundRegex::split, py::arg("text"),
             "Return the matches as bytes, from left to right.");
    m.def("known_pieces", &known_pieces, py::arg("pattern"), py::arg("text"), py::arg("engine"),
          "Return the pieces of a pattern that is matched by hand, None for another pattern.");
}

}  // namespace

void bind_stages(py::module_& m) {
    bind_models(m);
    bind_normalise(m);
    bind_split(m);
}

}  // namespace ctxmem::bind
