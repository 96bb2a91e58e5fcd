#include "cells.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "best.hpp"
#include "block.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

constexpr size_t kMost = 64;   // queries of a group that share one pass over its rows
constexpr size_t kLeast = 4;   // as the float kernels take them
constexpr size_t kTasks = 4;   // a thread at least, where there are queries enough
constexpr size_t kBytes = 24576;  // of rows that are scored by all queries before the next are read

struct Task {
  size_t group, first, last;
};

struct Pair {
  uint32_t cell, query;  // query: its place in the task
  bool operator<(const Pair& o) const { return cell < o.cell || (cell == o.cell && query < o.query); }
};

struct Job {
  const Space& space;
  Measure measure;
  const Space* centroids;
  const uint32_t* order;
  const Cells& cells;
  const float* queries;
  const float* asked;
  size_t k, block;
  bool floats;   // whose kernels take four queries at a time, unprepared
  bool rounded;  // 8-bit codes: four queries at a time, in 8 bits
};

// One thread's work: the queries of a task against the cells they want.
class Worker {
 public:
  explicit Worker(const Job& job)
      : job_(job), four_(job.space, job.measure), eight_(job.space, job.measure), bests_(kMost, Best(job.k)), counts_(kMost),
        out_(kLeast * std::max<size_t>(job.block, 1)) {
    if (!job.floats && !job.rounded)
      for (size_t i = 0; i < kMost; ++i) prepared_.emplace_back(job.space, job.measure);
    if (job.centroids) near_.emplace_back(*job.centroids, job.measure);
  }

  void run(const Task& task, float* scores, int64_t* rows, uint32_t* scored) {
    const size_t count = task.last - task.first;
    for (size_t i = 0; i < count; ++i) {
      bests_[i].clear();
      counts_[i] = 0;
      if (job_.rounded) {
        eight_.set(i, query(task, i));
      } else if (!job_.floats) {
        const float* q = query(task, i);
        prepared_[i].set(&q, 1);
      }
    }
    const Cells& c = job_.cells;
    const uint32_t first = c.cells[c.groups[task.group]], last = c.cells[c.groups[task.group + 1]];
    const size_t wanted = std::max<size_t>(job_.k, c.budgets[task.group]);
    pairs_.clear();
    if (!job_.centroids || wanted >= last - first) {  // all cells of the group are one
      wanting_.resize(count);
      std::iota(wanting_.begin(), wanting_.end(), 0u);
      read(task, first, last);
    } else {
      choose(task, wanted, last - first);
    }
    for (size_t at = 0; at < pairs_.size();) {
      size_t stop = at;
      wanting_.clear();
      while (stop < pairs_.size() && pairs_[stop].cell == pairs_[at].cell) wanting_.push_back(pairs_[stop++].query);
      read(task, c.cells[pairs_[at].cell], c.cells[pairs_[at].cell + 1]);
      at = stop;
    }
    for (size_t i = 0; i < count; ++i) {
      write_best(bests_[i].sorted(), job_.k, scores + (task.first + i) * job_.k, rows + (task.first + i) * job_.k);
      if (scored) scored[task.first + i] = counts_[i];
    }
  }

 private:
  const float* query(const Task& task, size_t i) const { return job_.queries + (task.first + i) * job_.space.dim; }

  // Which cells each query reads: pairs_, by cell.
  void choose(const Task& task, size_t wanted, size_t total) {
    const Cells& c = job_.cells;
    const uint32_t begin = c.groups[task.group], end = c.groups[task.group + 1];
    const size_t count = end - begin, dim = job_.centroids->dim;
    near_scores_.resize(kLeast * count);
    ranked_.resize(count);
    for (size_t t = task.first; t < task.last; t += kLeast) {
      const size_t m = std::min(kLeast, task.last - t);
      const float* q[kLeast];
      for (size_t u = 0; u < m; ++u) q[u] = job_.asked + (t + u) * dim;
      near_[0].set(q, static_cast<unsigned>(m));
      near_[0].score(c.lists + begin, static_cast<unsigned>(count), near_scores_.data());
      for (size_t u = 0; u < m; ++u) take_nearest(near_scores_.data() + u * count, begin, count, wanted, total,
                                                  static_cast<uint32_t>(t + u - task.first));
    }
    std::sort(pairs_.begin(), pairs_.end());
  }

  void take_nearest(const float* near, uint32_t begin, size_t count, size_t wanted, size_t total, uint32_t query) {
    const Cells& c = job_.cells;
    for (size_t i = 0; i < count; ++i)
      // Without a score, such as infinity less infinity, there is no order.
      ranked_[i] = {std::isnan(near[i]) ? std::numeric_limits<float>::infinity() : near[i],
                    begin + static_cast<uint32_t>(i)};
    // Sorted only as far as cells are likely to be read: twice their share of the rows, then twice as many again.
    size_t sorted = 0, rows = 0;
    for (size_t i = 0; i < count && rows < wanted; ++i) {
      if (i == sorted) {
        const size_t step = sorted ? sorted : 2 * count * wanted / total + 8;
        const auto from = ranked_.begin() + static_cast<std::ptrdiff_t>(sorted);
        sorted = std::min(count, sorted + step);
        const auto to = ranked_.begin() + static_cast<std::ptrdiff_t>(sorted);
        if (sorted < count) std::nth_element(from, to, ranked_.end());
        std::sort(from, to);
      }
      const uint32_t cell = ranked_[i].row;
      rows += c.cells[cell + 1] - c.cells[cell];
      pairs_.push_back({cell, query});
    }
  }

  // Stored rows positions[at..end) for the queries in wanting_.
  void read(const Task& task, size_t at, size_t end) {
    const uint32_t* positions = job_.cells.positions;
    for (; at < end; at += job_.block) {
      const unsigned n = static_cast<unsigned>(std::min(job_.block, end - at));
      poll();
      if (job_.rounded) {
        eight_.rows(positions + at, n);
        for (size_t t = 0; t < wanting_.size(); t += kLeast) {
          const size_t m = std::min(kLeast, wanting_.size() - t);
          eight_.score(wanting_.data() + t, static_cast<unsigned>(m), out_.data());
          for (size_t u = 0; u < m; ++u) keep(wanting_[t + u], positions + at, n, out_.data() + u * n);
        }
      } else if (job_.floats) {
        for (size_t t = 0; t < wanting_.size(); t += kLeast) {
          const size_t m = std::min(kLeast, wanting_.size() - t);
          const float* q[kLeast];
          for (size_t u = 0; u < m; ++u) q[u] = query(task, wanting_[t + u]);
          four_.set(q, static_cast<unsigned>(m));
          four_.score(positions + at, n, out_.data());
          for (size_t u = 0; u < m; ++u) keep(wanting_[t + u], positions + at, n, out_.data() + u * n);
        }
      } else {
        for (uint32_t i : wanting_) {
          prepared_[i].score(positions + at, n, out_.data());
          keep(i, positions + at, n, out_.data());
        }
      }
    }
  }

  void keep(uint32_t i, const uint32_t* positions, unsigned n, const float* scores) {
    offer_all(bests_[i], scores, n, [&](size_t r) { return job_.order ? job_.order[positions[r]] : positions[r]; });
    counts_[i] += n;
  }

  const Job& job_;
  Targets four_;
  Block eight_;
  std::vector<Targets> prepared_, near_;
  std::vector<Best> bests_;
  std::vector<uint32_t> counts_, wanting_;
  std::vector<float> out_, near_scores_;
  std::vector<Entry> ranked_;
  std::vector<Pair> pairs_;
};

bool ascends(const uint32_t* offsets, size_t count, size_t end) {
  return offsets[0] == 0 && offsets[count] == end && std::is_sorted(offsets, offsets + count + 1);
}

}  // namespace

bool cells_valid(const Cells& c, size_t nq, size_t cell_count, size_t list_count, size_t position_count, size_t lists,
                 size_t n) {
  return list_count == cell_count && ascends(c.members, c.count, nq) && ascends(c.groups, c.count, cell_count) &&
         ascends(c.cells, cell_count, position_count) &&
         std::all_of(c.lists, c.lists + list_count, [&](uint32_t list) { return list < lists; }) &&
         std::all_of(c.positions, c.positions + position_count, [&](uint32_t row) { return row < n; });
}

void search_cells(const Space& space, Measure measure, const Space* centroids, const uint32_t* order,
                  const Cells& cells, const float* queries, const float* asked, size_t nq, size_t k, bool rounded,
                  unsigned threads, float* scores, int64_t* rows, uint32_t* scored, const Check& check) {
  if (nq == 0) return;
  const size_t block = std::clamp<size_t>(kBytes / std::max<size_t>(space.row_bytes(), 1), 16, 1024);
  const Job job{space, measure, centroids, order, cells, queries, asked, k, block,
                space.kind == Kind::f32 || space.kind == Kind::f16, rounded && space.kind == Kind::sq8};
  // Wide enough that rows are read once for many queries, narrow enough that every thread has work.
  const size_t even = nq / (kTasks * std::max(1u, threads)) / kLeast * kLeast;
  const size_t width = std::clamp(even, kLeast, kMost);
  std::vector<Task> tasks;
  for (size_t g = 0; g < cells.count; ++g)
    for (size_t first = cells.members[g]; first < cells.members[g + 1]; first += width)
      tasks.push_back({g, first, std::min<size_t>(first + width, cells.members[g + 1])});
  std::vector<std::unique_ptr<Worker>> workers(std::max(1u, threads));
  parallel_for(
      tasks.size(), 1, threads,
      [&](size_t begin, size_t end, unsigned number) {
        if (!workers[number]) workers[number] = std::make_unique<Worker>(job);
        for (size_t t = begin; t < end; ++t) workers[number]->run(tasks[t], scores, rows, scored);
      },
      check);
}

}  // namespace nearfield
