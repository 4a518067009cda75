// See session_store.hpp.
#include "daemon/session_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <optional>

#include "common/limits.h"
#include "common/unique_fd.hpp"
#include "common/whole_io.hpp"
#include "daemon/log.hpp"

namespace hearth {
namespace {

constexpr char kAnonymousSign = '~';
constexpr const char* kNewSuffix = ".new~";  // no name of a session ends so

std::int64_t wall_clock_s() {
  return static_cast<std::int64_t>(std::time(nullptr));
}

std::string random_name() {
  const cache::Digest random = cache::random_secret();
  std::string name(1, kAnonymousSign);
  for (std::size_t i = 0; i < 8; ++i) name += fmt::format("{:02x}", random[i]);
  return name;
}

Status make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return from_errno("create " + path);
}

Result<std::vector<std::byte>> read_file(const std::string& path) {
  constexpr std::size_t kBytesMax =
      sizeof(SessionHead) + kSessionTokensMax * sizeof(TokenId) + 4096;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return from_errno("open");
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return from_errno("stat");
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) > kBytesMax) {
    return Error{Code::STORAGE, "it is no file of a session"};
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
  HEARTH_CHECK(read_whole_at(fd.get(), bytes, 0, "read"));
  return bytes;
}

Status write_file(const std::string& path, std::span<const std::byte> bytes) {
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return from_errno("create " + path);
  return write_whole(fd.get(), bytes, "write " + path);
}

}  // namespace

std::string SessionStore::directory_of(uid_t uid) const {
  return fmt::format("{}/{}", directory_, uid);
}

Status SessionStore::open(std::string directory, const cache::Digest& master_secret) {
  directory_ = std::move(directory);
  secret_ = master_secret;
  HEARTH_CHECK(make_directory(directory_));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    const std::string name = entry.path().filename().string();
    uid_t uid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), uid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    read_user(uid, entry.path().string());
  }
  if (error) return Error{Code::IO, fmt::format("list {}: {}", directory_, error.message())};
  return {};
}

void SessionStore::read_user(uid_t uid, const std::string& directory) {
  std::error_code error;
  const cache::Digest key = key_of(uid);
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string path = entry.path().string(), name = entry.path().filename().string();
    if (name.ends_with(kNewSuffix)) {  // of a daemon that died while it wrote
      ::unlink(path.c_str());
      continue;
    }
    const Result<std::vector<std::byte>> bytes = read_file(path);
    Result<DecodedSession> decoded = bytes ? decode_session(*bytes, key) : bytes.error();
    if (decoded && decoded->session.name != name) {
      decoded = Error{Code::STORAGE, "it is the session of another name"};
    }
    if (!decoded) {
      log_warning("session {}: not used: {}", path, decoded.error().message);
      continue;
    }
    users_[uid].emplace(name, Kept{std::move(decoded->session)});
  }
  if (error) log_warning("sessions of uid {}: list {}: {}", uid, directory, error.message());
}

Result<const KeptSession*> SessionStore::find(uid_t uid, const std::string& name) const {
  const auto user = users_.find(uid);
  if (user != users_.end()) {
    const auto found = user->second.find(name);
    if (found != user->second.end()) return &found->second.session;
  }
  return Error{Code::NOT_FOUND, fmt::format("session: uid {} has no \"{}\"", uid,
                                            name.substr(0, HEARTH_SESSION_NAME_MAX))};
}

Result<SessionStore::Kept*> SessionStore::find_idle(uid_t uid, const std::string& name) {
  HEARTH_CHECK(find(uid, name));
  Kept& kept = users_[uid].find(name)->second;
  if (!kept.in_turn) return &kept;
  return Error{Code::SESSION, fmt::format("session {}: a turn of it is under way", name)};
}

bool SessionStore::has_turn(uid_t uid, const std::string& name) const {
  return find(uid, name) && users_.find(uid)->second.find(name)->second.in_turn;
}

Status SessionStore::check_tokens(uid_t uid, std::size_t tokens, std::size_t freed) const {
  std::size_t held = 0;
  each(uid, [&](const KeptSession& session) { held += session.ids.size(); });
  if (held - freed + tokens <= kTokensPerUserMax && tokens <= kSessionTokensMax) return {};
  return Error{Code::LIMIT,
               fmt::format("sessions: uid {} keeps {} tokens, {} more are wanted; {} "
                           "are possible in all and {} in one: destroy some",
                           uid, held - freed, tokens, kTokensPerUserMax, kSessionTokensMax)};
}

// Who has to go for one more session; null: nobody.  Anonymous ones go before anybody is refused,
// the longest unused first, but not the one that is needed for the new one.
Result<const KeptSession*> SessionStore::find_victim(uid_t uid, const std::string& needed) const {
  const auto user = users_.find(uid);
  const KeptSession* oldest = nullptr;
  if (user == users_.end() || user->second.size() < kPerUserMax) return oldest;
  for (const auto& [name, kept] : user->second) {
    if (!kept.session.anonymous || kept.in_turn || name == needed) continue;
    if (oldest == nullptr || kept.session.used_s < oldest->used_s) oldest = &kept.session;
  }
  if (oldest != nullptr) return oldest;
  return Error{
      Code::LIMIT,
      fmt::format("sessions: uid {} has {}, no more are possible: destroy some", uid, kPerUserMax)};
}

Result<const KeptSession*> SessionStore::create(uid_t uid, const std::string& name,
                                                const std::string& model, std::vector<TokenId> ids,
                                                const std::string& needed) {
  if (!name.empty() && !is_session_name(name)) {
    return Error{Code::INVALID, "session: it is no name"};
  }
  if (!name.empty() && find(uid, name)) {
    return Error{Code::SESSION, fmt::format("session {}: there is one already", name)};
  }
  HEARTH_TRY(const KeptSession* victim, find_victim(uid, needed));
  HEARTH_CHECK(check_tokens(uid, ids.size(), victim == nullptr ? 0 : victim->ids.size()));
  Kept kept;
  kept.session = {.name = name.empty() ? random_name() : name,
                  .model = model,
                  .anonymous = name.empty(),
                  .created_s = wall_clock_s(),
                  .used_s = wall_clock_s(),
                  .ids = std::move(ids)};
  HEARTH_CHECK(write(uid, kept.session));
  if (victim != nullptr) HEARTH_CHECK(destroy(uid, std::string(victim->name)));
  const std::string key = kept.session.name;
  return &(users_[uid][key] = std::move(kept)).session;
}

Result<const KeptSession*> SessionStore::fork(uid_t uid, const std::string& from,
                                              const std::string& name) {
  HEARTH_TRY(const KeptSession* source, find(uid, from));
  const std::string model = source->model;
  return create(uid, name, model, source->ids, /*needed=*/from);
}

// What a session is from now on: first in its file, then here.
Result<const KeptSession*> SessionStore::replace(uid_t uid, Kept& kept, std::vector<TokenId> ids) {
  KeptSession changed = {.name = kept.session.name,
                         .model = kept.session.model,
                         .anonymous = kept.session.anonymous,
                         .created_s = kept.session.created_s,
                         .used_s = wall_clock_s(),
                         .ids = std::move(ids)};
  HEARTH_CHECK(write(uid, changed));
  kept.session = std::move(changed);
  return &kept.session;
}

Result<const KeptSession*> SessionStore::roll_back(uid_t uid, const std::string& name,
                                                   std::int64_t count) {
  HEARTH_TRY(Kept * kept, find_idle(uid, name));
  if (count == 0) return &kept->session;
  std::vector<TokenId> ids = kept->session.ids;
  if (count < 0 || static_cast<std::uint64_t>(count) > ids.size()) {
    return Error{Code::INVALID, fmt::format("tokens: {} cannot be dropped, session {} has {}",
                                            count, name, ids.size())};
  }
  ids.resize(ids.size() - static_cast<std::size_t>(count));
  return replace(uid, *kept, std::move(ids));
}

Status SessionStore::destroy(uid_t uid, const std::string& name) {
  HEARTH_CHECK(find_idle(uid, name));
  const std::string path = directory_of(uid) + '/' + name;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return from_errno("remove " + path);
  users_[uid].erase(name);
  return {};
}

Result<const KeptSession*> SessionStore::begin_turn(uid_t uid, const std::string& name,
                                                    const std::string& model) {
  HEARTH_TRY(Kept * kept, find_idle(uid, name));
  if (kept->session.model != model) {
    return Error{Code::SESSION, fmt::format("session {}: it is one of model {}, not of {}", name,
                                            kept->session.model, model)};
  }
  kept->in_turn = true;
  return &kept->session;
}

Status SessionStore::end_turn(uid_t uid, const std::string& name, std::vector<TokenId> ids) {
  Kept& kept = users_[uid].find(name)->second;
  kept.in_turn = false;
  HEARTH_CHECK(check_tokens(uid, ids.size(), kept.session.ids.size()));
  HEARTH_CHECK(replace(uid, kept, std::move(ids)));
  return {};
}

void SessionStore::drop_turn(uid_t uid, const std::string& name) {
  users_[uid].find(name)->second.in_turn = false;
}

void SessionStore::each(uid_t uid, const std::function<void(const KeptSession&)>& visit) const {
  const auto user = users_.find(uid);
  if (user == users_.end()) return;
  for (const auto& [name, kept] : user->second) visit(kept.session);
}

Status SessionStore::write(uid_t uid, const KeptSession& session) const {
  const std::string directory = directory_of(uid), path = directory + '/' + session.name;
  const std::string fresh = path + kNewSuffix;
  const auto failed = [&](const Error& error) {
    ::unlink(fresh.c_str());
    return Error{Code::STORAGE,
                 fmt::format("session {}: it could not be kept: {}", session.name, error.message)};
  };
  const std::vector<std::byte> bytes = encode_session(session, key_of(uid));
  if (const Status status = make_directory(directory); !status) return failed(status.error());
  if (const Status status = write_file(fresh, bytes); !status) return failed(status.error());
  if (rename(fresh.c_str(), path.c_str()) != 0) return failed(from_errno("rename " + fresh));
  return {};
}

}  // namespace hearth
