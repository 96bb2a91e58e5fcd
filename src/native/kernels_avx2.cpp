// AVX2 + FMA + F16C kernels. No static initialiser and nothing from the standard library here.
#include "kernels.hpp"
#include "kernels_additive.hpp"
#include "kernels_common.hpp"
#include "kernels_predicates.hpp"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

namespace nearfield {

namespace {

inline __m256 load(const float* p) { return _mm256_loadu_ps(p); }
inline __m256 load(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// The last d % 8 elements go through a zero-filled copy: zeros change no sum.
template <class T>
inline __m256 load_tail(const T* p, unsigned left) {
  T rest[8] = {};
  for (unsigned l = 0; l < left; ++l) rest[l] = p[l];
  return load(rest);
}

template <bool L2>
inline __m256 step(__m256 q, __m256 x, __m256 sum) {
  if (L2) {
    const __m256 e = _mm256_sub_ps(q, x);
    return _mm256_fmadd_ps(e, e, sum);
  }
  return _mm256_fmadd_ps(q, x, sum);
}

inline float reduce(__m256 v) {
  const __m128 a = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 b = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

inline int32_t reduce(__m256i v) {
  const __m128i a = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i b = _mm_add_epi32(a, _mm_shuffle_epi32(a, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(b, _mm_shuffle_epi32(b, 0xb1)));
}

// One accumulator for a (target, row) pair, whatever the tile: a batch gives the same bits as a single query.
template <bool L2, class T, int NQ, int NR>
inline void tile(const float* const* q, const T* const* row, unsigned d, float (*out)[NR]) {
  __m256 sum[NQ][NR];
  for (int t = 0; t < NQ; ++t)
    for (int r = 0; r < NR; ++r) sum[t][r] = _mm256_setzero_ps();
  unsigned j = 0;
  for (; j + 8 <= d; j += 8) {
    __m256 x[NR];
    for (int r = 0; r < NR; ++r) x[r] = load(row[r] + j);
    for (int t = 0; t < NQ; ++t) {
      const __m256 v = load(q[t] + j);
      for (int r = 0; r < NR; ++r) sum[t][r] = step<L2>(v, x[r], sum[t][r]);
    }
  }
  if (j < d) {
    __m256 x[NR];
    for (int r = 0; r < NR; ++r) x[r] = load_tail(row[r] + j, d - j);
    for (int t = 0; t < NQ; ++t) {
      const __m256 v = load_tail(q[t] + j, d - j);
      for (int r = 0; r < NR; ++r) sum[t][r] = step<L2>(v, x[r], sum[t][r]);
    }
  }
  for (int t = 0; t < NQ; ++t)
    for (int r = 0; r < NR; ++r) out[t][r] = reduce(sum[t][r]);
}

template <bool L2, class T, int NQ>
inline void rows(const float* const* q, const T* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                 float* out) {
  constexpr int NR = NQ > 2 ? 2 : 4;  // at most 8 sums: AVX2 has 16 registers
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

inline __m256i widen(const uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline __m256i load16(const int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

// Sixteen codes widened to int16 against the query's fifteen-bit values; pairs are summed in int32 without saturation.
template <unsigned BITS, unsigned SHIFT>
inline int32_t query_part(const int16_t* q, const uint8_t* c, unsigned d) {
  const __m256i mask = _mm256_set1_epi16((1 << BITS) - 1);
  __m256i sum = _mm256_setzero_si256();
  unsigned j = 0;
  for (; j + 16 <= d; j += 16) {
    __m256i x = widen(c + j);
    if (SHIFT > 0) x = _mm256_srli_epi16(x, SHIFT);
    if (SHIFT + BITS < 8) x = _mm256_and_si256(x, mask);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, load16(q + j)));
  }
  int32_t s = reduce(sum);
  for (; j < d; ++j) {
    s += static_cast<int32_t>(q[j]) * (c[j] >> SHIFT & ((1 << BITS) - 1));
  }
  return s;
}

void sq8_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n)
      prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, sizeof(RowHeader) + d);
    out[i] = query_part<8, 0>(q.value, codes_of(base, stride, ids[i]), d);
  }
}

// A row is widened once for all targets.
template <int NQ>
void query_rows(const QueryCodes* q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                int32_t* out) {
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n)
      prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, sizeof(RowHeader) + d);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m256i sum[NQ];
    for (int t = 0; t < NQ; ++t) sum[t] = _mm256_setzero_si256();
    unsigned j = 0;
    for (; j + 16 <= d; j += 16) {
      const __m256i x = widen(c + j);
      for (int t = 0; t < NQ; ++t)
        sum[t] = _mm256_add_epi32(sum[t], _mm256_madd_epi16(x, load16(q[t].value + j)));
    }
    for (int t = 0; t < NQ; ++t) {
      int32_t s = reduce(sum[t]);
      for (unsigned tail = j; tail < d; ++tail) s += static_cast<int32_t>(q[t].value[tail]) * c[tail];
      out[static_cast<size_t>(t) * n + i] = s;
    }
  }
}

void sq8_queries(const QueryCodes* q, unsigned nq, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids,
                 unsigned n, int32_t* out) {
  switch (nq) {
    case 4: return query_rows<4>(q, base, stride, d, ids, n, out);
    case 3: return query_rows<3>(q, base, stride, d, ids, n, out);
    case 2: return query_rows<2>(q, base, stride, d, ids, n, out);
    default: return query_rows<1>(q, base, stride, d, ids, n, out);
  }
}

template <int NQ>
void block_rows(const int8_t* const* q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                int32_t* out) {
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m256i sum[NQ];
    for (int t = 0; t < NQ; ++t) sum[t] = _mm256_setzero_si256();
    unsigned j = 0;
    for (; j + 16 <= d; j += 16) {
      const __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(c + j)));
      for (int t = 0; t < NQ; ++t) {
        const __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(q[t] + j)));
        sum[t] = _mm256_add_epi32(sum[t], _mm256_madd_epi16(x, y));
      }
    }
    for (int t = 0; t < NQ; ++t) {
      int32_t s = reduce(sum[t]);
      for (unsigned tail = j; tail < d; ++tail) s += static_cast<int32_t>(q[t][tail]) * c[tail];
      out[static_cast<size_t>(t) * n + i] = s;
    }
  }
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

void sq4_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  const unsigned half = (d + 1) / 2;
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n)
      prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, sizeof(RowHeader) + half);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    out[i] = query_part<4, 0>(q.value, c, half) + query_part<4, 4>(q.value + half, c, d - half);
  }
}

void sq2_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  const unsigned quarter = (d + 3) / 4;
  unsigned length[4];  // of each plane: the last may be short or empty
  for (unsigned p = 0; p < 4; ++p) {
    const unsigned begin = p * quarter, left = begin < d ? d - begin : 0;
    length[p] = left < quarter ? left : quarter;
  }
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n)
      prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, sizeof(RowHeader) + quarter);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    out[i] = query_part<2, 0>(q.value, c, length[0]) + query_part<2, 2>(q.value + quarter, c, length[1]) +
             query_part<2, 4>(q.value + 2 * quarter, c, length[2]) +
             query_part<2, 6>(q.value + 3 * quarter, c, length[3]);
  }
}

// Sixteen bits choose which of sixteen values are added.
void sq1_query(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
               int32_t* out) {
  const __m256i place = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
  const __m256i one = _mm256_set1_epi16(1);
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n)
      prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, sizeof(RowHeader) + (d + 7) / 8);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m256i sum = _mm256_setzero_si256();
    unsigned j = 0;
    for (; j + 16 <= d; j += 16) {
      uint16_t word;
      __builtin_memcpy(&word, c + j / 8, 2);
      const __m256i bits = _mm256_and_si256(_mm256_set1_epi16(static_cast<short>(word)), place);
      const __m256i chosen = _mm256_and_si256(_mm256_cmpeq_epi16(bits, place), load16(q.value + j));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(chosen, one));
    }
    int32_t s = reduce(sum);
    for (; j < d; ++j) s += static_cast<int32_t>(q.value[j]) * (c[j / 8] >> j % 8 & 1);
    out[i] = s;
  }
}

void sq8_pair(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
              int32_t* out) {
  const uint8_t* a = row + sizeof(RowHeader);
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n)
      prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, sizeof(RowHeader) + d);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m256i sum = _mm256_setzero_si256();
    unsigned j = 0;
    for (; j + 16 <= d; j += 16) sum = _mm256_add_epi32(sum, _mm256_madd_epi16(widen(a + j), widen(c + j)));
    int32_t s = reduce(sum);
    for (; j < d; ++j) s += static_cast<int32_t>(a[j]) * c[j];
    out[i] = s;
  }
}

void sq4_pair(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
              int32_t* out) {
  const uint8_t* a = row + sizeof(RowHeader);
  const unsigned half = (d + 1) / 2;
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  for (unsigned i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n)
      prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, sizeof(RowHeader) + half);
    const uint8_t* c = codes_of(base, stride, ids[i]);
    __m256i sum = _mm256_setzero_si256();
    unsigned j = 0;
    for (; j + 32 <= half; j += 32) {
      const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + j));
      const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c + j));
      // 15 * 15 * 2 fits int16 many times over: no saturation.
      const __m256i p = _mm256_maddubs_epi16(_mm256_and_si256(x, nibble), _mm256_and_si256(y, nibble));
      const __m256i r = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(x, 4), nibble),
                                             _mm256_and_si256(_mm256_srli_epi16(y, 4), nibble));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(p, r), ones));
    }
    int32_t s = reduce(sum);
    for (; j < half; ++j) s += (a[j] & 15) * (c[j] & 15) + (a[j] >> 4) * (c[j] >> 4);
    out[i] = s;
  }
}

// As in the wider twin: pairs of bytes are added as 16-bit numbers, the odd bytes once more on their own.
struct SignSums {
  __m256i both = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
  void add(__m256i bytes) {
    both = _mm256_add_epi16(both, bytes);
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
  }
  // Adds the sixteen sums over both lanes to 32-bit sums of links 0 to 7 and 8 to 15.
  void add_to(__m256i& first, __m256i& second) const {
    const __m256i even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
    const __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
    first = _mm256_add_epi32(first, _mm256_add_epi32(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(low)),
                                                     _mm256_cvtepu16_epi32(_mm256_extracti128_si256(low, 1))));
    second = _mm256_add_epi32(second, _mm256_add_epi32(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(high)),
                                                       _mm256_cvtepu16_epi32(_mm256_extracti128_si256(high, 1))));
  }
};

uint32_t signs(const SignScan& q, const uint8_t* chunk, float worst, float* out) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const uint8_t* codes = chunk + 128;
  __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
  for (unsigned plane = 0; plane < q.bits; ++plane, codes += 64 * q.blocks) {
    for (__m256i& sum : sums) sum = _mm256_add_epi32(sum, sum);
    for (unsigned begin = 0; begin < q.blocks; begin += kSignBlocksAtOnce) {
      const unsigned end = begin + kSignBlocksAtOnce < q.blocks ? begin + kSignBlocksAtOnce : q.blocks;
      SignSums low, high;
      for (unsigned b = 2 * begin; b < 2 * end; ++b) {
        const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 32 * b));
        const __m256i table = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q.table + 32 * b));
        low.add(_mm256_shuffle_epi8(table, _mm256_and_si256(x, nibble)));
        high.add(_mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble)));
      }
      low.add_to(sums[0], sums[1]);
      high.add_to(sums[2], sums[3]);
    }
  }
  const __m256 step = _mm256_set1_ps(q.step), base = _mm256_set1_ps(q.base), unit = _mm256_set1_ps(q.unit);
  const __m256 own = _mm256_set1_ps(q.own);
  uint32_t below = 0;
  for (int h = 0; h < 4; ++h) {
    const __m256 a = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(chunk + 16 * h)));
    const __m256 b = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(chunk + 64 + 16 * h)));
    const __m256 t = _mm256_sub_ps(_mm256_mul_ps(step, _mm256_cvtepi32_ps(sums[h])), base);
    const __m256 v = _mm256_add_ps(a, _mm256_mul_ps(b, t));
    const __m256 score = _mm256_add_ps(own, _mm256_mul_ps(unit, v));
    _mm256_storeu_ps(out + 8 * h, score);
    const int less = _mm256_movemask_ps(_mm256_cmp_ps(score, _mm256_set1_ps(worst), _CMP_LT_OQ));
    below |= static_cast<uint32_t>(less) << (8 * h);
  }
  return below;
}

constexpr Kernels table = {floats<false, float>, floats<true, float>, floats<false, uint16_t>, floats<true, uint16_t>,
                           sq8_query,  // near memory or far
                           sq8_queries,          sq8_block,
                           sq8_query,            sq4_query,           sq2_query,               sq1_query,
                           sq8_pair,             sq4_pair,            sq2_pair,                sq1_pair,
                           signs,                hadamard,            link,
                           gauge,                round,
                           combine,              nearest,             lookup,
                           merge,                codes_between,       codes_among};

}  // namespace

const Kernels* avx2_kernels() { return &table; }

}  // namespace nearfield

#else
namespace nearfield {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace nearfield
#endif
