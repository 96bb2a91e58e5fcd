// Exact scans: the k nearest rows of a Space, all rows or those a bitset allows; and rescoring of given candidates.
#pragma once
#include <cstdint>
#include <functional>

#include "space.hpp"

namespace nearfield {

using Check = std::function<bool(size_t)>;

// scores (nq, k) ascending, rows (nq, k); missing: +inf, -1. Ties go to the smaller row number. `allow`: one bit a row.
void exact_search(const Space& space, Measure measure, const float* queries, size_t nq, size_t k,
                  const uint64_t* allow, unsigned threads, float* scores, int64_t* rows, const Check& check);

// The k best of `candidates` (nq, c), row -1 skipped, by this space's scores.
void rescore(const Space& space, Measure measure, const float* queries, size_t nq, const int64_t* candidates, size_t c,
             size_t k, unsigned threads, float* scores, int64_t* rows, const Check& check);

}  // namespace nearfield
