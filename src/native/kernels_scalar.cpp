// The scalar twins: what every wide kernel is held against, and what runs on a CPU without wide instructions.
#include <cstring>

#include "kernels.hpp"
#include "kernels_additive.hpp"
#include "kernels_common.hpp"
#include "kernels_predicates.hpp"

namespace nearfield {

namespace {

float half_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  uint32_t exponent = (h >> 10) & 0x1fu;
  uint32_t mantissa = h & 0x3ffu;
  uint32_t bits;
  if (exponent == 0) {
    if (mantissa == 0) {
      bits = sign;
    } else {  // subnormal: normalise it
      exponent = 113;
      while (!(mantissa & 0x400u)) {
        mantissa <<= 1;
        --exponent;
      }
      bits = sign | (exponent << 23) | ((mantissa & 0x3ffu) << 13);
    }
  } else if (exponent == 31) {
    bits = sign | 0x7f800000u | (mantissa << 13);
  } else {
    bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
  }
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

float value(float x) { return x; }
float value(uint16_t x) { return half_to_float(x); }

// Eight running sums let the compiler use the baseline's 128-bit registers without changing the order of additions.
template <bool L2, class T>
void floats(const float* const* q, unsigned nq, const T* base, size_t stride, unsigned d, const uint32_t* ids,
            unsigned n, float* out) {
  for (unsigned i = 0; i < n; ++i) {
    const T* row = base + static_cast<size_t>(ids[i]) * stride;
    if (i + kPrefetchAhead < n)
      prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, d * sizeof(T));
    for (unsigned t = 0; t < nq; ++t) {
      float lane[8] = {};
      unsigned j = 0;
      for (; j + 8 <= d; j += 8)
        for (unsigned l = 0; l < 8; ++l) {
          const float x = value(row[j + l]);
          if (L2) {
            const float e = q[t][j + l] - x;
            lane[l] += e * e;
          } else {
            lane[l] += q[t][j + l] * x;
          }
        }
      for (unsigned l = 0; j < d; ++j, ++l) {
        const float x = value(row[j]);
        if (L2) {
          const float e = q[t][j] - x;
          lane[l] += e * e;
        } else {
          lane[l] += q[t][j] * x;
        }
      }
      out[t * n + i] = ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
    }
  }
}

const uint8_t* codes_of(const uint8_t* base, size_t stride, uint32_t id) {
  return base + static_cast<size_t>(id) * stride + sizeof(RowHeader);
}

void sq8_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = codes_of(base, stride, ids[i]);
    if (i + kPrefetchAhead < n) prefetch_bytes(codes_of(base, stride, ids[i + kPrefetchAhead]), d);
    int32_t s = 0;
    for (unsigned j = 0; j < d; ++j) s += static_cast<int32_t>(q.value[j]) * c[j];
    out[i] = s;
  }
}

void sq8_queries(const QueryCodes* q, unsigned nq, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids,
                 unsigned n, int32_t* out) {
  for (unsigned t = 0; t < nq; ++t) sq8_query(q[t], base, stride, d, ids, n, out + static_cast<size_t>(t) * n);
}

void sq8_block(const int8_t* const* q, unsigned nq, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids,
               unsigned n, int32_t* out) {
  for (unsigned t = 0; t < nq; ++t)
    for (unsigned i = 0; i < n; ++i) {
      const uint8_t* c = codes_of(base, stride, ids[i]);
      int32_t s = 0;
      for (unsigned j = 0; j < d; ++j) s += static_cast<int32_t>(q[t][j]) * c[j];
      out[static_cast<size_t>(t) * n + i] = s;
    }
}

void sq4_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  const unsigned half = (d + 1) / 2;
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = codes_of(base, stride, ids[i]);
    if (i + kPrefetchAhead < n) prefetch_bytes(codes_of(base, stride, ids[i + kPrefetchAhead]), half);
    int32_t s = 0;
    for (unsigned j = 0; j < half; ++j) s += static_cast<int32_t>(q.value[j]) * (c[j] & 15);
    for (unsigned j = half; j < d; ++j) s += static_cast<int32_t>(q.value[j]) * (c[j - half] >> 4);
    out[i] = s;
  }
}

void sq2_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  const unsigned quarter = (d + 3) / 4;
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = codes_of(base, stride, ids[i]);
    if (i + kPrefetchAhead < n) prefetch_bytes(codes_of(base, stride, ids[i + kPrefetchAhead]), quarter);
    int32_t s = 0;
    for (unsigned begin = 0, shift = 0; begin < d; begin += quarter, shift += 2)
      for (unsigned j = 0; j < quarter && begin + j < d; ++j)
        s += static_cast<int32_t>(q.value[begin + j]) * (c[j] >> shift & 3);
    out[i] = s;
  }
}

void sq1_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = codes_of(base, stride, ids[i]);
    if (i + kPrefetchAhead < n) prefetch_bytes(codes_of(base, stride, ids[i + kPrefetchAhead]), (d + 7) / 8);
    int32_t s = 0;
    for (unsigned j = 0; j < d; ++j) s += static_cast<int32_t>(q.value[j]) * (c[j / 8] >> j % 8 & 1);
    out[i] = s;
  }
}

void sq8_pair(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
              int32_t* out) {
  const uint8_t* a = row + sizeof(RowHeader);
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = codes_of(base, stride, ids[i]);
    if (i + kPrefetchAhead < n) prefetch_bytes(codes_of(base, stride, ids[i + kPrefetchAhead]), d);
    int32_t s = 0;
    for (unsigned j = 0; j < d; ++j) s += static_cast<int32_t>(a[j]) * c[j];
    out[i] = s;
  }
}

void sq4_pair(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
              int32_t* out) {
  const uint8_t* a = row + sizeof(RowHeader);
  const unsigned bytes = (d + 1) / 2;  // the spare nibble of an odd d is zero in every row
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = codes_of(base, stride, ids[i]);
    if (i + kPrefetchAhead < n) prefetch_bytes(codes_of(base, stride, ids[i + kPrefetchAhead]), bytes);
    int32_t s = 0;
    for (unsigned j = 0; j < bytes; ++j) s += (a[j] & 15) * (c[j] & 15) + (a[j] >> 4) * (c[j] >> 4);
    out[i] = s;
  }
}

uint32_t signs(const SignScan& q, const uint8_t* chunk, float worst, float* out) {
  uint32_t sums[32] = {};
  const uint8_t* codes = chunk + 128;
  for (unsigned plane = 0; plane < q.bits; ++plane, codes += 64 * q.blocks) {
    for (uint32_t& sum : sums) sum *= 2;
    for (unsigned lane = 0; lane < 4 * q.blocks; ++lane)
      for (unsigned i = 0; i < 16; ++i) {
        sums[i] += q.table[16 * lane + (codes[16 * lane + i] & 15)];
        sums[i + 16] += q.table[16 * lane + (codes[16 * lane + i] >> 4)];
      }
  }
  uint32_t below = 0;
  uint16_t factors[64];
  std::memcpy(factors, chunk, sizeof factors);
  for (unsigned i = 0; i < 32; ++i) {
    const float t = q.step * static_cast<float>(sums[i]) - q.base;
    out[i] = q.own + q.unit * (half_to_float(factors[i]) + half_to_float(factors[32 + i]) * t);
    below |= static_cast<uint32_t>(out[i] < worst) << i;
  }
  return below;
}

}  // namespace

const Kernels& scalar_kernels() {
  static const Kernels k = {floats<false, float>, floats<true, float>, floats<false, uint16_t>, floats<true, uint16_t>,
                           sq8_query,  // near memory or far
                           sq8_queries,          sq8_block,
                           sq8_query,            sq4_query,           sq2_query,               sq1_query,
                           sq8_pair,             sq4_pair,            sq2_pair,                sq1_pair,
                           signs,                hadamard,            link,
                           gauge,                round,
                           combine,              nearest,             lookup,
                           merge,                codes_between,       codes_among};
  return k;
}

}  // namespace nearfield
