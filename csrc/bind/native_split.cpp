// Pre-tokenisers and their regular expressions: what a tokenizer.json says, as Python objects.
#include <memory>
#include <optional>
#include <string>

#include "bind/native.hpp"
#include "bind/native_split.hpp"
#include "bind/section.hpp"
#include "core/tokenizer/regex.hpp"
#include "core/tokenizer/split.hpp"

namespace ctxmem::bind {
namespace {

PreTokeniserPtr split_of(const Section& section) {
    const SplitBehaviour behaviour = split_behaviour(section.text("behavior"));
    const bool invert = section.flag("invert", false);
    const Section fields(section.get("pattern"), "the pattern of a Split");
    if (fields.has("Regex")) return split_by_regex(fields.text("Regex"), behaviour, invert);
    return split_by_string(fields.text("String"), behaviour, invert);
}

PreTokeniserPtr metaspace_of(const Section& section) {
    // Older files have add_prefix_space alone.
    const bool prefix = section.flag("add_prefix_space", true);
    const std::string scheme = section.text("prepend_scheme", prefix ? "always" : "never");
    Prepend prepend = Prepend::never;
    if (scheme == "always")
        prepend = Prepend::always;
    else if (scheme == "first")
        prepend = Prepend::first;
    if ((prepend == Prepend::never && scheme != "never") || (prepend != Prepend::never && !prefix))
        throw Unsupported("prepend_scheme " + scheme);
    return split_metaspace(section.text("replacement"), prepend, section.flag("split", true));
}

PreTokeniserPtr of_section(const py::handle& given, int depth) {
    if (given.is_none()) return no_split();
    if (depth > 32) throw Unsupported("pre-tokenisers nested too deep");
    const Section section(given, "a pre-tokenizer");
    const std::string type(section.text("type"));
    if (type == "Sequence") {
        std::vector<PreTokeniserPtr> stages;
        for (const py::handle stage : section.list("pretokenizers"))
            stages.push_back(of_section(stage, depth + 1));
        return split_sequence(std::move(stages));
    }
    if (type == "Split") return split_of(section);
    if (type == "ByteLevel")
        return split_byte_level(section.flag("add_prefix_space", true),
                                section.flag("use_regex", true));
    if (type == "Metaspace") return metaspace_of(section);
    if (type == "Whitespace") return split_whitespace();
    if (type == "WhitespaceSplit") return split_whitespace_only();
    if (type == "BertPreTokenizer") return split_bert();
    if (type == "Punctuation")
        return split_punctuation(split_behaviour(section.text("behavior", "Isolated")));
    if (type == "Digits") return split_digits(section.flag("individual_digits", false));
    if (type == "CharDelimiterSplit") return split_at_delimiter(section.text("delimiter"));
    if (type == "FixedLength") return split_fixed_length(section.number("length").value_or(5));
    throw Unsupported("pre-tokeniser " + type);
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
    explicit BoundPreTokeniser(const py::object& section) : made_(pre_tokeniser_from(section)) {}

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

}  // namespace

std::unique_ptr<PreTokeniser> pre_tokeniser_from(const py::handle& section) {
    return of_section(section, 0);
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

}  // namespace ctxmem::bind
