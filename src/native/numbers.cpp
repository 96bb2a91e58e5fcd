#include "numbers.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <system_error>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace nearfield {

#if defined(__cpp_lib_to_chars)

namespace {

// From here on a number is rounded to infinity; below, to the largest float.
constexpr double kBeyond = 0x1p128 - 0x1p103;

// By one comparison where there is none.
bool is_space(char c) { return static_cast<unsigned char>(c) <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r'); }

// Eight digits as a number, the first in the lowest byte: by pairs, fours and all of them.
uint64_t eight_digits(uint64_t eight) {
  eight = (eight & 0x0F0F0F0F0F0F0F0F) * (10 * 0x100 + 1) >> 8;
  eight = (eight & 0x00FF00FF00FF00FF) * (100 * 0x10000 + 1) >> 16;
  return (eight & 0x0000FFFF0000FFFF) * (10000 * 0x100000000 + 1) >> 32;
}

// Nothing but zero where all eight bytes are digits.
uint64_t others_than_digits(uint64_t eight) {
  const uint64_t high = 0xF0F0F0F0F0F0F0F0, zeros = 0x3030303030303030;
  return ((eight & high) ^ zeros) | (((eight + 0x0606060606060606) & high) ^ zeros);
}

uint64_t load_eight(const char* p) {
  uint64_t eight;
  std::memcpy(&eight, p, 8);
  return eight;
}

// Goes on behind the digits at `p` and appends them to `number`, which wraps around where it cannot hold them.
const char* take_digits(const char* p, const char* end, uint64_t& number) {
  if constexpr (std::endian::native == std::endian::little)
    for (; end - p >= 8; p += 8) {
      const uint64_t eight = load_eight(p);
      if (others_than_digits(eight)) break;
      number = number * 100000000 + eight_digits(eight);
    }
  for (; p != end && static_cast<unsigned char>(*p - '0') < 10; ++p) number = number * 10 + static_cast<uint64_t>(*p - '0');
  return p;
}

// The first are exact in double precision, the others the nearest to what they say.
constexpr double kTens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr double kTenths[] = {1e0,   1e-1,  1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,  1e-8,  1e-9,  1e-10, 1e-11,
                              1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22};
constexpr int64_t kMostTens = 22;
constexpr int64_t kMostDigits = 19;  // that 64 bits hold

// Whether doubles within so many steps of this one round to the same float: unless half of the way between two floats,
// in the 29 bits that a float has not, is as near.
template <uint64_t steps>
bool sure(double value) {
  const uint64_t rest = std::bit_cast<uint64_t>(value) & 0x1FFFFFFF;
  return rest - (0x10000000 - steps) > 2 * steps;
}

// number * 10^exponent as float, where that is beyond doubt; else NaN. Three roundings leave the product within four
// steps of the double next to the true value.
float quick(uint64_t number, int64_t exponent) {
  if (exponent < -kMostTens || exponent > kMostTens) return NAN;
  const double rounded = static_cast<double>(number);
  const double value = rounded * (exponent < 0 ? kTenths[-exponent] : kTens[exponent]);
  return sure<8>(value) && value >= 0x1p-126 && value < 0x1p127 ? static_cast<float>(value) : NAN;
}

#if defined(__SSE2__)

// Sixteen digits as a number; `wrong` has bits where one is none.
uint64_t sixteen_digits(const char* p, __m128i& wrong) {
  const __m128i zero = _mm_setzero_si128();
  const __m128i digits = _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), _mm_set1_epi8('0'));
  wrong = _mm_or_si128(wrong, _mm_subs_epu8(digits, _mm_set1_epi8(9)));
  const __m128i tens = _mm_set1_epi32(1 << 16 | 10), hundreds = _mm_set1_epi32(1 << 16 | 100);
  const __m128i pairs = _mm_packs_epi32(_mm_madd_epi16(_mm_unpacklo_epi8(digits, zero), tens),
                                        _mm_madd_epi16(_mm_unpackhi_epi8(digits, zero), tens));
  const __m128i fours = _mm_madd_epi16(pairs, hundreds);
  const __m128i eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(1 << 16 | 10000));
  const uint64_t both = static_cast<uint64_t>(_mm_cvtsi128_si64(eights));
  return (both & 0xFFFFFFFF) * 100000000 + (both >> 32);
}

// A number such as 0.03518785536289215, which embeddings mostly have: one digit, a point, and 16 digits or more to
// `end`. As it is known where they end, nothing is looked for and no branch is guessed; those beyond the sixteenth are
// but looked at, and add less than 1e-16. NaN where it is another, or in doubt.
float quick_fraction(const char* p, const char* end) {
  const uint64_t ones = static_cast<unsigned char>(*p - '0');
  if (p[1] != '.' || ones > 9 || end - p > 34) return NAN;
  __m128i wrong = _mm_setzero_si128();
  const auto number = static_cast<int64_t>(sixteen_digits(p + 2, wrong));
  const __m128i last = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16));
  wrong = _mm_or_si128(wrong, _mm_subs_epu8(_mm_sub_epi8(last, _mm_set1_epi8('0')), _mm_set1_epi8(9)));
  if (_mm_movemask_epi8(_mm_cmpeq_epi8(wrong, _mm_setzero_si128())) != 0xFFFF) return NAN;
  const double value = static_cast<double>(ones) + static_cast<double>(number) * 1e-16;
  // From a thousandth on, 1e-16 is less than 462 of the steps between doubles, and what was rounded less than 4.
  return sure<1024>(value) && value >= 0x1p-10 ? static_cast<float>(value) : NAN;
}

#endif

// What stands between two commas; false where it is no number that float32 can hold.
bool read_number(const char* p, const char* end, float& read) {
  while (p != end && is_space(*p)) ++p;
  while (p != end && is_space(end[-1])) --end;
  if (p == end) return false;
  // By JSON's grammar first: the library takes more than that, such as "nan" and ".5".
  const char* const begin = p;
  const bool minus = *p == '-';
  p += minus;  // half of all numbers have one: a branch would be guessed wrong
  const float sign = minus ? -1.0f : 1.0f;
#if defined(__SSE2__)
  if (const float value = end - p >= 18 ? quick_fraction(p, end) : NAN; !std::isnan(value)) {
    read = std::copysign(value, sign);
    return true;
  }
#endif
  const char* const digits = p;
  uint64_t number = 0;
  p = take_digits(p, end, number);
  if (p == digits || (*digits == '0' && p - digits > 1)) return false;
  bool whole = true;
  int64_t significant = *digits == '0' ? 0 : p - digits, exponent = 0;
  if (p != end && *p == '.') {
    whole = false;
    const char* fraction = ++p;
    p = take_digits(p, end, number);
    if (p == fraction) return false;
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
    if (p == tens) return false;
    if (p - tens > 3) significant = kMostDigits + 1;  // left to the library
    exponent += negative ? -static_cast<int64_t>(power) : static_cast<int64_t>(power);
  }
  if (p != end) return false;
  if (const float value = significant <= kMostDigits ? quick(number, exponent) : NAN; !std::isnan(value)) {
    read = std::copysign(value, sign);
    return true;
  }
  double value;
  const auto [last, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || last != end || !(std::fabs(value) < kBeyond)) return false;
  if (whole && value == 0) value = 0;  // "-0" is an integer, and those have no negative zero
  read = static_cast<float>(value);
  return true;
}

}  // namespace

int64_t parse_numbers(const char* text, const char* end, float* values) {
  int64_t count = 0;
  const char* begin = text;
#if defined(__SSE2__)
  // The commas of 64 bytes at once: were the end of a number known only after its digits, each would wait for the one
  // before it, which takes a fifth longer.
  const __m128i comma = _mm_set1_epi8(',');
  for (const char* p = text; end - p >= 64; p += 64) {
    uint64_t commas = 0;
    for (int i = 0; i < 4; ++i) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p) + i);
      commas |= static_cast<uint64_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, comma))) << 16 * i;
    }
    for (; commas; commas &= commas - 1) {
      const char* const at = p + std::countr_zero(commas);
      if (!read_number(begin, at, values[count])) return -1;
      ++count;
      begin = at + 1;
    }
  }
#endif
  for (;;) {
    const void* const found = std::memchr(begin, ',', static_cast<size_t>(end - begin));
    const char* const at = found ? static_cast<const char*>(found) : end;
    if (!read_number(begin, at, values[count])) return -1;
    ++count;
    if (at == end) return count;
    begin = at + 1;
  }
}

#else

int64_t parse_numbers(const char*, const char*, float*) { return -1; }

#endif

namespace {

constexpr uint32_t kNoSextet = 1u << 24;

// The six bits of each letter of base64; what is none has a bit that no letter has.
struct Sextets {
  uint32_t of[256];

  constexpr Sextets() : of{} {
    for (uint32_t& value : of) value = kNoSextet;
    for (uint32_t i = 0; i < 26; ++i) {
      of['A' + i] = i;
      of['a' + i] = 26 + i;
    }
    for (uint32_t i = 0; i < 10; ++i) of['0' + i] = 52 + i;
    of[static_cast<int>('+')] = 62;
    of[static_cast<int>('/')] = 63;
  }
};

constexpr Sextets kSextets;

}  // namespace

int64_t unpack_numbers(const char* text, const char* end, float* values) {
  if constexpr (std::endian::native != std::endian::little) return -1;
  const int64_t size = end - text;
  if (size < 4 || size % 4) return -1;
  const int64_t padding = (end[-1] == '=') + (end[-1] == '=' && end[-2] == '=');
  const int64_t bytes = size / 4 * 3 - padding;
  if (bytes % 4) return -1;
  char* out = reinterpret_cast<char*>(values);
  const auto* in = reinterpret_cast<const unsigned char*>(text);
  uint32_t wrong = 0;
  const auto take = [&](const unsigned char* four) {
    const uint32_t* const of = kSextets.of;
    const uint32_t a = of[four[0]], b = of[four[1]], c = of[four[2]], d = of[four[3]];
    wrong |= a | b | c | d;
    return a << 18 | b << 12 | c << 6 | d;
  };
  const auto put = [&](uint32_t value, int64_t count) {
    for (int64_t i = 0; i < count; ++i) *out++ = static_cast<char>(value >> (16 - 8 * i));
  };
  for (int64_t i = padding ? 1 : 0; i < size / 4; ++i, in += 4) put(take(in), 3);
  if (padding) {
    const unsigned char last[4] = {in[0], in[1], padding == 2 ? static_cast<unsigned char>('A') : in[2], 'A'};
    put(take(last), 3 - padding);
  }
  return wrong & kNoSextet ? -1 : bytes / 4;
}

}  // namespace nearfield
