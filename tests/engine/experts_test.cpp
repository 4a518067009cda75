// Goal: a layer of experts gives each row what float64 gives it, in every tier and format, with the
// same bits alone and in any batch.
// Method: a model of one such layer, its embedding the inputs, its last norm the output; a plain
// loop over rows and experts beside it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <ostream>
#include <random>

#include "engine/aligned_buffer.hpp"
#include "kernels/quantize/quantize.hpp"
#include "tests/engine/fixtures.hpp"
#include "tests/engine/forward_testing.hpp"

namespace hearth {
namespace {

using kernels::WeightFormat;
using enum kernels::WeightFormat;

// Matrices of one format: as rows of the floats that they stand for, and packed.
class Matrices {
 public:
  Matrices(std::int64_t count, std::int64_t rows, std::int64_t cols, WeightFormat format,
           std::mt19937& random)
      : floats_(static_cast<std::size_t>(count * rows * cols)) {
    experts_ = {{nullptr, format, rows, cols}, count};
    const std::int64_t row_bytes = experts_.first.row_bytes();
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(cols)));
    std::vector<unsigned char> stored(static_cast<std::size_t>(count * rows * row_bytes));
    for (std::int64_t row = 0; row < count * rows; ++row) {
      float* floats = floats_.data() + row * cols;
      std::generate_n(floats, cols, [&] { return normal(random); });
      kernels::quantize_row(format, floats, cols, stored.data() + row * row_bytes);
      kernels::dequant_row({format, stored.data() + row * row_bytes, cols, floats});
    }
    pack(stored);
  }

  const ExpertMatrices& experts() const { return experts_; }
  const float* row(std::int64_t matrix, std::int64_t row) const {
    return floats_.data() + (matrix * experts_.first.rows + row) * experts_.first.cols;
  }
  // For F32: another content.
  void set(const std::function<void(std::vector<float>&)>& change) {
    change(floats_);
    const auto* bytes = reinterpret_cast<const unsigned char*>(floats_.data());
    pack({bytes, bytes + floats_.size() * sizeof(float)});
  }

 private:
  void pack(const std::vector<unsigned char>& stored) {
    const Matrix& one = experts_.first;
    const std::int64_t bytes = one.groups() * one.group_bytes();
    panels_ = AlignedBuffer<std::byte>(static_cast<std::size_t>(experts_.count * bytes) + 64);
    experts_.first.panels = panels_.data();
    for (std::int64_t i = 0; i < experts_.count; ++i) {
      for (std::int64_t row = 0; row < one.rows; row += kernels::kRowGroup) {
        kernels::pack_group(
            {one.format, stored.data() + (i * one.rows + row) * one.row_bytes(),
             std::min<std::int64_t>(kernels::kRowGroup, one.rows - row), one.cols,
             panels_.data() + i * bytes + row / kernels::kRowGroup * one.group_bytes()});
      }
    }
  }

  std::vector<float> floats_;
  ExpertMatrices experts_;
  AlignedBuffer<std::byte> panels_;
};

struct Case {
  const char* name;
  ExpertRule rule;
  WeightFormat gate = f32, up = f32, down = f32;
  std::int64_t hidden = 48, width = 24;  // a last group of 8 rows
  bool equal_scores = false;             // of three experts, always
  bool normed = true;
  std::vector<float> bias = {};  // of the router
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

constexpr std::int64_t kRows = 37;
constexpr float kNever = -100, kAlways = 100;
using enum ExpertWeighting;

const Case kCases[] = {
    {"floats", {8, 3}},
    {"one_of_many", {40, 1}},
    {"all_experts", {4, 4}},
    {"one_expert", {1, 1}},
    {"weights_below_1", {6, 2, softmax}},
    {"scaled", {6, 2, softmax_of_chosen, 2.5F}},
    {"ties", {.experts = 6, .used = 2}, f32, f32, f32, 48, 24, /*equal_scores=*/true},
    {"not_normed", {6, 2}, f32, f32, f32, 48, 24, false, /*normed=*/false},
    {"experts_without_rows",
     {6, 2},
     f32,
     f32,
     f32,
     48,
     24,
     false,
     true,
     {kNever, 0, 0, kNever, 0, kNever}},
    {"all_rows_to_one_expert",
     {6, 1},
     f32,
     f32,
     f32,
     48,
     24,
     false,
     true,
     {0, 0, kAlways, 0, 0, 0}},
    {"all_rows_to_two_experts",
     {5, 2},
     q8_0,
     q8_0,
     q8_0,
     64,
     32,
     false,
     true,
     {kAlways, 0, 0, 0, kAlways}},
    {"f16", {8, 3}, f16, f16, f16},
    {"bf16", {8, 3}, bf16, bf16, bf16},
    {"q8_0", {8, 3}, q8_0, q8_0, q8_0, 96, 32},
    {"q4_0_not_normed", {8, 3}, q4_0, q4_0, q4_0, 96, 32, false, /*normed=*/false},
    {"q4_k", {8, 3}, q4_k, q4_k, q6_k, 256, 256},
    {"mixed", {8, 3}, q8_0, f16, f32, 96, 40},
    {"mixed_the_other_way", {8, 3}, f32, q4_k, q8_0, 256, 64},
};

double gate(const Case& c, const kernels::KernelSet& kernels) {
  const bool matrix_units = kernels.prompt_takes_splits;
  double worst = matrix_units ? 1e-9 : 1e-12;
  for (const WeightFormat format : {c.gate, c.up, c.down}) {
    if (format == bf16 && matrix_units) worst = std::max(worst, 2e-5);
    if (kernels::block_shape(format).weights > 1) worst = std::max(worst, 3e-4);
  }
  return worst;
}

class Experts : public testing::TestWithParam<Case> {
 protected:
  Experts() {
    const Case& c = GetParam();
    router_.set([&](std::vector<float>& floats) {
      for (float& weight : floats) weight *= 2;
      if (!c.equal_scores) return;
      for (const std::int64_t expert : {3, 5}) {
        std::copy_n(floats.begin() + c.hidden, c.hidden, floats.begin() + expert * c.hidden);
      }
    });
    inputs_.set([&](std::vector<float>& floats) {
      std::normal_distribution<float> normal(0, 1);
      for (float& value : floats) value = normal(random_);
    });
    norm_.resize(static_cast<std::size_t>(c.hidden));
    for (std::size_t i = 0; i < norm_.size(); ++i) norm_[i] = 0.5F + static_cast<float>(i % 7) / 5;
    ones_.assign(norm_.size(), 1.0F);
    table_.hidden = c.hidden;
    table_.vocab = kRows;
    table_.embedding = table_.head.weight = inputs_.experts().first;
    table_.final_norm = {ones_.data(), c.hidden, 0};
    MoeMlp moe;
    moe.router = {router_.experts().first, c.bias.empty() ? nullptr : c.bias.data()};
    moe.gate = gate_.experts();
    moe.up = up_.experts();
    moe.down = down_.experts();
    moe.rule = c.rule;
    const RmsNorm norm = {c.normed ? norm_.data() : nullptr, c.hidden, 1e-6F};
    table_.layers = {{{{norm, {moe}}}}};
  }

  // The rows, in batches of these sizes; of each batch the first part of its rows are generated.
  std::vector<float> outputs(const kernels::KernelSet& kernels, WorkerPool* pool, std::size_t batch,
                             double generated = 0) {
    Executor executor(&table_, compile_plan(table_, kernels::KvFormat::f32, 32), pool, kernels,
                      {kRows, kRows});
    std::vector<float> all;
    for (std::size_t begin = 0; begin < kRows; begin += batch) {
      std::vector<BatchRow> rows;
      const std::size_t count = std::min(batch, kRows - begin);
      for (std::size_t i = 0; i < count; ++i) {
        const bool is_generated = static_cast<double>(i) < generated * static_cast<double>(count);
        rows.push_back({static_cast<TokenId>(begin + i), static_cast<std::int32_t>(i), nullptr,
                        RowOutput::hidden, is_generated ? RowRole::generated : RowRole::prompt});
      }
      EXPECT_TRUE(executor.forward(rows));
      for (std::size_t i = 0; i < count; ++i) {
        const auto row = executor.hidden(static_cast<std::int64_t>(i));
        all.insert(all.end(), row.begin(), row.end());
      }
    }
    return all;
  }

  static double dot(const float* row, const std::vector<double>& x) {
    return std::inner_product(x.begin(), x.end(), row, 0.0);
  }
  static std::vector<double> normed(std::vector<double> x, const std::vector<float>& weight,
                                    double eps) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= scale * static_cast<double>(weight[i]);
    return x;
  }
  std::vector<double> expert(std::int64_t number, const std::vector<double>& x) const {
    std::vector<double> inner(static_cast<std::size_t>(GetParam().width));
    for (std::size_t i = 0; i < inner.size(); ++i) {
      const double g = dot(gate_.row(number, static_cast<std::int64_t>(i)), x);
      inner[i] = g / (1 + std::exp(-g)) * dot(up_.row(number, static_cast<std::int64_t>(i)), x);
    }
    std::vector<double> out(x.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = dot(down_.row(number, static_cast<std::int64_t>(i)), inner);
    }
    return out;
  }
  // What the layer and the last norm make of a row.
  std::vector<double> expected(std::int64_t row) const {
    const Case& c = GetParam();
    std::vector<double> hidden(inputs_.row(0, row), inputs_.row(0, row) + c.hidden);
    const auto x = c.normed ? normed(hidden, norm_, 1e-6) : hidden;
    std::vector<double> scores;
    for (std::int64_t i = 0; i < c.rule.experts; ++i) {
      const double bias =
          c.bias.empty() ? 0 : static_cast<double>(c.bias[static_cast<std::size_t>(i)]);
      scores.push_back(dot(router_.row(0, i), x) + bias);
    }
    std::vector<std::int64_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    const auto score = [&](std::int64_t i) { return scores[static_cast<std::size_t>(i)]; };
    std::ranges::stable_sort(order, std::greater(), score);
    const double top = score(order.front());
    const auto summed = c.rule.weighting == softmax ? c.rule.experts : c.rule.used;
    double sum = 0;
    for (std::int64_t i = 0; i < summed; ++i) {
      sum += std::exp(score(order[static_cast<std::size_t>(i)]) - top);
    }
    order.resize(static_cast<std::size_t>(c.rule.used));
    for (const std::int64_t chosen : order) {
      const double weight = static_cast<double>(c.rule.scale) * std::exp(score(chosen) - top) / sum;
      const std::vector<double> out = expert(chosen, x);
      for (std::size_t i = 0; i < hidden.size(); ++i) hidden[i] += weight * out[i];
    }
    return normed(hidden, ones_, 0);
  }

  std::mt19937 random_{7};
  Matrices inputs_{1, kRows, GetParam().hidden, f32, random_};
  Matrices router_{1, GetParam().rule.experts, GetParam().hidden, f32, random_};
  Matrices gate_{GetParam().rule.experts, GetParam().width, GetParam().hidden, GetParam().gate,
                 random_};
  Matrices up_{GetParam().rule.experts, GetParam().width, GetParam().hidden, GetParam().up,
               random_};
  Matrices down_{GetParam().rule.experts, GetParam().hidden, GetParam().width, GetParam().down,
                 random_};
  std::vector<float> norm_, ones_;
  LayerTable table_;
  WorkerPool pool_{3, nullptr};
};

TEST_P(Experts, give_what_float64_gives) {
  std::vector<float> wanted;
  for (std::int64_t row = 0; row < kRows; ++row) {
    const std::vector<double> of_row = expected(row);
    wanted.insert(wanted.end(), of_row.begin(), of_row.end());
  }
  for (const kernels::KernelSet& kernels : all_kernels()) {
    const double error = nmse(outputs(kernels, &pool_, kRows), wanted);
    RecordProperty(kernels.tier, fmt::format("{:.2e}", error));
    EXPECT_LE(error, gate(GetParam(), kernels)) << kernels.tier;
  }
}

TEST_P(Experts, give_a_row_the_same_bits_in_any_batch) {
  WorkerPool one(1, nullptr);
  for (const kernels::KernelSet& kernels : all_kernels()) {
    const std::vector<float> prompt = outputs(kernels, &pool_, kRows);
    for (const std::size_t batch : {1, 2, 3, 17}) {
      EXPECT_EQ(outputs(kernels, &pool_, batch), prompt) << kernels.tier << ", " << batch;
    }
    EXPECT_EQ(outputs(kernels, &one, 24), prompt) << kernels.tier;
    const std::vector<float> generated = outputs(kernels, &pool_, kRows, 1);
    EXPECT_EQ(outputs(kernels, &one, 1, 1), generated) << kernels.tier;
    // Both in one batch: each as its role asks.
    const std::vector<float> both = outputs(kernels, &pool_, kRows, 0.4);
    const auto first = static_cast<std::ptrdiff_t>(std::ceil(0.4 * kRows) * GetParam().hidden);
    EXPECT_TRUE(std::equal(both.begin(), both.begin() + first, generated.begin())) << kernels.tier;
    EXPECT_TRUE(std::equal(both.begin() + first, both.end(), prompt.begin() + first))
        << kernels.tier;
  }
}

TEST_P(Experts, survive_a_row_of_nan) {
  const std::vector<float> sane = outputs(best_kernels(), &pool_, kRows);
  constexpr std::int64_t kSick = 5;
  inputs_.set([&](std::vector<float>& floats) {
    std::fill_n(floats.begin() + kSick * GetParam().hidden, GetParam().hidden,
                std::numeric_limits<float>::quiet_NaN());
  });
  table_.embedding = table_.head.weight = inputs_.experts().first;
  std::vector<float> sick = outputs(best_kernels(), &pool_, kRows);
  EXPECT_TRUE(std::isnan(sick[static_cast<std::size_t>(kSick * GetParam().hidden)]));
  const auto begin = static_cast<std::ptrdiff_t>(kSick * GetParam().hidden);
  std::copy_n(sane.begin() + begin, GetParam().hidden, sick.begin() + begin);
  EXPECT_EQ(sick, sane);
}

INSTANTIATE_TEST_SUITE_P(cases, Experts, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace hearth
