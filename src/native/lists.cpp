#include "lists.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "best.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

constexpr size_t kGroup = 4;     // queries that share one pass over the centroids
constexpr size_t kBlock = 1024;  // rows scored at a time

// The lists of one query, nearest first, sorted only as far as they are asked for.
class Nearest {
 public:
  void start(const float* scores, size_t n, size_t step) {
    lists_.resize(n);
    for (size_t i = 0; i < n; ++i)
      // Without a score, such as infinity less infinity, there is no order.
      lists_[i] = {std::isnan(scores[i]) ? std::numeric_limits<float>::infinity() : scores[i],
                   static_cast<uint32_t>(i)};
    step_ = step;
    at_ = sorted_ = 0;
  }
  bool more() const { return at_ < lists_.size(); }
  uint32_t next() {
    if (at_ == sorted_) sort_on();
    return lists_[at_++].row;
  }

 private:
  void sort_on() {
    const size_t to = std::min(lists_.size(), std::max(sorted_ + step_, 2 * sorted_));
    const auto begin = lists_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    const auto end = lists_.begin() + static_cast<std::ptrdiff_t>(to);
    if (to < lists_.size()) std::nth_element(begin, end, lists_.end());
    std::sort(begin, end);
    sorted_ = to;
  }

  std::vector<Entry> lists_;
  size_t step_ = 1, at_ = 0, sorted_ = 0;
};

struct Job {
  const Space& space;
  Measure measure;
  const Lists& lists;
  const uint64_t* allow;
  size_t k, probes, wanted;
  const std::vector<uint32_t>* few;  // where all allowed rows are to be scored: where they are stored

  bool allowed(uint32_t row) const { return row < space.n && (allow[row / 64] >> (row % 64) & 1); }
};

// One query at a time: gathers stored rows, scores them in blocks, keeps the best.
class Reader {
 public:
  explicit Reader(const Job& job) : job_(job), target_(job.space, job.measure), best_(job.k), out_(kBlock) {
    ids_.reserve(kBlock);
  }

  void begin(const float* query) {
    target_.set(&query, 1);
    best_.clear();
    seen_ = 0;
  }
  void read_few() {
    for (uint32_t at : *job_.few) take(at);
  }
  void read_lists(Nearest& nearest) {
    for (size_t i = 0; nearest.more() && (i < job_.probes || seen_ < job_.wanted); ++i) {
      const uint32_t list = nearest.next();
      const uint32_t stop = job_.lists.offsets[list + 1];
      for (uint32_t at = job_.lists.offsets[list]; at < stop; ++at)
        if (!job_.allow || job_.allowed(job_.lists.rows[at])) take(at);
    }
  }
  void end(float* scores, int64_t* rows) {
    score();
    write_best(best_.sorted(), job_.k, scores, rows);
  }

 private:
  void take(uint32_t at) {
    ids_.push_back(at);
    ++seen_;
    if (ids_.size() == kBlock) score();
  }
  void score() {
    poll();  // where all lists are read, a query may take long
    target_.score(ids_.data(), static_cast<unsigned>(ids_.size()), out_.data());
    offer_all(best_, out_.data(), ids_.size(), [&](size_t i) { return job_.lists.rows[ids_[i]]; });
    ids_.clear();
  }

  const Job& job_;
  Targets target_;
  Best best_;
  std::vector<uint32_t> ids_;
  std::vector<float> out_;
  size_t seen_ = 0;
};

size_t count_allowed(const uint64_t* allow, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < (n + 63) / 64; ++i) count += static_cast<size_t>(std::popcount(allow[i]));
  return count;
}

}  // namespace

void search_lists(const Space& space, Measure measure, const Lists& lists, const float* queries, const float* asked,
                  size_t nq, const uint64_t* allow, const ListSettings& settings, float* scores, int64_t* rows,
                  const Check& check) {
  if (nq == 0) return;
  Job job{space, measure, lists, allow, settings.k, std::max<size_t>(settings.probes, 1), settings.k, nullptr};
  std::vector<uint32_t> few;
  if (allow) {
    job.wanted = std::max(settings.k, settings.budget);
    if (count_allowed(allow, space.n) <= job.wanted) {
      // Every list would have to be read: better once for all queries.
      for (size_t at = 0; at < space.n; ++at)
        if (job.allowed(lists.rows[at])) few.push_back(static_cast<uint32_t>(at));
      job.few = &few;
    }
  }
  const size_t count = lists.centroids.n, groups = (nq + kGroup - 1) / kGroup;
  std::vector<uint32_t> every(count);
  std::iota(every.begin(), every.end(), 0u);

  parallel_for(
      groups, 1, settings.threads,
      [&](size_t first, size_t last, unsigned) {
        Targets centres(lists.centroids, measure);
        Reader reader(job);
        Nearest nearest;
        std::vector<float> near(kGroup * count);
        for (size_t group = first; group < last; ++group) {
          const size_t begin = group * kGroup, m = std::min(kGroup, nq - begin);
          if (!job.few) {
            const float* q[kGroup];
            for (size_t t = 0; t < m; ++t) q[t] = asked + (begin + t) * lists.centroids.dim;
            centres.set(q, static_cast<unsigned>(m));
            centres.score(every.data(), static_cast<unsigned>(count), near.data());
          }
          for (size_t t = 0; t < m; ++t) {
            const size_t i = begin + t;
            reader.begin(queries + i * space.dim);
            if (job.few) {
              reader.read_few();
            } else {
              nearest.start(near.data() + t * count, count, job.probes);
              reader.read_lists(nearest);
            }
            reader.end(scores + i * settings.k, rows + i * settings.k);
          }
        }
      },
      check);
}

}  // namespace nearfield
