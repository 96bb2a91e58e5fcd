// AVX-512 (F, BW, VL, DQ, VNNI) kernels. No static initialiser and nothing from the standard library here.
#include "kernels.hpp"
#include "kernels_additive.hpp"
#include "kernels_common.hpp"
#include "kernels_predicates.hpp"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VNNI__)
#include <immintrin.h>

namespace nearfield {

namespace {

inline __m512 load(const float* p) { return _mm512_loadu_ps(p); }
inline __m512 load(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m512 load_tail(const float* p, __mmask16 m) { return _mm512_maskz_loadu_ps(m, p); }
inline __m512 load_tail(const uint16_t* p, __mmask16 m) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, p)); }

template <bool L2>
inline __m512 step(__m512 q, __m512 x, __m512 sum) {
  if (L2) {
    const __m512 e = _mm512_sub_ps(q, x);
    return _mm512_fmadd_ps(e, e, sum);
  }
  return _mm512_fmadd_ps(q, x, sum);
}

// One accumulator for a (target, row) pair, whatever the tile: a batch gives the same bits as a single query. Tiles of
// NQ targets x NR rows keep enough independent chains in flight to hide the latency of the fused multiply-add.
template <bool L2, class T, int NQ, int NR>
inline void tile(const float* const* q, const T* const* row, unsigned d, float (*out)[NR]) {
  __m512 sum[NQ][NR];
  for (int t = 0; t < NQ; ++t)
    for (int r = 0; r < NR; ++r) sum[t][r] = _mm512_setzero_ps();
  unsigned j = 0;
  for (; j + 16 <= d; j += 16) {
    __m512 x[NR];
    for (int r = 0; r < NR; ++r) x[r] = load(row[r] + j);
    for (int t = 0; t < NQ; ++t) {
      const __m512 v = load(q[t] + j);
      for (int r = 0; r < NR; ++r) sum[t][r] = step<L2>(v, x[r], sum[t][r]);
    }
  }
  if (j < d) {
    const __mmask16 m = static_cast<__mmask16>((1u << (d - j)) - 1);
    __m512 x[NR];
    for (int r = 0; r < NR; ++r) x[r] = load_tail(row[r] + j, m);
    for (int t = 0; t < NQ; ++t) {
      const __m512 v = load_tail(q[t] + j, m);
      for (int r = 0; r < NR; ++r) sum[t][r] = step<L2>(v, x[r], sum[t][r]);
    }
  }
  for (int t = 0; t < NQ; ++t)
    for (int r = 0; r < NR; ++r) out[t][r] = _mm512_reduce_add_ps(sum[t][r]);
}

template <bool L2, class T, int NQ>
inline void rows(const float* const* q, const T* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                 float* out) {
  constexpr int NR = 4;
  unsigned i = 0;
  for (unsigned p = 0; p < kPrefetchAhead && p < n; ++p)
    prefetch_bytes(base + static_cast<size_t>(ids[p]) * stride, d * sizeof(T));
  for (; i + NR <= n; i += NR) {
    const T* row[NR];
    for (int r = 0; r < NR; ++r) {
      row[r] = base + static_cast<size_t>(ids[i + r]) * stride;
      if (i + r + kPrefetchAhead < n)
        prefetch_bytes(base + static_cast<size_t>(ids[i + r + kPrefetchAhead]) * stride, d * sizeof(T));
    }
    float s[NQ][NR];
    tile<L2, T, NQ, NR>(q, row, d, s);
    for (int t = 0; t < NQ; ++t)
      for (int r = 0; r < NR; ++r) out[t * n + i + r] = s[t][r];
  }
  for (; i < n; ++i) {
    const T* row[1] = {base + static_cast<size_t>(ids[i]) * stride};
    float s[NQ][1];
    tile<L2, T, NQ, 1>(q, row, d, s);
    for (int t = 0; t < NQ; ++t) out[t * n + i] = s[t][0];
  }
}

template <bool L2, class T>
void floats(const float* const* q, unsigned nq, const T* base, size_t stride, unsigned d, const uint32_t* ids,
            unsigned n, float* out) {
  switch (nq) {
    case 1: return rows<L2, T, 1>(q, base, stride, d, ids, n, out);
    case 2: return rows<L2, T, 2>(q, base, stride, d, ids, n, out);
    case 3: return rows<L2, T, 3>(q, base, stride, d, ids, n, out);
    default: return rows<L2, T, 4>(q, base, stride, d, ids, n, out);
  }
}

inline const uint8_t* codes_of(const uint8_t* base, size_t stride, uint32_t id) {
  return base + static_cast<size_t>(id) * stride + sizeof(RowHeader);
}

inline __mmask64 tail_mask(unsigned left) { return left >= 64 ? ~0ull : (1ull << left) - 1; }

// Two multiply-adds of 64 bytes a step: the query's high and low seven bits against unsigned codes. Against one int8
// query this costs 6 more instructions for 384 dimensions and removes the query's own rounding from the recall.
inline int32_t finish(__m512i high, __m512i low) {
  return _mm512_reduce_add_epi32(_mm512_add_epi32(_mm512_slli_epi32(high, 7), low));
}

void sq8_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  const size_t bytes = sizeof(RowHeader) + d;
  for (unsigned p = 0; p < kPrefetchAhead && p < n; ++p)
    prefetch_bytes(base + static_cast<size_t>(ids[p]) * stride, bytes);
  const unsigned whole = d & ~63u;
  const __mmask64 m = tail_mask(d - whole);
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n) prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, bytes);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m512i high = _mm512_setzero_si512(), low = _mm512_setzero_si512();
    unsigned j = 0;
    for (; j < whole; j += 64) {
      const __m512i x = _mm512_loadu_si512(c + j);
      high = _mm512_dpbusd_epi32(high, x, _mm512_loadu_si512(q.high + j));
      low = _mm512_dpbusd_epi32(low, x, _mm512_loadu_si512(q.low + j));
    }
    if (j < d) {
      const __m512i x = _mm512_maskz_loadu_epi8(m, c + j);
      high = _mm512_dpbusd_epi32(high, x, _mm512_maskz_loadu_epi8(m, q.high + j));
      low = _mm512_dpbusd_epi32(low, x, _mm512_maskz_loadu_epi8(m, q.low + j));
    }
    out[i] = finish(high, low);
  }
}

void sq4_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  const unsigned half = (d + 1) / 2;
  const size_t bytes = sizeof(RowHeader) + half;
  for (unsigned p = 0; p < kPrefetchAhead && p < n; ++p)
    prefetch_bytes(base + static_cast<size_t>(ids[p]) * stride, bytes);
  const __m512i nibble = _mm512_set1_epi8(15);
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n) prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, bytes);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m512i high = _mm512_setzero_si512(), low = _mm512_setzero_si512();
    for (unsigned j = 0; j < half; j += 64) {
      const __mmask64 ma = tail_mask(half - j), mb = tail_mask(d - half - j);  // an odd d: one element fewer above
      const __m512i x = _mm512_maskz_loadu_epi8(ma, c + j);
      const __m512i a = _mm512_and_si512(x, nibble);
      const __m512i b = _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble);
      high = _mm512_dpbusd_epi32(high, a, _mm512_maskz_loadu_epi8(ma, q.high + j));
      low = _mm512_dpbusd_epi32(low, a, _mm512_maskz_loadu_epi8(ma, q.low + j));
      high = _mm512_dpbusd_epi32(high, b, _mm512_maskz_loadu_epi8(mb, q.high + half + j));
      low = _mm512_dpbusd_epi32(low, b, _mm512_maskz_loadu_epi8(mb, q.low + half + j));
    }
    out[i] = finish(high, low);
  }
}

// The sums of four vectors at once: halves are added crosswise.
inline __m128i sums(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

// Sums of four rows, each with a name of its own: those of an array the compiler stores at every step, which made the
// kernels below take 1.7 times as long.
struct Sums {
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  void add(__m512i x, __m512i y, __m512i z, __m512i w, __m512i q) {
    a = _mm512_dpbusd_epi32(a, x, q);
    b = _mm512_dpbusd_epi32(b, y, q);
    c = _mm512_dpbusd_epi32(c, z, q);
    d = _mm512_dpbusd_epi32(d, w, q);
  }
  void store(int32_t* out) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(out), sums(a, b, c, d)); }
};

// A target against four rows: the loads of the target and the summing up are shared.
struct Halves {
  Sums high, low;
  void add(__m512i x, __m512i y, __m512i z, __m512i w, __m512i qh, __m512i ql) {
    high.add(x, y, z, w, qh);
    low.add(x, y, z, w, ql);
  }
  static __m512i whole(__m512i h, __m512i l) { return _mm512_add_epi32(_mm512_slli_epi32(h, 7), l); }
  void store(int32_t* out) const {
    Sums s;
    s.a = whole(high.a, low.a);
    s.b = whole(high.b, low.b);
    s.c = whole(high.c, low.c);
    s.d = whole(high.d, low.d);
    s.store(out);
  }
};

inline __m512i codes(const uint8_t* c, __mmask64 m) { return _mm512_maskz_loadu_epi8(m, c); }
inline __m512i codes(const int8_t* c, __mmask64 m) { return _mm512_maskz_loadu_epi8(m, c); }

struct EightBits {
  static constexpr unsigned kBits = 8;
  static inline void tile(QueryCodes q, const uint8_t* const* c, unsigned d, int32_t* out) {
    Halves s;
    const auto add = [&](unsigned j, __mmask64 m) {
      s.add(codes(c[0] + j, m), codes(c[1] + j, m), codes(c[2] + j, m), codes(c[3] + j, m), codes(q.high + j, m),
            codes(q.low + j, m));
    };
    unsigned j = 0;
    for (; j + 64 <= d; j += 64) add(j, ~0ull);
    if (j < d) add(j, tail_mask(d - j));
    s.store(out);
  }
};

// The loaded bits are the mask of the bytes that count.
struct OneBit {
  static constexpr unsigned kBits = 1;
  static inline void tile(QueryCodes q, const uint8_t* const* c, unsigned d, int32_t* out) {
    const __m512i one = _mm512_set1_epi8(1);
    Halves s;
    const auto add = [&](unsigned j, __mmask64 m, auto bits) {
      s.add(_mm512_maskz_mov_epi8(bits(c[0]), one), _mm512_maskz_mov_epi8(bits(c[1]), one),
            _mm512_maskz_mov_epi8(bits(c[2]), one), _mm512_maskz_mov_epi8(bits(c[3]), one), codes(q.high + j, m),
            codes(q.low + j, m));
    };
    unsigned j = 0;
    for (; j + 64 <= d; j += 64)
      add(j, ~0ull, [j](const uint8_t* row) {
        uint64_t word;
        __builtin_memcpy(&word, row + j / 8, 8);
        return static_cast<__mmask64>(word);
      });
    if (j < d) {
      const __mmask16 bytes = static_cast<__mmask16>((1u << (d - j + 7) / 8) - 1);
      add(j, tail_mask(d - j), [j, bytes](const uint8_t* row) {
        return static_cast<__mmask64>(_mm_cvtsi128_si64(_mm_maskz_loadu_epi8(bytes, row + j / 8)));
      });
    }
    s.store(out);
  }
};

struct TwoBits {
  static constexpr unsigned kBits = 2;
  static inline void tile(QueryCodes q, const uint8_t* const* c, unsigned d, int32_t* out) {
    const unsigned quarter = (d + 3) / 4;
    const __m512i three = _mm512_set1_epi8(3);
    Halves s;
    for (unsigned j = 0; j < quarter; j += 64) {
      const __mmask64 row = tail_mask(quarter - j);
      __m512i x = codes(c[0] + j, row), y = codes(c[1] + j, row), z = codes(c[2] + j, row), w = codes(c[3] + j, row);
      for (unsigned begin = j, end = quarter; begin < d; begin += quarter, end += quarter) {
        if (end > d) end = d;  // the last plane may be short
        const __mmask64 m = tail_mask(end - begin);
        s.add(_mm512_and_si512(x, three), _mm512_and_si512(y, three), _mm512_and_si512(z, three),
              _mm512_and_si512(w, three), codes(q.high + begin, m), codes(q.low + begin, m));
        x = _mm512_srli_epi16(x, 2);
        y = _mm512_srli_epi16(y, 2);
        z = _mm512_srli_epi16(z, 2);
        w = _mm512_srli_epi16(w, 2);
      }
    }
    s.store(out);
  }
};

// Calls tile(rows, i, count) for every four rows; the last ones are filled up with copies of the last row.
template <bool Ahead, class Tile>
inline void by_fours(const uint8_t* base, size_t stride, size_t bytes, const uint32_t* ids, unsigned n, Tile tile) {
  for (unsigned p = 0; Ahead && p < kPrefetchAhead && p < n; ++p)
    prefetch_bytes(base + static_cast<size_t>(ids[p]) * stride, bytes);
  for (unsigned i = 0; i < n; i += 4) {
    const uint8_t* c[4];
    const unsigned count = n - i < 4 ? n - i : 4;
    for (unsigned r = 0; r < 4; ++r) {
      c[r] = codes_of(base, stride, ids[i + (r < count ? r : count - 1)]);
      if (Ahead && i + r + kPrefetchAhead < n)
        prefetch_bytes(base + static_cast<size_t>(ids[i + r + kPrefetchAhead]) * stride, bytes);
    }
    tile(c, i, count);
  }
}

inline void store_some(const int32_t* four, unsigned count, int32_t* out) {
  for (unsigned r = 0; r < count; ++r) out[r] = four[r];
}

// Ahead: rows are asked for before their turn, as they are not in the cache.
template <class Codes, bool Ahead = true>
void short_rows(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                int32_t* out) {
  by_fours<Ahead>(base, stride, sizeof(RowHeader) + code_bytes(Codes::kBits, d), ids, n,
                  [&](const uint8_t* const* c, unsigned i, unsigned count) {
                    if (count == 4) return Codes::tile(q, c, d, out + i);
                    int32_t four[4];
                    Codes::tile(q, c, d, four);
                    store_some(four, count, out + i);
                  });
}

constexpr auto sq8_cached = short_rows<EightBits, false>;
constexpr auto sq2_query = short_rows<TwoBits>;
constexpr auto sq1_query = short_rows<OneBit>;

// Two targets by four rows: sixteen sums in flight, eight loads for sixteen multiply-adds.
inline void two_targets(const QueryCodes* q, const uint8_t* const* c, unsigned d, int32_t* first, int32_t* second) {
  Halves s, t;
  const auto add = [&](unsigned j, __mmask64 m) {
    const __m512i x = codes(c[0] + j, m), y = codes(c[1] + j, m), z = codes(c[2] + j, m), w = codes(c[3] + j, m);
    s.add(x, y, z, w, codes(q[0].high + j, m), codes(q[0].low + j, m));
    t.add(x, y, z, w, codes(q[1].high + j, m), codes(q[1].low + j, m));
  };
  unsigned j = 0;
  for (; j + 64 <= d; j += 64) add(j, ~0ull);
  if (j < d) add(j, tail_mask(d - j));
  s.store(first);
  t.store(second);
}

void sq8_queries(const QueryCodes* q, unsigned nq, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids,
                 unsigned n, int32_t* out) {
  by_fours<true>(base, stride, sizeof(RowHeader) + d, ids, n, [&](const uint8_t* const* c, unsigned i, unsigned count) {
    int32_t four[4][4], *to[4];
    for (unsigned t = 0; t < nq; ++t) to[t] = count == 4 ? out + static_cast<size_t>(t) * n + i : four[t];
    unsigned t = 0;
    for (; t + 2 <= nq; t += 2) two_targets(q + t, c, d, to[t], to[t + 1]);
    if (t < nq) EightBits::tile(q[t], c, d, to[t]);
    if (count < 4)
      for (t = 0; t < nq; ++t) store_some(four[t], count, out + static_cast<size_t>(t) * n + i);
  });
}

template <int NQ>
void block_rows(const int8_t* const* q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                int32_t* out) {
  by_fours<false>(base, stride, 0, ids, n, [&](const uint8_t* const* c, unsigned i, unsigned count) {
    Sums s0, s1, s2, s3;
    for (unsigned j = 0; j < d; j += 64) {
      const __mmask64 m = tail_mask(d - j);
      const __m512i x = codes(c[0] + j, m), y = codes(c[1] + j, m), z = codes(c[2] + j, m), w = codes(c[3] + j, m);
      s0.add(x, y, z, w, codes(q[0] + j, m));
      if constexpr (NQ > 1) s1.add(x, y, z, w, codes(q[1] + j, m));
      if constexpr (NQ > 2) s2.add(x, y, z, w, codes(q[2] + j, m));
      if constexpr (NQ > 3) s3.add(x, y, z, w, codes(q[3] + j, m));
    }
    int32_t four[4][4], *to[4];
    for (int t = 0; t < NQ; ++t) to[t] = count == 4 ? out + static_cast<size_t>(t) * n + i : four[t];
    s0.store(to[0]);
    if constexpr (NQ > 1) s1.store(to[1]);
    if constexpr (NQ > 2) s2.store(to[2]);
    if constexpr (NQ > 3) s3.store(to[3]);
    if (count < 4)
      for (int t = 0; t < NQ; ++t) store_some(four[t], count, out + static_cast<size_t>(t) * n + i);
  });
}

void sq8_block(const int8_t* const* q, unsigned nq, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids,
               unsigned n, int32_t* out) {
  switch (nq) {
    case 4: return block_rows<4>(q, base, stride, d, ids, n, out);
    case 3: return block_rows<3>(q, base, stride, d, ids, n, out);
    case 2: return block_rows<2>(q, base, stride, d, ids, n, out);
    default: return block_rows<1>(q, base, stride, d, ids, n, out);
  }
}

// Unsigned by unsigned: one side is shifted into int8 range, and 128 times the other side's sum is put back.
void sq8_pair(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
              int32_t* out) {
  const uint8_t* a = row + sizeof(RowHeader);
  const size_t bytes = sizeof(RowHeader) + d;
  for (unsigned p = 0; p < kPrefetchAhead && p < n; ++p)
    prefetch_bytes(base + static_cast<size_t>(ids[p]) * stride, bytes);
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  const int32_t back = 128 * reinterpret_cast<const RowHeader*>(row)->sum;
  const unsigned whole = d & ~63u;
  const __mmask64 m = tail_mask(d - whole);
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n) prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, bytes);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m512i sum = _mm512_setzero_si512();
    unsigned j = 0;
    for (; j < whole; j += 64)
      sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(a + j), _mm512_xor_si512(_mm512_loadu_si512(c + j), flip));
    if (j < d)
      sum = _mm512_dpbusd_epi32(sum, _mm512_maskz_loadu_epi8(m, a + j),
                                _mm512_xor_si512(_mm512_maskz_loadu_epi8(m, c + j), flip));
    out[i] = _mm512_reduce_add_epi32(sum) + back;
  }
}

void sq4_pair(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
              int32_t* out) {
  const uint8_t* a = row + sizeof(RowHeader);
  const unsigned half = (d + 1) / 2;
  const size_t bytes = sizeof(RowHeader) + half;
  for (unsigned p = 0; p < kPrefetchAhead && p < n; ++p)
    prefetch_bytes(base + static_cast<size_t>(ids[p]) * stride, bytes);
  const __m512i nibble = _mm512_set1_epi8(15);
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n) prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, bytes);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m512i sum = _mm512_setzero_si512();
    for (unsigned j = 0; j < half; j += 64) {
      const __mmask64 m = tail_mask(half - j);
      const __m512i x = _mm512_maskz_loadu_epi8(m, a + j), y = _mm512_maskz_loadu_epi8(m, c + j);
      sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(x, nibble), _mm512_and_si512(y, nibble));
      sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble),
                                _mm512_and_si512(_mm512_srli_epi16(y, 4), nibble));
    }
    out[i] = _mm512_reduce_add_epi32(sum);
  }
}

// The sums of sixteen bytes a lane: pairs of bytes are added as 16-bit numbers, the odd bytes once more on their own, and
// what the odd ones put into the upper half is taken off at the end: two additions instead of four unpackings.
struct SignSums {
  __m512i both = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
  void add(__m512i bytes) {
    both = _mm512_add_epi16(both, bytes);
    odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
  }
  // Sixteen sums of 32 bits, over the four lanes.
  __m512i total() const {
    const __m512i even = _mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8));
    return _mm512_add_epi32(interleave(even, odd, true), interleave(even, odd, false));
  }

 private:
  static __m512i interleave(__m512i even, __m512i odd, bool first) {
    // Link 2 i from `even`, link 2 i + 1 from `odd`; two lanes of each half are added while they are widened.
    const __m256i e = first ? _mm512_castsi512_si256(even) : _mm512_extracti64x4_epi64(even, 1);
    const __m256i o = first ? _mm512_castsi512_si256(odd) : _mm512_extracti64x4_epi64(odd, 1);
    const __m256i low = _mm256_unpacklo_epi16(e, o), high = _mm256_unpackhi_epi16(e, o);  // links 0-7 and 8-15, 2 lanes
    const __m512i a = _mm512_cvtepu16_epi32(_mm256_set_m128i(_mm256_castsi256_si128(high), _mm256_castsi256_si128(low)));
    const __m512i b =
        _mm512_cvtepu16_epi32(_mm256_set_m128i(_mm256_extracti128_si256(high, 1), _mm256_extracti128_si256(low, 1)));
    return _mm512_add_epi32(a, b);
  }
};

// Blocks of 64 bytes: four groups of four dimensions for 32 links. About 13 instructions a block, 24 blocks for 384
// dimensions: some ten per link, where the same link as an 8-bit code takes about sixty and seven cache lines.
uint32_t signs(const SignScan& q, const uint8_t* chunk, float worst, float* out) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const uint8_t* codes = chunk + 128;
  __m512i first = _mm512_setzero_si512(), second = _mm512_setzero_si512();
  for (unsigned plane = 0; plane < q.bits; ++plane, codes += 64 * q.blocks) {
    first = _mm512_add_epi32(first, first);
    second = _mm512_add_epi32(second, second);
    for (unsigned begin = 0; begin < q.blocks; begin += kSignBlocksAtOnce) {
      const unsigned end = begin + kSignBlocksAtOnce < q.blocks ? begin + kSignBlocksAtOnce : q.blocks;
      SignSums low, high;
      for (unsigned b = begin; b < end; ++b) {
        const __m512i x = _mm512_loadu_si512(codes + 64 * b), table = _mm512_loadu_si512(q.table + 64 * b);
        low.add(_mm512_shuffle_epi8(table, _mm512_and_si512(x, nibble)));
        high.add(_mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble)));
      }
      first = _mm512_add_epi32(first, low.total());
      second = _mm512_add_epi32(second, high.total());
    }
  }
  const __m512 step = _mm512_set1_ps(q.step), base = _mm512_set1_ps(q.base), unit = _mm512_set1_ps(q.unit);
  const __m512 own = _mm512_set1_ps(q.own);
  const __m512i sums[2] = {first, second};
  uint32_t below = 0;
  for (int h = 0; h < 2; ++h) {
    const __m512 a = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(chunk + 32 * h)));
    const __m512 b = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(chunk + 64 + 32 * h)));
    // Rounded at every operation, as the scalar twin does.
    const __m512 t = _mm512_sub_ps(_mm512_mul_ps(step, _mm512_cvtepi32_ps(sums[h])), base);
    const __m512 v = _mm512_add_ps(a, _mm512_mul_ps(b, t));
    const __m512 score = _mm512_add_ps(own, _mm512_mul_ps(unit, v));
    _mm512_storeu_ps(out + 16 * h, score);
    below |= static_cast<uint32_t>(_mm512_cmp_ps_mask(score, _mm512_set1_ps(worst), _CMP_LT_OQ)) << (16 * h);
  }
  return below;
}

// The beam of a walk, in networks of smaller-and-larger: no branch depends on where a key belongs. In a short beam that
// is all; in a long one the places are looked up, and every block of eight is put together from the keys that move up and
// the new ones between them.
constexpr size_t kNetwork = 64;    // keys
constexpr size_t kLongest = 4096;  // beyond it, as on the other levels

template <int J>  // eight keys whose partners are J places away; those in `larger` become the larger of the two
inline __m512i exchange(__m512i x, __mmask8 larger) {
  const __m512i y = J == 4   ? _mm512_shuffle_i64x2(x, x, 0x4e)
                    : J == 2 ? _mm512_permutex_epi64(x, 0x4e)
                             : _mm512_shuffle_epi32(x, static_cast<_MM_PERM_ENUM>(0x4e));
  return _mm512_mask_max_epu64(_mm512_min_epu64(x, y), larger, x, y);
}

// Rising and then falling, to rising.
inline __m512i straighten(__m512i x) { return exchange<1>(exchange<2>(exchange<4>(x, 0xf0), 0xcc), 0xaa); }

inline __m512i sorted(__m512i x) {
  x = exchange<1>(x, 0x66);
  x = exchange<1>(exchange<2>(x, 0x3c), 0x5a);
  return straighten(x);
}

inline __m512i reversed(__m512i x) {
  return _mm512_permutexvar_epi64(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7), x);
}

inline void order(__m512i& low, __m512i& high) {
  const __m512i x = low;
  low = _mm512_min_epu64(x, high);
  high = _mm512_max_epu64(x, high);
}

// N vectors, rising and then falling over all of them.
template <int N>
inline void straighten(__m512i* x) {
  for (int half = N / 2; half > 0; half /= 2)
    for (int i = 0; i < N; ++i)
      if (!(i & half)) order(x[i], x[i + half]);
  for (int i = 0; i < N; ++i) x[i] = straighten(x[i]);
}

// Up to 8 M offers, sorted; what is missing at the end is the largest number.
template <int M>
inline void sort_offers(const uint64_t* offered, unsigned count, __m512i* x) {
  for (int i = 0; i < M; ++i) {
    const unsigned left = count > 8u * i ? count - 8u * i : 0;
    const __mmask8 there = static_cast<__mmask8>(left < 8 ? (1u << left) - 1 : 255);
    x[i] = sorted(_mm512_mask_loadu_epi64(_mm512_set1_epi64(-1), there, offered + 8 * i));
  }
  for (int run = 1; run < M; run *= 2)
    for (int i = 0; i < M; i += 2 * run) {
      __m512i turned[M];
      for (int j = 0; j < run; ++j) turned[j] = reversed(x[i + 2 * run - 1 - j]);
      for (int j = 0; j < run; ++j) x[i + run + j] = turned[j];
      for (int j = 0; j < run; ++j) order(x[i + j], x[i + run + j]);
      if (run == 1) {
        straighten<1>(x + i);
        straighten<1>(x + i + 1);
      } else {
        straighten<M / 2>(x + i);
        straighten<M / 2>(x + i + M / 2);
      }
    }
}

inline unsigned below(__m512i x, __m512i bound) {
  return static_cast<unsigned>(__builtin_popcount(_mm512_cmplt_epu64_mask(x, bound)));
}

template <int N, int M>
inline size_t merge_short(uint64_t* keys, size_t width, const uint64_t* offered, unsigned count) {
  __m512i x[N], y[M];
  sort_offers<M>(offered, count, y);
  const __m512i lowest = _mm512_broadcastq_epi64(_mm512_castsi512_si128(y[0]));
  unsigned place = 0;
  for (int i = 0; i < N; ++i) {
    x[i] = _mm512_loadu_si512(keys + 8 * i);
    place += below(x[i], lowest);
  }
  for (int i = 0; i < M; ++i) x[N - 1 - i] = _mm512_min_epu64(x[N - 1 - i], reversed(y[i]));
  straighten<N>(x);
  for (int i = 0; i < N; ++i) {
    const size_t left = width > 8u * i ? width - 8u * i : 0;
    const __mmask8 stays = static_cast<__mmask8>(left < 8 ? (1u << left) - 1 : 255);
    _mm512_storeu_si512(keys + 8 * i, _mm512_mask_mov_epi64(_mm512_set1_epi64(-1), stays, x[i]));
  }
  return place;
}

// The places of up to N keys at once: each step waits for memory or cache, and the others fill the time.
template <unsigned N>
inline void places_of(const uint64_t* risen, const uint64_t* keys, size_t size, size_t* places) {
  const uint64_t* low[N];
  for (unsigned i = 0; i < N; ++i) low[i] = keys;
  for (size_t left = size; left > 0;) {
    const size_t half = (left + 1) / 2;
    for (unsigned i = 0; i < N; ++i) {
      const uint64_t* next = low[i] + half;
      low[i] = next[-1] < risen[i] ? next : low[i];
    }
    left -= half;
  }
  for (unsigned i = 0; i < N; ++i) places[i] = static_cast<size_t>(low[i] - keys) + i;
}

size_t merge_long(uint64_t* keys, size_t size, size_t width, const uint64_t* offered, unsigned count) {
  __m512i x[4];
  alignas(64) uint64_t risen[kOffers + 8];
  size_t ends[kOffers];  // where the offers will be
  if (count <= 8) {
    sort_offers<1>(offered, count, x);
    _mm512_store_si512(risen, x[0]);
    if (count <= 2)
      places_of<2>(risen, keys, size, ends);
    else if (count <= 4)
      places_of<4>(risen, keys, size, ends);
    else
      places_of<8>(risen, keys, size, ends);
  } else {
    sort_offers<4>(offered, count, x);
    for (int i = 0; i < 4; ++i) _mm512_store_si512(risen + 8 * i, x[i]);
    places_of<16>(risen, keys, size, ends);
    places_of<16>(risen + 16, keys, size, ends + 16);
    for (int i = 16; i < 32; ++i) ends[i] += 16;
  }
  const size_t kept = size + count < width ? size + count : width, first = ends[0] / 64;
  uint64_t marks[kLongest / 64 + 1];  // a bit for every place that an offer takes
  for (size_t i = first; i <= kept / 64; ++i) marks[i] = 0;
  unsigned left = 0;
  for (; left < count && ends[left] < kept; ++left) marks[ends[left] / 64] |= 1ull << (ends[left] % 64);
  if (!left) return ends[0];
  for (size_t block = (kept - 1) / 8 * 8 + 8; block > ends[0] / 8 * 8;) {
    block -= 8;
    const unsigned mine = marks[block / 64] >> (block % 64) & 255;
    left -= static_cast<unsigned>(__builtin_popcount(mine));
    const __m512i moved =
        _mm512_maskz_expand_epi64(static_cast<__mmask8>(~mine), _mm512_loadu_si512(keys + block - left));
    _mm512_storeu_si512(
        keys + block, _mm512_mask_expand_epi64(moved, static_cast<__mmask8>(mine), _mm512_loadu_si512(risen + left)));
  }
  return ends[0];
}

size_t merge_keys(uint64_t* keys, size_t size, size_t width, uint64_t* offered, unsigned count) {
  if (width > kLongest) return merge(keys, size, width, offered, count);
  if (width > kNetwork) return merge_long(keys, size, width, offered, count);
  if (width <= kNetwork / 2)
    return count <= 8    ? merge_short<4, 1>(keys, width, offered, count)
           : count <= 16 ? merge_short<4, 2>(keys, width, offered, count)
                         : merge_short<4, 4>(keys, width, offered, count);
  return count <= 8 ? merge_short<8, 1>(keys, width, offered, count) : merge_short<8, 4>(keys, width, offered, count);
}

constexpr Kernels table = {floats<false, float>, floats<true, float>, floats<false, uint16_t>, floats<true, uint16_t>,
                           sq8_cached,           sq8_queries,          sq8_block,
                           sq8_query,            sq4_query,           sq2_query,               sq1_query,
                           sq8_pair,             sq4_pair,            sq2_pair,                sq1_pair,
                           signs,                hadamard,            link,
                           gauge,                round,
                           combine,              nearest,             lookup,
                           merge_keys,           codes_between,       codes_among};

}  // namespace

const Kernels* avx512_kernels() { return &table; }

}  // namespace nearfield

#else
namespace nearfield {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace nearfield
#endif
