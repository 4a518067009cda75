// See fingerprint.hpp.
#include "engine/fingerprint.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

namespace hearth {
namespace {

constexpr std::size_t kPieceBytes = 4 << 20;
constexpr const char* kVersion = "hearth model hash 2\n";  // of what is hashed, and how

std::string hex(const cache::Digest& digest) {
  std::string text;
  for (const auto byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

// What a remembered digest is of: all files of the model, as they are now.
std::string identity_of(const GgufFile& file) {
  return kVersion + file.identity();
}

// The whole content of the file that remembers: the identity, so that a collision of names or a
// half-written file is seen, and the digest.
std::string content_of(const std::string& identity, const cache::Digest& digest) {
  return identity + hex(digest) + '\n';
}

bool read_digest(const std::string& path, const std::string& identity, cache::Digest& ret_digest) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!text.starts_with(identity) || text.size() != content_of(identity, {}).size()) return false;
  for (std::size_t i = 0; i < ret_digest.size(); ++i) {
    unsigned byte = 0;
    if (std::sscanf(text.c_str() + identity.size() + 2 * i, "%2x", &byte) != 1) return false;
    ret_digest[i] = static_cast<std::uint8_t>(byte);
  }
  return text == content_of(identity, ret_digest);
}

// Losing it costs a second of hashing: no sync, and failures are of no account.
void write_digest(const std::string& directory, const std::string& path,
                  const std::string& content) {
  mkdir(directory.c_str(), 0700);
  const std::string temporary = fmt::format("{}.{}", path, getpid());
  std::ofstream stream(temporary, std::ios::binary);
  stream << content;
  stream.close();
  if (!stream || rename(temporary.c_str(), path.c_str()) != 0) unlink(temporary.c_str());
}

// The digests of all tensors' data in pieces of kPieceBytes, in order, on all cores: one of them
// would take 5 s for 5 GB.
std::vector<cache::Digest> hash_pieces(const GgufFile& file) {
  std::vector<std::span<const std::byte>> pieces;
  for (const GgufTensor& tensor : file.tensors()) {
    for (auto rest = tensor.data; !rest.empty();) {
      pieces.push_back(rest.first(std::min(rest.size(), kPieceBytes)));
      rest = rest.subspan(pieces.back().size());
    }
  }
  std::vector<cache::Digest> digests(pieces.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < pieces.size();) {
      digests[i] = cache::hash(pieces[i]);
    }
  };
  const std::size_t threads =
      std::min<std::size_t>(std::max(1U, std::thread::hardware_concurrency()), pieces.size());
  std::vector<std::jthread> helpers;
  for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();  // joins them
  return digests;
}

}  // namespace

cache::Digest hash_model(const GgufFile& file) {
  cache::Hasher hasher;
  const auto add_text = [&](std::string_view text) {
    const std::uint64_t size = text.size();
    hasher.update(std::as_bytes(std::span(&size, 1)));
    hasher.update(std::as_bytes(std::span(text)));
  };
  const auto architecture = file.string_value("general.architecture");
  const std::string prefix =
      architecture && *architecture ? std::string(**architecture) + "." : std::string();
  std::vector<std::string_view> keys = file.keys_with_prefix(prefix);
  std::ranges::sort(keys);
  for (const std::string_view key : keys) {
    if (key == prefix + "context_length") continue;
    add_text(key);
    const GgufValue& value = *file.find(key);
    hasher.update(std::as_bytes(std::span(&value.type, 1)));
    hasher.update(value.bytes);
  }
  for (const GgufTensor& tensor : file.tensors()) {
    add_text(tensor.name);
    hasher.update(std::as_bytes(std::span(tensor.dims)));
    hasher.update(std::as_bytes(std::span(&tensor.type, 1)));
  }
  // Sizes and order of the pieces follow from the tensors' shapes and types.
  const std::vector<cache::Digest> digests = hash_pieces(file);
  hasher.update(std::as_bytes(std::span(digests)));
  return hasher.finish();
}

cache::Digest remembered_hash(const GgufFile& file, const std::string& directory) {
  if (directory.empty()) return hash_model(file);
  const std::string identity = identity_of(file);
  const std::string name = hex(cache::hash(std::as_bytes(std::span(identity))));
  const std::string path = directory + '/' + name.substr(0, 32);
  cache::Digest digest = {};
  if (read_digest(path, identity, digest)) return digest;
  digest = hash_model(file);
  // A file that changed while it was hashed, or may change unseen, is hashed again next time.
  if (!file.vanished() && std::ranges::all_of(file.files(), &MappedFile::is_settled)) {
    write_digest(directory, path, content_of(identity, digest));
  }
  return digest;
}

cache::Digest model_fingerprint(const cache::Digest& model, std::span<const Rope> ropes) {
  cache::Hasher hasher;
  hasher.update(std::as_bytes(std::span(model)));
  for (const Rope& rope : ropes) {
    hasher.update(std::as_bytes(std::span(rope.frequencies)));
    hasher.update(std::as_bytes(std::span(&rope.magnitude, 1)));
  }
  return hasher.finish();
}

}  // namespace hearth
