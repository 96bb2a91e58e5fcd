// What a walk over a graph needs: the set of rows already scored, and the beam of the best ones.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels.hpp"
#include "space.hpp"

namespace nearfield {

// The rows a walk has come to, in the order it did: one bit a row to ask, cleared by the list of what was set, for a walk
// touches thousands of rows and a collection has millions.
class Visited {
 public:
  void start(size_t n) {
    for (size_t i = 0; i < count_; ++i) words_[rows_[i] / 64] = 0;
    count_ = 0;
    if (words_.size() < (n + 63) / 64) words_.resize((n + 63) / 64, 0);
  }
  // Adds those of ids[0..n) not seen before, up to the first kNone; returns how many. Whether a row is new is a coin toss
  // no processor can predict, so there is no branch on it: that alone made walks 1.1 times as fast.
  unsigned add(const uint32_t* ids, unsigned n) {
    if (rows_.size() < count_ + n) rows_.resize(2 * (count_ + n));
    uint32_t* rows = rows_.data() + count_;
    unsigned fresh = 0;
    for (unsigned i = 0; i < n && ids[i] != kNone; ++i) {
      uint64_t& word = words_[ids[i] / 64];
      const uint64_t bit = uint64_t{1} << (ids[i] % 64);
      rows[fresh] = ids[i];
      fresh += !(word & bit);
      word |= bit;
    }
    count_ += fresh;
    return fresh;
  }
  // As add, of those alone that `allow` has a bit for.
  unsigned add_allowed(const uint32_t* ids, unsigned n, const uint64_t* allow) {
    if (rows_.size() < count_ + n) rows_.resize(2 * (count_ + n));
    uint32_t* rows = rows_.data() + count_;
    unsigned fresh = 0;
    for (unsigned i = 0; i < n && ids[i] != kNone; ++i) {
      uint64_t& word = words_[ids[i] / 64];
      const uint64_t bit = allow[ids[i] / 64] & uint64_t{1} << (ids[i] % 64);
      rows[fresh] = ids[i];
      fresh += (bit & ~word) != 0;
      word |= bit;
    }
    count_ += fresh;
    return fresh;
  }
  bool has(uint32_t id) const { return words_[id / 64] >> (id % 64) & 1; }
  size_t count() const { return count_; }
  const uint32_t* last(unsigned n) const { return rows_.data() + count_ - n; }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint32_t> rows_;
  size_t count_ = 0;
};

struct Scored {
  float score;
  uint32_t id;
  bool operator<(const Scored& o) const { return score < o.score || (score == o.score && id < o.id); }
};

// The best `width` rows seen, sorted by score and then by row. An entry is one integer, which compares in one instruction:
// the bits of the score in an order that integers have, the row, and in the last bit whether it was expanded.
class Beam {
 public:
  void start(size_t width) {
    width_ = width;
    const size_t room = std::max(width, kPadded) + kOffers + kVector;
    if (keys_.size() < room) keys_.resize(room);
    std::fill_n(keys_.begin(), kPadded, std::numeric_limits<uint64_t>::max());
    size_ = next_ = 0;
    offers_ = 0;
    worst_ = width ? std::numeric_limits<uint64_t>::max() : 0;
  }
  float worst() const { return size_ < width_ ? std::numeric_limits<float>::infinity() : (*this)[size_ - 1].score; }
  // Proposes a row; it is in the beam after the next settle(). A score that is not a number is never taken.
  void offer(Scored s) {
    const uint64_t key = key_of(s);
    if (key < worst_ && s.score == s.score) {
      offered_[offers_++] = key;
      if (offers_ == kOffers) settle();
    }
  }
  // Takes in what was offered.
  void settle() {
    if (!offers_) return;
    next_ = std::min(next_, kernels().merge(keys_.data(), size_, width_, offered_, offers_));
    size_ = std::min(width_, size_ + offers_);
    offers_ = 0;
    worst_ = size_ < width_ ? std::numeric_limits<uint64_t>::max() : size_ ? keys_[size_ - 1] : 0;
  }
  // The best row not yet expanded, marked as expanded; kNone when there is none.
  uint32_t pop() {
    while (next_ < size_ && (keys_[next_] & 1)) ++next_;
    if (next_ == size_) return kNone;
    keys_[next_] |= 1;
    return row_of(keys_[next_++]);
  }
  // Of the row that pop returned last.
  float popped_score() const { return (*this)[next_ - 1].score; }
  // The row that pop would return now, or kNone: worth prefetching.
  uint32_t peek() const {
    for (size_t i = next_; i < size_; ++i)
      if (!(keys_[i] & 1)) return row_of(keys_[i]);
    return kNone;
  }
  size_t size() const { return size_; }
  Scored operator[](size_t i) const {
    const uint32_t high = static_cast<uint32_t>(keys_[i] >> 32);
    return {std::bit_cast<float>(high & kSign ? high ^ kSign : ~high), row_of(keys_[i])};
  }

 private:
  static constexpr uint32_t kSign = 0x80000000u;
  static constexpr size_t kVector = 8;    // keys that a kernel reads and writes at once
  static constexpr size_t kPadded = 64;   // a kernel may take the places behind the last key, up to here, for keys

  static uint32_t row_of(uint64_t key) { return static_cast<uint32_t>(key) >> 1; }
  static uint64_t key_of(Scored s) {
    const uint32_t bits = std::bit_cast<uint32_t>(s.score + 0.0f);  // so that -0 is 0
    const uint32_t ordered = bits & kSign ? ~bits : bits | kSign;
    return static_cast<uint64_t>(ordered) << 32 | s.id << 1;
  }
  std::vector<uint64_t> keys_;
  size_t width_ = 0, size_ = 0, next_ = 0;
  uint64_t worst_ = 0;  // only keys below it are taken
  uint64_t offered_[kOffers];
  unsigned offers_ = 0;
};

// Neighbour lists of fixed room; a list ends at kNone or at the end of its room.
struct Links {
  const uint32_t* data;
  size_t n;
  unsigned room;
  const uint32_t* of(uint32_t id) const { return data + static_cast<size_t>(id) * room; }
  void fetch(uint32_t id) const { prefetch_bytes(of(id), room * sizeof(uint32_t)); }
};

// Best-first search in steps, so that one thread can keep several walks going: while the rows of one are on their way
// from memory, another is scored. begin; then pop, gather and take in turn until pop finds nothing left to expand.
struct Walk {
  Visited visited;
  Beam beam;
  std::vector<float> scores;
  const uint32_t* fresh = nullptr;  // rows to be scored next: `count` of them
  unsigned count = 0;
  uint32_t expanded = kNone;  // the row whose links are followed

  void begin(const Links& links, const uint32_t* entries, size_t entry_count, size_t width) {
    visited.start(links.n);
    beam.start(width);
    const size_t most = std::max<size_t>(links.room, entry_count);
    if (scores.size() < most) scores.resize(most);
    come_to(entries, static_cast<unsigned>(entry_count));
  }
  // False at the end of the walk.
  bool pop() {
    expanded = beam.pop();
    return expanded != kNone;
  }
  void gather(const Links& links) { come_to(links.of(expanded), links.room); }

  // `score(ids, n, out)` scores rows; `seen(id, score)` is told of every row scored; rows beyond `limit` are not taken.
  template <class Score, class Seen>
  void take(Score&& score, Seen&& seen, float limit = std::numeric_limits<float>::infinity()) {
    if (!count) return;
    score(fresh, count, scores.data());
    for (unsigned i = 0; i < count; ++i) {
      seen(fresh[i], scores[i]);
      if (scores[i] <= limit) beam.offer({scores[i], fresh[i]});
    }
    beam.settle();
  }

  // One walk from beginning to end over the rows of `space`.
  template <class Score, class Seen>
  void run(const Space& space, const Links& links, const uint32_t* entries, size_t entry_count, size_t width,
           Score&& score, Seen&& seen) {
    begin(links, entries, entry_count, width);
    take(score, seen);
    while (pop()) {
      const uint32_t next = beam.peek();
      if (next != kNone) links.fetch(next);
      gather(links);
      fetch_rows(space, fresh, count);
      take(score, seen);
    }
  }

 private:
  void come_to(const uint32_t* ids, unsigned n) {
    count = visited.add(ids, n);
    fresh = visited.last(count);
  }
};

// Keeps several walks of one thread going: while the rows of one are on their way from memory, the others are scored.
// slot.begin(item) starts one of the items [begin, end), slot.advance() takes a step and is false at the end of it.
template <class Slot>
void take_turns(std::vector<Slot>& slots, size_t begin, size_t end) {
  std::vector<Slot*> active;
  for (Slot& slot : slots) {
    if (begin == end) break;
    slot.begin(begin++);
    active.push_back(&slot);
  }
  while (!active.empty()) {
    for (size_t i = 0; i < active.size();) {
      if (active[i]->advance()) {
        ++i;
      } else if (begin < end) {
        active[i++]->begin(begin++);
      } else {
        active.erase(active.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
}

// Walks of one thread at a time. Two make a search 1.4 times as fast as one, four do as well or a little better, eight
// displace each other from the cache.
constexpr size_t kTogether = 4;

}  // namespace nearfield
