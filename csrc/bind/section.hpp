// The fields of a section of a tokenizer.json, read from the Python dict that it is.
#pragma once
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "bind/native.hpp"
#include "core/tokenizer/stages.hpp"

namespace ctxmem::bind {

// The UTF-8 of a str, valid as long as it is. Throws std::invalid_argument for anything else, and
// for a str with a lone surrogate; `what` names it.
inline std::string_view utf8_of(const py::handle& text, const std::string& what) {
    if (!PyUnicode_Check(text.ptr()))
        throw std::invalid_argument(what + " is of type " + Py_TYPE(text.ptr())->tp_name +
                                    "; expected str");
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (data == nullptr) {
        PyErr_Clear();
        throw std::invalid_argument(what + " has a lone surrogate");
    }
    return {data, static_cast<std::size_t>(size)};
}

// A field that is missing or of another type is std::invalid_argument, and the error names it. None
// counts as missing. Borrows the dict.
class Section {
public:
    Section(const py::handle& section, std::string what)
        : section_(section), what_(std::move(what)) {
        if (!PyDict_Check(section.ptr()))
            throw std::invalid_argument(what_ + " is of type " + type_of(section) +
                                        "; expected dict");
    }

    py::handle get(const char* name) const {  // None where there is nothing
        PyObject* value = PyDict_GetItemString(section_.ptr(), name);
        return value == nullptr ? py::handle(Py_None) : py::handle(value);
    }
    bool has(const char* name) const { return !get(name).is_none(); }

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
        const py::handle value = get(name);
        if (!PyBool_Check(value.ptr())) refuse(name, "true or false");
        return value.ptr() == Py_True;
    }
    bool flag(const char* name, bool otherwise) const { return has(name) ? flag(name) : otherwise; }
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
    py::list list(const char* name) const {
        if (!PyList_Check(get(name).ptr())) refuse(name, "a list");
        return py::reinterpret_borrow<py::list>(get(name));
    }
    [[noreturn]] void refuse(const char* name, const char* expected) const {
        throw std::invalid_argument("'" + std::string(name) + "' of " + what_ + " is of type " +
                                    type_of(get(name)) + " or not as it should be; expected " +
                                    expected);
    }

private:
    static std::string type_of(const py::handle& value) { return Py_TYPE(value.ptr())->tp_name; }

    py::handle section_;
    std::string what_;
};

}  // namespace ctxmem::bind
