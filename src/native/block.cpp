#include "block.hpp"

#include <algorithm>
#include <cmath>

namespace nearfield {

void Block::set(size_t slot, const float* query) {
  if (queries_.size() <= slot) queries_.resize(slot + 1);
  Rounded& r = queries_[slot];
  const unsigned d = space_.dim;
  // l2 is taken relative to the center; ip needs <q, center> once.
  const float* v = query;
  if (measure_ == Measure::l2) {
    moved_.resize(d);
    for (unsigned j = 0; j < d; ++j) moved_[j] = query[j] - space_.center[j];
    v = moved_.data();
  }
  const auto [base, total, largest] = kernels().gauge(v, measure_ == Measure::l2 ? v : space_.center, d);
  const double step = largest > 0 ? largest / 127.0 : 1.0;
  r.value.resize(d);
  int32_t sum = 0;
  for (unsigned j = 0; j < d; ++j) {
    const int32_t value = static_cast<int32_t>(std::lrint(v[j] / step));
    r.value[j] = static_cast<int8_t>(value);
    sum += value;
  }
  r.step = static_cast<float>(step);
  r.sum = static_cast<float>(sum * step);
  r.base = static_cast<float>(base);
}

void Block::rows(const uint32_t* ids, unsigned n) {
  ids_ = ids;
  n_ = n;
  for (auto* v : {&low_, &step_, &norm2_})
    if (v->size() < n) v->resize(n);
  if (dots_.size() < 4 * static_cast<size_t>(n)) dots_.resize(4 * static_cast<size_t>(n));
  for (unsigned i = 0; i < n; ++i) {
    const RowHeader& h = *static_cast<const RowHeader*>(space_.row(ids[i]));
    low_[i] = h.low;
    step_[i] = h.step;
    norm2_[i] = h.norm2;
  }
}

void Block::score(const uint32_t* slots, unsigned count, float* out) {
  const int8_t* q[4];
  for (unsigned t = 0; t < count; ++t) q[t] = queries_[slots[t]].value.data();
  kernels().sq8_block(q, count, static_cast<const uint8_t*>(space_.data), space_.stride, space_.dim, ids_, n_,
                      dots_.data());
  for (unsigned t = 0; t < count; ++t) {
    const Rounded& r = queries_[slots[t]];
    const int32_t* dot = dots_.data() + static_cast<size_t>(t) * n_;
    float* o = out + static_cast<size_t>(t) * n_;
    const float *low = low_.data(), *step = step_.data(), *norm2 = norm2_.data();
    const float sum = r.sum, own = r.step, base = r.base;
    if (measure_ == Measure::l2)
      for (unsigned i = 0; i < n_; ++i) {
        const float product = low[i] * sum + step[i] * (own * static_cast<float>(dot[i]));
        o[i] = std::max(0.0f, (base + norm2[i]) - 2.0f * product);
      }
    else
      for (unsigned i = 0; i < n_; ++i)
        o[i] = -(base + (low[i] * sum + step[i] * (own * static_cast<float>(dot[i]))));
  }
}

}  // namespace nearfield
