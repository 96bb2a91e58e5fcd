#include "numbers.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <system_error>

namespace nearfield {

#if defined(__cpp_lib_to_chars)

namespace {

// From here on a number is rounded to infinity; below, to the largest float.
constexpr double kBeyond = 0x1p128 - 0x1p103;

const char* skip_space(const char* p, const char* end) {
  while (p != end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) ++p;
  return p;
}

// Goes on behind the digits at `p` and appends them to `number`, which wraps around where it cannot hold them.
const char* take_digits(const char* p, const char* end, uint64_t& number) {
  if constexpr (std::endian::native == std::endian::little) {
    for (uint64_t eight; end - p >= 8; p += 8) {  // at once, by pairs, fours and all of them
      std::memcpy(&eight, p, 8);
      const uint64_t high = 0xF0F0F0F0F0F0F0F0, zeros = 0x3030303030303030;
      if ((eight & high) != zeros || ((eight + 0x0606060606060606) & high) != zeros) break;
      eight = (eight & 0x0F0F0F0F0F0F0F0F) * (10 * 0x100 + 1) >> 8;
      eight = (eight & 0x00FF00FF00FF00FF) * (100 * 0x10000 + 1) >> 16;
      eight = (eight & 0x0000FFFF0000FFFF) * (10000 * 0x100000000 + 1) >> 32;
      number = number * 100000000 + eight;
    }
  }
  for (; p != end && static_cast<unsigned char>(*p - '0') < 10; ++p) number = number * 10 + static_cast<uint64_t>(*p - '0');
  return p;
}

// These are exact in double precision.
constexpr double kTens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int64_t kMostTens = 22;
constexpr int64_t kMostDigits = 19;  // that 64 bits hold

// number * 10^exponent as float, where that is beyond doubt; else NaN. Two roundings leave the product within three
// units of the double next to the true value, so both round to one float unless half of the way between two floats,
// in the 29 bits that a float has not, is as near.
float quick(uint64_t number, int64_t exponent) {
  if (exponent < -kMostTens || exponent > kMostTens) return NAN;
  const double rounded = static_cast<double>(number);
  const double value = exponent < 0 ? rounded / kTens[-exponent] : rounded * kTens[exponent];
  const uint64_t rest = std::bit_cast<uint64_t>(value) & 0x1FFFFFFF;
  const bool sure = rest + 8 < 0x10000000 || rest > 0x10000000 + 8;
  return sure && value >= 0x1p-126 && value < 0x1p127 ? static_cast<float>(value) : NAN;
}

}  // namespace

int64_t parse_numbers(const char* text, const char* end, float* values) {
  int64_t count = 0;
  for (const char* p = text;; ++p) {
    // By JSON's grammar first: the library takes more than that, such as "nan" and ".5".
    const char* const begin = p = skip_space(p, end);
    if (p == end) return -1;
    const bool minus = *p == '-';
    p += minus;  // half of all numbers have one: a branch would be guessed wrong
    const char* const digits = p;
    uint64_t number = 0;
    p = take_digits(p, end, number);
    if (p == digits || (*digits == '0' && p - digits > 1)) return -1;
    bool whole = true;
    int64_t significant = *digits == '0' ? 0 : p - digits, exponent = 0;
    if (p != end && *p == '.') {
      whole = false;
      const char* fraction = ++p;
      p = take_digits(p, end, number);
      if (p == fraction) return -1;
      exponent = fraction - p;
      if (!significant && p - fraction > kMostDigits)
        while (*fraction == '0' && ++fraction != p) {}
      significant += p - fraction;
    }
    if (p != end && (*p == 'e' || *p == 'E')) {
      whole = false;
      const bool negative = ++p != end && *p == '-';
      if (p != end && (*p == '+' || *p == '-')) ++p;
      const char* const tens = p;
      uint64_t power = 0;
      p = take_digits(p, end, power);
      if (p == tens) return -1;
      if (p - tens > 3) significant = kMostDigits + 1;  // left to the library
      exponent += negative ? -static_cast<int64_t>(power) : static_cast<int64_t>(power);
    }
    const float sure = significant <= kMostDigits ? quick(number, exponent) : NAN;
    if (!std::isnan(sure)) {
      values[count++] = std::copysign(sure, minus ? -1.0f : 1.0f);
    } else {
      double value;
      const auto [last, error] = std::from_chars(begin, p, value);
      if (error != std::errc() || last != p || !(std::fabs(value) < kBeyond)) return -1;
      if (whole && value == 0) value = 0;  // "-0" is an integer, and those have no negative zero
      values[count++] = static_cast<float>(value);
    }
    p = skip_space(p, end);
    if (p == end) return count;
    if (*p != ',') return -1;
  }
}

#else

int64_t parse_numbers(const char*, const char*, float*) { return -1; }

#endif

}  // namespace nearfield
