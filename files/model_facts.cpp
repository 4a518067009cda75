// Reads facts from metadata; what is missing or absurd stays 0 or empty.
#include "files/model_facts.hpp"

#include <algorithm>
#include <map>

#include "files/tensor_memory.hpp"

namespace hearth {
namespace {

constexpr std::uint64_t kReasonable = 1u
                                      << 20;  // layers, heads, sizes of a head: no more is believed

std::uint64_t elements_of(const GgufTensor& tensor) {
  // The parser has checked that a known type's tensor fits the file; for others this may wrap,
  // harmlessly.
  return tensor.dims[0] * tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
}

std::string main_format(const GgufFile& file) {
  std::map<std::uint32_t, std::uint64_t> elements;
  for (const GgufTensor& tensor : file.tensors()) elements[tensor.type] += elements_of(tensor);
  const auto most =
      std::ranges::max_element(elements, {}, [](const auto& entry) { return entry.second; });
  return most == elements.end() ? "" : tensor_type_name(most->first);
}

Result<std::uint64_t> read_vocab(const GgufFile& file, const std::string& architecture) {
  const GgufValue* tokens = file.find("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->type == GgufType::array) return tokens->count;
  HEARTH_TRY(const auto size, file.uint_value(architecture + ".vocab_size"));
  if (size) return *size;
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  return embedding == nullptr ? std::uint64_t{0} : embedding->dims[1];
}

Result<std::string> read_tokenizer(const GgufFile& file) {
  HEARTH_TRY(const auto model, file.string_value("tokenizer.ggml.model"));
  const std::string_view name = model.value_or("");
  if (name == "llama") return std::string("spm");
  if (name == "gpt2") return std::string("bpe");
  if (name == "t5") return std::string("unigram");
  if (name == "bert") return std::string("wordpiece");
  return std::string(name == "none" || name == "no_vocab" ? "" : name);
}

// K and V of one token in all layers, for plain attention; 0 where the file does not say enough.
std::uint64_t read_kv_values(const GgufFile& file, const std::string& architecture) {
  const auto number = [&](const char* key) -> std::uint64_t {
    const auto value = file.uint_value(architecture + "." + key);
    const std::uint64_t found = value && *value ? **value : 0;
    return found <= kReasonable ? found : 0;
  };
  const std::uint64_t layers = number("block_count");
  const std::uint64_t heads = number("attention.head_count");
  const std::uint64_t kv_heads = number("attention.head_count_kv");
  const std::uint64_t even_split = heads == 0 ? 0 : number("embedding_length") / heads;
  const std::uint64_t key = number("attention.key_length");
  const std::uint64_t value = number("attention.value_length");
  return layers * (kv_heads != 0 ? kv_heads : heads) *
         ((key != 0 ? key : even_split) + (value != 0 ? value : even_split));
}

}  // namespace

const char* ModelFacts::size_class() const {
  constexpr std::uint64_t kBillion = 1'000'000'000;
  if (parameters < kBillion) return "tiny";
  if (parameters < 3 * kBillion) return "small";
  return parameters < 13 * kBillion ? "medium" : "large";
}

Result<ModelFacts> read_facts(const GgufFile& file) {
  ModelFacts facts;
  HEARTH_TRY(const auto architecture, file.string_value("general.architecture"));
  facts.architecture = architecture.value_or("");
  HEARTH_TRY(const auto name, file.string_value("general.name"));
  facts.name = name.value_or("");
  HEARTH_TRY(facts.tokenizer, read_tokenizer(file));
  facts.has_tensors = !file.tensors().empty();
  facts.has_chat_template = file.find("tokenizer.chat_template") != nullptr;
  facts.file_bytes = file.file_bytes();
  facts.weights = main_format(file);
  for (const GgufTensor& tensor : file.tensors()) {
    facts.parameters += elements_of(tensor);
    facts.tensor_bytes += tensor.data.size();
    facts.memory_bytes += tensor_memory(tensor);
  }
  HEARTH_TRY(const auto context, file.uint_value(facts.architecture + ".context_length"));
  facts.context_length = context.value_or(0);
  HEARTH_TRY(facts.vocab, read_vocab(file, facts.architecture));
  facts.kv_values = read_kv_values(file, facts.architecture);
  return facts;
}

}  // namespace hearth
