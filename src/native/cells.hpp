// Many queries with filters of their own, at once: queries that share a filter are a group, and the rows of one list
// that pass a group's filter are a cell. A block of a cell's rows stays in the cache while all queries of the group that
// want the cell are scored against it.
#pragma once
#include <cstdint>

#include "scan.hpp"
#include "space.hpp"

namespace nearfield {

// Compressed sparse rows, level by level: group g has cells [groups[g], groups[g + 1]) and queries
// [members[g], members[g + 1]); cell c belongs to list lists[c] and holds stored rows
// positions[cells[c]] to positions[cells[c + 1]].
struct Cells {
  const uint32_t* members;    // (count + 1,)
  const uint32_t* groups;     // (count + 1,)
  const uint32_t* budgets;    // (count,): how many rows each query of the group scores at least
  const uint32_t* cells;      // (groups[count] + 1,)
  const uint32_t* lists;      // (groups[count],)
  const uint32_t* positions;  // (cells[groups[count]],)
  size_t count;
};

// Whether every number points into what it numbers; `sizes` are those of the last three arrays, cells without its end.
bool cells_valid(const Cells& cells, size_t nq, size_t cell_count, size_t list_count, size_t position_count, size_t lists,
                 size_t n);

// scores (nq, k) ascending, rows (nq, k) by the numbers in `order` (null: as stored); missing: +inf, -1; ties go to the
// smaller number. A query reads the cells whose lists' centroids are nearest to it until it scored the larger of k and
// its group's budget, or all cells where that takes all rows. Queries are sorted by group. `scored`, if there, receives
// how many rows each query was compared with, centroids not counted. `centroids` may be null where nothing is left out.
// With `rounded`, 8-bit codes are scored as block.hpp does: faster, and to be looked at again.
void search_cells(const Space& space, Measure measure, const Space* centroids, const uint32_t* order,
                  const Cells& cells, const float* queries, const float* asked, size_t nq, size_t k, bool rounded,
                  unsigned threads, float* scores, int64_t* rows, uint32_t* scored, const Check& check);

}  // namespace nearfield
