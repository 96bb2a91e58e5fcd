// The bindings: arrays in, arrays out. Argument checks that the memory safety of the kernels rests on are made here;
// friendly ones are made in Python (nearfield.native).
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
using namespace nearfield;

namespace {

template <class T, int D>
using In = nb::ndarray<const T, nb::ndim<D>, nb::c_contig, nb::device::cpu>;
template <class T, int D>
using Out = nb::ndarray<T, nb::ndim<D>, nb::c_contig, nb::device::cpu>;
using Words = std::optional<In<uint64_t, 1>>;

void demand(bool condition, const char* message) {
  if (!condition) throw nb::value_error(message);
}

Level parse_level(const std::string& name) {
  if (name == "scalar") return Level::scalar;
  if (name == "avx2") return Level::avx2;
  if (name == "avx512") return Level::avx512;
  throw nb::value_error(("simd level: expected 'scalar', 'avx2' or 'avx512', got '" + name + "'").c_str());
}

const char* level_name(Level l) { return l == Level::avx512 ? "avx512" : l == Level::avx2 ? "avx2" : "scalar"; }

void force_level(const std::string& name) {
  const Level l = parse_level(name);
  if (!level_supported(l)) throw nb::value_error(("simd level: this CPU has no '" + name + "'").c_str());
  set_level(l);
}

Kind parse_kind(const std::string& name) {
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

Measure parse_measure(const std::string& name) {
  if (name == "ip") return Measure::ip;
  if (name == "l2") return Measure::l2;
  throw nb::value_error("metric: expected 'ip' or 'l2'");
}

Kind parse_code_kind(const std::string& name) {
  const Kind kind = parse_kind(name);
  if (!code_bits(kind)) throw nb::value_error("kind: expected 'sq8', 'sq4', 'sq2' or 'sq1' for codes");
  return kind;
}

unsigned parse_level_bits(unsigned bits) {
  demand(bits == 1 || bits == 2 || bits == 4 || bits == 8, "bits: expected 1, 2, 4 or 8 for the second level");
  return bits;
}

Books books(const In<float, 2>& words, const In<int32_t, 2>& layout, unsigned dim) {
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

const uint64_t* words(const Words& allow, size_t n) {
  if (!allow) return nullptr;
  demand(allow->shape(0) == (n + 63) / 64, "allow: expected one bit a row, packed in uint64 words");
  return allow->data();
}

void check_queries(const Space& space, const In<float, 2>& queries, const Out<float, 2>& scores,
                   const Out<int64_t, 2>& rows) {
  demand(queries.shape(1) == space.dim, "queries: wrong number of dimensions");
  demand(scores.shape(0) == queries.shape(0) && rows.shape(0) == queries.shape(0) && scores.shape(1) == rows.shape(1) &&
             scores.shape(1) >= 1,
         "scores, rows: expected shape (queries, k)");
}

void check_links(const In<uint32_t, 2>& neighbors, const In<uint32_t, 1>& entries, const Space& space) {
  demand(neighbors.shape(0) == space.n, "neighbors: expected one list a row");
  demand(entries.shape(0) >= 1, "entries: expected at least one row");
  for (size_t i = 0; i < entries.shape(0); ++i) demand(entries.data()[i] < space.n, "entries: row out of range");
}

using Projection = std::optional<In<uint8_t, 2>>;

// What an array of records is and was made by, checked against the rows and links it belongs to.
struct SignParts {
  SignLayout layout;
  std::optional<Rotation> rotation;
  std::vector<float> zeros;  // the center of the projection's codes
  Space directions;
  SignFrame frame;

  SignParts(const Space& space, size_t degree, unsigned bits, uint64_t seed, const float* center, size_t center_size,
            const Projection& projection)
      : layout{static_cast<unsigned>(degree), projection ? static_cast<unsigned>(projection->shape(0)) : space.dim, bits} {
    demand(bits >= 1 && bits <= kMaxSignBits, "bits: expected 1 to 4");
    demand(center_size == space.dim, "center: expected shape (dim,)");
    if (projection) {
      demand(projection->shape(1) == code_row_bytes(Kind::sq8, space.dim) && layout.dim >= 1 && layout.dim <= space.dim,
             "projection: expected 1 to dim rows of 8-bit codes");
      zeros.assign(space.dim, 0.0f);
      directions.kind = Kind::sq8;
      directions.data = projection->data();
      directions.n = layout.dim;
      directions.stride = projection->shape(1);
      directions.dim = space.dim;
      directions.center = zeros.data();
      directions.cached = true;
    } else {
      rotation.emplace(space.dim, seed);
    }
    frame = {space.dim, center, rotation ? &*rotation : nullptr, projection ? &directions : nullptr, layout.dim};
  }
  SignParts(const SignParts&) = delete;
};

// Every link inside the graph: a file that passed its checksum cannot fail this, a caller's array can.
bool links_valid(const In<uint32_t, 2>& neighbors) {
  const size_t count = neighbors.shape(0) * neighbors.shape(1);
  for (size_t i = 0; i < count; ++i)
    if (neighbors.data()[i] != kNone && neighbors.data()[i] >= neighbors.shape(0)) return false;
  return true;
}

}  // namespace

namespace nearfield {
void bind_predicates(nb::module_& m);
}

NB_MODULE(_core, m) {
  nb::set_leak_warnings(false);
  bind_predicates(m);
  if (const char* forced = std::getenv("NEARFIELD_SIMD"); forced && *forced) force_level(forced);

  nb::class_<PySpace>(m, "Space",
                      "Rows as the core sees them: float32, float16 or code rows, borrowed from an array.\n\n"
                      "Made by :func:`make_space`, or by a codec.\n\n"
                      "Examples\n--------\n"
                      ">>> import numpy as np\n"
                      ">>> from nearfield.native import make_space\n"
                      ">>> make_space(\"f32\", np.zeros((3, 2), np.float32), 2).n\n3\n")
      .def(nb::init<const std::string&, nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu>, unsigned,
                    std::optional<In<float, 1>>, std::optional<In<float, 1>>, std::optional<In<float, 2>>,
                    std::optional<In<int32_t, 2>>, std::optional<In<uint8_t, 2>>>(),
           nb::arg("kind"), nb::arg("data"), nb::arg("dim"), nb::arg("center").none() = nb::none(),
           nb::arg("scale").none() = nb::none(), nb::arg("words").none() = nb::none(),
           nb::arg("layout").none() = nb::none(), nb::arg("first").none() = nb::none())
      .def_prop_ro("n", [](const PySpace& s) { return s.space.n; })
      .def_prop_ro("dim", [](const PySpace& s) { return s.space.dim; });

  m.def("simd_level", [] { return level_name(level()); });
  m.def("set_simd_level", &force_level, nb::arg("name"));
  m.def("simd_levels", [] {
    std::vector<std::string> names;
    for (Level l : {Level::scalar, Level::avx2, Level::avx512})
      if (level_supported(l)) names.emplace_back(level_name(l));
    return names;
  });
  m.def("threads", [] { return default_threads(); });
  m.def("set_threads", [](unsigned n) { set_default_threads(n); }, nb::arg("n"));

  m.def("code_row_bytes", [](const std::string& kind, unsigned dim) { return code_row_bytes(parse_code_kind(kind), dim); });
  m.def("unit", [](In<float, 2> x, unsigned threads, Out<float, 2> out) {
    const unsigned dim = static_cast<unsigned>(x.shape(1));
    demand(out.shape(0) == x.shape(0) && out.shape(1) == dim, "out: expected the shape of x");
    run(nb::none(), [&](const Check& check) {
      parallel_for(
          x.shape(0), 256, threads,
          [&](size_t b, size_t e, unsigned) { unit_rows(x.data() + b * dim, e - b, dim, out.data() + b * dim); }, check);
    });
  });
  m.def("encode", [](const std::string& kind_name, In<float, 2> x, In<float, 1> center, Out<uint8_t, 2> out,
                     unsigned threads) {
    const Kind kind = parse_code_kind(kind_name);
    demand(code_bits(kind) >= 4, "kind: expected 'sq8' or 'sq4'; fewer bits take a symmetric grid");
    const unsigned dim = static_cast<unsigned>(x.shape(1));
    const size_t stride = code_row_bytes(kind, dim);
    demand(center.shape(0) == dim, "center: expected shape (dim,)");
    demand(out.shape(0) == x.shape(0) && out.shape(1) == stride, "out: expected shape (n, code_row_bytes)");
    run(nb::none(), [&](const Check& check) {
      parallel_for(
          x.shape(0), 256, threads,
          [&](size_t b, size_t e, unsigned) {
            encode_rows(kind, x.data() + b * dim, e - b, dim, center.data(), out.data() + b * stride);
          },
          check);
    });
  });
  m.def("encode_symmetric", [](const std::string& kind_name, const std::string& keep_name, In<float, 2> x,
                               Out<uint8_t, 2> out, unsigned threads) {
    const Kind kind = parse_code_kind(kind_name);
    demand(keep_name == "product" || keep_name == "length", "keep: expected 'product' or 'length'");
    const Keep keep = keep_name == "product" ? Keep::product : Keep::length;
    const unsigned dim = static_cast<unsigned>(x.shape(1));
    const size_t stride = code_row_bytes(kind, dim);
    demand(dim >= 1 && dim <= kMaxDim, "x: expected 1 to 16384 dimensions");
    demand(out.shape(0) == x.shape(0) && out.shape(1) == stride, "out: expected shape (n, code_row_bytes)");
    run(nb::none(), [&](const Check& check) {
      parallel_for(
          x.shape(0), 256, threads,
          [&](size_t b, size_t e, unsigned) {
            encode_symmetric(kind, keep, x.data() + b * dim, e - b, dim, out.data() + b * stride);
          },
          check);
    });
  });
  m.def("decode", [](const std::string& kind_name, In<uint8_t, 2> codes, In<float, 1> center, Out<float, 2> out) {
    const Kind kind = parse_code_kind(kind_name);
    const unsigned dim = static_cast<unsigned>(out.shape(1));
    demand(center.shape(0) == dim, "center: expected shape (dim,)");
    demand(out.shape(0) == codes.shape(0) && codes.shape(1) == code_row_bytes(kind, dim),
           "codes: expected shape (n, code_row_bytes)");
    nb::gil_scoped_release release;
    decode_rows(kind, codes.data(), codes.shape(0), dim, center.data(), out.data());
  });

  m.def("level_row_bytes", [](unsigned bits, unsigned dim) { return level_row_bytes(parse_level_bits(bits), dim); });
  m.def("encode_levels", [](unsigned bits, In<float, 2> x, In<float, 1> center, unsigned threads,
                            Out<uint8_t, 2> first, Out<uint8_t, 2> second) {
    parse_level_bits(bits);
    const unsigned dim = static_cast<unsigned>(x.shape(1));
    const size_t n = x.shape(0), stride = code_row_bytes(Kind::sq4, dim), second_stride = level_row_bytes(bits, dim);
    demand(dim >= 1 && dim <= kMaxDim && center.shape(0) == dim, "center: expected shape (dim,)");
    demand(first.shape(0) == n && first.shape(1) == stride && second.shape(0) == n && second.shape(1) == second_stride,
           "first, second: expected shapes (n, code_row_bytes) and (n, level_row_bytes)");
    run(nb::none(), [&](const Check& check) {
      parallel_for(
          n, 256, threads,
          [&](size_t b, size_t e, unsigned) {
            encode_levels(bits, x.data() + b * dim, e - b, dim, center.data(), first.data() + b * stride,
                          second.data() + b * second_stride);
          },
          check);
    });
  });
  m.def("read_levels", [](const PySpace& base, Out<float, 2> out) {
    demand(level_bits(base.space.kind) && out.shape(0) == base.space.n && out.shape(1) == base.space.dim,
           "out: expected shape (n, dim), for codes of two levels");
    nb::gil_scoped_release release;
    read_rows(base.space, 0, base.space.n, out.data());
  });

  m.def("additive_row_bytes", [](unsigned count) { return additive_row_bytes(count); });
  m.def("additive_nearest", [](In<float, 2> x, In<float, 2> words, In<float, 1> bias, unsigned threads,
                               Out<uint8_t, 1> codes, Out<float, 1> scores) {
    const size_t n = x.shape(0), width = x.shape(1);
    demand(words.shape(0) == width && words.shape(1) == kWords && bias.shape(0) == kWords && width <= kMaxDim,
           "words, bias: expected shapes (width, 256) and (256,)");
    demand(codes.shape(0) == n && scores.shape(0) == n, "codes, scores: expected shape (n,)");
    run(nb::none(), [&](const Check& check) {
      parallel_for(
          n, 1024, threads,
          [&](size_t b, size_t e, unsigned) {
            kernels().nearest(words.data(), static_cast<unsigned>(width), bias.data(), x.data() + b * width, width,
                              e - b, codes.data() + b, scores.data() + b);
          },
          check);
    });
  });
  m.def("additive_pack", [](In<uint8_t, 2> codes, In<float, 2> words, In<int32_t, 2> layout, unsigned dim,
                            unsigned threads, Out<uint8_t, 2> rows) {
    const Books found = books(words, layout, dim);
    const size_t stride = additive_row_bytes(found.count);
    demand(dim >= 1 && dim <= kMaxDim && codes.shape(1) == found.count && rows.shape(0) == codes.shape(0) &&
               rows.shape(1) == stride,
           "codes, rows: expected shapes (n, books) and (n, row bytes)");
    run(nb::none(), [&](const Check& check) {
      parallel_for(
          codes.shape(0), 256, threads,
          [&](size_t b, size_t e, unsigned) {
            additive_pack(found, codes.data() + b * found.count, e - b, dim, rows.data() + b * stride);
          },
          check);
    });
  });
  m.def("additive_read", [](const PySpace& base, Out<float, 2> out) {
    demand(base.space.kind == Kind::additive && out.shape(0) == base.space.n && out.shape(1) == base.space.dim,
           "out: expected shape (n, dim), for additive codes");
    nb::gil_scoped_release release;
    read_rows(base.space, 0, base.space.n, out.data());
  });
  m.def("combine", [](In<float, 2> x, In<float, 2> matrix, unsigned threads, Out<float, 2> out) {
    const size_t d = x.shape(1), columns = matrix.shape(1);
    demand(matrix.shape(0) == d && out.shape(0) == x.shape(0) && out.shape(1) == columns,
           "matrix, out: expected shapes (d, columns) and (n, columns)");
    run(nb::none(), [&](const Check& check) {
      parallel_for(
          x.shape(0), 32, threads,
          [&](size_t b, size_t e, unsigned) {
            for (size_t i = b; i < e; ++i)
              kernels().combine(matrix.data(), columns, static_cast<unsigned>(d), x.data() + i * d,
                                static_cast<unsigned>(columns), out.data() + i * columns);
          },
          check);
    });
  });

  m.def(
      "rotate",
      [](Out<float, 2> x, uint64_t seed, bool inverse, unsigned threads) {
        const size_t d = x.shape(1);
        demand(d >= 1 && d <= kMaxDim, "x: expected 1 to 16384 dimensions");
        const Rotation rotation(static_cast<unsigned>(d), seed);
        run(nb::none(), [&](const Check& check) {
          parallel_for(
              x.shape(0), 256, threads,
              [&](size_t b, size_t e, unsigned) {
                for (size_t i = b; i < e; ++i) inverse ? rotation.invert(x.data() + i * d) : rotation.apply(x.data() + i * d);
              },
              check);
        });
      },
      nb::arg("x").noconvert(), nb::arg("seed"), nb::arg("inverse"), nb::arg("threads"));  // in place

  m.def(
      "score_pairs",
      [](const PySpace& base, uint32_t row, In<uint32_t, 1> ids, Out<float, 1> out) {
        demand(row < base.space.n && out.shape(0) == ids.shape(0), "row, out: out of range");
        for (size_t i = 0; i < ids.shape(0); ++i) demand(ids.data()[i] < base.space.n, "ids: row out of range");
        PairScorer(base.space).score(row, ids.data(), static_cast<unsigned>(ids.shape(0)), out.data());
      });

  m.def("score", [](const PySpace& base, const std::string& metric, In<float, 2> queries, In<uint32_t, 1> ids,
                    unsigned threads, Out<float, 2> out) {
    demand(queries.shape(1) == base.space.dim, "queries: wrong number of dimensions");
    demand(out.shape(0) == queries.shape(0) && out.shape(1) == ids.shape(0), "out: expected shape (queries, ids)");
    for (size_t i = 0; i < ids.shape(0); ++i) demand(ids.data()[i] < base.space.n, "ids: row out of range");
    const Measure measure = parse_measure(metric);
    const size_t nq = queries.shape(0), m = ids.shape(0);
    run(nb::none(), [&](const Check& check) {
      parallel_for(
          (nq + 3) / 4, 16, threads,
          [&](size_t begin, size_t end, unsigned) {
            Targets targets(base.space, measure);
            for (size_t i = begin * 4; i < std::min(nq, end * 4); i += 4) {
              const float* q[4];
              const unsigned count = static_cast<unsigned>(std::min<size_t>(4, nq - i));
              for (unsigned t = 0; t < count; ++t) q[t] = queries.data() + (i + t) * base.space.dim;
              targets.set(q, count);
              targets.score(ids.data(), static_cast<unsigned>(m), out.data() + i * m);
            }
          },
          check);
    });
  });

  m.def(
      "exact_search",
      [](const PySpace& base, const std::string& metric, In<float, 2> queries, Words allow, unsigned threads,
         Out<float, 2> scores, Out<int64_t, 2> rows) {
        check_queries(base.space, queries, scores, rows);
        const Measure measure = parse_measure(metric);
        const uint64_t* bits = words(allow, base.space.n);
        run(nb::none(), [&](const Check& check) {
          exact_search(base.space, measure, queries.data(), queries.shape(0), scores.shape(1), bits, threads,
                       scores.data(), rows.data(), check);
        });
      },
      nb::arg("base"), nb::arg("metric"), nb::arg("queries"), nb::arg("allow").none(), nb::arg("threads"),
      nb::arg("scores"), nb::arg("rows"));

  m.def(
      "rescore",
      [](const PySpace& base, const std::string& metric, In<float, 2> queries, In<int64_t, 2> candidates,
         unsigned threads, Out<float, 2> scores, Out<int64_t, 2> rows) {
        check_queries(base.space, queries, scores, rows);
        demand(candidates.shape(0) == queries.shape(0), "candidates: expected one row a query");
        const size_t count = candidates.shape(0) * candidates.shape(1);
        for (size_t i = 0; i < count; ++i)
          demand(candidates.data()[i] < static_cast<int64_t>(base.space.n), "candidates: row out of range");
        const Measure measure = parse_measure(metric);
        run(nb::none(), [&](const Check& check) {
          rescore(base.space, measure, queries.data(), queries.shape(0), candidates.data(), candidates.shape(1),
                  scores.shape(1), threads, scores.data(), rows.data(), check);
        });
      });

  m.def(
      "list_search",
      [](const PySpace& base, const std::string& metric, const PySpace& centroids, In<uint32_t, 1> offsets,
         In<uint32_t, 1> order, In<float, 2> queries, In<float, 2> asked, size_t probes, size_t budget, Words allow,
         unsigned threads, Out<float, 2> scores, Out<int64_t, 2> rows) {
        check_queries(base.space, queries, scores, rows);
        const Space& centres = centroids.space;
        demand(centres.kind == Kind::f32 && centres.n >= 1, "centroids: expected at least one float32 row");
        demand(asked.shape(0) == queries.shape(0) && asked.shape(1) == centres.dim,
               "asked: expected as many queries, of the centroids' dimensions");
        demand(offsets.shape(0) == centres.n + 1 && offsets.data()[0] == 0 &&
                   offsets.data()[centres.n] == base.space.n &&
                   std::is_sorted(offsets.data(), offsets.data() + centres.n + 1),
               "offsets: expected one a list and the end, ascending from 0 to n");
        demand(order.shape(0) == base.space.n, "order: expected shape (n,)");
        const Measure measure = parse_measure(metric);
        const Lists lists{centres, offsets.data(), order.data()};
        const ListSettings settings{scores.shape(1), probes, budget, threads};
        const uint64_t* bits = words(allow, base.space.n);
        run(nb::none(), [&](const Check& check) {
          search_lists(base.space, measure, lists, queries.data(), asked.data(), queries.shape(0), bits, settings,
                       scores.data(), rows.data(), check);
        });
      },
      nb::arg("base"), nb::arg("metric"), nb::arg("centroids"), nb::arg("offsets"), nb::arg("order"),
      nb::arg("queries"), nb::arg("asked"), nb::arg("probes"), nb::arg("budget"), nb::arg("allow").none(),
      nb::arg("threads"), nb::arg("scores"), nb::arg("rows"));

  m.def(
      "cell_search",
      [](const PySpace& base, const std::string& metric, const PySpace* centroids,
         std::optional<In<uint32_t, 1>> order, const std::vector<In<uint32_t, 1>>& parts, In<float, 2> queries,
         In<float, 2> asked, bool rounded, unsigned threads, Out<float, 2> scores, Out<int64_t, 2> rows,
         Out<uint32_t, 1> scored) {
        check_queries(base.space, queries, scores, rows);
        demand(parts.size() == 6 && parts[0].shape(0) == parts[1].shape(0) &&
                   parts[0].shape(0) == parts[2].shape(0) + 1 && parts[3].shape(0) >= 1,
               "parts: expected members, groups, budgets, cells, lists and positions");
        const Cells cells{parts[0].data(), parts[1].data(), parts[2].data(), parts[3].data(), parts[4].data(),
                          parts[5].data(), parts[2].shape(0)};
        const Space* centres = centroids ? &centroids->space : nullptr;
        const size_t nq = queries.shape(0);
        demand(!centres || (centres->kind == Kind::f32 && asked.shape(0) == nq && asked.shape(1) == centres->dim),
               "asked: expected as many queries, of the dimensions of float32 centroids");
        demand(cells_valid(cells, nq, parts[3].shape(0) - 1, parts[4].shape(0), parts[5].shape(0),
                           centres ? centres->n : base.space.n + 1, base.space.n),
               "parts: a number points outside of what it numbers");
        demand((!order || order->shape(0) == base.space.n) && scored.shape(0) == nq,
               "order, scored: expected shapes (n,) and (queries,)");
        const Measure measure = parse_measure(metric);
        run(nb::none(), [&](const Check& check) {
          search_cells(base.space, measure, centres, order ? order->data() : nullptr, cells, queries.data(),
                       asked.data(), nq, scores.shape(1), rounded, threads, scores.data(), rows.data(), scored.data(),
                       check);
        });
      },
      nb::arg("base"), nb::arg("metric"), nb::arg("centroids").none(), nb::arg("order").none(), nb::arg("parts"),
      nb::arg("queries"), nb::arg("asked"), nb::arg("rounded"), nb::arg("threads"), nb::arg("scores"),
      nb::arg("rows"), nb::arg("scored"));

  m.def(
      "graph_build",
      [](const PySpace& base, unsigned degree, unsigned beam, float alpha, uint64_t seed, unsigned threads,
         Out<uint32_t, 1> lists, nb::object progress) {
        demand(base.space.n >= 1, "data: expected at least one row");
        demand(degree >= 1 && degree <= 0xffff, "degree: expected at least 1");
        demand(lists.shape(0) == base.space.n * list_room(degree), "lists: expected n * graph_room(degree) numbers");
        demand(beam >= 1 && alpha > 0, "beam, alpha: expected at least 1, and above 0");
        const BuildSettings settings{degree, beam, alpha, seed, std::max(1u, threads)};
        std::vector<uint32_t> entries;
        run(progress, [&](const Check& check) { entries = build_graph(base.space, settings, lists.data(), check); });
        return entries;
      },
      nb::arg("base"), nb::arg("degree"), nb::arg("beam"), nb::arg("alpha"), nb::arg("seed"), nb::arg("threads"),
      nb::arg("lists").noconvert(), nb::arg("progress").none() = nb::none());
  m.def("graph_room", [](unsigned degree) { return list_room(degree); });

  m.def(
      "graph_stitch",
      [](const PySpace& base, In<uint32_t, 2> neighbors, In<int64_t, 2> found, unsigned threads, Out<uint32_t, 2> out) {
        const size_t n = base.space.n;
        demand(neighbors.shape(0) == n && links_valid(neighbors), "neighbors: expected one list a row");
        demand(out.shape(0) == n && out.shape(1) >= neighbors.shape(1), "out: expected shape (n, degree or more)");
        for (size_t i = 0; i < found.shape(0) * found.shape(1); ++i)
          demand(found.data()[i] < static_cast<int64_t>(n), "found: row out of range");
        const unsigned degree = static_cast<unsigned>(neighbors.shape(1));
        const unsigned extra = static_cast<unsigned>(out.shape(1)) - degree;
        run(nb::none(), [&](const Check& check) {
          stitch(base.space, neighbors.data(), degree, found.data(), found.shape(0), found.shape(1), extra, threads,
                 out.data(), check);
        });
      });

  m.def("graph_check", [](In<uint32_t, 2> neighbors) { return links_valid(neighbors); });

  m.def("graph_reachable", [](In<uint32_t, 2> neighbors, In<uint32_t, 1> entries, Out<uint8_t, 1> reached) {
    demand(reached.shape(0) == neighbors.shape(0), "reached: expected shape (n,)");
    demand(links_valid(neighbors), "neighbors: a link leads out of the graph");
    for (size_t i = 0; i < entries.shape(0); ++i)
      demand(entries.data()[i] < neighbors.shape(0), "entries: row out of range");
    nb::gil_scoped_release release;
    const Links links{neighbors.data(), neighbors.shape(0), static_cast<unsigned>(neighbors.shape(1))};
    mark_reachable(links, entries.data(), entries.shape(0), reached.data());
  });

  m.def(
      "graph_mend",
      [](const PySpace& base, Out<uint32_t, 2> neighbors, In<uint32_t, 1> entries, unsigned beam,
         In<uint32_t, 1> missed) {
        const In<uint32_t, 2> lists(neighbors);
        check_links(lists, entries, base.space);
        demand(links_valid(lists), "neighbors: a link leads out of the graph");
        demand(neighbors.shape(1) >= 1 && beam >= 1, "neighbors, beam: expected room for a link, and at least 1");
        for (size_t i = 0; i < missed.shape(0); ++i)
          demand(missed.data()[i] < base.space.n, "missed: row out of range");
        const std::vector<uint32_t> starts(entries.data(), entries.data() + entries.shape(0));
        run(nb::none(), [&](const Check& check) {
          mend(base.space, neighbors.data(), static_cast<unsigned>(neighbors.shape(1)), starts, beam, missed.data(),
               missed.shape(0), check);
        });
      },
      nb::arg("base"), nb::arg("neighbors").noconvert(), nb::arg("entries"), nb::arg("beam"), nb::arg("missed"));

  m.def("sign_record_bytes", [](unsigned degree, unsigned dim, unsigned bits) {
    demand(bits >= 1 && bits <= kMaxSignBits, "bits: expected 1 to 4");
    return SignLayout{degree, dim, bits}.record_bytes();
  });

  m.def("row_values", [](const PySpace& base, In<uint32_t, 1> ids, Out<float, 2> out) {
    demand(out.shape(0) == ids.shape(0) && out.shape(1) == base.space.dim, "out: expected shape (ids, dim)");
    for (size_t i = 0; i < ids.shape(0); ++i) {
      demand(ids.data()[i] < base.space.n, "ids: row out of range");
      read_rows(base.space, ids.data()[i], 1, out.data() + i * base.space.dim);
    }
  });

  m.def(
      "graph_signs",
      [](const PySpace& base, const std::string& metric, In<uint32_t, 2> neighbors, unsigned bits, uint64_t seed,
         unsigned threads, Out<uint8_t, 2> records, Out<float, 1> center, Projection projection) {
        demand(base.space.n >= 1 && neighbors.shape(0) == base.space.n && links_valid(neighbors),
               "neighbors: expected one list a row");
        const SignParts parts(base.space, neighbors.shape(1), bits, seed, center.data(), center.shape(0), projection);
        demand(records.shape(0) == base.space.n && records.shape(1) == parts.layout.record_bytes(),
               "records: expected shape (n, sign_record_bytes)");
        const Measure measure = parse_measure(metric);
        SignUnits units;
        run(nb::none(), [&](const Check& check) {
          mean_row(base.space, threads, center.data(), check);
          units = pack_signs(base.space, measure, neighbors.data(), parts.layout, parts.frame, threads, records.data(),
                             check);
        });
        return std::make_pair(units.a, units.b);
      },
      nb::arg("base"), nb::arg("metric"), nb::arg("neighbors"), nb::arg("bits"), nb::arg("seed"), nb::arg("threads"),
      nb::arg("records").noconvert(), nb::arg("center").noconvert(), nb::arg("projection").none());

  m.def(
      "graph_sign_rows",
      [](const PySpace& base, const std::string& metric, In<uint32_t, 2> neighbors, Out<uint8_t, 2> records,
         unsigned bits, std::pair<float, float> units, uint64_t seed, In<float, 1> center, Projection projection,
         In<uint32_t, 1> rows) {
        demand(neighbors.shape(0) == base.space.n && links_valid(neighbors), "neighbors: expected one list a row");
        const SignParts parts(base.space, neighbors.shape(1), bits, seed, center.data(), center.shape(0), projection);
        demand(records.shape(0) == base.space.n && records.shape(1) == parts.layout.record_bytes(),
               "records: expected shape (n, sign_record_bytes)");
        for (size_t i = 0; i < rows.shape(0); ++i) demand(rows.data()[i] < base.space.n, "rows: row out of range");
        const Measure measure = parse_measure(metric);
        nb::gil_scoped_release release;
        return sign_rows(base.space, measure, neighbors.data(), parts.layout, parts.frame, {units.first, units.second},
                         rows.data(), rows.shape(0), records.data());
      },
      nb::arg("base"), nb::arg("metric"), nb::arg("neighbors"), nb::arg("records").noconvert(), nb::arg("bits"),
      nb::arg("units"), nb::arg("seed"), nb::arg("center"), nb::arg("projection").none(), nb::arg("rows"));

  m.def(
      "graph_estimates",
      [](const PySpace& base, const std::string& metric, In<uint32_t, 2> neighbors, In<uint8_t, 2> records, unsigned bits,
         std::pair<float, float> units, uint64_t seed, In<float, 1> center, Projection projection, In<float, 1> query,
         uint32_t row, Out<float, 1> out) {
        const SignParts parts(base.space, neighbors.shape(1), bits, seed, center.data(), center.shape(0), projection);
        demand(query.shape(0) == base.space.dim && row < base.space.n && out.shape(0) == parts.layout.degree,
               "query, row, out: expected (dim,), a row, (degree,)");
        demand(records.shape(0) == base.space.n && records.shape(1) == parts.layout.record_bytes(),
               "records: expected shape (n, sign_record_bytes)");
        estimate_links(base.space, parse_measure(metric), parts.layout, records.data(), {units.first, units.second},
                       parts.frame, query.data(), row, out.data());
      },
      nb::arg("base"), nb::arg("metric"), nb::arg("neighbors"), nb::arg("records"), nb::arg("bits"), nb::arg("units"),
      nb::arg("seed"), nb::arg("center"), nb::arg("projection").none(), nb::arg("query"), nb::arg("row"), nb::arg("out"));

  m.def(
      "graph_search",
      [](const PySpace& base, const std::string& metric, In<uint32_t, 2> neighbors, In<uint32_t, 1> entries,
         In<float, 2> queries, size_t beam, float slack, std::optional<In<uint8_t, 2>> records,
         unsigned bits, std::pair<float, float> units, uint64_t seed, std::optional<In<float, 1>> center, Projection projection,
         Words allow, const PySpace* second, std::optional<In<float, 2>> second_queries, size_t candidates,
         std::optional<std::tuple<size_t, size_t, double, unsigned, size_t>> followed, unsigned threads, Out<float, 2> scores,
         Out<int64_t, 2> rows, std::optional<Out<uint32_t, 1>> distances,
         std::optional<Out<uint8_t, 1>> covered) {
        check_queries(base.space, queries, scores, rows);
        check_links(neighbors, entries, base.space);
        const Space* again = second ? &second->space : nullptr;
        const float* again_queries = nullptr;
        if (again) {
          demand(second_queries.has_value() && second_queries->shape(0) == queries.shape(0) &&
                     second_queries->shape(1) == again->dim && again->n == base.space.n,
                 "second: expected a space of as many rows, and queries of its dimension");
          again_queries = second_queries->data();
        }
        std::optional<SignParts> parts;
        std::optional<Signs> signs;
        if (records) {
          demand(center.has_value(), "center: expected shape (dim,)");
          parts.emplace(base.space, neighbors.shape(1), bits, seed, center->data(), center->shape(0), projection);
          demand(records->shape(0) == base.space.n && records->shape(1) == parts->layout.record_bytes(),
                 "signs: expected records as graph_signs makes them");
          signs = Signs{parts->layout, records->data(), {units.first, units.second}, parts->frame};
        }
        uint32_t* counts = nullptr;
        if (distances) {
          demand(distances->shape(0) == queries.shape(0), "distances: expected shape (queries,)");
          counts = distances->data();
        }
        uint8_t* reached = nullptr;
        if (covered) {
          demand(covered->shape(0) == queries.shape(0), "covered: expected shape (queries,)");
          reached = covered->data();
        }
        const Measure measure = parse_measure(metric);
        const Links links{neighbors.data(), neighbors.shape(0), static_cast<unsigned>(neighbors.shape(1))};
        SearchSettings settings{scores.shape(1), beam, slack, candidates, threads};
        const uint64_t* allowed = words(allow, base.space.n);
        if (followed) {
          demand(allowed && !signs, "followed: expected a filter, and no signs");
          const auto& [near, wide, scarce, enough, most] = *followed;
          settings.followed = Followed{near, wide, scarce, enough, most};
          demand(settings.followed->near >= 1 && settings.followed->enough >= 1, "followed: expected widths of 1 or more");
        }
        run(nb::none(), [&](const Check& check) {
          search_graph(base.space, measure, links, entries.data(), entries.shape(0), queries.data(), queries.shape(0),
                       signs ? &*signs : nullptr, allowed, again, again_queries, settings, scores.data(), rows.data(),
                       counts, reached, check);
        });
      },
      nb::arg("base"), nb::arg("metric"), nb::arg("neighbors"), nb::arg("entries"), nb::arg("queries"),
      nb::arg("beam"), nb::arg("slack"), nb::arg("records").none(), nb::arg("bits"), nb::arg("units"), nb::arg("seed"),
      nb::arg("center").none(), nb::arg("projection").none(), nb::arg("allow").none(), nb::arg("second").none(), nb::arg("second_queries").none(),
      nb::arg("candidates"), nb::arg("followed").none(), nb::arg("threads"), nb::arg("scores"), nb::arg("rows"),
      nb::arg("distances").noconvert().none(),
      nb::arg("covered").noconvert().none());  // a converted copy would be filled in vain
}
