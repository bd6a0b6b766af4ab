// What a JSON parser has read, and typed access to the members of an object.
//
// The core parses no JSON: the caller converts what its parser returns. Strings are views of the
// caller's, so a value costs 32 bytes and what it contains.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ctxmem {

struct JsonText {
    std::string_view utf8;
    bool lone_surrogate = false;  // JSON may have one, UTF-8 may not; `utf8` is empty then
};

struct Json;
struct JsonMember;
using JsonList = std::vector<Json>;
using JsonObject = std::vector<JsonMember>;  // in the order of the file

struct Json {
    // A whole number beyond std::int64_t is a double.
    std::variant<std::monostate, bool, std::int64_t, double, JsonText, JsonList, JsonObject> value;

    template <class T>
    const T* as() const {
        return std::get_if<T>(&value);
    }
    bool is_null() const { return std::holds_alternative<std::monostate>(value); }
    // A number of either type, or nothing.
    std::optional<double> number() const {
        if (const auto* whole = as<std::int64_t>()) return static_cast<double>(*whole);
        if (const auto* real = as<double>()) return *real;
        return {};
    }
    const char* type() const {
        constexpr const char* kNames[] = {"null", "bool", "int", "float", "str", "list", "dict"};
        return kNames[value.index()];
    }
};

struct JsonMember {
    JsonText name;
    Json value;
};

// The UTF-8 of a string. Throws std::invalid_argument for one with a lone surrogate; `what` names it.
inline std::string_view utf8_of(const JsonText& text, const std::string& what) {
    if (text.lone_surrogate) throw std::invalid_argument(what + " has a lone surrogate");
    return text.utf8;
}

// The same of a value. Throws std::invalid_argument for what is no string.
inline std::string_view utf8_of(const Json& value, const std::string& what) {
    if (const auto* text = value.as<JsonText>()) return utf8_of(*text, what);
    throw std::invalid_argument(what + " is of type " + value.type() + "; expected str");
}

// The members of an object, read by name. A member that is missing or of another type is
// std::invalid_argument, and the error names it; null counts as missing. Borrows the value.
class JsonSection {
public:
    JsonSection(const Json& section, std::string what)
        : members_(section.as<JsonObject>()), what_(std::move(what)) {
        if (members_ == nullptr)
            throw std::invalid_argument(what_ + " is of type " + section.type() +
                                        "; expected dict");
    }

    // Null where there is none.
    const Json& get(std::string_view name) const {
        static const Json null;
        for (const JsonMember& member : *members_)
            if (member.name.utf8 == name) return member.value;
        return null;
    }
    bool has(std::string_view name) const { return !get(name).is_null(); }

    std::string_view text(const char* name) const {
        return utf8_of(get(name), "'" + std::string(name) + "' of " + what_);
    }
    std::string text(const char* name, std::string otherwise) const {
        return has(name) ? std::string(text(name)) : std::move(otherwise);
    }
    std::optional<std::string> maybe_text(const char* name) const {
        if (!has(name)) return {};
        return std::string(text(name));
    }
    bool flag(const char* name) const {
        const bool* value = get(name).as<bool>();
        if (value == nullptr) refuse(name, "true or false");
        return *value;
    }
    bool flag(const char* name, bool otherwise) const { return has(name) ? flag(name) : otherwise; }
    std::optional<std::size_t> number(const char* name) const {
        if (!has(name)) return {};
        const auto* value = get(name).as<std::int64_t>();
        if (value == nullptr || *value < 0) refuse(name, "a whole number from 0 on");
        return static_cast<std::size_t>(*value);
    }
    const JsonList& list(const char* name) const {
        const auto* value = get(name).as<JsonList>();
        if (value == nullptr) refuse(name, "a list");
        return *value;
    }
    [[noreturn]] void refuse(const char* name, const char* expected) const {
        throw std::invalid_argument("'" + std::string(name) + "' of " + what_ + " is of type " +
                                    get(name).type() + " or not as it should be; expected " +
                                    expected);
    }

private:
    const JsonObject* members_;
    std::string what_;
};

}  // namespace ctxmem
