// See catalog.hpp.
#include "daemon/catalog.hpp"

#include <fmt/format.h>

#include <optional>

#include "files/gguf.hpp"

namespace hearth {

bool Catalog::is_current() const {
  std::string now;
  for (const std::string& path : paths) now += file_identity(path) + '\n';
  return now == identity;
}

namespace {

Result<chat::ChatFormat> read_chat_format(const ModelConfig& config, const GgufFile& file,
                                          const Tokenizer* tokenizer) {
  if (tokenizer == nullptr) {
    return Error{Code::TOKENIZATION, fmt::format("model {} has no vocabulary: it takes token ids, "
                                                 "and no messages",
                                                 config.id)};
  }
  HEARTH_TRY(const auto own, file.string_value("tokenizer.chat_template"));
  HEARTH_TRY(const auto name, file.string_value("general.name"));
  std::optional<chat::ModelCard> card;
  if (!config.card.empty()) {
    HEARTH_TRY(card, chat::read_card(config.card));
  }
  return chat::ChatFormat::create({.id = config.id,
                                   .name = name.value_or(""),
                                   .own_template = own.value_or(""),
                                   .wished = config.chat_template,
                                   .card = card ? &*card : nullptr,
                                   .tokenizer = tokenizer});
}

}  // namespace

Result<Catalog> read_catalog(const ModelConfig& config) {
  const std::string& path = config.path;
  HEARTH_TRY(const GgufFile file, GgufFile::open(path));
  Catalog catalog;
  for (const MappedFile& part : file.files()) catalog.paths.push_back(part.path());
  catalog.identity = file.identity();
  HEARTH_TRY(catalog.facts, read_facts(file));
  HEARTH_TRY(Vocabulary vocabulary, read_vocabulary(file));
  if (vocabulary.model == TokenizerModel::none) {
    catalog.facts.tokenizer.clear();
  } else {
    HEARTH_TRY(catalog.tokenizer, Tokenizer::create(std::move(vocabulary)));
  }
  auto format = read_chat_format(config, file, catalog.tokenizer.get());
  if (format) {
    catalog.chat = std::make_shared<const chat::ChatFormat>(*std::move(format));
  } else {
    catalog.chat_error = format.error();
  }
  if (!catalog.facts.has_tensors && !catalog.tokenizer) {
    return Error{Code::MODEL, path + ": the file has neither tensors nor a vocabulary"};
  }
  if (file.vanished())
    return Error{Code::MODEL, path + ": the file was truncated while it was read"};
  return catalog;
}

}  // namespace hearth
