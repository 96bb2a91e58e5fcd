// The binding of predicates.hpp: every argument that the memory safety of a program rests on is checked here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include "pool.hpp"
#include "predicates.hpp"

namespace nb = nanobind;

namespace nearfield {

namespace {

using Array = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Words = nb::ndarray<uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void demand(bool condition, const char* message) {
  if (!condition) throw nb::value_error(message);
}

// A step is a row of six numbers: what it does, up to three arrays by number, and two values.
Step read_step(const int64_t* row, const std::vector<Array>& arrays, const std::vector<Input>& inputs, size_t n) {
  demand(row[0] >= 0 && row[0] <= static_cast<int64_t>(Op::box), "steps: unknown operation");
  Step step{static_cast<Op>(row[0]), nullptr, nullptr, nullptr, static_cast<uint64_t>(row[4]),
            static_cast<uint64_t>(row[5])};
  const auto input = [&](int at, nb::dlpack::dtype type) {
    demand(row[at] >= 0 && static_cast<size_t>(row[at]) < inputs.size(), "steps: no such array");
    demand(arrays[row[at]].dtype() == type, "steps: an array of another type");
    return &inputs[row[at]];
  };
  const auto rows = [&](int at, nb::dlpack::dtype type) {
    const Input* found = input(at, type);
    demand(found->size == n, "steps: expected one value a row");
    return found;
  };
  switch (step.op) {
    case Op::between:
    case Op::among: {
      demand(row[1] >= 0 && static_cast<size_t>(row[1]) < inputs.size(), "steps: no such array");
      const nb::dlpack::dtype type = arrays[row[1]].dtype();
      demand(type == nb::dtype<uint8_t>() || type == nb::dtype<uint16_t>() || type == nb::dtype<uint32_t>(),
             "steps: expected codes of uint8, uint16 or uint32");
      step.input = rows(1, type);
      if (step.op == Op::among) {
        step.second = input(2, nb::dtype<uint32_t>());
        demand(step.second->size >= 8, "steps: expected a table of at least 256 bits");
      }
      break;
    }
    case Op::bits:
      step.input = input(1, nb::dtype<uint64_t>());
      demand(step.input->size == (n + 63) / 64, "steps: expected one bit a row, in words of 64");
      break;
    case Op::whole:
    case Op::real:
      step.input = rows(1, step.op == Op::whole ? nb::dtype<int64_t>() : nb::dtype<double>());
      step.second = input(2, nb::dtype<uint64_t>());
      demand(step.second->size % 2 == 0, "steps: expected pairs of bounds");
      break;
    case Op::circle:
    case Op::box:
      step.input = rows(1, nb::dtype<double>());
      step.second = rows(2, nb::dtype<double>());
      step.third = input(3, nb::dtype<double>());
      demand(step.third->size == (step.op == Op::circle ? 3u : 4u), "steps: expected a circle of 3 or a box of 4");
      break;
    default:
      break;
  }
  return step;
}

}  // namespace

void bind_predicates(nb::module_& m) {
  m.def(
      "evaluate_predicate",
      [](const std::vector<Array>& arrays, Rows rows, size_t n, unsigned threads, Words out) {
        demand(rows.shape(1) == 6, "steps: expected six numbers a step");
        demand(out.shape(0) == (n + 63) / 64, "out: expected one bit a row, in words of 64");
        std::vector<Input> inputs;
        for (const Array& array : arrays)
          inputs.push_back({array.data(), array.shape(0), static_cast<unsigned>(array.dtype().bits / 8)});
        std::vector<Step> steps;
        for (size_t i = 0; i < rows.shape(0); ++i) steps.push_back(read_step(rows.data() + 6 * i, arrays, inputs, n));
        const size_t depth = stack_depth(steps);
        demand(depth > 0, "steps: expected a program that leaves one value");
        bool interrupted = false;
        {
          nb::gil_scoped_release release;
          try {
            evaluate(steps, depth, n, threads, out.data(), [](size_t) {
              nb::gil_scoped_acquire gil;
              return PyErr_CheckSignals() == 0;
            });
          } catch (const Interrupted&) {
            interrupted = true;
          }
        }
        if (interrupted) throw nb::python_error();
      },
      nb::arg("arrays"), nb::arg("steps"), nb::arg("n"), nb::arg("threads"), nb::arg("out").noconvert());
}

}  // namespace nearfield
