// Tensor by tensor: rows are widened, checked, rounded and written in the order of the input.
#include "files/quantizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "files/gguf_header.hpp"
#include "kernels/quantize/quantize.hpp"

namespace hearth {
namespace {

constexpr std::uint32_t kQuantizationVersion = 2;  // of the block layouts, as the field counts them

std::optional<kernels::WeightFormat> format_of_type(std::uint32_t gguf_number) {
  for (const kernels::WeightFormatInfo& info : kernels::kWeightFormats) {
    if (info.gguf_number == gguf_number) return info.format;
  }
  return std::nullopt;
}

// What becomes of one tensor.
struct Job {
  const GgufTensor* tensor;
  std::optional<kernels::WeightFormat> from;  // nullopt: unknown, copied
  std::optional<kernels::WeightFormat> to;    // nullopt: copied
  std::uint64_t bytes;                        // of the result

  std::uint64_t cols() const { return tensor->dims[0]; }
  std::uint64_t rows() const { return tensor->dims[1] * tensor->dims[2] * tensor->dims[3]; }
};

std::uint64_t row_bytes(kernels::WeightFormat format, std::uint64_t cols) {
  const kernels::BlockShape block = kernels::block_shape(format);
  return cols / static_cast<std::uint64_t>(block.weights) * static_cast<std::uint64_t>(block.bytes);
}

std::uint64_t value_or(const GgufFile& file, const std::string& key, std::uint64_t otherwise) {
  const auto value = file.uint_value(key);
  return value && *value ? **value : otherwise;
}

Result<std::vector<Job>> plan_jobs(const GgufFile& file, const QuantizeMix& mix) {
  const auto architecture = file.string_value("general.architecture");
  const std::string prefix = architecture && *architecture ? std::string(**architecture) : "";
  const std::uint64_t heads = value_or(file, prefix + ".attention.head_count", 1);
  const std::uint64_t kv_heads = value_or(file, prefix + ".attention.head_count_kv", heads);
  const std::uint64_t layers = value_or(file, prefix + ".block_count", 0);
  const bool tied = file.find_tensor("output.weight") == nullptr;
  if (file.tensors().empty()) {
    return Error{Code::MODEL, file.path() + ": the file holds no tensors"};
  }
  std::vector<Job> jobs;
  for (const GgufTensor& tensor : file.tensors()) {
    const auto from = format_of_type(tensor.type);
    auto to = mix.format_of({tensor.name, tensor.dims[0], tensor.dim_count, layers, tied,
                             heads / std::max<std::uint64_t>(1, kv_heads)});
    if (tensor.data.empty() || (to && !from)) {
      return Error{Code::MODEL,
                   fmt::format("{}: tensor {} is {}, which cannot be converted", file.path(),
                               tensor.name, tensor_type_name(tensor.type))};
    }
    if (to == from) to = std::nullopt;
    Job job = {&tensor, from, to, tensor.data.size()};
    if (to) job.bytes = row_bytes(*to, job.cols()) * job.rows();
    jobs.push_back(job);
  }
  return jobs;
}

GgufHeader make_header(const GgufFile& file, const QuantizeMix& mix, const std::vector<Job>& jobs) {
  GgufHeader header;
  for (const std::string_view key : file.keys_with_prefix("")) {
    const bool replaced = key == "general.file_type" || key == "general.quantization_version" ||
                          key == "general.alignment" || key.starts_with("split.");
    if (!replaced) header.copy_value(key, *file.find(key));
  }
  header.add_u32("general.file_type", mix.file_type());
  header.add_u32("general.quantization_version", kQuantizationVersion);
  for (const Job& job : jobs) {
    const auto type =
        job.to ? kernels::kWeightFormats[static_cast<int>(*job.to)].gguf_number : job.tensor->type;
    header.add_tensor(job.tensor->name, std::span(job.tensor->dims, job.tensor->dim_count), type,
                      job.bytes);
  }
  return header;
}

// Convert rows on so many threads.  False when a weight is not finite.
bool convert(const Job& job, int threads, std::vector<std::byte>& out) {
  const std::uint64_t in_bytes = row_bytes(*job.from, job.cols());
  const std::uint64_t out_bytes = row_bytes(*job.to, job.cols());
  out.resize(job.bytes);
  std::atomic<std::uint64_t> next = 0;
  std::atomic<bool> finite = true;
  const auto work = [&] {
    std::vector<float> row(job.cols());
    for (std::uint64_t i; finite && (i = next.fetch_add(1)) < job.rows();) {
      kernels::dequant_row({*job.from, job.tensor->data.data() + i * in_bytes,
                            static_cast<std::int64_t>(job.cols()), row.data()});
      if (!std::ranges::all_of(row, [](float weight) { return std::isfinite(weight); })) {
        finite = false;
      }
      kernels::quantize_row(*job.to, row.data(), static_cast<std::int64_t>(job.cols()),
                            out.data() + i * out_bytes);
    }
  };
  std::vector<std::jthread> helpers;
  for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  return finite;
}

}  // namespace

Result<QuantizeReport> quantize_file(const GgufFile& file, const QuantizeMix& mix, int threads,
                                     const QuantizeCallbacks& callbacks) {
  HEARTH_TRY(const std::vector<Job> jobs, plan_jobs(file, mix));
  const std::string head = make_header(file, mix, jobs).bytes();
  HEARTH_CHECK(callbacks.write(std::as_bytes(std::span(head))));
  QuantizeReport report;
  std::vector<std::byte> converted;
  const std::vector<std::byte> zeros(64);
  for (const Job& job : jobs) {
    const std::uint32_t type =
        job.to ? kernels::kWeightFormats[static_cast<int>(*job.to)].gguf_number : job.tensor->type;
    if (callbacks.on_tensor) {
      callbacks.on_tensor(job.tensor->name, tensor_type_name(type), report.tensors, jobs.size());
    }
    std::span<const std::byte> data = job.tensor->data;
    if (job.to) {
      if (!convert(job, threads, converted)) {
        return Error{Code::MODEL, fmt::format("{}: tensor {} holds numbers that are not finite",
                                              file.path(), job.tensor->name)};
      }
      data = converted;
      ++report.tensors_quantized;
    }
    HEARTH_CHECK(callbacks.write(data));
    HEARTH_CHECK(callbacks.write(std::span(zeros).first(GgufHeader::padding(data.size()))));
    ++report.tensors;
    report.bytes_before += job.tensor->data.size();
    report.bytes_after += data.size();
  }
  if (file.vanished()) {
    return Error{Code::MODEL,
                 fmt::format("{}: the file was truncated while it was read", file.path())};
  }
  return report;
}

}  // namespace hearth
