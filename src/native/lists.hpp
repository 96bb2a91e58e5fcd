// An inverted file: rows stored list by list, each list around a centroid; a search reads the lists nearest to a query.
#pragma once
#include <cstdint>

#include "scan.hpp"
#include "space.hpp"

namespace nearfield {

struct Lists {
  const Space& centroids;   // f32
  const uint32_t* offsets;  // (centroids.n + 1,): stored rows [offsets[i], offsets[i + 1]) make list i
  const uint32_t* rows;     // (n,): the caller's number of each stored row
};

struct ListSettings {
  size_t k;
  size_t probes;  // how many lists are read at least
  size_t budget;  // under a filter: how many allowed rows are scored at least, where there are so many
  unsigned threads;
};

// scores (nq, k) ascending, rows (nq, k) by the caller's numbers; missing: +inf, -1; ties go to the smaller row number.
// `asked` are the queries as the centroids know them, `queries` as the codes do. Beyond `probes`, lists are read on,
// nearest first, until k rows are found (and the budget is spent) or none is left. `allow`: one bit for each row, by
// the caller's numbers.
void search_lists(const Space& space, Measure measure, const Lists& lists, const float* queries, const float* asked,
                  size_t nq, const uint64_t* allow, const ListSettings& settings, float* scores, int64_t* rows,
                  const Check& check);

}  // namespace nearfield
