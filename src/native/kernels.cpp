#include "kernels.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace nearfield {

namespace {

bool cpu_has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

bool cpu_has_avx512() {
#if defined(__x86_64__)
  return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

const Kernels* table(Level l) {
  switch (l) {
    case Level::avx512: return avx512_kernels();
    case Level::avx2: return avx2_kernels();
    default: return &scalar_kernels();
  }
}

Level widest() {
  if (level_supported(Level::avx512)) return Level::avx512;
  if (level_supported(Level::avx2)) return Level::avx2;
  return Level::scalar;
}

struct Choice {
  std::atomic<Level> level{widest()};
  std::atomic<const Kernels*> table_{table(widest())};
};

Choice& choice() {
  static Choice c;
  return c;
}

}  // namespace

bool level_supported(Level l) {
  if (l == Level::scalar) return true;
  if (l == Level::avx2) return cpu_has_avx2() && avx2_kernels() != nullptr;
  return cpu_has_avx512() && avx512_kernels() != nullptr;
}

const Kernels& kernels() { return *choice().table_.load(std::memory_order_relaxed); }

Level level() { return choice().level.load(std::memory_order_relaxed); }

void set_level(Level l) {
  choice().level.store(l);
  choice().table_.store(table(l));
}

}  // namespace nearfield
