// Span features as a Python object.
#pragma once
#include "bind/native.hpp"
#include "core/ranking/span_features.hpp"

namespace ctxmem::bind {

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
              input.merged_texts = corpus.corpus().views();
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
              return run_unlocked([&](StopToken& stop) { return SpanFeatures(input, stop); });
          }()) {}

    py::array_t<float> draft() const {
        return rows(features_.draft(), SpanFeatures::draft_names().size());
    }
    // Columns that lie one after another, as an array with a row a span.
    py::array_t<float> rows(std::vector<float>&& columns, std::size_t width) const {
        const std::size_t shape[] = {width, features_.spans()};
        const py::array_t<float> turned = to_array(std::move(columns)).reshape(shape);
        return py::array_t<float>(turned.attr("T"));
    }
    const SpanFeatures& features() const { return features_; }

private:
    py::object held_;
    Texts names_;
    Texts queries_;
    SpanFeatures features_;
};

}  // namespace ctxmem::bind
