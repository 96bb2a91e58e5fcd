// The binding of maxsim.hpp: every argument that the memory safety of a program rests on is checked here.
#include "maxsim.hpp"
#include "module.hpp"

namespace nearfield {

namespace {

BagRows bag_rows(const In<int64_t, 1>& offsets, size_t rows) {
  demand(offsets.shape(0) >= 1 && offsets.data()[0] == 0, "offsets: expected to begin with 0");
  const size_t count = offsets.shape(0) - 1;
  for (size_t i = 0; i < count; ++i)
    demand(offsets.data()[i] < offsets.data()[i + 1], "offsets: expected at least one row in each bag");
  demand(static_cast<size_t>(offsets.data()[count]) <= rows, "offsets: expected to end within the rows");
  return {offsets.data(), count};
}

}  // namespace

void bind_maxsim(nb::module_& m) {
  m.def("maxsim", [](const PySpace& base, In<int64_t, 1> offsets, In<float, 2> queries, In<int64_t, 1> query_offsets,
                     In<int64_t, 2> candidates, const PySpace* centers, In<float, 2> centred, bool scaled,
                     unsigned threads, Out<float, 2> scores, Out<int64_t, 2> bags) {
    demand(queries.shape(1) == base.space.dim, "queries: wrong number of dimensions");
    demand(!scaled || base.space.kind == Kind::additive, "scaled: expected additive codes");
    demand(centred.shape(0) == queries.shape(0) && centred.shape(1) == queries.shape(1),
           "centred: expected the shape of queries");
    const BagRows kept = bag_rows(offsets, base.space.n), asked = bag_rows(query_offsets, queries.shape(0));
    demand(!centers || (centers->space.dim == base.space.dim && centers->space.n >= kept.count),
           "centers: expected a row a bag, of as many dimensions");
    demand(candidates.shape(0) == asked.count, "candidates: expected one row a query");
    demand(scores.shape(0) == asked.count && bags.shape(0) == asked.count && scores.shape(1) == bags.shape(1) &&
               scores.shape(1) >= 1,
           "scores, bags: expected shape (queries, k)");
    for (size_t i = 0; i < candidates.size(); ++i)
      demand(candidates.data()[i] < static_cast<int64_t>(kept.count), "candidates: bag out of range");
    run(nb::none(), [&](const Check& check) {
      maxsim({base.space, centers ? &centers->space : nullptr, scaled}, kept, queries.data(), centred.data(), asked,
             candidates.data(), candidates.shape(1), scores.shape(1), threads, scores.data(), bags.data(), check);
    });
  }, nb::arg("space"), nb::arg("offsets"), nb::arg("queries"), nb::arg("query_offsets"), nb::arg("candidates"),
     nb::arg("centers").none(), nb::arg("centred"), nb::arg("scaled"), nb::arg("threads"), nb::arg("scores"),
     nb::arg("bags"));
}

}  // namespace nearfield
