// Many sockets read or written in one call without the GIL: by Python's own calls each would give it up and wait for it
// again, which under load takes longer than the system call.
#include "module.hpp"

#if !defined(_WIN32)

#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace nearfield {

namespace {

constexpr size_t kRoom = 1 << 16;      // bytes that a socket is asked for at once
constexpr size_t kMost = 1 << 20;      // bytes taken of one socket in a call
constexpr size_t kKept = 4 << 20;      // bytes of room that a thread keeps from call to call
constexpr int64_t kNothing = -1;       // nothing there now
constexpr int kFlags = MSG_DONTWAIT
#if defined(MSG_NOSIGNAL)
                       | MSG_NOSIGNAL
#endif
    ;

struct Arena {
  std::unique_ptr<char[]> bytes;
  size_t size = 0, room = 0;

  char* more() {
    if (room - size < kRoom) {
      const size_t wanted = std::max(2 * room, size + kRoom);
      std::unique_ptr<char[]> larger(new char[wanted]);
      std::copy_n(bytes.get(), size, larger.get());
      bytes = std::move(larger);
      room = wanted;
    }
    return bytes.get() + size;
  }
};

// What one socket holds, appended to `arena`: how many bytes; 0 at its end or after an error; kNothing.
int64_t take(int number, Arena& arena) {
  int64_t taken = kNothing;
  for (;;) {
    const ssize_t came = ::recv(number, arena.more(), kRoom, kFlags);
    if (came < 0 && errno == EINTR) continue;
    if (came <= 0) return taken > 0 ? taken : came < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? kNothing : 0;
    arena.size += static_cast<size_t>(came);
    taken = std::max<int64_t>(taken, 0) + came;
    if (static_cast<size_t>(came) < kRoom || taken >= static_cast<int64_t>(kMost)) return taken;
  }
}

// How many bytes of a text the socket took; -1 where it takes no more at all.
int64_t give(int number, const char* text, size_t size) {
  size_t given = 0;
  while (given < size) {
    const ssize_t went = ::send(number, text + given, size - given, kFlags);
    if (went < 0 && errno == EINTR) continue;
    if (went < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? static_cast<int64_t>(given) : -1;
    given += static_cast<size_t>(went);
  }
  return static_cast<int64_t>(given);
}

}  // namespace

void bind_sockets(nb::module_& m) {
  m.def("read_sockets", [](const std::vector<int>& numbers) {
    static thread_local Arena arena;  // made anew, its pages would be too: a tenth of the call
    arena.size = 0;
    std::vector<int64_t> sizes;
    {
      nb::gil_scoped_release release;
      for (const int number : numbers) sizes.push_back(take(number, arena));
    }
    nb::list came;
    const char* next = arena.bytes.get();
    for (const int64_t size : sizes) {
      if (size == kNothing) {
        came.append(nb::none());
      } else {
        came.append(nb::bytes(next, static_cast<size_t>(size)));
        next += size;
      }
    }
    if (arena.room > kKept) arena = {};
    return came;
  }, nb::arg("numbers"));

  m.def("write_sockets", [](const std::vector<int>& numbers, nb::list texts) {
    std::vector<std::pair<const char*, size_t>> all;
    for (nb::handle text : texts) {
      demand(PyBytes_Check(text.ptr()), "texts: expected bytes");
      all.emplace_back(PyBytes_AS_STRING(text.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(text.ptr())));
    }
    demand(all.size() == numbers.size(), "texts: expected one for each of numbers");
    std::vector<int64_t> given(all.size());
    {
      nb::gil_scoped_release release;
      for (size_t i = 0; i < all.size(); ++i) given[i] = give(numbers[i], all[i].first, all[i].second);
    }
    return given;
  }, nb::arg("numbers"), nb::arg("texts"));
}

}  // namespace nearfield

#else

namespace nearfield {
void bind_sockets(nb::module_&) {}
}  // namespace nearfield

#endif
