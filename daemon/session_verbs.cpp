// The verbs about kept sessions, SESSIONS to SESSION_IMPORT: see session_store.hpp.  Users see and
// change their own only.
#include <fcntl.h>
#include <fmt/format.h>

#include "daemon/server.hpp"
#include "daemon/session.hpp"

namespace hearth {
namespace {

Status no_payload(const Frame& frame) {
  if (frame.payload.empty()) return {};
  return Error{Code::INVALID, "payload: this verb takes none"};
}

Error no_name(const char* field, const std::string& name) {
  return {
      Code::INVALID,
      fmt::format("{}: \"{}\" is no name: 1 to {} letters, digits and . _ - are, but for a . at "
                  "the begin",
                  field, name.substr(0, HEARTH_SESSION_NAME_MAX), HEARTH_SESSION_NAME_MAX)};
}

Error misses_name() {
  return {Code::INVALID, "session: missing"};
}

}  // namespace

JsonWriter session_document(const KeptSession& session) {
  JsonWriter json;
  json.add("session", session.name)
      .add("model", session.model)
      .add("tokens", std::uint64_t{session.ids.size()})
      .add("anonymous", session.anonymous)
      .add("created_s", session.created_s)
      .add("used_s", session.used_s);
  return json;
}

// A document of any length, as the payload.
Status Session::list_sessions(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(const JsonReader json, JsonReader::parse(frame.json));
  HEARTH_CHECK(json.done());
  JsonWriter list = JsonWriter::array();
  const SessionStore& store = server_->kept_sessions();
  store.each(uid_, [&](const KeptSession& session) {
    JsonWriter one = session_document(session);
    one.add("busy", store.has_turn(uid_, session.name));
    list.push(std::move(one));
  });
  JsonWriter document;
  document.add("sessions", std::move(list));
  const std::string text = document.text();
  reply(frame.header.request, HEARTH_VERB_SESSIONS, nullptr, std::as_bytes(std::span(text)));
  return {};
}

Status Session::open_session(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(const auto model, json.string("model"));
  HEARTH_TRY(const auto name, json.string("session"));
  HEARTH_TRY(const auto mode, json.string("mode"));
  HEARTH_TRY(const auto ids, json.boolean("ids"));
  HEARTH_CHECK(json.done());
  if (mode && *mode != "create" && *mode != "attach") {
    return Error{Code::INVALID, "mode: neither \"create\" nor \"attach\""};
  }
  SessionStore& store = server_->kept_sessions();
  const bool found = name && store.find(uid_, *name);
  const bool create = mode ? *mode == "create" : !found;
  if (!create && !name) return misses_name();
  if (create && !model) return Error{Code::INVALID, "model: missing, for a new session"};
  if (create && server_->find_model(*model) == nullptr) return no_such_model(*model);
  if (create && name && !is_session_name(*name)) return no_name("session", *name);
  HEARTH_TRY(const KeptSession* session,
             create ? store.create(uid_, name.value_or(""), *model) : store.find(uid_, *name));
  if (model && session->model != *model) {
    return Error{Code::SESSION, fmt::format("session {}: it is one of model {}, not of {}",
                                            session->name, session->model, *model)};
  }
  JsonWriter answer = session_document(*session);
  answer.add("created", create);
  const auto payload =
      ids.value_or(false) ? std::as_bytes(std::span(session->ids)) : std::span<const std::byte>();
  reply(frame.header.request, HEARTH_VERB_SESSION_OPEN, &answer, payload);
  return {};
}

Status Session::fork_session(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(const std::string from, json.require_string("session"));
  HEARTH_TRY(const auto name, json.string("as"));
  HEARTH_CHECK(json.done());
  if (name && !is_session_name(*name)) return no_name("as", *name);
  HEARTH_TRY(const KeptSession* session,
             server_->kept_sessions().fork(uid_, from, name.value_or("")));
  const JsonWriter answer = session_document(*session);
  reply(frame.header.request, HEARTH_VERB_SESSION_FORK, &answer);
  return {};
}

Status Session::roll_back_session(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(const std::string name, json.require_string("session"));
  HEARTH_TRY(const auto tokens, json.integer("tokens", 0, kSessionTokensMax));
  HEARTH_CHECK(json.done());
  if (!tokens) return Error{Code::INVALID, "tokens: missing"};
  HEARTH_TRY(const KeptSession* session, server_->kept_sessions().roll_back(uid_, name, *tokens));
  const JsonWriter answer = session_document(*session);
  reply(frame.header.request, HEARTH_VERB_SESSION_ROLLBACK, &answer);
  return {};
}

Status Session::destroy_session(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(const std::string name, json.require_string("session"));
  HEARTH_CHECK(json.done());
  HEARTH_CHECK(server_->kept_sessions().destroy(uid_, name));
  reply(frame.header.request, HEARTH_VERB_SESSION_DESTROY, nullptr);
  return {};
}

Status Session::check_transfers() const {
  if (server_->dispatcher().transfers_of(uid_) < Dispatcher::kTransfersPerUserMax) return {};
  return Error{Code::LIMIT, fmt::format("{} exports and imports of uid {} are under way, no more "
                                        "are possible: ask again later",
                                        Dispatcher::kTransfersPerUserMax, uid_)};
}

// Its pages are in the engine: the dispatcher goes on.
Status Session::export_session(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(const std::string name, json.require_string("session"));
  HEARTH_CHECK(json.done());
  HEARTH_TRY(const KeptSession* session, server_->kept_sessions().find(uid_, name));
  HEARTH_CHECK(check_transfers());
  HEARTH_TRY(auto request, make_request(frame, session->model));
  request->transfer = std::make_unique<SessionTransfer>();
  request->transfer->session = *session;
  open(std::move(request));
  return {};
}

Status Session::import_session(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(const std::string model, json.require_string("model"));
  HEARTH_TRY(const auto name, json.string("session"));
  HEARTH_CHECK(json.done());
  if (name && !is_session_name(*name)) return no_name("session", *name);
  if (frame.fd < 0) return Error{Code::INVALID, "descriptor: missing"};
  HEARTH_CHECK(check_transfers());
  HEARTH_TRY(auto request, make_request(frame, model));
  UniqueFd fd(fcntl(frame.fd, F_DUPFD_CLOEXEC, 0));
  if (!fd) return from_errno("duplicate a descriptor");
  request->transfer = std::make_unique<SessionTransfer>();
  request->transfer->fd = std::move(fd);
  request->transfer->name = name.value_or("");
  open(std::move(request));
  return {};
}

}  // namespace hearth
