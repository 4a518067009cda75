// What linear does around its sums: where a row group lies, and how results leave.
#pragma once

#include "kernels/panels/layout.hpp"

namespace hearth::kernels {
namespace {

inline const unsigned char* group_at(const LinearArgs& args, WeightFormat format,
                                     std::int64_t group) {
  return static_cast<const unsigned char*>(args.panels) + group * group_bytes(format, args.cols);
}

// total [row_end - row, 16] to y, with bias and what y holds; the last group may have fewer rows.
inline void finish(const LinearArgs& args, std::int64_t group, std::int64_t row,
                   std::int64_t row_end, const float* total) {
  const std::int64_t begin = group * kGroupRows;
  const std::int64_t count = args.rows - begin < kGroupRows ? args.rows - begin : kGroupRows;
  for (; row < row_end; ++row, total += kGroupRows) {
    float* y = args.y + row * args.y_stride + begin;
    if (count < kGroupRows) {
      for (std::int64_t r = 0; r < count; ++r) {
        float sum = total[r];
        if (args.bias != nullptr) sum += args.bias[begin + r];
        y[r] = args.accumulate ? sum + y[r] : sum;
      }
      continue;
    }
    Floats sum = load_floats(total);
    if (args.bias != nullptr) sum = add(sum, load_floats(args.bias + begin));
    if (args.accumulate) sum = add(sum, load_floats(y));
    store_floats(y, sum);
  }
}

}  // namespace
}  // namespace hearth::kernels
