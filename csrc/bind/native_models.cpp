#include <optional>
#include <string>

#include "bind/native.hpp"
#include "bind/native_models.hpp"
#include "core/tokenizer/merge_model.hpp"
#include "core/tokenizer/sentence_piece.hpp"
#include "core/tokenizer/unigram.hpp"
#include "core/tokenizer/word_piece.hpp"

namespace ctxmem::bind {
namespace {

using Strings = std::vector<std::string_view>;

constexpr std::size_t kWorthRelease = 4096;  // bytes that take some 20 us to count

// The UTF-8 of a str, valid as long as it is.
std::string_view utf8_of(PyObject* text, const char* what) {
    if (!PyUnicode_Check(text))
        throw std::invalid_argument(std::string(what) + " is of type " + Py_TYPE(text)->tp_name +
                                    "; expected str");
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text, &size);
    if (data == nullptr) {
        PyErr_Clear();
        throw std::invalid_argument(std::string(what) + " has a lone surrogate");
    }
    return {data, static_cast<std::size_t>(size)};
}

// What a section says, with an error that names the field.
class Section {
public:
    explicit Section(const py::handle& section) : section_(section) {
        if (!PyDict_Check(section.ptr()))
            throw std::invalid_argument("the model is of type " + type_of(section) +
                                        "; expected dict");
    }

    py::handle get(const char* name) const {  // None where there is nothing
        PyObject* value = PyDict_GetItemString(section_.ptr(), name);
        return value == nullptr ? py::handle(Py_None) : py::handle(value);
    }
    bool flag(const char* name) const {
        const py::handle value = get(name);
        if (value.is_none()) return false;
        if (!PyBool_Check(value.ptr())) refuse(name, "true or false");
        return value.ptr() == Py_True;
    }
    std::optional<std::string> text(const char* name) const {
        const py::handle value = get(name);
        if (value.is_none()) return {};
        return std::string(utf8_of(value.ptr(), name));
    }
    std::optional<std::size_t> number(const char* name) const {
        const py::handle value = get(name);
        if (value.is_none()) return {};
        if (!PyLong_Check(value.ptr())) refuse(name, "a whole number");
        const std::size_t number = PyLong_AsSize_t(value.ptr());
        if (PyErr_Occurred() != nullptr) {
            PyErr_Clear();
            refuse(name, "a whole number from 0 on");
        }
        return number;
    }
    // The tokens of a vocabulary that is a dict of token to id.
    Strings tokens() const {
        const py::handle vocab = get("vocab");
        if (!PyDict_Check(vocab.ptr())) refuse("vocab", "a dict of token to id");
        Strings tokens;
        std::vector<std::int64_t> ids;
        PyObject *key = nullptr, *value = nullptr;
        for (Py_ssize_t at = 0; PyDict_Next(vocab.ptr(), &at, &key, &value) != 0;) {
            if (!PyLong_Check(value)) refuse("vocab", "a dict of token to id");
            tokens.push_back(utf8_of(key, "a token"));
            ids.push_back(PyLong_AsLongLong(value));
            if (PyErr_Occurred() != nullptr) {
                PyErr_Clear();
                refuse("vocab", "a dict of token to an id below 2**63");
            }
        }
        std::sort(ids.begin(), ids.end());
        if (std::adjacent_find(ids.begin(), ids.end()) != ids.end())
            throw Unsupported("two tokens of the vocabulary have one id");
        return tokens;
    }
    [[noreturn]] void refuse(const char* name, const char* expected) const {
        throw std::invalid_argument(std::string("'") + name + "' of the model is of type " +
                                    type_of(get(name)) + " or not as it should be; expected " +
                                    expected);
    }

private:
    static std::string type_of(const py::handle& value) { return Py_TYPE(value.ptr())->tp_name; }

    py::handle section_;
};

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
    options.fuse_unknown = section.flag("fuse_unk");
    options.byte_fallback = section.flag("byte_fallback");
    options.ignore_merges = section.flag("ignore_merges");
    options.unknown = section.text("unk_token");
    options.prefix = section.text("continuing_subword_prefix").value_or("");
    options.suffix = section.text("end_of_word_suffix").value_or("");
    const Strings tokens = section.tokens();
    const py::handle list = section.get("merges");
    if (!PyList_Check(list.ptr())) section.refuse("merges", "a list");
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
    options.byte_fallback = section.flag("byte_fallback");
    options.unknown = section.number("unk_id");
    return std::make_unique<UnigramModel>(scored, options);
}

std::unique_ptr<TokenModel> word_piece_model(const Section& section, bool byte_level) {
    WordPieceOptions options;
    options.byte_level = byte_level;
    if (const auto unknown = section.text("unk_token")) options.unknown = *unknown;
    if (const auto prefix = section.text("continuing_subword_prefix")) options.prefix = *prefix;
    if (const auto most = section.number("max_input_chars_per_word"))
        options.max_characters = *most;
    return std::make_unique<WordPieceModel>(section.tokens(), options);
}

// The type of a model; files of before 2021 leave it out.
std::string type_of(const Section& section) {
    if (const auto type = section.text("type")) return *type;
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
        if (view.size() < kWorthRelease) return model_->count(view);
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
        if (view.size() < kWorthRelease) return model_.count(view);
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
    const Section model(section);
    const std::string type = type_of(model);
    if (type == "BPE") return byte_pair_model(model, byte_level);
    if (type == "Unigram") return unigram_model(model, byte_level);
    if (type == "WordPiece") return word_piece_model(model, byte_level);
    if (type == "WordLevel")
        return std::make_unique<WordLevelModel>(
            model.tokens(), model.text("unk_token").value_or("<unk>"), byte_level);
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
