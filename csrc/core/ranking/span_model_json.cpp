#include "core/ranking/span_model_json.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace ctxmem {
namespace {

// Files of one model, and of one for each kind of text.
constexpr std::int64_t kOneModel = 1, kTwoModels = 2;

[[noreturn]] void refuse(const std::string& key, const char* what) {
    throw std::invalid_argument("span model: '" + key + "' " + what);
}

// Throws for a member that is missing; null counts as missing.
const Json& entry(const JsonSection& data, const char* key) {
    if (!data.has(key)) refuse(key, "is missing");
    return data.get(key);
}

JsonSection mapping(const JsonSection& data, const char* key) {
    const Json& value = entry(data, key);
    if (value.as<JsonObject>() == nullptr) refuse(key, "is no mapping");
    return {value, key};
}

const JsonList& list(const JsonSection& data, const char* key, const char* expected) {
    const auto* value = entry(data, key).as<JsonList>();
    if (value == nullptr) refuse(key, expected);
    return *value;
}

// A number that T holds. An integer is not read from a number with a fraction; NaN and infinity are
// numbers.
template <class T>
std::optional<T> in_range(const Json& value) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_integral_v<T>) {
        const auto* whole = value.as<std::int64_t>();
        if (whole == nullptr || *whole < std::int64_t{Limits::min()} ||
            (sizeof(T) < sizeof *whole && *whole > static_cast<std::int64_t>(Limits::max())))
            return {};
        return static_cast<T>(*whole);
    } else {
        const std::optional<double> real = value.number();
        if (!real || (std::isfinite(*real) && std::abs(*real) > double{Limits::max()})) return {};
        return static_cast<T>(*real);
    }
}

template <class T>
std::vector<T> numbers(const JsonSection& data, const char* key) {
    std::vector<T> out;
    for (const Json& item : list(data, key, "is not a list of numbers")) {
        const std::optional<T> number = in_range<T>(item);
        if (!number) refuse(key, "is not a list of numbers in its range");
        out.push_back(*number);
    }
    return out;
}

template <class T>
T number(const JsonSection& data, const char* key) {
    const std::optional<T> found = in_range<T>(entry(data, key));
    if (!found) refuse(key, "is not a number");
    return *found;
}

NamedTrees trees_from(const JsonSection& data) {
    constexpr char kExpected[] = "is not a list of names";
    NamedTrees out;
    for (const Json& name : list(data, "features", kExpected)) {
        const auto* text = name.as<JsonText>();
        if (text == nullptr) refuse("features", kExpected);
        out.features.emplace_back(text->utf8);
    }
    TreesData& trees = out.trees;
    trees.leaves = numbers<std::uint32_t>(data, "leaves");
    trees.feature = numbers<std::uint32_t>(data, "feature");
    trees.threshold = numbers<float>(data, "threshold");
    trees.left = numbers<std::uint32_t>(data, "left");
    trees.value = numbers<float>(data, "value");
    trees.bias = number<float>(data, "bias");
    return out;
}

SpanModel expert_from(const JsonSection& data) {
    return SpanModel(trees_from(mapping(data, "draft")), trees_from(mapping(data, "final")),
                     number<float>(data, "blend"));
}

}  // namespace

GatedModel span_model_from(const Json& file) {
    const JsonSection data(file, "a span model");
    const auto version = number<std::int64_t>(data, "version");
    if (version == kOneModel) return GatedModel(expert_from(data));
    if (version == kTwoModels)
        return GatedModel(expert_from(mapping(data, "prose")),
                          expert_from(mapping(data, "structured")));
    throw std::invalid_argument("span model: the file has version " + std::to_string(version) +
                                "; expected " + std::to_string(kOneModel) + " or " +
                                std::to_string(kTwoModels));
}

}  // namespace ctxmem
