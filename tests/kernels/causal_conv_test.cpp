// Goal: every variant of causal_conv equals its formula in double precision, keeps the last inputs
// for the next call, gives the same bits however rows and channels are cut into calls, and in
// place.
#include <gtest/gtest.h>

#include "tests/kernels/recurrent_case.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

struct Shape {
  std::int64_t rows, channels, width;
  bool silu, bias;
};

struct Outcome {
  std::vector<float> y, tail;
};

class Case {
 public:
  Case(const Shape& shape, Random& random)
      : shape_(shape),
        x_(shape.rows, shape.channels, random, -2, 2),
        weight_(static_cast<std::size_t>(shape.width * shape.channels)),
        bias_(static_cast<std::size_t>(shape.channels)),
        before_(static_cast<std::size_t>((shape.width - 1) * shape.channels)) {
    for (auto* buffer : {&weight_, &bias_, &before_}) {
      for (float& value : *buffer) value = random_float(random);
    }
  }

  // Tiles are of channels.
  Outcome run(CausalConvFn fn, const Cuts& cuts, bool in_place = false) {
    Rows y(shape_.rows, shape_.channels);
    for (std::int64_t row = 0; in_place && row < shape_.rows; ++row) {
      std::copy_n(x_.row(row), shape_.channels, y.row(row));
    }
    GuardedBuffer<float> tail(before_.size());
    std::copy(before_.begin(), before_.end(), tail.begin());
    for_each_call(cuts, [&](auto begin, auto end, auto tile_begin, auto tile_end) {
      Rows& x = in_place ? y : x_;
      fn({.x = x.row(begin),
          .x_stride = x.stride(),
          .y = y.row(begin),
          .y_stride = y.stride(),
          .weight = weight_.data(),
          .bias = shape_.bias ? bias_.data() : nullptr,
          .tail = tail.data(),
          .rows = end - begin,
          .channels = shape_.channels,
          .width = shape_.width,
          .begin = tile_begin * kStateTile,
          .end = std::min(tile_end * kStateTile, shape_.channels),
          .silu = shape_.silu});
    });
    EXPECT_TRUE(tail.guards_intact());
    return {y.values(), {tail.begin(), tail.end()}};
  }
  Outcome run(CausalConvFn fn) {
    return run(fn, {{0, shape_.rows}, {0, state_tiles(shape_.channels)}});
  }

  ErrorEnergy compare(const Outcome& got) {
    ErrorEnergy error;
    for (std::int64_t row = 0; row < shape_.rows; ++row) {
      for (std::int64_t channel = 0; channel < shape_.channels; ++channel) {
        double want = shape_.bias ? bias_[static_cast<std::size_t>(channel)] : 0;
        double energy = want * want;
        for (std::int64_t j = 0; j < shape_.width; ++j) {
          const double term =
              double{weight_[static_cast<std::size_t>(j * shape_.channels + channel)]} *
              input(row - (shape_.width - 1) + j, channel);
          want += term;
          energy += term * term;
        }
        if (shape_.silu) want /= 1 + std::exp(-want);
        error.add(got.y[static_cast<std::size_t>(row * shape_.channels + channel)], want, energy);
      }
    }
    return error;
  }
  // The inputs that the tail must hold at the end.
  std::vector<float> last_inputs() {
    std::vector<float> all;
    for (std::int64_t row = shape_.rows - (shape_.width - 1); row < shape_.rows; ++row) {
      for (std::int64_t channel = 0; channel < shape_.channels; ++channel) {
        all.push_back(input(row, channel));
      }
    }
    return all;
  }

 private:
  float input(std::int64_t row, std::int64_t channel) {
    if (row >= 0) return x_.at(row, channel);
    return before_[static_cast<std::size_t>((row + shape_.width - 1) * shape_.channels + channel)];
  }

  Shape shape_;
  Rows x_;
  GuardedBuffer<float> weight_, bias_, before_;
};

class causal_conv : public testing::TestWithParam<Entry<CausalConvFn>> {
 protected:
  Random random_{20261126};
};

TEST_P(causal_conv, equals_the_float64_oracle_and_keeps_the_last_inputs) {
  WorstCase worst;
  for (const std::int64_t rows : {1, 2, 3, 7, 50}) {
    for (const std::int64_t channels : {1, 8, 15, 16, 17, 31, 100, 300}) {
      for (std::int64_t width = 1; width <= kConvWidthMax; ++width) {
        const bool silu = random_() % 2 == 0, bias = random_() % 2 == 0;
        Case test({rows, channels, width, silu, bias}, random_);
        const Outcome got = test.run(GetParam().fn);
        worst.add(test.compare(got), 1e-13);
        expect_same_bits(got.tail, test.last_inputs(), "tail");
      }
    }
  }
}

TEST_P(causal_conv, gives_the_same_bits_however_rows_and_channels_are_cut_into_calls) {
  for (const Shape& shape : {Shape{9, 70, 4, true, false}, Shape{20, 33, 3, false, true},
                             Shape{5, 16, 8, true, true}, Shape{3, 200, 1, true, false}}) {
    Case test(shape, random_);
    const Outcome whole = test.run(GetParam().fn);
    for (const Cuts& cuts : ways_to_cut(shape.rows, state_tiles(shape.channels))) {
      for (const bool in_place : {false, true}) {
        const Outcome got = test.run(GetParam().fn, cuts, in_place);
        expect_same_bits(got.y, whole.y, "outputs");
        expect_same_bits(got.tail, whole.tail, "tail");
      }
    }
  }
}

TEST_P(causal_conv, leaves_other_channels_alone) {
  Case test({4, 70, 4, true, true}, random_);
  const Outcome nothing = test.run(GetParam().fn, {{0, 4}, {0, 0}});
  const Outcome whole = test.run(GetParam().fn);
  const Outcome some = test.run(GetParam().fn, {{0, 4}, {1, 3}});
  for (std::size_t i = 0; i < some.y.size(); ++i) {
    const bool ours = i % 70 >= 16 && i % 70 < 48;
    ASSERT_EQ(std::isnan(some.y[i]), !ours) << i;
  }
  for (std::size_t i = 0; i < some.tail.size(); ++i) {
    const bool ours = i % 70 >= 16 && i % 70 < 48;
    ASSERT_TRUE(same_bits(some.tail[i], ours ? whole.tail[i] : nothing.tail[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, causal_conv, testing::ValuesIn(causal_conv_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
