#include "bind/json.hpp"

#include <string>

#include "core/tokenizer/stages.hpp"

namespace ctxmem::bind {
namespace {

constexpr int kDeepest = 200;  // lists and dicts within one another

JsonText text_of(PyObject* given) {
    if (!PyUnicode_Check(given))
        throw std::invalid_argument(std::string("a key is of type ") + Py_TYPE(given)->tp_name +
                                    "; expected str");
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(given, &size);
    if (data != nullptr) return {{data, static_cast<std::size_t>(size)}};
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) throw py::error_already_set();
    PyErr_Clear();
    return {{}, true};
}

Json number_of(PyObject* given) {
    if (!PyLong_Check(given)) return {PyFloat_AS_DOUBLE(given)};
    int overflow = 0;
    const long long whole = PyLong_AsLongLongAndOverflow(given, &overflow);
    if (overflow == 0) return {std::int64_t{whole}};
    const double real = PyLong_AsDouble(given);
    if (PyErr_Occurred() == nullptr) return {real};
    PyErr_Clear();
    return {overflow > 0 ? HUGE_VAL : -HUGE_VAL};
}

Json value_of(PyObject* given, int depth) {
    if (given == Py_None) return {};
    if (PyBool_Check(given)) return {given == Py_True};
    if (PyLong_Check(given) || PyFloat_Check(given)) return number_of(given);
    if (PyUnicode_Check(given)) return {text_of(given)};
    if (depth > kDeepest) throw Unsupported("lists and dicts nested too deep, more than 200");
    if (PyList_Check(given) || PyTuple_Check(given)) {
        JsonList list;
        list.reserve(static_cast<std::size_t>(PySequence_Fast_GET_SIZE(given)));
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(given); ++i)
            list.push_back(value_of(PySequence_Fast_GET_ITEM(given, i), depth + 1));
        return {std::move(list)};
    }
    if (!PyDict_Check(given))
        throw std::invalid_argument(std::string("a value is of type ") + Py_TYPE(given)->tp_name +
                                    "; expected what a JSON file can hold");
    JsonObject object;
    object.reserve(static_cast<std::size_t>(PyDict_Size(given)));
    PyObject *key = nullptr, *value = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(given, &at, &key, &value) != 0;)
        object.push_back({text_of(key), value_of(value, depth + 1)});
    return {std::move(object)};
}

}  // namespace

Json json_of(const py::handle& given) { return value_of(given.ptr(), 0); }

}  // namespace ctxmem::bind
