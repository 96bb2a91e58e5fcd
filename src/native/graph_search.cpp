#include <algorithm>
#include <cmath>
#include <limits>

#include "graph.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

// Kept between calls: a query should not pay for clearing or allocating what the last one used.
struct Scratch {
  Walk walk;
  Beam allowed;
  std::vector<uint32_t> ids;
  std::vector<float> scores;
  std::vector<Scored> best;
};

// Not inlined: the address of a thread's storage is looked up once a chunk instead of at every use (3% of a search).
__attribute__((noinline)) Scratch& scratch() {
  thread_local Scratch s;
  return s;
}

}  // namespace

void search_graph(const Space& space, Measure measure, const Links& links, const uint32_t* entries, size_t entry_count,
                  const float* queries, size_t nq, const uint64_t* allow, const Space* second,
                  const float* second_queries, const SearchSettings& settings, float* scores, int64_t* rows,
                  uint32_t* distances, uint8_t* covered, const Check& check) {
  const size_t k = settings.k;
  const size_t wanted = second ? std::max(k, settings.candidates) : k;
  const size_t width = std::max(settings.beam, wanted);
  parallel_for(
      nq, 4, settings.threads,
      [&](size_t begin, size_t end, unsigned) {
        Scratch& s = scratch();
        Targets target(space, measure);
        for (size_t i = begin; i < end; ++i) {
          const float* q = queries + i * space.dim;
          target.set(&q, 1);
          const auto score = [&](const uint32_t* ids, unsigned n, float* out) { target.score(ids, n, out); };
          if (allow) {
            s.allowed.start(wanted);
            s.walk.run(
                links, entries, entry_count, width, score,
                [&](uint32_t id, float value) {
                  if (value <= s.allowed.worst() && (allow[id / 64] >> (id % 64) & 1)) s.allowed.offer({value, id});
                });
          } else {
            s.walk.run(links, entries, entry_count, width, score, [](uint32_t, float) {});
          }
          if (distances) distances[i] = static_cast<uint32_t>(s.walk.visited.count());
          if (covered) {
            // Well inside of what was walked, that is: of the rows near the beam's end many were never seen.
            const Beam& walked = s.walk.beam;
            const float edge = walked.size() < width ? std::numeric_limits<float>::infinity()
                                                     : walked[walked.size() / 2].score;
            covered[i] = !allow || (s.allowed.size() >= k && s.allowed[k - 1].score <= edge);
          }
          const Beam& found = allow ? s.allowed : s.walk.beam;
          const size_t count = std::min(found.size(), wanted);
          s.best.clear();
          if (second) {
            s.ids.clear();
            for (size_t j = 0; j < count; ++j) s.ids.push_back(found[j].id);
            s.scores.resize(count);
            Targets again(*second, measure);
            const float* sq = second_queries + i * second->dim;
            again.set(&sq, 1);
            again.score(s.ids.data(), static_cast<unsigned>(count), s.scores.data());
            for (size_t j = 0; j < count; ++j)
              if (!std::isnan(s.scores[j])) s.best.push_back({s.scores[j], s.ids[j]});  // an order cannot hold NaN
            std::sort(s.best.begin(), s.best.end());
          } else {
            for (size_t j = 0; j < count; ++j) s.best.push_back(found[j]);
          }
          for (size_t j = 0; j < k; ++j) {
            const bool there = j < s.best.size();
            scores[i * k + j] = there ? s.best[j].score : std::numeric_limits<float>::infinity();
            rows[i * k + j] = there ? static_cast<int64_t>(s.best[j].id) : -1;
          }
        }
      },
      check);
}

}  // namespace nearfield
