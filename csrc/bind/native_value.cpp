#include "bind/json.hpp"
#include "bind/native_value.hpp"
#include "core/ranking/bm25.hpp"
#include "core/ranking/span_model_json.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<double> score_bm25(const py::list& texts, const py::list& queries) {
    const Texts text(texts);
    const Texts query(queries);
    std::vector<double> scores =
        run_unlocked([&](StopToken& stop) { return bm25(text.views(), query.views(), {}, stop); });
    const auto rows = static_cast<py::ssize_t>(text.views().size());
    const auto columns = static_cast<py::ssize_t>(query.views().size());
    return to_array(std::move(scores)).reshape({rows, columns});
}

py::array_t<float> evaluate(const GatedModel& model, const Features& features,
                            std::vector<float> (GatedModel::*verb)(const SpanFeatures&, StopToken&)
                                const) {
    return to_array(
        run_unlocked([&](StopToken& stop) { return (model.*verb)(features.features(), stop); }));
}

py::array_t<float> find_definitions(const Features& features) {
    return to_array(
        run_unlocked([&](StopToken& stop) { return features.features().definitions(stop); }));
}

py::array_t<float> revise(const GatedModel& model, const Features& features,
                          const Array<float>& density) {
    return to_array(run_unlocked(
        [&](StopToken& stop) { return model.revise(features.features(), view(density), stop); }));
}

}  // namespace

void bind_value(py::module_& m) {
    m.def("bm25", &score_bm25, py::arg("texts"), py::arg("queries"),
          "Return BM25 of every text (rows) against every query (columns).");
    py::class_<Features>(m, "SpanFeatures", "Features of spans, a row each.")
        .def(
            py::init<const HeldCorpus&, Array<std::int64_t>, Array<std::int64_t>,
                     Array<std::int64_t>, Array<std::uint8_t>, Array<std::uint8_t>,
                     Array<std::int32_t>, Array<std::int32_t>, Array<std::int32_t>,
                     Array<std::int64_t>, const py::list&, Array<std::int32_t>, Array<std::int32_t>,
                     Array<double>, const py::list&, Array<float>, Array<float>>(),
            py::arg("corpus"), py::arg("first"), py::arg("start"), py::arg("end"), py::arg("kind"),
            py::arg("flags"), py::arg("need"), py::arg("block"), py::arg("document"),
            py::arg("place"), py::arg("names"), py::arg("chunk_first"), py::arg("chunk_last"),
            py::arg("retrieval"), py::arg("queries"), py::arg("vectors"), py::arg("query_vectors"),
            py::keep_alive<1, 2>())
        .def("__len__", [](const Features& held) { return held.features().spans(); })
        .def("draft", &Features::draft, "Return spans x DRAFT_FEATURES.")
        .def("definitions", &find_definitions,
             "Return how sure it is that each span says what the question's subject is, 0 to 1; "
             "empty for other questions.");
    py::class_<GatedModel>(m, "SpanModel",
                           "Gradient-boosted trees that predict the density of spans.")
        .def(py::init([](const py::dict& data) { return span_model_from(json_of(data)); }),
             py::arg("data"))
        .def(
            "draft",
            [](const GatedModel& model, const Features& features) {
                return evaluate(model, features, &GatedModel::draft);
            },
            py::arg("features"), "Return the draft density of each span, by its own features.")
        .def("revise", &revise, py::arg("features"), py::arg("density"),
             "Return the density of each span, given drafted or verified densities of all.")
        .def(
            "predict",
            [](const GatedModel& model, const Features& features) {
                return evaluate(model, features, &GatedModel::predict);
            },
            py::arg("features"), "Return the density of each span: drafted, then revised.");
    m.attr("DRAFT_FEATURES") = names(SpanFeatures::draft_names());
}

}  // namespace ctxmem::bind
