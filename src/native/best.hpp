// The k nearest rows of one query, as scans collect them: ties go to the smaller row number.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "beam.hpp"

namespace nearfield {

struct Entry {
  float score;
  uint32_t row;
  bool operator<(const Entry& o) const { return score < o.score || (score == o.score && row < o.row); }
};

// The k smallest entries seen: few in a beam, which takes them in 32 at a time, many as a heap with the worst on top.
// (A list kept in order entry by entry made a batch that keeps 32 of 1,157 rows take 1.2 times as long.)
class Best {
 public:
  explicit Best(size_t k) : k_(k) { clear(); }
  void clear() {
    kept_.clear();
    if (k_ <= kFew) few_.start(k_);
  }
  // What is no better than this need not be offered; it may lag behind.
  float worst() const {
    if (k_ <= kFew) return few_.worst();
    return kept_.size() < k_ ? std::numeric_limits<float>::infinity() : kept_.front().score;
  }
  void offer(Entry e) {
    if (k_ <= kFew) return few_.offer({e.score, e.row});
    if (kept_.size() < k_) {
      kept_.push_back(e);
      std::push_heap(kept_.begin(), kept_.end());
    } else if (e < kept_.front()) {
      std::pop_heap(kept_.begin(), kept_.end());
      kept_.back() = e;
      std::push_heap(kept_.begin(), kept_.end());
    }
  }
  // Ends the collecting, until clear().
  const std::vector<Entry>& sorted() {
    if (k_ > kFew) {
      std::sort(kept_.begin(), kept_.end());
    } else if (kept_.empty()) {
      few_.settle();
      for (size_t i = 0; i < few_.size(); ++i) kept_.push_back({few_[i].score, few_[i].id});
    }
    return kept_;
  }
  void merge(Best& o) {
    for (const Entry& e : o.sorted()) offer(e);
  }

 private:
  static constexpr size_t kFew = 64;

  size_t k_;
  Beam few_;
  std::vector<Entry> kept_;
};

// Offers n scores; row(i) is the row of scores[i]. Most are too far: they are passed over eight at a time.
template <class Row>
void offer_all(Best& best, const float* scores, size_t n, Row row) {
  float worst = best.worst();
  for (size_t begin = 0; begin < n; begin += 8) {
    const size_t end = std::min(n, begin + 8);
    if (end == begin + 8) {
      unsigned near = 0;
      for (size_t i = 0; i < 8; ++i) near |= scores[begin + i] <= worst;
      if (!near) continue;
    }
    for (size_t i = begin; i < end; ++i)
      if (scores[i] <= worst) {
        best.offer({scores[i], row(i)});
        worst = best.worst();
      }
  }
}

// One row of the answer; missing: +inf, -1.
inline void write_best(const std::vector<Entry>& best, size_t k, float* scores, int64_t* rows) {
  for (size_t j = 0; j < k; ++j) {
    const bool there = j < best.size();
    scores[j] = there ? best[j].score : std::numeric_limits<float>::infinity();
    rows[j] = there ? static_cast<int64_t>(best[j].row) : -1;
  }
}

}  // namespace nearfield
