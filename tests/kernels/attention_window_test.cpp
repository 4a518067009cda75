// Goal: attention with a window equals softmax attention over the window in double precision; a row
// has the same bits in any tile and however positions are cut into calls; and what lies before all
// windows is neither seen nor read.
#include "tests/kernels/attention_case.hpp"

namespace hearth::kernels {
namespace {

class attention_window : public AttentionTest {};

TEST_P(attention_window, equals_the_float64_oracle_and_reads_no_page_before) {
  WorstCase worst;
  ErrorEnergy all;
  for (const std::int64_t window : {1, 2, 7, 31, 32, 33, 100, 512, 700}) {
    for (const std::int64_t page_tokens : {8, 32}) {
      for (const std::int64_t rows : {std::int64_t{1}, page_tokens - 1, page_tokens}) {
        for (const std::int64_t pages : {1, 4, 65}) {
          const std::int64_t group = window % 2 == 0 ? 3 : 8;
          const std::int64_t tokens = pages * page_tokens - page_tokens + rows;
          SCOPED_TRACE(testing::Message() << "window " << window << ", tokens " << tokens
                                          << ", rows " << rows << ", page " << page_tokens);
          AttentionCase test(format(),
                             {.tokens = tokens,
                              .group = group,
                              .head_dim = 64,
                              .page_tokens = page_tokens,
                              .rows = rows,
                              .window = window},
                             random_);
          test.spoil_before(test.first(0));
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

// What comes before a row's window is real for the tile, and NaN or gone for the row that has fewer
// rows beside it.
TEST_P(attention_window, gives_a_row_the_same_bits_in_any_tile) {
  for (const std::int64_t window : {1, 5, 8, 20, 64, 75, 515, 600}) {
    for (const std::int64_t page_tokens : {8, 32}) {
      const AttentionShape shape{.tokens = 2 * kAttentionSplit + 2 * page_tokens,
                                 .group = 3,
                                 .head_dim = 64,
                                 .page_tokens = page_tokens,
                                 .rows = page_tokens,
                                 .window = window};
      for (const std::int64_t count : {5, 2, 1}) {
        AttentionCase test(format(), shape, random_);
        const std::vector<float> together = test.run(kernels());
        for (std::int64_t row = 0; row + count <= shape.rows; row += count) {
          test.spoil_before(test.first(row));
          expect_same(test.run(kernels(), {0, shape.group, row, row + count}),
                      together.data() + row * shape.group * shape.head_dim,
                      "window " + std::to_string(window) + ", " + std::to_string(count) +
                          " rows from " + std::to_string(row));
          if (HasFailure()) return;
        }
      }
    }
  }
}

// Rows' windows begin on both sides of a split's begin, too; calls may see nothing at all.
TEST_P(attention_window, gives_the_same_bits_however_splits_are_cut_into_calls) {
  constexpr std::int64_t kSplit = kAttentionSplit;
  for (const std::int64_t window : {40, 70, 71, 72, 600, 1100, 4000}) {
    const AttentionShape shape{.tokens = 3 * kSplit + 74,
                               .group = 2,
                               .head_dim = 64,
                               .page_tokens = 32,
                               .rows = 10,
                               .window = window};
    AttentionCase test(format(), shape, random_);
    const std::vector<float> together = test.run(kernels());
    AttentionPart part = test.whole();
    using Cuts = std::vector<std::int64_t>;
    for (const Cuts& cuts :
         {Cuts{kSplit, 2 * kSplit, 3 * kSplit}, Cuts{2 * kSplit, 3 * kSplit}, Cuts{3 * kSplit}}) {
      part.cuts = cuts;
      expect_same(test.run(kernels(), part), together.data(), "cut");
      if (HasFailure()) return;
    }
  }
}

TEST_P(attention_window, as_long_as_the_sequence_changes_no_bit) {
  AttentionShape shape{.tokens = 600, .group = 3, .head_dim = 64, .page_tokens = 32, .rows = 24};
  const Random before = random_;
  AttentionCase all(format(), shape, random_);
  random_ = before;
  shape.window = 600;
  AttentionCase window(format(), shape, random_);
  expect_same(window.run(kernels()), all.run(kernels()).data(), "window");
}

// A NaN with a weight of zero would still be one.
TEST_P(attention_window, keeps_what_is_no_number_from_rows_that_do_not_see_it) {
  for (const std::int64_t tokens : {std::int64_t{64}, kAttentionSplit + 45}) {
    const AttentionShape shape{
        .tokens = tokens, .group = 3, .head_dim = 64, .page_tokens = 32, .rows = 13, .window = 29};
    AttentionCase test(format(), shape, random_);
    const std::vector<float> clean = test.run(kernels());
    constexpr std::int64_t kSeeing = 5;  // the first rows
    test.spoil(test.first(0), test.first(kSeeing));
    const std::vector<float> got = test.run(kernels());
    const auto row_floats = static_cast<std::size_t>(shape.group * shape.head_dim);
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (i < kSeeing * row_floats) {
        ASSERT_FALSE(std::isfinite(got[i])) << tokens << " tokens, element " << i;
      } else {
        ASSERT_TRUE(same_bits(got[i], clean[i])) << tokens << " tokens, element " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, attention_window, testing::ValuesIn(attention_variants()),
                         VariantName());
INSTANTIATE_TEST_SUITE_P(prompts, attention_window, testing::ValuesIn(attention_prompt_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
