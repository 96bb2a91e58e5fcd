#include "additive.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "space.hpp"

namespace nearfield {

size_t additive_row_bytes(unsigned books) { return (kAdditiveHeader + books + size_t{3}) & ~size_t{3}; }

bool books_valid(const Books& books, unsigned dim, size_t rows) {
  for (unsigned m = 0; m < books.count; ++m) {
    const int64_t begin = books.layout[3 * m], width = books.layout[3 * m + 1], first = books.layout[3 * m + 2];
    if (begin < 0 || width < 0 || first < 0 || begin + width > dim || first + width > static_cast<int64_t>(rows))
      return false;
  }
  return true;
}

void additive_table(const Books& books, const float* q, float* table) {
  const Kernels& k = kernels();
  for (unsigned m = 0; m < books.count; ++m) {
    const int32_t* l = books.layout + 3 * m;
    k.combine(books.words + static_cast<size_t>(l[2]) * kWords, kWords, static_cast<unsigned>(l[1]), q + l[0], kWords,
              table + static_cast<size_t>(m) * kWords);
  }
}

void additive_sum(const Books& books, const uint8_t* row, unsigned dim, float* out) {
  std::fill(out, out + dim, 0.0f);
  for (unsigned m = 0; m < books.count; ++m) {
    const int32_t* l = books.layout + 3 * m;
    const float* w = books.words + static_cast<size_t>(l[2]) * kWords + row[kAdditiveHeader + m];
    for (int32_t j = 0; j < l[1]; ++j) out[l[0] + j] += w[static_cast<size_t>(j) * kWords];
  }
}

void additive_read(const Space& space, size_t begin, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i, out += space.dim) {
    additive_sum(space.books, static_cast<const uint8_t*>(space.row(begin + i)), space.dim, out);
    for (unsigned j = 0; j < space.dim; ++j) out[j] += space.center[j];
  }
}

void additive_pairs(const Space& space, uint32_t row, const uint32_t* ids, unsigned n, float* out) {
  std::vector<float> a(space.dim), b(space.dim);
  additive_sum(space.books, static_cast<const uint8_t*>(space.row(row)), space.dim, a.data());
  for (unsigned i = 0; i < n; ++i) {
    additive_sum(space.books, static_cast<const uint8_t*>(space.row(ids[i])), space.dim, b.data());
    double sum = 0;
    for (unsigned j = 0; j < space.dim; ++j) {
      const double e = static_cast<double>(a[j]) - b[j];
      sum += e * e;
    }
    out[i] = static_cast<float>(sum);
  }
}

void additive_pack(const Books& books, const uint8_t* codes, size_t n, unsigned dim, uint8_t* rows) {
  const size_t stride = additive_row_bytes(books.count);
  std::vector<float> sum(dim);
  for (size_t i = 0; i < n; ++i) {
    uint8_t* row = rows + i * stride;
    std::memset(row, 0, stride);
    std::memcpy(row + kAdditiveHeader, codes + i * books.count, books.count);
    additive_sum(books, row, dim, sum.data());
    double norm2 = 0;
    for (const float v : sum) norm2 += static_cast<double>(v) * v;
    const float header = static_cast<float>(norm2);
    std::memcpy(row, &header, sizeof header);
  }
}

}  // namespace nearfield
