// See catalog.hpp.
#include "daemon/catalog.hpp"

#include <algorithm>

#include "files/gguf.hpp"

namespace hearth {

std::string Catalog::identity() const {
  std::string all;
  for (const Part& part : parts) all += part.identity + '\n';
  return all;
}

bool Catalog::is_current() const {
  return std::ranges::all_of(
      parts, [](const Part& part) { return file_identity(part.path) == part.identity; });
}

Result<Catalog> read_catalog(const std::string& path) {
  HEARTH_TRY(const GgufFile file, GgufFile::open(path));
  Catalog catalog;
  for (const MappedFile& part : file.files()) {
    catalog.parts.push_back({part.path(), part.identity()});
  }
  HEARTH_TRY(catalog.facts, read_facts(file));
  HEARTH_TRY(Vocabulary vocabulary, read_vocabulary(file));
  if (vocabulary.model == TokenizerModel::none) {
    catalog.facts.tokenizer.clear();
  } else {
    HEARTH_TRY(catalog.tokenizer, Tokenizer::create(std::move(vocabulary)));
  }
  if (!catalog.facts.has_tensors && !catalog.tokenizer) {
    return Error{Code::MODEL, path + ": the file has neither tensors nor a vocabulary"};
  }
  if (file.vanished())
    return Error{Code::MODEL, path + ": the file was truncated while it was read"};
  return catalog;
}

}  // namespace hearth
