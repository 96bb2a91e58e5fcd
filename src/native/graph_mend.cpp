// Links for rows that walks miss, in a graph that stands. What it costs is one or two walks for each of them and two
// passes over the links; everything else stays as it is.
#include <algorithm>
#include <numeric>

#include "graph.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

// Links that a row should get from rows near it which have room: with one alone, a walk by estimates misses one in forty.
constexpr unsigned kLinks = 4;

class Mender {
 public:
  Mender(const Space& space, uint32_t* neighbors, unsigned degree, const std::vector<uint32_t>& entries, unsigned beam,
         const Check& check)
      : space_(space), neighbors_(neighbors), degree_(degree), entries_(entries), beam_(beam), check_(check),
        pairs_(space) {}

  Links links() const { return {neighbors_, space_.n, degree_}; }

  // Links `row` from the nearest rows with room; with `must`, the nearest without any gives up its last link.
  void link(uint32_t row, bool must) {
    if (++count_ % 64 == 0 && check_ && !check_(space_.n)) throw Interrupted();
    walk_.run(
        space_, links(), entries_.data(), entries_.size(), beam_,
        [&](const uint32_t* ids, unsigned n, float* scores) { pairs_.score(row, ids, n, scores); },
        [](uint32_t, float) {});
    unsigned linked = 0;
    uint32_t full = kNone;
    for (size_t b = 0; b < walk_.beam.size() && linked < kLinks; ++b) {
      const uint32_t near = walk_.beam[b].id;
      uint32_t* l = neighbors_ + static_cast<size_t>(near) * degree_;
      uint32_t* end = std::find(l, l + degree_, kNone);
      if (near == row || std::find(l, end, row) != end) continue;
      if (end == l + degree_) {
        if (full == kNone) full = near;
        continue;
      }
      *end = row;
      ++linked;
    }
    if (must && !linked && full != kNone) neighbors_[static_cast<size_t>(full) * degree_ + degree_ - 1] = row;
  }

 private:
  const Space& space_;
  uint32_t* neighbors_;
  unsigned degree_;
  const std::vector<uint32_t>& entries_;
  unsigned beam_;
  const Check& check_;
  PairScorer pairs_;
  Walk walk_;
  size_t count_ = 0;
};

}  // namespace

void mend(const Space& space, uint32_t* neighbors, unsigned degree, const std::vector<uint32_t>& entries, unsigned beam,
          const uint32_t* missed, size_t count, const Check& check) {
  Mender mender(space, neighbors, degree, entries, beam, check);
  std::vector<uint8_t> reached(space.n);
  mark_reachable(mender.links(), entries.data(), entries.size(), reached.data());
  for (size_t i = 0; i < count; ++i)
    if (reached[missed[i]]) mender.link(missed[i], true);
  // What a link that was given up led to is linked here as well.
  std::vector<uint32_t> order(space.n);
  std::iota(order.begin(), order.end(), 0u);
  Hanger hanger(neighbors, degree);
  connect(space, hanger, mender.links(), beam, entries, order, check);
  for (uint32_t row = 0; row < space.n; ++row)
    if (!reached[row]) mender.link(row, false);
}

}  // namespace nearfield
