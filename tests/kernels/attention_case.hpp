// What the tests of attention share: the pages of a sequence, softmax attention in double
// precision.
//
// Pages are random in their format with their exact values (oracle.hpp).  The last page ends with
// its last visible value, at an inaccessible page of memory; what else no token should see is NaN.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
struct AttentionShape {
  std::int64_t tokens, group, head_dim, page_tokens;
  std::int64_t rows = 1;   // queries of the last positions
  bool keys_last = false;  // K after V within a page
  float scale = 0.1f;
  std::int64_t window = 0;
};

// A variant of attention with the merge of its tier.
struct AttentionKernels {
  AttentionFn attention;
  AttentionMergeFn merge;
};

// A part of a case: heads of the group, rows, and where to cut the positions into calls.
struct AttentionPart {
  std::int64_t head_begin, head_end;
  std::int64_t row_begin, row_end;
  std::vector<std::int64_t> cuts = {};  // multiples of kAttentionSplit, rising
};

// The pages of one sequence, as one KV head of one layer sees them, with queries.
class AttentionCase {
 public:
  AttentionCase(KvFormat format, const AttentionShape& shape, Random& random)
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
  void spoil(std::int64_t token) { spoil(token, shape_.tokens); }
  // Likewise of the tokens before one; pages with no others are gone.
  void spoil_before(std::int64_t token) {
    spoil(token / shape_.page_tokens * shape_.page_tokens, token);
    for (std::int64_t page = 0; page < token / shape_.page_tokens; ++page) {
      pages_[static_cast<std::size_t>(page)] = nullptr;
    }
  }
  void spoil(std::int64_t token, std::int64_t end) {
    for (; token < end; ++token) {
      unsigned char* page = payloads_[static_cast<std::size_t>(token / shape_.page_tokens)]->data();
      const std::int64_t at = token % shape_.page_tokens * row_bytes_;
      for (std::int64_t offset : {kFirstOffset, second_offset()}) {
        std::memset(page + offset + at, 0xff, static_cast<std::size_t>(row_bytes_));
      }
    }
  }

  std::int64_t position(std::int64_t row) const { return shape_.tokens - shape_.rows + row; }
  // The first position that a row sees.
  std::int64_t first(std::int64_t row) const {
    if (shape_.window == 0) return 0;
    return std::max<std::int64_t>(0, position(row) - shape_.window + 1);
  }

  AttentionPart whole() const { return {0, shape_.group, 0, shape_.rows}; }

  // Outputs [rows, group, head_dim] of a part.
  std::vector<float> run(const AttentionKernels& kernels, const AttentionPart& part) {
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
  std::vector<float> run(const AttentionKernels& kernels) { return run(kernels, whole()); }

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

  void attend(const AttentionKernels& kernels, const AttentionPart& part, std::int64_t begin,
              std::int64_t end, float* state) {
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
                       .window = shape_.window,
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
    for (std::int64_t j = first(row); j < tokens; ++j) {
      double score = 0;
      for (std::int64_t k = 0; k < dim; ++k) score += q(row, head, k) * keys_.values[j * dim + k];
      weights[j] = score * shape_.scale;
      max = std::max(max, weights[j]);
    }
    for (std::int64_t j = first(row); j < tokens; ++j) {
      sum += weights[j] = std::exp(weights[j] - max);
    }
    for (std::int64_t k = 0; k < dim; ++k) {
      double want = 0, energy = 0;
      for (std::int64_t j = first(row); j < tokens; ++j) {
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

  AttentionShape shape_;
  Stored keys_;    // [tokens, head_dim]
  Stored values_;  // [tokens, head_dim]
  GuardedBuffer<float> q_;
  std::int64_t row_bytes_ = 0;
  std::vector<std::unique_ptr<GuardedBuffer<unsigned char>>> payloads_;
  std::vector<const std::byte*> pages_;
};

class AttentionTest : public testing::TestWithParam<Entry<AttentionFn, KvFormat>> {
 protected:
  AttentionKernels kernels() const {
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

// Expects the same bits in all of part and in what lies at an offset of whole.
inline void expect_same(const std::vector<float>& part, const float* whole,
                        const std::string& what) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    ASSERT_TRUE(same_bits(part[i], whole[i])) << what << ", element " << i;
  }
}

}  // namespace hearth::kernels
