#include "bind/native_normalise.hpp"

#include "bind/section.hpp"
#include "core/tokenizer/normalise.hpp"

namespace ctxmem::bind {
namespace {

constexpr int kDeepest = 32;  // sequences within sequences

NormaliserPtr replace_from(const Section& section) {
    const std::string content(section.text("content"));
    const Section pattern(section.get("pattern"), "the pattern of a Replace normalizer");
    const bool string = pattern.has("String");
    if (string == pattern.has("Regex"))
        throw std::invalid_argument("'pattern' of a Replace normalizer is no String and no Regex");
    return string ? make_replace(pattern.text("String"), content)
                  : make_replace_regex(pattern.text("Regex"), content);
}

NormaliserPtr bert_from(const Section& section) {
    BertOptions options;
    options.clean_text = section.flag("clean_text");
    options.handle_chinese_chars = section.flag("handle_chinese_chars");
    options.lowercase = section.flag("lowercase");
    // Where it is not said, accents go with the case.
    options.strip_accents = section.flag("strip_accents", options.lowercase);
    return make_bert(options);
}

NormaliserPtr precompiled_from(const Section& section) {
    const py::object text = py::str(std::string(section.text("precompiled_charsmap")));
    py::object bytes;
    try {
        bytes = py::module_::import("base64").attr("b64decode")(text, py::arg("validate") = true);
    } catch (py::error_already_set& error) {
        if (!error.matches(PyExc_ValueError)) throw;
        throw std::invalid_argument("the precompiled_charsmap is damaged: it is not base64");
    }
    return make_precompiled(bytes.cast<std::string>());
}

NormaliserPtr read(const py::handle& given, int depth) {
    if (given.is_none()) return make_sequence({});
    if (depth > kDeepest) throw Unsupported("normalizers more than 32 deep");
    const Section section(given, "a normalizer");
    const std::string type(section.text("type"));
    if (type == "Sequence") {
        std::vector<NormaliserPtr> parts;
        for (const py::handle part : section.list("normalizers"))
            parts.push_back(read(part, depth + 1));
        return make_sequence(std::move(parts));
    }
    if (type == "NFC") return make_form(Form::nfc);
    if (type == "NFD") return make_form(Form::nfd);
    if (type == "NFKC") return make_form(Form::nfkc);
    if (type == "NFKD") return make_form(Form::nfkd);
    if (type == "Lowercase") return make_lowercase();
    if (type == "StripAccents") return make_strip_accents();
    if (type == "Nmt") return make_nmt();
    if (type == "Strip") return make_strip(section.flag("strip_left"), section.flag("strip_right"));
    if (type == "Replace") return replace_from(section);
    if (type == "Prepend") return make_prepend(section.text("prepend"));
    if (type == "BertNormalizer") return bert_from(section);
    if (type == "Precompiled") return precompiled_from(section);
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
