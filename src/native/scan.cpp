#include "scan.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "best.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

constexpr size_t kGroup = 32;  // queries that share one pass over the rows
constexpr size_t kWorthAThread = 512;  // rows to score

}  // namespace

void exact_search(const Space& space, Measure measure, const float* queries, size_t nq, size_t k,
                  const uint64_t* allow, unsigned threads, float* scores, int64_t* rows, const Check& check) {
  if (nq == 0) return;
  // A block of rows stays in the first- or second-level cache while a group of queries passes over it.
  const size_t block = std::clamp<size_t>(65536 / std::max<size_t>(space.row_bytes(), 1), 16, 1024);
  const size_t groups = (nq + kGroup - 1) / kGroup;
  // Few queries: the rows are split among the threads as well, and the parts merged.
  const size_t parts = groups >= threads ? 1 : std::min<size_t>((threads + groups - 1) / groups, (space.n + 4095) / 4096);
  const size_t split = std::max<size_t>(parts, 1);
  const size_t span = ((space.n + split - 1) / split + 63) / 64 * 64;
  std::vector<Best> bests(nq * split, Best(k));

  parallel_for(
      groups * split, 1, threads,
      [&](size_t begin, size_t end, unsigned) {
        Targets targets[kGroup / 4] = {{space, measure}, {space, measure}, {space, measure}, {space, measure},
                                       {space, measure}, {space, measure}, {space, measure}, {space, measure}};
        std::vector<uint32_t> ids;
        std::vector<float> out(4 * (block + 64));
        ids.reserve(block + 64);
        for (size_t task = begin; task < end; ++task) {
          const size_t first = task / split * kGroup, last = std::min(nq, first + kGroup), part = task % split;
          const size_t count = last - first;
          for (size_t t = 0; t < count; t += 4) {
            const float* q[4];
            const unsigned m = static_cast<unsigned>(std::min<size_t>(4, count - t));
            for (unsigned u = 0; u < m; ++u) q[u] = queries + (first + t + u) * space.dim;
            targets[t / 4].set(q, m);
          }
          const auto flush = [&] {
            poll();  // a task may take seconds: the rows are many, or come from a slow disk
            for (size_t t = 0; t < count; t += 4) {
              const size_t m = std::min<size_t>(4, count - t);
              targets[t / 4].score(ids.data(), static_cast<unsigned>(ids.size()), out.data());
              for (size_t u = 0; u < m; ++u)
                offer_all(bests[(first + t + u) * split + part], out.data() + u * ids.size(), ids.size(),
                          [&](size_t r) { return ids[r]; });
            }
            ids.clear();
          };
          const size_t stop = std::min(space.n, (part + 1) * span);
          size_t row = part * span;
          while (row < stop) {
            if (allow) {
              for (uint64_t word = allow[row / 64]; word; word &= word - 1) {  // row is a multiple of 64 here
                const size_t r = row + static_cast<size_t>(__builtin_ctzll(word));
                if (r < stop) ids.push_back(static_cast<uint32_t>(r));
              }
              row += 64;
            } else {
              ids.push_back(static_cast<uint32_t>(row++));
            }
            if (ids.size() >= block) flush();
          }
          if (!ids.empty()) flush();
        }
      },
      check);

  for (size_t i = 0; i < nq; ++i) {
    Best& best = bests[i * split];
    for (size_t p = 1; p < split; ++p) best.merge(bests[i * split + p]);
    write_best(best.sorted(), k, scores + i * k, rows + i * k);
  }
}

void rescore(const Space& space, Measure measure, const float* queries, size_t nq, const int64_t* candidates, size_t c,
             size_t k, unsigned threads, float* scores, int64_t* rows, const Check& check) {
  // A thread is not woken for less: that takes as long as scoring some hundred rows.
  const size_t grain = std::max<size_t>(8, kWorthAThread / std::max<size_t>(c, 1));
  parallel_for(
      nq, grain, threads,
      [&](size_t begin, size_t end, unsigned) {
        Targets target(space, measure);
        std::vector<uint32_t> ids;
        std::vector<float> out(c);
        Best best(k);
        for (size_t i = begin; i < end; ++i) {
          ids.clear();
          for (size_t j = 0; j < c; ++j)
            if (candidates[i * c + j] >= 0) ids.push_back(static_cast<uint32_t>(candidates[i * c + j]));
          const float* q = queries + i * space.dim;
          target.set(&q, 1);
          target.score(ids.data(), static_cast<unsigned>(ids.size()), out.data());
          best.clear();
          for (size_t j = 0; j < ids.size(); ++j)
            if (!std::isnan(out[j])) best.offer({out[j], ids[j]});  // rows given by the caller may hold anything
          write_best(best.sorted(), k, scores + i * k, rows + i * k);
        }
      },
      check);
}

}  // namespace nearfield
