// The k nearest rows of one query, as scans collect them: ties go to the smaller row number.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace nearfield {

struct Entry {
  float score;
  uint32_t row;
  bool operator<(const Entry& o) const { return score < o.score || (score == o.score && row < o.row); }
};

// The k smallest entries seen: a heap with the worst on top.
class Best {
 public:
  explicit Best(size_t k) : k_(k) {}
  void clear() { heap_.clear(); }
  float worst() const { return heap_.size() < k_ ? std::numeric_limits<float>::infinity() : heap_.front().score; }
  void offer(Entry e) {
    if (heap_.size() < k_) {
      heap_.push_back(e);
      std::push_heap(heap_.begin(), heap_.end());
    } else if (e < heap_.front()) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = e;
      std::push_heap(heap_.begin(), heap_.end());
    }
  }
  const std::vector<Entry>& sorted() {
    std::sort(heap_.begin(), heap_.end());
    return heap_;
  }
  void merge(const Best& o) {
    for (const Entry& e : o.heap_) offer(e);
  }

 private:
  size_t k_;
  std::vector<Entry> heap_;
};

// One row of the answer; missing: +inf, -1.
inline void write_best(const std::vector<Entry>& best, size_t k, float* scores, int64_t* rows) {
  for (size_t j = 0; j < k; ++j) {
    const bool there = j < best.size();
    scores[j] = there ? best[j].score : std::numeric_limits<float>::infinity();
    rows[j] = there ? static_cast<int64_t>(best[j].row) : -1;
  }
}

}  // namespace nearfield
