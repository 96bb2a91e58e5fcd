// A small thread pool: parallel_for with dynamic chunks, a cancel flag, and a caller that stays responsive.
#pragma once
#include <cstddef>
#include <functional>
#include <stdexcept>

namespace nearfield {

// Thrown on the caller's thread when `check` asked to stop; the binding layer turns it into the pending Python error.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

// Runs body(begin, end, worker) over [0, n) in chunks of `grain`, on at most `threads` threads, the caller among them;
// worker is in [0, threads). The caller calls `check(done)` between its chunks and while it waits for the last ones, at
// most every 50 ms; when it returns false the remaining chunks are skipped and Interrupted is thrown. An exception of a body is rethrown on the caller.
// Which thread runs a chunk never matters to the result. When the pool is taken by another call, the work runs on the
// caller alone: concurrent searches from many Python threads do not queue up behind each other.
// With `least`, chunks shrink from `grain` to it towards the end, so that no thread waits long for the last one.
void parallel_for(size_t n, size_t grain, unsigned threads,
                  const std::function<void(size_t begin, size_t end, unsigned worker)>& body,
                  const std::function<bool(size_t done)>& check, size_t least = 0);

// For bodies whose chunks take long: call it every millisecond or so. Calls `check` as above, and throws Interrupted on
// every thread of the call once it returned false.
void poll();

unsigned default_threads();
void set_default_threads(unsigned n);

}  // namespace nearfield
