#include "space.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace nearfield {

size_t code_row_bytes(Kind kind, unsigned dim) {
  const size_t bytes = sizeof(RowHeader) + code_bytes(code_bits(kind), dim);
  return (bytes + 3) & ~size_t{3};  // headers stay aligned
}

size_t Space::row_bytes() const {
  switch (kind) {
    case Kind::f32: return dim * sizeof(float);
    case Kind::f16: return dim * sizeof(uint16_t);
    default: return stride;
  }
}

const void* Space::row(size_t i) const {
  switch (kind) {
    case Kind::f32: return static_cast<const float*>(data) + i * stride;
    case Kind::f16: return static_cast<const uint16_t*>(data) + i * stride;
    default: return static_cast<const uint8_t*>(data) + i * stride;
  }
}

void fetch_rows(const Space& space, const uint32_t* ids, size_t n) {
  const size_t bytes = space.row_bytes();
  for (size_t i = 0; i < n; ++i) {
    const char* row = static_cast<const char*>(space.row(ids[i]));
    for (size_t o = 0; o < bytes; o += 64) NEARFIELD_PREFETCH(row + o);
  }
}

Targets::Targets(const Space& space, Measure measure) : space_(space), measure_(measure) {
  if (space.kind != Kind::f32 && space.kind != Kind::f16) prepared_.resize(4);
}

void unit_rows(const float* x, size_t n, unsigned dim, float* out) {
  for (; n > 0; --n, x += dim, out += dim) {
    const double inverse = 1 / std::sqrt(kernels().gauge(x, x, dim).product);
    for (unsigned j = 0; j < dim; ++j) out[j] = static_cast<float>(x[j] * inverse);
  }
}

void Targets::prepare(const float* query, Prepared& p) {
  const unsigned d = space_.dim;
  p.value.resize(d);
  p.high.resize(d);
  p.low.resize(d);
  // l2 is taken relative to the center; ip needs <q, center> once.
  const float* v = query;
  if (measure_ == Measure::l2) {
    moved_.resize(d);
    for (unsigned j = 0; j < d; ++j) moved_[j] = query[j] - space_.center[j];
    v = moved_.data();
  }
  const auto [base, total, largest] = kernels().gauge(v, measure_ == Measure::l2 ? v : space_.center, d);
  // Fifteen bits a value, fewer when the weighted sum of codes (at most 255 * sum |value|) could leave int32.
  // A multiple of 3, 15 and 255: a query that is a decoded code itself (symmetric scoring) loses nothing.
  double step = largest / 16065.0;
  step = std::max(step, total * 255.0 / 2.1e9);
  if (!(step > 0)) step = 1;
  const int32_t sum = kernels().round(v, 1 / step, d, p.value.data(), p.high.data(), p.low.data());
  p.step = static_cast<float>(step);
  p.sum = static_cast<float>(static_cast<double>(sum) * step);
  p.base = static_cast<float>(base);
}

// l2 is taken relative to the center; ip needs <q, center> once.
void Targets::prepare_table(const float* query, unsigned t) {
  const unsigned d = space_.dim;
  moved_.resize(d);
  double base = 0;
  for (unsigned j = 0; j < d; ++j) {
    const double c = space_.center[j], v = measure_ == Measure::l2 ? query[j] - c : query[j];
    moved_[j] = static_cast<float>(v);
    base += measure_ == Measure::l2 ? v * v : v * c;
  }
  prepared_[t].base = static_cast<float>(base);
  tables_[t].resize(static_cast<size_t>(space_.books.count) * kWords);
  additive_table(space_.books, moved_.data(), tables_[t].data());
}

void Targets::set(const float* const* queries, unsigned count) {
  count_ = count;
  for (unsigned t = 0; t < count; ++t) {
    query_[t] = queries[t];
    if (space_.kind == Kind::additive)
      prepare_table(queries[t], t);
    else if (!prepared_.empty())
      prepare(queries[t], prepared_[t]);
  }
}

namespace {

// Four rows at a time: for codes of few bits the header costs as much as the codes.
using Four = float __attribute__((vector_size(16)));

Four four(const int32_t* p) {
  using Ints = int32_t __attribute__((vector_size(16)));
  Ints v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, Four);
}

struct Headers {
  Four low, step, norm2;
  Headers(const uint8_t* base, size_t stride, const uint32_t* ids) {
    Four h[4];
    for (int r = 0; r < 4; ++r) std::memcpy(&h[r], base + static_cast<size_t>(ids[r]) * stride, sizeof h[r]);
    const Four a = __builtin_shufflevector(h[0], h[1], 0, 4, 1, 5), b = __builtin_shufflevector(h[2], h[3], 0, 4, 1, 5);
    const Four c = __builtin_shufflevector(h[0], h[1], 2, 6, 3, 7), d = __builtin_shufflevector(h[2], h[3], 2, 6, 3, 7);
    low = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    step = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    norm2 = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  }
};

auto pair_kernel(const Kernels& k, Kind kind) {
  switch (kind) {
    case Kind::sq8: return k.sq8_pair;
    case Kind::sq4: return k.sq4_pair;
    case Kind::sq2: return k.sq2_pair;
    default: return k.sq1_pair;
  }
}

}  // namespace

void Targets::score(const uint32_t* ids, unsigned n, float* out) {
  const Kernels& k = kernels();
  const unsigned d = space_.dim;
  switch (space_.kind) {
    case Kind::f32: {
      const float* base = static_cast<const float*>(space_.data);
      if (measure_ == Measure::l2) return k.f32_l2(query_, count_, base, space_.stride, d, ids, n, out);
      k.f32_ip(query_, count_, base, space_.stride, d, ids, n, out);
      break;
    }
    case Kind::f16: {
      const uint16_t* base = static_cast<const uint16_t*>(space_.data);
      if (measure_ == Measure::l2) return k.f16_l2(query_, count_, base, space_.stride, d, ids, n, out);
      k.f16_ip(query_, count_, base, space_.stride, d, ids, n, out);
      break;
    }
    case Kind::additive: {
      const uint8_t* base = static_cast<const uint8_t*>(space_.data);
      for (unsigned t = 0; t < count_; ++t) {
        float* o = out + static_cast<size_t>(t) * n;
        k.lookup(tables_[t].data(), space_.books.count, base, space_.stride, ids, n, o);
        const float own = prepared_[t].base;
        for (unsigned i = 0; i < n; ++i) {
          float norm2;
          std::memcpy(&norm2, base + static_cast<size_t>(ids[i]) * space_.stride, sizeof norm2);
          o[i] = measure_ == Measure::l2 ? std::max(0.0f, (own + norm2) - 2.0f * o[i]) : -(own + o[i]);
        }
      }
      return;
    }
    case Kind::levels1:
    case Kind::levels2:
    case Kind::levels4:
    case Kind::levels8:
      for (unsigned t = 0; t < count_; ++t) score_levels(prepared_[t], ids, n, out + static_cast<size_t>(t) * n);
      return;
    default: {
      const uint8_t* base = static_cast<const uint8_t*>(space_.data);
      const bool together = space_.kind == Kind::sq8 && count_ > 1;
      const size_t dots = together ? static_cast<size_t>(count_) * n : n;
      if (dots_.size() < dots) dots_.resize(dots);
      if (together) {
        QueryCodes q[4];
        for (unsigned t = 0; t < count_; ++t) q[t] = prepared_[t].codes();
        k.sq8_queries(q, count_, base, space_.stride, d, ids, n, dots_.data());
      }
      for (unsigned t = 0; t < count_; ++t) {
        const Prepared& p = prepared_[t];
        const int32_t* dot = dots_.data() + (together ? static_cast<size_t>(t) * n : 0);
        if (!together)
          (space_.cached ? k.sq8_cached : query_kernel(k, code_bits(space_.kind)))(p.codes(), base, space_.stride, d,
                                                                                   ids, n, dots_.data());
        float* o = out + static_cast<size_t>(t) * n;
        unsigned i = 0;
        for (; i + 4 <= n; i += 4) {
          const Headers h(base, space_.stride, ids + i);
          const Four product = h.low * p.sum + h.step * (p.step * four(dot + i));
          Four s = -(p.base + product);
          if (measure_ == Measure::l2) {
            s = (p.base + h.norm2) - 2.0f * product;
            s = s > 0.0f ? s : Four{};
          }
          std::memcpy(o + i, &s, sizeof s);
        }
        for (; i < n; ++i) {
          const RowHeader& h = *reinterpret_cast<const RowHeader*>(base + static_cast<size_t>(ids[i]) * space_.stride);
          const float product = h.low * p.sum + h.step * (p.step * static_cast<float>(dot[i]));
          o[i] = measure_ == Measure::l2 ? std::max(0.0f, (p.base + h.norm2) - 2.0f * product) : -(p.base + product);
        }
      }
      return;
    }
  }
  for (unsigned t = 0; t < count_; ++t) {
    float* o = out + static_cast<size_t>(t) * n;
    if (space_.scale)
      for (unsigned i = 0; i < n; ++i) o[i] = -o[i] * space_.scale[ids[i]];
    else
      for (unsigned i = 0; i < n; ++i) o[i] = -o[i];
  }
}

namespace {

float half(uint16_t h) {
  // Exact for every finite half: an integer mantissa times a power of two.
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const float v = exponent ? std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25)
                           : std::ldexp(static_cast<float>(mantissa), -24);
  return h & 0x8000 ? -v : v;
}

}  // namespace

void PairScorer::score(uint32_t row, const uint32_t* ids, unsigned n, float* out) {
  const Kernels& k = kernels();
  const unsigned d = space_.dim;
  switch (space_.kind) {
    case Kind::f32: {
      const float* a = static_cast<const float*>(space_.row(row));
      return k.f32_l2(&a, 1, static_cast<const float*>(space_.data), space_.stride, d, ids, n, out);
    }
    case Kind::f16: {
      const uint16_t* a = static_cast<const uint16_t*>(space_.row(row));
      a_.resize(d);
      for (unsigned j = 0; j < d; ++j) a_[j] = half(a[j]);
      const float* q = a_.data();
      return k.f16_l2(&q, 1, static_cast<const uint16_t*>(space_.data), space_.stride, d, ids, n, out);
    }
    case Kind::additive: return additive_pairs(space_, row, ids, n, out);
    case Kind::levels1:
    case Kind::levels2:
    case Kind::levels4:
    case Kind::levels8: return levels_pairs(space_, row, ids, n, out);
    default: {
      const uint8_t* base = static_cast<const uint8_t*>(space_.data);
      const uint8_t* a = base + static_cast<size_t>(row) * space_.stride;
      if (dots_.size() < n) dots_.resize(n);
      pair_kernel(k, space_.kind)(a, base, space_.stride, d, ids, n, dots_.data());
      const RowHeader& h = *reinterpret_cast<const RowHeader*>(a);
      for (unsigned i = 0; i < n; ++i) {
        const RowHeader& o = *reinterpret_cast<const RowHeader*>(base + static_cast<size_t>(ids[i]) * space_.stride);
        const float product = static_cast<float>(d) * h.low * o.low + h.low * o.step * static_cast<float>(o.sum) +
                              o.low * h.step * static_cast<float>(h.sum) +
                              h.step * o.step * static_cast<float>(dots_[i]);
        out[i] = std::max(0.0f, (h.norm2 + o.norm2) - 2.0f * product);
      }
    }
  }
}

namespace {

// Codes of one row for the range [low, low + step * top]; returns the squared error.
double assign(const float* y, unsigned d, float low, float step, int top, uint8_t* codes) {
  double error = 0;
  const float inverse = step > 0 ? 1.0f / step : 0.0f;
  for (unsigned j = 0; j < d; ++j) {
    const float position = (y[j] - low) * inverse;
    const int code = std::clamp(static_cast<int>(std::lrint(position)), 0, top);
    codes[j] = static_cast<uint8_t>(code);
    const double e = static_cast<double>(y[j]) - (static_cast<double>(low) + static_cast<double>(step) * code);
    error += e * e;
  }
  return error;
}

}  // namespace

void encode_rows(Kind kind, const float* x, size_t n, unsigned dim, const float* center, uint8_t* out) {
  const int top = kind == Kind::sq8 ? 255 : 15;
  const size_t stride = code_row_bytes(kind, dim);
  std::vector<float> y(dim);
  std::vector<uint8_t> codes(dim), best(dim);
  for (size_t i = 0; i < n; ++i) {
    float lowest = INFINITY, highest = -INFINITY;
    for (unsigned j = 0; j < dim; ++j) {
      y[j] = x[i * dim + j] - center[j];
      lowest = std::min(lowest, y[j]);
      highest = std::max(highest, y[j]);
    }
    float low = lowest, step = (highest - lowest) / static_cast<float>(top);
    double error = assign(y.data(), dim, low, step, top, best.data());
    if (kind == Kind::sq4 && step > 0) {
      // With 16 values the extremes cost more than they are worth: try narrower ranges and keep the least error.
      const float middle = 0.5f * (lowest + highest), width = highest - lowest;
      for (int t = 1; t <= 8; ++t) {
        const float narrow = width * (1.0f - 0.06f * static_cast<float>(t));
        const float l = middle - 0.5f * narrow, s = narrow / static_cast<float>(top);
        const double e = assign(y.data(), dim, l, s, top, codes.data());
        if (e < error) {
          error = e;
          low = l;
          step = s;
          best.swap(codes);
        }
      }
    }
    double norm2 = 0;
    int32_t sum = 0;
    for (unsigned j = 0; j < dim; ++j) {
      const double v = static_cast<double>(low) + static_cast<double>(step) * best[j];
      norm2 += v * v;
      sum += best[j];
    }
    pack_row(kind, {low, step, static_cast<float>(norm2), sum}, best.data(), dim, out + i * stride);
  }
}

void pack_row(Kind kind, const RowHeader& header, const uint8_t* codes, unsigned dim, uint8_t* row) {
  const unsigned bits = code_bits(kind), bytes = static_cast<unsigned>(code_bytes(bits, dim));
  std::memset(row, 0, code_row_bytes(kind, dim));
  std::memcpy(row, &header, sizeof header);
  uint8_t* c = row + sizeof header;
  if (bits == 1) {
    for (unsigned j = 0; j < dim; ++j) c[j / 8] = static_cast<uint8_t>(c[j / 8] | codes[j] << j % 8);
    return;
  }
  for (unsigned begin = 0, shift = 0; begin < dim; begin += bytes, shift += bits)
    for (unsigned j = 0; j < bytes && begin + j < dim; ++j) c[j] = static_cast<uint8_t>(c[j] | codes[begin + j] << shift);
}

void decode_rows(Kind kind, const uint8_t* codes, size_t n, unsigned dim, const float* center, float* out) {
  const size_t stride = code_row_bytes(kind, dim);
  const unsigned bits = code_bits(kind), bytes = static_cast<unsigned>(code_bytes(bits, dim)), mask = (1u << bits) - 1;
  for (size_t i = 0; i < n; ++i, out += dim) {
    const uint8_t* row = codes + i * stride;
    RowHeader h;
    std::memcpy(&h, row, sizeof h);
    const uint8_t* c = row + sizeof h;
    const auto value = [&](unsigned code) {
      return static_cast<float>(static_cast<double>(h.low) + static_cast<double>(h.step) * code);
    };
    if (bits == 1) {
      for (unsigned j = 0; j < dim; ++j) out[j] = value(c[j / 8] >> j % 8 & 1) + center[j];
      continue;
    }
    for (unsigned begin = 0, shift = 0; begin < dim; begin += bytes, shift += bits)
      for (unsigned j = 0; j < bytes && begin + j < dim; ++j)
        out[begin + j] = value(c[j] >> shift & mask) + center[begin + j];
  }
}

void read_rows(const Space& space, size_t begin, size_t n, float* out) {
  if (space.kind == Kind::additive) return additive_read(space, begin, n, out);
  if (level_bits(space.kind)) return read_levels(space, begin, n, out);
  if (code_bits(space.kind))
    return decode_rows(space.kind, static_cast<const uint8_t*>(space.row(begin)), n, space.dim, space.center, out);
  for (size_t i = 0; i < n; ++i, out += space.dim) {
    const void* row = space.row(begin + i);
    if (space.kind == Kind::f32)
      std::memcpy(out, row, space.dim * sizeof(float));
    else
      for (unsigned j = 0; j < space.dim; ++j) out[j] = half(static_cast<const uint16_t*>(row)[j]);
  }
}

}  // namespace nearfield
