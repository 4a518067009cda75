// A matrix product under test: random weights in their format and in panels, activations, and what
// the product is in double precision.  Inputs end at an inaccessible page.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kernels/variants.hpp"
#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"

namespace hearth::kernels {

inline constexpr float kUntouched = 12345.0f;

struct Shape {
  std::int64_t rows, cols, tokens;
  std::int64_t x_gap = 0, y_gap = 0;  // added to the strides
  bool bias = false, accumulate = false;
};

inline bool takes_floats(WeightFormat format) {
  return block_shape(format).weights == 1;
}

// One matrix with its inputs.
class Case {
 public:
  Case(WeightFormat format, const Shape& shape, Random& random)
      : format_(format),
        shape_(shape),
        stored_(random_weights(format, shape.rows * shape.cols, random)),
        panels_(static_cast<std::size_t>(panel_bytes(format, shape.rows, shape.cols))),
        x_(static_cast<std::size_t>((shape.tokens - 1) * x_stride() + shape.cols)),
        blocks_(static_cast<std::size_t>((block_count() - 1) * block_stride() + shape.tokens)),
        splits_(blocks_.size()),
        bias_(static_cast<std::size_t>(shape.rows)) {
    pack();
    for (float& value : x_) value = random_float(random);
    for (float& value : bias_) value = random_float(random);
    old_y_.resize(static_cast<std::size_t>(shape.rows * shape.tokens));
    for (float& value : old_y_) value = random_float(random);
    quantize();
  }

  std::int64_t x_stride() const { return shape_.cols + shape_.x_gap; }
  std::int64_t block_stride() const { return shape_.tokens + shape_.x_gap; }
  std::int64_t block_count() const { return (shape_.cols + 255) / 256; }
  GuardedBuffer<float>& x() { return x_; }
  std::vector<unsigned char>& weights() { return stored_.bytes; }

  // The file's rows into panels, and x into blocks: again, after a change.
  void pack() {
    const std::size_t row_bytes = stored_.bytes.size() / static_cast<std::size_t>(shape_.rows);
    const std::int64_t bytes = panel_bytes(format_, kRowGroup, shape_.cols);
    for (std::int64_t row = 0; row < shape_.rows; row += kRowGroup) {
      pack_group({format_, stored_.bytes.data() + static_cast<std::size_t>(row) * row_bytes,
                  std::min<std::int64_t>(kRowGroup, shape_.rows - row), shape_.cols,
                  panels_.data() + row / kRowGroup * bytes});
    }
  }
  void quantize() {
    for (std::int64_t t = 0; t < shape_.tokens; ++t) {
      quantize_activations_ref(
          {x_.data() + t * x_stride(), shape_.cols, blocks_.data() + t, block_stride()});
      split_activations_ref(
          {x_.data() + t * x_stride(), shape_.cols, splits_.data() + t, block_stride()});
    }
  }

  // Outputs [tokens, rows] of some tokens and groups; fails if any other output is touched.
  std::vector<float> run(LinearFn fn, std::int64_t token_begin, std::int64_t token_end,
                         std::int64_t group_begin, std::int64_t group_end) {
    const std::int64_t row_begin = group_begin * kRowGroup;
    const std::int64_t row_end = std::min(group_end * kRowGroup, shape_.rows);
    const std::int64_t stride = shape_.rows + shape_.y_gap;
    const std::int64_t tokens = token_end - token_begin;
    GuardedBuffer<float> y(static_cast<std::size_t>((tokens - 1) * stride + shape_.rows));
    for (float& value : y) value = kUntouched;
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t r = row_begin; r < row_end; ++r) {
        y[t * stride + r] = old_y_[(t + token_begin) * shape_.rows + r];
      }
    }
    const bool floats = takes_floats(format_);
    fn({.panels = panels_.data(),
        .rows = shape_.rows,
        .cols = shape_.cols,
        .group_begin = group_begin,
        .group_end = group_end,
        .x = floats ? x_.data() + token_begin * x_stride() : nullptr,
        .x_stride = x_stride(),
        .blocks = floats ? nullptr : blocks_.data() + token_begin,
        .splits = floats ? splits_.data() + token_begin : nullptr,
        .block_stride = block_stride(),
        .y = y.data(),
        .y_stride = stride,
        .tokens = tokens,
        .bias = shape_.bias ? bias_.data() : nullptr,
        .accumulate = shape_.accumulate});
    EXPECT_TRUE(y.guards_intact());
    std::vector<float> out;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::int64_t r = static_cast<std::int64_t>(i) % stride;
      if (r >= row_begin && r < row_end) {
        out.push_back(y[i]);
      } else {
        EXPECT_EQ(y[i], kUntouched) << "element " << i;
      }
    }
    return out;
  }
  std::vector<float> run(LinearFn fn) { return run(fn, 0, shape_.tokens, 0, groups()); }
  std::int64_t groups() const { return (shape_.rows + kRowGroup - 1) / kRowGroup; }

  // What a product is made of: the floats, or what stands in the blocks.
  enum class Activations : std::uint8_t { as_multiplied, exact };
  double activation(Activations kind, std::int64_t token, std::int64_t k) {
    if (kind == Activations::exact || takes_floats(format_)) return x_[token * x_stride() + k];
    const ActivationBlock& block = blocks_[k / 256 * block_stride() + token];
    return double{block.scale} * block.q[k % 256];
  }

  ErrorEnergy compare(const std::vector<float>& got,
                      Activations kind = Activations::as_multiplied) {
    ErrorEnergy error;
    for (std::int64_t t = 0; t < shape_.tokens; ++t) {
      for (std::int64_t r = 0; r < shape_.rows; ++r) {
        double want = 0, energy = 0;
        const auto add = [&](double term) { want += term, energy += term * term; };
        for (std::int64_t k = 0; k < shape_.cols; ++k) {
          add(stored_.values[r * shape_.cols + k] * activation(kind, t, k));
        }
        if (shape_.bias) add(bias_[r]);
        if (shape_.accumulate) add(old_y_[t * shape_.rows + r]);
        error.add(got[t * shape_.rows + r], want, energy);
      }
    }
    return error;
  }

 private:
  WeightFormat format_;
  Shape shape_;
  Stored stored_;
  GuardedBuffer<unsigned char> panels_;
  GuardedBuffer<float> x_;
  GuardedBuffer<ActivationBlock> blocks_;
  GuardedBuffer<SplitBlock> splits_;
  GuardedBuffer<float> bias_;
  std::vector<float> old_y_;  // [tokens, rows]
};

// A token's outputs have the same bits alone, and among so many others, as among all of the
// shape's.
inline void expect_tokens_alike(const Entry<LinearFn, WeightFormat>& variant, const Shape& shape,
                                Random& random, const std::vector<std::int64_t>& counts) {
  Case test(variant.format, shape, random);
  const std::vector<float> together = test.run(variant.fn);
  for (const std::int64_t tokens : counts) {
    for (const std::int64_t token : {std::int64_t{0}, shape.tokens - tokens}) {
      const auto part = test.run(variant.fn, token, token + tokens, 0, test.groups());
      for (std::size_t i = 0; i < part.size(); ++i) {
        ASSERT_TRUE(same_bits(part[i], together[token * shape.rows + i]))
            << "cols " << shape.cols << ", tokens " << tokens << ", element " << i;
      }
    }
  }
}

// A row's outputs have the same bits in any range of groups.
inline void expect_ranges_alike(const Entry<LinearFn, WeightFormat>& variant, const Shape& shape,
                                Random& random) {
  Case test(variant.format, shape, random);
  const std::vector<float> together = test.run(variant.fn);
  for (std::int64_t begin = 0; begin < test.groups(); ++begin) {
    const std::int64_t end = begin + 1 + random_below(random, test.groups() - begin);
    const std::int64_t row_begin = begin * kRowGroup;
    const std::int64_t row_end = std::min(end * kRowGroup, shape.rows);
    const auto part = test.run(variant.fn, 0, shape.tokens, begin, end);
    for (std::int64_t t = 0; t < shape.tokens; ++t) {
      for (std::int64_t r = row_begin; r < row_end; ++r) {
        ASSERT_TRUE(same_bits(part[t * (row_end - row_begin) + r - row_begin],
                              together[t * shape.rows + r]))
            << "groups " << begin << " .. " << end << ", token " << t << ", row " << r;
      }
    }
  }
}

}  // namespace hearth::kernels
