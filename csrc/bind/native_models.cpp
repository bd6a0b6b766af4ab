#include <optional>
#include <string>

#include "bind/native.hpp"
#include "bind/native_models.hpp"
#include "bind/section.hpp"
#include "core/tokenizer/merge_model.hpp"
#include "core/tokenizer/sentence_piece.hpp"
#include "core/tokenizer/unigram.hpp"
#include "core/tokenizer/word_piece.hpp"

namespace ctxmem::bind {
namespace {

using Strings = std::vector<std::string_view>;

// The tokens of a vocabulary that is a dict of token to id.
Strings tokens_of(const Section& section) {
    constexpr char kExpected[] = "a dict of token to id";
    const py::handle vocab = section.get("vocab");
    if (!PyDict_Check(vocab.ptr())) section.refuse("vocab", kExpected);
    Strings tokens;
    std::vector<std::int64_t> ids;
    PyObject *key = nullptr, *value = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(vocab.ptr(), &at, &key, &value) != 0;) {
        if (!PyLong_Check(value)) section.refuse("vocab", kExpected);
        tokens.push_back(utf8_of(key, "a token"));
        ids.push_back(PyLong_AsLongLong(value));
        if (PyErr_Occurred() != nullptr) {
            PyErr_Clear();
            section.refuse("vocab", "a dict of token to an id below 2**63");
        }
    }
    std::sort(ids.begin(), ids.end());
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end())
        throw Unsupported("two tokens of the vocabulary have one id");
    return tokens;
}

// "a b", or a list of two.
std::pair<std::string_view, std::string_view> merge_of(PyObject* merge) {
    if (PyUnicode_Check(merge)) {
        const std::string_view both = utf8_of(merge, "a merge");
        const std::size_t space = both.find(' ');
        if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos)
            throw std::invalid_argument("a merge is '" + std::string(both) +
                                        "'; expected two tokens with a space between them");
        return {both.substr(0, space), both.substr(space + 1)};
    }
    if (!(PyList_Check(merge) || PyTuple_Check(merge)) || PySequence_Fast_GET_SIZE(merge) != 2)
        throw std::invalid_argument("a merge is neither a str nor a list of two");
    return {utf8_of(PySequence_Fast_GET_ITEM(merge, 0), "a token of a merge"),
            utf8_of(PySequence_Fast_GET_ITEM(merge, 1), "a token of a merge")};
}

std::unique_ptr<TokenModel> byte_pair_model(const Section& section, bool byte_level) {
    if (const py::handle dropout = section.get("dropout"); !dropout.is_none()) {
        const double share = PyFloat_AsDouble(dropout.ptr());
        PyErr_Clear();
        if (share != 0) throw Unsupported("a model with dropout encodes at random");
    }
    MergeOptions options;
    options.byte_level = byte_level;
    options.fuse_unknown = section.flag("fuse_unk", false);
    options.byte_fallback = section.flag("byte_fallback", false);
    options.ignore_merges = section.flag("ignore_merges", false);
    options.unknown = section.maybe_text("unk_token");
    options.prefix = section.text("continuing_subword_prefix", "");
    options.suffix = section.text("end_of_word_suffix", "");
    const Strings tokens = tokens_of(section);
    const py::list list = section.list("merges");
    std::vector<std::pair<std::string_view, std::string_view>> merges;
    const Py_ssize_t size = PyList_GET_SIZE(list.ptr());
    merges.reserve(static_cast<std::size_t>(size));
    for (Py_ssize_t i = 0; i < size; ++i)
        merges.push_back(merge_of(PyList_GET_ITEM(list.ptr(), i)));
    return std::make_unique<MergeModel>(tokens, merges, options);
}

std::unique_ptr<TokenModel> unigram_model(const Section& section, bool byte_level) {
    const py::handle vocab = section.get("vocab");
    constexpr char kExpected[] = "a list of (token, score)";
    if (!PyList_Check(vocab.ptr())) section.refuse("vocab", kExpected);
    std::vector<UnigramModel::Scored> scored;
    for (const py::handle entry : py::reinterpret_borrow<py::list>(vocab)) {
        if (!(PyList_Check(entry.ptr()) || PyTuple_Check(entry.ptr())) ||
            PySequence_Fast_GET_SIZE(entry.ptr()) != 2)
            section.refuse("vocab", kExpected);
        const double score = PyFloat_AsDouble(PySequence_Fast_GET_ITEM(entry.ptr(), 1));
        if (PyErr_Occurred() != nullptr) {
            PyErr_Clear();
            section.refuse("vocab", kExpected);
        }
        scored.emplace_back(utf8_of(PySequence_Fast_GET_ITEM(entry.ptr(), 0), "a token"), score);
    }
    UnigramOptions options;
    options.byte_level = byte_level;
    options.byte_fallback = section.flag("byte_fallback", false);
    options.unknown = section.number("unk_id");
    return std::make_unique<UnigramModel>(scored, options);
}

std::unique_ptr<TokenModel> word_piece_model(const Section& section, bool byte_level) {
    WordPieceOptions options;
    options.byte_level = byte_level;
    if (const auto unknown = section.maybe_text("unk_token")) options.unknown = *unknown;
    if (const auto prefix = section.maybe_text("continuing_subword_prefix"))
        options.prefix = *prefix;
    if (const auto most = section.number("max_input_chars_per_word"))
        options.max_characters = *most;
    return std::make_unique<WordPieceModel>(tokens_of(section), options);
}

// The type of a model; files of before 2021 leave it out.
std::string type_of(const Section& section) {
    if (const auto type = section.maybe_text("type")) return *type;
    if (!section.get("merges").is_none()) return "BPE";
    if (PyList_Check(section.get("vocab").ptr())) return "Unigram";
    if (!section.get("continuing_subword_prefix").is_none()) return "WordPiece";
    return "WordLevel";
}

class CountedModel {
public:
    CountedModel(const py::handle& section, bool byte_level)
        : model_(token_model_from(section, byte_level)) {}

    std::int64_t count(const py::str& text) const {
        const Texts held(text);
        const std::string_view view = held.views()[0];
        if (view.size() < kReleaseFrom) return model_->count(view);
        const py::gil_scoped_release release;
        return model_->count(view);
    }
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

    std::int64_t count(const py::str& text) const {
        const Texts held(text);
        const std::string_view view = held.views()[0];
        if (view.size() < kReleaseFrom) return model_.count(view);
        const py::gil_scoped_release release;
        return model_.count(view);
    }
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

}  // namespace

std::unique_ptr<TokenModel> token_model_from(const py::handle& section, bool byte_level) {
    const Section model(section, "the model");
    const std::string type = type_of(model);
    if (type == "BPE") return byte_pair_model(model, byte_level);
    if (type == "Unigram") return unigram_model(model, byte_level);
    if (type == "WordPiece") return word_piece_model(model, byte_level);
    if (type == "WordLevel")
        return std::make_unique<WordLevelModel>(tokens_of(model), model.text("unk_token", "<unk>"),
                                                byte_level);
    throw Unsupported("a model of type '" + type + "'");
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

}  // namespace ctxmem::bind
