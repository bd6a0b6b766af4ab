#include <algorithm>

#include "bind/native.hpp"
#include "core/ranking/bm25.hpp"
#include "core/ranking/span_features.hpp"
#include "core/ranking/span_model.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<double> score_bm25(const py::list& texts, const py::list& queries) {
    const Texts text(texts);
    const Texts query(queries);
    std::vector<double> scores;
    {
        py::gil_scoped_release unlocked;
        StopToken stop = stop_on_signal();
        scores = bm25(text.views(), query.views(), {}, stop);
    }
    const auto rows = static_cast<py::ssize_t>(text.views().size());
    const auto columns = static_cast<py::ssize_t>(query.views().size());
    return to_array(std::move(scores)).reshape({rows, columns});
}

// The features and what they look at, held together; the binding keeps the corpus alive.
class Features {
public:
    Features(const HeldCorpus& corpus, Array<std::int64_t> first, Array<std::int64_t> start,
             Array<std::int64_t> end, Array<std::uint8_t> kind, Array<std::uint8_t> flags,
             Array<std::int32_t> need, Array<std::int32_t> block, Array<std::int32_t> document,
             Array<std::int64_t> place, const py::list& names, Array<std::int32_t> chunk_first,
             Array<std::int32_t> chunk_last, Array<double> retrieval, const py::list& queries,
             Array<float> vectors, Array<float> query_vectors)
        : held_(py::make_tuple(first, start, end, kind, flags, need, block, document, place,
                               chunk_first, chunk_last, retrieval, vectors, query_vectors)),
          names_(names, Surrogates::kept),
          queries_(queries),
          features_([&] {
              SpanInput input;
              // The arrays are those of the first texts, the others are not on the shortlist.
              const auto texts = corpus.corpus().views();
              const std::size_t bounds = view(first).size();
              input.merged_texts = texts.first(std::min(texts.size(), bounds - (bounds > 0)));
              input.first = view(first);
              input.start = view(start);
              input.end = view(end);
              input.kind = view(kind);
              input.flags = view(flags);
              input.need = view(need);
              input.block = view(block);
              input.names = names_.views();
              input.document = view(document);
              input.place = view(place);
              input.chunk_first = view(chunk_first);
              input.chunk_last = view(chunk_last);
              input.retrieval = view(retrieval);
              input.queries = queries_.views();
              input.vectors = view(vectors);
              input.query_vectors = view(query_vectors);
              input.width = vectors.ndim() == 2 ? static_cast<std::size_t>(vectors.shape(1)) : 0;
              py::gil_scoped_release unlocked;
              StopToken stop = stop_on_signal();
              return SpanFeatures(input, stop);
          }()) {}

    py::array_t<float> draft() const {
        std::vector<float> columns;
        add_draft(columns);
        return rows(std::move(columns), SpanFeatures::draft_names().size());
    }
    py::array_t<float> finals(const Array<float>& density) const {
        std::vector<float> columns;
        add_draft(columns);
        {
            py::gil_scoped_release unlocked;
            StopToken stop = stop_on_signal();
            const std::vector<float> made = features_.finals(view(density), stop);
            columns.insert(columns.end(), made.begin(), made.end());
        }
        return rows(std::move(columns), SpanFeatures::final_names().size());
    }
    const SpanFeatures& features() const { return features_; }

private:
    void add_draft(std::vector<float>& columns) const {
        for (std::size_t k = 0; k < SpanFeatures::draft_names().size(); ++k) {
            const float* column = features_.draft_column(k);
            columns.insert(columns.end(), column, column + features_.spans());
        }
    }
    // A row a span, seen through the columns' memory.
    py::array_t<float> rows(std::vector<float>&& columns, std::size_t width) const {
        const py::array_t<float> turned =
            to_array(std::move(columns))
                .reshape(
                    {static_cast<py::ssize_t>(width), static_cast<py::ssize_t>(features_.spans())});
        return py::array_t<float>(turned.attr("T"));
    }

    py::object held_;
    Texts names_;
    Texts queries_;
    SpanFeatures features_;
};

py::object entry(const py::dict& data, const char* key) {
    if (!data.contains(key))
        throw std::invalid_argument(std::string("span model: '") + key + "' is missing");
    return data[key];
}

py::dict mapping(const py::dict& data, const char* key) {
    py::object value = entry(data, key);
    if (!py::isinstance<py::dict>(value))
        throw std::invalid_argument(std::string("span model: '") + key + "' is no mapping");
    return value;
}

// Numbers of a list; those that are no numbers, or none that the type holds, are refused.
template <class T>
std::vector<T> numbers(const py::dict& data, const char* key) {
    const std::string refusal = std::string("span model: '") + key + "' is not a list of numbers";
    const py::object value = entry(data, key);
    if (!py::isinstance<py::list>(value)) throw std::invalid_argument(refusal);
    std::vector<T> out;
    for (const py::handle item : value.cast<py::list>()) {
        try {
            out.push_back(item.cast<T>());
        } catch (const py::cast_error&) {
            throw std::invalid_argument(refusal + " in its range");
        }
    }
    return out;
}

template <class T>
T number(const py::dict& data, const char* key) {
    try {
        return entry(data, key).cast<T>();
    } catch (const py::cast_error&) {
        throw std::invalid_argument(std::string("span model: '") + key + "' is not a number");
    }
}

NamedTrees read_trees(const py::dict& data) {
    NamedTrees out;
    const py::object features = entry(data, "features");
    if (!py::isinstance<py::list>(features))
        throw std::invalid_argument("span model: 'features' is not a list of names");
    for (const py::handle name : features.cast<py::list>()) {
        if (!py::isinstance<py::str>(name))
            throw std::invalid_argument("span model: 'features' is not a list of names");
        out.features.push_back(name.cast<std::string>());
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

// Files of one model, and of one for each kind of text.
constexpr std::int64_t kOneModel = 1, kTwoModels = 2;

SpanModel read_expert(const py::dict& data) {
    return SpanModel(read_trees(mapping(data, "draft")), read_trees(mapping(data, "final")),
                     number<float>(data, "blend"));
}

GatedModel read_model(const py::dict& data) {
    const auto version = number<std::int64_t>(data, "version");
    if (version == kOneModel) return GatedModel(read_expert(data));
    if (version == kTwoModels)
        return GatedModel(read_expert(mapping(data, "prose")),
                          read_expert(mapping(data, "structured")));
    throw std::invalid_argument("span model: the file has version " + std::to_string(version) +
                                "; expected " + std::to_string(kOneModel) + " or " +
                                std::to_string(kTwoModels));
}

py::array_t<float> evaluate(const GatedModel& model, const Features& features,
                            std::vector<float> (GatedModel::*verb)(const SpanFeatures&, StopToken&)
                                const) {
    std::vector<float> density;
    {
        py::gil_scoped_release unlocked;
        StopToken stop = stop_on_signal();
        density = (model.*verb)(features.features(), stop);
    }
    return to_array(std::move(density));
}

py::array_t<float> revise(const GatedModel& model, const Features& features,
                          const Array<float>& density) {
    std::vector<float> revised;
    {
        py::gil_scoped_release unlocked;
        StopToken stop = stop_on_signal();
        revised = model.revise(features.features(), view(density), stop);
    }
    return to_array(std::move(revised));
}

py::tuple names(std::span<const std::string_view> given) {
    py::tuple out(given.size());
    for (std::size_t i = 0; i < given.size(); ++i)
        out[i] = py::str(given[i].data(), given[i].size());
    return out;
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
        .def("finals", &Features::finals, py::arg("density"),
             "Return spans x FINAL_FEATURES, given a draft density for each span.");
    py::class_<GatedModel>(m, "SpanModel",
                           "Gradient-boosted trees that predict the density of spans.")
        .def(py::init(&read_model), py::arg("data"))
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
    m.attr("FINAL_FEATURES") = names(SpanFeatures::final_names());
}

}  // namespace ctxmem::bind
