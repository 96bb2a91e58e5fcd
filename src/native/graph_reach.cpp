#include "graph.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

void spread(const Links& links, std::vector<uint32_t>& stack, uint8_t* reached) {
  while (!stack.empty()) {
    const uint32_t* l = links.of(stack.back());
    stack.pop_back();
    for (unsigned j = 0; j < links.room && l[j] != kNone; ++j)
      if (!reached[l[j]]) {
        reached[l[j]] = 1;
        stack.push_back(l[j]);
      }
  }
}

}  // namespace

void mark_reachable(const Links& links, const uint32_t* entries, size_t entry_count, uint8_t* reached) {
  std::vector<uint32_t> stack;
  for (size_t i = 0; i < links.n; ++i) reached[i] = 0;
  for (size_t e = 0; e < entry_count; ++e)
    if (!reached[entries[e]]) {
      reached[entries[e]] = 1;
      stack.push_back(entries[e]);
    }
  spread(links, stack, reached);
}

void connect(const Space& space, uint32_t* neighbors, unsigned degree, unsigned beam, std::vector<uint32_t>& entries,
             const Check& check) {
  const Links links{neighbors, space.n, degree};
  std::vector<uint8_t> reached(space.n);
  mark_reachable(links, entries.data(), entries.size(), reached.data());
  PairScorer pairs(space);
  Walk walk;
  std::vector<uint32_t> stack;
  for (size_t i = 0; i < space.n; ++i) {
    if (reached[i]) continue;
    if (i % 64 == 0 && check && !check(space.n)) throw Interrupted();
    const uint32_t row = static_cast<uint32_t>(i);
    walk.run(
        links, entries.data(), 1, beam,
        [&](const uint32_t* ids, unsigned n, float* scores) { pairs.score(row, ids, n, scores); },
        [](uint32_t, float) {});
    bool linked = false;
    for (size_t b = 0; b < walk.beam.size() && !linked; ++b) {
      uint32_t* l = neighbors + static_cast<size_t>(walk.beam[b].id) * degree;
      for (unsigned j = 0; j < degree && !linked; ++j)
        if (l[j] == kNone) {
          l[j] = row;
          linked = true;
        }
    }
    if (!linked) entries.push_back(row);
    reached[i] = 1;
    stack.push_back(row);
    spread(links, stack, reached.data());
  }
}

}  // namespace nearfield
