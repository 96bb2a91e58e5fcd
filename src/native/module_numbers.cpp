// The binding of numbers.hpp.
#include <memory>

#include "module.hpp"
#include "numbers.hpp"

namespace nearfield {

namespace {

constexpr size_t kKept = 1 << 20;  // numbers that a thread keeps room for

// What lends its bytes to a call.
struct Views {
  std::vector<Py_buffer> held;

  ~Views() {
    for (Py_buffer& view : held) PyBuffer_Release(&view);
  }
};

}  // namespace

void bind_numbers(nb::module_& m) {
  m.def("parse_numbers", [](nb::tuple texts) {
    // Room for as many numbers as there could be is many times what they take: kept from call to call, since memory that
    // is asked for anew is made anew.
    static thread_local std::unique_ptr<float[]> values;
    static thread_local size_t room = 0;
    std::vector<std::pair<const char*, size_t>> rows;
    size_t wanted = 0;
    Views views;
    views.held.reserve(texts.size());
    for (nb::handle text : texts) {
      Py_buffer& view = views.held.emplace_back();
      if (PyObject_GetBuffer(text.ptr(), &view, PyBUF_SIMPLE) != 0) {
        views.held.pop_back();
        PyErr_Clear();
        throw nb::value_error("texts: expected bytes");
      }
      rows.emplace_back(static_cast<const char*>(view.buf), static_cast<size_t>(view.len));
      wanted += (rows.back().second + 1) / 2;
    }
    if (wanted > room) {
      values.reset(new float[wanted]);
      room = wanted;
    }
    std::vector<int64_t> counts;
    float* next = values.get();
    {
      nb::gil_scoped_release release;
      for (const auto& [text, size] : rows) {
        const bool packed = size >= 2 && text[0] == '"' && text[size - 1] == '"';
        counts.push_back(packed ? unpack_numbers(text + 1, text + size - 1, next)
                                : parse_numbers(text, text + size, next));
        if (counts.back() > 0) next += counts.back();
      }
    }
    nb::bytes read(values.get(), static_cast<size_t>(next - values.get()) * sizeof(float));
    if (room > kKept) {
      values.reset();
      room = 0;
    }
    return nb::make_tuple(read, counts);
  }, nb::arg("texts"));
}

}  // namespace nearfield
