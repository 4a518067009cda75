// Searches for the scales and offsets that lose least; fit.hpp says which.
#include "kernels/quantize/fit.hpp"

#include <initializer_list>

namespace hearth::kernels {
namespace {

constexpr int kTries = 9;         // on each side of the obvious scale
constexpr float kTryStep = 0.1F;  // of an integer at the largest weight
constexpr int kLineTries = 20;    // scales of a line, from one integer too wide to one too narrow

// What a choice of integers explains: sum (x - s q)^2 is least for s = xq / qq, and is then smaller
// than sum x^2 by xq^2 / qq.
struct Match {
  float xq = 0, qq = 0;
  void add(float x, float q) {
    xq += x * q;
    qq += q * q;
  }
  float gain() const { return qq > 0 ? xq * xq / qq : 0; }
  float scale() const { return qq > 0 ? xq / qq : 0; }
};

// sum (x - s q - o)^2 over the integers that an inverse scale and a least weight give.
struct LineMatch {
  double n = 0, x = 0, xx = 0, q = 0, qq = 0, xq = 0;
  void add(double weight, double number) {
    n += 1;
    x += weight;
    xx += weight * weight;
    q += number;
    qq += number * number;
    xq += weight * number;
  }
  Line best(bool any_offset) const {
    const double determinant = n * qq - q * q;
    if (determinant > 0) {
      const double scale = (n * xq - x * q) / determinant;
      const double offset = (qq * x - q * xq) / determinant;
      if (scale >= 0 && (any_offset || offset <= 0)) {
        return {static_cast<float>(scale), static_cast<float>(offset)};
      }
    }
    const double scale = qq > 0 ? xq / qq : 0;
    return {static_cast<float>(scale > 0 ? scale : 0), 0};
  }
  double error(const Line& line) const {
    const double s = static_cast<double>(line.scale), o = static_cast<double>(line.offset);
    return xx - 2 * s * xq - 2 * o * x + s * s * qq + 2 * s * o * q + n * o * o;
  }
};

}  // namespace

float fit_symmetric(const float* x, int n, int low, int high) {
  const float largest = extreme(x, n);
  if (largest == 0) return 0;
  Match best;
  for (int i = -kTries; i <= kTries; ++i) {
    for (const int end : {low, high}) {  // which end of the range the largest weight goes to
      const float inverse_scale =
          (static_cast<float>(end) + kTryStep * static_cast<float>(i)) / largest;
      Match match;
      for (int k = 0; k < n; ++k) {
        match.add(x[k], static_cast<float>(round_to(inverse_scale * x[k], low, high)));
      }
      if (match.gain() > best.gain()) best = match;
    }
  }
  return best.scale();
}

Line fit_line(const float* x, int n, int high, bool any_offset) {
  float least = any_offset ? x[0] : 0;
  float most = x[0];
  for (int i = 0; i < n; ++i) {
    least = std::fmin(least, x[i]);
    most = std::fmax(most, x[i]);
  }
  if (!(most > least)) return {0, least};
  Line best = {(most - least) / static_cast<float>(high), least};
  double best_error = INFINITY;
  for (int i = 0; i <= kLineTries; ++i) {
    const float range = static_cast<float>(high) - 1 + kTryStep * static_cast<float>(i);
    const float inverse_scale = range / (most - least);
    LineMatch match;
    for (int k = 0; k < n; ++k) {
      match.add(static_cast<double>(x[k]), round_to(inverse_scale * (x[k] - least), 0, high));
    }
    const Line line = match.best(any_offset);
    const double error = match.error(line);
    if (error < best_error) {
      best_error = error;
      best = line;
    }
  }
  return best;
}

int nearest(const std::int8_t (&values)[16], float x) {
  int low = 0, high = 15;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (x < values[middle] ? high : low) = middle;
  }
  return x - values[low] <= values[high] - x ? low : high;
}

float fit_values(const float* x, int n, const std::int8_t (&values)[16]) {
  const float largest = extreme(x, n);
  if (largest == 0) return 0;
  Match best;
  for (int i = -kTries; i <= kTries; ++i) {
    for (const int end : {values[0], values[15]}) {
      const float inverse_scale = (static_cast<float>(end) + static_cast<float>(i)) / largest;
      Match match;
      for (int k = 0; k < n; ++k) match.add(x[k], values[nearest(values, inverse_scale * x[k])]);
      if (match.gain() > best.gain()) best = match;
    }
  }
  return best.scale();
}

}  // namespace hearth::kernels
