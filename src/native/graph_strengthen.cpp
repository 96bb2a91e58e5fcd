// Pruning leaves some rows with one or two links to them; a walk that starts far away then finds them only with a wide
// beam. Each gets links from its own nearest neighbours, in the place of links to rows that have plenty.
#include <algorithm>
#include <cmath>

#include "graph.hpp"

namespace nearfield {

void strengthen(const Space& space, uint32_t* neighbors, unsigned degree, const std::vector<uint32_t>& order) {
  // On 115,659 sentence vectors: rows not found by their own vector fall from 306 to 249 with a beam of 20, from 39 to
  // 18 with 64 and from 4 to none with 256; recall of other queries changes by less than 0.001.
  constexpr uint32_t kFew = 8, kPlenty = 16;
  const auto list = [&](uint32_t row) { return neighbors + static_cast<size_t>(row) * degree; };
  std::vector<uint32_t> incoming(space.n, 0);
  for (uint32_t row : order)
    for (unsigned j = 0; j < degree && list(row)[j] != kNone; ++j) ++incoming[list(row)[j]];
  PairScorer pairs(space);
  std::vector<float> scores(degree);
  std::vector<Scored> near;
  for (uint32_t row : order) {
    if (incoming[row] >= kFew) continue;
    const uint32_t* own = list(row);
    const unsigned m = static_cast<unsigned>(std::find(own, own + degree, kNone) - own);
    pairs.score(row, own, m, scores.data());
    near.clear();
    for (unsigned j = 0; j < m; ++j)
      if (!std::isnan(scores[j])) near.push_back({scores[j], own[j]});
    std::sort(near.begin(), near.end());
    for (const Scored& s : near) {
      if (incoming[row] >= kFew) break;
      uint32_t* l = list(s.id);
      if (std::find(l, l + degree, row) != l + degree) continue;
      uint32_t* place = std::find(l, l + degree, kNone);
      if (place == l + degree) {
        place = std::max_element(l, l + degree, [&](uint32_t a, uint32_t b) { return incoming[a] < incoming[b]; });
        if (incoming[*place] <= kPlenty) continue;
        --incoming[*place];
      }
      *place = row;
      ++incoming[row];
    }
  }
}

}  // namespace nearfield
