// See rope.hpp.
#include "engine/rope.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <numbers>
#include <sstream>
#include <utility>

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

// NTK-by-parts: the share of interpolation by the turns that a pair makes within the original
// context, as bloc97 has it: 0 from beta_fast turns on, 1 up to beta_slow.
double by_parts_mix(const RopeParameters& parameters, double frequency) {
  const double turns = parameters.original_context * frequency / (2.0 * std::numbers::pi);
  const double kept = std::clamp(
      (turns - parameters.beta_slow) / (parameters.beta_fast - parameters.beta_slow), 0.0, 1.0);
  if (!parameters.fine_grained) return kept < 0.5 ? 1.0 : 0.0;
  return 1.0 - kept;
}

// The share of interpolation of Llama-3, by wavelength.
double llama3_mix(const RopeParameters& parameters, double frequency) {
  const double turns = parameters.original_context * frequency / (2.0 * std::numbers::pi);
  const double low = parameters.low_frequency, high = parameters.high_frequency;
  return 1.0 - std::clamp((turns - low) / (high - low), 0.0, 1.0);
}

// The base of the two NTK-aware methods: the highest frequency stays, the lowest is divided by s.
double stretched_base(const RopeParameters& parameters) {
  const double dims = static_cast<double>(parameters.dims);
  double stretch = parameters.factor;
  if (parameters.scaling == RopeScaling::dynamic) {
    const double length = std::max(parameters.context, parameters.original_context);
    stretch = parameters.factor * length / parameters.original_context - (parameters.factor - 1);
  }
  return dims > 2 ? parameters.base * std::pow(stretch, dims / (dims - 2)) : parameters.base;
}

double magnitude_of(const RopeParameters& parameters) {
  const double factor = parameters.factor;
  if (parameters.scaling == RopeScaling::yarn) {
    return parameters.attention_factor * (factor > 1 ? 0.1 * std::log(factor) + 1.0 : 1.0);
  }
  if (parameters.scaling == RopeScaling::longrope) {
    if (parameters.attention_factor > 0) return parameters.attention_factor;
    const double stretch = parameters.context / parameters.original_context;
    if (stretch <= 1) return 1.0;
    return std::sqrt(1.0 + std::log(stretch) / std::log(parameters.original_context));
  }
  return 1.0;
}

constexpr std::pair<const char*, RopeScaling> kScalings[] = {
    {"none", RopeScaling::none},         {"linear", RopeScaling::linear},
    {"dynamic", RopeScaling::dynamic},   {"ntk", RopeScaling::ntk},
    {"by_parts", RopeScaling::by_parts}, {"yarn", RopeScaling::yarn},
    {"llama3", RopeScaling::llama3},     {"longrope", RopeScaling::longrope},
};

}  // namespace

const char* rope_scaling_name(RopeScaling scaling) {
  return std::ranges::find(kScalings, scaling, [](const auto& one) { return one.second; })->first;
}

std::optional<RopeScaling> find_rope_scaling(std::string_view name) {
  for (const auto& [known, scaling] : kScalings) {
    if (name == known) return scaling;
  }
  return std::nullopt;
}

Rope make_rope(const RopeParameters& parameters, bool interleaved) {
  assert(parameters.dims % 2 == 0 && parameters.factor > 0);
  Rope rope;
  rope.interleaved = interleaved;
  rope.frequencies.resize(static_cast<std::size_t>(parameters.dims / 2));
  const bool stretches =
      parameters.scaling == RopeScaling::ntk || parameters.scaling == RopeScaling::dynamic;
  const double base = stretches ? stretched_base(parameters) : parameters.base;
  std::vector<double> mix(rope.frequencies.size(), 0.0);
  if (parameters.scaling == RopeScaling::linear) std::ranges::fill(mix, 1.0);
  if (parameters.scaling == RopeScaling::yarn) mix = yarn_mix(parameters);
  for (std::size_t i = 0; i < mix.size(); ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(parameters.dims);
    double frequency = std::pow(base, exponent);
    if (parameters.scaling == RopeScaling::by_parts) mix[i] = by_parts_mix(parameters, frequency);
    if (parameters.scaling == RopeScaling::llama3) mix[i] = llama3_mix(parameters, frequency);
    if (!parameters.divisors.empty()) frequency /= static_cast<double>(parameters.divisors[i]);
    rope.frequencies[i] = frequency * (1.0 - mix[i]) + frequency / parameters.factor * mix[i];
  }
  rope.magnitude = magnitude_of(parameters);
  return rope;
}

void RopeOverride::apply(RopeParameters& parameters) const {
  const auto set = [](double& field, const std::optional<double>& value) {
    if (value) field = *value;
  };
  if (scaling) parameters.scaling = *scaling;
  set(parameters.base, base);
  set(parameters.factor, factor);
  set(parameters.original_context, original_context);
  set(parameters.attention_factor, attention_factor);
  set(parameters.beta_fast, beta_fast);
  set(parameters.beta_slow, beta_slow);
  set(parameters.low_frequency, low_frequency);
  set(parameters.high_frequency, high_frequency);
  if (fine_grained) parameters.fine_grained = *fine_grained;
}

Result<RopeOverride> parse_rope_override(const std::string& text) {
  RopeOverride parsed;
  parsed.text = text;
  const std::pair<std::string_view, std::optional<double>*> numbers[] = {
      {"base", &parsed.base},
      {"factor", &parsed.factor},
      {"original", &parsed.original_context},
      {"attention_factor", &parsed.attention_factor},
      {"beta_fast", &parsed.beta_fast},
      {"beta_slow", &parsed.beta_slow},
      {"low_freq", &parsed.low_frequency},
      {"high_freq", &parsed.high_frequency},
  };
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t equals = part.find('=');
    const std::string name = part.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (equals == std::string::npos) {
      parsed.scaling = find_rope_scaling(name);
      if (parsed.scaling) continue;
      std::string known;
      for (const auto& [one, scaling] : kScalings) known += std::string(" ") + one;
      return Error{Code::CONFIG, "\"" + name + "\" is no scaling of positions; there are" + known};
    }
    if (name == "fine_grained" && (value == "true" || value == "false")) {
      parsed.fine_grained = value == "true";
      continue;
    }
    const auto known = std::ranges::find(numbers, name, [](const auto& one) { return one.first; });
    double number = 0;
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (known == std::end(numbers) || error != std::errc() || stop != end || value.empty() ||
        !(number > 0 && number < 1e9)) {
      return Error{Code::CONFIG,
                   "\"" + part +
                       "\" is none of base, factor, original, attention_factor, "
                       "beta_fast, beta_slow, low_freq, high_freq with a number above "
                       "0, and not fine_grained=true or false"};
    }
    *known->second = number;
  }
  return parsed;
}

void Rope::angles(std::int64_t position, float* cos, float* sin) const {
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies[i];
    cos[i] = static_cast<float>(std::cos(angle) * magnitude);
    sin[i] = static_cast<float>(std::sin(angle) * magnitude);
  }
}

}  // namespace hearth
