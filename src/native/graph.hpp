// The proximity graph over the rows of a Space: one layer, bounded degree, edges by l2 with the alpha rule.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "beam.hpp"
#include "scan.hpp"
#include "signs.hpp"
#include "space.hpp"

namespace nearfield {

struct BuildSettings {
  unsigned degree;  // most neighbours of a row (R in Vamana, M in HNSW)
  unsigned beam;    // width of the search that finds the candidates (L, efConstruction)
  float alpha;      // an edge is dropped when a kept neighbour is alpha times nearer to its end (squared l2)
  uint64_t seed;
  unsigned threads;
};

// How long lists may be while a graph is built.
constexpr unsigned list_room(unsigned degree) { return degree + degree / 2; }

// lists: n * list_room(degree), in which the graph grows; its first n * degree are the result, every list ended by kNone
// where shorter. Returns the entry rows; every row is reachable from them. The result does not depend on the number of
// threads.
std::vector<uint32_t> build_graph(const Space& space, const BuildSettings& settings, uint32_t* lists, const Check& check);

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

// Gives rows with few links to them more, from their nearest neighbours; `order` names the rows of the graph.
void strengthen(const Space& space, uint32_t* neighbors, unsigned degree, const std::vector<uint32_t>& order);

// Links the rows that sample queries have for neighbours: `found` (queries, k) names them, -1 skipped. out: the lists,
// (n, degree + extra). See graph_stitch.cpp.
void stitch(const Space& space, const uint32_t* neighbors, unsigned degree, const int64_t* found, size_t queries,
            size_t k, unsigned extra, unsigned threads, uint32_t* out, const Check& check);

// Marks the rows that a walk from the entries can come to.
void mark_reachable(const Links& links, const uint32_t* entries, size_t entry_count, uint8_t* reached);

struct Distinct {
  std::vector<uint32_t> first;  // the first row whose stored bytes equal those of row i; i itself where none is before it
  std::vector<uint32_t> order;  // those that are their own first, as the seed and their bytes shuffle them
};
Distinct distinct_rows(const Space& space, uint64_t seed, unsigned threads, const Check& check);

// Hangs rows that nothing leads to below rows that are reached. Many may come to one root: its list fills up, and the
// next are hung on those that came before, as a shallow tree.
class Hanger {
 public:
  Hanger(uint32_t* neighbors, unsigned degree) : neighbors_(neighbors), degree_(degree) {}
  // False when neither the root nor what hangs below it has room.
  bool hang_if_room(uint32_t root, uint32_t row);
  // Where there is no room, the root gives its last link for this row, which takes it over. Nothing is reached through
  // the row yet, so if its own list is full, a link of that may go.
  void hang(uint32_t root, uint32_t row);

 private:
  struct Hung {
    std::vector<uint32_t> rows;
    size_t next = 0;  // those before have no room
  };
  uint32_t* neighbors_;
  unsigned degree_;
  std::unordered_map<uint32_t, Hung> hung_;
  unsigned length(uint32_t id) const;
};

// Links the rows `missed`, which walks come by too seldom, and every row that cannot be reached, from rows near them.
// See graph_mend.cpp.
void mend(const Space& space, uint32_t* neighbors, unsigned degree, const std::vector<uint32_t>& entries, unsigned beam,
          const uint32_t* missed, size_t count, const Check& check);

// Hangs every row that cannot be reached from the entries below a near one that can, as `order` names them. `links` are
// those the hanger writes.
void connect(const Space& space, Hanger& hanger, const Links& links, unsigned beam,
             const std::vector<uint32_t>& entries, const std::vector<uint32_t>& order, const Check& check);

// How allowed rows are followed, where a filter keeps few: a narrow walk over all rows finds the surroundings of the
// query, and from there on only allowed rows are scored.
struct Followed {
  size_t near;      // width of the narrow walk
  size_t wide;      // of the beam where few rows around the query are allowed; 0 leaves such queries to a scan
  double scarce;    // few: less than this part of the share that is allowed everywhere
  unsigned enough;  // fresh rows from which on the links of a row lead to no further ones; where few are allowed, a list
  size_t most;      // rows scored and lists read, beyond which a scan would have been cheaper
};

struct SearchSettings {
  size_t k;
  size_t beam;
  float slack;        // the walk also ends where it would go farther than 1 + slack times the k-th squared distance
  size_t candidates;  // of the beam, how many the second space scores again; 0 without a second space
  unsigned threads;
  std::optional<Followed> followed = std::nullopt;  // with a filter and without signs
};

// The signs of a graph's links, as pack_signs made them.
struct Signs {
  SignLayout layout;
  const uint8_t* records;
  SignUnits units;
  SignFrame frame;
};

// scores, rows: (nq, k). With `second`, the beam's best are scored again with `second_queries`. `distances`, when not
// null, gets the number of rows scored for each query. With `allow`, the walk crosses rows that are not allowed and
// collects those that are; `covered`, when not null, then says for each query whether the nearer part of the beam
// reaches as far as the k-th of them. Where it does not, the walk has not searched their region and the caller should
// scan them instead. With `followed`, bit 0 of `covered` says whether the walk came to its end with k rows, and bit 1
// whether few rows around the query are allowed. With `signs`, the walk goes by their estimates, and a row is scored when its links are followed.
void search_graph(const Space& space, Measure measure, const Links& links, const uint32_t* entries, size_t entry_count,
                  const float* queries, size_t nq, const Signs* signs, const uint64_t* allow, const Space* second,
                  const float* second_queries, const SearchSettings& settings, float* scores, int64_t* rows,
                  uint32_t* distances, uint8_t* covered, const Check& check);

}  // namespace nearfield
