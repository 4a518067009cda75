// A model's tensors in memory: private, huge-page friendly, 64-byte aligned; matrices packed into
// panels (kernels/panels/layout.hpp), the one copy that all kernels read.
//
// A file changed under a running daemon changes nothing, and the file's pages are given back to the
// kernel as they are read.
//
// THREAD: the engine while it loads; then any reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "files/gguf.hpp"
#include "kernels/kernels.hpp"

namespace hearth {

struct Matrix {
  const std::byte* panels = nullptr;  // [rows, cols] in format
  kernels::WeightFormat format = kernels::WeightFormat::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  std::int64_t groups() const { return (rows + kernels::kRowGroup - 1) / kernels::kRowGroup; }
  std::int64_t group_bytes() const {
    return kernels::panel_bytes(format, kernels::kRowGroup, cols);
  }
  // In the file.
  std::int64_t row_bytes() const {
    const kernels::BlockShape block = kernels::block_shape(format);
    return cols / block.weights * block.bytes;
  }
};

// A matrix for each expert, all of one shape and format.
struct ExpertMatrices {
  Matrix first;            // of expert 0; the others follow it
  std::int64_t count = 0;  // experts

  Matrix of(std::int64_t expert) const {
    Matrix matrix = first;
    matrix.panels += expert * matrix.groups() * matrix.group_bytes();
    return matrix;
  }
};

// Which rows of a tensor make a matrix: count runs of so many rows each, their begins step apart.
struct RowPattern {
  std::int64_t begin = 0;
  std::int64_t length = 0;
  std::int64_t step = 0;
  std::int64_t count = 1;

  std::int64_t rows() const { return length * count; }
  std::int64_t of(std::int64_t row) const { return begin + row / length * step + row % length; }
};

struct Linear {
  Matrix weight;                // [out, in]
  const float* bias = nullptr;  // [out] or null
};

// The memory of all tensors.  Matrices and vectors point into it.
class Weights {
 public:
  static Result<std::unique_ptr<Weights>> allocate(std::uint64_t bytes);
  ~Weights();
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  // The next bytes of the memory, 64-byte aligned; null when it is used up.  Matrices are taken
  // from its begin, and filled when their pages have been told their NUMA nodes; vectors, which are
  // filled at once, from its end.
  std::byte* take(std::uint64_t bytes);
  std::byte* take_at_end(std::uint64_t bytes);
  std::uint64_t bytes() const { return size_ - (end_ - used_); }
  std::span<std::byte> memory() { return {base_, size_}; }

 private:
  Weights() = default;
  std::byte* base_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t used_ = 0;  // [used_, end_) is free
  std::uint64_t end_ = 0;
};

// Takes tensors by name, checking shapes: what an architecture builds its layer table with.
// Matrices have their place at once and their contents after finish(), which packs on all cores.
class WeightLoader {
 public:
  // on_progress(done, total) in bytes, from the loading thread.
  using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;
  static Result<WeightLoader> create(const GgufFile& file, Progress on_progress);

  // A matrix that must be there with this shape.  Errors: MODEL naming tensor and shapes.
  Result<Matrix> matrix(const std::string& name, std::int64_t rows, std::int64_t cols);
  // The matrices of so many experts, which a file has as one tensor [count, rows, cols].
  Result<ExpertMatrices> experts(const std::string& name, std::int64_t count, std::int64_t rows,
                                 std::int64_t cols);
  // stem.weight, and stem.bias where the file has one.
  Result<Linear> linear(const std::string& stem, std::int64_t rows, std::int64_t cols);
  // The same of some rows of a tensor that has them all: [pattern.rows(), cols].
  Result<Linear> linear_rows(const std::string& stem, std::int64_t rows, std::int64_t cols,
                             const RowPattern& pattern);
  // A vector of a value that no file has: of [size] floats.
  Result<const float*> filled(float value, std::int64_t size);
  // A vector that must be there, or several of them in one tensor [count, size], widened to float.
  Result<const float*> vector(const std::string& name, std::int64_t size, std::int64_t count = 1);
  // The same; null when the file has none.
  Result<const float*> optional_vector(const std::string& name, std::int64_t size);
  // A tensor [rows, cols] that must be there, in tiles of so many rows, each transposed:
  // [ceil(rows / tile)][cols][tile] floats, 0 for rows beyond the end.
  Result<const float*> transposed(const std::string& name, std::int64_t rows, std::int64_t cols,
                                  std::int64_t tile);

  const GgufFile& file() const { return *file_; }
  // Of all tensors; the matrices in it are not filled yet.
  std::span<std::byte> memory() { return weights_->memory(); }

  // Pack the matrices and hand over the memory.  Errors: MODEL when the file changed while it was
  // read.
  Result<std::unique_ptr<Weights>> finish();

 private:
  WeightLoader() = default;
  // A tensor [matrices, rows, cols] that must be there.
  Result<const GgufTensor*> find(const std::string& name, std::int64_t matrices, std::int64_t rows,
                                 std::int64_t cols) const;
  static Result<std::byte*> taken(std::byte* place, const GgufTensor& tensor);

  const GgufFile* file_ = nullptr;
  Progress on_progress_;
  std::unique_ptr<Weights> weights_;
  // Rows [begin, end) of a matrix, whole groups but at its end.
  struct Packing {
    const std::byte* rows;  // of the tensor
    RowPattern pattern;     // which of them are the matrix
    Matrix matrix;
    std::int64_t begin, end;

    bool is_run(std::int64_t from, std::int64_t to) const {
      return pattern.of(to - 1) - pattern.of(from) == to - 1 - from;
    }
    const std::byte* row(std::int64_t i) const { return rows + pattern.of(i) * matrix.row_bytes(); }
    std::span<const std::byte> source() const {  // all of its rows, where they lie together
      if (!is_run(begin, end)) return {};
      return {row(begin), static_cast<std::size_t>((end - begin) * matrix.row_bytes())};
    }
  };
  void add_packings(const Matrix& matrix, const std::byte* rows, const RowPattern& pattern);
  static void pack(const Packing& packing);
  void run_packings();

  std::vector<Packing> packings_;  // not done yet
  std::uint64_t done_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace hearth
