// What a walk over a graph needs: the set of rows already scored, and the beam of the best ones.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels.hpp"
#include "space.hpp"

namespace nearfield {

// One bit a row, cleared by the list of what was set: a walk touches thousands of rows, a collection has millions.
class Visited {
 public:
  void start(size_t n) {
    for (uint32_t id : touched_) words_[id / 64] = 0;
    touched_.clear();
    if (words_.size() < (n + 63) / 64) words_.resize((n + 63) / 64, 0);
  }
  bool insert(uint32_t id) {
    uint64_t& word = words_[id / 64];
    const uint64_t bit = uint64_t{1} << (id % 64);
    if (word & bit) return false;
    word |= bit;
    touched_.push_back(id);
    return true;
  }
  size_t count() const { return touched_.size(); }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint32_t> touched_;
};

struct Scored {
  float score;
  uint32_t id;
  bool operator<(const Scored& o) const { return score < o.score || (score == o.score && id < o.id); }
};

// The best `width` rows seen, sorted; the top bit of an id says that the row was expanded.
class Beam {
 public:
  static constexpr uint32_t kExpanded = 0x80000000u;

  void start(size_t width) {
    width_ = width;
    if (nodes_.size() < width + 1) nodes_.resize(width + 1);
    size_ = 0;
    next_ = 0;
  }
  float worst() const { return size_ < width_ ? std::numeric_limits<float>::infinity() : nodes_[size_ - 1].score; }
  void offer(Scored s) {
    if (size_ == width_ && !less(s, nodes_[size_ - 1])) return;
    size_t low = 0, high = size_;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (less(nodes_[middle], s))
        low = middle + 1;
      else
        high = middle;
    }
    const size_t last = size_ < width_ ? size_++ : width_ - 1;
    for (size_t i = last; i > low; --i) nodes_[i] = nodes_[i - 1];
    nodes_[low] = s;
    next_ = std::min(next_, low);
  }
  // The best row not yet expanded, marked as expanded; kNone when there is none.
  uint32_t pop() {
    while (next_ < size_ && (nodes_[next_].id & kExpanded)) ++next_;
    if (next_ == size_) return kNone;
    const uint32_t id = nodes_[next_].id;
    nodes_[next_++].id = id | kExpanded;
    return id;
  }
  // The row that pop would return now, or kNone: worth prefetching.
  uint32_t peek() const {
    for (size_t i = next_; i < size_; ++i)
      if (!(nodes_[i].id & kExpanded)) return nodes_[i].id;
    return kNone;
  }
  size_t size() const { return size_; }
  Scored operator[](size_t i) const { return {nodes_[i].score, nodes_[i].id & ~kExpanded}; }

 private:
  static bool less(const Scored& a, const Scored& b) {
    return a.score < b.score || (a.score == b.score && (a.id & ~kExpanded) < (b.id & ~kExpanded));
  }
  std::vector<Scored> nodes_;
  size_t width_ = 0, size_ = 0, next_ = 0;
};

// Neighbour lists of fixed room; a list ends at kNone or at the end of its room.
struct Links {
  const uint32_t* data;
  size_t n;
  unsigned room;
  const uint32_t* of(uint32_t id) const { return data + static_cast<size_t>(id) * room; }
};

struct Walk {
  Visited visited;
  Beam beam;
  std::vector<uint32_t> fresh;
  std::vector<float> scores;

  // Best-first search from the entries. `score(ids, n, out)` scores rows; `seen(id, score)` is told of every row scored.
  template <class Score, class Seen>
  void run(const Links& links, const uint32_t* entries, size_t entry_count, size_t width, Score&& score, Seen&& seen) {
    visited.start(links.n);
    beam.start(width);
    const size_t most = std::max<size_t>(links.room, 64);
    if (fresh.size() < most) fresh.resize(most);
    if (scores.size() < most) scores.resize(most);
    const auto take = [&](unsigned count) {
      score(fresh.data(), count, scores.data());
      for (unsigned i = 0; i < count; ++i) {
        seen(fresh[i], scores[i]);
        if (scores[i] <= beam.worst()) beam.offer({scores[i], fresh[i]});
      }
    };
    unsigned count = 0;
    for (size_t e = 0; e < entry_count; ++e) {
      if (visited.insert(entries[e])) fresh[count++] = entries[e];
      if (count == 64) {
        take(count);
        count = 0;
      }
    }
    if (count) take(count);
    for (uint32_t id = beam.pop(); id != kNone; id = beam.pop()) {
      const uint32_t next = beam.peek();
      if (next != kNone) prefetch_bytes(links.of(next), links.room * sizeof(uint32_t));
      const uint32_t* list = links.of(id);
      count = 0;
      for (unsigned j = 0; j < links.room && list[j] != kNone; ++j)
        if (visited.insert(list[j])) fresh[count++] = list[j];
      if (count) take(count);
    }
  }
};

}  // namespace nearfield
