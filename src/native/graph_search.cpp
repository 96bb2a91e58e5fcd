#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "allowed.hpp"
#include "graph.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

// Queries a thread takes at a time: many at first, few towards the end. With 64 to the last, one of two threads waits
// for the other during 3% of a thousand queries.
constexpr size_t kChunk = 64, kLastChunk = 8;

// Lists of rows that are not allowed, asked for before they are read.
constexpr size_t kListsAhead = 12;

// Kept between calls: a query should not pay for clearing or allocating what the last one used.
struct Scratch {
  Walk walk;
  Beam taken;  // the best rows that may be returned, where the walk's own beam holds others too
  Visited crossed;                // rows that are not allowed whose links were read all the same
  std::vector<uint32_t> through;  // such rows, to be read next
  std::vector<uint32_t> ids;
  std::vector<float> scores;
  std::vector<Scored> best;
};

// Not inlined: the address of a thread's storage is looked up once a chunk instead of at every use (3% of a search).
__attribute__((noinline)) std::vector<std::unique_ptr<Scratch>>& scratch() {
  thread_local std::vector<std::unique_ptr<Scratch>> s;
  return s;
}

struct Job {
  const Space& space;
  Measure measure;
  const Links& links;
  const uint32_t* entries;
  size_t entry_count;
  const float* queries;
  const uint64_t* allow;
  const Space* second;
  const float* second_queries;
  const Signs* signs;
  size_t k, wanted, width;
  float slack;    // infinite: only the beam ends a walk
  float length2;  // |x|^2 of every row, under ip
  float* scores;
  int64_t* rows;
  uint32_t* distances;
  uint8_t* covered;
  const Followed* followed;      // null: allowed rows are collected on a walk over all
  std::vector<uint32_t> starts;  // allowed rows, where they are followed
  double share;                  // of the allowed rows among all
};

// One query under way. Each step leaves what the next one needs on its way from memory.
class Search {
 public:
  // heads: for the walk by signs, the queries from `first` on in their frame.
  Search(const Job& job, Scratch& scratch, const float* heads, size_t first)
      : job_(job), s_(scratch), heads_(heads), first_(first), target_(job.space, job.measure) {
    if (job.second) again_.emplace(*job.second, job.measure);
  }

  void begin(size_t query) {
    query_ = query;
    const float* q = asked();
    target_.set(&q, 1);
    if (job_.measure == Measure::ip && job_.slack != std::numeric_limits<float>::infinity()) {
      around_ = job_.length2;
      for (unsigned j = 0; j < job_.space.dim; ++j) around_ += q[j] * q[j];
    }
    if (job_.allow || job_.signs) s_.taken.start(job_.followed ? job_.width : job_.wanted);
    if (job_.signs) return begin_signs();
    s_.walk.begin(job_.links, job_.entries, job_.entry_count, job_.followed ? job_.followed->near : job_.width);
    step_ = &Search::score_rows;
  }
  // False when the query is answered.
  bool advance() { return (this->*step_)(); }

 private:
  const Job& job_;
  Scratch& s_;
  const float* heads_;
  size_t first_;
  Targets target_;
  std::optional<Targets> again_;
  SignQuery sign_query_;
  size_t query_ = 0;
  float around_ = 0;  // |q|^2 + |x|^2, under ip
  unsigned found_ = 0;   // fresh rows of the list at hand, where allowed rows are followed
  size_t read_ = 0;      // lists read of rows that are not allowed
  bool scarce_ = false;  // few rows around the query are allowed
  bool (Search::*step_)() = nullptr;

  const float* asked() const { return job_.queries + query_ * job_.space.dim; }

  // The score beyond which a row will never be followed: nothing worse need enter the beam.
  float limit() const {
    if (job_.slack == std::numeric_limits<float>::infinity()) return job_.slack;
    const Beam& found = job_.allow || job_.signs ? s_.taken : s_.walk.beam;
    if (found.size() < job_.k) return std::numeric_limits<float>::infinity();
    const float most = (1 + job_.slack) * std::max(0.0f, squared(found[job_.k - 1].score));
    return job_.measure == Measure::l2 ? most : 0.5f * (most - around_);
  }

  // Whether all that is left to follow lies farther than slack allows beyond the k-th answer so far. An easy query ends
  // early and a hard one goes on: at equal recall 0.8 of the hops that a beam alone takes (WordNet, recall 0.98).
  bool far_enough() {
    if (job_.slack == std::numeric_limits<float>::infinity()) return false;
    if (job_.allow || job_.signs) s_.taken.settle();
    return s_.walk.beam.popped_score() > limit();
  }
  float squared(float score) const { return job_.measure == Measure::l2 ? score : around_ + 2 * score; }

  bool read_links() {
    s_.walk.gather(job_.links);
    fetch_rows(job_.space, s_.walk.fresh, s_.walk.count);
    step_ = &Search::score_rows;
    return true;
  }

  bool score_rows() {
    const auto score = [&](const uint32_t* ids, unsigned n, float* out) { target_.score(ids, n, out); };
    if (const uint64_t* allow = job_.allow) {
      s_.walk.take(score, [&](uint32_t id, float value) {
        if (is_allowed(allow, id)) s_.taken.offer({value, id});
      });
    } else {
      s_.walk.take(score, [](uint32_t, float) {}, limit());
    }
    if (!s_.walk.pop() || far_enough()) return job_.followed ? end_near() : end_walk();
    job_.links.fetch(s_.walk.expanded);
    step_ = &Search::read_links;
    return true;
  }

  // The narrow walk over all rows is where the query is. From here on, only allowed rows are scored and followed. If few
  // of the rows it met last are allowed, those that are lie elsewhere: the walk begins again from rows of the filter.
  bool end_near() {
    Walk& walk = s_.walk;
    s_.taken.settle();
    s_.crossed.start(job_.links.n);
    read_ = 0;
    const unsigned met = static_cast<unsigned>((walk.visited.count() + 1) / 2);
    const uint32_t* rows = walk.visited.last(met);
    unsigned here = 0;
    for (unsigned i = 0; i < met; ++i) here += is_allowed(job_.allow, rows[i]);
    scarce_ = here < job_.followed->scarce * job_.share * met;
    if (!scarce_) return next_allowed();
    if (!job_.followed->wide) return end_allowed(false);
    if (job_.followed->wide > job_.width) {
      s_.best.clear();
      for (size_t j = 0; j < s_.taken.size(); ++j) s_.best.push_back(s_.taken[j]);
      s_.taken.start(job_.followed->wide);
      for (const Scored& s : s_.best) s_.taken.offer(s);
      s_.taken.settle();
    }
    return take_allowed(walk.visited.add(job_.starts.data(), static_cast<unsigned>(job_.starts.size())));
  }

  bool next_allowed() {
    s_.walk.expanded = s_.taken.pop();
    if (s_.walk.expanded == kNone) return end_allowed(true);
    if (s_.walk.visited.count() + read_ > job_.followed->most) return end_allowed(false);
    job_.links.fetch(s_.walk.expanded);
    step_ = &Search::read_allowed;
    return true;
  }

  // What an allowed row leads to: the allowed rows of its list, and where they are few, those of the lists of the others.
  bool read_allowed() {
    const uint32_t* list = job_.links.of(s_.walk.expanded);
    found_ = s_.walk.visited.add_allowed(list, job_.links.room, job_.allow);
    s_.through.clear();
    if (found_ < enough()) {
      for (unsigned i = 0; i < job_.links.room && list[i] != kNone; ++i)
        if (!is_allowed(job_.allow, list[i]) && !s_.crossed.has(list[i])) s_.through.push_back(list[i]);
    }
    if (s_.through.empty()) return take_allowed(found_);
    for (size_t i = 0; i < std::min<size_t>(kListsAhead, s_.through.size()); ++i) job_.links.fetch(s_.through[i]);
    step_ = &Search::cross;
    return true;
  }

  bool cross() {
    for (size_t i = 0; i < s_.through.size() && found_ < enough(); ++i, ++read_) {
      if (i + kListsAhead < s_.through.size()) job_.links.fetch(s_.through[i + kListsAhead]);
      s_.crossed.add(&s_.through[i], 1);
      found_ += s_.walk.visited.add_allowed(job_.links.of(s_.through[i]), job_.links.room, job_.allow);
    }
    return take_allowed(found_);
  }
  unsigned enough() const { return scarce_ ? job_.links.room : job_.followed->enough; }

  bool take_allowed(unsigned count) {
    if (!count) return next_allowed();
    s_.walk.count = count;
    s_.walk.fresh = s_.walk.visited.last(count);
    if (s_.walk.scores.size() < count) s_.walk.scores.resize(count);
    fetch_rows(job_.space, s_.walk.fresh, count);
    step_ = &Search::score_allowed;
    return true;
  }

  bool score_allowed() {
    Walk& walk = s_.walk;
    target_.score(walk.fresh, walk.count, walk.scores.data());
    for (unsigned i = 0; i < walk.count; ++i) s_.taken.offer({walk.scores[i], walk.fresh[i]});
    s_.taken.settle();
    return next_allowed();
  }

  bool end_allowed(bool whole) {
    if (job_.distances) job_.distances[query_] = static_cast<uint32_t>(s_.walk.visited.count() + read_);
    const bool covered = whole && s_.taken.size() >= job_.k;
    if (job_.covered) job_.covered[query_] = covered + 2 * scarce_;
    if (covered) return finish();
    s_.best.clear();
    return answer();
  }

  void begin_signs() {
    const SignLayout& layout = job_.signs->layout;
    sign_query_.set(heads_ + (query_ - first_) * layout.dim, layout.dim);
    Walk& walk = s_.walk;
    walk.visited.start(job_.links.n);
    walk.beam.start(job_.width);
    if (walk.scores.size() < std::max<size_t>(kSignLinks, job_.entry_count))
      walk.scores.resize(std::max<size_t>(kSignLinks, job_.entry_count));
    target_.score(job_.entries, static_cast<unsigned>(job_.entry_count), walk.scores.data());
    for (size_t e = 0; e < job_.entry_count; ++e) walk.beam.offer({walk.scores[e], job_.entries[e]});
    walk.beam.settle();
    next_record();
  }

  // The next row to follow, and all that is needed of it on its way. Visited are the rows that were followed: until then
  // a row may be in the beam several times, as different neighbours estimate it. The best estimate decides when it is
  // looked at; to take only the first one costs more than the repetition (recall 0.95 at 0.85 of the rate).
  bool next_record() {
    Walk& walk = s_.walk;
    do {
      if (!walk.pop()) return false;
      if (far_enough()) return false;
    } while (!walk.visited.add(&walk.expanded, 1));
    job_.links.fetch(walk.expanded);
    fetch_rows(job_.space, &walk.expanded, 1);
    const size_t bytes = job_.signs->layout.record_bytes();
    prefetch_bytes(job_.signs->records + walk.expanded * bytes, bytes);
    step_ = &Search::follow_signs;
    return true;
  }

  bool follow_signs() {
    Walk& walk = s_.walk;
    const uint32_t row = walk.expanded;
    float own;
    target_.score(&row, 1, &own);
    // Settled when full, and at the end.
    if (!job_.allow || (job_.allow[row / 64] >> (row % 64) & 1)) s_.taken.offer({own, row});
    const Signs& signs = *job_.signs;
    const uint8_t* record = signs.records + row * signs.layout.record_bytes();
    const uint32_t* links = job_.links.of(row);
    const SignScan scan = sign_query_.scan(signs.layout, own, signs.units);
    float* out = walk.scores.data();
    const float most = limit();
    for (unsigned begin = 0; begin < job_.links.room; begin += kSignLinks, record += signs.layout.chunk_bytes()) {
      for (uint32_t left = kernels().signs(scan, record, std::min(most, walk.beam.worst()), out); left; left &= left - 1) {
        const unsigned j = static_cast<unsigned>(__builtin_ctz(left));
        if (begin + j >= job_.links.room || links[begin + j] == kNone) break;  // a file may say anything
        if (!walk.visited.has(links[begin + j])) walk.beam.offer({out[j], links[begin + j]});
      }
      walk.beam.settle();
    }
    return next_record() || end_walk();
  }

  bool end_walk() {
    s_.taken.settle();
    if (job_.distances) job_.distances[query_] = static_cast<uint32_t>(s_.walk.visited.count());
    if (job_.covered) {
      // Well inside of what was walked, that is: of the rows near the beam's end many were never seen. A beam hardly
      // wider than k is asked no more than that most of the nearest rows are allowed.
      const Beam& walked = s_.walk.beam;
      const size_t inside = std::min(walked.size() - 1, std::max(walked.size() / 2, 3 * job_.k / 2));
      const float edge = walked.size() < job_.width ? std::numeric_limits<float>::infinity() : walked[inside].score;
      job_.covered[query_] = !job_.allow || (s_.taken.size() >= job_.k && s_.taken[job_.k - 1].score <= edge);
    }
    return finish();
  }

  bool finish() {
    const Beam& found = job_.allow || job_.signs ? s_.taken : s_.walk.beam;
    const size_t count = std::min(found.size(), job_.wanted);
    if (!job_.second) {
      s_.best.clear();
      for (size_t j = 0; j < count; ++j) s_.best.push_back(found[j]);
      return answer();
    }
    s_.ids.clear();
    for (size_t j = 0; j < count; ++j) s_.ids.push_back(found[j].id);
    fetch_rows(*job_.second, s_.ids.data(), count);
    step_ = &Search::score_again;
    return true;
  }

  bool score_again() {
    const float* q = job_.second_queries + query_ * job_.second->dim;
    s_.scores.resize(s_.ids.size());
    // The second level of the codes walked over has the same grid and the same queries: they are ready.
    if (level_bits(job_.second->kind) && job_.second->first == job_.space.data &&
        job_.second->center == job_.space.center && q == asked())
      again_->set_as(target_);
    else
      again_->set(&q, 1);
    again_->score(s_.ids.data(), static_cast<unsigned>(s_.ids.size()), s_.scores.data());
    s_.best.clear();
    for (size_t j = 0; j < s_.ids.size(); ++j)
      if (!std::isnan(s_.scores[j])) s_.best.push_back({s_.scores[j], s_.ids[j]});  // an order cannot hold NaN
    std::sort(s_.best.begin(), s_.best.end());
    return answer();
  }

  bool answer() {
    for (size_t j = 0; j < job_.k; ++j) {
      const bool there = j < s_.best.size();
      job_.scores[query_ * job_.k + j] = there ? s_.best[j].score : std::numeric_limits<float>::infinity();
      job_.rows[query_ * job_.k + j] = there ? static_cast<int64_t>(s_.best[j].id) : -1;
    }
    return false;
  }
};

}  // namespace

void search_graph(const Space& space, Measure measure, const Links& links, const uint32_t* entries, size_t entry_count,
                  const float* queries, size_t nq, const Signs* signs, const uint64_t* allow, const Space* second,
                  const float* second_queries, const SearchSettings& settings, float* scores, int64_t* rows,
                  uint32_t* distances, uint8_t* covered, const Check& check) {
  const size_t k = settings.k;
  const size_t wanted = second ? std::max(k, settings.candidates) : k;
  const std::optional<Followed>& follow = settings.followed;
  float length2 = 0;
  const bool limited = settings.slack != std::numeric_limits<float>::infinity();
  if (measure == Measure::ip && limited) {  // all rows of a graph under ip have the length of its entry: unit vectors, or reduced
    std::vector<float> row(space.dim);
    read_rows(space, entries[0], 1, row.data());
    for (const float v : row) length2 += v * v;
  }
  const Job job{space,          measure, links,  entries, entry_count,
                queries,        allow,   second, second_queries, signs, k,
                wanted,         std::max(settings.beam, wanted), settings.slack, length2, scores, rows,
                distances,      covered,
                follow ? &*follow : nullptr,
                follow ? spaced_rows(allow, space.n, kStarts) : std::vector<uint32_t>(),
                follow ? static_cast<double>(count_rows(allow, space.n)) / static_cast<double>(space.n) : 1.0};
  // A thread keeps several walks going, but where there are hardly more queries than threads each should get one.
  const size_t last = std::clamp<size_t>(nq / (4 * std::max(1u, settings.threads)), 1, kLastChunk);
  parallel_for(
      nq, kChunk, settings.threads,
      [&](size_t begin, size_t end, unsigned) {
        std::vector<std::unique_ptr<Scratch>>& own = scratch();
        const size_t together = std::min(kTogether, end - begin);
        while (own.size() < together) own.push_back(std::make_unique<Scratch>());
        std::vector<float> heads;
        if (signs) {  // one after another, while the projection is in the cache
          heads.resize((end - begin) * signs->layout.dim);
          signs->frame.apply(queries + begin * space.dim, end - begin, heads.data());
        }
        std::vector<Search> searches;
        searches.reserve(together);
        for (size_t i = 0; i < together; ++i) searches.emplace_back(job, *own[i], heads.data(), begin);
        take_turns(searches, begin, end);
      },
      check, last);
}

}  // namespace nearfield
