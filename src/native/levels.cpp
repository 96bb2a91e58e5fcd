#include "levels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "space.hpp"

namespace nearfield {

namespace {

constexpr size_t padded(size_t bytes) { return (bytes + 3) & ~size_t{3}; }

// What both levels together count in: code 0 stands for `low`, the next for `step` more.
struct Grid {
  float low, step;
};

// Both levels' encoder and readers find the fine grid from the header of the first level, in this one way.
Grid fine_grid(const RowHeader& h, unsigned bits) {
  const float parts = static_cast<float>(1u << bits), step = h.step / parts;
  return {h.low - 0.5f * (parts - 1.0f) * step, step};
}

double place(Grid g, unsigned code) { return static_cast<double>(g.low) + static_cast<double>(g.step) * code; }

// Codes of y on the grid and their squared error.
double assign(const std::vector<float>& y, Grid g, unsigned top, std::vector<uint16_t>& codes) {
  const float inverse = g.step > 0 ? 1.0f / g.step : 0.0f;
  double error = 0;
  for (size_t j = 0; j < y.size(); ++j) {
    const float position = std::clamp((y[j] - g.low) * inverse, 0.0f, static_cast<float>(top));
    codes[j] = static_cast<uint16_t>(std::lrint(position));
    const double e = y[j] - place(g, codes[j]);
    error += e * e;
  }
  return error;
}

// Planes as in pack_row, of codes that stand behind a header of any length.
void pack(const uint8_t* codes, unsigned bits, unsigned dim, uint8_t* c) {
  if (bits == 1) {
    for (unsigned j = 0; j < dim; ++j) c[j / 8] = static_cast<uint8_t>(c[j / 8] | codes[j] << j % 8);
    return;
  }
  const unsigned bytes = static_cast<unsigned>(code_bytes(bits, dim));
  for (unsigned j = 0; j < dim; ++j) c[j % bytes] = static_cast<uint8_t>(c[j % bytes] | codes[j] << j / bytes * bits);
}

unsigned unpack(const uint8_t* c, unsigned bits, unsigned dim, unsigned j) {
  if (bits == 1) return c[j / 8] >> j % 8 & 1u;
  const unsigned bytes = static_cast<unsigned>(code_bytes(bits, dim));
  return c[j % bytes] >> j / bytes * bits & ((1u << bits) - 1);
}

}  // namespace

size_t level_row_bytes(unsigned bits, unsigned dim) { return padded(kLevelHeader + code_bytes(bits, dim)); }

void encode_levels(unsigned bits, const float* x, size_t n, unsigned dim, const float* center, uint8_t* first,
                   uint8_t* second) {
  const unsigned parts = 1u << bits, top = 16 * parts - 1;
  const size_t stride = code_row_bytes(Kind::sq4, dim), second_stride = level_row_bytes(bits, dim);
  std::vector<float> y(dim);
  std::vector<uint16_t> codes(dim), best(dim);
  std::vector<uint8_t> part(dim);
  for (size_t i = 0; i < n; ++i, first += stride, second += second_stride) {
    float lowest = INFINITY, highest = -INFINITY;
    for (unsigned j = 0; j < dim; ++j) {
      y[j] = x[i * dim + j] - center[j];
      lowest = std::min(lowest, y[j]);
      highest = std::max(highest, y[j]);
    }
    const float middle = 0.5f * (lowest + highest), width = highest - lowest;
    RowHeader h{lowest, 0, 0, 0};
    double error = INFINITY;
    // The range that codes of all bits lose least by; with 8 bits and more that is the row's own, or next to it.
    const int tries = bits < 8 && width > 0 ? 9 : 1;
    for (int t = 0; t < tries; ++t) {
      const float narrow = width * (1.0f - 0.06f * static_cast<float>(t));
      const float step = narrow / static_cast<float>(top);
      RowHeader tried{0, step * static_cast<float>(parts), 0, 0};
      const float low = t ? middle - 0.5f * narrow : lowest;
      tried.low = low + 0.5f * (static_cast<float>(parts) - 1.0f) * step;
      const double e = assign(y, fine_grid(tried, bits), top, codes);
      if (e < error) {
        error = e;
        h = tried;
        best.swap(codes);
      }
    }
    const Grid fine = fine_grid(h, bits);
    double norm2 = 0, both2 = 0;
    for (unsigned j = 0; j < dim; ++j) {
      part[j] = static_cast<uint8_t>(best[j] >> bits);
      const double v = place({h.low, h.step}, part[j]), w = place(fine, best[j]);
      norm2 += v * v;
      both2 += w * w;
      h.sum += part[j];
    }
    h.norm2 = static_cast<float>(norm2);
    pack_row(Kind::sq4, h, part.data(), dim, first);
    const float header = static_cast<float>(both2);
    std::memset(second, 0, second_stride);
    std::memcpy(second, &header, sizeof header);
    for (unsigned j = 0; j < dim; ++j) part[j] = static_cast<uint8_t>(best[j] & (parts - 1));
    pack(part.data(), bits, dim, second + kLevelHeader);
  }
}

void read_levels(const Space& space, size_t begin, size_t n, float* out) {
  const unsigned bits = level_bits(space.kind), d = space.dim;
  for (size_t i = begin; i < begin + n; ++i, out += d) {
    const uint8_t* a = space.first + i * space.first_stride;
    const uint8_t* b = static_cast<const uint8_t*>(space.row(i)) + kLevelHeader;
    RowHeader h;
    std::memcpy(&h, a, sizeof h);
    const Grid fine = fine_grid(h, bits);
    for (unsigned j = 0; j < d; ++j) {
      const unsigned code = unpack(a + sizeof h, 4, d, j) << bits | unpack(b, bits, d, j);
      out[j] = static_cast<float>(place(fine, code)) + space.center[j];
    }
  }
}

void levels_pairs(const Space& space, uint32_t row, const uint32_t* ids, unsigned n, float* out) {
  std::vector<float> a(space.dim), b(space.dim);
  read_levels(space, row, 1, a.data());
  for (unsigned i = 0; i < n; ++i) {
    read_levels(space, ids[i], 1, b.data());
    double sum = 0;
    for (unsigned j = 0; j < space.dim; ++j) {
      const double e = static_cast<double>(a[j]) - b[j];
      sum += e * e;
    }
    out[i] = static_cast<float>(sum);
  }
}

void Targets::set_as(const Targets& other) {
  count_ = other.count_;
  for (unsigned t = 0; t < count_; ++t) {
    query_[t] = other.query_[t];
    prepared_[t] = other.prepared_[t];
  }
}

// <q, parts * first + second>: each level by the kernel of its own codes, in whole numbers.
void Targets::score_levels(const Prepared& p, const uint32_t* ids, unsigned n, float* out) {
  const Kernels& k = kernels();
  const unsigned bits = level_bits(space_.kind), d = space_.dim;
  const QueryCodes q = p.codes();
  const uint8_t* data = static_cast<const uint8_t*>(space_.data);
  // Kernels step over a whole header; rows of the second level have a shorter one.
  const uint8_t* base = reinterpret_cast<const uint8_t*>(reinterpret_cast<uintptr_t>(data) -
                                                         (sizeof(RowHeader) - kLevelHeader));
  if (dots_.size() < 2 * static_cast<size_t>(n)) dots_.resize(2 * static_cast<size_t>(n));
  int32_t* second = dots_.data() + n;
  k.sq4_query(q, space_.first, space_.first_stride, d, ids, n, dots_.data());
  query_kernel(k, bits)(q, base, space_.stride, d, ids, n, second);
  for (unsigned i = 0; i < n; ++i) {
    RowHeader h;
    std::memcpy(&h, space_.first + static_cast<size_t>(ids[i]) * space_.first_stride, sizeof h);
    float norm2;
    std::memcpy(&norm2, data + static_cast<size_t>(ids[i]) * space_.stride, sizeof norm2);
    const Grid fine = fine_grid(h, bits);
    const int64_t dot = (static_cast<int64_t>(dots_[i]) << bits) + second[i];
    const float product = fine.low * p.sum + fine.step * (p.step * static_cast<float>(dot));
    out[i] = measure_ == Measure::l2 ? std::max(0.0f, (p.base + norm2) - 2.0f * product) : -(p.base + product);
  }
}

}  // namespace nearfield
