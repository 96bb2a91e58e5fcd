#include "graph.hpp"

namespace nearfield {

unsigned Pruner::prune(const std::vector<Scored>& candidates, unsigned degree, uint32_t* kept) {
  constexpr unsigned kGroup = 8;  // kept rows compared at a time: most candidates fall to one of the nearest few
  if (degree == 0) return 0;
  unsigned count = 0;
  float apart[kGroup];
  for (const Scored& c : candidates) {
    bool occluded = false;
    for (unsigned g = 0; g < count && !occluded; g += kGroup) {
      const unsigned m = std::min(kGroup, count - g);
      pairs_.score(c.id, kept + g, m, apart);
      for (unsigned i = 0; i < m; ++i) occluded |= alpha_ * apart[i] <= c.score;
    }
    if (occluded) continue;
    kept[count++] = c.id;
    if (count == degree) break;
  }
  return count;
}

}  // namespace nearfield
