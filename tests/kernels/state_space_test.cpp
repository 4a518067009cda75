// Goal: every variant of state_space equals Mamba-2's recurrence in double precision, gives the
// same bits however rows and tiles are cut into calls, and touches nothing but its tiles.
#include <gtest/gtest.h>

#include "tests/kernels/recurrent_case.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

struct Shape {
  std::int64_t rows, state_dim, head_dim;
};

struct Outcome {
  std::vector<float> y, state;
};

constexpr float kA = -3.5f, kD = 0.7f, kDtBias = -1.5f;

class Case {
 public:
  Case(const Shape& shape, Random& random)
      : shape_(shape),
        x_(shape.rows, shape.head_dim, random, -1, 1),
        dt_(shape.rows, 1, random, -5, 2),
        b_(shape.rows, shape.state_dim, random, -1, 1),
        c_(shape.rows, shape.state_dim, random, -1, 1),
        before_(shape.state_dim, shape.head_dim, random, -1, 1) {}

  Outcome run(StateSpaceFn fn, const Cuts& cuts, bool in_place = false) {
    Rows y(shape_.rows, shape_.head_dim);
    TiledState state(shape_.state_dim, shape_.head_dim);
    state.set(before_.values());
    for (std::int64_t row = 0; in_place && row < shape_.rows; ++row) {
      std::copy_n(x_.row(row), shape_.head_dim, y.row(row));
    }
    for_each_call(cuts, [&](auto begin, auto end, auto tile_begin, auto tile_end) {
      Rows& x = in_place ? y : x_;
      fn({.x = x.row(begin),
          .x_stride = x.stride(),
          .dt = dt_.row(begin),
          .dt_stride = dt_.stride(),
          .b = b_.row(begin),
          .b_stride = b_.stride(),
          .c = c_.row(begin),
          .c_stride = c_.stride(),
          .y = y.row(begin),
          .y_stride = y.stride(),
          .state = state.data(),
          .rows = end - begin,
          .state_dim = shape_.state_dim,
          .head_dim = shape_.head_dim,
          .tile_begin = tile_begin,
          .tile_end = tile_end,
          .a = kA,
          .d = kD,
          .dt_bias = kDtBias});
    });
    return {y.values(), state.values()};
  }
  Outcome run(StateSpaceFn fn) {
    return run(fn, {{0, shape_.rows}, {0, state_tiles(shape_.head_dim)}});
  }

  ErrorEnergy compare(const Outcome& got) {
    ErrorEnergy error;
    TiledState last(shape_.state_dim, shape_.head_dim);
    last.set(got.state);
    for (std::int64_t column = 0; column < shape_.head_dim; ++column) {
      std::vector<double> s(static_cast<std::size_t>(shape_.state_dim));
      for (std::int64_t n = 0; n < shape_.state_dim; ++n) {
        s[static_cast<std::size_t>(n)] = before_.at(n, column);
      }
      for (std::int64_t row = 0; row < shape_.rows; ++row) {
        const double want = step(s, row, column);
        error.add(got.y[static_cast<std::size_t>(row * shape_.head_dim + column)], want);
      }
      for (std::int64_t n = 0; n < shape_.state_dim; ++n) {
        error.add(last.at(n, column), s[static_cast<std::size_t>(n)]);
      }
    }
    return error;
  }

 private:
  double step(std::vector<double>& s, std::int64_t row, std::int64_t column) {
    const double dt = softplus_of(double{dt_.at(row, 0)} + kDtBias), x = x_.at(row, column);
    const double decay = std::exp(dt * kA);
    double y = kD * x;
    for (std::int64_t n = 0; n < shape_.state_dim; ++n) {
      double& value = s[static_cast<std::size_t>(n)];
      value = decay * value + dt * b_.at(row, n) * x;
      y += c_.at(row, n) * value;
    }
    return y;
  }

  Shape shape_;
  Rows x_, dt_, b_, c_;
  TiledState before_;
};

class state_space : public testing::TestWithParam<Entry<StateSpaceFn>> {
 protected:
  Random random_{20261128};
};

TEST_P(state_space, equals_the_float64_oracle) {
  WorstCase worst;
  for (const std::int64_t rows : {1, 2, 5, 64, 300}) {
    for (const std::int64_t state_dim : {1, 3, 16, 64, 128, 256}) {
      if (rows * state_dim > 300 * 64) continue;
      for (const std::int64_t head_dim : {1, 15, 16, 17, 40, 64}) {
        Case test({rows, state_dim, head_dim}, random_);
        worst.add(test.compare(test.run(GetParam().fn)), 1e-12);
      }
    }
  }
}

TEST_P(state_space, gives_the_same_bits_however_rows_and_tiles_are_cut_into_calls) {
  for (const Shape& shape : {Shape{1, 128, 64}, Shape{3, 5, 100}, Shape{9, 64, 16},
                             Shape{20, 33, 49}, Shape{140, 16, 33}}) {
    Case test(shape, random_);
    const Outcome whole = test.run(GetParam().fn);
    for (const Cuts& cuts : ways_to_cut(shape.rows, state_tiles(shape.head_dim))) {
      for (const bool in_place : {false, true}) {
        const Outcome got = test.run(GetParam().fn, cuts, in_place);
        expect_same_bits(got.y, whole.y, "outputs");
        expect_same_bits(got.state, whole.state, "state");
      }
    }
  }
}

TEST_P(state_space, leaves_other_tiles_alone) {
  Case test({4, 24, 70}, random_);
  const Outcome nothing = test.run(GetParam().fn, {{0, 4}, {0, 0}});
  const Outcome whole = test.run(GetParam().fn);
  const Outcome some = test.run(GetParam().fn, {{0, 4}, {1, 3}});
  constexpr std::size_t kTileFloats = 24 * kStateTile;
  for (std::size_t i = 0; i < some.state.size(); ++i) {
    const bool ours = i / kTileFloats == 1 || i / kTileFloats == 2;
    ASSERT_TRUE(same_bits(some.state[i], ours ? whole.state[i] : nothing.state[i])) << i;
  }
  for (std::size_t i = 0; i < some.y.size(); ++i) {
    const bool ours = i % 70 >= 16 && i % 70 < 48;
    ASSERT_EQ(std::isnan(some.y[i]), !ours) << i;
  }
}

// One column with a state of one number 0, b = c = x = 1 and d = 0: y is the step itself.
TEST_P(state_space, takes_a_softplus_of_four_ulp_over_the_range_of_exp) {
  constexpr int kCount = 1 << 16;
  std::vector<float> dt(kCount), y(kCount);
  const float one = 1;
  for (int i = 0; i < kCount; ++i) dt[i] = 174.0f * (static_cast<float>(i) / kCount - 0.5f);
  float state[kStateTile] = {};
  // The state is forgotten with every row whose step is above 1e-35.
  GetParam().fn({.x = &one,
                 .x_stride = 0,
                 .dt = dt.data(),
                 .dt_stride = 1,
                 .b = &one,
                 .b_stride = 0,
                 .c = &one,
                 .c_stride = 0,
                 .y = y.data(),
                 .y_stride = 1,
                 .state = state,
                 .rows = kCount,
                 .state_dim = 1,
                 .head_dim = 1,
                 .tile_begin = 0,
                 .tile_end = 1,
                 .a = -1e38f,
                 .d = 0,
                 .dt_bias = 0});
  double worst = 0;
  for (int i = 0; i < kCount; ++i) {
    const double want = softplus_of(dt[i]);
    if (want < 1e-34) continue;
    worst = std::max(worst, std::abs(y[i] - want) / std::ldexp(1.0, std::ilogb(want) - 23));
  }
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, 4.0);
}

INSTANTIATE_TEST_SUITE_P(kernels, state_space, testing::ValuesIn(state_space_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
