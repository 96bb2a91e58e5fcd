// Which rows the graph is built over, and in which order. Of rows whose stored bytes are equal it is one: a crowd of
// equal rows fills every beam with itself, no edge then leads out of it, and what lies behind is never found. The order
// comes from a hash of the bytes, not from the row's number: whatever order the caller's rows have, the same rows are
// linked at the same time, and the same graph comes out.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "graph.hpp"
#include "pool.hpp"
#include "random.hpp"

namespace nearfield {

namespace {

uint64_t mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9e3779b97f4a7c15ull;
  return h ^ (h >> 29);
}

uint64_t hash(const uint8_t* p, size_t bytes) {
  uint64_t h = bytes, word;
  for (; bytes >= 8; p += 8, bytes -= 8) {
    std::memcpy(&word, p, 8);
    h = mix(h, word);
  }
  word = 0;
  std::memcpy(&word, p, bytes);
  return mix(h, word);
}

}  // namespace

Distinct distinct_rows(const Space& space, uint64_t seed, unsigned threads, const Check& check) {
  const size_t bytes = space.row_bytes();
  const auto row = [&](uint32_t i) { return static_cast<const uint8_t*>(space.row(i)); };
  std::vector<uint64_t> hashes(space.n);
  parallel_for(
      space.n, 1024, threads,
      [&](size_t begin, size_t end, unsigned) {
        for (size_t i = begin; i < end; ++i)
          hashes[i] = Random{hash(row(static_cast<uint32_t>(i)), bytes) ^ Random{seed}.next()}.next();
      },
      [&](size_t) { return !check || check(0); });
  std::vector<uint32_t> order(space.n), first(space.n);
  std::iota(order.begin(), order.end(), 0u);
  std::iota(first.begin(), first.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return hashes[a] < hashes[b] || (hashes[a] == hashes[b] && a < b); });
  for (size_t i = 1; i < order.size(); ++i) {
    const uint32_t other = first[order[i - 1]];
    if (hashes[order[i]] == hashes[other] && std::memcmp(row(order[i]), row(other), bytes) == 0)
      first[order[i]] = other;
  }
  order.erase(std::remove_if(order.begin(), order.end(), [&](uint32_t i) { return first[i] != i; }), order.end());
  return {std::move(first), std::move(order)};
}

}  // namespace nearfield
