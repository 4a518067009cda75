// Rows of a file into panels, and back: see layout.hpp.  Plain C++ for any CPU: packing is done
// once for a tensor, reading back once for a token.
#include "kernels/half.hpp"
#include "kernels/kernels.hpp"

#include "kernels/panels/explode.hpp"
#include "kernels/panels/planes.hpp"

namespace hearth::kernels {
namespace {

std::int64_t bytes_of(WeightFormat format, std::int64_t cols) {
  const BlockShape block = block_shape(format);
  return cols / block.weights * block.bytes;
}

void put_half(unsigned char* p, std::uint16_t bits) {
  std::memcpy(p, &bits, sizeof(bits));
}
std::uint16_t half_at(const unsigned char* p) {
  std::uint16_t bits;
  std::memcpy(&bits, p, sizeof(bits));
  return bits;
}

// Where a sub-block's small scale of a row lies among the scales.
std::int64_t small_at(int sub, int row) {
  return (sub / 2 * kGroupRows + row) * 2 + sub % 2;
}

void write_row(WeightFormat format, const RowBlock& block, std::int64_t cols, int row,
               unsigned char* panel) {
  const PanelSpec spec = panel_spec(format);
  const PanelFields at = panel_fields(format, cols);
  const auto steps = static_cast<int>(cols / kStepCols);
  if (spec.scaling == Scaling::by_block) {
    for (int s = 0; s < steps; ++s) {
      put_half(panel + at.scales + (s * kGroupRows + row) * 2, block.scale[s]);
      if (spec.mins) put_half(panel + at.mins + (s * kGroupRows + row) * 2, block.min[s]);
    }
  } else {
    put_half(panel + 2 * row, block.d);
    if (spec.mins) put_half(panel + 2 * (kGroupRows + row), block.dmin);
    for (int s = 0; s < steps * spec.subs; ++s) {
      unsigned char* scale = panel + at.scales + small_at(s, row);
      *scale = static_cast<unsigned char>(block.small_scale[s]);
      if (at.mins != at.scales) {
        panel[at.mins + small_at(s, row)] = static_cast<unsigned char>(block.small_min[s]);
      } else if (spec.mins) {
        *scale = static_cast<unsigned char>(*scale | block.small_min[s] << 4);
      }
    }
  }
  for (int s = 0; s < steps; ++s) {
    write_step(spec, block.q + s * kStepCols, panel + at.steps + s * step_bytes(spec), row);
  }
}

void read_row(WeightFormat format, const unsigned char* panel, std::int64_t cols, int row,
              RowBlock& block) {
  const PanelSpec spec = panel_spec(format);
  const PanelFields at = panel_fields(format, cols);
  const auto steps = static_cast<int>(cols / kStepCols);
  if (spec.scaling == Scaling::by_block) {
    for (int s = 0; s < steps; ++s) {
      block.scale[s] = half_at(panel + at.scales + (s * kGroupRows + row) * 2);
      if (spec.mins) block.min[s] = half_at(panel + at.mins + (s * kGroupRows + row) * 2);
    }
  } else {
    block.d = half_at(panel + 2 * row);
    if (spec.mins) block.dmin = half_at(panel + 2 * (kGroupRows + row));
    for (int s = 0; s < steps * spec.subs; ++s) {
      const unsigned char scale = panel[at.scales + small_at(s, row)];
      const bool together = spec.mins && at.mins == at.scales;
      block.small_scale[s] = static_cast<std::int8_t>(together ? scale & 15 : scale);
      block.small_min[s] =
          static_cast<std::int8_t>(together ? scale >> 4 : panel[at.mins + small_at(s, row)]);
    }
  }
  for (int s = 0; s < steps; ++s) {
    read_step(spec, panel + at.steps + s * step_bytes(spec), row, block.q + s * kStepCols);
  }
}

// What a number as stored stands for, but for its scale.
int number_of(WeightFormat format, std::uint8_t q) {
  switch (format) {
    case WeightFormat::q8_0: return static_cast<std::int8_t>(q);
    case WeightFormat::iq4_nl:
    case WeightFormat::iq4_xs: return kIq4Values[q];
    case WeightFormat::mxfp4: return kMxfp4Values[q];
    default: return q - panel_spec(format).zero;
  }
}

void widen(WeightFormat format, const RowBlock& block, std::int64_t cols, float* out) {
  const PanelSpec spec = panel_spec(format);
  for (std::int64_t k = 0; k < cols; ++k) {
    float scale = 0, min = 0;
    if (spec.scaling == Scaling::by_block) {
      const std::int64_t s = k / kStepCols;
      scale = format == WeightFormat::mxfp4 ? float_from_bf16(block.scale[s])
                                            : float_from_f16(block.scale[s]);
      if (spec.mins) min = -float_from_f16(block.min[s]);
    } else {
      const std::int64_t s = k * spec.subs / kStepCols;
      scale = float_from_f16(block.d) * block.small_scale[s];
      if (spec.mins) min = float_from_f16(block.dmin) * block.small_min[s];
    }
    const float product = scale * static_cast<float>(number_of(format, block.q[k]));
    out[k] = spec.mins ? product - min : product;
  }
}

// The element of a column of a panel of floats.
std::int64_t float_at(WeightFormat format, std::int64_t cols, std::int64_t col, int row) {
  const std::int64_t length = chain_length(cols);
  const std::int64_t pair = col % length / 2 * kFloatChains + col / length;
  if (format == WeightFormat::bf16) return (pair * kGroupRows + row) * 2 + col % 2;
  return (2 * pair + col % 2) * kGroupRows + row;
}

void write_floats(WeightFormat format, const unsigned char* from, std::int64_t cols, int row,
                  unsigned char* panel) {
  const std::int64_t bytes = block_shape(format).bytes;
  for (std::int64_t k = 0; k < cols; ++k) {
    unsigned char* to = panel + float_at(format, cols, k, row) * bytes;
    bytes == 4 ? put_word(to, word_at(from + 4 * k)) : put_half(to, half_at(from + 2 * k));
  }
}

float float_of(WeightFormat format, const unsigned char* p) {
  if (format == WeightFormat::f16) return float_from_f16(half_at(p));
  if (format == WeightFormat::bf16) return float_from_bf16(half_at(p));
  float value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

}  // namespace

std::int64_t panel_bytes(WeightFormat format, std::int64_t rows, std::int64_t cols) {
  return groups_of(rows) * group_bytes(format, cols);
}

void pack_group(const PackGroupArgs& args) {
  auto* panel = static_cast<unsigned char*>(args.panels);
  const auto* rows = static_cast<const unsigned char*>(args.rows);
  const bool floats = panel_spec(args.format).scaling == Scaling::none;
  const std::int64_t row_bytes = bytes_of(args.format, args.cols);
  if (args.row_count < kGroupRows || (floats && args.cols % (2 * kFloatChains) != 0)) {
    std::memset(panel, 0, static_cast<std::size_t>(group_bytes(args.format, args.cols)));
  }
  RowBlock block;
  for (std::int64_t col = 0; col < args.cols; col += kPanelCols) {
    const std::int64_t cols = args.cols - col < kPanelCols ? args.cols - col : kPanelCols;
    for (int row = 0; row < args.row_count; ++row) {
      const unsigned char* from = rows + row * row_bytes + bytes_of(args.format, col);
      if (floats) {
        write_floats(args.format, from, cols, row, panel);
      } else {
        explode(args.format, from, cols, block);
        write_row(args.format, block, cols, row, panel);
      }
    }
    panel += panel_fields(args.format, cols).bytes;
  }
}

void dequant_row(const DequantRowArgs& args) {
  const auto* row = static_cast<const unsigned char*>(args.row);
  RowBlock block;
  for (std::int64_t col = 0; col < args.cols; col += kPanelCols) {
    const std::int64_t cols = args.cols - col < kPanelCols ? args.cols - col : kPanelCols;
    const unsigned char* from = row + bytes_of(args.format, col);
    if (panel_spec(args.format).scaling == Scaling::none) {
      const std::int64_t bytes = block_shape(args.format).bytes;
      for (std::int64_t k = 0; k < cols; ++k) {
        args.out[col + k] = float_of(args.format, from + k * bytes);
      }
    } else {
      explode(args.format, from, cols, block);
      widen(args.format, block, cols, args.out + col);
    }
  }
}

void panel_row(const PanelRowArgs& args) {
  const auto row = static_cast<int>(args.row % kGroupRows);
  const auto* panel = static_cast<const unsigned char*>(args.panels) +
                      args.row / kGroupRows * group_bytes(args.format, args.cols) +
                      args.begin / kPanelCols * panel_fields(args.format, kPanelCols).bytes;
  RowBlock block;
  float* out = args.out;
  for (std::int64_t col = args.begin; col < args.end; col += kPanelCols, out += kPanelCols) {
    const std::int64_t cols = args.cols - col < kPanelCols ? args.cols - col : kPanelCols;
    if (panel_spec(args.format).scaling == Scaling::none) {
      const std::int64_t bytes = block_shape(args.format).bytes;
      for (std::int64_t k = 0; k < cols; ++k) {
        out[k] = float_of(args.format, panel + float_at(args.format, cols, k, row) * bytes);
      }
    } else {
      read_row(args.format, panel, cols, row, block);
      widen(args.format, block, cols, out);
    }
    panel += panel_fields(args.format, cols).bytes;
  }
}

}  // namespace hearth::kernels
