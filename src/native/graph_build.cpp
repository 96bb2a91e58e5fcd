// Building in rounds: the rows of one round are searched for in the graph as the round found it, so the outcome does
// not depend on the order in which threads come to them; edges back are grouped by the row that receives them.
// Departures from the Vamana paper: one pass instead of two, rounds that double (as ParlayANN does), lists with slack.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "graph.hpp"
#include "pool.hpp"
#include "random.hpp"

namespace nearfield {

namespace {

constexpr size_t kStarts = 64, kSample = 2048;
constexpr size_t kNarrow = 32;  // width of the walks that look for what the entries do not lead to
constexpr size_t kEntries = 8, kTrial = 10, kTrials = 128;  // entries, and the walks that choose them: width, how many
constexpr size_t kRowsPerTrial = 256;  // of a small collection fewer are made
constexpr size_t kPart = 4;     // rows of the sample that make a part worth an entry

struct Worker {
  Walk walks[kTogether];
  Pruner pruner;
  std::vector<Scored> candidates;
  std::vector<uint32_t> ids, kept;
  std::vector<float> scores;
  Worker(const Space& space, float alpha) : pruner(space, alpha) {}
};

class Builder {
 public:
  Builder(const Space& space, const BuildSettings& settings, uint32_t* lists, const Check& check)
      : space_(space), s_(settings), check_(check), room_(list_room(settings.degree)), links_(lists) {
    for (unsigned t = 0; t < std::max(1u, s_.threads); ++t) workers_.emplace_back(space, s_.alpha);
  }

  std::vector<uint32_t> run() {
    auto [first, order] = distinct_rows(space_, s_.seed, s_.threads, check_);
    std::fill(links_, links_ + space_.n * room_, kNone);  // after the search for equal rows: its memory is free again
    const size_t n = order.size();
    Random random{s_.seed};
    choose_starts(order, random);
    const size_t largest = std::clamp<size_t>(n / 50, 1, 1 << 15);
    for (size_t begin = 1; begin < n;) {
      const size_t end = std::min(n, begin + std::min(begin, largest));
      round(order.data() + begin, end - begin, begin);
      begin = end;
    }
    finish();
    uint32_t* neighbors = links_;
    strengthen(space_, neighbors, s_.degree, order);
    const Links links{neighbors, space_.n, s_.degree};
    const std::vector<uint32_t> entries = choose_entries(links, order);
    Hanger hanger(neighbors, s_.degree);
    for (uint32_t i = 0; i < space_.n; ++i)
      if (first[i] != i) {
        hanger.hang(first[i], i);
        order.push_back(i);
      }
    connect(space_, hanger, links, s_.beam, entries, order, check_);
    return entries;
  }

 private:
  const Space& space_;
  const BuildSettings& s_;
  const Check& check_;
  unsigned room_;
  std::vector<uint32_t> starts_;  // where the build's walks begin, as far as these rows are linked yet
  uint32_t* links_;  // lists of room_; of the degree alone once finished
  std::vector<Worker> workers_;
  std::vector<uint64_t> back_;
  size_t linked_ = 0;

  uint32_t* list(uint32_t id) { return links_ + static_cast<size_t>(id) * room_; }
  unsigned length(uint32_t id) {
    const uint32_t* l = list(id);
    unsigned m = 0;
    while (m < room_ && l[m] != kNone) ++m;
    return m;
  }

  // Rows that stand for all regions: drawn one by one with a chance that grows with the squared distance to those drawn
  // before (the seeding of k-means++). A walk that begins in one far cluster never comes to another: without a start in
  // each, rows would be linked to the wrong one. They are moved to the front of `order`, to be linked first.
  void choose_starts(std::vector<uint32_t>& order, Random& random) {
    const unsigned sample = static_cast<unsigned>(std::min<size_t>(order.size(), kSample));
    PairScorer pairs(space_);
    std::vector<float> nearest(sample, std::numeric_limits<float>::infinity()), apart(sample);
    std::vector<size_t> chosen{0};
    while (chosen.size() < kStarts) {
      pairs.score(order[chosen.back()], order.data(), sample, apart.data());
      double total = 0;
      for (unsigned i = 0; i < sample; ++i) {
        if (apart[i] < nearest[i]) nearest[i] = apart[i];
        if (i == chosen.back() || !std::isfinite(nearest[i])) nearest[i] = 0;
        total += nearest[i];
      }
      double left = total * (static_cast<double>(random.next() >> 11) * 0x1p-53);
      size_t pick = sample;
      for (unsigned i = 0; i < sample && pick == sample; ++i) {
        left -= nearest[i];
        if (nearest[i] > 0 && left <= 0) pick = i;
      }
      if (pick == sample) break;  // what is left is equal to what was drawn
      chosen.push_back(pick);
    }
    std::vector<uint8_t> moved(sample, 0);
    for (size_t c : chosen) {
      starts_.push_back(order[c]);
      moved[c] = 1;
    }
    std::vector<uint32_t> front = starts_;
    for (unsigned i = 0; i < sample; ++i)
      if (!moved[i]) front.push_back(order[i]);
    std::copy(front.begin(), front.end(), order.begin());
  }

  // Where searches begin: the starts from which a sample of rows is found with the fewest steps, and rows from whatever
  // part of the sample a narrow walk from there does not come to; on most data there is no such part. A row that only
  // itself is helped by is none: where near rows are hard to tell apart, some are always missed.
  // One start drawn at random is up to a fifth dearer than another, and narrow beams find less from a dear one: of three
  // kinds of text together 0.89 to 0.94 of the neighbours, as the seed has it.
  std::vector<uint32_t> choose_entries(const Links& links, const std::vector<uint32_t>& order) {
    std::vector<uint32_t> entries = cheapest_starts(links, order);
    const std::vector<uint32_t> sample(order.begin(), order.begin() + std::min(order.size(), kSample));
    for (size_t before = 0; before != entries.size();) {  // again: a new entry may lead some walks astray
      before = entries.size();
      std::vector<uint32_t> lost = not_found(links, entries, sample);
      for (unsigned failed = 0; failed < 8 && lost.size() >= kPart && entries.size() < kStarts;) {
        entries.push_back(lost.front());
        std::vector<uint32_t> still = not_found(links, entries, lost);
        if (lost.size() - still.size() >= kPart) {
          lost.swap(still);
        } else {
          ++failed;
          entries.pop_back();
          std::rotate(lost.begin(), lost.begin() + 1, lost.end());
        }
      }
    }
    return entries;
  }

  // The kEntries starts from which walks to rows of the sample, the same ones for each, score the fewest rows.
  std::vector<uint32_t> cheapest_starts(const Links& links, const std::vector<uint32_t>& order) {
    if (starts_.size() <= kEntries) return starts_;
    const size_t left = order.size() - starts_.size();  // the starts stand before the rest of the sample
    const size_t trials = std::min({kTrials, left, order.size() / kRowsPerTrial + 1});
    std::vector<uint32_t> costs(starts_.size() * trials);
    walk_to(links, costs.size(), kTrial, [&](size_t i) { return order[starts_.size() + i % trials]; },
            [&](size_t i) { return std::vector<uint32_t>{starts_[i / trials]}; },
            [&](size_t i, uint32_t, const Walk& walk) { costs[i] = static_cast<uint32_t>(walk.visited.count()); });
    std::vector<std::pair<uint64_t, size_t>> ranked;
    for (size_t i = 0; i < starts_.size(); ++i)
      ranked.push_back({std::accumulate(costs.begin() + i * trials, costs.begin() + (i + 1) * trials, uint64_t{0}), i});
    std::sort(ranked.begin(), ranked.end());
    std::vector<uint32_t> best;
    for (size_t i = 0; i < kEntries; ++i) best.push_back(starts_[ranked[i].second]);
    return best;
  }

  // Those of `rows` that a narrow walk from the entries does not find.
  std::vector<uint32_t> not_found(const Links& links, const std::vector<uint32_t>& entries,
                                  const std::vector<uint32_t>& rows) {
    std::vector<uint8_t> found(rows.size(), 0);
    walk_to(links, rows.size(), kNarrow, [&](size_t i) { return rows[i]; },
            [&](size_t) -> const std::vector<uint32_t>& { return entries; },
            [&](size_t i, uint32_t row, const Walk& walk) {
              for (size_t b = 0; b < walk.beam.size(); ++b) found[i] |= walk.beam[b].id == row;
            });
    std::vector<uint32_t> lost;
    for (size_t i = 0; i < rows.size(); ++i)
      if (!found[i]) lost.push_back(rows[i]);
    return lost;
  }

  // `count` walks: the i-th from from(i) to the row to(i); done(i, row, walk) looks at what it came to.
  template <class To, class From, class Done>
  void walk_to(const Links& links, size_t count, size_t width, To&& to, From&& from, Done&& done) {
    parallel_for(
        count, 16, s_.threads,
        [&](size_t begin, size_t end, unsigned t) {
          Worker& w = workers_[t];
          Walk& walk = w.walks[0];
          for (size_t i = begin; i < end; ++i) {
            const uint32_t row = to(i);
            const std::vector<uint32_t>& entries = from(i);
            walk.run(
                space_, links, entries.data(), entries.size(), width,
                [&](const uint32_t* ids, unsigned n, float* out) { w.pruner.pairs().score(row, ids, n, out); },
                [](uint32_t, float) {});
            done(i, row, walk);
          }
        },
        [&](size_t) { return !check_ || check_(space_.n); });
  }

  void round(const uint32_t* rows, size_t count, size_t done_before) {
    linked_ = done_before;
    const Links frozen{links_, space_.n, room_};
    // The rows of this round get their lists in a separate array: searches must see the graph of the round before.
    std::vector<uint32_t> fresh(count * s_.degree, kNone);
    parallel_for(
        count, 32, s_.threads,
        [&](size_t begin, size_t end, unsigned w) {
          std::vector<Linking> linkings;
          for (Walk& walk : workers_[w].walks) linkings.push_back({*this, workers_[w], walk, frozen, rows, fresh.data()});
          take_turns(linkings, begin, end);
        },
        [&](size_t done) { return !check_ || check_(done_before + done); });
    back_.clear();
    for (size_t i = 0; i < count; ++i) {
      const uint32_t* l = fresh.data() + i * s_.degree;
      uint32_t* own = list(rows[i]);
      for (unsigned j = 0; j < s_.degree && l[j] != kNone; ++j) {
        own[j] = l[j];
        back_.push_back(static_cast<uint64_t>(l[j]) << 32 | rows[i]);
      }
    }
    std::sort(back_.begin(), back_.end());
    std::vector<size_t> starts;
    for (size_t i = 0; i < back_.size(); ++i)
      if (i == 0 || (back_[i] >> 32) != (back_[i - 1] >> 32)) starts.push_back(i);
    starts.push_back(back_.size());
    parallel_for(
        starts.size() - 1, 64, s_.threads,
        [&](size_t begin, size_t end, unsigned w) {
          for (size_t i = begin; i < end; ++i) link_back(workers_[w], starts[i], starts[i + 1]);
        },
        [&](size_t) { return !check_ || check_(done_before + count); });
  }

  // Finds the links of one row of a round, in steps.
  struct Linking {
    Builder& builder;
    Worker& worker;
    Walk& walk;
    const Links& frozen;
    const uint32_t* rows;
    uint32_t* fresh;
    size_t item = 0;
    bool gathered = true;  // the rows to be scored next are on their way

    void begin(size_t i) {
      item = i;
      gathered = true;
      const std::vector<uint32_t>& starts = builder.starts_;
      walk.begin(frozen, starts.data(), std::min(starts.size(), builder.linked_), builder.s_.beam);
    }
    bool advance() {
      if (!gathered) {
        walk.gather(frozen);
        fetch_rows(builder.space_, walk.fresh, walk.count);
        return gathered = true;
      }
      PairScorer& pairs = worker.pruner.pairs();
      walk.take([&](const uint32_t* ids, unsigned n, float* scores) { pairs.score(rows[item], ids, n, scores); },
                [](uint32_t, float) {});
      if (walk.pop()) {
        frozen.fetch(walk.expanded);
        gathered = false;
        return true;
      }
      const unsigned degree = builder.s_.degree;
      worker.candidates.clear();
      for (size_t b = 0; b < walk.beam.size(); ++b) worker.candidates.push_back(walk.beam[b]);
      worker.kept.resize(degree);
      const unsigned m = worker.pruner.prune(worker.candidates, degree, worker.kept.data());
      std::copy_n(worker.kept.data(), m, fresh + item * degree);
      return false;
    }
  };

  // Edges back_[begin..end) all lead to one row: append them, or prune the row's list when it would overflow.
  void link_back(Worker& w, size_t begin, size_t end) {
    const uint32_t row = static_cast<uint32_t>(back_[begin] >> 32);
    uint32_t* l = list(row);
    unsigned m = length(row);
    if (m + (end - begin) <= room_) {
      for (size_t i = begin; i < end; ++i) l[m++] = static_cast<uint32_t>(back_[i]);
      return;
    }
    w.ids.assign(l, l + m);
    for (size_t i = begin; i < end; ++i) w.ids.push_back(static_cast<uint32_t>(back_[i]));
    shorten(w, row, l, room_);
  }

  // Prunes w.ids, the neighbours proposed for `row`, into `l`, whose room is filled up with kNone.
  void shorten(Worker& w, uint32_t row, uint32_t* l, unsigned room) {
    w.scores.resize(w.ids.size());
    w.pruner.pairs().score(row, w.ids.data(), static_cast<unsigned>(w.ids.size()), w.scores.data());
    w.candidates.clear();
    for (size_t i = 0; i < w.ids.size(); ++i)
      if (!std::isnan(w.scores[i])) w.candidates.push_back({w.scores[i], w.ids[i]});  // an order cannot hold NaN
    std::sort(w.candidates.begin(), w.candidates.end());
    w.kept.resize(s_.degree);
    const unsigned m = w.pruner.prune(w.candidates, s_.degree, w.kept.data());
    std::copy_n(w.kept.data(), m, l);
    std::fill(l + m, l + room, kNone);
  }

  // Cuts every list to the degree, and closes the gaps in place: a second array would cost as much as the graph.
  void finish() {
    parallel_for(
        space_.n, 256, s_.threads,
        [&](size_t begin, size_t end, unsigned t) {
          Worker& w = workers_[t];
          for (size_t i = begin; i < end; ++i) {
            const uint32_t row = static_cast<uint32_t>(i);
            const unsigned m = length(row);
            if (m <= s_.degree) continue;
            w.ids.assign(list(row), list(row) + m);
            shorten(w, row, list(row), s_.degree);
          }
        },
        [&](size_t) { return !check_ || check_(space_.n); });
    for (size_t i = 1; i < space_.n; ++i)
      std::memmove(links_ + i * s_.degree, links_ + i * room_, s_.degree * sizeof(uint32_t));
  }
};

}  // namespace

std::vector<uint32_t> build_graph(const Space& space, const BuildSettings& settings, uint32_t* lists, const Check& check) {
  return Builder(space, settings, lists, check).run();
}

}  // namespace nearfield
