// The binding of numbers.hpp.
#include "module.hpp"
#include "numbers.hpp"

namespace nearfield {

void bind_numbers(nb::module_& m) {
  m.def("parse_numbers", [](nb::bytes text, In<int64_t, 1> ends, Out<float, 1> values, Out<int64_t, 1> counts) {
    const size_t rows = ends.shape(0);
    int64_t before = 0;
    for (size_t i = 0; i < rows; before = ends.data()[i++])
      demand(ends.data()[i] >= before, "ends: expected to ascend from 0");
    demand(static_cast<size_t>(before) <= text.size(), "ends: expected to end within the text");
    demand(counts.shape(0) == rows, "counts: expected one a row");
    demand(values.shape(0) >= (static_cast<size_t>(before) + rows) / 2, "values: expected room for all numbers");
    const char* const begin = text.c_str();
    nb::gil_scoped_release release;
    float* next = values.data();
    for (size_t i = 0; i < rows; ++i) {
      const int64_t count = parse_numbers(begin + (i ? ends.data()[i - 1] : 0), begin + ends.data()[i], next);
      counts.data()[i] = count;
      if (count > 0) next += count;
    }
  }, nb::arg("text"), nb::arg("ends"), nb::arg("values"), nb::arg("counts"));
}

}  // namespace nearfield
