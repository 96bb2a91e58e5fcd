// Additive codes: a row is the squared length of what it stands for (relative to the center) and one byte a book, and
// stands for center + the sum of the words that its bytes name. A query becomes a table of its products with all words.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nearfield {

struct Space;

// Borrowed. Book m covers dimensions [begin, begin + width) by rows [first, first + width) of `words`, each of which
// holds one dimension of all 256 words; layout[m] = {begin, width, first}. Books with fewer words end with zeros.
struct Books {
  const float* words = nullptr;
  const int32_t* layout = nullptr;
  unsigned count = 0;
};

constexpr unsigned kMaxBooks = 16384;

size_t additive_row_bytes(unsigned books);
// Whether every book lies within `dim` dimensions and `rows` rows of words.
bool books_valid(const Books& books, unsigned dim, size_t rows);
// count * 256 products of q with the words of every book.
void additive_table(const Books& books, const float* q, float* table);
// The sum of the words of one row, without the center.
void additive_sum(const Books& books, const uint8_t* row, unsigned dim, float* out);
void additive_read(const Space& space, size_t begin, size_t n, float* out);
void additive_pairs(const Space& space, uint32_t row, const uint32_t* ids, unsigned n, float* out);
// Code bytes (n, count) of x - center become rows with a header.
void additive_pack(const Books& books, const uint8_t* codes, size_t n, unsigned dim, uint8_t* rows);

}  // namespace nearfield
