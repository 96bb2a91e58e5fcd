// MaxSim between bags of vectors: for every vector of a query the best product with any vector of a document, summed.
#pragma once
#include <cstdint>

#include "scan.hpp"

namespace nearfield {

// Bags of rows that lie one after another: bag i holds rows [offsets[i], offsets[i + 1]) of what they are bags of.
struct BagRows {
  const int64_t* offsets;
  size_t count;
};

// The k best of `candidates` (asked.count, c) bags of `space` for each bag of `queries`, by -MaxSim: scores ascending,
// bags (asked.count, k); missing: +inf, -1. Candidates of -1 are skipped, ties go to the smaller number. No bag is empty.
void maxsim(const Space& space, const BagRows& bags, const float* queries, const BagRows& asked,
            const int64_t* candidates, size_t c, size_t k, unsigned threads, float* scores, int64_t* found,
            const Check& check);

}  // namespace nearfield
