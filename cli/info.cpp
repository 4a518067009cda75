// hearth info: what a model file holds, and the memory that it will need.  Needs no daemon.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/standard_output.hpp"
#include "cli/table.hpp"
#include "files/model_facts.hpp"

namespace hearth::cli {
namespace {

constexpr std::size_t kShownBytesMax = 60;    // of a text value
constexpr std::uint64_t kKvBytesOfValue = 2;  // f16, what the daemon takes for most models
constexpr const char* kKvType = "f16";

// The memory of weights and of one sequence.
struct Memory {
  std::uint64_t tokens, weights, kv;
  std::uint64_t total() const { return weights + kv; }
};
Memory memory_of(const ModelFacts& facts, const Options& options) {
  const std::uint64_t tokens =
      options.context > 0 ? static_cast<std::uint64_t>(options.context) : facts.context_length;
  return {tokens, facts.tensor_bytes, facts.kv_bytes(tokens, kKvBytesOfValue)};
}

std::string size_text(std::uint64_t bytes) {
  return bytes_text(static_cast<double>(bytes));
}

// One value as text: arrays by their length.
std::string value_text(const GgufFile& file, std::string_view key) {
  const GgufValue& value = *file.find(key);
  if (value.type == GgufType::array) return fmt::format("[{} values]", value.count);
  if (value.type == GgufType::string) {
    const std::string text(**file.string_value(key));
    if (text.size() <= kShownBytesMax) return text;
    return fmt::format("{}... ({} bytes)", text.substr(0, kShownBytesMax), text.size());
  }
  if (value.type == GgufType::boolean) return **file.bool_value(key) ? "true" : "false";
  const auto number = file.real_value(key);
  return number && *number ? fmt::format("{:.10g}", **number) : "not a number";
}

std::string shape_text(const GgufTensor& tensor) {
  std::string text;
  for (std::uint32_t i = 0; i < tensor.dim_count; ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : " x ", tensor.dims[i]);
  }
  return text;
}

std::string formats_text(const GgufFile& file) {
  std::map<std::string, int> counts;
  for (const GgufTensor& tensor : file.tensors()) ++counts[tensor_type_name(tensor.type)];
  std::string text;
  for (const auto& [name, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
  }
  return text.empty() ? "none" : text;
}

std::string parameters_text(const ModelFacts& facts) {
  if (!facts.has_tensors) return "-";
  return fmt::format("{} ({})", count_text(static_cast<double>(facts.parameters)),
                     facts.size_class());
}

std::string summary(const GgufFile& file, const ModelFacts& facts, const Options& options) {
  const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : printable(text); };
  const Memory memory = memory_of(facts, options);
  std::string text = fmt::format(
      "file          {}, {}\nname          {}\narchitecture  {}\nparameters    {}\n"
      "tensors       {}\ncontext       {} tokens\nvocabulary    {} tokens, {}\nchat template {}\n",
      printable(file.path()), size_text(facts.file_bytes), or_dash(facts.name),
      or_dash(facts.architecture), parameters_text(facts), formats_text(file), facts.context_length,
      facts.vocab, facts.tokenizer.empty() ? "no tokenizer" : printable(facts.tokenizer),
      facts.has_chat_template ? "yes" : "no");
  if (!facts.has_tensors) return text;
  text += fmt::format("memory        {} of weights", size_text(memory.weights));
  if (memory.kv != 0) {
    text += fmt::format(" + {} of KV cache for {} tokens ({}) = {}", size_text(memory.kv),
                        memory.tokens, kKvType, size_text(memory.total()));
  }
  return text + '\n';
}

std::string metadata_text(const GgufFile& file) {
  Table table({"KEY", "VALUE"});
  for (const std::string_view key : file.keys_with_prefix("")) {
    table.add({std::string(key), value_text(file, key)});
  }
  return table.text();
}

std::string tensors_text(const GgufFile& file) {
  Table table({"TENSOR", "TYPE", "SHAPE", ">SIZE"});
  for (const GgufTensor& tensor : file.tensors()) {
    table.add({std::string(tensor.name), tensor_type_name(tensor.type), shape_text(tensor),
               size_text(tensor.data.size())});
  }
  return table.text();
}

std::string json_document(const GgufFile& file, const ModelFacts& facts, const Options& options) {
  const Memory memory = memory_of(facts, options);
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  JsonObject memory_json;
  memory_json.add("context", number(memory.tokens))
      .add("weight_bytes", number(memory.weights))
      .add("kv_bytes", number(memory.kv))
      .add("kv_type", std::string(kKvType))
      .add("total_bytes", number(memory.total()));
  JsonObject metadata;
  for (const std::string_view key : file.keys_with_prefix("")) {
    metadata.add(std::string(key).c_str(), value_text(file, key));
  }
  JsonObject tensors;
  for (const GgufTensor& tensor : file.tensors()) {
    JsonObject entry;
    entry.add("type", tensor_type_name(tensor.type))
        .add("shape", shape_text(tensor))
        .add("bytes", number(tensor.data.size()));
    tensors.add(std::string(tensor.name).c_str(), std::move(entry));
  }
  JsonObject object;
  object.add("file", file.path())
      .add("file_bytes", number(facts.file_bytes))
      .add("name", facts.name)
      .add("architecture", facts.architecture)
      .add("parameters", number(facts.parameters))
      .add("size_class", std::string(facts.has_tensors ? facts.size_class() : ""))
      .add("weights", facts.weights)
      .add("context", number(facts.context_length))
      .add("vocab", number(facts.vocab))
      .add("tokenizer", facts.tokenizer)
      .add("memory", std::move(memory_json))
      .add("metadata", std::move(metadata))
      .add("tensors", std::move(tensors));
  return object.text() + '\n';
}

}  // namespace

Result<int> run_info(const Options& options) {
  guard_mappings();
  HEARTH_TRY(const GgufFile file, GgufFile::open(options.in_file));
  HEARTH_TRY(const ModelFacts facts, read_facts(file));
  std::string text;
  if (options.json) {
    text = json_document(file, facts, options);
  } else {
    text = summary(file, facts, options);
    if (options.show_metadata) text += '\n' + metadata_text(file);
    if (options.show_tensors) text += '\n' + tensors_text(file);
  }
  HEARTH_CHECK(write_output(text));
  return 0;
}

}  // namespace hearth::cli
