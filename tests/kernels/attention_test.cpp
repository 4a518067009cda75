// Goal: every variant of attention and attention_prompt equals softmax attention in double
// precision, as near as its arithmetic allows, whatever the shape; gives a row and a head the same
// bits in any tile, group and cut into splits; and sees nothing but the visible tokens.
#include "tests/kernels/attention_case.hpp"

namespace hearth::kernels {
namespace {

class attention : public AttentionTest {};

TEST_P(attention, equals_the_float64_oracle_for_every_shape) {
  WorstCase worst;
  ErrorEnergy all;
  bool keys_last = false;
  for (std::int64_t head_dim : {8, 10, 16, 64, 80, 96, 128, 256}) {
    if (!takes(head_dim)) continue;
    for (std::int64_t group : {1, 2, 3, 4, 5, 7, 8, 12}) {
      for (std::int64_t page_tokens : {8, 32, 64}) {
        for (std::int64_t tokens : {std::int64_t{1}, std::int64_t{7}, page_tokens - 1, page_tokens,
                                    page_tokens + 1, 2 * page_tokens + 3, 3 * page_tokens}) {
          SCOPED_TRACE(testing::Message() << "tokens " << tokens << ", group " << group
                                          << ", head_dim " << head_dim << ", page " << page_tokens);
          keys_last = !keys_last;
          AttentionCase test(format(), {tokens, group, head_dim, page_tokens, 1, keys_last},
                             random_);
          const ErrorEnergy error = test.compare(test.run(kernels()));
          worst.add(error, limits().few);
          all.add(error);
          if (HasFailure()) return;
        }
      }
    }
  }
  EXPECT_LE(all.nmse(), limits().together);
}

TEST_P(attention, of_a_tile_of_rows_equals_the_float64_oracle) {
  WorstCase worst;
  ErrorEnergy all;
  for (std::int64_t head_dim : {10, 32, 80, 128}) {
    if (!takes(head_dim)) continue;
    for (std::int64_t group : {1, 3, 8}) {
      for (std::int64_t rows : {2, 7, 31, 32}) {
        for (std::int64_t tokens : {std::int64_t{32}, std::int64_t{96}, 64 + rows}) {
          SCOPED_TRACE(testing::Message() << "tokens " << tokens << ", group " << group
                                          << ", head_dim " << head_dim << ", rows " << rows);
          AttentionCase test(format(), {tokens, group, head_dim, 32, rows}, random_);
          const ErrorEnergy error = test.compare(test.run(kernels()));
          worst.add(error, limits().few);
          all.add(error);
          if (HasFailure()) return;
        }
      }
    }
  }
  EXPECT_LE(all.nmse(), limits().together);
}

TEST_P(attention, stays_accurate_over_many_pages_and_sharp_scores) {
  WorstCase worst;
  for (float scale : {0.1f, 2.0f, 20.0f}) {
    AttentionCase test(
        format(), {.tokens = 3001, .group = 4, .head_dim = 128, .page_tokens = 32, .scale = scale},
        random_);
    worst.add(test.compare(test.run(kernels())), limits().call);
  }
}

TEST_P(attention, gives_a_head_the_same_bits_in_any_group) {
  for (std::int64_t head_dim : {10, 64, 128}) {
    if (!takes(head_dim)) continue;
    constexpr std::int64_t kGroup = 15;
    const AttentionShape shape{
        .tokens = 77, .group = kGroup, .head_dim = head_dim, .page_tokens = 32};
    AttentionCase test(format(), shape, random_);
    const std::vector<float> together = test.run(kernels());
    for (std::int64_t begin = 0; begin < kGroup; ++begin) {
      for (std::int64_t end = begin + 1; end <= kGroup; ++end) {
        expect_same(test.run(kernels(), {begin, end, 0, 1}), together.data() + begin * head_dim,
                    "heads " + std::to_string(begin) + " .. " + std::to_string(end));
        if (HasFailure()) return;
      }
    }
  }
}

// What comes after a row's own position is real for the tile, and NaN for the row that has fewer
// rows beside it.
TEST_P(attention, gives_a_row_the_same_bits_in_any_tile) {
  for (std::int64_t page_tokens : {8, 32}) {
    for (std::int64_t tokens : {page_tokens, kAttentionSplit + 2 * page_tokens}) {
      const AttentionShape shape{.tokens = tokens,
                                 .group = 3,
                                 .head_dim = 64,
                                 .page_tokens = page_tokens,
                                 .rows = page_tokens};
      for (std::int64_t count : {5, 2, 1}) {
        AttentionCase test(format(), shape, random_);
        const std::vector<float> together = test.run(kernels());
        for (std::int64_t row = shape.rows - count; row >= 0; row -= count) {
          test.spoil(tokens - shape.rows + row + count);
          expect_same(test.run(kernels(), {0, shape.group, row, row + count}),
                      together.data() + row * shape.group * shape.head_dim,
                      std::to_string(count) + " rows from " + std::to_string(row));
          if (HasFailure()) return;
        }
      }
    }
  }
}

// A NaN with a weight of zero would still be one.
TEST_P(attention, keeps_what_is_no_number_from_rows_that_do_not_see_it) {
  for (std::int64_t tokens : {std::int64_t{32}, kAttentionSplit + 45}) {
    const AttentionShape shape{
        .tokens = tokens, .group = 3, .head_dim = 64, .page_tokens = 32, .rows = 13};
    AttentionCase test(format(), shape, random_);
    const std::vector<float> clean = test.run(kernels());
    constexpr std::int64_t kSeeing = 5;
    test.spoil(tokens - kSeeing);
    const std::vector<float> got = test.run(kernels());
    const auto seen_from =
        static_cast<std::size_t>((shape.rows - kSeeing) * shape.group * shape.head_dim);
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (i < seen_from) {
        ASSERT_TRUE(same_bits(got[i], clean[i])) << tokens << " tokens, element " << i;
      } else {
        ASSERT_FALSE(std::isfinite(got[i])) << tokens << " tokens, element " << i;
      }
    }
  }
}

TEST_P(attention, gives_the_same_bits_however_splits_are_cut_into_calls) {
  constexpr std::int64_t kSplit = kAttentionSplit;
  const AttentionShape shape{
      .tokens = 3 * kSplit + 70, .group = 2, .head_dim = 64, .page_tokens = 32, .rows = 5};
  AttentionCase test(format(), shape, random_);
  const std::vector<float> together = test.run(kernels());
  AttentionPart part = test.whole();
  using Cuts = std::vector<std::int64_t>;
  for (const Cuts& cuts :
       {Cuts{kSplit, 2 * kSplit, 3 * kSplit}, Cuts{2 * kSplit, 3 * kSplit}, Cuts{3 * kSplit}}) {
    part.cuts = cuts;
    expect_same(test.run(kernels(), part), together.data(), "cut");
  }
}

TEST_P(attention, of_scores_of_ten_thousand_picks_the_largest) {
  const AttentionShape shape{
      .tokens = 70, .group = 3, .head_dim = 64, .page_tokens = 32, .scale = 1.0f};
  AttentionCase test(format(), shape, random_);
  test.scale_queries(1e4f);
  const std::vector<float> got = test.run(kernels());
  for (float value : got) ASSERT_TRUE(std::isfinite(value));
  // A score's rounding error, about 1e-3 here, is a factor of exp(1e-3) between two near winners.
  EXPECT_LE(test.compare(got).nmse(), 1e-5);
}

TEST_P(attention, survives_queries_that_are_no_numbers) {
  const AttentionShape shape{.tokens = 40, .group = 5, .head_dim = 32, .page_tokens = 8};
  AttentionCase test(format(), shape, random_);
  const std::vector<float> clean = test.run(kernels());
  test.q(0, 1, 3) = std::numeric_limits<float>::quiet_NaN();
  test.q(0, 3, 5) = std::numeric_limits<float>::infinity();
  const std::vector<float> got = test.run(kernels());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::size_t head = i / 32;
    if (head != 1 && head != 3) {
      ASSERT_TRUE(same_bits(got[i], clean[i])) << "element " << i;
    }
  }
}

// exp alone: of two tokens with scores 0 and s and values 0 and 1, the result is
// exp(s) / (1 + exp(s)), down to where exp(s) is subnormal and then zero.
TEST_P(attention, weighs_by_an_exp_within_two_ulp) {
  if (format() != KvFormat::f32 || rounds()) return;
  constexpr std::int64_t kGroup = 1 << 16;
  const float payload[4] = {0, 1, 0, 1};  // two keys, two values
  const auto* page = reinterpret_cast<const std::byte*>(payload);
  std::vector<float> q(kGroup), out(kGroup), state(attention_state_floats(kGroup, 1));
  std::vector<float> scratch(attention_scratch_floats(kGroup, 1, 8));
  for (std::int64_t i = 0; i < kGroup; ++i) q[i] = -110.0f * static_cast<float>(i) / kGroup;
  // K: 2 of page_tokens = 8 rows are visible, so V may follow at once.
  kernels().attention({.q = q.data(),
                       .q_stride = kGroup,
                       .pages = &page,
                       .k_offset = 0,
                       .v_offset = 8,
                       .page_tokens = 8,
                       .position = 1,
                       .rows = 1,
                       .begin = 0,
                       .end = 2,
                       .group = kGroup,
                       .head_dim = 1,
                       .scale = 1.0f,
                       .state = state.data(),
                       .scratch = scratch.data()});
  kernels().merge({state.data(), 1, 1, kGroup, 1, out.data(), kGroup});
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
INSTANTIATE_TEST_SUITE_P(prompts, attention, testing::ValuesIn(attention_prompt_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
