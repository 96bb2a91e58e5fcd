// The numbers of a JSON array as float32.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nearfield {

// Reads what stands between the brackets of a JSON array of numbers, each rounded to double and then to float as Python
// does it, and returns how many there are; -1 for anything else: no number at all, another value, a number that float
// cannot hold or that double cannot (so small that it vanishes), or a C++ library that does not read numbers.
// `values` has room for (end - text + 1) / 2 of them.
int64_t parse_numbers(const char* text, const char* end, float* values);

// The same for the base64 of little-endian floats: -1 where it is none, or where these are not.
int64_t unpack_numbers(const char* text, const char* end, float* values);

}  // namespace nearfield
