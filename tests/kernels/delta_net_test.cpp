// Goal: every variant of delta_net equals the gated delta rule in double precision, gives the same
// bits however rows and tiles are cut into calls, and touches nothing but its tiles.
#include <gtest/gtest.h>

#include "tests/kernels/recurrent_case.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class DeltaNetCase : public RecurrentCase {
 public:
  DeltaNetCase(DeltaNetFn fn, const RecurrentShape& shape, Random& random)
      : RecurrentCase(shape, random),
        fn_(fn),
        q_(shape.rows, shape.keys, random, -1, 1),
        k_(shape.rows, shape.keys, random, -1, 1),
        decay_(shape.rows, 1, random, 0.7f, 1),
        beta_(shape.rows, 1, random, 0, 1) {
    q_.normalise(static_cast<float>(1 / std::sqrt(static_cast<double>(shape.keys))));
    k_.normalise(1);
  }

 private:
  void call(const Call& of) override {
    fn_({.q = q_.row(of.begin),
         .q_stride = q_.stride(),
         .k = k_.row(of.begin),
         .k_stride = k_.stride(),
         .v = of.values.row(of.begin),
         .v_stride = of.values.stride(),
         .decay = decay_.row(of.begin),
         .decay_stride = decay_.stride(),
         .beta = beta_.row(of.begin),
         .beta_stride = beta_.stride(),
         .out = of.out.row(of.begin),
         .out_stride = of.out.stride(),
         .state = of.state,
         .rows = of.end - of.begin,
         .key_dim = shape().keys,
         .value_dim = shape().columns,
         .tile_begin = of.tile_begin,
         .tile_end = of.tile_end});
  }
  double step(std::vector<double>& s, std::int64_t row, std::int64_t column) override {
    double found = 0, out = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
      s[i] *= decay_.at(row, 0);
      found += s[i] * k_.at(row, static_cast<std::int64_t>(i));
    }
    const double u = beta_.at(row, 0) * (values().at(row, column) - found);
    for (std::size_t i = 0; i < s.size(); ++i) {
      s[i] += k_.at(row, static_cast<std::int64_t>(i)) * u;
      out += s[i] * q_.at(row, static_cast<std::int64_t>(i));
    }
    return out;
  }

  const DeltaNetFn fn_;
  Rows q_, k_, decay_, beta_;
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
      ErrorEnergy error;
      for (const std::int64_t value_dim : {1, 15, 16, 17, 40, 64, 128}) {
        DeltaNetCase test(GetParam().fn, {rows, key_dim, value_dim}, random_);
        test.compare(test.run(), error);
      }
      worst.add(error, 1e-12);
    }
  }
}

TEST_P(delta_net, gives_the_same_bits_however_rows_and_tiles_are_cut_into_calls) {
  for (const RecurrentShape& shape :
       {RecurrentShape{1, 128, 128}, RecurrentShape{3, 5, 100}, RecurrentShape{9, 64, 16},
        RecurrentShape{20, 33, 49}, RecurrentShape{140, 16, 33}, RecurrentShape{260, 128, 20}}) {
    DeltaNetCase test(GetParam().fn, shape, random_);
    expect_cuts_change_nothing(test);
  }
}

TEST_P(delta_net, leaves_other_tiles_alone) {
  DeltaNetCase test(GetParam().fn, {4, 24, 70}, random_);
  expect_other_tiles_left_alone(test);
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
