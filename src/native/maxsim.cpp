#include "maxsim.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "best.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

constexpr size_t kVectors = 64;  // query vectors that are made ready at once: tables of additive codes are large
constexpr size_t kBlock = 256;    // rows scored at once: they stay in the cache while all query vectors pass over them

// Eight minima side by side, which a compiler makes one or two instructions of; the order does not matter to a minimum.
float lowest(const float* x, size_t n, float so_far) {
  float m[8];
  std::fill(m, m + 8, so_far);
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (size_t j = 0; j < 8; ++j) m[j] = x[i + j] < m[j] ? x[i + j] : m[j];
  for (; i < n; ++i) m[0] = x[i] < m[0] ? x[i] : m[0];
  return *std::min_element(m, m + 8);
}

// Up to kVectors vectors of one query against bags of a space.
class Asked {
 public:
  explicit Asked(const Tokens& tokens) : tokens_(tokens), ids_(kBlock), out_(4 * kBlock), factors_(kBlock) {
    for (size_t t = 0; t < kVectors; t += 4) {
      targets_.emplace_back(tokens.codes, Measure::ip);
      if (tokens.centers) centers_.emplace_back(*tokens.centers, Measure::ip);
    }
  }

  void set(const float* vectors, const float* centred, size_t count) {
    count_ = count;
    point(targets_, vectors);
    if (tokens_.centers) point(centers_, centred);
  }

  // Sum over the query's vectors of the lowest score (minus product) among rows [begin, end), those of `bag`.
  double sum(int64_t bag, int64_t begin, int64_t end) {
    float low[kVectors], center[kVectors];
    std::fill(low, low + count_, std::numeric_limits<float>::infinity());
    const uint32_t own = static_cast<uint32_t>(bag);
    for (size_t t = 0; tokens_.centers && t < count_; t += 4) centers_[t / 4].score(&own, 1, center + t);
    for (int64_t row = begin; row < end; row += kBlock) {
      poll();
      const size_t n = static_cast<size_t>(std::min<int64_t>(kBlock, end - row));
      for (size_t i = 0; i < n; ++i) ids_[i] = static_cast<uint32_t>(row) + static_cast<uint32_t>(i);
      for (size_t i = 0; tokens_.scaled && i < n; ++i)
        std::memcpy(&factors_[i], tokens_.codes.row(ids_[i]), sizeof factors_[i]);
      for (size_t t = 0; t < count_; t += 4) {
        targets_[t / 4].score(ids_.data(), static_cast<unsigned>(n), out_.data());
        for (size_t u = t; u < std::min(count_, t + 4); ++u) {
          float* score = out_.data() + (u - t) * n;
          for (size_t i = 0; tokens_.centers && i < n; ++i) score[i] += center[u];
          for (size_t i = 0; tokens_.scaled && i < n; ++i) score[i] *= factors_[i];
          low[u] = lowest(score, n, low[u]);
        }
      }
    }
    double total = 0;
    for (size_t t = 0; t < count_; ++t) total += low[t];
    return total;
  }

 private:
  void point(std::vector<Targets>& targets, const float* vectors) {
    const size_t dim = tokens_.codes.dim;
    for (size_t t = 0; t < count_; t += 4) {
      const float* q[4];
      const unsigned m = static_cast<unsigned>(std::min<size_t>(4, count_ - t));
      for (unsigned u = 0; u < m; ++u) q[u] = vectors + (t + u) * dim;
      targets[t / 4].set(q, m);
    }
  }

  const Tokens& tokens_;
  std::vector<Targets> targets_, centers_;
  std::vector<uint32_t> ids_;
  std::vector<float> out_, factors_;
  size_t count_ = 0;
};

}  // namespace

void maxsim(const Tokens& tokens, const BagRows& bags, const float* queries, const float* centred,
            const BagRows& asked, const int64_t* candidates, size_t c, size_t k, unsigned threads,
            float* scores, int64_t* found, const Check& check) {
  const size_t nq = asked.count;
  if (nq == 0) return;
  // Few queries: their candidates are split among the threads.
  const size_t parts = nq >= threads ? 1 : std::clamp<size_t>(c / 16, 1, 2 * threads);
  const size_t span = (c + parts - 1) / parts;
  std::vector<float> sums(nq * c, std::numeric_limits<float>::infinity());
  parallel_for(
      nq * parts, 1, threads,
      [&](size_t begin, size_t end, unsigned) {
        Asked group(tokens);
        std::vector<double> total(span);
        for (size_t task = begin; task < end; ++task) {
          const size_t query = task / parts, first = std::min(c, task % parts * span), last = std::min(c, first + span);
          const int64_t* own = candidates + query * c;
          std::fill(total.begin(), total.end(), 0.0);
          for (int64_t v = asked.offsets[query]; v < asked.offsets[query + 1]; v += kVectors) {
            const int64_t stop = std::min<int64_t>(asked.offsets[query + 1], v + kVectors);
            const size_t at = static_cast<size_t>(v) * tokens.codes.dim;
            group.set(queries + at, centred + at, static_cast<size_t>(stop - v));
            for (size_t j = first; j < last; ++j)
              if (own[j] >= 0) total[j - first] += group.sum(own[j], bags.offsets[own[j]], bags.offsets[own[j] + 1]);
          }
          for (size_t j = first; j < last; ++j)
            if (own[j] >= 0) sums[query * c + j] = static_cast<float>(total[j - first]);
        }
      },
      check);
  Best best(k);
  for (size_t query = 0; query < nq; ++query) {
    best.clear();
    for (size_t j = 0; j < c; ++j)
      if (std::isfinite(sums[query * c + j]))
        best.offer({sums[query * c + j], static_cast<uint32_t>(candidates[query * c + j])});
    write_best(best.sorted(), k, scores + query * k, found + query * k);
  }
}

}  // namespace nearfield
