// Several queries at once against 8-bit codes that are in the cache: a row's codes are loaded once for four queries.
#pragma once
#include <cstdint>
#include <vector>

#include "space.hpp"

namespace nearfield {

// Queries rounded to 8 bits, about 127 steps to the largest component, against rows of kind sq8. The rounding shows:
// look again at the best with a finer score. Sums are of integers, so every instruction level returns the same bits.
class Block {
 public:
  Block(const Space& space, Measure measure) : space_(space), measure_(measure) {}
  void set(size_t slot, const float* query);  // makes query number `slot` ready
  // Rows ids[0..n) are those that the next scores are for.
  void rows(const uint32_t* ids, unsigned n);
  // out[t * n + i]: score of query slots[t], 1 to 4 of them, against row ids[i].
  void score(const uint32_t* slots, unsigned count, float* out);

 private:
  struct Rounded {
    std::vector<int8_t> value;
    float step = 0, sum = 0, base = 0;
  };
  const Space& space_;
  Measure measure_;
  std::vector<Rounded> queries_;
  const uint32_t* ids_ = nullptr;
  unsigned n_ = 0;
  std::vector<float> low_, step_, norm2_, moved_;
  std::vector<int32_t> dots_;
};

}  // namespace nearfield
