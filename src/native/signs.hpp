// The links of a graph with a code of one bit a dimension for every link, packed so that the estimates of thirty-two
// links are read from memory in order and computed together.
//
// For a row c and its neighbour x, the signs s of r = A (x - c) are stored, A a random rotation. <r, A q> is estimated
// by F <s, A q> with F = <r, r> / <r, s>, which is unbiased over A (RaBitQ, SIGMOD 2024), so that for a query q the
// score of x follows from the score of c (A q and A c both less the mean of all rows, which leaves their difference as
// it is, and keeps them small where all vectors lie to one side):
//   l2:  |q - x|^2 = |q - c|^2 + a + b <s, A q>   with b = -2 F,  a = |x - c|^2 + 2 F <s, A c>
//   ip: -<q, x>    = -<q, c>   + a + b <s, A q>   with b = -F,    a = F <s, A c> - <c, x - c>
// A record holds, for every 32 links, the 32 halves a, the 32 halves b (each in its unit), and the signs: for
// every 16 dimensions 64 bytes, four lanes of 16, lane l for the four dimensions 4 l to 4 l + 3, whose signs make a
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

struct SignLayout {
  unsigned degree;  // links of a row
  unsigned dim;
  unsigned chunks() const { return (degree + kSignLinks - 1) / kSignLinks; }
  unsigned blocks() const { return (dim + 15) / 16; }
  size_t chunk_bytes() const { return 4 * kSignLinks + 64 * static_cast<size_t>(blocks()); }
  size_t record_bytes() const { return chunks() * chunk_bytes(); }
};

// What the halves a and b are multiples of, so that vectors of any length fit them.
struct SignUnits {
  float a = 1, b = 1;
};

// A query against signs: whole numbers in proportion to |A q|, and for every four dimensions the sums of those whose
// sign agrees, for all sixteen cases. Sums of whole numbers are exact: every instruction level returns the same bits.
class SignQuery {
 public:
  void set(const float* query, unsigned dim, const Rotation& rotation, const float* center);
  // What the kernel needs at a row whose own score is `own`.
  SignScan scan(const SignLayout& layout, float own, SignUnits units) const {
    const float ratio = units.b / units.a;
    return {reinterpret_cast<const uint8_t*>(table_.data()), layout.blocks(), own, units.a, step_ * ratio, base_ * ratio};
  }

 private:
  std::vector<float> rotated_;
  std::vector<uint64_t> table_;
  float step_ = 0, base_ = 0;  // <s, A q> = step * sum - base
};

// Writes the records of all rows, out: (n, layout.record_bytes()), and their mean, center: (dim); returns the units. What a walk over the rows of `space`
// measures is what the signs estimate. Takes 4 n d bytes while it runs.
SignUnits pack_signs(const Space& space, Measure measure, const uint32_t* neighbors, const SignLayout& layout,
                 const Rotation& rotation, unsigned threads, uint8_t* out, float* center, const Check& check);

// The estimates that a walk sees at `row`: out (layout.degree), infinite where there is no link.
void estimate_links(const Space& space, Measure measure, const SignLayout& layout, const uint8_t* records, SignUnits units,
                    const Rotation& rotation, const float* center, const float* query, uint32_t row, float* out);

}  // namespace nearfield
