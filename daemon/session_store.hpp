// The sessions that are kept for users: sequences of tokens that outlive their clients and the
// daemon.
//
// A session is its tokens; the pages with their keys and values are found in the cache by content.
// So a fork copies nothing but ids, and a session whose pages were evicted is computed again.  Each
// is a file STATE/sessions/UID/NAME, replaced whole (written aside, then renamed) when it changes:
// what was answered survives kill -9.  Nothing is synced to the disk, for the loop would wait: what
// was written in the last seconds before a loss of power may be lost, with the session it changed.
//
// A turn is one generation that extends a session.  It is a transaction: the session grows when the
// reply is sent, by everything the client was sent; a turn whose client is gone changes nothing.
//
// THREAD: loop.  Pointers to sessions are valid until the next call that changes something.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/session_file.hpp"

namespace hearth {

class SessionStore {
 public:
  // Read what was kept in directory, making it where it is missing.  A file that cannot be used is
  // left where it is, with a warning.  Errors: IO.
  Status open(std::string directory, const cache::Digest& master_secret);

  // Errors of all that follow: INVALID (a name), NOT_FOUND, SESSION (it is there already, belongs
  // to another model, or a turn of it is under way), LIMIT (too many), IO, STORAGE (it could not be
  // kept: nothing has changed).  An empty name for a new session asks for an anonymous one;
  // needed: that does not go to make room for it.
  Result<const KeptSession*> find(uid_t uid, const std::string& name) const;
  Result<const KeptSession*> create(uid_t uid, const std::string& name, const std::string& model,
                                    std::vector<TokenId> ids = {}, const std::string& needed = "");
  Result<const KeptSession*> fork(uid_t uid, const std::string& from, const std::string& name);
  // Drop the last count tokens.
  Result<const KeptSession*> roll_back(uid_t uid, const std::string& name, std::int64_t count);
  Status destroy(uid_t uid, const std::string& name);

  // A turn: no other and no change of the session until end_turn() or drop_turn().
  Result<const KeptSession*> begin_turn(uid_t uid, const std::string& name,
                                        const std::string& model);
  // The session is these ids now.  The turn is over in any case.
  Status end_turn(uid_t uid, const std::string& name, std::vector<TokenId> ids);
  void drop_turn(uid_t uid, const std::string& name);
  bool has_turn(uid_t uid, const std::string& name) const;

  void each(uid_t uid, const std::function<void(const KeptSession&)>& visit) const;
  cache::Digest key_of(uid_t uid) const { return session_key(secret_, uid); }

  static constexpr std::size_t kPerUserMax = 1024;
  static constexpr std::size_t kTokensPerUserMax = 16u << 20;

 private:
  struct Kept {
    KeptSession session;
    bool in_turn = false;
  };
  using OfUser = std::map<std::string, Kept>;

  Result<Kept*> find_idle(uid_t uid, const std::string& name);
  Result<const KeptSession*> find_victim(uid_t uid, const std::string& needed) const;
  Status check_tokens(uid_t uid, std::size_t tokens, std::size_t freed) const;
  Result<const KeptSession*> replace(uid_t uid, Kept& kept, std::vector<TokenId> ids);
  Status write(uid_t uid, const KeptSession& session) const;
  void read_user(uid_t uid, const std::string& directory);
  std::string directory_of(uid_t uid) const;

  std::string directory_;
  cache::Digest secret_ = {};
  std::map<uid_t, OfUser> users_;
};

}  // namespace hearth
