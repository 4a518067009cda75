// Rotary position embedding: the frequencies of a model and the angles of a position.
//
// Sources: RoFormer (arXiv 2104.09864); linear interpolation (arXiv 2306.15595); YaRN (arXiv
// 2309.00071) with the correction range of the field's implementations; Llama-3's scaling, which
// model files carry as divisors in rope_freqs.weight.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth {

enum class RopeScaling : std::uint8_t { none, linear, yarn };

struct RopeParameters {
  std::int64_t dims = 0;  // rotated elements of a head, even
  double base = 10000.0;  // theta
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;              // context extension, > 0
  double original_context = 0.0;    // yarn: the context the model was trained with, tokens
  double attention_factor = 1.0;    // yarn: multiplies its own temperature
  double beta_fast = 32.0;          // yarn: rotations above which a dimension is not interpolated
  double beta_slow = 1.0;           // yarn: rotations below which it is interpolated fully
  std::span<const float> divisors;  // [dims / 2] of rope_freqs.weight, or empty
};

// How a layer rotates its queries and keys.
struct Rope {
  std::vector<double> frequencies;  // [pairs] radians per position
  double magnitude = 1.0;           // of cos and sin: yarn's attention temperature
  bool interleaved = true;          // pairs are (2i, 2i + 1), else (i, i + pairs)

  std::int64_t pairs() const { return static_cast<std::int64_t>(frequencies.size()); }
  // cos and sin of a position: [pairs] each.
  void angles(std::int64_t position, float* cos, float* sin) const;
};

Rope make_rope(const RopeParameters& parameters, bool interleaved);

}  // namespace hearth
