// Goal: the words of tiles.hpp do what they say, in emulation and, where there is AMX, natively.
// Method: whole numbers against plain loops, exactly; bf16 against double within its rounding, and
// cases worked out by hand for what the manual says of order, rounding and denormals.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/cpu_features.hpp"
#include "kernels/kernels.hpp"
#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/tile_programs.hpp"

namespace hearth::kernels {
namespace {

struct Programs {
  const char* name;
  void (*product_of_int8)(const TileProduct&);
  void (*product_of_bf16)(const TileProduct&);
  void (*copies)(const TileCopies&);
  void (*configuration)(int palette, int rows, int row_bytes);
  void (*use_after_release)();
};
void PrintTo(const Programs& programs, std::ostream* out) {
  *out << programs.name;
}

std::vector<Programs> programs_under_test() {
  std::vector<Programs> all = {{"emulated", tile_product_of_int8_amx_emulated,
                                tile_product_of_bf16_amx_emulated, tile_copies_amx_emulated,
                                tile_configuration_amx_emulated,
                                tile_use_after_release_amx_emulated}};
#if defined(__x86_64__)
  (void)enable_amx();
  if ((cpu_features() & kCpuAmx) != 0) {
    all.push_back({"native", tile_product_of_int8_amx, tile_product_of_bf16_amx, tile_copies_amx,
                   tile_configuration_amx, tile_use_after_release_amx});
  }
#endif
  return all;
}

class tiles : public testing::TestWithParam<Programs> {};
INSTANTIATE_TEST_SUITE_P(, tiles, testing::ValuesIn(programs_under_test()),
                         [](const auto& info) { return std::string(info.param.name); });

// Rows of bytes that end where memory ends, at a stride.
struct Rows {
  Rows(int rows, int row_bytes, int gap)
      : stride(row_bytes + gap), bytes(static_cast<std::size_t>((rows - 1) * stride + row_bytes)) {
    std::memset(bytes.bytes(), kGap, bytes.size());
  }
  template <class T>
  void set(int row, int index, T value) {
    std::memcpy(at(row, index, sizeof(T)), &value, sizeof(T));
  }
  template <class T>
  T get(int row, int index) {
    T value;
    std::memcpy(&value, at(row, index, sizeof(T)), sizeof(T));
    return value;
  }
  unsigned char* at(int row, int index, std::size_t size) {
    return bytes.bytes() + row * stride + index * static_cast<std::int64_t>(size);
  }
  static constexpr unsigned char kGap = 0x5a;
  std::int64_t stride;
  GuardedBuffer<unsigned char> bytes;
};

struct Shape {
  int rows, columns, words, gap;
};
constexpr Shape kShapes[] = {{16, 16, 16, 0}, {16, 16, 16, 64}, {1, 1, 1, 0},
                             {1, 16, 16, 4},  {16, 1, 16, 12},  {16, 16, 1, 0},
                             {5, 3, 7, 20},   {15, 9, 2, 1000}, {2, 15, 11, 3}};

// A, B and C of a shape, and the call on them.
struct Operands {
  explicit Operands(const Shape& shape)
      : a(shape.rows, 4 * shape.words, shape.gap),
        b(shape.words, 4 * shape.columns, 2 * shape.gap),
        c(shape.rows, 4 * shape.columns, shape.gap),
        args{.rows = shape.rows,
             .columns = shape.columns,
             .words = shape.words,
             .b_rows = shape.words,
             .a = a.bytes.bytes(),
             .a_stride = a.stride,
             .b = b.bytes.bytes(),
             .b_stride = b.stride,
             .c = c.bytes.bytes(),
             .c_stride = c.stride,
             .from_zero = false} {}
  Rows a, b, c;
  TileProduct args;
};

// What lies between the rows of C is as it was.
bool gaps_intact(Operands& of) {
  for (int row = 0; row + 1 < of.args.rows; ++row) {
    for (std::int64_t i = 4 * of.args.columns; i < of.c.stride; ++i) {
      if (*of.c.at(row, static_cast<int>(i), 1) != Rows::kGap) return false;
    }
  }
  return of.c.bytes.guards_intact();
}

TEST_P(tiles, int8_products_are_exact) {
  Random random(1);
  for (const bool from_zero : {false, true}) {
    for (const Shape& shape : kShapes) {
      Operands of(shape);
      of.args.from_zero = from_zero;
      std::vector<std::int64_t> want;
      for (int m = 0; m < shape.rows; ++m) {
        for (int k = 0; k < 4 * shape.words; ++k)
          of.a.set(m, k, static_cast<std::int8_t>(random()));
        of.a.set(m, 0, std::int8_t{-128});
      }
      for (int k = 0; k < 4 * shape.words; ++k) {
        for (int n = 0; n < shape.columns; ++n) {
          of.b.set(k / 4, 4 * n + k % 4, static_cast<std::int8_t>(k == 0 ? -128 : random()));
        }
      }
      for (int m = 0; m < shape.rows; ++m) {
        for (int n = 0; n < shape.columns; ++n) {
          of.c.set(m, n, static_cast<std::int32_t>(random()));
          std::int64_t sum = from_zero ? 0 : of.c.get<std::int32_t>(m, n);
          for (int k = 0; k < 4 * shape.words; ++k) {
            sum += of.a.get<std::int8_t>(m, k) * of.b.get<std::int8_t>(k / 4, 4 * n + k % 4);
          }
          want.push_back(sum);
        }
      }
      GetParam().product_of_int8(of.args);
      for (int m = 0; m < shape.rows; ++m) {
        for (int n = 0; n < shape.columns; ++n) {
          const auto sum = want[static_cast<std::size_t>(m * shape.columns + n)];
          ASSERT_EQ(of.c.get<std::int32_t>(m, n), static_cast<std::int32_t>(sum)) << m << " " << n;
        }
      }
      EXPECT_TRUE(gaps_intact(of));
    }
  }
}

TEST_P(tiles, int8_sums_wrap) {
  Operands of({1, 1, 1, 0});
  for (int k = 0; k < 4; ++k) of.a.set(0, k, std::int8_t{-128});
  for (int k = 0; k < 4; ++k) of.b.set(0, k, std::int8_t{-128});
  of.c.set(0, 0, INT32_MAX);
  GetParam().product_of_int8(of.args);
  EXPECT_EQ(of.c.get<std::int32_t>(0, 0), INT32_MIN + (4 * 128 * 128 - 1));
}

std::uint16_t bf16_of(float exact) {
  const auto bits = std::bit_cast<std::uint32_t>(exact);
  EXPECT_EQ(bits & 0xffff, 0u) << exact << " is no bf16";
  return static_cast<std::uint16_t>(bits >> 16);
}
float value_of(std::uint16_t bf16) {
  return std::bit_cast<float>(std::uint32_t{bf16} << 16);
}

TEST_P(tiles, bf16_products_are_near_the_true_sums) {
  Random random(2);
  for (const Shape& shape : kShapes) {
    Operands of(shape);
    std::vector<double> want, size;
    const auto fill = [&](Rows& rows, int count, int width) {
      for (int row = 0; row < count; ++row) {
        for (int i = 0; i < width; ++i) {
          const auto bits = std::bit_cast<std::uint32_t>(random_float(random));
          rows.set(row, i, static_cast<std::uint16_t>(bits >> 16));
        }
      }
    };
    fill(of.a, shape.rows, 2 * shape.words);
    fill(of.b, shape.words, 2 * shape.columns);
    for (int m = 0; m < shape.rows; ++m) {
      for (int n = 0; n < shape.columns; ++n) {
        of.c.set(m, n, random_float(random));
        want.push_back(of.c.get<float>(m, n));
        size.push_back(std::fabs(want.back()));
        for (int k = 0; k < 2 * shape.words; ++k) {
          const double product = double{value_of(of.a.get<std::uint16_t>(m, k))} *
                                 value_of(of.b.get<std::uint16_t>(k / 2, 2 * n + k % 2));
          want.back() += product;
          size.back() += std::fabs(product);
        }
      }
    }
    GetParam().product_of_bf16(of.args);
    for (int m = 0; m < shape.rows; ++m) {
      for (int n = 0; n < shape.columns; ++n) {
        const auto i = static_cast<std::size_t>(m * shape.columns + n);
        // At most 16 + 2 roundings of partial sums.
        ASSERT_NEAR(of.c.get<float>(m, n), want[i], 18 * 0x1p-24 * size[i]) << m << " " << n;
      }
    }
    EXPECT_TRUE(gaps_intact(of));
  }
}

// c + sum_k a[k] * b[k] in one element.
float bf16_sum(const Programs& programs, float c, const std::vector<float>& a,
               const std::vector<float>& b) {
  Operands of({1, 1, static_cast<int>(a.size() / 2), 0});
  for (int k = 0; k < static_cast<int>(a.size()); ++k) {
    of.a.set(0, k, bf16_of(a[static_cast<std::size_t>(k)]));
    of.b.set(k / 2, k % 2, bf16_of(b[static_cast<std::size_t>(k)]));
  }
  of.c.set(0, 0, c);
  programs.product_of_bf16(of.args);
  return of.c.get<float>(0, 0);
}

TEST_P(tiles, bf16_sums_even_and_odd_products_apart_and_adds_c_last) {
  // Even: 2^24 + 1 is 2^24.  Odd: 1 + 1 = 2.  One after the other would stay at 2^24; the true sum
  // is 2^24 + 3, the float nearest to it 2^24 + 4.
  const std::vector<float> a = {0x1p12F, 1, 1, 1}, b = {0x1p12F, 1, 1, 1};
  EXPECT_EQ(bf16_sum(GetParam(), 0, a, b), 0x1p24F + 2);
  // From C on, the large ones would cancel first and leave 3.
  EXPECT_EQ(bf16_sum(GetParam(), -0x1p24F, a, b), 2);
  // The other way round: the larger ones are odd.
  EXPECT_EQ(bf16_sum(GetParam(), -0x1p24F, {1, 0x1p12F, 1, 1}, {1, 0x1p12F, 1, 1}), 2);
}

TEST_P(tiles, bf16_rounds_to_nearest_even) {
  EXPECT_EQ(bf16_sum(GetParam(), 1, {0x1p-12F, 0}, {0x1p-12F, 0}), 1);
  EXPECT_EQ(bf16_sum(GetParam(), 1 + 0x1p-23F, {0x1p-12F, 0}, {0x1p-12F, 0}), 1 + 0x1p-22F);
  EXPECT_EQ(bf16_sum(GetParam(), 1, {0x1.8p-12F, 0}, {0x1p-12F, 0}), 1 + 0x1p-23F);
}

TEST_P(tiles, bf16_knows_no_denormals) {
  const float tiny = 0x1p-130F, large = 0x1p100F;
  EXPECT_EQ(bf16_sum(GetParam(), 0, {tiny, 0}, {large, 0}), 0) << "a of A";
  EXPECT_EQ(bf16_sum(GetParam(), 0, {0, large}, {0, -tiny}), 0) << "one of B";
  EXPECT_EQ(bf16_sum(GetParam(), tiny, {0, 0}, {0, 0}), 0) << "one of C";
  EXPECT_EQ(bf16_sum(GetParam(), 0, {0x1p-65F, 0}, {0x1p-65F, 0}), 0) << "a product";
  EXPECT_EQ(bf16_sum(GetParam(), -0x1p-126F, {0x1.8p-63F, 0}, {0x1p-63F, 0}), 0) << "a sum";
  // Flushed at every step: a partial sum, both of them together, and C before it is added to.
  EXPECT_EQ(bf16_sum(GetParam(), 0, {0x1p-65F, 0, 0x1p-63F, 0}, {0x1p-65F, 0, 0x1p-63F, 0}),
            0x1p-126F);
  EXPECT_EQ(bf16_sum(GetParam(), 0, {0, 0x1p-65F, 0, 0x1p-63F}, {0, 0x1p-65F, 0, 0x1p-63F}),
            0x1p-126F);
  EXPECT_EQ(bf16_sum(GetParam(), 0x1p-126F, {0x1p-63F, -0x1.8p-63F}, {0x1p-63F, 0x1p-63F}),
            0x1p-126F);
  EXPECT_EQ(bf16_sum(GetParam(), 0x1p-127F, {0x1p-63F, 0}, {0x1p-63F, 0}), 0x1p-126F);
  EXPECT_EQ(bf16_sum(GetParam(), 0, {0x1p-63F, 0}, {0x1p-63F, 0}), 0x1p-126F) << "normal";
}

TEST_P(tiles, bf16_goes_on_to_infinity) {
  EXPECT_EQ(bf16_sum(GetParam(), 1, {0x1p100F, 0}, {0x1p100F, 0}), INFINITY);
  EXPECT_TRUE(std::isnan(bf16_sum(GetParam(), 1, {INFINITY, 0}, {0, 0})));
}

TEST_P(tiles, every_tile_has_its_shape_and_its_place) {
  // Row by row, all rows from one, and from the last to the first.
  for (const std::int64_t direction : {1, 0, -1}) {
    unsigned char from[8][8][64], to[8][8][64];
    Random random(3);
    for (auto& tile : from) {
      for (auto& row : tile) {
        for (unsigned char& byte : row) byte = static_cast<unsigned char>(random());
      }
    }
    std::memset(to, Rows::kGap, sizeof(to));
    TileCopies args = {.from = {}, .to = {}, .from_stride = 64 * direction, .to_stride = 64};
    for (int tile = 0; tile < 8; ++tile) {
      args.from[tile] = from[tile][direction < 0 ? tile : 0];
      args.to[tile] = to[tile][0];
    }
    GetParam().copies(args);
    for (int tile = 0; tile < 8; ++tile) {
      for (int row = 0; row < 8; ++row) {
        const int source = direction > 0 ? row : direction < 0 ? tile - row : 0;
        for (int i = 0; i < 64; ++i) {
          const bool within = row <= tile && i < 8 * (tile + 1);
          ASSERT_EQ(to[tile][row][i], within ? from[tile][source][i] : Rows::kGap)
              << tile << " " << row << " " << i;
        }
      }
    }
  }
}

TEST_P(tiles, shapes_that_do_not_match_fault) {
  Operands of({4, 4, 4, 0});
  of.args.b_rows = 3;
  EXPECT_DEATH(GetParam().product_of_int8(of.args), "");
  EXPECT_DEATH(GetParam().product_of_bf16(of.args), "");
  of.args.b_rows = 0;
  EXPECT_DEATH(GetParam().product_of_int8(of.args), "");
  of.args.b_rows = 17;
  EXPECT_DEATH(GetParam().product_of_int8(of.args), "");
}

TEST_P(tiles, shapes_that_no_tile_has_fault) {
  GetParam().configuration(1, 16, 64);
  GetParam().configuration(1, 1, 4);
  EXPECT_DEATH(GetParam().configuration(1, 17, 64), "");
  EXPECT_DEATH(GetParam().configuration(1, 16, 68), "");
  EXPECT_DEATH(GetParam().configuration(1, 0, 4), "");
  EXPECT_DEATH(GetParam().configuration(1, 1, 0), "");
  EXPECT_DEATH(GetParam().configuration(2, 1, 4), "");
}

TEST_P(tiles, released_tiles_are_not_there) {
  EXPECT_DEATH(GetParam().use_after_release(), "");
}

}  // namespace
}  // namespace hearth::kernels
