// Hits as JSON text. It reads Python's lists, so it keeps the GIL: that takes a quarter of the time of making a
// dictionary of each hit for a library that writes JSON.
#include <charconv>
#include <cmath>
#include <cstdio>

#include "module.hpp"

namespace nearfield {

namespace {

void add_text(std::string& out, const char* text, size_t size) {
  out += '"';
  const char* const end = text + size;
  for (const char* p = text; p != end; ++p) {
    const unsigned char c = static_cast<unsigned char>(*p);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += *p;
    } else if (c < 0x20) {
      char escaped[7];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out += *p;
    }
  }
  out += '"';
}

void add_id(std::string& out, PyObject* id) {
  if (PyLong_Check(id)) {
    const long long number = PyLong_AsLongLong(id);
    if (number == -1 && PyErr_Occurred()) throw nb::python_error();
    char digits[24];
    out.append(static_cast<const char*>(digits), static_cast<const char*>(std::to_chars(digits, digits + sizeof digits, number).ptr));
    return;
  }
  Py_ssize_t size;
  const char* const text = PyUnicode_AsUTF8AndSize(id, &size);
  if (!text) throw nb::python_error();
  add_text(out, text, static_cast<size_t>(size));
}

void add_number(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
#if defined(__cpp_lib_to_chars)
  char digits[32];
  const char* const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, static_cast<size_t>(end - digits));
  if (std::none_of(static_cast<const char*>(digits), end, [](char c) { return c == '.' || c == 'e'; })) out += ".0";
#else
  char* const text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, nullptr);
  if (!text) throw nb::python_error();
  out += text;
  PyMem_Free(text);
#endif
}

}  // namespace

void bind_hits(nb::module_& m) {
  m.def("write_hits", [](nb::list ids, In<float, 2> distances) {
    demand(ids.size() == distances.shape(0), "distances: expected one row for each of ids");
    nb::list texts;
    std::string out;
    const float* next = distances.data();
    for (nb::handle row : ids) {
      demand(PyList_Check(row.ptr()) && static_cast<size_t>(PyList_GET_SIZE(row.ptr())) == distances.shape(1),
             "ids: expected lists, as long as a row of distances");
      out.assign(1, '[');
      for (size_t i = 0; i < distances.shape(1); ++i, ++next) {
        PyObject* const id = PyList_GET_ITEM(row.ptr(), static_cast<Py_ssize_t>(i));
        if (id == Py_None) continue;
        out += out.size() > 1 ? ",{\"id\":" : "{\"id\":";
        add_id(out, id);
        out += ",\"distance\":";
        add_number(out, *next);
        out += '}';
      }
      out += ']';
      texts.append(nb::bytes(out.data(), out.size()));
    }
    return texts;
  }, nb::arg("ids"), nb::arg("distances"));
}

}  // namespace nearfield
