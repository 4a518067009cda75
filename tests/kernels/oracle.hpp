// What the kernel tests compare with: numbers and stored formats made here, in double precision,
// from the formats' definitions, or by a program that shares no code with them.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace hearth::kernels {

using Random = std::mt19937_64;

// Uniform in [-1, 1).
inline float random_float(Random& random) {
  return static_cast<float>(static_cast<std::int64_t>(random()) >> 40) * 0x1p-23f;
}
inline std::int64_t random_below(Random& random, std::int64_t count) {
  return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(count));
}

// A binary16 pattern's value, by its definition.
inline double f16_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  const double sign = bits >> 15 != 0 ? -1.0 : 1.0;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}
// A bfloat16 pattern's value: 8 bits of exponent, 7 of fraction.
inline double bf16_value(std::uint16_t bits) {
  const int exponent = bits >> 7 & 255;
  const int fraction = bits & 127;
  const double sign = bits >> 15 != 0 ? -1.0 : 1.0;
  if (exponent == 255) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, -133);
  return sign * std::ldexp(128 + fraction, exponent - 134);
}

// A finite binary16 pattern of magnitude below 2, now and then a subnormal or a zero.
inline std::uint16_t random_f16(Random& random) {
  const std::uint16_t sign = random() % 2 != 0 ? 0x8000 : 0;
  if (random() % 32 == 0) return sign | static_cast<std::uint16_t>(random() % 0x400);
  return sign | static_cast<std::uint16_t>(0x2000 + random() % 0x2000);
}
inline std::uint16_t random_bf16(Random& random) {
  const std::uint16_t sign = random() % 2 != 0 ? 0x8000 : 0;
  if (random() % 32 == 0) return sign | static_cast<std::uint16_t>(random() % 0x80);
  return sign | static_cast<std::uint16_t>(0x3c00 + random() % 0x400);
}

// Numbers and the bytes that store them.
struct Stored {
  std::vector<unsigned char> bytes;
  std::vector<double> values;

  void put(std::uint16_t word) {
    bytes.push_back(static_cast<unsigned char>(word & 0xff));
    bytes.push_back(static_cast<unsigned char>(word >> 8));
  }
  void put_f32(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    put(static_cast<std::uint16_t>(bits));
    put(static_cast<std::uint16_t>(bits >> 16));
    values.push_back(value);
  }
  void put_f16(std::uint16_t bits) {
    put(bits);
    values.push_back(f16_value(bits));
  }
  void put_bf16(std::uint16_t bits) {
    put(bits);
    values.push_back(bf16_value(bits));
  }
  // A block of 32 signed bytes behind a scale.
  void put_q8_0(Random& random) {
    const std::uint16_t scale = random_f16(random);
    put(scale);
    for (int i = 0; i < 32; ++i) {
      const auto number = static_cast<int>(random() % 256) - 128;
      bytes.push_back(static_cast<unsigned char>(number));
      values.push_back(f16_value(scale) * number);
    }
  }
  // A block of 32 numbers -8 .. 7, stored with 8 added: byte i holds number i below number i + 16.
  void put_q4_0(Random& random) {
    const std::uint16_t scale = random_f16(random);
    put(scale);
    int numbers[32];
    for (int& number : numbers) number = static_cast<int>(random() % 16) - 8;
    for (int i = 0; i < 16; ++i) {
      bytes.push_back(static_cast<unsigned char>((numbers[i] + 8) + 16 * (numbers[i + 16] + 8)));
    }
    for (int number : numbers) values.push_back(f16_value(scale) * number);
  }
};

// Blocks of one format and what they stand for, made by tools/fixtures/make_format_cases.py.
class BlockPool {
 public:
  explicit BlockPool(const WeightFormatInfo& info) : info_(info) {
    std::string stem = HEARTH_TEST_DATA "/formats/";
    for (const char* c = info.name; *c != '\0'; ++c) stem += static_cast<char>(std::tolower(*c));
    bytes_ = read<unsigned char>(stem + ".blocks");
    values_ = read<float>(stem + ".f32");
    EXPECT_EQ(bytes_.size() / static_cast<std::size_t>(info.block_bytes), count());
  }
  std::size_t count() const { return values_.size() / weights(); }
  void put(std::size_t block, Stored& stored) const {
    const auto byte = bytes_.begin() + static_cast<std::ptrdiff_t>(block) * info_.block_bytes;
    const auto value = values_.begin() + static_cast<std::ptrdiff_t>(block * weights());
    stored.bytes.insert(stored.bytes.end(), byte, byte + info_.block_bytes);
    stored.values.insert(stored.values.end(), value, value + info_.block_weights);
  }

 private:
  template <class T>
  static std::vector<T> read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    EXPECT_FALSE(bytes.empty()) << path;
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
  }
  std::size_t weights() const { return static_cast<std::size_t>(info_.block_weights); }

  WeightFormatInfo info_;
  std::vector<unsigned char> bytes_;
  std::vector<float> values_;
};
inline const BlockPool& block_pool(WeightFormat format) {
  static std::map<WeightFormat, BlockPool> pools;
  return pools.try_emplace(format, kWeightFormats[static_cast<int>(format)]).first->second;
}

inline Stored random_weights(WeightFormat format, std::int64_t count, Random& random) {
  Stored stored;
  while (static_cast<std::int64_t>(stored.values.size()) < count) {
    switch (format) {
      case WeightFormat::f32: stored.put_f32(random_float(random)); break;
      case WeightFormat::f16: stored.put_f16(random_f16(random)); break;
      case WeightFormat::bf16: stored.put_bf16(random_bf16(random)); break;
      case WeightFormat::q8_0: stored.put_q8_0(random); break;
      case WeightFormat::q4_0: stored.put_q4_0(random); break;
      default: {
        const BlockPool& pool = block_pool(format);
        pool.put(static_cast<std::size_t>(random() % pool.count()), stored);
      }
    }
  }
  return stored;
}
inline Stored random_kv(KvFormat format, std::int64_t count, Random& random) {
  return random_weights(static_cast<WeightFormat>(format), count, random);
}
static_assert(static_cast<int>(KvFormat::f32) == static_cast<int>(WeightFormat::f32) &&
              static_cast<int>(KvFormat::f16) == static_cast<int>(WeightFormat::f16) &&
              static_cast<int>(KvFormat::bf16) == static_cast<int>(WeightFormat::bf16) &&
              static_cast<int>(KvFormat::q8_0) == static_cast<int>(WeightFormat::q8_0) &&
              static_cast<int>(KvFormat::q4_0) == static_cast<int>(WeightFormat::q4_0));

// The normalised mean square error of many outputs: the energy of the errors over that of the
// outputs.  For sums, the energy of an output is that of its terms, sum(term^2): what the output's
// own square is on average over the signs, but no lucky cancellation makes it small.
class ErrorEnergy {
 public:
  void add(double got, double want, double energy) {
    error_ += (got - want) * (got - want);
    energy_ += energy;
  }
  void add(double got, double want) { add(got, want, want * want); }
  void add(const ErrorEnergy& other) {
    error_ += other.error_;
    energy_ += other.energy_;
  }
  double nmse() const { return error_ == 0 ? 0 : error_ / energy_; }

 private:
  double error_ = 0;
  double energy_ = 0;
};

// The largest NMSE of a test's cases, against its limit, and kept in the test's report.
class WorstCase {
 public:
  void add(const ErrorEnergy& error, double limit) {
    const double nmse = error.nmse();
    ASSERT_LE(nmse, limit);  // false for NaN, too
    if (nmse > worst_) worst_ = nmse;
  }
  ~WorstCase() {
    char text[32];
    std::snprintf(text, sizeof(text), "%.2e", worst_);
    testing::Test::RecordProperty("nmse", text);
  }

 private:
  double worst_ = 0;
};

// The same bits, so that a difference in the sign of zero or within NaNs counts.
inline bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

}  // namespace hearth::kernels
