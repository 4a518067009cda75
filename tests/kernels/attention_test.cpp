// Goal: every variant of attention and attention_prompt equals softmax attention in double
// precision, as near as its arithmetic allows, whatever the shape; gives a row and a head the same
// bits in any tile, group and cut into splits; and sees nothing but the visible tokens.
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
  std::int64_t rows = 1;   // queries of the last positions
  bool keys_last = false;  // K after V within a page
  float scale = 0.1f;
};

// A variant of attention with the merge of its tier.
struct Kernels {
  AttentionFn attention;
  AttentionMergeFn merge;
};

// A part of a case: heads of the group, rows, and where to cut the positions into calls.
struct Part {
  std::int64_t head_begin, head_end;
  std::int64_t row_begin, row_end;
  std::vector<std::int64_t> cuts = {};  // multiples of kAttentionSplit, rising
};

// The pages of one sequence, as one KV head of one layer sees them, with queries.
class Case {
 public:
  Case(KvFormat format, const Shape& shape, Random& random)
      : shape_(shape),
        keys_(random_kv(format, shape.tokens * shape.head_dim, random)),
        values_(random_kv(format, shape.tokens * shape.head_dim, random)),
        q_(static_cast<std::size_t>(shape.rows * q_stride() - kGap)) {
    for (float& value : q_) value = random_float(random);
    row_bytes_ = kv_bytes(format, shape.head_dim);
    for (std::int64_t token = 0; token < shape.tokens; token += shape.page_tokens) {
      add_page(token, std::min(shape.page_tokens, shape.tokens - token));
    }
  }

  float& q(std::int64_t row, std::int64_t head, std::int64_t k) {
    return q_[static_cast<std::size_t>(row * q_stride() + head * shape_.head_dim + k)];
  }
  void scale_queries(float factor) {
    for (float& value : q_) value *= factor;
  }
  // Make keys and values of the tokens from one on what nobody may see.
  void spoil(std::int64_t token) {
    for (; token < shape_.tokens; ++token) {
      unsigned char* page = payloads_[static_cast<std::size_t>(token / shape_.page_tokens)]->data();
      const std::int64_t at = token % shape_.page_tokens * row_bytes_;
      for (std::int64_t offset : {kFirstOffset, second_offset()}) {
        std::memset(page + offset + at, 0xff, static_cast<std::size_t>(row_bytes_));
      }
    }
  }

  Part whole() const { return {0, shape_.group, 0, shape_.rows}; }

  // Outputs [rows, group, head_dim] of a part.
  std::vector<float> run(const Kernels& kernels, const Part& part) {
    const std::int64_t group = part.head_end - part.head_begin;
    const std::int64_t rows = part.row_end - part.row_begin;
    const std::int64_t floats = attention_state_floats(rows * group, shape_.head_dim);
    const auto count = static_cast<std::int64_t>(part.cuts.size()) + 1;
    const std::int64_t stride = group * shape_.head_dim + kGap;
    GuardedBuffer<float> states(static_cast<std::size_t>(count * floats));
    GuardedBuffer<float> out(static_cast<std::size_t>(rows * stride - kGap));
    for (float& value : states) value = std::numeric_limits<float>::quiet_NaN();
    for (float& value : out) value = std::numeric_limits<float>::quiet_NaN();
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      attend(kernels, part, i == 0 ? 0 : part.cuts[at - 1],
             i == count - 1 ? position(part.row_end) : part.cuts[at], states.data() + i * floats);
    }
    kernels.merge({states.data(), count, rows, group, shape_.head_dim, out.data(), stride});
    EXPECT_TRUE(out.guards_intact() && states.guards_intact());
    std::vector<float> all;
    for (std::int64_t row = 0; row < rows; ++row) {
      const float* begin = out.data() + row * stride;
      all.insert(all.end(), begin, begin + group * shape_.head_dim);
      for (std::int64_t i = 0; row + 1 < rows && i < kGap; ++i) {
        EXPECT_TRUE(std::isnan(begin[group * shape_.head_dim + i]));
      }
    }
    return all;
  }
  std::vector<float> run(const Kernels& kernels) { return run(kernels, whole()); }

  ErrorEnergy compare(const std::vector<float>& got) {
    ErrorEnergy error;
    for (std::int64_t row = 0; row < shape_.rows; ++row) {
      for (std::int64_t head = 0; head < shape_.group; ++head) compare(row, head, got, error);
    }
    return error;
  }

 private:
  static constexpr std::int64_t kFirstOffset = 64;  // what other layers and heads would hold
  static constexpr std::int64_t kGap = 3;           // floats between rows: other heads
  std::int64_t second_offset() const { return kFirstOffset + shape_.page_tokens * row_bytes_ + 4; }
  std::int64_t q_stride() const { return shape_.group * shape_.head_dim + kGap; }
  std::int64_t position(std::int64_t row) const { return shape_.tokens - shape_.rows + row; }

  void attend(const Kernels& kernels, const Part& part, std::int64_t begin, std::int64_t end,
              float* state) {
    const std::int64_t group = part.head_end - part.head_begin;
    const std::int64_t rows = part.row_end - part.row_begin;
    GuardedBuffer<float> scratch(static_cast<std::size_t>(
        attention_scratch_floats(rows * group, shape_.head_dim, shape_.page_tokens)));
    for (float& value : scratch) value = std::numeric_limits<float>::quiet_NaN();
    kernels.attention({.q = &q(part.row_begin, part.head_begin, 0),
                       .q_stride = q_stride(),
                       .pages = pages_.data(),
                       .k_offset = shape_.keys_last ? second_offset() : kFirstOffset,
                       .v_offset = shape_.keys_last ? kFirstOffset : second_offset(),
                       .page_tokens = shape_.page_tokens,
                       .position = position(part.row_begin),
                       .rows = rows,
                       .begin = begin,
                       .end = end,
                       .group = group,
                       .head_dim = shape_.head_dim,
                       .scale = shape_.scale,
                       .state = state,
                       .scratch = scratch.data()});
    EXPECT_TRUE(scratch.guards_intact());
  }

  void compare(std::int64_t row, std::int64_t head, const std::vector<float>& got,
               ErrorEnergy& error) {
    const std::int64_t tokens = position(row) + 1;
    const std::int64_t dim = shape_.head_dim;
    std::vector<double> weights(static_cast<std::size_t>(tokens));
    double max = -INFINITY, sum = 0;
    for (std::int64_t j = 0; j < tokens; ++j) {
      double score = 0;
      for (std::int64_t k = 0; k < dim; ++k) score += q(row, head, k) * keys_.values[j * dim + k];
      weights[j] = score * shape_.scale;
      max = std::max(max, weights[j]);
    }
    for (double& weight : weights) sum += weight = std::exp(weight - max);
    for (std::int64_t k = 0; k < dim; ++k) {
      double want = 0, energy = 0;
      for (std::int64_t j = 0; j < tokens; ++j) {
        const double term = weights[j] / sum * values_.values[j * dim + k];
        want += term;
        energy += term * term;
      }
      error.add(got[(row * shape_.group + head) * dim + k], want, energy);
    }
  }

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
  Kernels kernels() const {
    const std::string name = GetParam().name;
    for (const auto& merge : attention_merge_variants()) {
      if (merge.name == "attention_merge" + tier_of(name)) return {GetParam().fn, merge.fn};
    }
    throw std::logic_error(name + " has no merge in its tier");
  }
  // "_avx512_emulated" of "attention_q8_0_avx512_emulated"; for AMX, what its tier merges with.
  static std::string tier_of(const std::string& name) {
    if (name.ends_with("_amx")) return "_avx512";
    if (name.ends_with("_amx_emulated")) return "_avx512_emulated";
    for (const char* tier : {"_avx512_emulated", "_avx512", "_avx2", "_ref"}) {
      if (name.ends_with(tier)) return tier;
    }
    return "";
  }
  // Whether weights and values are rounded to bf16, of 8 bits.
  bool rounds() const { return std::string(GetParam().name).starts_with("attention_prompt_"); }
  // The largest NMSE of a few outputs of one head, of a call with 512 outputs, and of all cases
  // together.  bf16 rounds up to 1.5e-5 each time, 2.3e-6 on average; together is a quarter above
  // what is measured.
  struct Limits {
    double few, call, together;
  };
  Limits limits() const {
    return rounds() ? Limits{3e-5, 1e-5, 4.8e-6} : Limits{1e-10, 1e-10, 1e-10};
  }
  KvFormat format() const { return GetParam().format; }
  // The format's rows can be so long.
  bool takes(std::int64_t head_dim) const {
    return head_dim % kv_format_info(format()).block_elements == 0;
  }
  Random random_{20260807};
};

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
          Case test(format(), {tokens, group, head_dim, page_tokens, 1, keys_last}, random_);
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
          Case test(format(), {tokens, group, head_dim, 32, rows}, random_);
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
    Case test(format(),
              {.tokens = 3001, .group = 4, .head_dim = 128, .page_tokens = 32, .scale = scale},
              random_);
    worst.add(test.compare(test.run(kernels())), limits().call);
  }
}

// Expects the same bits in all of part and in what lies at an offset of whole.
void expect_same(const std::vector<float>& part, const float* whole, const std::string& what) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    ASSERT_TRUE(same_bits(part[i], whole[i])) << what << ", element " << i;
  }
}

TEST_P(attention, gives_a_head_the_same_bits_in_any_group) {
  for (std::int64_t head_dim : {10, 64, 128}) {
    if (!takes(head_dim)) continue;
    constexpr std::int64_t kGroup = 15;
    const Shape shape{.tokens = 77, .group = kGroup, .head_dim = head_dim, .page_tokens = 32};
    Case test(format(), shape, random_);
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
      const Shape shape{.tokens = tokens,
                        .group = 3,
                        .head_dim = 64,
                        .page_tokens = page_tokens,
                        .rows = page_tokens};
      for (std::int64_t count : {5, 2, 1}) {
        Case test(format(), shape, random_);
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
    const Shape shape{.tokens = tokens, .group = 3, .head_dim = 64, .page_tokens = 32, .rows = 13};
    Case test(format(), shape, random_);
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
  const Shape shape{
      .tokens = 3 * kSplit + 70, .group = 2, .head_dim = 64, .page_tokens = 32, .rows = 5};
  Case test(format(), shape, random_);
  const std::vector<float> together = test.run(kernels());
  Part part = test.whole();
  using Cuts = std::vector<std::int64_t>;
  for (const Cuts& cuts :
       {Cuts{kSplit, 2 * kSplit, 3 * kSplit}, Cuts{2 * kSplit, 3 * kSplit}, Cuts{3 * kSplit}}) {
    part.cuts = cuts;
    expect_same(test.run(kernels(), part), together.data(), "cut");
  }
}

TEST_P(attention, of_scores_of_ten_thousand_picks_the_largest) {
  const Shape shape{.tokens = 70, .group = 3, .head_dim = 64, .page_tokens = 32, .scale = 1.0f};
  Case test(format(), shape, random_);
  test.scale_queries(1e4f);
  const std::vector<float> got = test.run(kernels());
  for (float value : got) ASSERT_TRUE(std::isfinite(value));
  // A score's rounding error, about 1e-3 here, is a factor of exp(1e-3) between two near winners.
  EXPECT_LE(test.compare(got).nmse(), 1e-5);
}

TEST_P(attention, survives_queries_that_are_no_numbers) {
  const Shape shape{.tokens = 40, .group = 5, .head_dim = 32, .page_tokens = 8};
  Case test(format(), shape, random_);
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
