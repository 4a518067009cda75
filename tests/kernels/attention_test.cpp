// Goal: every variant of attention equals softmax attention in double precision, whatever the
// shape; gives a head the same bits in any group; and sees nothing but the visible tokens.
//
// Method: random pages in their format with their exact values (oracle.hpp).  The last page ends
// with its last visible value, at an inaccessible page of memory; what else no token should see is
// NaN.
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

struct Shape {
  std::int64_t tokens, group, head_dim, page_tokens;
  bool keys_last = false;  // K after V within a page
  float scale = 0.1f;
};

// The pages of one sequence, as one KV head of one layer sees them, with queries.
class Case {
 public:
  Case(KvFormat format, const Shape& shape, Random& random)
      : shape_(shape),
        keys_(random_kv(format, shape.tokens * shape.head_dim, random)),
        values_(random_kv(format, shape.tokens * shape.head_dim, random)),
        q_(static_cast<std::size_t>(shape.group * shape.head_dim)) {
    for (float& value : q_) value = random_float(random);
    row_bytes_ = shape.head_dim * kv_element_bytes(format);
    for (std::int64_t token = 0; token < shape.tokens; token += shape.page_tokens) {
      add_page(token, std::min(shape.page_tokens, shape.tokens - token));
    }
  }

  GuardedBuffer<float>& q() { return q_; }
  void scale_queries(float factor) {
    for (float& value : q_) value *= factor;
  }

  // Outputs [group, head_dim] of some of the heads.
  std::vector<float> run(AttentionFn fn, std::int64_t head_begin, std::int64_t head_end) {
    const std::int64_t group = head_end - head_begin;
    GuardedBuffer<float> out(static_cast<std::size_t>(group * shape_.head_dim));
    GuardedBuffer<float> scratch(static_cast<std::size_t>(group * (shape_.page_tokens + 2)));
    for (float& value : out) value = std::numeric_limits<float>::quiet_NaN();
    for (float& value : scratch) value = std::numeric_limits<float>::quiet_NaN();
    fn({.q = q_.data() + head_begin * shape_.head_dim,
        .out = out.data(),
        .pages = pages_.data(),
        .k_offset = shape_.keys_last ? second_offset() : kFirstOffset,
        .v_offset = shape_.keys_last ? kFirstOffset : second_offset(),
        .page_tokens = shape_.page_tokens,
        .tokens = shape_.tokens,
        .group = group,
        .head_dim = shape_.head_dim,
        .scale = shape_.scale,
        .scratch = scratch.data()});
    EXPECT_TRUE(out.guards_intact() && scratch.guards_intact());
    return {out.begin(), out.end()};
  }
  std::vector<float> run(AttentionFn fn) { return run(fn, 0, shape_.group); }

  ErrorEnergy compare(const std::vector<float>& got) {
    ErrorEnergy error;
    std::vector<double> weights(static_cast<std::size_t>(shape_.tokens));
    for (std::int64_t head = 0; head < shape_.group; ++head) {
      double max = -INFINITY, sum = 0;
      for (std::int64_t j = 0; j < shape_.tokens; ++j) {
        double score = 0;
        for (std::int64_t k = 0; k < shape_.head_dim; ++k) {
          score += q_[head * shape_.head_dim + k] * keys_.values[j * shape_.head_dim + k];
        }
        weights[j] = score * shape_.scale;
        max = std::max(max, weights[j]);
      }
      for (double& weight : weights) sum += weight = std::exp(weight - max);
      for (std::int64_t k = 0; k < shape_.head_dim; ++k) {
        double want = 0, energy = 0;
        for (std::int64_t j = 0; j < shape_.tokens; ++j) {
          const double term = weights[j] / sum * values_.values[j * shape_.head_dim + k];
          want += term;
          energy += term * term;
        }
        error.add(got[head * shape_.head_dim + k], want, energy);
      }
    }
    return error;
  }

 private:
  static constexpr std::int64_t kFirstOffset = 64;  // what other layers and heads would hold
  std::int64_t second_offset() const { return kFirstOffset + shape_.page_tokens * row_bytes_ + 4; }

  void add_page(std::int64_t token, std::int64_t visible) {
    const auto bytes = static_cast<std::size_t>(second_offset() + visible * row_bytes_);
    payloads_.push_back(std::make_unique<GuardedBuffer<unsigned char>>(bytes));
    unsigned char* payload = payloads_.back()->data();
    std::memset(payload, 0xff, bytes);  // NaN in every format
    const Stored& first = shape_.keys_last ? values_ : keys_;
    const Stored& second = shape_.keys_last ? keys_ : values_;
    const auto count = static_cast<std::size_t>(visible * row_bytes_);
    std::memcpy(payload + kFirstOffset, first.bytes.data() + token * row_bytes_, count);
    std::memcpy(payload + second_offset(), second.bytes.data() + token * row_bytes_, count);
    pages_.push_back(reinterpret_cast<const std::byte*>(payload));
  }

  Shape shape_;
  Stored keys_;    // [tokens, head_dim]
  Stored values_;  // [tokens, head_dim]
  GuardedBuffer<float> q_;
  std::int64_t row_bytes_ = 0;
  std::vector<std::unique_ptr<GuardedBuffer<unsigned char>>> payloads_;
  std::vector<const std::byte*> pages_;
};

class attention : public testing::TestWithParam<Entry<AttentionFn, KvFormat>> {
 protected:
  Random random_{20260807};
};

TEST_P(attention, equals_the_float64_oracle_for_every_shape) {
  WorstCase worst;
  bool keys_last = false;
  for (std::int64_t head_dim : {8, 10, 16, 64, 80, 128, 256}) {
    for (std::int64_t group : {1, 2, 3, 4, 7, 8}) {
      for (std::int64_t page_tokens : {8, 32, 64}) {
        for (std::int64_t tokens : {std::int64_t{1}, std::int64_t{7}, page_tokens - 1, page_tokens,
                                    page_tokens + 1, 2 * page_tokens + 3, 3 * page_tokens}) {
          SCOPED_TRACE(testing::Message() << "tokens " << tokens << ", group " << group
                                          << ", head_dim " << head_dim << ", page " << page_tokens);
          keys_last = !keys_last;
          Case test(GetParam().format, {tokens, group, head_dim, page_tokens, keys_last}, random_);
          worst.add(test.compare(test.run(GetParam().fn)), 1e-10);
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST_P(attention, stays_accurate_over_many_pages_and_sharp_scores) {
  WorstCase worst;
  for (float scale : {0.1f, 2.0f, 20.0f}) {
    Case test(GetParam().format,
              {.tokens = 3001, .group = 4, .head_dim = 128, .page_tokens = 32, .scale = scale},
              random_);
    worst.add(test.compare(test.run(GetParam().fn)), 1e-10);
  }
}

TEST_P(attention, gives_a_head_the_same_bits_in_any_group) {
  for (std::int64_t head_dim : {10, 64, 128}) {
    constexpr std::int64_t kGroup = 13;
    const Shape shape{.tokens = 77, .group = kGroup, .head_dim = head_dim, .page_tokens = 32};
    Case test(GetParam().format, shape, random_);
    const std::vector<float> together = test.run(GetParam().fn);
    for (std::int64_t begin = 0; begin < kGroup; ++begin) {
      for (std::int64_t end = begin + 1; end <= kGroup; ++end) {
        const std::vector<float> part = test.run(GetParam().fn, begin, end);
        for (std::size_t i = 0; i < part.size(); ++i) {
          ASSERT_TRUE(same_bits(part[i], together[begin * head_dim + i]))
              << "heads " << begin << " .. " << end << ", element " << i;
        }
      }
    }
  }
}

TEST_P(attention, of_scores_of_ten_thousand_picks_the_largest) {
  const Shape shape{.tokens = 70, .group = 3, .head_dim = 64, .page_tokens = 32, .scale = 1.0f};
  Case test(GetParam().format, shape, random_);
  test.scale_queries(1e4f);
  const std::vector<float> got = test.run(GetParam().fn);
  for (float value : got) ASSERT_TRUE(std::isfinite(value));
  // A score's rounding error, about 1e-3 here, is a factor of exp(1e-3) between two near winners.
  EXPECT_LE(test.compare(got).nmse(), 1e-5);
}

TEST_P(attention, survives_keys_and_queries_that_are_no_numbers) {
  const Shape shape{.tokens = 40, .group = 5, .head_dim = 16, .page_tokens = 8};
  Case test(GetParam().format, shape, random_);
  const std::vector<float> clean = test.run(GetParam().fn);
  test.q()[1 * 16 + 3] = std::numeric_limits<float>::quiet_NaN();
  test.q()[3 * 16 + 5] = std::numeric_limits<float>::infinity();
  const std::vector<float> got = test.run(GetParam().fn);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::size_t head = i / 16;
    if (head != 1 && head != 3) {
      ASSERT_TRUE(same_bits(got[i], clean[i])) << "element " << i;
    }
  }
}

// exp alone: of two tokens with scores 0 and s and values 0 and 1, the result is
// exp(s) / (1 + exp(s)), down to where exp(s) is subnormal and then zero.
TEST_P(attention, weighs_by_an_exp_within_two_ulp) {
  if (GetParam().format != KvFormat::f32) return;
  constexpr std::int64_t kGroup = 1 << 16, kHeadDim = 1;
  const float payload[4] = {0, 1, 0, 1};  // two keys, two values
  const auto* page = reinterpret_cast<const std::byte*>(payload);
  std::vector<float> q(kGroup), out(kGroup), scratch(kGroup * (8 + 2));
  for (std::int64_t i = 0; i < kGroup; ++i) q[i] = -110.0f * static_cast<float>(i) / kGroup;
  // K: 2 of page_tokens = 8 rows are visible, so V may follow at once.
  GetParam().fn({q.data(), out.data(), &page, 0, 8, 8, 2, kGroup, kHeadDim, 1.0f, scratch.data()});
  double worst = 0;
  for (std::int64_t i = 0; i < kGroup; ++i) {
    const double exp = std::exp(double{q[i]});
    const double want = exp / (1 + exp);
    const double ulp = std::ldexp(1.0, std::max(std::ilogb(want), -126) - 23);
    worst = std::max(worst, std::abs(out[i] - want) / ulp);
  }
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, 2.0 + 1.5);  // and the roundings of 1 + exp(s) and of the division
}

INSTANTIATE_TEST_SUITE_P(kernels, attention, testing::ValuesIn(attention_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
