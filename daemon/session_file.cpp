// See session_file.hpp.
#include "daemon/session_file.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "common/checked.hpp"
#include "common/limits.h"

namespace hearth {
namespace {

constexpr char kMagic[8] = {'H', 'E', 'A', 'R', 'T', 'H', 'S', 'N'};

Error broken(const char* what) {
  return {Code::STORAGE, what};
}

// Puts parts one behind the other.
class Writer {
 public:
  explicit Writer(std::size_t bytes_max) : bytes_(bytes_max) {}
  void put(std::span<const std::byte> part) {
    if (!part.empty()) std::memcpy(bytes_.data() + size_, part.data(), part.size());
    size_ += part.size();
  }
  std::span<const std::byte> written() const { return std::span(bytes_).first(size_); }
  std::vector<std::byte> take(std::size_t size) {
    bytes_.resize(size);
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t size_ = 0;
};

cache::Digest hash_of(const SessionPages& pages) {
  cache::Hasher hasher;
  for (const std::byte* payload : pages.payloads) {
    hasher.update({payload, pages.geometry.payload_bytes});
  }
  return hasher.finish();
}

// Takes bytes off the front of what is left.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}
  bool take(void* to, std::size_t size) {
    if (left_.size() < size) return false;
    if (size > 0) std::memcpy(to, left_.data(), size);
    left_ = left_.subspan(size);
    return true;
  }
  bool take(std::string& to, std::size_t size) {
    if (left_.size() < size) return false;
    to.resize(size);
    return take(to.data(), size);
  }
  std::span<const std::byte> left() const { return left_; }

 private:
  std::span<const std::byte> left_;
};

// The pages that a head tells of, behind `used` bytes of the file.
Result<SessionPages> find_pages(const SessionHead& head, std::span<const std::byte> bytes,
                                std::size_t used) {
  SessionPages pages;
  if (head.page_count == 0) {
    if (bytes.size() != used) return broken("bytes follow its end");
    return pages;
  }
  const std::size_t begin = align_up(used, kSessionPagesAlignment);
  const auto size = checked_mul<std::uint64_t>(head.page_count, head.payload_bytes);
  const bool fits = size && begin <= bytes.size() && *size == bytes.size() - begin;
  if (!fits || head.payload_bytes == 0) return broken("its pages do not have the size told");
  if (head.page_tokens == 0 || head.page_count > head.token_count / head.page_tokens) {
    return broken("it tells of more pages than its tokens fill");
  }
  pages.geometry = {head.fingerprint, head.kv_format, head.page_tokens, head.payload_bytes};
  for (std::uint64_t i = 0; i < head.page_count; ++i) {
    pages.payloads.push_back(bytes.data() + begin + i * head.payload_bytes);
  }
  if (hash_of(pages) != head.pages_hash) return broken("its pages were changed");
  return pages;
}

}  // namespace

cache::Digest session_key(const cache::Digest& master_secret, cache::NamespaceId id) {
  constexpr std::string_view kPurpose = "hearth session key 1";
  return cache::hash(std::as_bytes(std::span(kPurpose)),
                     cache::namespace_secret(master_secret, id));
}

bool is_session_name(const std::string& name) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= HEARTH_SESSION_NAME_MAX && name[0] != '.' &&
         name.find_first_not_of(kLetters) == std::string::npos;
}

std::vector<std::byte> encode_session(const KeptSession& session, const SessionPages& pages,
                                      const cache::Digest& key) {
  SessionHead head = {};
  std::memcpy(head.magic, kMagic, sizeof(kMagic));
  head.version = kSessionVersion;
  head.token_count = static_cast<std::uint32_t>(session.ids.size());
  head.model_size = static_cast<std::uint16_t>(session.model.size());
  head.name_size = static_cast<std::uint16_t>(session.name.size());
  head.anonymous = session.anonymous ? 1 : 0;
  head.created_s = session.created_s;
  head.used_s = session.used_s;
  if (!pages.payloads.empty()) {
    head.fingerprint = pages.geometry.fingerprint;
    head.kv_format = pages.geometry.kv_format;
    head.page_tokens = pages.geometry.page_tokens;
    head.payload_bytes = pages.geometry.payload_bytes;
    head.page_count = pages.payloads.size();
    head.pages_hash = hash_of(pages);
  }
  const std::size_t size = sizeof(head) + session.model.size() + session.name.size() +
                           session.ids.size() * sizeof(TokenId) + sizeof(cache::Digest);
  Writer writer(size);
  writer.put(std::as_bytes(std::span(&head, 1)));
  writer.put(std::as_bytes(std::span(session.model)));
  writer.put(std::as_bytes(std::span(session.name)));
  writer.put(std::as_bytes(std::span(session.ids)));
  const cache::Digest mac = cache::hash(writer.written(), key);
  writer.put(std::as_bytes(std::span(mac)));
  return writer.take(head.page_count > 0 ? align_up(size, kSessionPagesAlignment) : size);
}

Result<DecodedSession> decode_session(std::span<const std::byte> bytes, const cache::Digest& key) {
  Reader reader(bytes);
  SessionHead head;
  if (!reader.take(&head, sizeof(head))) return broken("it is too short for a session");
  if (std::memcmp(head.magic, kMagic, sizeof(kMagic)) != 0) return broken("it is no session");
  if (head.version != kSessionVersion) return broken("it is a session of another version");
  if (head.token_count > kSessionTokensMax || head.model_size > HEARTH_MODEL_ID_MAX ||
      head.name_size > HEARTH_SESSION_NAME_MAX || head.anonymous > 1) {
    return broken("a field is out of range");
  }
  DecodedSession decoded;
  KeptSession& session = decoded.session;
  const bool whole = reader.take(session.model, head.model_size) &&
                     reader.take(session.name, head.name_size) &&
                     reader.left().size() / sizeof(TokenId) >= head.token_count;
  if (!whole) return broken("it was cut short");
  session.ids.resize(head.token_count);
  reader.take(session.ids.data(), session.ids.size() * sizeof(TokenId));
  const std::size_t signed_bytes = bytes.size() - reader.left().size();
  cache::Digest mac;
  if (!reader.take(mac.data(), mac.size())) return broken("it was cut short");
  if (cache::hash(bytes.first(signed_bytes), key) != mac) {
    return broken("it was changed, or is not of this user and this daemon");
  }
  session.anonymous = head.anonymous != 0;
  session.created_s = head.created_s;
  session.used_s = head.used_s;
  HEARTH_TRY(decoded.pages, find_pages(head, bytes, bytes.size() - reader.left().size()));
  return decoded;
}

}  // namespace hearth
