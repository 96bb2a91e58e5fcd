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

// What bags are made of: rows of `codes`, to which the row of `centers` that their bag has is added, if there are any;
// `scaled`: additive codes whose header is the factor that gives the sum its length.
struct Tokens {
  const Space& codes;
  const Space* centers;
  bool scaled;
};

// The k best of `candidates` (asked.count, c) bags of `tokens` for each bag of `queries`, by -MaxSim: scores ascending,
// bags (asked.count, k); missing: +inf, -1. Candidates of -1 are skipped, ties go to the smaller number. No bag is empty.
// `queries` are as the codes are asked, `centred` as the centers are.
void maxsim(const Tokens& tokens, const BagRows& bags, const float* queries, const float* centred,
            const BagRows& asked, const int64_t* candidates, size_t c, size_t k, unsigned threads,
            float* scores, int64_t* found, const Check& check);

}  // namespace nearfield
