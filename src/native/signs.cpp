#include "signs.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>

#include "pool.hpp"

namespace nearfield {

namespace {

// Round to nearest, ties to even; finite values beyond the range of halves become the largest.
uint16_t to_half(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const float magnitude = std::min(std::fabs(f), 65504.0f);
  if (magnitude < 6.103515625e-05f)  // a subnormal half: a whole number of 2^-24
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::lrint(magnitude * 16777216.0f)));
  std::memcpy(&bits, &magnitude, sizeof bits);
  bits += 0x0fffu + (bits >> 13 & 1u);
  return static_cast<uint16_t>(sign | std::min<uint32_t>((bits >> 13) - (112u << 10), 0x7bffu));
}

}  // namespace

void SignFrame::apply(const float* x, size_t count, float* out) const {
  std::vector<float> moved(projection ? dim : 0);
  std::vector<uint32_t> rows(projection ? heads : 0);
  std::iota(rows.begin(), rows.end(), 0u);
  std::optional<Targets> target;
  if (projection) target.emplace(*projection, Measure::ip);
  for (size_t i = 0; i < count; ++i, x += dim, out += heads) {
    float* to = projection ? moved.data() : out;
    for (unsigned j = 0; j < dim; ++j) to[j] = x[j] - center[j];
    if (!projection) {
      rotation->apply(to);
      continue;
    }
    const float* q = to;
    target->set(&q, 1);
    target->score(rows.data(), heads, out);
    for (unsigned j = 0; j < heads; ++j) out[j] = -out[j];
  }
}

void SignQuery::set(const float* heads, unsigned count) {
  const unsigned groups = (count + 15) / 16 * 4;
  padded_.assign(groups * 4, 0.0f);
  std::copy_n(heads, count, padded_.data());
  table_.resize(groups * 2);
  float largest = 0;
  for (unsigned g = 0; g < groups; ++g) {
    const float* y = padded_.data() + 4 * g;
    largest = std::max(largest, (std::fabs(y[0]) + std::fabs(y[1])) + (std::fabs(y[2]) + std::fabs(y[3])));
  }
  const bool some = largest > 0 && std::isfinite(largest);
  const float inverse = some ? 253.0f / largest : 0.0f;  // four roundings up stay below 256
  uint32_t total = 0;
  // Byte m of a pattern is 1 where bit l of m is set: eight entries at a time, and no byte overflows.
  constexpr uint64_t kAll = 0x0101010101010101ull;
  constexpr uint64_t kSet[3] = {0x0100010001000100ull, 0x0101000001010000ull, 0x0101010100000000ull};
  for (unsigned g = 0; g < groups; ++g) {
    const float* y = padded_.data() + 4 * g;
    uint64_t low = 0;
    for (unsigned l = 0; l < 3; ++l) {
      const uint32_t weight = static_cast<uint32_t>(std::fabs(y[l]) * inverse + 0.5f);
      low += weight * (y[l] > 0 ? kSet[l] : kAll ^ kSet[l]);
      total += weight;
    }
    const uint32_t weight = static_cast<uint32_t>(std::fabs(y[3]) * inverse + 0.5f);
    total += weight;
    table_[2 * g] = low + (y[3] > 0 ? 0 : weight * kAll);
    table_[2 * g + 1] = low + (y[3] > 0 ? weight * kAll : 0);
  }
  step_ = some ? 2.0f * (largest / 253.0f) : 0.0f;
  base_ = 0.5f * step_ * static_cast<float>(total);
}

namespace {

constexpr uint16_t kInfinite = 0x7c00;
constexpr float kLargestHalf = 65504.0f;
// The step of the uniform grid of 2^bits values with the least squared error for a normal distribution of spread 1
// (Max, 1960), which the coordinates of a rotated vector have nearly.
constexpr float kStep[kMaxSignBits + 1] = {0, 1.5958f, 0.9957f, 0.5860f, 0.3352f};

class Packer {
 public:
  Packer(const Space& space, Measure measure, const uint32_t* neighbors, const SignLayout& layout, const float* rotated,
         const double* lengths)
      : space_(space),
        measure_(measure),
        neighbors_(neighbors),
        layout_(layout),
        rotated_(rotated),
        lengths_(lengths),
        pairs_(space) {
    codes_.resize(layout.degree * static_cast<size_t>(layout.blocks()) * 16, 0);
    apart_.resize(layout.degree);
    a_.resize(layout.degree);
    b_.resize(layout.degree);
  }

  // Finds factors and codes of a row's links; raises `largest` to the largest factors.
  void find(size_t row, SignUnits& largest) {
    const Kernels& kernel = kernels();
    const uint32_t* links = neighbors_ + row * layout_.degree;
    for (count_ = 0; count_ < layout_.degree && links[count_] != kNone;) ++count_;
    pairs_.score(static_cast<uint32_t>(row), links, count_, apart_.data());
    const float* c = rotated_ + row * layout_.dim;
    for (unsigned i = 0; i < count_; ++i) {
      float sums[2];
      const float spread = std::sqrt(apart_[i] / static_cast<float>(layout_.dim));
      const float inverse = spread > 0 && std::isfinite(spread) ? 1.0f / (kStep[layout_.bits] * spread) : 0.0f;
      kernel.link(c, rotated_ + static_cast<size_t>(links[i]) * layout_.dim, layout_.dim, inverse,
                  (1u << (layout_.bits - 1)) - 1, sums, codes(i));
      const float factor = sums[0] > 0 ? apart_[i] / sums[0] : 0.0f;
      b_[i] = measure_ == Measure::l2 ? -2 * factor : -factor;
      if (measure_ == Measure::l2) {
        a_[i] = apart_[i] + 2 * factor * sums[1];
      } else {  // <c, x - c> = (|x|^2 - |c|^2 - |x - c|^2) / 2
        const double difference = lengths_[links[i]] - lengths_[row];
        a_[i] = factor * sums[1] - static_cast<float>(0.5 * (difference - static_cast<double>(apart_[i])));
      }
      largest.a = std::max(largest.a, std::fabs(a_[i]));
      largest.b = std::max(largest.b, std::fabs(b_[i]));
    }
  }

  void write(uint8_t* record, SignUnits units) {
    std::memset(record, 0, layout_.record_bytes());
    for (unsigned i = 0; i < layout_.chunks() * kSignLinks; ++i) {
      uint8_t* chunk = record + i / kSignLinks * layout_.chunk_bytes();
      const unsigned slot = i % kSignLinks;
      const uint16_t a = i < count_ ? to_half(a_[i] / units.a) : kInfinite, b = i < count_ ? to_half(b_[i] / units.b) : 0;
      std::memcpy(chunk + 2 * slot, &a, 2);
      std::memcpy(chunk + 2 * (kSignLinks + slot), &b, 2);
      if (i >= count_) continue;
      uint8_t* to = chunk + 4 * kSignLinks + slot % 16;
      const uint8_t* from = codes(i);
      for (unsigned plane = layout_.bits; plane-- > 0; to += 64 * layout_.blocks())
        for (unsigned g = 0; g < 4 * layout_.blocks(); ++g) {
          uint32_t four;
          std::memcpy(&four, from + 4 * g, 4);
          const uint32_t number = (four >> plane & 0x01010101u) * 0x01020408u >> 24 & 15;  // byte l becomes bit l
          to[16 * g] = static_cast<uint8_t>(to[16 * g] | (slot < 16 ? number : number << 4));
        }
    }
  }

 private:
  const Space& space_;
  Measure measure_;
  const uint32_t* neighbors_;
  const SignLayout& layout_;
  const float* rotated_;
  const double* lengths_;  // |x|^2 of every row
  PairScorer pairs_;
  unsigned count_ = 0;
  std::vector<float> apart_, a_, b_;
  std::vector<uint8_t> codes_;

  uint8_t* codes(unsigned link) { return codes_.data() + link * static_cast<size_t>(layout_.blocks()) * 16; }
};

// Halves end at 65,504. A power of two costs no digit.
float unit_for(float largest) {
  if (!(largest > 0) || !std::isfinite(largest)) return 1;
  return std::exp2(std::clamp(std::ceil(std::log2(largest / 16384.0f)), -110.0f, 110.0f));
}

}  // namespace

void mean_row(const Space& space, unsigned threads, float* out, const Check& check) {
  constexpr size_t kRows = 1024;  // summed apart, so that the sums do not depend on the threads
  const size_t d = space.dim, parts = (space.n + kRows - 1) / kRows;
  std::vector<double> sums(parts * d, 0.0);
  parallel_for(
      parts, 1, threads,
      [&](size_t begin, size_t end, unsigned) {
        std::vector<float> rows(kRows * d);
        for (size_t part = begin; part < end; ++part) {
          const size_t count = std::min(kRows, space.n - part * kRows);
          read_rows(space, part * kRows, count, rows.data());
          for (size_t i = 0; i < count; ++i)
            for (size_t j = 0; j < d; ++j) sums[part * d + j] += rows[i * d + j];
        }
      },
      check);
  for (size_t j = 0; j < d; ++j) {
    double total = 0;
    for (size_t part = 0; part < parts; ++part) total += sums[part * d + j];
    out[j] = static_cast<float>(total / static_cast<double>(space.n));
  }
}

SignUnits pack_signs(const Space& space, Measure measure, const uint32_t* neighbors, const SignLayout& layout,
                     const SignFrame& frame, unsigned threads, uint8_t* out, const Check& check) {
  const size_t d = space.dim, heads = layout.dim;
  std::vector<float> rotated(space.n * heads);
  std::vector<double> lengths(space.n);
  parallel_for(
      space.n, 64, threads,
      [&](size_t begin, size_t end, unsigned) {
        std::vector<float> rows((end - begin) * d);
        read_rows(space, begin, end - begin, rows.data());
        for (size_t i = begin; i < end; ++i) {
          double length = 0;
          for (size_t j = 0; j < d; ++j) {
            const double v = rows[(i - begin) * d + j];
            length += v * v;
          }
          lengths[i] = length;
        }
        frame.apply(rows.data(), end - begin, rotated.data() + begin * heads);
      },
      check);
  constexpr size_t kChunk = 64;
  std::vector<SignUnits> largest((space.n + kChunk - 1) / kChunk);
  SignUnits units;
  for (const bool writing : {false, true}) {
    parallel_for(
        space.n, kChunk, threads,
        [&](size_t begin, size_t end, unsigned) {
          Packer packer(space, measure, neighbors, layout, rotated.data(), lengths.data());
          SignUnits most{0, 0};
          for (size_t i = begin; i < end; ++i) {
            packer.find(i, most);
            if (writing) packer.write(out + i * layout.record_bytes(), units);
          }
          largest[begin / kChunk] = most;
        },
        check);
    SignUnits most{0, 0};
    for (const SignUnits& l : largest) most = {std::max(most.a, l.a), std::max(most.b, l.b)};
    units = {unit_for(most.a), unit_for(most.b)};
  }
  return units;
}

bool sign_rows(const Space& space, Measure measure, const uint32_t* neighbors, const SignLayout& layout,
               const SignFrame& frame, SignUnits units, const uint32_t* rows, size_t count, uint8_t* records) {
  // Room for every row, of which few are written: what is not touched costs no memory.
  const auto rotated = std::make_unique_for_overwrite<float[]>(space.n * layout.dim);
  const auto lengths = std::make_unique_for_overwrite<double[]>(space.n);
  std::vector<float> row(space.dim);
  std::vector<uint8_t> ready(space.n, 0);
  const auto prepare = [&](uint32_t id) {
    if (ready[id]) return;
    ready[id] = 1;
    read_rows(space, id, 1, row.data());
    lengths[id] = 0;
    for (const double v : row) lengths[id] += v * v;
    frame.apply(row.data(), 1, rotated.get() + static_cast<size_t>(id) * layout.dim);
  };
  Packer packer(space, measure, neighbors, layout, rotated.get(), lengths.get());
  for (size_t i = 0; i < count; ++i) {
    prepare(rows[i]);
    const uint32_t* links = neighbors + static_cast<size_t>(rows[i]) * layout.degree;
    for (unsigned j = 0; j < layout.degree && links[j] != kNone; ++j) prepare(links[j]);
    SignUnits most{0, 0};
    packer.find(rows[i], most);
    if (!(most.a <= kLargestHalf * units.a && most.b <= kLargestHalf * units.b)) return false;
    packer.write(records + rows[i] * layout.record_bytes(), units);
  }
  return true;
}

void estimate_links(const Space& space, Measure measure, const SignLayout& layout, const uint8_t* records, SignUnits units,
                    const SignFrame& frame, const float* query, uint32_t row, float* out) {
  Targets target(space, measure);
  target.set(&query, 1);
  float own;
  target.score(&row, 1, &own);
  SignQuery signs;
  std::vector<float> heads(layout.dim);
  frame.apply(query, 1, heads.data());
  signs.set(heads.data(), layout.dim);
  const SignScan scan = signs.scan(layout, own, units);
  float chunk[kSignLinks];
  const uint8_t* record = records + row * layout.record_bytes();
  for (unsigned begin = 0; begin < layout.degree; begin += kSignLinks, record += layout.chunk_bytes()) {
    kernels().signs(scan, record, 0.0f, chunk);
    std::copy_n(chunk, std::min(kSignLinks, layout.degree - begin), out + begin);
  }
}

}  // namespace nearfield
