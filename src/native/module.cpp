// The bindings: arrays in, arrays out. Argument checks that the memory safety of the kernels rests on are made here;
// friendly ones are made in Python (nearfield.native).
#include "module.hpp"

using namespace nearfield;

namespace {

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

}  // namespace

NB_MODULE(_core, m) {
  nb::set_leak_warnings(false);
  bind_predicates(m);
  bind_graph(m);
  bind_maxsim(m);
  bind_numbers(m);
  bind_hits(m);
  bind_sockets(m);
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
}
