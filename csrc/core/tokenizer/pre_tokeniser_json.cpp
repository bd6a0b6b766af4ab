#include <string>
#include <utility>
#include <vector>

#include "core/tokenizer/tokenizer_json.hpp"

namespace ctxmem {
namespace {

constexpr int kDeepest = 32;  // sequences within sequences

PreTokeniserPtr split_from(const JsonSection& section) {
    const SplitBehaviour behaviour = split_behaviour(section.text("behavior"));
    const bool invert = section.flag("invert", false);
    const JsonSection fields(section.get("pattern"), "the pattern of a Split");
    if (fields.has("Regex")) return split_by_regex(fields.text("Regex"), behaviour, invert);
    return split_by_string(fields.text("String"), behaviour, invert);
}

PreTokeniserPtr metaspace_from(const JsonSection& section) {
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

PreTokeniserPtr read(const Json& given, int depth) {
    if (given.is_null()) return no_split();
    if (depth > kDeepest) throw Unsupported("pre-tokenisers nested too deep");
    const JsonSection section(given, "a pre-tokenizer");
    const std::string type(section.text("type"));
    if (type == "Sequence") {
        std::vector<PreTokeniserPtr> stages;
        for (const Json& stage : section.list("pretokenizers"))
            stages.push_back(read(stage, depth + 1));
        return split_sequence(std::move(stages));
    }
    if (type == "Split") return split_from(section);
    if (type == "ByteLevel")
        return split_byte_level(section.flag("add_prefix_space", true),
                                section.flag("use_regex", true));
    if (type == "Metaspace") return metaspace_from(section);
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

}  // namespace

PreTokeniserPtr pre_tokeniser_from(const Json& section) { return read(section, 0); }

}  // namespace ctxmem
