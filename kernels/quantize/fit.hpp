// Least squares for one sub-block: which scale, and which integers, stand best for n weights.
//
// Rounding makes the error a function of the scale with many valleys: several scales around the
// obvious one are tried, and for the integers that each gives the best scale follows in closed
// form.
#pragma once

#include <cmath>
#include <cstdint>

namespace hearth::kernels {

// Nearest integer in [low, high]; low for NaN.
inline int round_to(float value, int low, int high) {
  if (!(value > static_cast<float>(low))) return low;
  if (value > static_cast<float>(high)) return high;
  return static_cast<int>(std::lrint(value));
}

inline float inverse(float value) {
  return value != 0 ? 1 / value : 0;
}

// The weight of the largest magnitude, with its sign.
inline float extreme(const float* x, int n) {
  float found = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(found)) found = x[i];
  }
  return found;
}

// x[i] ~ scale * q[i], q in [low, high], low <= -high.  The sign of scale is free.  Returns scale.
float fit_symmetric(const float* x, int n, int low, int high);

struct Line {
  float scale;   // >= 0
  float offset;  // x ~ scale * q + offset
};
// x[i] ~ scale * q[i] + offset, q in [0, high]; offset <= 0 unless any_offset.
Line fit_line(const float* x, int n, int high, bool any_offset);

// Index of the value nearest to x among 16 rising ones.
int nearest(const std::int8_t (&values)[16], float x);

// x[i] ~ scale * values[q[i]].  Returns scale.
float fit_values(const float* x, int n, const std::int8_t (&values)[16]);

}  // namespace hearth::kernels
