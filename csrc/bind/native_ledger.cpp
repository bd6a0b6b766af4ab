#include <optional>

#include "bind/native.hpp"
#include "core/ledger/phrases.hpp"
#include "core/ledger/statements.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<std::int64_t> statements(const py::str& text, bool replies, bool trusted) {
    const py::list one(1);
    one[0] = text;
    const Texts texts(one, Surrogates::kept);
    const std::string_view utf8 = texts.views()[0];
    std::vector<Statement> found;
    {
        std::optional<py::gil_scoped_release> unlocked;
        if (utf8.size() >= kWorthRelease) unlocked.emplace();
        StopToken stop = unlocked ? stop_on_signal() : StopToken();
        found = find_statements(utf8, replies, trusted, stop);
    }
    std::vector<std::int64_t> out;
    out.reserve(found.size() * 12);
    // Spans may go back by a sentence, so each is counted from the one before, in either direction.
    std::int64_t byte = 0, character = 0;
    const auto characters = [&](std::int64_t to) {
        while (byte < to)
            character +=
                (static_cast<unsigned char>(utf8[static_cast<std::size_t>(byte++)]) & 0xC0) != 0x80;
        while (byte > to)
            character -=
                (static_cast<unsigned char>(utf8[static_cast<std::size_t>(--byte)]) & 0xC0) != 0x80;
        return character;
    };
    for (const Statement& s : found) {
        out.insert(out.end(), {static_cast<std::int64_t>(s.kind), s.language, s.strength, s.flags});
        for (const std::uint32_t place : {s.start, s.end, s.cue_start, s.cue_end})
            out.push_back(characters(place));
        for (const auto& [start, end] :
             {std::pair{s.subject_start, s.subject_end}, std::pair{s.value_start, s.value_end}}) {
            const bool none = start == end;
            out.push_back(none ? 0 : characters(start));
            out.push_back(none ? 0 : characters(end));
        }
    }
    const auto rows = static_cast<py::ssize_t>(found.size());
    return to_array(std::move(out)).reshape({rows, py::ssize_t{12}});
}

}  // namespace

void bind_ledger(py::module_& m) {
    py::tuple kinds(kStatementKinds.size());
    for (std::size_t i = 0; i < kStatementKinds.size(); ++i)
        kinds[i] = py::str(kStatementKinds[i].data(), kStatementKinds[i].size());
    m.attr("STATEMENT_KINDS") = kinds;
    m.def("statements", &statements, py::arg("text"), py::arg("replies") = false,
          py::arg("trusted") = false,
          "Return the statements of a text that bind, in text order, one a row: kind, language,\n"
          "strength, flags, then start and end of statement, cue, subject and value.\n\n"
          "Offsets are characters; a kind is an index of STATEMENT_KINDS. `replies`: also\n"
          "proposals, acceptances and refusals. `trusted`: nothing counts as pasted.");
}

}  // namespace ctxmem::bind
