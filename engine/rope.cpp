#include "engine/rope.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

namespace hearth {
namespace {

// The dimension pair that makes this many full turns within the original context.
double correction_pair(const RopeParameters& parameters, double turns) {
  const double dims = static_cast<double>(parameters.dims);
  return dims * std::log(parameters.original_context / (turns * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(parameters.base));
}

// YaRN's mix: 0 keeps a frequency, 1 divides it by the factor, a ramp over the pairs in between.
std::vector<double> yarn_mix(const RopeParameters& parameters) {
  const double last = static_cast<double>(parameters.dims - 1);
  const double low =
      std::clamp(std::floor(correction_pair(parameters, parameters.beta_fast)), 0.0, last);
  const double high =
      std::clamp(std::ceil(correction_pair(parameters, parameters.beta_slow)), 0.0, last);
  std::vector<double> mix(static_cast<std::size_t>(parameters.dims / 2));
  for (std::size_t i = 0; i < mix.size(); ++i) {
    const double ramp = (static_cast<double>(i) - low) / std::max(0.001, high - low);
    mix[i] = std::clamp(ramp, 0.0, 1.0);
  }
  return mix;
}

}  // namespace

Rope make_rope(const RopeParameters& parameters, bool interleaved) {
  assert(parameters.dims % 2 == 0 && parameters.factor > 0);
  Rope rope;
  rope.interleaved = interleaved;
  rope.frequencies.resize(static_cast<std::size_t>(parameters.dims / 2));
  std::vector<double> mix(rope.frequencies.size(), 0.0);
  if (parameters.scaling == RopeScaling::linear) std::ranges::fill(mix, 1.0);
  if (parameters.scaling == RopeScaling::yarn) mix = yarn_mix(parameters);
  for (std::size_t i = 0; i < mix.size(); ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(parameters.dims);
    double frequency = std::pow(parameters.base, exponent);
    if (!parameters.divisors.empty()) frequency /= static_cast<double>(parameters.divisors[i]);
    rope.frequencies[i] = frequency * (1.0 - mix[i]) + frequency / parameters.factor * mix[i];
  }
  if (parameters.scaling == RopeScaling::yarn) {
    const double temperature =
        parameters.factor > 1 ? 0.1 * std::log(parameters.factor) + 1.0 : 1.0;
    rope.magnitude = parameters.attention_factor * temperature;
  }
  return rope;
}

void Rope::angles(std::int64_t position, float* cos, float* sin) const {
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies[i];
    cos[i] = static_cast<float>(std::cos(angle) * magnitude);
    sin[i] = static_cast<float>(std::sin(angle) * magnitude);
  }
}

}  // namespace hearth
