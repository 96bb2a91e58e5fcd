// Links for rows that walks miss, in a graph that stands. What it costs is a walk for each of them and one pass over the
// links; everything else stays as it is.
#include <algorithm>
#include <numeric>

#include "graph.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

bool leads_to(const Links& links, uint32_t from, uint32_t to) {
  const uint32_t* l = links.of(from);
  return std::find(l, l + links.room, to) != l + links.room;
}

}  // namespace

void mend(const Space& space, uint32_t* neighbors, unsigned degree, const std::vector<uint32_t>& entries, unsigned beam,
          const uint32_t* missed, size_t count, const Check& check) {
  const Links links{neighbors, space.n, degree};
  Hanger hanger(neighbors, degree);
  std::vector<uint8_t> reached(space.n);
  mark_reachable(links, entries.data(), entries.size(), reached.data());
  PairScorer pairs(space);
  Walk walk;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t row = missed[i];
    if (!reached[row]) continue;  // below, with all the others that nothing leads to
    if (i % 64 == 63 && check && !check(space.n)) throw Interrupted();
    walk.run(
        space, links, entries.data(), entries.size(), beam,
        [&](const uint32_t* ids, unsigned n, float* scores) { pairs.score(row, ids, n, scores); },
        [](uint32_t, float) {});
    uint32_t nearest = kNone;
    bool linked = false;
    for (size_t b = 0; b < walk.beam.size() && !linked; ++b) {
      const uint32_t near = walk.beam[b].id;
      if (near == row || leads_to(links, near, row)) continue;
      if (nearest == kNone) nearest = near;
      linked = hanger.hang_if_room(near, row);
    }
    // No room anywhere near: the nearest gives up its last link. If that was the only one to its row, the row is linked
    // again below.
    if (!linked && nearest != kNone) neighbors[static_cast<size_t>(nearest) * degree + degree - 1] = row;
  }
  std::vector<uint32_t> order(space.n);
  std::iota(order.begin(), order.end(), 0u);
  connect(space, hanger, links, beam, entries, order, check);
}

}  // namespace nearfield
