// The distance kernels: one table of functions for every instruction level, chosen once at run time.
//
// Every kernel takes one target (a query or a stored row) and a list of row numbers, so that the indirect call is paid
// once for a whole neighbour list and rows can be prefetched ahead of their use. Included by the wide translation
// units: nothing here may instantiate a template or an inline function of the standard library, or the linker could
// pick a copy that was compiled with wide instructions for the baseline path.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nearfield {

// Layout of a scalar-quantised row: this header, then the codes. x = center + low + step * code.
struct RowHeader {
  float low;      // value of code 0, after the center was taken away
  float step;     // difference between neighbouring codes
  float norm2;    // squared length of the decoded row, relative to the center
  int32_t sum;    // sum of the codes
};

// A query against scalar codes, as integers: query = step * value. `value` = 128 * high + low, with low in [0, 127].
// Integer sums are exact, so every instruction level returns the same bits.
struct QueryCodes {
  const int16_t* value;
  const int8_t* high;
  const int8_t* low;
};

struct SignScan {
  const uint8_t* table;  // 64 bytes a block: for each of its four lanes sixteen entries
  unsigned blocks;       // of 16 dimensions
  unsigned bits;         // planes of codes, the highest first
  float own, unit, step, base;
};

// <x, y>, the sum of |x_j| and the largest.
struct Gauge {
  double product, total;
  float largest;
};

// 255 times four groups a block: sums stay within 16 bits a lane for 64 blocks; longer ones are widened in between.
constexpr unsigned kSignBlocksAtOnce = 64;

constexpr unsigned kOffers = 32;  // that a beam collects before it takes them in
constexpr unsigned kWords = 256;         // of a book of additive codes
constexpr size_t kAdditiveHeader = 4;   // bytes before the codes of an additive row: its squared length

struct Kernels {
  // out[t * n + i] = <q[t], row ids[i]> or squared l2, for nq targets (1 to 4); strides in elements.
  void (*f32_ip)(const float* const* q, unsigned nq, const float* base, size_t stride, unsigned d, const uint32_t* ids,
                 unsigned n, float* out);
  void (*f32_l2)(const float* const* q, unsigned nq, const float* base, size_t stride, unsigned d, const uint32_t* ids,
                 unsigned n, float* out);
  void (*f16_ip)(const float* const* q, unsigned nq, const uint16_t* base, size_t stride, unsigned d,
                 const uint32_t* ids, unsigned n, float* out);
  void (*f16_l2)(const float* const* q, unsigned nq, const uint16_t* base, size_t stride, unsigned d,
                 const uint32_t* ids, unsigned n, float* out);
  // As sq8_query below, for rows that are in the cache: none is asked for ahead.
  void (*sq8_cached)(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                     int32_t* out);
  // As sq8_query for nq targets (1 to 4), out[t * n + i]: a row's codes are loaded once for two targets.
  void (*sq8_queries)(const QueryCodes* q, unsigned nq, const uint8_t* base, size_t stride, unsigned d,
                      const uint32_t* ids, unsigned n, int32_t* out);
  // out[t * n + i] = sum_j q[t]_j * code_j of row ids[i], for nq targets (1 to 4) of numbers from -127 to 127 and rows in
  // the cache.
  void (*sq8_block)(const int8_t* const* q, unsigned nq, const uint8_t* base, size_t stride, unsigned d,
                    const uint32_t* ids, unsigned n, int32_t* out);
  // out[i] = sum_j q_j * code_j of row ids[i]; rows are header + codes, stride in bytes.
  void (*sq8_query)(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                    int32_t* out);
  void (*sq4_query)(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                    int32_t* out);
  void (*sq2_query)(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                    int32_t* out);
  void (*sq1_query)(QueryCodes q, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                    int32_t* out);
  // out[i] = sum_j code_j * code_j between a stored row and row ids[i].
  void (*sq8_pair)(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                   int32_t* out);
  void (*sq4_pair)(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                   int32_t* out);
  void (*sq2_pair)(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                   int32_t* out);
  void (*sq1_pair)(const uint8_t* row, const uint8_t* base, size_t stride, unsigned d, const uint32_t* ids, unsigned n,
                   int32_t* out);
  // Scores of 32 links from a chunk of a signs record (signs.hpp): out[i] = q.own + q.unit * (a_i + b_i * t_i) with
  // t_i = q.step * sum_i - q.base, where sum_i adds up what the table says for the signs of link i, a plane of bits
  // counting twice as much as the next. Returns a bit for every score below `worst`.
  uint32_t (*signs)(const SignScan& q, const uint8_t* chunk, float worst, float* out);
  // In place, the Walsh-Hadamard transform of p numbers, p a power of two, not normalised.
  void (*hadamard)(float* x, unsigned p);
  // For the difference r = x - c and its codes v_j, the odd number of the sign of r_j nearest to r_j * inverse up to
  // 2 top + 1: out[0] = <v, r>, out[1] = <v, c>; codes[j] = (v_j + 2 top + 1) / 2.
  void (*link)(const float* c, const float* x, unsigned d, float inverse, unsigned top, float* out, uint8_t* codes);
  Gauge (*gauge)(const float* x, const float* y, unsigned d);
  // x * scale in whole numbers, and their halves of seven bits (QueryCodes); returns their sum.
  int32_t (*round)(const float* x, double scale, unsigned d, int16_t* value, int8_t* high, int8_t* low);
  // Additive codes (kernels_additive.hpp).
  void (*combine)(const float* rows, size_t stride, unsigned count, const float* q, unsigned columns, float* out);
  void (*nearest)(const float* words, unsigned width, const float* bias, const float* x, size_t stride, size_t n,
                  uint8_t* code, float* score);
  void (*lookup)(const float* table, unsigned count, const uint8_t* base, size_t stride, const uint32_t* ids,
                 unsigned n, float* out);
  // Puts offered[0..count), in any order and at most kOffers, into the sorted keys[0..size), of which the lowest `width`
  // stay; returns the place of the lowest one. Room for width + kOffers keys and one vector more.
  size_t (*merge)(uint64_t* keys, size_t size, size_t width, uint64_t* offered, unsigned count);
  // Filters (kernels_predicates.hpp): a bit for each of 64 * words codes of `width` bytes, set where code - low <= last,
  // or where the table, of `size` words (8 for codes of one byte), has the code's bit.
  void (*codes_between)(const void* codes, unsigned width, size_t words, uint32_t low, uint32_t last, uint64_t* out);
  void (*codes_among)(const void* codes, unsigned width, size_t words, const uint32_t* table, uint32_t size,
                      uint64_t* out);
};

enum class Level { scalar = 0, avx2 = 1, avx512 = 2 };

// Bytes of the codes of one row, 8, 4, 2 or 1 bits each. With 4 and 2 bits the elements lie in planes as long as the row
// has bytes: byte j holds element j in its lowest bits, above it element j + bytes, and so on. With 1 bit, byte j holds
// elements 8 j to 8 j + 7. Spare bits are zero.
constexpr size_t code_bytes(unsigned bits, size_t d) { return (d * bits + 7) / 8; }

// Rows this many places ahead are prefetched: far enough to cover a memory access, near enough to stay in L1.
constexpr unsigned kPrefetchAhead = 6;

#if defined(__GNUC__)
#define NEARFIELD_PREFETCH(p) __builtin_prefetch((p), 0, 3)
#else
#define NEARFIELD_PREFETCH(p)
#endif

static inline void prefetch_bytes(const void* p, size_t bytes) {
  const char* c = static_cast<const char*>(p);
  for (size_t o = 0; o < bytes; o += 64) NEARFIELD_PREFETCH(c + o);
}

const Kernels& scalar_kernels();
const Kernels* avx2_kernels();    // null where this build has none
const Kernels* avx512_kernels();

// The level in force: the widest the CPU has, or what NEARFIELD_SIMD=scalar|avx2|avx512 names at import.
const Kernels& kernels();
Level level();
bool level_supported(Level l);
void set_level(Level l);

}  // namespace nearfield
