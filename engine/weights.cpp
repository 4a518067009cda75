// See weights.hpp.
#include "engine/weights.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "cache/page_key.hpp"
#include "common/checked.hpp"

namespace hearth {
namespace {

constexpr std::uint64_t kAlignment = 64;  // one cache line, one AVX-512 register
constexpr std::uint64_t kTailBytes = 64;  // readable behind the last tensor
constexpr std::size_t kCopyBytes = 4u << 20;
constexpr std::size_t kCopyThreadsMax = 16;  // more do not copy faster

std::optional<kernels::WeightFormat> weight_format(std::uint32_t gguf_type) {
  for (const kernels::WeightFormatInfo& info : kernels::kWeightFormats) {
    if (info.gguf_number == gguf_type) return info.format;
  }
  return std::nullopt;
}

std::string supported_formats() {
  std::string names;
  for (const kernels::WeightFormatInfo& info : kernels::kWeightFormats) {
    names += std::string(names.empty() ? "" : ", ") + info.name;
  }
  return names;
}

// Room for a tensor: vectors are widened to float.
std::uint64_t memory_of(const GgufTensor& tensor) {
  const std::uint64_t widened = tensor.dim_count == 1 ? tensor.dims[0] * sizeof(float) : 0;
  return align_up<std::uint64_t>(std::max<std::uint64_t>(widened, tensor.data.size()), kAlignment);
}

}  // namespace

Result<std::unique_ptr<Weights>> Weights::allocate(std::uint64_t bytes) {
  std::unique_ptr<Weights> weights(new Weights());
  weights->size_ = bytes + kTailBytes;
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
  if (begin > size_ - kTailBytes || bytes > size_ - kTailBytes - begin) return nullptr;
  used_ = begin + bytes;
  return base_ + begin;
}

Result<WeightLoader> WeightLoader::create(const GgufFile& file, Progress on_progress) {
  WeightLoader loader;
  loader.file_ = &file;
  loader.on_progress_ = std::move(on_progress);
  std::uint64_t bytes = 0;  // sums of sizes inside the file and small vectors: cannot overflow
  for (const GgufTensor& tensor : file.tensors()) {
    bytes += memory_of(tensor);
    loader.total_bytes_ += tensor.data.size();
  }
  HEARTH_TRY(loader.weights_, Weights::allocate(bytes));
  return loader;
}

Result<const GgufTensor*> WeightLoader::find(const std::string& name, std::int64_t rows,
                                             std::int64_t cols) const {
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
      tensor->dims[1] != static_cast<std::uint64_t>(rows) || tensor->dims[2] != 1 ||
      tensor->dims[3] != 1) {
    return Error{Code::MODEL,
                 fmt::format("{}: tensor {} is {} x {} x {} x {}, expected were {} x {}",
                             file_->path(), name, tensor->dims[0], tensor->dims[1], tensor->dims[2],
                             tensor->dims[3], cols, rows)};
  }
  return tensor;
}

Result<std::byte*> WeightLoader::copy(const GgufTensor& tensor, std::uint64_t bytes) {
  std::byte* place = weights_->take(bytes);
  if (place == nullptr) {  // a tensor used twice: the architecture's mistake
    return Error{Code::INTERNAL, fmt::format("tensor {} was loaded twice", tensor.name)};
  }
  return place;
}

Result<Matrix> WeightLoader::matrix(const std::string& name, std::int64_t rows, std::int64_t cols) {
  HEARTH_TRY(const GgufTensor* tensor, find(name, rows, cols));
  HEARTH_TRY(std::byte * place, copy(*tensor, tensor->data.size()));
  for (std::size_t at = 0; at < tensor->data.size(); at += kCopyBytes) {
    copies_.push_back(
        {tensor->data.data() + at, place + at, std::min(kCopyBytes, tensor->data.size() - at)});
  }
  return Matrix{place, *weight_format(tensor->type), rows, cols};
}

Result<const float*> WeightLoader::vector(const std::string& name, std::int64_t size) {
  HEARTH_TRY(const GgufTensor* tensor, find(name, 1, size));
  const auto count = static_cast<std::size_t>(size);
  HEARTH_TRY(std::byte * place, copy(*tensor, count * sizeof(float)));
  auto* floats = reinterpret_cast<float*>(place);
  const auto format = static_cast<std::size_t>(*weight_format(tensor->type));
  kernels::select_kernels(0).dequant_row[format]({tensor->data.data(), size, floats});
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

void WeightLoader::run_copies() {
  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> done = done_bytes_;
  const auto copy_next = [&] {
    const std::size_t i = next.fetch_add(1);
    if (i >= copies_.size()) return false;
    std::memcpy(copies_[i].to, copies_[i].from, copies_[i].size);
    done += copies_[i].size;
    return true;
  };
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t threads = std::min<std::size_t>({cores, kCopyThreadsMax, copies_.size()});
  std::vector<std::jthread> helpers;
  for (std::size_t i = 1; i < threads; ++i) {
    helpers.emplace_back([&] {
      while (copy_next()) continue;
    });
  }
  while (copy_next()) {
    if (on_progress_) on_progress_(done, total_bytes_);
  }
  helpers.clear();
  copies_.clear();
  if (on_progress_) on_progress_(done, total_bytes_);
}

Result<std::unique_ptr<Weights>> WeightLoader::finish() {
  run_copies();
  if (file_->vanished()) {
    return Error{Code::MODEL,
                 fmt::format("{}: the file was truncated while it was read", file_->path())};
  }
  return std::move(weights_);
}

}  // namespace hearth
