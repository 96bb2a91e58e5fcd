// The proximity graph over the rows of a Space: one layer, bounded degree, edges by l2 with the alpha rule.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "beam.hpp"
#include "scan.hpp"
#include "space.hpp"

namespace nearfield {

struct BuildSettings {
  unsigned degree;  // most neighbours of a row (R in Vamana, M in HNSW)
  unsigned beam;    // width of the search that finds the candidates (L, efConstruction)
  float alpha;      // an edge is dropped when a kept neighbour is alpha times nearer to its end (squared l2)
  uint64_t seed;
  unsigned threads;
};

// neighbors: (n, degree), every list ended by kNone where shorter. Returns the entry rows; every row is reachable from
// them. The result does not depend on the number of threads.
std::vector<uint32_t> build_graph(const Space& space, const BuildSettings& settings, uint32_t* neighbors,
                                  const Check& check);

// Keeps a diverse subset of the candidates, nearest first (Algorithm 2 of the Vamana paper, one round).
class Pruner {
 public:
  Pruner(const Space& space, float alpha) : pairs_(space), alpha_(alpha) {}
  // `candidates` sorted, without `self`; the kept rows, at most `degree`, are written to `kept`.
  unsigned prune(const std::vector<Scored>& candidates, unsigned degree, uint32_t* kept);
  PairScorer& pairs() { return pairs_; }

 private:
  PairScorer pairs_;
  float alpha_;
};

// Marks the rows that a walk from the entries can come to.
void mark_reachable(const Links& links, const uint32_t* entries, size_t entry_count, uint8_t* reached);

// Gives every row that cannot be reached an edge from a near reachable row with room, or makes it an entry.
void connect(const Space& space, uint32_t* neighbors, unsigned degree, unsigned beam, std::vector<uint32_t>& entries,
             const Check& check);

struct SearchSettings {
  size_t k;
  size_t beam;
  size_t candidates;  // of the beam, how many the second space scores again; 0 without a second space
  unsigned threads;
};

// scores, rows: (nq, k). With `second`, the beam's best are scored again with `second_queries`. `distances`, when not
// null, gets the number of rows scored for each query. With `allow`, the walk crosses rows that are not allowed and
// collects those that are; `covered`, when not null, then says for each query whether the beam reached as far as the
// k-th of them. Where it did not, the walk has not searched their region and the caller should scan them instead.
void search_graph(const Space& space, Measure measure, const Links& links, const uint32_t* entries, size_t entry_count,
                  const float* queries, size_t nq, const uint64_t* allow, const Space* second,
                  const float* second_queries, const SearchSettings& settings, float* scores, int64_t* rows,
                  uint32_t* distances, uint8_t* covered, const Check& check);

}  // namespace nearfield
