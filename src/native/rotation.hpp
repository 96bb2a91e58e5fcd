// A random rotation that is cheap to apply and to take back.
#pragma once
#include <cstdint>
#include <vector>

namespace nearfield {

// A pseudo-random rotation from Walsh-Hadamard transforms of the first and the last 2^k dimensions in turn, with random
// signs between them: d log d steps where a matrix takes d^2, and nothing to store.
class Rotation {
 public:
  Rotation(unsigned dim, uint64_t seed);
  void apply(float* x) const;
  void invert(float* x) const;  // takes back what apply did, up to rounding

 private:
  static constexpr unsigned kRounds = 4;
  unsigned dim_, part_;
  std::vector<float> signs_;  // (kRounds, dim), scaled
};

}  // namespace nearfield
