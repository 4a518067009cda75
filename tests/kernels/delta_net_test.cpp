// Goal: every variant of delta_net equals the gated delta rule in double precision, gives the same
// bits however rows and tiles are cut into calls, and touches nothing but its tiles.
#include <gtest/gtest.h>

#include "tests/kernels/recurrent_case.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

struct Shape {
  std::int64_t rows, key_dim, value_dim;
};

struct Outcome {
  std::vector<float> out, state;
};

class Case {
 public:
  Case(const Shape& shape, Random& random)
      : shape_(shape),
        q_(shape.rows, shape.key_dim, random, -1, 1),
        k_(shape.rows, shape.key_dim, random, -1, 1),
        v_(shape.rows, shape.value_dim, random, -1, 1),
        decay_(shape.rows, 1, random, 0.7f, 1),
        beta_(shape.rows, 1, random, 0, 1),
        before_(shape.key_dim, shape.value_dim, random, -1, 1) {
    q_.normalise(static_cast<float>(1 / std::sqrt(static_cast<double>(shape.key_dim))));
    k_.normalise(1);
  }

  Outcome run(DeltaNetFn fn, const Cuts& cuts, bool in_place = false) {
    Rows out(shape_.rows, shape_.value_dim);
    TiledState state(shape_.key_dim, shape_.value_dim);
    state.set(before_.values());
    for (std::int64_t row = 0; in_place && row < shape_.rows; ++row) {
      std::copy_n(v_.row(row), shape_.value_dim, out.row(row));
    }
    for_each_call(cuts, [&](auto begin, auto end, auto tile_begin, auto tile_end) {
      Rows& v = in_place ? out : v_;
      fn({.q = q_.row(begin),
          .q_stride = q_.stride(),
          .k = k_.row(begin),
          .k_stride = k_.stride(),
          .v = v.row(begin),
          .v_stride = v.stride(),
          .decay = decay_.row(begin),
          .decay_stride = decay_.stride(),
          .beta = beta_.row(begin),
          .beta_stride = beta_.stride(),
          .out = out.row(begin),
          .out_stride = out.stride(),
          .state = state.data(),
          .rows = end - begin,
          .key_dim = shape_.key_dim,
          .value_dim = shape_.value_dim,
          .tile_begin = tile_begin,
          .tile_end = tile_end});
    });
    return {out.values(), state.values()};
  }
  Outcome run(DeltaNetFn fn) {
    return run(fn, {{0, shape_.rows}, {0, state_tiles(shape_.value_dim)}});
  }

  // Of outputs and of the last state.
  ErrorEnergy compare(const Outcome& got) {
    ErrorEnergy error;
    const auto keys = static_cast<std::size_t>(shape_.key_dim);
    for (std::int64_t column = 0; column < shape_.value_dim; ++column) {
      std::vector<double> s(keys);
      for (std::size_t i = 0; i < keys; ++i)
        s[i] = before_.at(static_cast<std::int64_t>(i), column);
      for (std::int64_t row = 0; row < shape_.rows; ++row) {
        const double want = step(s, row, column);
        error.add(got.out[static_cast<std::size_t>(row * shape_.value_dim + column)], want);
      }
      for (std::size_t i = 0; i < keys; ++i) {
        const std::size_t tile = static_cast<std::size_t>(column / kStateTile);
        const std::size_t at =
            (tile * keys + i) * kStateTile + static_cast<std::size_t>(column % kStateTile);
        error.add(got.state[at], s[i]);
      }
    }
    return error;
  }

 private:
  // The rule, of one column of the state.
  double step(std::vector<double>& s, std::int64_t row, std::int64_t column) {
    double found = 0, out = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
      s[i] *= decay_.at(row, 0);
      found += s[i] * k_.at(row, static_cast<std::int64_t>(i));
    }
    const double u = beta_.at(row, 0) * (v_.at(row, column) - found);
    for (std::size_t i = 0; i < s.size(); ++i) {
      s[i] += k_.at(row, static_cast<std::int64_t>(i)) * u;
      out += s[i] * q_.at(row, static_cast<std::int64_t>(i));
    }
    return out;
  }

  Shape shape_;
  Rows q_, k_, v_, decay_, beta_;
  TiledState before_;
};

class delta_net : public testing::TestWithParam<Entry<DeltaNetFn>> {
 protected:
  Random random_{20261124};
};

TEST_P(delta_net, equals_the_float64_oracle) {
  WorstCase worst;
  for (const std::int64_t rows : {1, 2, 5, 64, 300}) {
    for (const std::int64_t key_dim : {1, 2, 7, 64, 128, 256}) {
      if (rows * key_dim > 300 * 64) continue;
      for (const std::int64_t value_dim : {1, 15, 16, 17, 40, 64, 128}) {
        Case test({rows, key_dim, value_dim}, random_);
        worst.add(test.compare(test.run(GetParam().fn)), 1e-12);
      }
    }
  }
}

TEST_P(delta_net, gives_the_same_bits_however_rows_and_tiles_are_cut_into_calls) {
  for (const Shape& shape : {Shape{1, 128, 128}, Shape{3, 5, 100}, Shape{9, 64, 16},
                             Shape{20, 33, 49}, Shape{140, 16, 33}, Shape{260, 128, 20}}) {
    Case test(shape, random_);
    const Outcome whole = test.run(GetParam().fn);
    for (const Cuts& cuts : ways_to_cut(shape.rows, state_tiles(shape.value_dim))) {
      for (const bool in_place : {false, true}) {
        const Outcome got = test.run(GetParam().fn, cuts, in_place);
        expect_same_bits(got.out, whole.out, "outputs");
        expect_same_bits(got.state, whole.state, "state");
      }
    }
  }
}

TEST_P(delta_net, leaves_other_tiles_alone) {
  const Shape shape{4, 24, 70};
  Case test(shape, random_);
  const Outcome nothing = test.run(GetParam().fn, {{0, 4}, {0, 0}});
  const Outcome whole = test.run(GetParam().fn);
  const Outcome some = test.run(GetParam().fn, {{0, 4}, {1, 3}});
  constexpr std::size_t kTileFloats = 24 * kStateTile;
  for (std::size_t i = 0; i < some.state.size(); ++i) {
    const bool ours = i / kTileFloats == 1 || i / kTileFloats == 2;
    ASSERT_TRUE(same_bits(some.state[i], ours ? whole.state[i] : nothing.state[i])) << i;
  }
  for (std::size_t i = 0; i < some.out.size(); ++i) {
    const bool ours = i % 70 >= 16 && i % 70 < 48;
    ASSERT_EQ(std::isnan(some.out[i]), !ours) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, delta_net, testing::ValuesIn(delta_net_variants()),
                         VariantName());

class delta_gates : public testing::TestWithParam<Entry<DeltaGatesFn>> {};

TEST_P(delta_gates, equal_the_float64_oracle_over_the_range_of_exp) {
  Random random(20261125);
  WorstCase worst;
  for (const std::int64_t heads : {1, 7, 16, 33}) {
    for (const float range : {1.0f, 8.0f, 90.0f}) {
      Rows a(5, heads, random, -range, range), b(5, heads, random, -range, range);
      Rows rate(1, heads, random, -16, -0.001f), dt_bias(1, heads, random, -4, 1);
      Rows decay(5, heads), beta(5, heads);
      const DeltaGatesArgs args{.a = a.data(),
                                .a_stride = a.stride(),
                                .b = b.data(),
                                .b_stride = b.stride(),
                                .rate = rate.data(),
                                .dt_bias = dt_bias.data(),
                                .decay = decay.data(),
                                .decay_stride = decay.stride(),
                                .beta = beta.data(),
                                .beta_stride = beta.stride(),
                                .rows = 5,
                                .heads = heads};
      GetParam().fn(args);
      ErrorEnergy error;
      for (std::int64_t row = 0; row < 5; ++row) {
        for (std::int64_t head = 0; head < heads; ++head) {
          const double dt = softplus_of(double{a.at(row, head)} + dt_bias.at(0, head));
          error.add(decay.at(row, head), std::exp(rate.at(0, head) * dt));
          error.add(beta.at(row, head), 1 / (1 + std::exp(-double{b.at(row, head)})));
        }
      }
      worst.add(error, 1e-12);
      DeltaGatesArgs in_place = args;
      in_place.decay = a.data();
      in_place.beta = b.data();
      GetParam().fn(in_place);
      expect_same_bits(a.values(), decay.values(), "decay in place");
      expect_same_bits(b.values(), beta.values(), "beta in place");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, delta_gates, testing::ValuesIn(delta_gates_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
