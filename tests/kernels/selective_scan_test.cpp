// Goal: every variant of selective_scan equals Mamba-1's recurrence in double precision, gives the
// same bits however rows and tiles are cut into calls, and touches nothing but its tiles.
#include <gtest/gtest.h>

#include "tests/kernels/recurrent_case.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

struct Shape {
  std::int64_t rows, channels, state_dim;
};

struct Outcome {
  std::vector<float> y, state;
};

class Case {
 public:
  // Steps of log(1 + exp(dt)): from next to nothing to some.
  Case(const Shape& shape, Random& random)
      : shape_(shape),
        x_(shape.rows, shape.channels, random, -1, 1),
        dt_(shape.rows, shape.channels, random, -8, 2),
        b_(shape.rows, shape.state_dim, random, -1, 1),
        c_(shape.rows, shape.state_dim, random, -1, 1),
        a_(shape.state_dim, shape.channels, random, -16, -0.01f),
        d_(1, shape.channels, random, -1, 1),
        before_(shape.state_dim, shape.channels, random, -1, 1) {}

  Outcome run(SelectiveScanFn fn, const Cuts& cuts, bool in_place = false) {
    Rows y(shape_.rows, shape_.channels);
    TiledState state(shape_.state_dim, shape_.channels);
    state.set(before_.values());
    for (std::int64_t row = 0; in_place && row < shape_.rows; ++row) {
      std::copy_n(x_.row(row), shape_.channels, y.row(row));
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
          .a = a_.data(),
          .d = d_.data(),
          .y = y.row(begin),
          .y_stride = y.stride(),
          .state = state.data(),
          .rows = end - begin,
          .channels = shape_.channels,
          .state_dim = shape_.state_dim,
          .tile_begin = tile_begin,
          .tile_end = tile_end});
    });
    return {y.values(), state.values()};
  }
  Outcome run(SelectiveScanFn fn) {
    return run(fn, {{0, shape_.rows}, {0, state_tiles(shape_.channels)}});
  }

  ErrorEnergy compare(const Outcome& got) {
    ErrorEnergy error;
    for (std::int64_t channel = 0; channel < shape_.channels; ++channel) {
      std::vector<double> h(static_cast<std::size_t>(shape_.state_dim));
      for (std::int64_t n = 0; n < shape_.state_dim; ++n) {
        h[static_cast<std::size_t>(n)] = before_.at(n, channel);
      }
      for (std::int64_t row = 0; row < shape_.rows; ++row) {
        const double want = step(h, row, channel);
        error.add(got.y[static_cast<std::size_t>(row * shape_.channels + channel)], want);
      }
      TiledState last(shape_.state_dim, shape_.channels);
      last.set(got.state);
      for (std::int64_t n = 0; n < shape_.state_dim; ++n) {
        error.add(last.at(n, channel), h[static_cast<std::size_t>(n)]);
      }
    }
    return error;
  }

 private:
  double step(std::vector<double>& h, std::int64_t row, std::int64_t channel) {
    const double dt = softplus_of(dt_.at(row, channel)), x = x_.at(row, channel);
    double y = d_.at(0, channel) * x;
    for (std::int64_t n = 0; n < shape_.state_dim; ++n) {
      double& value = h[static_cast<std::size_t>(n)];
      value = std::exp(dt * a_.at(n, channel)) * value + dt * b_.at(row, n) * x;
      y += c_.at(row, n) * value;
    }
    return y;
  }

  Shape shape_;
  Rows x_, dt_, b_, c_;
  TiledState a_;
  Rows d_;
  TiledState before_;
};

class selective_scan : public testing::TestWithParam<Entry<SelectiveScanFn>> {
 protected:
  Random random_{20261127};
};

TEST_P(selective_scan, equals_the_float64_oracle) {
  WorstCase worst;
  for (const std::int64_t rows : {1, 2, 5, 64, 300}) {
    for (const std::int64_t state_dim : {1, 3, 16, 64}) {
      if (rows * state_dim > 300 * 16) continue;
      for (const std::int64_t channels : {1, 8, 15, 16, 17, 40, 128}) {
        Case test({rows, channels, state_dim}, random_);
        worst.add(test.compare(test.run(GetParam().fn)), 1e-12);
      }
    }
  }
}

TEST_P(selective_scan, gives_the_same_bits_however_rows_and_tiles_are_cut_into_calls) {
  for (const Shape& shape :
       {Shape{1, 128, 16}, Shape{3, 100, 5}, Shape{9, 16, 64}, Shape{140, 33, 16}}) {
    Case test(shape, random_);
    const Outcome whole = test.run(GetParam().fn);
    for (const Cuts& cuts : ways_to_cut(shape.rows, state_tiles(shape.channels))) {
      for (const bool in_place : {false, true}) {
        const Outcome got = test.run(GetParam().fn, cuts, in_place);
        expect_same_bits(got.y, whole.y, "outputs");
        expect_same_bits(got.state, whole.state, "state");
      }
    }
  }
}

TEST_P(selective_scan, leaves_other_tiles_alone) {
  Case test({4, 70, 16}, random_);
  const Outcome nothing = test.run(GetParam().fn, {{0, 4}, {0, 0}});
  const Outcome whole = test.run(GetParam().fn);
  const Outcome some = test.run(GetParam().fn, {{0, 4}, {1, 3}});
  constexpr std::size_t kTileFloats = 16 * kStateTile;
  for (std::size_t i = 0; i < some.state.size(); ++i) {
    const bool ours = i / kTileFloats == 1 || i / kTileFloats == 2;
    ASSERT_TRUE(same_bits(some.state[i], ours ? whole.state[i] : nothing.state[i])) << i;
  }
  for (std::size_t i = 0; i < some.y.size(); ++i) {
    const bool ours = i % 70 >= 16 && i % 70 < 48;
    ASSERT_EQ(std::isnan(some.y[i]), !ours) << i;
  }
}

// One channel with a state of one number h = 1: what is left of it.
TEST_P(selective_scan, decays_to_nothing_and_stays_a_number) {
  const auto left = [](float dt, float a) {
    GuardedBuffer<float> rates(kStateTile), state(kStateTile), x(1), steps(1), one(1), y(1);
    rates[0] = a;
    state[0] = one[0] = 1;
    steps[0] = dt;
    GetParam().fn({x.data(), 1, steps.data(), 1, one.data(), 1, one.data(), 1, rates.data(),
                   one.data(), y.data(), 1, state.data(), 1, 1, 1, 0, 1});
    return y[0];
  };
  EXPECT_NEAR(left(80, -1e6f), 0, 1e-37);
  EXPECT_NEAR(left(1e30f, -1), 0, 1e-37);
  EXPECT_NEAR(left(5, -17.2f), std::exp(double{-17.2f} * softplus_of(5)), 1e-42);
  EXPECT_EQ(left(-200, -1), 1);  // a step of nothing
  EXPECT_EQ(left(3, 0), 1);
  EXPECT_TRUE(std::isnan(left(NAN, -1)));
}

INSTANTIATE_TEST_SUITE_P(kernels, selective_scan, testing::ValuesIn(selective_scan_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
