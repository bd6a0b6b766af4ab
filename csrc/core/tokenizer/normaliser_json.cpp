#include <string>
#include <utility>
#include <vector>

#include "core/support/base64.hpp"
#include "core/tokenizer/tokenizer_json.hpp"

namespace ctxmem {
namespace {

constexpr int kDeepest = 32;  // sequences within sequences

NormaliserPtr replace_from(const JsonSection& section) {
    const std::string content(section.text("content"));
    const JsonSection pattern(section.get("pattern"), "the pattern of a Replace normalizer");
    const bool string = pattern.has("String");
    if (string == pattern.has("Regex"))
        throw std::invalid_argument("'pattern' of a Replace normalizer is no String and no Regex");
    return string ? make_replace(pattern.text("String"), content)
                  : make_replace_regex(pattern.text("Regex"), content);
}

NormaliserPtr bert_from(const JsonSection& section) {
    BertOptions options;
    options.clean_text = section.flag("clean_text");
    options.handle_chinese_chars = section.flag("handle_chinese_chars");
    options.lowercase = section.flag("lowercase");
    // By default accents are removed where the case is.
    options.strip_accents = section.flag("strip_accents", options.lowercase);
    return make_bert(options);
}

NormaliserPtr precompiled_from(const JsonSection& section) {
    const auto bytes = decode_base64(section.text("precompiled_charsmap"));
    if (!bytes)
        throw std::invalid_argument("the precompiled_charsmap is damaged: it is not base64");
    return make_precompiled(*bytes);
}

NormaliserPtr read(const Json& given, int depth) {
    if (given.is_null()) return make_sequence({});
    if (depth > kDeepest) throw Unsupported("normalizers more than 32 deep");
    const JsonSection section(given, "a normalizer");
    const std::string type(section.text("type"));
    if (type == "Sequence") {
        std::vector<NormaliserPtr> parts;
        for (const Json& part : section.list("normalizers")) parts.push_back(read(part, depth + 1));
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

}  // namespace

NormaliserPtr normaliser_from(const Json& section) { return read(section, 0); }

}  // namespace ctxmem
