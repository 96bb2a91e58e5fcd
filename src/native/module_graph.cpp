// The bindings of the graph: building, searching, mending, and the records of the fast layout.
#include "module.hpp"

namespace nearfield {

namespace {

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

void bind_graph(nb::module_& m) {
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

}  // namespace nearfield
