// The sections of a tokenizer.json and the file of a span model, from values as
// a parser gives them.
#include <cstring>
#include <limits>
#include <string>

#include "core/ranking/span_model_json.hpp"
#include "core/support/base64.hpp"
#include "core/tokenizer/tokenizer_json.hpp"
#include "tests/cpp/check.hpp"

using namespace ctxmem;

namespace {

Json text(std::string_view utf8) { return {JsonText{utf8}}; }
Json list(JsonList values) { return {std::move(values)}; }
Json object(JsonObject members) { return {std::move(members)}; }
JsonMember member(std::string_view name, Json value) { return {JsonText{name}, std::move(value)}; }

template <class Error, class Call>
std::string refused(Call&& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

bool has(const std::string& message, const char* part) {
    return message.find(part) != std::string::npos;
}

void test_base64() {
    CHECK(decode_base64("") == std::string());
    CHECK(decode_base64("YWJj") == std::string("abc"));
    CHECK(decode_base64("YWI=") == std::string("ab"));
    CHECK(decode_base64("YQ==") == std::string("a"));
    for (const char* damaged : {"?", "YQ", "YQ=", "YQ==YQ==", "YWJj ", "=", "Y"})
        CHECK(!decode_base64(damaged));
}

void test_sections() {
    const Json section =
        object({member("word", text("a")), member("none", {}), member("flag", {true}),
                member("count", {std::int64_t{-1}}), member("torn", {JsonText{{}, true}})});
    const JsonSection fields(section, "the part");
    CHECK(fields.text("word") == "a" && fields.flag("flag") && !fields.has("none"));
    CHECK(fields.text("none", "other") == "other" && !fields.number("none"));
    using Invalid = std::invalid_argument;
    CHECK(
        has(refused<Invalid>([&] { fields.text("flag"); }), "'flag' of the part is of type bool"));
    CHECK(has(refused<Invalid>([&] { fields.number("count"); }), "a whole number from 0 on"));
    CHECK(has(refused<Invalid>([&] { fields.text("torn"); }), "has a lone surrogate"));
    CHECK(has(refused<Invalid>([&] { fields.list("word"); }), "expected a list"));
    CHECK(has(refused<Invalid>([&] { JsonSection(list({}), "the part"); }), "expected dict"));
}

Json small_model() {
    return object(
        {member("type", text("BPE")),
         member("vocab", object({member("a", {std::int64_t{0}}), member("b", {std::int64_t{1}}),
                                 member("ab", {std::int64_t{2}})})),
         member("merges", list({text("a b")}))});
}

void test_a_tokenizer_of_all_sections() {
    const Json normalizer = object({member("type", text("Lowercase"))});
    const Json pre_tokenizer = object({member("type", text("WhitespaceSplit"))});
    const Json added = list({object({member("content", text("<x>"))})});
    const Tokenizer tokenizer(parts_of_sections(small_model(), normalizer, pre_tokenizer, added));
    CHECK(tokenizer.count("AB ab <x>a") == 4);
}

void test_what_is_not_done_is_unsupported() {
    const Json none;
    const Json first = object({member("type", text("Metaspace")), member("replacement", text("_")),
                               member("prepend_scheme", text("first"))});
    const Json strip = object({member("type", text("Strip")), member("strip_left", {true}),
                               member("strip_right", {false})});
    CHECK(
        has(refused<Unsupported>([&] { parts_of_sections(small_model(), strip, first, list({})); }),
            "may remove the first character"));
    parts_of_sections(small_model(), none, first, list({}));
    CHECK(has(
        refused<std::invalid_argument>([&] { parts_of_sections(small_model(), none, none, none); }),
        "added_tokens is of type null"));
}

Json trees(Json leaves) {
    return object({member("features", list({text("matches")})), member("bias", {0.0}),
                   member("leaves", list({std::move(leaves)})),
                   member("feature", list({{std::int64_t{0}}})), member("threshold", list({{0.5}})),
                   member("left", list({{std::int64_t{1}}})),
                   member("value", list({{1.0}, {std::int64_t{2}}}))});
}

Json model_file(Json leaves, double blend) {
    return object({member("version", {std::int64_t{1}}), member("blend", {blend}),
                   member("draft", trees({std::int64_t{2}})), member("final", trees(leaves))});
}

void test_the_file_of_a_span_model() {
    span_model_from(model_file({std::int64_t{2}}, 0.5));
    using Invalid = std::invalid_argument;
    for (const Json& leaves :
         {Json{2.0}, Json{std::int64_t{-1}}, Json{std::int64_t{1} << 32}, Json{true}})
        CHECK(has(refused<Invalid>([&] { span_model_from(model_file(leaves, 0.5)); }),
                  "'leaves' is not a list of numbers in its range"));
    CHECK(has(refused<Invalid>([&] { span_model_from(model_file({std::int64_t{2}}, 1e300)); }),
              "'blend' is not a number"));
    CHECK(has(refused<Invalid>([&] { span_model_from(Json{}); }), "expected dict"));
}

}  // namespace

int main() {
    test_base64();
    test_sections();
    test_a_tokenizer_of_all_sections();
    test_what_is_not_done_is_unsupported();
    test_the_file_of_a_span_model();
}
