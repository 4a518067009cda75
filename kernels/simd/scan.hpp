// scan for the vector tiers.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/exp.hpp"
#include "kernels/simd/steps.hpp"

namespace hearth::kernels {
namespace {

constexpr float kLowest = -__builtin_inff();

// 2^(x / ln 2 + offset) within 3e-6, for results up to 2^126; next to nothing below 2^-126, and for
// a NaN.
inline Lanes rough_exp(Lanes x, Lanes offset) {
  return rough_power_of_two(max(fma(x, broadcast(kPerLn2), offset), broadcast(-126.0f)));
}

// Two chains hide the latency of sums and comparisons; more would not find registers.  max gives
// its second operand for a NaN.
template <bool wants_sum>
void scan_for(const ScanArgs& args) {
  static_assert(kScanBlock % (2 * kLanes) == 0);
  const float offset = -args.shift * kPerLn2;
  // What rounding the offset did to every term: 2^-rest, next to 1.
  const double rest =
      static_cast<double>(args.shift) * static_cast<double>(kPerLn2) + static_cast<double>(offset);
  double sum = 0;
  for (std::int64_t begin = 0; begin < args.count; begin += kScanBlock) {
    Lanes part[2] = {zero(), zero()};
    Lanes top[2] = {broadcast(kLowest), broadcast(kLowest)};
    const auto take = [&](Lanes x, int chain) {
      if constexpr (wants_sum) part[chain] = add(part[chain], rough_exp(x, broadcast(offset)));
      top[chain] = max(x, top[chain]);
    };
    if (begin + kScanBlock <= args.count) {
      for (std::int64_t i = begin; i < begin + kScanBlock; i += 2 * kLanes) {
        take(load(args.x + i), 0);
        take(load(args.x + i + kLanes), 1);
      }
    } else {
      for (std::int64_t i = begin; i < args.count; i += kLanes) {
        take(load(args.x + i, lanes_left(i, args.count), kLowest), 0);
      }
    }
    if constexpr (wants_sum) sum += static_cast<double>(sum_of(add(part[0], part[1])));
    args.tops[begin / kScanBlock] = max_of(max(top[0], top[1]));
  }
  if constexpr (wants_sum) *args.sum = sum * (1 - 0.6931471805599453 * rest);
}

void scan(const ScanArgs& args) {
  if (args.sum != nullptr) {
    scan_for<true>(args);
  } else {
    scan_for<false>(args);
  }
}

}  // namespace
}  // namespace hearth::kernels
