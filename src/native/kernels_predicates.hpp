// Kernels of filters: codes of 1, 2 or 4 bytes against a range or a set, one bit a row. The answers are whole numbers,
// so every level gives the same bits. Included by every kernels_*.cpp.
#pragma once
#include "kernels.hpp"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace nearfield {

namespace {

#if defined(__AVX512F__) && defined(__AVX512BW__)

inline void between8(const uint8_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  const __m512i l = _mm512_set1_epi8(static_cast<char>(low)), s = _mm512_set1_epi8(static_cast<char>(last));
  for (size_t w = 0; w < words; ++w)
    out[w] = _mm512_cmple_epu8_mask(_mm512_sub_epi8(_mm512_loadu_si512(c + 64 * w), l), s);
}

inline void between16(const uint16_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  const __m512i l = _mm512_set1_epi16(static_cast<short>(low)), s = _mm512_set1_epi16(static_cast<short>(last));
  for (size_t w = 0; w < words; ++w) {
    const uint64_t a = _mm512_cmple_epu16_mask(_mm512_sub_epi16(_mm512_loadu_si512(c + 64 * w), l), s);
    const uint64_t b = _mm512_cmple_epu16_mask(_mm512_sub_epi16(_mm512_loadu_si512(c + 64 * w + 32), l), s);
    out[w] = a | b << 32;
  }
}

inline void between32(const uint32_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  const __m512i l = _mm512_set1_epi32(static_cast<int>(low)), s = _mm512_set1_epi32(static_cast<int>(last));
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned p = 0; p < 4; ++p) {
      const __m512i x = _mm512_sub_epi32(_mm512_loadu_si512(c + 64 * w + 16 * p), l);
      found |= static_cast<uint64_t>(_mm512_cmple_epu32_mask(x, s)) << (16 * p);
    }
    out[w] = found;
  }
}

// Eight codes share a byte of the table: the byte comes from one of two registers, chosen by the code's highest bit,
// which makes the other look-up zero; the lowest three bits say which bit of it.
inline void among8(const uint8_t* c, size_t words, const uint32_t* table, uint64_t* out) {
  const __m128i* t = reinterpret_cast<const __m128i*>(table);
  const __m512i t0 = _mm512_broadcast_i32x4(_mm_loadu_si128(t));
  const __m512i t1 = _mm512_broadcast_i32x4(_mm_loadu_si128(t + 1));
  const __m512i powers = _mm512_broadcast_i32x4(_mm_set1_epi64x(static_cast<long long>(0x8040201008040201ull)));
  const __m512i high = _mm512_set1_epi8(static_cast<char>(0x80)), four = _mm512_set1_epi8(0x0f), three = _mm512_set1_epi8(7);
  for (size_t w = 0; w < words; ++w) {
    const __m512i x = _mm512_loadu_si512(c + 64 * w);
    const __m512i at = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(x, 3), four), _mm512_and_si512(x, high));
    const __m512i row =
        _mm512_or_si512(_mm512_shuffle_epi8(t0, at), _mm512_shuffle_epi8(t1, _mm512_xor_si512(at, high)));
    out[w] = _mm512_test_epi8_mask(row, _mm512_shuffle_epi8(powers, _mm512_and_si512(x, three)));
  }
}

inline uint64_t look_up(__m512i x, const uint32_t* table, __m512i end) {
  const __m512i at = _mm512_min_epu32(_mm512_srli_epi32(x, 5), end);
  const __m512i row = _mm512_i32gather_epi32(at, table, 4);
  const __m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(x, _mm512_set1_epi32(31)));
  return _mm512_test_epi32_mask(row, bit);
}

inline void among16(const uint16_t* c, size_t words, const uint32_t* table, uint32_t size, uint64_t* out) {
  const __m512i end = _mm512_set1_epi32(static_cast<int>(size - 1));
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned p = 0; p < 4; ++p) {
      const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c + 64 * w + 16 * p));
      found |= look_up(_mm512_cvtepu16_epi32(x), table, end) << (16 * p);
    }
    out[w] = found;
  }
}

inline void among32(const uint32_t* c, size_t words, const uint32_t* table, uint32_t size, uint64_t* out) {
  const __m512i end = _mm512_set1_epi32(static_cast<int>(size - 1));
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned p = 0; p < 4; ++p)
      found |= look_up(_mm512_loadu_si512(c + 64 * w + 16 * p), table, end) << (16 * p);
    out[w] = found;
  }
}

#elif defined(__AVX2__)

inline __m256i load_codes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline uint64_t byte_mask(__m256i v) { return static_cast<uint32_t>(_mm256_movemask_epi8(v)); }

// x <= s without signs: the smaller of both is x.
inline void between8(const uint8_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  const __m256i l = _mm256_set1_epi8(static_cast<char>(low)), s = _mm256_set1_epi8(static_cast<char>(last));
  for (size_t w = 0; w < words; ++w) {
    const __m256i a = _mm256_sub_epi8(load_codes(c + 64 * w), l), b = _mm256_sub_epi8(load_codes(c + 64 * w + 32), l);
    out[w] = byte_mask(_mm256_cmpeq_epi8(_mm256_min_epu8(a, s), a)) |
             byte_mask(_mm256_cmpeq_epi8(_mm256_min_epu8(b, s), b)) << 32;
  }
}

inline void between16(const uint16_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  const __m256i l = _mm256_set1_epi16(static_cast<short>(low)), s = _mm256_set1_epi16(static_cast<short>(last));
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned p = 0; p < 2; ++p) {
      const __m256i a = _mm256_sub_epi16(load_codes(c + 64 * w + 32 * p), l);
      const __m256i b = _mm256_sub_epi16(load_codes(c + 64 * w + 32 * p + 16), l);
      const __m256i both = _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_min_epu16(a, s), a),
                                              _mm256_cmpeq_epi16(_mm256_min_epu16(b, s), b));
      found |= byte_mask(_mm256_permute4x64_epi64(both, 0xd8)) << (32 * p);
    }
    out[w] = found;
  }
}

inline void between32(const uint32_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  const __m256i l = _mm256_set1_epi32(static_cast<int>(low)), s = _mm256_set1_epi32(static_cast<int>(last));
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned p = 0; p < 8; ++p) {
      const __m256i x = _mm256_sub_epi32(load_codes(c + 64 * w + 8 * p), l);
      const __m256i hit = _mm256_cmpeq_epi32(_mm256_min_epu32(x, s), x);
      found |= static_cast<uint64_t>(_mm256_movemask_ps(_mm256_castsi256_ps(hit))) << (8 * p);
    }
    out[w] = found;
  }
}

inline void among8(const uint8_t* c, size_t words, const uint32_t* table, uint64_t* out) {
  const __m128i* t = reinterpret_cast<const __m128i*>(table);
  const __m256i t0 = _mm256_broadcastsi128_si256(_mm_loadu_si128(t));
  const __m256i t1 = _mm256_broadcastsi128_si256(_mm_loadu_si128(t + 1));
  const __m256i powers = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
  const __m256i high = _mm256_set1_epi8(static_cast<char>(0x80)), four = _mm256_set1_epi8(0x0f), three = _mm256_set1_epi8(7);
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned p = 0; p < 2; ++p) {
      const __m256i x = load_codes(c + 64 * w + 32 * p);
      const __m256i at = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(x, 3), four), _mm256_and_si256(x, high));
      const __m256i row =
          _mm256_or_si256(_mm256_shuffle_epi8(t0, at), _mm256_shuffle_epi8(t1, _mm256_xor_si256(at, high)));
      const __m256i bit = _mm256_shuffle_epi8(powers, _mm256_and_si256(x, three));
      found |= byte_mask(_mm256_cmpeq_epi8(_mm256_and_si256(row, bit), bit)) << (32 * p);
    }
    out[w] = found;
  }
}

inline uint64_t look_up(__m256i x, const uint32_t* table, __m256i end) {
  const __m256i at = _mm256_min_epu32(_mm256_srli_epi32(x, 5), end);
  const __m256i row = _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), at, 4);
  const __m256i left = _mm256_andnot_si256(x, _mm256_set1_epi32(31));  // 31 - bit: moves the bit to the sign
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sllv_epi32(row, left))));
}

inline void among16(const uint16_t* c, size_t words, const uint32_t* table, uint32_t size, uint64_t* out) {
  const __m256i end = _mm256_set1_epi32(static_cast<int>(size - 1));
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned p = 0; p < 8; ++p) {
      const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(c + 64 * w + 8 * p));
      found |= look_up(_mm256_cvtepu16_epi32(x), table, end) << (8 * p);
    }
    out[w] = found;
  }
}

inline void among32(const uint32_t* c, size_t words, const uint32_t* table, uint32_t size, uint64_t* out) {
  const __m256i end = _mm256_set1_epi32(static_cast<int>(size - 1));
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned p = 0; p < 8; ++p) found |= look_up(load_codes(c + 64 * w + 8 * p), table, end) << (8 * p);
    out[w] = found;
  }
}

#else

template <class T>
inline void between_codes(const T* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned b = 0; b < 64; ++b)
      found |= static_cast<uint64_t>(static_cast<T>(c[64 * w + b] - low) <= last) << b;
    out[w] = found;
  }
}

template <class T>
inline void among_codes(const T* c, size_t words, const uint32_t* table, uint32_t size, uint64_t* out) {
  for (size_t w = 0; w < words; ++w) {
    uint64_t found = 0;
    for (unsigned b = 0; b < 64; ++b) {
      const uint32_t code = c[64 * w + b];
      const uint32_t at = code >> 5 < size ? code >> 5 : size - 1;
      found |= static_cast<uint64_t>(table[at] >> (code & 31) & 1) << b;
    }
    out[w] = found;
  }
}

inline void between8(const uint8_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  between_codes(c, words, low, last, out);
}
inline void between16(const uint16_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  between_codes(c, words, low, last, out);
}
inline void between32(const uint32_t* c, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  between_codes(c, words, low, last, out);
}
inline void among8(const uint8_t* c, size_t words, const uint32_t* table, uint64_t* out) {
  among_codes(c, words, table, 8, out);
}
inline void among16(const uint16_t* c, size_t words, const uint32_t* table, uint32_t size, uint64_t* out) {
  among_codes(c, words, table, size, out);
}
inline void among32(const uint32_t* c, size_t words, const uint32_t* table, uint32_t size, uint64_t* out) {
  among_codes(c, words, table, size, out);
}

#endif

void codes_between(const void* codes, unsigned width, size_t words, uint32_t low, uint32_t last, uint64_t* out) {
  switch (width) {
    case 1: return between8(static_cast<const uint8_t*>(codes), words, low, last, out);
    case 2: return between16(static_cast<const uint16_t*>(codes), words, low, last, out);
    default: return between32(static_cast<const uint32_t*>(codes), words, low, last, out);
  }
}

void codes_among(const void* codes, unsigned width, size_t words, const uint32_t* table, uint32_t size, uint64_t* out) {
  switch (width) {
    case 1: return among8(static_cast<const uint8_t*>(codes), words, table, out);
    case 2: return among16(static_cast<const uint16_t*>(codes), words, table, size, out);
    default: return among32(static_cast<const uint32_t*>(codes), words, table, size, out);
  }
}

}  // namespace

}  // namespace nearfield
