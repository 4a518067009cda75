// Groups of users who share one cache, and so whose cache a user's requests use.
//
// A user alone has the namespace that is their uid.  That of a group comes from its name: the same
// at every start, and a number that no uid can be.  Membership is as the configuration says when
// the daemon starts; pages stay with the namespace that they were computed in.
//
// THREAD: any; it does not change once the settings are read.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cache/page_key.hpp"
#include "common/result.hpp"

namespace hearth {

class UserGroups {
 public:
  // Add the group that NAME=USER,USER,... says: each user a uid, which need not exist, or a name
  // that is looked up now.  Errors: CONFIG, the message going on after the text: "has a wrong
  // name: ...".
  Status add(std::string_view text);

  cache::NamespaceId namespace_of(uid_t uid) const;

  // Whose namespace it is: of a group when there is one of this id; of a user when it is a uid.
  // Else it is that of a group that is not configured any more.
  const std::string* group_name(cache::NamespaceId id) const;
  static bool is_uid(cache::NamespaceId id) { return id <= UINT32_MAX; }

  bool empty() const { return names_.empty(); }

  static constexpr std::size_t kNameBytesMax = 64;

 private:
  std::unordered_map<cache::NamespaceId, std::string> names_;  // of the groups
  std::unordered_map<uid_t, cache::NamespaceId> members_;
};

// The namespace of the group of this name.
cache::NamespaceId group_namespace(std::string_view name);

}  // namespace hearth
