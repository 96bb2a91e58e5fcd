// The links of a graph with a code of one to four bits a dimension for every link, packed so that the estimates of
// thirty-two links are read from memory in order and computed together.
//
// For a row c and its neighbour x, codes s of r = A (x - c) are stored, A a random rotation: with one bit the signs, with
// b bits odd numbers from 1 - 2^b to 2^b - 1. <r, A q> is estimated by F <s, A q> with F = <r, r> / <r, s>, which is
// unbiased over A (RaBitQ, SIGMOD 2024; for more bits SIGMOD 2025), so that for a query q the
// score of x follows from the score of c (A q and A c both less the mean of all rows, which leaves their difference as
// it is, and keeps them small where all vectors lie to one side):
//   l2:  |q - x|^2 = |q - c|^2 + a + b <s, A q>   with b = -2 F,  a = |x - c|^2 + 2 F <s, A c>
//   ip: -<q, x>    = -<q, c>   + a + b <s, A q>   with b = -F,    a = F <s, A c> - <c, x - c>
// With directions, A is a random rotation of the coordinates along them, rounded to 8 bits (a query is projected in whole
// numbers, from 77 kB instead of 295 at 384 dimensions and 192 directions: 1 us instead of 6): few directions hold most of what tells near
// rows apart, and more bits for each serve better than one bit for all. F is then <x - c, x - c> / <r, s>, as if the
// rest of q - c lay along x - c: the nearer the query comes to x, the truer.
//
// A record holds, for every 32 links, the 32 halves a, the 32 halves b (each in its unit), and the codes, bit by bit, the
// highest first: for every 16 dimensions 64 bytes, four lanes of 16, lane l for the four dimensions 4 l to 4 l + 3, whose signs make a
// number below 16; byte i has that of link i in its low half and that of link i + 16 in its high half. Where there is no
// link, a is infinite.
#pragma once
#include <cstdint>
#include <vector>

#include "rotation.hpp"
#include "scan.hpp"
#include "space.hpp"

namespace nearfield {

constexpr unsigned kSignLinks = 32;
constexpr unsigned kMaxSignBits = 4;

struct SignLayout {
  unsigned degree;  // links of a row
  unsigned dim;     // of A x: all dimensions, or as many as there are directions
  unsigned bits;  // of a code for one dimension, 1 to kMaxSignBits
  unsigned chunks() const { return (degree + kSignLinks - 1) / kSignLinks; }
  unsigned blocks() const { return (dim + 15) / 16; }
  size_t chunk_bytes() const { return 4 * kSignLinks + 64 * static_cast<size_t>(blocks()) * bits; }
  size_t record_bytes() const { return chunks() * chunk_bytes(); }
};

// From a vector to A (x - center).
struct SignFrame {
  unsigned dim;             // of the vectors
  const float* center;
  const Rotation* rotation;  // without a projection
  const Space* projection;  // 8-bit codes of the rows of A, or null
  unsigned heads;           // of A x; dim without a projection

  // x: (count, dim), out: (count, heads).
  void apply(const float* x, size_t count, float* out) const;
};

// What the halves a and b are multiples of, so that vectors of any length fit them.
struct SignUnits {
  float a = 1, b = 1;
};

// A query against signs: whole numbers in proportion to |A q|, and for every four dimensions the sums of those whose
// sign agrees, for all sixteen cases. Sums of whole numbers are exact: every instruction level returns the same bits.
class SignQuery {
 public:
  void set(const float* heads, unsigned count);  // A (q - center), as the frame gives it
  // What the kernel needs at a row whose own score is `own`.
  SignScan scan(const SignLayout& layout, float own, SignUnits units) const {
    const float ratio = units.b / units.a;
    const float all = static_cast<float>((1u << layout.bits) - 1);  // planes count 2^(bits - 1) to 1
    return {reinterpret_cast<const uint8_t*>(table_.data()), layout.blocks(), layout.bits, own, units.a, step_ * ratio,
            base_ * all * ratio};
  }

 private:
  std::vector<float> padded_;
  std::vector<uint64_t> table_;
  float step_ = 0, base_ = 0;  // <s, A q> = step * sum - base
};

// The mean of all rows: out (dim).
void mean_row(const Space& space, unsigned threads, float* out, const Check& check);

// Writes the records of all rows, out: (n, layout.record_bytes()); returns the units. What a walk over the rows of
// `space` measures is what the signs estimate. Takes 4 n heads bytes while it runs.
SignUnits pack_signs(const Space& space, Measure measure, const uint32_t* neighbors, const SignLayout& layout,
                     const SignFrame& frame, unsigned threads, uint8_t* out, const Check& check);

// Writes the records of some rows again, whose links changed, in units that were found before. False where a link is too
// long for them: then all records have to be made again.
bool sign_rows(const Space& space, Measure measure, const uint32_t* neighbors, const SignLayout& layout,
               const SignFrame& frame, SignUnits units, const uint32_t* rows, size_t count, uint8_t* records);

// The estimates that a walk sees at `row`: out (layout.degree), infinite where there is no link.
void estimate_links(const Space& space, Measure measure, const SignLayout& layout, const uint8_t* records, SignUnits units,
                    const SignFrame& frame, const float* query, uint32_t row, float* out);

}  // namespace nearfield
