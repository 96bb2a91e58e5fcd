#include "predicates.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels.hpp"
#include "pool.hpp"

namespace nearfield {

namespace {

constexpr size_t kBlock = 64;         // words of 64 rows
constexpr size_t kBlocksAtOnce = 32;  // a thread takes 131,072 rows

constexpr double kRadians = 3.14159265358979323846 / 180.0;

// Rows [64 first, 64 (first + words)); those from `rows` on do not exist. Kernels read whole words, so the last rows
// of a column go through a copy.
template <class Kernel>
void scan_codes(const Input& codes, size_t first, size_t words, size_t rows, uint64_t* out, Kernel&& kernel) {
  const char* data = static_cast<const char*>(codes.data);
  const size_t whole = std::min(words, rows / 64 > first ? rows / 64 - first : 0);
  if (whole) kernel(data + 64 * first * codes.width, whole, out);
  if (whole < words) {
    char rest[64 * 4] = {};
    const size_t start = 64 * (first + whole);
    std::memcpy(rest, data + start * codes.width, (rows - start) * codes.width);
    kernel(rest, size_t{1}, out + whole);
  }
}

template <class Test>
void keep(uint64_t* top, size_t first, size_t words, bool turned, Test&& test) {
  for (size_t w = 0; w < words; ++w) {
    uint64_t kept = top[w];
    for (uint64_t left = kept; left; left &= left - 1) {
      const unsigned bit = static_cast<unsigned>(__builtin_ctzll(left));
      if (test(64 * (first + w) + bit) == turned) kept &= ~(uint64_t{1} << bit);
    }
    top[w] = kept;
  }
}

// Intervals are closed, ascending and disjoint.
bool in_intervals(uint64_t value, const uint64_t* bounds, size_t count) {
  if (count == 1) return bounds[0] <= value && value <= bounds[1];
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (bounds[2 * middle + 1] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && bounds[2 * low] <= value;
}

template <class T>
void keep_numbers(uint64_t* top, size_t first, size_t words, const Step& step) {
  const T* values = static_cast<const T*>(step.input->data);
  const uint64_t* bounds = static_cast<const uint64_t*>(step.second->data);
  const size_t count = step.second->size / 2;
  keep(top, first, words, step.x != 0, [&](size_t row) { return in_intervals(ordered(values[row]), bounds, count); });
}

// The half-versed sine of the angle between two places against that of the radius: no inverse function is needed.
void keep_circle(uint64_t* top, size_t first, size_t words, const Step& step) {
  const double* lat = static_cast<const double*>(step.input->data);
  const double* lon = static_cast<const double*>(step.second->data);
  const double* circle = static_cast<const double*>(step.third->data);
  const double at = circle[0] * kRadians, along = std::cos(at), limit = circle[2];
  keep(top, first, words, step.x != 0, [&](size_t row) {
    const double here = lat[row] * kRadians;
    const double a = std::sin(0.5 * (here - at)), b = std::sin(0.5 * kRadians * (lon[row] - circle[1]));
    return a * a + along * std::cos(here) * b * b <= limit;
  });
}

void keep_box(uint64_t* top, size_t first, size_t words, const Step& step) {
  const double* lat = static_cast<const double*>(step.input->data);
  const double* lon = static_cast<const double*>(step.second->data);
  const double* box = static_cast<const double*>(step.third->data);
  const double south = box[0], west = box[1], north = box[2], east = box[3];
  const auto beside = [&](double x) { return west <= east ? west <= x && x <= east : west <= x || x <= east; };
  keep(top, first, words, step.x != 0, [&](size_t row) {
    const double y = lat[row], x = lon[row];
    // 180 degrees east and west are one meridian.
    return south <= y && y <= north && (beside(x) || ((x == 180.0 || x == -180.0) && beside(-x)));
  });
}

void run_block(const std::vector<Step>& steps, size_t first, size_t words, size_t rows, uint64_t* stack) {
  const Kernels& k = kernels();
  uint64_t* next = stack;  // where the next value goes
  for (const Step& step : steps) {
    uint64_t* top = next - kBlock;
    switch (step.op) {
      case Op::between:
        scan_codes(*step.input, first, words, rows, next, [&](const char* codes, size_t count, uint64_t* out) {
          k.codes_between(codes, step.input->width, count, static_cast<uint32_t>(step.x),
                          static_cast<uint32_t>(step.y), out);
        });
        next += kBlock;
        break;
      case Op::among:
        scan_codes(*step.input, first, words, rows, next, [&](const char* codes, size_t count, uint64_t* out) {
          k.codes_among(codes, step.input->width, count, static_cast<const uint32_t*>(step.second->data),
                        static_cast<uint32_t>(step.second->size), out);
        });
        next += kBlock;
        break;
      case Op::bits:
        std::memcpy(next, static_cast<const uint64_t*>(step.input->data) + first, words * sizeof(uint64_t));
        next += kBlock;
        break;
      case Op::constant:
        std::fill(next, next + words, step.x ? ~uint64_t{0} : 0);
        next += kBlock;
        break;
      case Op::all:
        for (size_t w = 0; w < words; ++w) (top - kBlock)[w] &= top[w];
        next = top;
        break;
      case Op::any:
        for (size_t w = 0; w < words; ++w) (top - kBlock)[w] |= top[w];
        next = top;
        break;
      case Op::none:
        for (size_t w = 0; w < words; ++w) top[w] = ~top[w];
        break;
      default:
        // Only these look at rows one by one: none that does not exist may be asked for.
        if (64 * (first + words) > rows) top[words - 1] &= (uint64_t{1} << (rows % 64)) - 1;
        if (step.op == Op::whole) keep_numbers<int64_t>(top, first, words, step);
        if (step.op == Op::real) keep_numbers<double>(top, first, words, step);
        if (step.op == Op::circle) keep_circle(top, first, words, step);
        if (step.op == Op::box) keep_box(top, first, words, step);
    }
  }
}

}  // namespace

uint64_t ordered(int64_t value) { return static_cast<uint64_t>(value) ^ (uint64_t{1} << 63); }

uint64_t ordered(double value) {
  value += 0.0;  // -0.0 becomes 0.0
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits >> 63 ? ~bits : bits | (uint64_t{1} << 63);
}

size_t stack_depth(const std::vector<Step>& steps) {
  size_t depth = 0, most = 0;
  for (const Step& step : steps) {
    const bool joins = step.op == Op::all || step.op == Op::any, pushes = step.op <= Op::constant;
    if (depth < (joins ? 2u : pushes ? 0u : 1u)) return 0;
    if (pushes) most = std::max(most, ++depth);
    if (joins) --depth;
  }
  return depth == 1 ? most : 0;
}

void evaluate(const std::vector<Step>& steps, size_t depth, size_t n, unsigned threads, uint64_t* out,
              const Check& check) {
  const size_t words = (n + 63) / 64, blocks = (words + kBlock - 1) / kBlock;
  parallel_for(
      blocks, kBlocksAtOnce, threads,
      [&](size_t begin, size_t end, unsigned) {
        std::vector<uint64_t> stack(depth * kBlock);
        for (size_t block = begin; block < end; ++block) {
          const size_t first = block * kBlock, count = std::min(kBlock, words - first);
          run_block(steps, first, count, n, stack.data());
          std::copy(stack.begin(), stack.begin() + static_cast<std::ptrdiff_t>(count), out + first);
        }
      },
      check);
  if (n % 64) out[words - 1] &= (uint64_t{1} << (n % 64)) - 1;
}

}  // namespace nearfield
