// Codes on a grid that is symmetric about zero: few bits for rows whose mean was taken away.
#pragma once
#include "space.hpp"

namespace nearfield {

// What the factor of a row keeps: the product of the row with what is decoded (the estimates of products are then
// unbiased over random rotations), or the row's length.
enum class Keep { product, length };

// Rows x (n, dim), centered, as code rows of that kind: x = factor * (code - (levels - 1) / 2). The grid of each row is
// the one that lies nearest to it in direction; norm2 is the squared length of the row itself.
void encode_symmetric(Kind kind, Keep keep, const float* x, size_t n, unsigned dim, uint8_t* out);

}  // namespace nearfield
