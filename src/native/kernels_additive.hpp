// Kernels of additive codes. Sums run in one fixed order, so every level gives the same bits: over the dimensions one
// after another, over the look-ups of a row in sixteen lanes that are then folded. Included by every kernels_*.cpp.
#pragma once
#include "kernels.hpp"
#include "kernels_common.hpp"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace nearfield {

namespace {

// out[c] = sum_j q[j] * rows[j * stride + c].
void combine(const float* rows, size_t stride, unsigned count, const float* q, unsigned columns, float* out) {
  unsigned c = 0;
  for (; c + 64 <= columns; c += 64) {
    Lanes s0 = {}, s1 = {}, s2 = {}, s3 = {}, w;
    for (unsigned j = 0; j < count; ++j) {
      const float* p = rows + j * stride + c;
      load(w, p);
      s0 += q[j] * w;
      load(w, p + 16);
      s1 += q[j] * w;
      load(w, p + 32);
      s2 += q[j] * w;
      load(w, p + 48);
      s3 += q[j] * w;
    }
    __builtin_memcpy(out + c, &s0, sizeof s0);
    __builtin_memcpy(out + c + 16, &s1, sizeof s1);
    __builtin_memcpy(out + c + 32, &s2, sizeof s2);
    __builtin_memcpy(out + c + 48, &s3, sizeof s3);
  }
  for (; c < columns; ++c) {
    float s = 0;
    for (unsigned j = 0; j < count; ++j) s += q[j] * rows[j * stride + c];
    out[c] = s;
  }
}

template <int R>
inline void nearest_rows(const float* words, unsigned width, const float* bias, const float* x, size_t stride,
                         uint8_t* code, float* score) {
  Lanes best[R];
  Ints where[R];
  for (unsigned c = 0; c < kWords; c += 32) {
    Lanes low[R], high[R];
    for (int r = 0; r < R; ++r) {
      low[r] = Lanes{};
      high[r] = Lanes{};
    }
    for (unsigned j = 0; j < width; ++j) {
      Lanes w0, w1;
      load(w0, words + j * kWords + c);
      load(w1, words + j * kWords + c + 16);
      for (int r = 0; r < R; ++r) {
        low[r] += x[r * stride + j] * w0;
        high[r] += x[r * stride + j] * w1;
      }
    }
    Lanes b0, b1;
    load(b0, bias + c);
    load(b1, bias + c + 16);
    for (int r = 0; r < R; ++r) {
      const Lanes s0 = b0 - low[r], s1 = b1 - high[r];
      const Ints at = Ints{} + static_cast<int32_t>(c), next = at + 16;
      if (c == 0) {
        best[r] = s0;
        where[r] = at;
      } else {
        const Ints less = s0 < best[r];
        best[r] = less ? s0 : best[r];
        where[r] = less ? at : where[r];
      }
      const Ints less = s1 < best[r];
      best[r] = less ? s1 : best[r];
      where[r] = less ? next : where[r];
    }
  }
  for (int r = 0; r < R; ++r) {
    float least = best[r][0];
    int32_t word = where[r][0];
    for (int l = 1; l < 16; ++l) {
      const int32_t candidate = where[r][l] + l;
      if (best[r][l] < least || (best[r][l] == least && candidate < word)) {
        least = best[r][l];
        word = candidate;
      }
    }
    code[r] = static_cast<uint8_t>(word);
    score[r] = least;
  }
}

// For every row the word with the least bias[w] - <x, word w>; of equal ones the first.
void nearest(const float* words, unsigned width, const float* bias, const float* x, size_t stride, size_t n,
             uint8_t* code, float* score) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) nearest_rows<4>(words, width, bias, x + i * stride, stride, code + i, score + i);
  for (; i < n; ++i) nearest_rows<1>(words, width, bias, x + i * stride, stride, code + i, score + i);
}

[[maybe_unused]] inline float fold(float* lane) {
  for (unsigned h = 8; h > 0; h /= 2)
    for (unsigned l = 0; l < h; ++l) lane[l] += lane[l + h];
  return lane[0];
}

// out[i] = the sum over m of table[256 m + code m of row ids[i]].
void lookup(const float* table, unsigned count, const uint8_t* base, size_t stride, const uint32_t* ids, unsigned n,
            float* out) {
  for (unsigned i = 0; i < n; ++i) {
    const uint8_t* c = base + static_cast<size_t>(ids[i]) * stride + kAdditiveHeader;
    if (i + kPrefetchAhead < n) prefetch_bytes(base + static_cast<size_t>(ids[i + kPrefetchAhead]) * stride, stride);
    unsigned m = 0;
#if defined(__AVX512F__)
    // Lanes beyond the last code gather nothing and add zero.
    const __m512i places = _mm512_setr_epi32(0, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, 2560, 2816, 3072, 3328,
                                             3584, 3840);
    __m512 sum = _mm512_setzero_ps();
    for (; m < count; m += 16) {
      const __mmask16 there = m + 16 <= count ? 0xffff : static_cast<__mmask16>((1u << (count - m)) - 1);
      const __m512i at = _mm512_add_epi32(places, _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(there, c + m)));
      sum = _mm512_add_ps(sum, _mm512_mask_i32gather_ps(_mm512_setzero_ps(), there, at,
                                                        table + static_cast<size_t>(m) * kWords, 4));
    }
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    out[i] = _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
#else
    alignas(64) float lane[16] = {};
#if defined(__AVX2__)
    const __m256i places = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                              _mm256_set1_epi32(static_cast<int>(kWords)));
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    for (; m + 16 <= count; m += 16) {
      const float* t = table + static_cast<size_t>(m) * kWords;
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(c + m));
      const __m256i first = _mm256_add_epi32(places, _mm256_cvtepu8_epi32(bytes));
      const __m256i second = _mm256_add_epi32(places, _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)));
      low = _mm256_add_ps(low, _mm256_i32gather_ps(t, first, 4));
      high = _mm256_add_ps(high, _mm256_i32gather_ps(t + 8 * kWords, second, 4));
    }
    _mm256_store_ps(lane, low);
    _mm256_store_ps(lane + 8, high);
#else
    for (; m + 16 <= count; m += 16)
      for (unsigned l = 0; l < 16; ++l) lane[l] += table[static_cast<size_t>(m + l) * kWords + c[m + l]];
#endif
    for (unsigned l = 0; m < count; ++m, ++l) lane[l] += table[static_cast<size_t>(m) * kWords + c[m]];
    out[i] = fold(lane);
#endif
  }
}

}  // namespace

}  // namespace nearfield
