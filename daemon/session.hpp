// The protocol with one client: HELLO first, then requests, each ended by one reply.  docs/wire.md.
//
// THREAD: loop.  OWNER: the Server, until on_gone().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "cache/page_key.hpp"
#include "daemon/connection.hpp"
#include "daemon/json.hpp"
#include "daemon/request.hpp"
#include "daemon/session_file.hpp"
#include "daemon/user_groups.hpp"

namespace hearth {

class Server;

class Session final : public ConnectionOwner {
 public:
  Session(Server* server, uv_loop_t* loop, Flusher* flusher, UniqueFd fd, std::uint64_t id,
          uid_t uid);

  std::uint64_t id() const { return id_; }
  uid_t uid() const { return uid_; }
  const UserGroups& groups() const;
  cache::NamespaceId namespace_id() const { return namespace_id_; }
  // Who may decide for all users: root, and the user whose daemon it is.
  bool is_administrator() const;
  const std::string& client_name() const { return client_name_; }

  // Answers; the request stays open until close_request().
  void reply(std::uint32_t wire_request, hearth_verb verb, const JsonWriter* json,
             std::span<const std::byte> payload = {}, UniqueFd fd = {}, RequestId tag = 0);
  void reply_error(std::uint32_t wire_request, hearth_verb verb, const Error& error);
  // Frames of a request that goes on.
  void send_progress(std::uint32_t wire_request, const char* state, double progress);
  void send_tokens(std::uint32_t wire_request, std::span<const std::byte> ids,
                   std::span<const std::byte> text);
  void send_probs(std::uint32_t wire_request, const hearth_probs_head& head,
                  std::span<const std::byte> probs);
  void send_delta(std::uint32_t wire_request, std::uint32_t kind, std::uint32_t call,
                  std::string_view text, std::string_view id);
  void send_logits(std::uint32_t wire_request, RequestId id, const hearth_logits_head& head,
                   std::span<const std::byte> rows);
  // The request is over: its number is free again.
  void close_request(std::uint32_t wire_request);

  // Say why and close; with at_once without waiting for what is queued.
  void finish(Error why) { connection_.finish(std::move(why)); }
  std::size_t queued_bytes() const { return connection_.queued_bytes(); }

  void on_frame(const Frame& frame) override;
  void on_half_closed() override;
  void on_sent(std::uint64_t tag) override;
  void on_gone(const Error& why) override;

 private:
  struct Verb {
    hearth_verb verb;
    bool opens_request;  // and is answered; others belong to an open request
    bool takes_fd;
    Status (Session::*handle)(const Frame&);
  };
  static const Verb* find_verb(std::uint16_t number);
  Status hello(const Frame& frame);
  Status report(const Frame& frame);
  Status tokenize(const Frame& frame);
  Status detokenize(const Frame& frame);
  Status generate(const Frame& frame);
  Status render(const Frame& frame);
  Status evaluate(const Frame& frame);
  Status load(const Frame& frame);
  Status unload(const Frame& frame);
  Status list_sessions(const Frame& frame);
  Status open_session(const Frame& frame);
  Status fork_session(const Frame& frame);
  Status roll_back_session(const Frame& frame);
  Status destroy_session(const Frame& frame);
  Status check_transfers() const;
  Status export_session(const Frame& frame);
  Status import_session(const Frame& frame);
  Status cache(const Frame& frame);
  Status credit(const Frame& frame);
  Status cancel(const Frame& frame);

  Status check_administrator(const char* what) const;
  Error no_such_model(const std::string& model) const;
  Result<std::unique_ptr<Request>> make_request(const Frame& frame, const std::string& model);
  Result<std::unique_ptr<Request>> make_request(const Frame& frame, JsonReader& json);
  Status begin_turn(Request& request, const std::optional<std::string>& name);
  void open(std::unique_ptr<Request> request);

  Server* server_;  // outlives us
  const std::uint64_t id_;
  const uid_t uid_;                        // of the peer when it connected: SO_PEERCRED
  const cache::NamespaceId namespace_id_;  // whose cache its requests use
  bool greeted_ = false;
  bool half_closed_ = false;
  std::string client_name_;
  std::unordered_map<std::uint32_t, RequestId> open_;  // by the client's number
  Connection connection_;                              // last: it calls us
};

// What a client is told about a kept session.
JsonWriter session_document(const KeptSession& session);

}  // namespace hearth
