// Codes of two levels. The first is a row of 4-bit codes, each the middle of its cell; the second divides every cell
// into 2, 4, 16 or 256 equal parts and says which. Together they are one uniform code of 5, 6, 8 or 12 bits whose upper
// four bits are kept apart, so that a walk reads those alone.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nearfield {

struct Space;

// Bytes before the codes of a row of the second level: the squared length of what both levels stand for.
constexpr size_t kLevelHeader = 4;

// `bits` are those of the second level: 1, 2, 4 or 8.
size_t level_row_bytes(unsigned bits, unsigned dim);
// Rows x (n, dim) - center: the first level as rows of kind sq4, the second as rows of level_row_bytes.
void encode_levels(unsigned bits, const float* x, size_t n, unsigned dim, const float* center, uint8_t* first,
                   uint8_t* second);
// Rows [begin, begin + n) of both levels as floats: out (n, dim).
void read_levels(const Space& space, size_t begin, size_t n, float* out);
void levels_pairs(const Space& space, uint32_t row, const uint32_t* ids, unsigned n, float* out);

}  // namespace nearfield
