// Arithmetic on sizes that come from outside: a result, or nothing when it does not fit.
//
// Use these for every product, sum and rounding of numbers read from a file, a frame or a segment.
#pragma once

#include <concepts>
#include <optional>

namespace hearth {

template <std::unsigned_integral T>
constexpr std::optional<T> checked_add(T a, T b) {
  T sum{};
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

template <std::unsigned_integral T>
constexpr std::optional<T> checked_mul(T a, T b) {
  T product{};
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// value rounded up to a multiple of alignment, a power of two.
template <std::unsigned_integral T>
constexpr std::optional<T> checked_align(T value, T alignment) {
  const auto sum = checked_add<T>(value, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

// The same for trusted values that are known to fit.
template <std::unsigned_integral T>
constexpr T align_up(T value, T alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

}  // namespace hearth
