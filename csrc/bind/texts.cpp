#include <string>

#include "bind/native.hpp"

namespace ctxmem::bind {

Texts::Texts(const py::list& texts, Surrogates surrogates) : surrogates_(surrogates) {
    // A tuple of our own: another thread may empty the caller's list while the GIL is off.
    const py::tuple held(texts);
    owners_.push_back(held);
    views_.reserve(held.size());
    for (const py::handle text : held) add(text.ptr());
}

Texts::Texts(const py::str& text, Surrogates surrogates) : surrogates_(surrogates) {
    owners_.push_back(text);
    add(text.ptr());
}

std::size_t Texts::bytes() const {
    std::size_t bytes = 0;
    for (const std::string_view text : views_) bytes += text.size();
    return bytes;
}

void Texts::add(PyObject* text) {
    if (!PyUnicode_Check(text)) {
        // Not py::type_error: once another pybind11 module is loaded, it may arrive as RuntimeError.
        PyErr_Format(PyExc_TypeError, "expected str, got %.200s", Py_TYPE(text)->tp_name);
        throw py::error_already_set();
    }
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text, &size);
    if (data == nullptr) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) throw py::error_already_set();
        PyErr_Clear();
        had_surrogates_ = true;
        if (surrogates_ == Surrogates::kept) {
            auto bytes = py::reinterpret_steal<py::bytes>(
                PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass"));
            if (!bytes) throw py::error_already_set();
            views_.push_back(bytes);
            owners_.push_back(std::move(bytes));
            return;
        }
        // Through UTF-16, as tiktoken does: a high and a low surrogate that meet become one
        // character again, a lone one becomes U+FFFD.
        const auto utf16 = py::reinterpret_steal<py::object>(
            PyUnicode_AsEncodedString(text, "utf-16-le", "surrogatepass"));
        if (!utf16) throw py::error_already_set();
        char* bytes = nullptr;
        Py_ssize_t length = 0;
        if (PyBytes_AsStringAndSize(utf16.ptr(), &bytes, &length) != 0)
            throw py::error_already_set();
        int little_endian = -1;
        auto repaired = py::reinterpret_steal<py::object>(
            PyUnicode_DecodeUTF16(bytes, length, "replace", &little_endian));
        if (!repaired) throw py::error_already_set();
        data = PyUnicode_AsUTF8AndSize(repaired.ptr(), &size);
        if (data == nullptr) throw py::error_already_set();
        owners_.push_back(std::move(repaired));
    }
    views_.emplace_back(data, static_cast<std::size_t>(size));
}

StopToken stop_on_signal(double time_limit) {
    return StopToken(
        [] {
            const py::gil_scoped_acquire gil;
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        },
        Deadline::after(time_limit));
}

}  // namespace ctxmem::bind
