#include "rotation.hpp"

#include <cmath>

#include "kernels.hpp"
#include "random.hpp"

namespace nearfield {

Rotation::Rotation(unsigned dim, uint64_t seed) : dim_(dim), part_(1) {
  while (2 * part_ <= dim) part_ *= 2;
  const float scale = 1.0f / std::sqrt(static_cast<float>(part_));
  signs_.resize(kRounds * static_cast<size_t>(dim));
  Random random{seed};
  for (unsigned round = 0; round < kRounds; ++round)
    for (unsigned j = 0; j < dim; ++j) {
      const unsigned first = round % 2 ? dim - part_ : 0;  // only what the transform mixes is scaled
      const float size = j >= first && j < first + part_ ? scale : 1.0f;
      signs_[round * static_cast<size_t>(dim) + j] = random.next() & 1 ? size : -size;
    }
}

void Rotation::apply(float* x) const {
  const Kernels& k = kernels();
  for (unsigned round = 0; round < kRounds; ++round) {
    const float* signs = signs_.data() + round * static_cast<size_t>(dim_);
    for (unsigned j = 0; j < dim_; ++j) x[j] *= signs[j];
    k.hadamard(round % 2 ? x + (dim_ - part_) : x, part_);
  }
}

// The transform is its own inverse but for the factor p, which the scaled signs of its part make up for: each round is
// undone by the transform and then the same multiplication.
void Rotation::invert(float* x) const {
  const Kernels& k = kernels();
  for (unsigned round = kRounds; round-- > 0;) {
    const float* signs = signs_.data() + round * static_cast<size_t>(dim_);
    k.hadamard(round % 2 ? x + (dim_ - part_) : x, part_);
    for (unsigned j = 0; j < dim_; ++j) x[j] *= signs[j];
  }
}

}  // namespace nearfield
