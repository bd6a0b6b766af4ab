#include "bind/native_normalise.hpp"

#include "core/tokenizer/normalise.hpp"

namespace ctxmem::bind {
namespace {

constexpr int kDeepest = 32;  // sequences within sequences

py::object field(const py::dict& section, const char* name) {
    if (!section.contains(name))
        throw std::invalid_argument("the normalizer " + std::string(py::repr(section["type"])) +
                                    " has no '" + name + "'");
    return section[name];
}

bool flag(const py::dict& section, const char* name) {
    const py::object value = field(section, name);
    if (!py::isinstance<py::bool_>(value))
        throw std::invalid_argument("'" + std::string(name) + "' of the normalizer " +
                                    std::string(py::repr(section["type"])) +
                                    " is neither true nor false");
    return value.cast<bool>();
}

std::string string_of(const py::handle& value, const char* name) {
    if (py::isinstance<py::str>(value)) {
        Py_ssize_t size = 0;
        if (const char* data = PyUnicode_AsUTF8AndSize(value.ptr(), &size))
            return {data, static_cast<std::size_t>(size)};
        PyErr_Clear();  // a lone surrogate
    }
    throw std::invalid_argument("'" + std::string(name) +
                                "' of a normalizer is not a string of Unicode characters");
}

std::string string(const py::dict& section, const char* name) {
    return string_of(field(section, name), name);
}

NormaliserPtr replace_from(const py::dict& section) {
    const py::object pattern = field(section, "pattern");
    const std::string content = string(section, "content");
    if (!py::isinstance<py::dict>(pattern) || py::len(pattern) != 1)
        throw std::invalid_argument("'pattern' of a Replace normalizer is no String and no Regex");
    const auto given = pattern.cast<py::dict>();
    if (given.contains("String"))
        return make_replace(string_of(given["String"], "String"), content);
    if (given.contains("Regex"))
        return make_replace_regex(string_of(given["Regex"], "Regex"), content);
    throw std::invalid_argument("'pattern' of a Replace normalizer is no String and no Regex");
}

NormaliserPtr bert_from(const py::dict& section) {
    BertOptions options;
    options.clean_text = flag(section, "clean_text");
    options.handle_chinese_chars = flag(section, "handle_chinese_chars");
    options.lowercase = flag(section, "lowercase");
    // Where it is not said, accents go with the case.
    const bool said = section.contains("strip_accents") && !section["strip_accents"].is_none();
    options.strip_accents = said ? flag(section, "strip_accents") : options.lowercase;
    return make_bert(options);
}

NormaliserPtr precompiled_from(const py::dict& section) {
    const py::object text = py::str(string(section, "precompiled_charsmap"));
    py::object bytes;
    try {
        bytes = py::module_::import("base64").attr("b64decode")(text, py::arg("validate") = true);
    } catch (py::error_already_set& error) {
        if (!error.matches(PyExc_ValueError)) throw;
        throw std::invalid_argument("the precompiled_charsmap is damaged: it is not base64");
    }
    return make_precompiled(bytes.cast<std::string>());
}

NormaliserPtr read(const py::handle& section, int depth) {
    if (section.is_none()) return make_sequence({});
    if (depth > kDeepest) throw Unsupported("normalizers more than 32 deep");
    if (!py::isinstance<py::dict>(section))
        throw std::invalid_argument("a normalizer is neither an object nor null");
    const auto dict = py::reinterpret_borrow<py::dict>(section);
    if (!dict.contains("type")) throw std::invalid_argument("a normalizer has no type");
    const std::string type = string_of(dict["type"], "type");
    if (type == "Sequence") {
        const py::object given = field(dict, "normalizers");
        if (!py::isinstance<py::list>(given))
            throw std::invalid_argument("'normalizers' of a Sequence is not a list");
        std::vector<NormaliserPtr> parts;
        for (const py::handle part : given.cast<py::list>()) parts.push_back(read(part, depth + 1));
        return make_sequence(std::move(parts));
    }
    if (type == "NFC") return make_form(Form::nfc);
    if (type == "NFD") return make_form(Form::nfd);
    if (type == "NFKC") return make_form(Form::nfkc);
    if (type == "NFKD") return make_form(Form::nfkd);
    if (type == "Lowercase") return make_lowercase();
    if (type == "StripAccents") return make_strip_accents();
    if (type == "Nmt") return make_nmt();
    if (type == "Strip") return make_strip(flag(dict, "strip_left"), flag(dict, "strip_right"));
    if (type == "Replace") return replace_from(dict);
    if (type == "Prepend") return make_prepend(string(dict, "prepend"));
    if (type == "BertNormalizer") return bert_from(dict);
    if (type == "Precompiled") return precompiled_from(dict);
    throw Unsupported("a normalizer of type '" + type + "'");
}

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

}  // namespace

std::unique_ptr<Normaliser> normaliser_from(const py::handle& section) { return read(section, 0); }

void bind_normalise(py::module_& m) {
    py::class_<HeldNormaliser>(m, "Normaliser",
                               "The normaliser of a tokenizer.json or of a SentencePiece model.")
        .def(py::init([](const py::object& section) {
                 return HeldNormaliser(normaliser_from(section));
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

}  // namespace ctxmem::bind
