#include "pool.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace nearfield {

namespace {

using clock = std::chrono::steady_clock;
constexpr auto kCheckEvery = std::chrono::milliseconds(50);

struct Job;

// What the thread is working on, for poll().
struct Current {
  Job* job = nullptr;
  unsigned worker = 0;
};
thread_local Current current;

// When this thread last asked: kept between calls, for a build is hundreds of short ones.
thread_local clock::time_point asked = clock::now();

struct Job {
  size_t n, grain;
  size_t least, share;  // a chunk takes one in `share` of what is left, but at least so many; 0: chunks are all alike
  const std::function<void(size_t, size_t, unsigned)>* body;
  std::atomic<size_t> next{0};
  std::atomic<size_t> done{0};
  std::atomic<bool> stop{false};
  const std::function<bool(size_t)>* check;
  std::mutex error_mutex;
  std::exception_ptr error;

  // On the caller's thread only: Python looks for signals there.
  void ask() {
    if (!*check || stop) return;
    const auto now = clock::now();
    if (now - asked <= kCheckEvery) return;
    asked = now;
    if (!(*check)(done.load())) stop = true;
  }

  std::pair<size_t, size_t> take() {
    if (!least) {
      const size_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      return {begin, std::min(n, begin + grain)};
    }
    size_t begin = next.load(std::memory_order_relaxed), end;
    do {
      if (begin >= n) return {n, n};
      end = std::min(n, begin + std::clamp((n - begin) / share, least, grain));
    } while (!next.compare_exchange_weak(begin, end, std::memory_order_relaxed));
    return {begin, end};
  }

  bool step(unsigned worker) {
    if (stop.load(std::memory_order_relaxed)) return false;
    const auto [begin, end] = take();
    if (begin >= end) return false;
    const Current outer = current;
    current = {this, worker};
    try {
      (*body)(begin, end, worker);
      current = outer;
    } catch (...) {
      current = outer;
      std::lock_guard<std::mutex> lock(error_mutex);
      if (!error) error = std::current_exception();
      stop = true;
      return false;
    }
    done.fetch_add(end - begin, std::memory_order_relaxed);
    return true;
  }
};

class Pool {
 public:
  std::mutex owner;  // held by the call that uses the workers

  void run(Job& job, unsigned helpers);

 private:
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::vector<std::thread> workers_;
  Job* job_ = nullptr;
  unsigned wanted_ = 0, running_ = 0;
  uint64_t ticket_ = 0;

  void loop(unsigned index);
};

// Never destroyed: joining threads while the interpreter shuts down can hang. A forked child has no worker threads, so
// it starts over with a fresh pool and leaks the parent's.
std::atomic<Pool*> instance{nullptr};

Pool& pool() {
  Pool* p = instance.load();
  if (p) return *p;
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { instance.store(new Pool); }); });
  Pool* fresh = new Pool;
  if (instance.compare_exchange_strong(p, fresh)) return *fresh;
  delete fresh;
  return *p;
}

void Pool::loop(unsigned index) {
  uint64_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return job_ && ticket_ != seen && index < wanted_; });
    seen = ticket_;
    Job* job = job_;
    ++running_;
    lock.unlock();
    while (job->step(index + 1)) {
    }
    lock.lock();
    if (--running_ == 0) idle_.notify_all();
  }
}

void caller_loop(Job& job) {
  while (job.step(0)) job.ask();
}

void Pool::run(Job& job, unsigned helpers) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    while (workers_.size() < helpers) {
      const unsigned index = static_cast<unsigned>(workers_.size());
      workers_.emplace_back([this, index] { loop(index); });
      workers_.back().detach();
    }
    job_ = &job;
    wanted_ = helpers;
    ++ticket_;
  }
  wake_.notify_all();
  caller_loop(job);
  std::unique_lock<std::mutex> lock(mutex_);
  job_ = nullptr;  // a worker that wakes up late finds nothing
  while (!idle_.wait_for(lock, kCheckEvery, [&] { return running_ == 0; })) {
    lock.unlock();
    job.ask();
    lock.lock();
  }
}

std::atomic<unsigned> threads_setting{0};

}  // namespace

unsigned default_threads() {
  const unsigned n = threads_setting.load();
  if (n) return n;
  // Asked once: the C library may open a file of /sys for the answer, which takes longer than a search.
  static const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
  return processors;
}

void set_default_threads(unsigned n) { threads_setting = n; }

void poll() {
  if (!current.job) return;
  if (current.worker == 0) current.job->ask();
  if (current.job->stop.load(std::memory_order_relaxed)) throw Interrupted();
}

void parallel_for(size_t n, size_t grain, unsigned threads,
                  const std::function<void(size_t, size_t, unsigned)>& body,
                  const std::function<bool(size_t)>& check, size_t least) {
  if (n == 0) return;
  grain = std::max<size_t>(grain, 1);
  Job job;
  job.n = n;
  job.grain = grain;
  job.least = threads > 1 ? std::min(least, grain) : 0;  // nobody waits for a thread that is alone
  job.share = 2 * static_cast<size_t>(std::max(threads, 1u));
  job.body = &body;
  job.check = &check;
  const size_t smallest = job.least ? job.least : grain;
  const size_t chunks = (n + smallest - 1) / smallest;
  const unsigned helpers = static_cast<unsigned>(std::min<size_t>(std::max(threads, 1u), chunks)) - 1;
  if (helpers == 0) {
    caller_loop(job);
  } else {
    Pool& p = pool();
    std::unique_lock<std::mutex> owner(p.owner, std::try_to_lock);
    if (owner.owns_lock())
      p.run(job, helpers);
    else
      caller_loop(job);
  }
  if (job.error) std::rethrow_exception(job.error);
  if (job.stop) throw Interrupted();
}

}  // namespace nearfield
