#include "core/tokenizer/tokenizer_json.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "core/tokenizer/tokenizer_parts.hpp"

namespace ctxmem {
namespace {

// Whether a section has a step that `wanted` is true of: itself, or one below its list `steps`.
template <class Wanted>
bool has_step(const Json& section, const char* steps, const Wanted& wanted) {
    if (section.as<JsonObject>() == nullptr) return false;
    const JsonSection fields(section, "a step");
    if (wanted(fields)) return true;
    if (!fields.has(steps)) return false;
    for (const Json& step : fields.list(steps))
        if (has_step(step, steps, wanted)) return true;
    return false;
}

bool says(const JsonSection& step, const char* name, std::string_view value) {
    const auto* text = step.get(name).as<JsonText>();
    return text != nullptr && text->utf8 == value;
}

// Whether a step of a normaliser may remove the first character of a text. Replacements by a blank
// or by U+2581 may, but nothing is put before those.
bool may_shorten_begin(const JsonSection& step) {
    for (const char* type : {"Nmt", "StripAccents", "BertNormalizer"})
        if (says(step, "type", type)) return true;
    if (says(step, "type", "Strip")) return step.flag("strip_left", false);
    if (!says(step, "type", "Replace")) return false;
    const std::string_view content = step.text("content");
    if (content.starts_with(" ") || content.starts_with("\xE2\x96\x81")) return false;
    const JsonSection pattern(step.get("pattern"), "the pattern of a Replace normalizer");
    if (content.empty() || !pattern.has("String")) return true;
    const std::string_view replaced = pattern.text("String");
    std::size_t characters = 0;
    for (const char byte : replaced)
        characters += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
    return characters > 1;
}

// `tokenizers` asks whether a piece begins where the original text does, of which the normalisers
// here keep nothing.
void check_prepend_first(const Json& normalizer, const Json& pre_tokenizer) {
    const auto first = [](const JsonSection& step) {
        return says(step, "prepend_scheme", "first");
    };
    if (has_step(pre_tokenizer, "pretokenizers", first) &&
        has_step(normalizer, "normalizers", may_shorten_begin))
        throw Unsupported(
            "prepend_scheme 'first' behind a normalizer that may remove the first character");
}

std::vector<ListedToken> listed_tokens(const Json& section) {
    const auto* list = section.as<JsonList>();
    if (list == nullptr)
        throw std::invalid_argument(std::string("added_tokens is of type ") + section.type() +
                                    "; expected list");
    std::vector<ListedToken> out;
    for (const Json& item : *list) {
        const JsonSection fields(item, "an added token");
        out.push_back({{std::string(fields.text("content")), fields.flag("lstrip", false),
                        fields.flag("rstrip", false), fields.flag("single_word", false)},
                       fields.flag("normalized", false)});
    }
    return out;
}

}  // namespace

Tokenizer::Parts parts_of_sections(const Json& model, const Json& normalizer,
                                   const Json& pre_tokenizer, const Json& added_tokens) {
    Tokenizer::Parts parts;
    parts.normaliser = normalizer.is_null() ? nullptr : normaliser_from(normalizer);
    parts.pre_tokeniser = pre_tokeniser_from(pre_tokenizer);
    check_prepend_first(normalizer, pre_tokenizer);
    const bool byte_level = has_step(pre_tokenizer, "pretokenizers", [](const JsonSection& step) {
        return says(step, "type", "ByteLevel");
    });
    parts.model = token_model_from(model, byte_level);
    add_listed_tokens(listed_tokens(added_tokens), parts);
    return parts;
}

}  // namespace ctxmem
