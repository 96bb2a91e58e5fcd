// A Space: stored rows of one kind (float32, float16, scalar codes), and how near a target is to them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "additive.hpp"
#include "kernels.hpp"
#include "levels.hpp"

namespace nearfield {

enum class Kind { f32, f16, sq8, sq4, sq2, sq1, additive, levels1, levels2, levels4, levels8 };

// Bits of the second level of a code of two; 0 for every other kind.
constexpr unsigned level_bits(Kind kind) {
  switch (kind) {
    case Kind::levels1: return 1;
    case Kind::levels2: return 2;
    case Kind::levels4: return 4;
    case Kind::levels8: return 8;
    default: return 0;
  }
}

// Bits of one scalar code of one level; 0 for all else.
constexpr unsigned code_bits(Kind kind) {
  switch (kind) {
    case Kind::sq8: return 8;
    case Kind::sq4: return 4;
    case Kind::sq2: return 2;
    case Kind::sq1: return 1;
    default: return 0;
  }
}

enum class Measure { ip, l2 };  // scores: -<q, x> and squared l2; smaller is nearer

constexpr unsigned kMaxDim = 16384;  // 255 * 255 * d stays within int32
constexpr uint32_t kNone = 0xffffffffu;

// Borrowed memory only: whoever makes a Space keeps the arrays alive.
struct Space {
  Kind kind = Kind::f32;
  const void* data = nullptr;
  size_t n = 0;
  size_t stride = 0;  // elements for floats, bytes for codes
  unsigned dim = 0;
  const float* center = nullptr;  // codes only: (dim,)
  const float* scale = nullptr;   // floats under ip only: (n,), multiplies each row's product
  bool cached = false;            // 8-bit codes only: few rows, used again and again
  Books books;                    // additive codes only
  const uint8_t* first = nullptr;  // codes of two levels only: rows of kind sq4; `data` holds the second level
  size_t first_stride = 0;

  size_t row_bytes() const;
  const void* row(size_t i) const;
};

// Up to four queries made ready for a Space.
class Targets {
 public:
  Targets(const Space& space, Measure measure);
  void set(const float* const* queries, unsigned count);  // count in 1..4; floats are borrowed
  // The queries of `other`, made ready already: for the second level of the codes that `other` scores.
  void set_as(const Targets& other);
  // out[t * n + i]: score of target t against row ids[i].
  void score(const uint32_t* ids, unsigned n, float* out);

 private:
  const Space& space_;
  Measure measure_;
  unsigned count_ = 0;
  const float* query_[4] = {};
  // Codes: each query as integers, and the parts of the score that do not depend on the row.
  struct Prepared {
    std::vector<int16_t> value;
    std::vector<int8_t> high, low;
    float step = 0, sum = 0, base = 0;
    QueryCodes codes() const { return {value.data(), high.data(), low.data()}; }
  };
  std::vector<Prepared> prepared_;
  std::vector<int32_t> dots_;
  std::vector<float> tables_[4], moved_;  // additive codes: products with every word

  void prepare_table(const float* query, unsigned t);
  void prepare(const float* query, Prepared& p);
  void score_levels(const Prepared& p, const uint32_t* ids, unsigned n, float* out);  // levels.cpp
};

// The kernel of a query against scalar codes of 8, 4, 2 or 1 bits.
inline auto query_kernel(const Kernels& k, unsigned bits) {
  switch (bits) {
    case 8: return k.sq8_query;
    case 4: return k.sq4_query;
    case 2: return k.sq2_query;
    default: return k.sq1_query;
  }
}

// Squared l2 between stored row `row` and rows ids[0..n): what graph building compares.
class PairScorer {
 public:
  explicit PairScorer(const Space& space) : space_(space) {}
  void score(uint32_t row, const uint32_t* ids, unsigned n, float* out);

 private:
  const Space& space_;
  std::vector<int32_t> dots_;
  std::vector<float> a_;
};

// Asks for rows that will be scored before long. The kernels ask again: what the other walks displaced meanwhile is still
// in the second-level cache (1.04 times as fast, 1.16 with rows of 800 bytes).
void fetch_rows(const Space& space, const uint32_t* ids, size_t n);

// Rows [begin, begin + n) as floats, codes decoded: out (n, dim).
void read_rows(const Space& space, size_t begin, size_t n, float* out);

// Rows divided by their length, of which the squares of any float neither overflow nor vanish in double.
void unit_rows(const float* x, size_t n, unsigned dim, float* out);

size_t code_row_bytes(Kind kind, unsigned dim);
// A whole row of codes from one number each: header, packed codes, zeros.
void pack_row(Kind kind, const RowHeader& header, const uint8_t* codes, unsigned dim, uint8_t* row);
// Codes of 8 or 4 bits over each row's own range.
void encode_rows(Kind kind, const float* x, size_t n, unsigned dim, const float* center, uint8_t* out);
void decode_rows(Kind kind, const uint8_t* codes, size_t n, unsigned dim, const float* center, float* out);

}  // namespace nearfield
