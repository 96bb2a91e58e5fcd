// Filters over coded columns: a small program for a stack machine whose values are bitsets, one bit a row.
//
// NOT is pushed down to the leaves before a program is made, and a missing value has a code of its own, so SQL's third
// truth value needs no bits: a leaf says where it is true, and so do AND and OR of leaves.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "scan.hpp"

namespace nearfield {

enum class Op : int64_t {
  between,    // pushes: code of `input` - x <= y
  among,      // pushes: the bit of the code of `input` in the table `second`
  bits,       // pushes `input`, which holds the words of a bitset
  constant,   // pushes x for all rows
  all,        // pops two, pushes where both are true
  any,        // pops two, pushes where one is true
  none,       // turns the top round
  whole,      // keeps those rows of the top whose int64 `input` lies in one of the intervals `second`; x turns round
  real,       // the same of float64
  circle,     // keeps those rows of the top whose place (`input`, `second`) lies in the circle `third`; x turns round
  box,        // the same for a box
};

struct Input {
  const void* data;
  size_t size;      // elements
  unsigned width;   // bytes of one
};

struct Step {
  Op op;
  const Input* input;   // codes, words, or raw values
  const Input* second;  // table, intervals, or longitudes
  const Input* third;   // circle or box
  uint64_t x, y;
};

// Numbers as integers that keep their order: how the intervals are given. -0.0 and 0.0 are one number.
uint64_t ordered(int64_t value);
uint64_t ordered(double value);

// The depth of the stack a program needs, or 0 when it is not one that leaves one value.
size_t stack_depth(const std::vector<Step>& steps);

// Rows are taken in blocks that stay in the first-level cache. Bits beyond n are zero.
void evaluate(const std::vector<Step>& steps, size_t depth, size_t n, unsigned threads, uint64_t* out,
              const Check& check);

}  // namespace nearfield
