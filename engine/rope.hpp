// Rotary position embedding: the frequencies of a model and the angles of a position.
//
// Sources: RoFormer (arXiv 2104.09864); linear interpolation (arXiv 2306.15595); YaRN (arXiv
// 2309.00071) with the correction range of the field's implementations, and its NTK-aware and
// NTK-by-parts predecessors (bloc97, 2023); Llama-3's bands; LongRoPE (arXiv 2402.13753).
//
// Plain values and pure functions: any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace hearth {

// b is the base, d the rotated elements, s the factor, L the original context, f[i] = b^(-2i/d).
enum class RopeScaling : std::uint8_t {
  none,      // f
  linear,    // f / s: positions are interpolated
  dynamic,   // NTK-aware for the longest sequence C: b * (s * C / L - (s - 1))^(d / (d - 2)), C > L
  ntk,       // b * s^(d / (d - 2))
  by_parts,  // f / s below beta_slow turns within L, f above beta_fast, in between a ramp or a step
  yarn,      // the same with a ramp over the pairs, and an attention temperature
  llama3,    // f / s for wavelengths above L / low, f below L / high, a blend in between
  longrope,  // f / divisors, of the file: short ones up to L, long ones beyond
};
const char* rope_scaling_name(RopeScaling scaling);  // "by_parts"
std::optional<RopeScaling> find_rope_scaling(std::string_view name);

struct RopeParameters {
  std::int64_t dims = 0;  // rotated elements of a head, even
  double base = 10000.0;  // b, > 1
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;              // s, > 0
  double original_context = 0.0;    // L, >= 1: the context the model was trained with, tokens
  double context = 0.0;             // C: the longest sequence there will be; dynamic, longrope
  double attention_factor = 1.0;    // yarn: multiplies its own temperature; longrope: is it, if > 0
  double beta_fast = 32.0;          // turns, > 0
  double beta_slow = 1.0;           // turns, > 0
  double low_frequency = 1.0;       // llama3, > 0
  double high_frequency = 4.0;      // llama3, > low_frequency
  bool fine_grained = true;         // by_parts: a ramp; else a step in its middle
  std::span<const float> divisors;  // [dims / 2] of the model file, > 0, or empty
};

// How a layer rotates its queries and keys.
struct Rope {
  std::vector<double> frequencies;  // [pairs] radians per position
  double magnitude = 1.0;           // of cos and sin: an attention temperature
  bool interleaved = true;          // pairs are (2i, 2i + 1), else (i, i + pairs)

  std::int64_t pairs() const { return static_cast<std::int64_t>(frequencies.size()); }
  // cos and sin of a position: [pairs] each.
  void angles(std::int64_t position, float* cos, float* sin) const;
};

Rope make_rope(const RopeParameters& parameters, bool interleaved);

// What a configuration says instead of the model file; what is not set stays the file's.
struct RopeOverride {
  std::optional<RopeScaling> scaling;
  std::optional<double> base, factor, original_context, attention_factor, beta_fast, beta_slow,
      low_frequency, high_frequency;
  std::optional<bool> fine_grained;
  std::string text;  // as it was given; empty: nothing is set

  void apply(RopeParameters& parameters) const;
};

// "yarn,factor=4,original=32768": the name of a scaling, then any of base, factor, original,
// attention_factor, beta_fast, beta_slow, low_freq, high_freq, fine_grained (true, false).
// Errors: CONFIG naming the part that is wrong and what is possible.
Result<RopeOverride> parse_rope_override(const std::string& text);

}  // namespace hearth
