#include "daemon/catalog.hpp"

#include <algorithm>
#include <map>

#include "files/gguf.hpp"

namespace hearth {
namespace {

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
  HEARTH_TRY(const auto size, file.uint_value(architecture + ".vocab_size"));
  if (size) return *size;
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  return embedding == nullptr ? std::uint64_t{0} : embedding->dims[1];
}

}  // namespace

Result<Catalog> read_catalog(const std::string& path) {
  HEARTH_TRY(const GgufFile file, GgufFile::open(path));
  Catalog catalog;
  ModelFacts& facts = catalog.facts;
  HEARTH_TRY(const auto architecture, file.string_value("general.architecture"));
  facts.architecture = architecture.value_or("");
  facts.has_tensors = !file.tensors().empty();
  facts.has_chat_template = file.find("tokenizer.chat_template") != nullptr;
  facts.file_bytes = file.file_bytes();
  facts.weights = main_format(file);
  for (const GgufTensor& tensor : file.tensors()) facts.parameters += elements_of(tensor);
  HEARTH_TRY(const auto context, file.uint_value(facts.architecture + ".context_length"));
  facts.context_length = context.value_or(0);

  HEARTH_TRY(Vocabulary vocabulary, read_vocabulary(file));
  if (vocabulary.model == TokenizerModel::none) {
    HEARTH_TRY(facts.vocab, read_vocab(file, facts.architecture));
  } else {
    facts.vocab = vocabulary.size();
    facts.tokenizer = vocabulary.model == TokenizerModel::spm ? "spm" : "bpe";
    HEARTH_TRY(catalog.tokenizer, Tokenizer::create(std::move(vocabulary)));
  }
  if (!facts.has_tensors && !catalog.tokenizer) {
    return Error{Code::MODEL, path + ": the file has neither tensors nor a vocabulary"};
  }
  if (file.vanished())
    return Error{Code::MODEL, path + ": the file was truncated while it was read"};
  return catalog;
}

}  // namespace hearth
