// The binding of numbers.hpp.
#include "module.hpp"
#include "numbers.hpp"

namespace nearfield {

void bind_numbers(nb::module_& m) {
  m.def("parse_numbers", [](nb::tuple texts, Out<float, 1> values, Out<int64_t, 1> counts) {
    std::vector<std::pair<const char*, size_t>> rows;
    size_t room = 0;
    for (nb::handle text : texts) {
      demand(PyBytes_Check(text.ptr()), "texts: expected bytes");
      rows.emplace_back(PyBytes_AS_STRING(text.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(text.ptr())));
      room += (rows.back().second + 1) / 2;
    }
    demand(counts.shape(0) == rows.size(), "counts: expected one a text");
    demand(values.shape(0) >= room, "values: expected room for all numbers");
    nb::gil_scoped_release release;
    float* next = values.data();
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t count = parse_numbers(rows[i].first, rows[i].first + rows[i].second, next);
      counts.data()[i] = count;
      if (count > 0) next += count;
    }
  }, nb::arg("texts"), nb::arg("values"), nb::arg("counts"));
}

}  // namespace nearfield
