#include "symmetric.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace nearfield {

namespace {

// Sixteen sums in the compiler's own vectors, four by four as the baseline's registers are: the same order of additions
// wherever it runs.
using Lanes = float __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));

constexpr unsigned kGrids = 32;

// Squared cosine, but for the length of w, between sizes w (padded with zeros to sixteens) and their codes on a grid.
double alignment(const std::vector<float>& w, unsigned dim, float inverse, float top) {
  Lanes dot[4] = {}, norm[4] = {};
  for (size_t j = 0; j < w.size(); j += 16)
    for (unsigned part = 0; part < 4; ++part) {
      Lanes v;
      std::memcpy(&v, w.data() + j + 4 * part, sizeof v);
      Lanes m = __builtin_convertvector(__builtin_convertvector(v * inverse, Ints), Lanes);
      m = m < top ? m : top + Lanes{};
      const Lanes u = m + 0.5f;
      dot[part] += v * u;
      norm[part] += u * u;
    }
  double product = 0, square = -0.25 * static_cast<double>(w.size() - dim);  // what the padding added
  for (unsigned l = 0; l < 16; ++l) {
    product += dot[l / 4][l % 4];
    square += norm[l / 4][l % 4];
  }
  return product * product / square;
}

}  // namespace

void encode_symmetric(Kind kind, Keep keep, const float* x, size_t n, unsigned dim, uint8_t* out) {
  const int levels = 1 << code_bits(kind);
  const float half = 0.5f * static_cast<float>(levels), top = half - 1;
  const size_t stride = code_row_bytes(kind, dim);
  std::vector<float> w((dim + 15) / 16 * 16);
  std::vector<uint8_t> codes(dim);
  for (size_t i = 0; i < n; ++i, x += dim, out += stride) {
    float largest = 0;
    double square = 0;
    for (unsigned j = 0; j < dim; ++j) {
      largest = std::max(largest, std::fabs(x[j]));
      square += static_cast<double>(x[j]) * x[j];
    }
    if (!(largest > 0)) {  // the mean itself: a step of zero
      std::fill(codes.begin(), codes.end(), uint8_t{0});
      pack_row(kind, {0, 0, 0, 0}, codes.data(), dim, out);
      continue;
    }
    for (unsigned j = 0; j < dim; ++j) w[j] = std::fabs(x[j]) / largest;
    float inverse = half;  // as if the grid ended at the largest value
    if (levels > 2) {
      // Grids that end between the largest value and the root mean square: a normal row of 2 bits wants twice that.
      const double ratio = std::pow(std::sqrt(square / dim) / largest, 1.0 / (kGrids - 1));
      double end = 1, best = 0;
      for (unsigned g = 0; g < kGrids; ++g, end *= ratio) {
        const float candidate = static_cast<float>(half / end);
        const double found = alignment(w, dim, candidate, top);
        if (found > best) {
          best = found;
          inverse = candidate;
        }
      }
    }
    double product = 0, norm = 0;
    int32_t sum = 0;
    for (unsigned j = 0; j < dim; ++j) {
      const int m = static_cast<int>(std::min(std::floor(w[j] * inverse), top));
      const double u = m + 0.5;
      product += std::fabs(static_cast<double>(x[j])) * u;
      norm += u * u;
      const int code = x[j] < 0 ? levels / 2 - 1 - m : levels / 2 + m;
      codes[j] = static_cast<uint8_t>(code);
      sum += code;
    }
    const float factor = static_cast<float>(keep == Keep::product ? square / product : std::sqrt(square / norm));
    const float low = -0.5f * static_cast<float>(levels - 1) * factor;
    pack_row(kind, {low, factor, static_cast<float>(square), sum}, codes.data(), dim, out);
  }
}

}  // namespace nearfield
