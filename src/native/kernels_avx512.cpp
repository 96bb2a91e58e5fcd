// AVX-512 (F, BW, VL, DQ, VNNI) kernels. No static initialiser and nothing from the standard library here.
#include "kernels.hpp"

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

constexpr Kernels table = {floats<false, float>, floats<true, float>, floats<false, uint16_t>, floats<true, uint16_t>,
                           sq8_query,            sq4_query,           sq8_pair,                sq4_pair};

}  // namespace

const Kernels* avx512_kernels() { return &table; }

}  // namespace nearfield

#else
namespace nearfield {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace nearfield
#endif
