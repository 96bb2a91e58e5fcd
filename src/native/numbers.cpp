#include "numbers.hpp"

#include <charconv>
#include <cmath>
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

const char* skip_digits(const char* p, const char* end) {
  while (p != end && static_cast<unsigned char>(*p - '0') < 10) ++p;
  return p;
}

}  // namespace

int64_t parse_numbers(const char* text, const char* end, float* values) {
  int64_t count = 0;
  for (const char* p = text;; ++p) {
    // By JSON's grammar first: the library takes more than that, such as "nan" and ".5".
    const char* const begin = p = skip_space(p, end);
    if (p != end && *p == '-') ++p;
    const char* const digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1)) return -1;
    bool whole = true;
    if (p != end && *p == '.') {
      whole = false;
      const char* const fraction = ++p;
      p = skip_digits(p, end);
      if (p == fraction) return -1;
    }
    if (p != end && (*p == 'e' || *p == 'E')) {
      whole = false;
      if (++p != end && (*p == '+' || *p == '-')) ++p;
      const char* const exponent = p;
      p = skip_digits(p, end);
      if (p == exponent) return -1;
    }
    double value;
    const auto [last, error] = std::from_chars(begin, p, value);
    if (error != std::errc() || last != p || !(std::fabs(value) < kBeyond)) return -1;
    if (whole && value == 0) value = 0;  // "-0" is an integer, and those have no negative zero
    values[count++] = static_cast<float>(value);
    p = skip_space(p, end);
    if (p == end) return count;
    if (*p != ',') return -1;
  }
}

#else

int64_t parse_numbers(const char*, const char*, float*) { return -1; }

#endif

}  // namespace nearfield
