// See catalog.hpp.
#include "daemon/catalog.hpp"

#include "files/gguf.hpp"

namespace hearth {

bool Catalog::is_current() const {
  std::string now;
  for (const std::string& path : paths) now += file_identity(path) + '\n';
  return now == identity;
}

Result<Catalog> read_catalog(const std::string& path) {
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
  if (!catalog.facts.has_tensors && !catalog.tokenizer) {
    return Error{Code::MODEL, path + ": the file has neither tensors nor a vocabulary"};
  }
  if (file.vanished())
    return Error{Code::MODEL, path + ": the file was truncated while it was read"};
  return catalog;
}

}  // namespace hearth
