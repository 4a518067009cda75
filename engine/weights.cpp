// See weights.hpp.
#include "engine/weights.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstring>
#include <thread>
#include <vector>

#include "cache/page_key.hpp"
#include "common/checked.hpp"
#include "files/tensor_memory.hpp"

namespace hearth {
namespace {

constexpr std::uint64_t kAlignment = 64;      // one cache line, one AVX-512 register
constexpr std::uint64_t kTailBytes = 64;      // readable behind the last tensor
constexpr std::int64_t kPackBytes = 1 << 20;  // at a time
constexpr std::size_t kPackThreadsMax = 16;   // memory is not faster for more
constexpr std::uint64_t kTileColsMax = 1024;  // of a tensor that is laid out in tiles

std::string supported_formats() {
  std::string names;
  for (const kernels::WeightFormatInfo& info : kernels::kWeightFormats) {
    names += std::string(names.empty() ? "" : ", ") + info.name;
  }
  return names;
}

// What a tensor may take more when its rows make up to kPartsMax matrices, or when it is laid out
// in tiles: groups, and tiles of kRowGroup rows of floats, that are not full.
std::uint64_t parts_memory(const GgufTensor& tensor) {
  constexpr std::uint64_t kPartsMax = 8;
  if (tensor.dim_count == 1) return kPartsMax * (tensor.dims[0] * sizeof(float) + kAlignment);
  if (tensor.dim_count != 2) return 0;
  const std::uint64_t row_bytes = tensor.data.size() / tensor.dims[1];
  const std::uint64_t rows = kPartsMax * kernels::kRowGroup;
  std::uint64_t bytes = rows * (row_bytes + kAlignment);
  if (tensor.dims[0] <= kTileColsMax) {
    bytes += (tensor.dims[1] + rows) * tensor.dims[0] * sizeof(float);
  }
  return bytes;
}

}  // namespace

Result<std::unique_ptr<Weights>> Weights::allocate(std::uint64_t bytes) {
  std::unique_ptr<Weights> weights(new Weights());
  weights->size_ = bytes + kTailBytes;
  weights->end_ = bytes;
  void* base = mmap(nullptr, weights->size_, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return Error{Code::OUT_OF_MEMORY, fmt::format("no memory for {} bytes of weights", bytes)};
  }
  weights->base_ = static_cast<std::byte*>(base);
  // 2 MiB pages read about a third faster (reference/kernels.md, section 2.1); without them it
  // works.
  madvise(base, weights->size_, MADV_HUGEPAGE);
  madvise(base, weights->size_, MADV_DONTDUMP);
  return weights;
}

Weights::~Weights() {
  if (base_ != nullptr) munmap(base_, size_);
}

std::byte* Weights::take(std::uint64_t bytes) {
  const std::uint64_t begin = align_up(used_, kAlignment);
  if (begin > end_ || bytes > end_ - begin) return nullptr;
  used_ = begin + bytes;
  return base_ + begin;
}

std::byte* Weights::take_at_end(std::uint64_t bytes) {
  if (bytes > end_) return nullptr;
  const std::uint64_t begin = (end_ - bytes) / kAlignment * kAlignment;
  if (begin < used_) return nullptr;
  end_ = begin;
  return base_ + begin;
}

Result<WeightLoader> WeightLoader::create(const GgufFile& file, Progress on_progress) {
  WeightLoader loader;
  loader.file_ = &file;
  loader.on_progress_ = std::move(on_progress);
  std::uint64_t bytes = 0;  // a small multiple of the file's size: cannot overflow
  for (const GgufTensor& tensor : file.tensors()) {
    // What is not used is never touched: a tensor may be taken apart, or laid out in tiles.
    bytes += align_up<std::uint64_t>(tensor_memory(tensor), kAlignment) + parts_memory(tensor);
    loader.total_bytes_ += tensor.data.size();
  }
  HEARTH_TRY(loader.weights_, Weights::allocate(bytes));
  return loader;
}

Result<const GgufTensor*> WeightLoader::find(const std::string& name, std::int64_t matrices,
                                             std::int64_t rows, std::int64_t cols) const {
  const GgufTensor* tensor = file_->find_tensor(name);
  if (tensor == nullptr) {
    return Error{Code::MODEL, fmt::format("{}: tensor {} is missing", file_->path(), name)};
  }
  if (!weight_format(tensor->type)) {
    return Error{Code::MODEL, fmt::format("{}: tensor {} is {}, which is not supported; supported "
                                          "are {}",
                                          file_->path(), name, tensor_type_name(tensor->type),
                                          supported_formats())};
  }
  if (tensor->dims[0] != static_cast<std::uint64_t>(cols) ||
      tensor->dims[1] != static_cast<std::uint64_t>(rows) ||
      tensor->dims[2] != static_cast<std::uint64_t>(matrices) || tensor->dims[3] != 1) {
    const std::string depth = matrices == 1 ? "" : fmt::format(" x {}", matrices);
    return Error{Code::MODEL,
                 fmt::format("{}: tensor {} is {} x {} x {} x {}, expected were {} x {}{}",
                             file_->path(), name, tensor->dims[0], tensor->dims[1], tensor->dims[2],
                             tensor->dims[3], cols, rows, depth)};
  }
  return tensor;
}

Result<std::byte*> WeightLoader::taken(std::byte* place, const GgufTensor& tensor) {
  if (place == nullptr) {  // a tensor used twice: the architecture's mistake
    return Error{Code::INTERNAL, fmt::format("tensor {} was loaded twice", tensor.name)};
  }
  return place;
}

Result<Matrix> WeightLoader::matrix(const std::string& name, std::int64_t rows, std::int64_t cols) {
  HEARTH_TRY(const ExpertMatrices matrices, experts(name, 1, rows, cols));
  return matrices.first;
}

Result<ExpertMatrices> WeightLoader::experts(const std::string& name, std::int64_t count,
                                             std::int64_t rows, std::int64_t cols) {
  HEARTH_TRY(const GgufTensor* tensor, find(name, count, rows, cols));
  ExpertMatrices experts = {{nullptr, *weight_format(tensor->type), rows, cols}, count};
  const std::int64_t bytes = experts.first.groups() * experts.first.group_bytes();
  HEARTH_TRY(std::byte * place,
             taken(weights_->take(static_cast<std::uint64_t>(count * bytes)), *tensor));
  experts.first.panels = place;
  for (std::int64_t expert = 0; expert < count; ++expert) {
    add_packings(experts.of(expert),
                 tensor->data.data() + expert * rows * experts.first.row_bytes(),
                 {0, rows, rows, 1});
  }
  return experts;
}

void WeightLoader::add_packings(const Matrix& matrix, const std::byte* rows,
                                const RowPattern& pattern) {
  const std::int64_t step =
      std::max<std::int64_t>(1, kPackBytes / matrix.group_bytes()) * kernels::kRowGroup;
  for (std::int64_t row = 0; row < matrix.rows; row += step) {
    packings_.push_back({rows, pattern, matrix, row, std::min(row + step, matrix.rows)});
  }
}

Result<Linear> WeightLoader::linear_rows(const std::string& stem, std::int64_t rows,
                                         std::int64_t cols, const RowPattern& pattern) {
  assert(pattern.of(pattern.rows() - 1) < rows);
  HEARTH_TRY(const GgufTensor* tensor, find(stem + ".weight", 1, rows, cols));
  Linear linear = {{nullptr, *weight_format(tensor->type), pattern.rows(), cols}};
  Matrix& matrix = linear.weight;
  const std::int64_t bytes = matrix.groups() * matrix.group_bytes();
  HEARTH_TRY(matrix.panels, taken(weights_->take(static_cast<std::uint64_t>(bytes)), *tensor));
  add_packings(matrix, tensor->data.data(), pattern);
  HEARTH_TRY(const float* all, optional_vector(stem + ".bias", rows));
  if (all == nullptr) return linear;
  const auto count = static_cast<std::size_t>(pattern.rows());
  HEARTH_TRY(std::byte * place, taken(weights_->take_at_end(count * sizeof(float)), *tensor));
  auto* bias = reinterpret_cast<float*>(place);
  for (std::int64_t row = 0; row < pattern.rows(); ++row) bias[row] = all[pattern.of(row)];
  linear.bias = bias;
  return linear;
}

Result<const float*> WeightLoader::vector(const std::string& name, std::int64_t size,
                                          std::int64_t count) {
  HEARTH_TRY(const GgufTensor* tensor, find(name, 1, count, size));
  const auto floats_bytes = static_cast<std::size_t>(size * count) * sizeof(float);
  HEARTH_TRY(std::byte * place, taken(weights_->take_at_end(floats_bytes), *tensor));
  auto* floats = reinterpret_cast<float*>(place);
  const kernels::WeightFormat format = *weight_format(tensor->type);
  const Matrix rows = {nullptr, format, count, size};
  for (std::int64_t i = 0; i < count; ++i) {
    kernels::dequant_row(
        {format, tensor->data.data() + i * rows.row_bytes(), size, floats + i * size});
  }
  done_bytes_ += tensor->data.size();
  return floats;
}

Result<const float*> WeightLoader::filled(float value, std::int64_t size) {
  const auto count = static_cast<std::size_t>(size);
  std::byte* place = weights_->take_at_end(count * sizeof(float));
  if (place == nullptr) return Error{Code::INTERNAL, "no room for a vector of one value"};
  auto* floats = reinterpret_cast<float*>(place);
  std::fill_n(floats, count, value);
  return floats;
}

Result<const float*> WeightLoader::transposed(const std::string& name, std::int64_t rows,
                                              std::int64_t cols, std::int64_t tile) {
  HEARTH_TRY(const GgufTensor* tensor, find(name, 1, rows, cols));
  const std::int64_t tiles = (rows + tile - 1) / tile;
  const auto bytes = static_cast<std::size_t>(tiles * tile * cols) * sizeof(float);
  HEARTH_TRY(std::byte * place, taken(weights_->take_at_end(bytes), *tensor));
  auto* floats = reinterpret_cast<float*>(place);
  const Matrix as_matrix = {nullptr, *weight_format(tensor->type), rows, cols};
  std::vector<float> row(static_cast<std::size_t>(cols));
  for (std::int64_t r = 0; r < rows; ++r) {
    kernels::dequant_row(
        {as_matrix.format, tensor->data.data() + r * as_matrix.row_bytes(), cols, row.data()});
    for (std::int64_t c = 0; c < cols; ++c) {
      floats[(r / tile * cols + c) * tile + r % tile] = row[static_cast<std::size_t>(c)];
    }
  }
  done_bytes_ += tensor->data.size();
  return floats;
}

Result<const float*> WeightLoader::optional_vector(const std::string& name, std::int64_t size) {
  if (file_->find_tensor(name) == nullptr) return static_cast<const float*>(nullptr);
  return vector(name, size);
}

Result<Linear> WeightLoader::linear(const std::string& stem, std::int64_t rows, std::int64_t cols) {
  Linear linear;
  HEARTH_TRY(linear.weight, matrix(stem + ".weight", rows, cols));
  HEARTH_TRY(linear.bias, optional_vector(stem + ".bias", rows));
  return linear;
}

void WeightLoader::pack(const Packing& packing) {
  const Matrix& matrix = packing.matrix;
  for (std::int64_t row = packing.begin; row < packing.end; row += kernels::kRowGroup) {
    std::byte* group = const_cast<std::byte*>(matrix.panels) +  // ours, not filled yet
                       row / kernels::kRowGroup * matrix.group_bytes();
    const std::int64_t count = std::min<std::int64_t>(kernels::kRowGroup, packing.end - row);
    const std::byte* from = packing.row(row);
    std::vector<std::byte> gathered;
    if (!packing.is_run(row, row + count)) {
      for (std::int64_t i = row; i < row + count; ++i) {
        gathered.insert(gathered.end(), packing.row(i), packing.row(i) + matrix.row_bytes());
      }
      from = gathered.data();
    }
    kernels::pack_group({matrix.format, from, count, matrix.cols, group});
  }
}

void WeightLoader::run_packings() {
  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> done = done_bytes_;
  const auto pack_next = [&] {
    const std::size_t i = next.fetch_add(1);
    if (i >= packings_.size()) return false;
    pack(packings_[i]);
    file_->release(packings_[i].source());  // one copy of a model in memory, not two
    done += static_cast<std::uint64_t>((packings_[i].end - packings_[i].begin) *
                                       packings_[i].matrix.row_bytes());
    return true;
  };
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t threads = std::min<std::size_t>({cores, kPackThreadsMax, packings_.size()});
  std::vector<std::jthread> helpers;
  for (std::size_t i = 1; i < threads; ++i) {
    helpers.emplace_back([&] {
      while (pack_next()) continue;
    });
  }
  while (pack_next()) {
    if (on_progress_) on_progress_(done, total_bytes_);
  }
  helpers.clear();
  packings_.clear();
  if (on_progress_) on_progress_(done, total_bytes_);
}

Result<std::unique_ptr<Weights>> WeightLoader::finish() {
  run_packings();
  if (file_->vanished()) {
    return Error{Code::MODEL,
                 fmt::format("{}: the file was truncated while it was read", file_->path())};
  }
  return std::move(weights_);
}

}  // namespace hearth
