// What the files of bindings share: array types, checks that memory safety rests on, a space with what it borrows.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <tuple>

#include "cells.hpp"
#include "graph.hpp"
#include "lists.hpp"
#include "pool.hpp"
#include "rotation.hpp"
#include "scan.hpp"
#include "space.hpp"
#include "symmetric.hpp"

namespace nb = nanobind;

namespace nearfield {

template <class T, int D>
using In = nb::ndarray<const T, nb::ndim<D>, nb::c_contig, nb::device::cpu>;
template <class T, int D>
using Out = nb::ndarray<T, nb::ndim<D>, nb::c_contig, nb::device::cpu>;
using Words = std::optional<In<uint64_t, 1>>;

inline void demand(bool condition, const char* message) {
  if (!condition) throw nb::value_error(message);
}

inline Kind parse_kind(const std::string& name) {
  if (name == "f32") return Kind::f32;
  if (name == "f16") return Kind::f16;
  if (name == "sq8") return Kind::sq8;
  if (name == "sq4") return Kind::sq4;
  if (name == "sq2") return Kind::sq2;
  if (name == "sq1") return Kind::sq1;
  if (name == "additive") return Kind::additive;
  if (name == "levels1") return Kind::levels1;
  if (name == "levels2") return Kind::levels2;
  if (name == "levels4") return Kind::levels4;
  if (name == "levels8") return Kind::levels8;
  throw nb::value_error(
      "kind: expected 'f32', 'f16', 'sq8', 'sq4', 'sq2', 'sq1', 'additive', 'levels1', 'levels2', 'levels4' or "
      "'levels8'");
}

inline Measure parse_measure(const std::string& name) {
  if (name == "ip") return Measure::ip;
  if (name == "l2") return Measure::l2;
  throw nb::value_error("metric: expected 'ip' or 'l2'");
}

inline Kind parse_code_kind(const std::string& name) {
  const Kind kind = parse_kind(name);
  if (!code_bits(kind)) throw nb::value_error("kind: expected 'sq8', 'sq4', 'sq2' or 'sq1' for codes");
  return kind;
}

inline unsigned parse_level_bits(unsigned bits) {
  demand(bits == 1 || bits == 2 || bits == 4 || bits == 8, "bits: expected 1, 2, 4 or 8 for the second level");
  return bits;
}

inline Books books(const In<float, 2>& words, const In<int32_t, 2>& layout, unsigned dim) {
  demand(words.shape(1) == kWords, "words: expected float32 of shape (rows, 256)");
  demand(layout.shape(1) == 3 && layout.shape(0) <= kMaxBooks, "layout: expected int32 of shape (books, 3)");
  const Books found{words.data(), layout.data(), static_cast<unsigned>(layout.shape(0))};
  demand(books_valid(found, dim, words.shape(0)), "layout: a book reaches beyond the dimensions or the words");
  return found;
}

// A Space with the arrays it borrows from.
struct PySpace {
  Space space;
  nb::object data, center, scale, words, layout, first;

  PySpace(const std::string& kind, nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu> array, unsigned dim,
          std::optional<In<float, 1>> c, std::optional<In<float, 1>> s, std::optional<In<float, 2>> w,
          std::optional<In<int32_t, 2>> l, std::optional<In<uint8_t, 2>> f)
      : data(nb::cast(array)), center(nb::cast(c)), scale(nb::cast(s)), words(nb::cast(w)), layout(nb::cast(l)),
        first(nb::cast(f)) {
    space.kind = parse_kind(kind);
    space.data = array.data();
    space.n = array.shape(0);
    space.dim = dim;
    space.stride = array.shape(1);
    demand(dim >= 1 && dim <= kMaxDim, "dim: expected 1 to 16384 dimensions");
    demand(space.n < 0x80000000u, "data: expected fewer than 2**31 rows");
    const bool codes = space.kind != Kind::f32 && space.kind != Kind::f16;
    if (space.kind == Kind::additive) {
      demand(w.has_value() && l.has_value(), "words, layout: expected both for additive codes");
      space.books = books(*w, *l, dim);
    }
    if (space.kind == Kind::f32)
      demand(array.dtype() == nb::dtype<float>() && array.shape(1) == dim, "data: expected float32 of shape (n, dim)");
    else if (space.kind == Kind::f16)
      demand(array.dtype().bits == 16 && array.shape(1) == dim, "data: expected float16 bits of shape (n, dim)");
    else if (space.kind == Kind::additive)
      demand(array.dtype() == nb::dtype<uint8_t>() && array.shape(1) == additive_row_bytes(space.books.count),
             "data: expected uint8 code rows as encode() makes them");
    else if (const unsigned bits = level_bits(space.kind)) {
      demand(array.dtype() == nb::dtype<uint8_t>() && array.shape(1) == level_row_bytes(bits, dim),
             "data: expected uint8 rows of the second level as levels.encode() makes them");
      demand(f.has_value() && f->shape(0) == space.n && f->shape(1) == code_row_bytes(Kind::sq4, dim) &&
                 reinterpret_cast<uintptr_t>(f->data()) % 4 == 0,
             "first: expected as many rows of the first level, uint8, 4-byte aligned");
      space.first = f->data();
      space.first_stride = f->shape(1);
    } else
      demand(array.dtype() == nb::dtype<uint8_t>() && array.shape(1) == code_row_bytes(space.kind, dim),
             "data: expected uint8 code rows as encode() makes them");
    if (codes) {
      demand(c.has_value() && c->shape(0) == dim, "center: expected float32 of shape (dim,)");
      demand(reinterpret_cast<uintptr_t>(space.data) % 4 == 0, "data: expected 4-byte alignment");
      space.center = c->data();
    }
    if (s.has_value()) {
      demand(!codes && s->shape(0) == space.n, "scale: expected float32 of shape (n,), for float rows only");
      space.scale = s->data();
    }
  }
};

// Runs `work(check)` without the GIL. The caller's thread looks for signals and reports progress now and then; an
// exception raised there (KeyboardInterrupt among them) stops the work and is raised.
template <class Work>
void run(nb::handle progress, Work&& work) {
  const bool report = progress.is_valid() && !progress.is_none();
  const Check check = [&](size_t done) {
    nb::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) return false;
    if (report) {
      try {
        progress(done);
      } catch (nb::python_error& e) {
        e.restore();
        return false;
      }
    }
    return true;
  };
  bool interrupted = false;
  {
    nb::gil_scoped_release release;
    try {
      work(check);
    } catch (const Interrupted&) {
      interrupted = true;
    }
  }
  if (interrupted) throw nb::python_error();
}

inline const uint64_t* words(const Words& allow, size_t n) {
  if (!allow) return nullptr;
  demand(allow->shape(0) == (n + 63) / 64, "allow: expected one bit a row, packed in uint64 words");
  return allow->data();
}

inline void check_queries(const Space& space, const In<float, 2>& queries, const Out<float, 2>& scores,
                   const Out<int64_t, 2>& rows) {
  demand(queries.shape(1) == space.dim, "queries: wrong number of dimensions");
  demand(scores.shape(0) == queries.shape(0) && rows.shape(0) == queries.shape(0) && scores.shape(1) == rows.shape(1) &&
             scores.shape(1) >= 1,
         "scores, rows: expected shape (queries, k)");
}

inline void check_links(const In<uint32_t, 2>& neighbors, const In<uint32_t, 1>& entries, const Space& space) {
  demand(neighbors.shape(0) == space.n, "neighbors: expected one list a row");
  demand(entries.shape(0) >= 1, "entries: expected at least one row");
  for (size_t i = 0; i < entries.shape(0); ++i) demand(entries.data()[i] < space.n, "entries: row out of range");
}

void bind_predicates(nb::module_& m);
void bind_graph(nb::module_& m);
void bind_maxsim(nb::module_& m);
void bind_numbers(nb::module_& m);
void bind_hits(nb::module_& m);
void bind_sockets(nb::module_& m);

}  // namespace nearfield
