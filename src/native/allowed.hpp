// What a search among the rows of a filter needs beside a walk: where it may begin, and what links lead to.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "beam.hpp"

namespace nearfield {

inline bool is_allowed(const uint64_t* allow, uint32_t id) { return allow[id / 64] >> (id % 64) & 1; }

// Rows of the filter from which a walk begins when its own surroundings hold few. They must lie in every group of allowed
// rows around the query: with images, which lie in clusters, 256 find 0.88 where 1,024 find 0.92 and 4,096 no more.
constexpr size_t kStarts = 1024;

inline size_t count_rows(const uint64_t* allow, size_t n) {
  size_t total = 0;
  for (size_t w = 0; w < (n + 63) / 64; ++w) total += static_cast<size_t>(std::popcount(allow[w]));
  return total;
}

// At most `count` of the allowed rows, evenly spaced in their order. allow: one bit a row, none set beyond row n.
inline std::vector<uint32_t> spaced_rows(const uint64_t* allow, size_t n, size_t count) {
  const size_t words = (n + 63) / 64;
  const size_t total = count_rows(allow, n);
  count = std::min(count, total);
  std::vector<uint32_t> rows;
  rows.reserve(count);
  size_t before = 0;  // allowed rows in the words before w
  for (size_t w = 0; w < words && rows.size() < count; ++w) {
    const size_t here = static_cast<size_t>(std::popcount(allow[w]));
    while (rows.size() < count) {
      const size_t place = (2 * rows.size() + 1) * total / (2 * count);
      if (place >= before + here) break;
      uint64_t word = allow[w];
      for (size_t skip = place - before; skip > 0; --skip) word &= word - 1;
      rows.push_back(static_cast<uint32_t>(64 * w) + static_cast<uint32_t>(std::countr_zero(word)));
    }
    before += here;
  }
  return rows;
}

}  // namespace nearfield
