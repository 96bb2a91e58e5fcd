#include <algorithm>

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

unsigned Hanger::length(uint32_t id) const {
  const uint32_t* l = neighbors_ + static_cast<size_t>(id) * degree_;
  return static_cast<unsigned>(std::find(l, l + degree_, kNone) - l);
}

bool Hanger::hang_if_room(uint32_t root, uint32_t row) {
  uint32_t holder = root;
  if (length(root) == degree_) {
    const auto h = hung_.find(root);
    if (h == hung_.end()) return false;
    auto& [rows, next] = h->second;
    while (next < rows.size() && length(rows[next]) == degree_) ++next;
    if (next == rows.size()) return false;
    holder = rows[next];
  }
  neighbors_[static_cast<size_t>(holder) * degree_ + length(holder)] = row;
  hung_[root].rows.push_back(row);
  return true;
}

void Hanger::hang(uint32_t root, uint32_t row) {
  if (hang_if_room(root, row)) return;
  uint32_t& last = neighbors_[static_cast<size_t>(root) * degree_ + degree_ - 1];
  uint32_t* own = neighbors_ + static_cast<size_t>(row) * degree_;
  const unsigned m = length(row);
  if (std::find(own, own + m, last) == own + m) own[std::min(m, degree_ - 1)] = last;
  last = row;
  hung_[root].rows.push_back(row);
}

void connect(const Space& space, Hanger& hanger, const Links& links, unsigned beam,
             const std::vector<uint32_t>& entries, const std::vector<uint32_t>& order, const Check& check) {
  std::vector<uint8_t> reached(space.n);
  mark_reachable(links, entries.data(), entries.size(), reached.data());
  PairScorer pairs(space);
  Walk walk;
  std::vector<uint32_t> stack;
  unsigned count = 0;
  for (const uint32_t row : order) {
    if (reached[row]) continue;
    if (++count % 64 == 0 && check && !check(space.n)) throw Interrupted();
    walk.run(
        space, links, entries.data(), entries.size(), beam,
        [&](const uint32_t* ids, unsigned n, float* scores) { pairs.score(row, ids, n, scores); },
        [](uint32_t, float) {});
    bool linked = false;
    for (size_t b = 0; b < walk.beam.size() && !linked; ++b) linked = hanger.hang_if_room(walk.beam[b].id, row);
    if (!linked) hanger.hang(walk.beam.size() ? walk.beam[0].id : entries[0], row);
    reached[row] = 1;
    stack.push_back(row);
    spread(links, stack, reached.data());
  }
}

}  // namespace nearfield
