// Kernels that need no instruction by name: sixteen lanes in the compiler's own vectors, which it makes as wide as the
// translation unit allows. The order of the additions is the same everywhere, and so are the bits.
#pragma once
#include "kernels.hpp"

namespace nearfield {

namespace {

// Eight bytes of codes from byte j on; rows end with zeros up to whole words of four bytes.
inline uint64_t code_word(const uint8_t* c, unsigned j, unsigned bytes) {
  uint64_t word = 0;
  if (bytes - j > 4)
    __builtin_memcpy(&word, c + j, 8);
  else
    __builtin_memcpy(&word, c + j, 4);
  return word;
}

inline int32_t ones(uint64_t word) { return __builtin_popcountll(word); }

// Products of one bit are counted; of two bits, counted for each pair of digits.
void sq1_pair(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
              int32_t* out) {
  const uint8_t* a = row + sizeof(RowHeader);
  const unsigned bytes = (d + 7) / 8;
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = base + static_cast<size_t>(ids[i]) * stride + sizeof(RowHeader);
    if (i + kPrefetchAhead < n) prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, stride);
    int32_t s = 0;
    for (unsigned j = 0; j < bytes; j += 8) s += ones(code_word(a, j, bytes) & code_word(c, j, bytes));
    out[i] = s;
  }
}

void sq2_pair(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
              int32_t* out) {
  constexpr uint64_t lower = 0x5555555555555555u;
  const uint8_t* a = row + sizeof(RowHeader);
  const unsigned bytes = (d + 3) / 4;
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = base + static_cast<size_t>(ids[i]) * stride + sizeof(RowHeader);
    if (i + kPrefetchAhead < n) prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, stride);
    int32_t s = 0;
    for (unsigned j = 0; j < bytes; j += 8) {
      const uint64_t x = code_word(a, j, bytes), y = code_word(c, j, bytes);
      const uint64_t x0 = x & lower, x1 = x >> 1 & lower, y0 = y & lower, y1 = y >> 1 & lower;
      // The cross terms never share a bit: one lies in the even bits, the other is moved to the odd ones.
      s += ones(x0 & y0) + 2 * ones((x0 & y1) | (x1 & y0) << 1) + 4 * ones(x1 & y1);
    }
    out[i] = s;
  }
}

// Which half a key lies in no processor can predict, so there is no branch on it.
inline size_t place_of(uint64_t key, const uint64_t* keys, size_t size) {
  const uint64_t* low = keys;
  for (size_t left = size; left > 0;) {
    const size_t half = (left + 1) / 2;
    low += half * static_cast<size_t>(low[half - 1] < key);
    left -= half;
  }
  return static_cast<size_t>(low - keys);
}

// All places are found before anything moves, so that the searches overlap, and every key moves once.
size_t merge(uint64_t* keys, size_t size, size_t width, uint64_t* offered, unsigned count) {
  for (unsigned i = 1; i < count; ++i) {
    const uint64_t key = offered[i];
    unsigned j = i;
    for (; j > 0 && offered[j - 1] > key; --j) offered[j] = offered[j - 1];
    offered[j] = key;
  }
  size_t places[kOffers];
  for (unsigned i = 0; i < count; ++i) places[i] = place_of(offered[i], keys, size);
  size_t end = size < width ? size : width;
  for (unsigned i = count; i-- > 0;) {
    uint64_t* from = keys + places[i];
    if (end > places[i]) __builtin_memmove(from + i + 1, from, (end - places[i]) * sizeof(uint64_t));
    from[i] = offered[i];
    end = places[i];
  }
  return places[0];
}

using Lanes = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Bytes = int8_t __attribute__((vector_size(16)));

inline __attribute__((always_inline)) void load(Lanes& v, const float* p) { __builtin_memcpy(&v, p, sizeof v); }

// By reference: how such vectors are passed by value depends on the instructions allowed.
template <int H>
inline __attribute__((always_inline)) void butterflies(Lanes& v) {
  const Lanes sign = {1.0f, H & 1 ? -1.0f : 1.0f, H & 2 ? -1.0f : 1.0f, H & 3 ? -1.0f : 1.0f,
                      H & 4 ? -1.0f : 1.0f, H & 5 ? -1.0f : 1.0f, H & 6 ? -1.0f : 1.0f, H & 7 ? -1.0f : 1.0f,
                      H & 8 ? -1.0f : 1.0f, H & 9 ? -1.0f : 1.0f, H & 10 ? -1.0f : 1.0f, H & 11 ? -1.0f : 1.0f,
                      H & 12 ? -1.0f : 1.0f, H & 13 ? -1.0f : 1.0f, H & 14 ? -1.0f : 1.0f, H & 15 ? -1.0f : 1.0f};
  const Lanes other = __builtin_shufflevector(v, v, 0 ^ H, 1 ^ H, 2 ^ H, 3 ^ H, 4 ^ H, 5 ^ H, 6 ^ H, 7 ^ H, 8 ^ H, 9 ^ H,
                                              10 ^ H, 11 ^ H, 12 ^ H, 13 ^ H, 14 ^ H, 15 ^ H);
  v = other + sign * v;
}

Gauge gauge(const float* x, const float* y, unsigned d) {
  double sums[8] = {}, sizes[8] = {};
  Lanes most = {};
  unsigned j = 0;
  for (; j + 16 <= d; j += 16) {
    Lanes a;
    load(a, x + j);
    a = a < 0.0f ? -a : a;
    most = most > a ? most : a;
    for (unsigned h = 0; h < 16; h += 8)
      for (unsigned l = 0; l < 8; ++l) {
        sums[l] += static_cast<double>(x[j + h + l]) * y[j + h + l];
        sizes[l] += a[h + l];
      }
  }
  Gauge found = {0, 0, 0};
  for (unsigned l = 0; l < 8; ++l) {
    found.product += sums[l];
    found.total += sizes[l];
  }
  for (unsigned l = 0; l < 16; ++l) found.largest = found.largest > most[l] ? found.largest : most[l];
  for (; j < d; ++j) {
    const float size = x[j] < 0 ? -x[j] : x[j];
    found.largest = found.largest > size ? found.largest : size;
    found.total += size;
    found.product += static_cast<double>(x[j]) * y[j];
  }
  return found;
}

int32_t round(const float* __restrict x, double scale, unsigned d, int16_t* __restrict value, int8_t* __restrict high,
              int8_t* __restrict low) {
  int32_t sum = 0;
  for (unsigned j = 0; j < d; ++j) {
    const double scaled = x[j] * scale;
    const int32_t v = static_cast<int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
    value[j] = static_cast<int16_t>(v);
    high[j] = static_cast<int8_t>(v >> 7);
    low[j] = static_cast<int8_t>(v & 127);
    sum += v;
  }
  return sum;
}


void hadamard(float* x, unsigned p) {
  if (p < 16) {
    for (unsigned h = 1; h < p; h *= 2)
      for (unsigned i = 0; i < p; i += 2 * h)
        for (unsigned j = i; j < i + h; ++j) {
          const float a = x[j], b = x[j + h];
          x[j] = a + b;
          x[j + h] = a - b;
        }
    return;
  }
  for (unsigned i = 0; i < p; i += 16) {
    Lanes v;
    load(v, x + i);
    butterflies<1>(v);
    butterflies<2>(v);
    butterflies<4>(v);
    butterflies<8>(v);
    __builtin_memcpy(x + i, &v, sizeof v);
  }
  for (unsigned h = 16; h < p; h *= 2)
    for (unsigned i = 0; i < p; i += 2 * h)
      for (unsigned j = i; j < i + h; j += 16) {
        Lanes a, b;
        load(a, x + j);
        load(b, x + j + h);
        const Lanes sum = a + b, difference = a - b;
        __builtin_memcpy(x + j, &sum, sizeof sum);
        __builtin_memcpy(x + j + h, &difference, sizeof difference);
      }
}

void link(const float* c, const float* x, unsigned d, float inverse, unsigned top, float* out, uint8_t* codes) {
  Lanes absolute = {}, along = {};
  const float most = static_cast<float>(top);
  const Lanes largest = most - Lanes{};
  const auto add = [&](const float* cp, const float* xp, uint8_t* to) __attribute__((always_inline)) {
    Lanes cv, xv;
    load(cv, cp);
    load(xv, xp);
    const Lanes r = xv - cv;
    const Ints above = r > 0;
    const Lanes size = above ? r : -r;
    Lanes steps = size * inverse;
    steps = steps < largest ? steps : largest;
    const Ints whole = __builtin_convertvector(steps, Ints);  // towards zero
    const Lanes number = 2.0f * __builtin_convertvector(whole, Lanes) + 1.0f;
    absolute += size * number;
    along += (above ? cv : -cv) * number;
    const Ints code = static_cast<int>(top) + (above ? whole + 1 : -whole);
    const Bytes narrow = __builtin_convertvector(code, Bytes);
    __builtin_memcpy(to, &narrow, sizeof narrow);
  };
  unsigned j = 0;
  for (; j + 16 <= d; j += 16) add(c + j, x + j, codes + j);
  if (j < d) {
    float cv[16] = {}, xv[16] = {};
    for (unsigned l = 0; j + l < d; ++l) {
      cv[l] = c[j + l];
      xv[l] = x[j + l];
    }
    add(cv, xv, codes + j);
  }
  for (unsigned h = 8; h > 0; h /= 2)
    for (unsigned l = 0; l < h; ++l) {
      absolute[l] += absolute[l + h];
      along[l] += along[l + h];
    }
  out[0] = absolute[0];
  out[1] = along[0];
}

}  // namespace

}  // namespace nearfield
