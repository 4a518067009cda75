// See user_groups.hpp.
#include "daemon/user_groups.hpp"

#include <errno.h>
#include <fmt/format.h>
#include <pwd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <span>

namespace hearth {
namespace {

constexpr std::size_t kEntryBytesMax = 1u << 20;  // of an entry of the user database

Error wrong_users(const std::string& why) {
  return {Code::CONFIG, "has wrong users: " + why};
}

bool is_name(std::string_view text) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= UserGroups::kNameBytesMax &&
         std::ranges::all_of(text, allowed);
}

Result<uid_t> look_up(const std::string& name) {
  std::vector<char> buffer(1024);
  for (;;) {
    passwd entry = {};
    passwd* found = nullptr;
    const int failed = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found != nullptr) return entry.pw_uid;
    if (failed == EINTR) continue;
    if (failed == ERANGE && buffer.size() < kEntryBytesMax) {
      buffer.resize(2 * buffer.size());
      continue;
    }
    // POSIX gives 0 for who is not there; some databases have errors for it.
    const bool absent = failed == 0 || failed == ENOENT || failed == ESRCH || failed == EPERM;
    if (absent) return wrong_users(fmt::format("this system has no user \"{}\"", name));
    return wrong_users(fmt::format("\"{}\" cannot be looked up: {}", name, std::strerror(failed)));
  }
}

// A number is a uid, anything else a name.
Result<uid_t> uid_of(std::string_view user) {
  if (user.empty()) return wrong_users("one has no name");
  if (!std::ranges::all_of(user, [](unsigned char c) { return std::isdigit(c) != 0; })) {
    return look_up(std::string(user));
  }
  uid_t uid = 0;
  const auto [stop, error] = std::from_chars(user.data(), user.data() + user.size(), uid);
  // The highest number means "no user" to the kernel.
  if (error != std::errc() || stop != user.data() + user.size() || uid == UINT32_MAX) {
    return wrong_users(fmt::format("{} is no uid: they go to {}", user, UINT32_MAX - 1));
  }
  return uid;
}

}  // namespace

// The highest bits are 10: beyond every uid, and never kUnknownNamespace.
cache::NamespaceId group_namespace(std::string_view name) {
  const std::string text = "hearth group 1 " + std::string(name);
  const cache::Digest digest = cache::hash(std::as_bytes(std::span(text)));
  cache::NamespaceId bits;
  std::memcpy(&bits, digest.data(), sizeof(bits));
  return std::uint64_t{1} << 63 | bits >> 2;
}

Status UserGroups::add(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return Error{Code::CONFIG, "is not NAME=USER,USER,..."};
  const std::string name(text.substr(0, equals));
  if (!is_name(name)) {
    return Error{Code::CONFIG, fmt::format("has a wrong name: 1 to {} letters, digits and . _ - "
                                           "are possible",
                                           kNameBytesMax)};
  }
  const cache::NamespaceId id = group_namespace(name);
  if (const auto [other, added] = names_.emplace(id, name); !added) {
    return Error{Code::CONFIG,
                 fmt::format("has a wrong name: there is a group \"{}\" already", other->second)};
  }
  for (std::size_t begin = equals + 1; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view user = text.substr(begin, end - begin);
    HEARTH_TRY(const uid_t uid, uid_of(user));
    if (const auto [member, added] = members_.emplace(uid, id); !added) {
      const bool twice = member->second == id;
      return wrong_users(fmt::format(
          "{} (uid {}) is {}", user, uid,
          twice ? "listed twice" : fmt::format("in group \"{}\" too", names_[member->second])));
    }
    begin = end + 1;
  }
  return {};
}

cache::NamespaceId UserGroups::namespace_of(uid_t uid) const {
  const auto found = members_.find(uid);
  return found == members_.end() ? uid : found->second;
}

const std::string* UserGroups::group_name(cache::NamespaceId id) const {
  const auto found = names_.find(id);
  return found == names_.end() ? nullptr : &found->second;
}

}  // namespace hearth
