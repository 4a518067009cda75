// The mixes: which format each tensor of a model gets.
#include "files/quantize_mix.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace hearth {
namespace {

using kernels::WeightFormat;
using enum kernels::WeightFormat;

// A share of the layers gets a better format: none, all, the first of so many, or the first and
// last eighth and every third between ("more bits where they matter").
enum class Layers { none, all, first_two, first_four, first_eighth, first_sixteenth, matter };

struct Better {
  WeightFormat format;
  Layers layers;
};

// For every mix: what all matrices get, then what attn_v, ffn_down and attn_output get instead, and
// in the other layers of attn_v and ffn_down.  These are the field's usual mixes.
struct Mix {
  const char* name;
  std::uint32_t file_type;
  WeightFormat base;
  Better value, down;
  std::optional<WeightFormat> value_else, down_else, output;
};

constexpr std::nullopt_t kBase = std::nullopt;
constexpr Better kPlain = {f32, Layers::none};
constexpr std::array kMixes = {
    Mix{"F32", 0, f32, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"F16", 1, f16, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"BF16", 32, bf16, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"Q8_0", 7, q8_0, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"Q4_0", 2, q4_0, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"Q4_1", 3, q4_1, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"Q5_0", 8, q5_0, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"Q5_1", 9, q5_1, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"Q2_K", 10, q2_k, {q3_k, Layers::all}, {q3_k, Layers::all}, kBase, kBase, q3_k},
    Mix{"Q3_K_S", 11, q3_k, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"Q3_K_M",
        12,
        q3_k,
        {q5_k, Layers::first_two},
        {q5_k, Layers::first_sixteenth},
        q4_k,
        q4_k,
        q4_k},
    Mix{"Q3_K_L", 13, q3_k, {q5_k, Layers::all}, {q5_k, Layers::all}, kBase, kBase, q5_k},
    Mix{"Q4_K_S",
        14,
        q4_k,
        {q5_k, Layers::first_four},
        {q5_k, Layers::first_eighth},
        kBase,
        kBase,
        kBase},
    Mix{"Q4_K_M", 15, q4_k, {q6_k, Layers::matter}, {q6_k, Layers::matter}, kBase, kBase, kBase},
    Mix{"Q5_K_S", 16, q5_k, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"Q5_K_M", 17, q5_k, {q6_k, Layers::matter}, {q6_k, Layers::matter}, kBase, kBase, kBase},
    Mix{"Q6_K", 18, q6_k, kPlain, kPlain, kBase, kBase, kBase},
    Mix{"IQ4_NL",
        25,
        iq4_nl,
        {q5_k, Layers::first_four},
        {q5_k, Layers::first_eighth},
        kBase,
        kBase,
        kBase},
    Mix{"IQ4_XS",
        30,
        iq4_xs,
        {q5_k, Layers::first_four},
        {q5_k, Layers::first_eighth},
        kBase,
        kBase,
        kBase},
    Mix{"MXFP4", 38, mxfp4, kPlain, kPlain, kBase, kBase, kBase},
};

bool among(Layers which, std::uint64_t layer, std::uint64_t layers) {
  switch (which) {
    case Layers::none: return false;
    case Layers::all: return true;
    case Layers::first_two: return layer < 2;
    case Layers::first_four: return layer < 4;
    case Layers::first_eighth: return layer < layers / 8;
    case Layers::first_sixteenth: return layer < layers / 16;
    case Layers::matter:
      return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
  }
  return false;
}

// "blk.12.attn_v.weight": 12; 0 where there is no number.
std::uint64_t layer_of(std::string_view name) {
  std::uint64_t layer = 0;
  if (name.starts_with("blk.")) {
    std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  }
  return layer;
}

// What cannot stand in blocks of 256, or of 32, gets the next format that can.
WeightFormat fit_to_row(WeightFormat format, std::uint64_t cols) {
  const auto fits = [&](WeightFormat f) {
    return cols % static_cast<std::uint64_t>(kernels::block_shape(f).weights) == 0;
  };
  if (fits(format)) return format;
  switch (format) {
    case q2_k:
    case q3_k:
    case iq4_xs: format = iq4_nl; break;
    case q4_k: format = q5_0; break;
    case q5_k: format = q5_1; break;
    case q6_k: format = q8_0; break;
    default: break;
  }
  return fits(format) ? format : f16;
}

bool is_quantized(WeightFormat format) {
  return kernels::block_shape(format).weights > 1;
}

// The output matrix suffers most.
WeightFormat of_output(const Mix& mix) {
  const bool small = is_quantized(mix.base) && mix.base != q8_0 && mix.base != mxfp4;
  return small ? q6_k : mix.base == mxfp4 ? q8_0 : mix.base;
}

}  // namespace

std::optional<QuantizeMix> QuantizeMix::find(std::string_view name) {
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  for (std::size_t i = 0; i < kMixes.size(); ++i) {
    if (upper == kMixes[i].name) return QuantizeMix(static_cast<int>(i));
  }
  return std::nullopt;
}

std::vector<std::string> QuantizeMix::names() {
  std::vector<std::string> names;
  for (const Mix& mix : kMixes) names.emplace_back(mix.name);
  return names;
}

const char* QuantizeMix::name() const {
  return kMixes[static_cast<std::size_t>(index_)].name;
}

std::uint32_t QuantizeMix::file_type() const {
  return kMixes[static_cast<std::size_t>(index_)].file_type;
}

std::optional<WeightFormat> QuantizeMix::format_of(const MixedTensor& tensor) const {
  const Mix& mix = kMixes[static_cast<std::size_t>(index_)];
  const auto is = [&](std::string_view part) {
    return tensor.name.find(part) != std::string_view::npos;
  };
  const bool stays = tensor.dim_count < 2 || !tensor.name.ends_with("weight") || is("_norm") ||
                     is("ffn_gate_inp.") || is("ssm_conv1d") || is("rope_freqs") ||
                     is("position_embd") || is("token_types");
  if (stays) return std::nullopt;
  WeightFormat format = mix.base;
  const std::uint64_t layer = layer_of(tensor.name);
  const auto choose = [&](const Better& better, std::optional<WeightFormat> otherwise) {
    format =
        among(better.layers, layer, tensor.layers) ? better.format : otherwise.value_or(mix.base);
  };
  if (tensor.name == "output.weight" || (tensor.name == "token_embd.weight" && tensor.tied)) {
    format = of_output(mix);
  } else if (is("attn_v.")) {
    choose(mix.value, mix.value_else);
    if (mix.base == q2_k && tensor.heads_per_kv >= 4) format = q4_k;
  } else if (is("ffn_down")) {
    choose(mix.down, mix.down_else);
  } else if (is("attn_output.")) {
    format = mix.output.value_or(mix.base);
  }
  return fit_to_row(format, tensor.cols);
}

}  // namespace hearth
