#include "bind/native.hpp"
#include "core/solver/selection.hpp"

namespace ctxmem::bind {
namespace {

py::tuple select_units(
    const py::list& texts, const Array<std::int64_t>& first, const Array<std::int64_t>& start,
    const Array<std::int64_t>& end, const Array<std::uint8_t>& flags,
    const Array<std::int32_t>& need, const Array<std::int32_t>& also,
    const Array<std::int64_t>& tokens, const Array<double>& density,
    const Array<std::uint8_t>& requirement, const Array<std::int64_t>& overhead, std::int64_t again,
    const Array<std::int64_t>& bundle_first, const Array<std::int64_t>& bundle_members,
    const Array<std::int32_t>& required_bundle, const Array<std::int32_t>& required, bool whole,
    const Array<std::int32_t>& candidates, const Array<std::int32_t>& option_set,
    const Array<std::int32_t>& option, const Array<std::int32_t>& section,
    const Array<std::int32_t>& parent, const Array<std::int64_t>& minimum,
    const Array<std::int64_t>& maximum, const Array<std::int64_t>& header, std::int64_t limit,
    double min_density, double alike, bool careful, const py::str& query, std::int64_t joint,
    std::int64_t joint_whole, const Array<double>& joint_unit, bool bounded) {
    const Texts decoded(texts, Surrogates::kept);
    const Texts question(query);
    SelectionInput input;
    input.texts = decoded.views();
    input.first = view(first);
    input.start = view(start);
    input.end = view(end);
    input.flags = view(flags);
    input.need = view(need);
    input.also = view(also);
    input.tokens = view(tokens);
    input.density = view(density);
    input.requirement = view(requirement);
    input.overhead = view(overhead);
    input.again = again;
    input.bundle_first = view(bundle_first);
    input.bundle_members = view(bundle_members);
    input.required_bundle = view(required_bundle);
    input.required = view(required);
    input.whole = whole;
    input.candidates = view(candidates);
    input.option_set = view(option_set);
    input.option = view(option);
    input.section = view(section);
    input.parent = view(parent);
    input.minimum = view(minimum);
    input.maximum = view(maximum);
    input.header = view(header);
    input.limit = limit;
    input.min_density = min_density;
    input.alike = alike;
    input.careful = careful;
    input.query = question.views()[0];
    input.joint = joint;
    input.joint_whole = joint_whole;
    input.joint_unit = view(joint_unit);
    input.bounded = bounded;
    SelectionResult out = run_unlocked([&](StopToken& stop) { return select(input, stop); });
    constexpr const char* kOutcomes[] = {"found", "over_required", "under_minimum"};
    return py::make_tuple(kOutcomes[static_cast<int>(out.outcome)], out.section,
                          to_array(std::move(out.kept)), to_array(std::move(out.duplicate_of)),
                          out.spent, out.value, out.bound, out.total, out.price,
                          to_array(std::move(out.section_prices)));
}

}  // namespace

void bind_selection(py::module_& m) {
    const Array<std::int32_t> none(0);
    const Array<std::int64_t> no_tokens(0);
    m.def("select_units", &select_units, py::kw_only(), py::arg("texts"), py::arg("first"),
          py::arg("start"), py::arg("end"), py::arg("flags"), py::arg("need"), py::arg("also"),
          py::arg("tokens"), py::arg("density"), py::arg("requirement"), py::arg("overhead"),
          py::arg("again"), py::arg("bundle_first") = no_tokens,
          py::arg("bundle_members") = no_tokens, py::arg("required_bundle") = none,
          py::arg("required") = none, py::arg("whole") = false, py::arg("candidates") = none,
          py::arg("option_set") = none, py::arg("option") = none, py::arg("section") = none,
          py::arg("parent") = none, py::arg("minimum") = no_tokens, py::arg("maximum") = no_tokens,
          py::arg("header") = no_tokens, py::arg("limit"), py::arg("min_density") = 0.0,
          py::arg("alike") = 2.0, py::arg("careful") = true, py::arg("query") = "",
          py::arg("joint") = 0, py::arg("joint_whole") = 0,
          py::arg("joint_unit") = Array<double>(0), py::arg("bounded") = true,
          "Select units of outlines for the most value within a limit of tokens.\n\n"
          "The columns are those of SelectionInput (csrc/core/solver/selection.hpp). Returns a\n"
          "tuple: outcome, conflicting section or -1, kept, duplicate_of, tokens, value, bound,\n"
          "total value, price of a token, price in each section. Raises ValueError if the columns\n"
          "do not agree or a number is out of range.");
}

}  // namespace ctxmem::bind
