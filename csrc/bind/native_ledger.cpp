#include "bind/native.hpp"
#include "core/ledger/phrases.hpp"
#include "core/ledger/statements.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<std::int64_t> statements(const py::str& text, bool replies, bool trusted) {
    const Texts held(text, Surrogates::kept);
    std::vector<std::int64_t> rows = run_stoppable(held.bytes(), [&](StopToken& stop) {
        const std::string_view utf8 = held.views()[0];
        return statement_rows(utf8, find_statements(utf8, replies, trusted, stop));
    });
    const auto count = static_cast<py::ssize_t>(rows.size() / kStatementColumns);
    return to_array(std::move(rows)).reshape({count, py::ssize_t{kStatementColumns}});
}

}  // namespace

void bind_ledger(py::module_& m) {
    m.attr("STATEMENT_KINDS") = names(kStatementKinds);
    m.def("statements", &statements, py::arg("text"), py::arg("replies") = false,
          py::arg("trusted") = false,
          "Return the statements of a text that bind, in text order, one a row: kind, language,\n"
          "strength, flags, then start and end of statement, cue, subject and value.\n\n"
          "Offsets are characters; a kind is an index of STATEMENT_KINDS. `replies`: also\n"
          "proposals, acceptances and refusals. `trusted`: nothing counts as pasted.");
}

}  // namespace ctxmem::bind
