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

// At places of the session that its pages reach, the last one first.
Status check_checkpoints(const SessionHead& head, const FileCheckpoints& checkpoints) {
  const std::uint32_t count = checkpoints.count;
  if (count > FileCheckpoints::kCountMax || checkpoints.reserved != 0) {
    return broken("a field is out of range");
  }
  if (count > 0 && checkpoints.state_bytes == 0) return broken("its states are empty");
  std::uint64_t before = std::uint64_t{head.token_count} + 1;  // of the last one's position
  for (std::uint32_t i = 0; i < FileCheckpoints::kCountMax; ++i) {
    const std::uint32_t position = checkpoints.positions[i];
    if (i >= count && position == 0) continue;
    if (i >= count || position == 0 || position >= before) {
      return broken("its checkpoints are at no places of it");
    }
    if ((position - 1) / head.page_tokens > head.page_count) {
      return broken("its checkpoints continue pages that it does not have");
    }
    before = position;
  }
  return {};
}

// What a head tells of, behind `used` bytes of the file.
Status find_contents(const SessionHead& head, std::span<const std::byte> bytes, std::size_t used,
                     SessionContents& contents) {
  contents.page_count = head.page_count;
  if (contents.empty()) {
    if (bytes.size() != used) return broken("bytes follow its end");
    return {};
  }
  if (head.page_tokens == 0 || head.page_count > head.token_count / head.page_tokens) {
    return broken("it tells of more pages than its tokens fill");
  }
  HEARTH_CHECK(check_checkpoints(head, contents.checkpoints));
  contents.geometry = {head.fingerprint, head.kv_format, head.page_tokens, head.payload_bytes};
  const std::size_t begin = align_up(used, kSessionPagesAlignment);
  const std::optional<std::uint64_t> size = contents.size();
  const bool fits = size && begin <= bytes.size() && *size == bytes.size() - begin;
  if (!fits || head.payload_bytes == 0) {
    return broken("its pages and checkpoints do not have the size told");
  }
  contents.bytes = bytes.subspan(begin);
  if (cache::hash(contents.bytes) != head.contents_hash) {
    return broken("its pages or checkpoints were changed");
  }
  return {};
}

SessionHead head_of(const KeptSession& session, std::uint32_t version) {
  SessionHead head = {};
  std::memcpy(head.magic, kMagic, sizeof(kMagic));
  head.version = version;
  head.token_count = static_cast<std::uint32_t>(session.ids.size());
  head.model_size = static_cast<std::uint16_t>(session.model.size());
  head.name_size = static_cast<std::uint16_t>(session.name.size());
  head.anonymous = session.anonymous ? 1 : 0;
  head.created_s = session.created_s;
  head.used_s = session.used_s;
  return head;
}

std::size_t variable_bytes(const KeptSession& session) {
  return session.model.size() + session.name.size() + session.ids.size() * sizeof(TokenId) +
         sizeof(cache::Digest);
}

// From the model's id to the MAC.
void put_session(Writer& writer, const KeptSession& session, const cache::Digest& key) {
  writer.put(std::as_bytes(std::span(session.model)));
  writer.put(std::as_bytes(std::span(session.name)));
  writer.put(std::as_bytes(std::span(session.ids)));
  const cache::Digest mac = cache::hash(writer.written(), key);
  writer.put(std::as_bytes(std::span(mac)));
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

std::optional<std::uint64_t> SessionContents::pages_size() const {
  return checked_mul<std::uint64_t>(page_count, geometry.payload_bytes);
}

std::optional<std::uint64_t> SessionContents::size() const {
  const auto one = checked_add<std::uint64_t>(checkpoints.state_bytes, geometry.payload_bytes);
  const auto all = one ? checked_mul<std::uint64_t>(checkpoints.count, *one) : std::nullopt;
  const auto pages = pages_size();
  return all && pages ? checked_add(*pages, *all) : std::nullopt;
}

std::vector<std::byte> encode_session(const KeptSession& session, const cache::Digest& key) {
  const SessionHead head = head_of(session, kSessionVersion);
  const std::size_t size = sizeof(head) + variable_bytes(session);
  Writer writer(size);
  writer.put(std::as_bytes(std::span(&head, 1)));
  put_session(writer, session, key);
  return writer.take(size);
}

std::uint64_t contents_offset(const KeptSession& session) {
  return align_up(sizeof(SessionHead) + sizeof(FileCheckpoints) + variable_bytes(session),
                  kSessionPagesAlignment);
}

std::vector<std::byte> encode_export(const KeptSession& session, const SessionContents& contents,
                                     const cache::Digest& key) {
  SessionHead head = head_of(session, kExportVersion);
  FileCheckpoints checkpoints = {};
  if (!contents.empty()) {
    head.fingerprint = contents.geometry.fingerprint;
    head.kv_format = contents.geometry.kv_format;
    head.page_tokens = contents.geometry.page_tokens;
    head.payload_bytes = contents.geometry.payload_bytes;
    head.page_count = contents.page_count;
    head.contents_hash = cache::hash(contents.bytes);
    checkpoints = contents.checkpoints;
  }
  const std::size_t size = sizeof(head) + sizeof(checkpoints) + variable_bytes(session);
  Writer writer(size);
  writer.put(std::as_bytes(std::span(&head, 1)));
  writer.put(std::as_bytes(std::span(&checkpoints, 1)));
  put_session(writer, session, key);
  return writer.take(contents.empty() ? size : contents_offset(session));
}

Result<DecodedSession> decode_session(std::span<const std::byte> bytes, const cache::Digest& key) {
  Reader reader(bytes);
  SessionHead head;
  if (!reader.take(&head, sizeof(head))) return broken("it is too short for a session");
  if (std::memcmp(head.magic, kMagic, sizeof(kMagic)) != 0) return broken("it is no session");
  const bool exported = head.version == kExportVersion;
  if (head.version != kSessionVersion && !exported) {
    return broken("it is a session of another version");
  }
  if (head.token_count > kSessionTokensMax || head.model_size > HEARTH_MODEL_ID_MAX ||
      head.name_size > HEARTH_SESSION_NAME_MAX || head.anonymous > 1) {
    return broken("a field is out of range");
  }
  DecodedSession decoded;
  KeptSession& session = decoded.session;
  FileCheckpoints& checkpoints = decoded.contents.checkpoints;
  const bool whole = reader.take(&checkpoints, exported ? sizeof(checkpoints) : 0) &&
                     reader.take(session.model, head.model_size) &&
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
  HEARTH_CHECK(find_contents(head, bytes, signed_bytes + mac.size(), decoded.contents));
  return decoded;
}

}  // namespace hearth
