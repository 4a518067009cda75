// See session.hpp.
#include "daemon/session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include "common/checkpoint_fields.h"
#include "daemon/cache_verb.hpp"
#include "daemon/log.hpp"
#include "daemon/report.hpp"
#include "daemon/server.hpp"
#include "engine/clock.hpp"
#include "engine/sampler.hpp"

namespace hearth {
namespace {

constexpr std::size_t kClientNameMax = 64;

// Client names are shown on terminals and in logs.
std::string printable(std::string_view name) {
  std::string shown(name.substr(0, kClientNameMax));
  std::ranges::replace_if(
      shown, [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  return shown;
}

Status no_payload(const Frame& frame) {
  if (frame.payload.empty()) return {};
  return Error{Code::INVALID, "payload: this verb takes none"};
}

Result<std::vector<TokenId>> read_ids(std::span<const std::byte> payload) {
  if (payload.size() % sizeof(TokenId) != 0) {
    return Error{Code::INVALID,
                 fmt::format("payload: {} bytes are no whole number of int32 ids", payload.size())};
  }
  std::vector<TokenId> ids(payload.size() / sizeof(TokenId));
  if (!ids.empty()) std::memcpy(ids.data(), payload.data(), payload.size());
  return ids;
}

std::string text_of(std::span<const std::byte> payload) {
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

}  // namespace

const UserGroups& Session::groups() const {
  return server_->config().groups;
}

Session::Session(Server* server, uv_loop_t* loop, Flusher* flusher, UniqueFd fd, std::uint64_t id,
                 uid_t uid)
    : server_(server),
      id_(id),
      uid_(uid),
      namespace_id_(server->config().groups.namespace_of(uid)),
      connection_(loop, flusher, std::move(fd), this) {}

const Session::Verb* Session::find_verb(std::uint16_t number) {
  static constexpr std::array kVerbs = {
      Verb{HEARTH_VERB_HELLO, false, false, &Session::hello},
      Verb{HEARTH_VERB_MODELS, true, false, &Session::report},
      Verb{HEARTH_VERB_PS, true, false, &Session::report},
      Verb{HEARTH_VERB_STATS, true, false, &Session::report},
      Verb{HEARTH_VERB_TOKENIZE, true, false, &Session::tokenize},
      Verb{HEARTH_VERB_DETOKENIZE, true, false, &Session::detokenize},
      Verb{HEARTH_VERB_GENERATE, true, false, &Session::generate},
      Verb{HEARTH_VERB_EVAL, true, false, &Session::evaluate},
      Verb{HEARTH_VERB_LOAD, true, false, &Session::load},
      Verb{HEARTH_VERB_UNLOAD, true, false, &Session::unload},
      Verb{HEARTH_VERB_SESSIONS, true, false, &Session::list_sessions},
      Verb{HEARTH_VERB_SESSION_OPEN, true, false, &Session::open_session},
      Verb{HEARTH_VERB_SESSION_FORK, true, false, &Session::fork_session},
      Verb{HEARTH_VERB_SESSION_ROLLBACK, true, false, &Session::roll_back_session},
      Verb{HEARTH_VERB_SESSION_DESTROY, true, false, &Session::destroy_session},
      Verb{HEARTH_VERB_SESSION_EXPORT, true, false, &Session::export_session},
      Verb{HEARTH_VERB_SESSION_IMPORT, true, true, &Session::import_session},
      Verb{HEARTH_VERB_CACHE, true, false, &Session::cache},
      Verb{HEARTH_VERB_RENDER, true, false, &Session::render},
      Verb{HEARTH_VERB_CREDIT, false, false, &Session::credit},
      Verb{HEARTH_VERB_CANCEL, false, false, &Session::cancel},
  };
  const auto found = std::ranges::find(
      kVerbs, number, [](const Verb& verb) { return static_cast<std::uint16_t>(verb.verb); });
  return found == kVerbs.end() ? nullptr : &*found;
}

void Session::on_frame(const Frame& frame) {
  const auto verb = static_cast<hearth_verb>(frame.header.verb);
  const std::uint32_t number = frame.header.request;
  if (greeted_ == (verb == HEARTH_VERB_HELLO)) {
    return connection_.close({Code::PROTOCOL, greeted_ ? "a second HELLO" : "no HELLO came first"});
  }
  if (greeted_ && number == 0) {
    return connection_.close({Code::PROTOCOL, "request number 0 is for HELLO"});
  }
  const Verb* entry = find_verb(frame.header.verb);
  if (frame.fd >= 0 && (entry == nullptr || !entry->takes_fd)) {
    return connection_.close({Code::PROTOCOL, "a descriptor with a verb that takes none"});
  }
  if (entry == nullptr) {
    if (open_.contains(number)) {
      return connection_.close(
          {Code::PROTOCOL, "an unknown verb with the number of an open request"});
    }
    return reply_error(number, verb,
                       {Code::INVALID, fmt::format("verb {}: unknown", frame.header.verb)});
  }
  if (entry->opens_request && open_.contains(number)) {
    return connection_.close({Code::PROTOCOL, fmt::format("request {} is open already", number)});
  }
  if (entry->opens_request && open_.size() >= HEARTH_CONNECTION_REQUESTS_MAX) {
    return reply_error(number, verb,
                       {Code::LIMIT, fmt::format("{} requests of this connection are open already",
                                                 open_.size())});
  }
  const Status status = (this->*entry->handle)(frame);
  if (status) return;
  if (!entry->opens_request && greeted_) {
    // CREDIT and CANCEL have no reply, and an error with the number of a request would end that
    // one.
    return connection_.close({Code::PROTOCOL, status.error().message});
  }
  reply_error(number, verb, status.error());
  if (!greeted_) connection_.finish(status.error());
}

void Session::on_half_closed() {
  half_closed_ = true;
  if (open_.empty()) connection_.finish({Code::UNAVAILABLE, "the client has finished"});
}

void Session::on_sent(std::uint64_t tag) {
  server_->dispatcher().on_sent(tag);
}

void Session::on_gone(const Error& why) {
  if (why.code == Code::PROTOCOL || why.code == Code::LIMIT) {
    log_warning("client {} (uid {}): closed: {}", client_name_.empty() ? "?" : client_name_, uid_,
                why.message);
  }
  for (const auto& [number, id] : open_) server_->dispatcher().forget(id);
  server_->forget(id_);  // destroys self; nothing may follow
}

void Session::reply(std::uint32_t wire_request, hearth_verb verb, const JsonWriter* json,
                    std::span<const std::byte> payload, UniqueFd fd, RequestId tag) {
  const std::array parts = {payload};
  const std::uint8_t fd_count = fd ? 1 : 0;
  connection_.send(encode_frame(verb, HEARTH_FRAME_REPLY, wire_request,
                                json == nullptr ? std::string() : json->text(), parts, fd_count),
                   tag, std::move(fd));
}

void Session::reply_error(std::uint32_t wire_request, hearth_verb verb, const Error& error) {
  // The longest message is some thousand bytes of a model's error; clients' own text is cut.
  JsonWriter inner;
  inner.add("code", code_name(error.code)).add("message", error.message.substr(0, 4096));
  JsonWriter json;
  json.add("error", std::move(inner));
  connection_.send(
      encode_frame(verb, HEARTH_FRAME_REPLY | HEARTH_FRAME_ERROR, wire_request, json.text(), {}));
}

void Session::send_progress(std::uint32_t wire_request, const char* state, double progress) {
  JsonWriter json;
  json.add("state", state).add("progress", progress);
  connection_.send(encode_frame(HEARTH_VERB_PROGRESS, 0, wire_request, json.text(), {}));
}

void Session::send_tokens(std::uint32_t wire_request, std::span<const std::byte> ids,
                          std::span<const std::byte> text) {
  const hearth_tokens_head head = {static_cast<std::uint32_t>(ids.size() / sizeof(TokenId)),
                                   static_cast<std::uint32_t>(text.size())};
  const std::array parts = {std::as_bytes(std::span(&head, 1)), ids, text};
  connection_.send(encode_frame(HEARTH_VERB_TOKENS, 0, wire_request, "", parts));
}

void Session::send_delta(std::uint32_t wire_request, std::uint32_t kind, std::uint32_t call,
                         std::string_view text, std::string_view id) {
  const hearth_delta_head head = {kind, call, static_cast<std::uint32_t>(text.size()),
                                  static_cast<std::uint32_t>(id.size())};
  const std::array parts = {std::as_bytes(std::span(&head, 1)), std::as_bytes(std::span(text)),
                            std::as_bytes(std::span(id))};
  connection_.send(encode_frame(HEARTH_VERB_DELTA, 0, wire_request, "", parts));
}

void Session::send_probs(std::uint32_t wire_request, const hearth_probs_head& head,
                         std::span<const std::byte> probs) {
  const std::array parts = {std::as_bytes(std::span(&head, 1)), probs};
  connection_.send(encode_frame(HEARTH_VERB_PROBS, 0, wire_request, "", parts));
}

void Session::send_logits(std::uint32_t wire_request, RequestId id, const hearth_logits_head& head,
                          std::span<const std::byte> rows) {
  const std::array parts = {std::as_bytes(std::span(&head, 1)), rows};
  connection_.send(encode_frame(HEARTH_VERB_LOGITS, 0, wire_request, "", parts), id);
}

void Session::close_request(std::uint32_t wire_request) {
  open_.erase(wire_request);
  if (half_closed_ && open_.empty()) {
    connection_.finish({Code::UNAVAILABLE, "the client has finished"});
  }
}

Status Session::hello(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(const auto min, json.integer("protocol_min", 0, UINT32_MAX));
  HEARTH_TRY(const auto max, json.integer("protocol_max", 0, UINT32_MAX));
  HEARTH_TRY(const auto client, json.string("client"));
  HEARTH_TRY(const auto features, json.strings("features", 64, 64));
  HEARTH_CHECK(json.done());
  if (!min || !max) return Error{Code::INVALID, "protocol_min, protocol_max: missing"};
  if (*min > HEARTH_PROTOCOL_MAX || *max < HEARTH_PROTOCOL_MIN || *min > *max) {
    return Error{Code::PROTOCOL, fmt::format("protocol {} to {} is wanted, {} to {} is spoken",
                                             *min, *max, HEARTH_PROTOCOL_MIN, HEARTH_PROTOCOL_MAX)};
  }
  client_name_ = printable(client.value_or("unnamed"));
  greeted_ = true;
  JsonWriter limits;
  limits.add("frame_bytes", std::uint64_t{HEARTH_FRAME_BYTES_MAX})
      .add("payload_bytes", std::uint64_t{HEARTH_PAYLOAD_BYTES_MAX})
      .add("requests", HEARTH_CONNECTION_REQUESTS_MAX)
      .add("credit", HEARTH_CREDIT_MAX);
  JsonWriter answer;
  answer.add("protocol", std::min<std::int64_t>(*max, HEARTH_PROTOCOL_MAX))
      .add("server", "hearthd " HEARTH_VERSION_STRING)
      .add("epoch", server_->epoch())
      .add("features", JsonWriter::array())
      .add("limits", std::move(limits));
  reply(0, HEARTH_VERB_HELLO, &answer);
  return {};
}

Error Session::no_such_model(const std::string& model) const {
  return {Code::NOT_FOUND, fmt::format("model: there is no \"{}\"; there are: {}",
                                       model.substr(0, HEARTH_MODEL_ID_MAX), server_->model_ids())};
}

// What all verbs about a model begin with: the request, for a model that exists.
Result<std::unique_ptr<Request>> Session::make_request(const Frame& frame, JsonReader& json) {
  HEARTH_TRY(const std::string model, json.require_string("model"));
  return make_request(frame, model);
}

Result<std::unique_ptr<Request>> Session::make_request(const Frame& frame,
                                                       const std::string& model) {
  auto request = std::make_unique<Request>();
  request->session = this;
  request->wire_request = frame.header.request;
  request->verb = static_cast<hearth_verb>(frame.header.verb);
  request->received_ns = now_ns();
  request->uid = uid_;
  if (server_->draining()) return Error{Code::UNAVAILABLE, "the daemon is shutting down"};
  request->model = server_->find_model(model);
  if (request->model == nullptr) return no_such_model(model);
  if (server_->dispatcher().count() >= Dispatcher::kRequestsMax) {
    return Error{Code::LIMIT,
                 fmt::format("{} requests are open already", Dispatcher::kRequestsMax)};
  }
  return request;
}

void Session::open(std::unique_ptr<Request> request) {
  const std::uint32_t number = request->wire_request;
  request->id = server_->dispatcher().next_id();
  open_[number] = request->id;
  server_->dispatcher().open(std::move(request));
}

// MODELS, PS and STATS: what is known now, at once.
Status Session::report(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(const JsonReader json, JsonReader::parse(frame.json));
  HEARTH_CHECK(json.done());
  const auto verb = static_cast<hearth_verb>(frame.header.verb);
  const std::string document = verb == HEARTH_VERB_MODELS ? models_document(*server_)
                               : verb == HEARTH_VERB_PS   ? ps_document(*server_, uid_)
                                                          : stats_document(*server_, *this);
  reply(frame.header.request, verb, nullptr, std::as_bytes(std::span(document)));
  return {};
}

Status Session::tokenize(const Frame& frame) {
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(auto request, make_request(frame, json));
  HEARTH_TRY(const auto add_special, json.boolean("add_special"));
  HEARTH_TRY(const auto parse_special, json.boolean("parse_special"));
  HEARTH_CHECK(json.done());
  request->encode = {add_special.value_or(true), parse_special.value_or(false)};
  request->text = text_of(frame.payload);
  open(std::move(request));
  return {};
}

Status Session::render(const Frame& frame) {
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(auto request, make_request(frame, json));
  HEARTH_CHECK(json.done());
  request->text = text_of(frame.payload);
  open(std::move(request));
  return {};
}

Status Session::detokenize(const Frame& frame) {
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(auto request, make_request(frame, json));
  HEARTH_TRY(const auto parse_special, json.boolean("parse_special"));
  HEARTH_CHECK(json.done());
  request->spell_special = parse_special.value_or(false);
  HEARTH_TRY(request->ids, read_ids(frame.payload));
  open(std::move(request));
  return {};
}

namespace {

// "samplers": the steps that run, in their order.
Status read_steps(JsonReader& json, SubmitCommand& submit) {
  constexpr std::size_t kNameMax = 32;
  HEARTH_TRY(const auto names, json.strings("samplers", kSamplerStepCount, kNameMax));
  if (!names) return {};
  submit.step_count = 0;
  for (const std::string& name : *names) {
    const auto step = find_sampler_step(name);
    if (!step) {
      std::string known;
      for (const SamplerStep one : SamplingParameters().steps()) {
        known += fmt::format(" {}", sampler_step_name(one));
      }
      return Error{Code::INVALID,
                   fmt::format("samplers: there is no \"{}\"; there are{}", name, known)};
    }
    const auto number = static_cast<std::uint8_t>(*step);
    if (std::ranges::count(std::span(submit.steps).first(submit.step_count), number) != 0) {
      return Error{Code::INVALID, fmt::format("samplers: \"{}\" stands twice", name)};
    }
    submit.steps[submit.step_count++] = number;
  }
  return {};
}

// The keys of common/sampling_fields.h.
Status read_sampling(JsonReader& json, double temperature, SubmitCommand& submit) {
  const auto read_i32 = [&](const char* key, double low, double high, double fallback,
                            std::int32_t& field) -> Status {
    HEARTH_TRY(const auto value,
               json.integer(key, static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)));
    field = static_cast<std::int32_t>(value.value_or(static_cast<std::int64_t>(fallback)));
    return {};
  };
  const auto read_f32 = [&](const char* key, double low, double high, double fallback,
                            float& field) -> Status {
    HEARTH_TRY(const auto value, json.number(key, low, high));
    field = static_cast<float>(value.value_or(fallback));
    return {};
  };
#define HEARTH_READ_(type, name, low, high, fallback, help) \
  HEARTH_CHECK(read_##type(#name, low, high, fallback, submit.name));
  HEARTH_SAMPLING_FIELDS(HEARTH_READ_)
#undef HEARTH_READ_
  // Row D1 of the features: who samples does not want to hear everything twice.
  HEARTH_TRY(const auto repeat, json.number("repeat_penalty", 0.125, 100));
  if (!repeat && temperature > 0) submit.repeat_penalty = 1.1F;
  return read_steps(json, submit);
}

Result<PromptKind> prompt_kind_of(const std::string& name) {
  if (name == "text") return PromptKind::text;
  if (name == "tokens") return PromptKind::tokens;
  if (name == "chat") return PromptKind::chat;
  return Error{Code::INVALID, "prompt_kind: not one of \"text\", \"tokens\" and \"chat\""};
}

// The keys of common/checkpoint_fields.h; the others are as the model has them.
Status read_checkpoint_settings(JsonReader& json, Request& request) {
  cache::CheckpointSettings& settings = request.submit.checkpoints;
  settings = request.model->checkpoint_settings();
  const auto read = [&](const char* key, std::int64_t low, std::int64_t high,
                        auto& field) -> Status {
    HEARTH_TRY(const auto value, json.integer(key, low, high));
    if (value) field = static_cast<std::remove_reference_t<decltype(field)>>(*value);
    return {};
  };
#define HEARTH_READ_(name, field, low, high, help) \
  HEARTH_CHECK(read(#name, low, high, settings.field));
  HEARTH_CHECKPOINT_FIELDS(HEARTH_READ_)
#undef HEARTH_READ_
  return {};
}

// Where the prompt's tokens are to be marked.
Status take_checkpoints(std::vector<std::uint32_t> checkpoints, Request& request) {
  if (checkpoints.empty()) return {};
  if (request.prompt != PromptKind::tokens) {
    return Error{Code::INVALID,
                 "checkpoints: positions of tokens: prompt_kind has to be \"tokens\""};
  }
  if (checkpoints.back() >= request.ids.size()) {
    return Error{Code::INVALID, fmt::format("checkpoints: position {} is not inside of the prompt "
                                            "of {} tokens",
                                            checkpoints.back(), request.ids.size())};
  }
  request.marks = std::move(checkpoints);
  return {};
}

}  // namespace

Status Session::generate(const Frame& frame) {
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(auto request, make_request(frame, json));
  HEARTH_TRY(const auto kind, json.string("prompt_kind"));
  HEARTH_TRY(const auto raw, json.boolean("raw"));
  HEARTH_TRY(const auto add_special, json.boolean("add_special"));
  HEARTH_TRY(const auto parse_special, json.boolean("parse_special"));
  HEARTH_TRY(const auto max_tokens, json.integer("max_tokens", 1, INT32_MAX));
  HEARTH_TRY(const auto temperature, json.number("temperature", 0, 100));
  HEARTH_TRY(const auto top_k, json.integer("top_k", 0, INT32_MAX));
  HEARTH_TRY(const auto top_p, json.number("top_p", 0, 1));
  HEARTH_TRY(const auto seed, json.integer("seed", 0, UINT32_MAX));
  HEARTH_CHECK(read_sampling(json, temperature.value_or(0.7), request->submit));
  HEARTH_TRY(auto stops, json.strings("stop", HEARTH_STOP_COUNT_MAX, HEARTH_STOP_BYTES_MAX));
  HEARTH_TRY(const auto biases, json.biases("logit_bias", HEARTH_BIAS_COUNT_MAX));
  HEARTH_TRY(const auto n_probs, json.integer("n_probs", 0, HEARTH_PROBS_MAX));
  HEARTH_TRY(const auto ignore_eos, json.boolean("ignore_eos"));
  HEARTH_TRY(const auto logits, json.boolean("logits"));
  HEARTH_TRY(const auto credit, json.integer("credit", 1, HEARTH_CREDIT_MAX));
  HEARTH_TRY(const auto kept, json.string("session"));
  HEARTH_CHECK(read_checkpoint_settings(json, *request));
  HEARTH_TRY(auto checkpoints, json.rising("checkpoints", HEARTH_CHECKPOINTS_MAX));
  HEARTH_CHECK(json.done());
  HEARTH_TRY(request->prompt, prompt_kind_of(kind.value_or("text")));
  if (request->prompt == PromptKind::tokens) {
    HEARTH_TRY(request->ids, read_ids(frame.payload));
  } else {
    request->text = text_of(frame.payload);
    request->encode = {add_special.value_or(true), parse_special.value_or(false)};
  }
  if (request->prompt == PromptKind::chat && (raw || add_special || parse_special || kept)) {
    return Error{Code::INVALID,
                 "prompt_kind: a chat has no raw, add_special, parse_special or session"};
  }
  HEARTH_CHECK(take_checkpoints(std::move(checkpoints), *request));
  request->raw = raw.value_or(false);
  request->stops = std::move(stops).value_or(std::vector<std::string>());
  request->credit_total = static_cast<std::uint64_t>(credit.value_or(HEARTH_CREDIT_DEFAULT));

  SubmitCommand& submit = request->submit;
  submit.kind = RequestKind::generate;
  submit.max_tokens = static_cast<std::uint32_t>(max_tokens.value_or(256));
  submit.stop_count = static_cast<std::uint32_t>(request->stops.size());
  submit.temperature = static_cast<float>(temperature.value_or(0.7));
  submit.top_k = static_cast<std::int32_t>(top_k.value_or(0));
  submit.top_p = static_cast<float>(top_p.value_or(0.9));
  submit.seed = seed ? static_cast<std::uint32_t>(*seed) : std::random_device()();
  for (const auto& [id, bias] : biases.value_or(std::vector<std::pair<std::int32_t, float>>())) {
    request->biases.push_back({id, bias});
  }
  submit.bias_count = static_cast<std::uint32_t>(request->biases.size());
  submit.n_probs = static_cast<std::uint32_t>(n_probs.value_or(0));
  submit.ignore_eos = ignore_eos.value_or(false) ? 1 : 0;
  submit.want_logits = logits.value_or(false) ? 1 : 0;
  HEARTH_CHECK(begin_turn(*request, kept));
  open(std::move(request));
  return {};
}

// The last thing before the request is open: from here on it ends the turn.
Status Session::begin_turn(Request& request, const std::optional<std::string>& name) {
  if (!name) return {};
  HEARTH_TRY(const KeptSession* session,
             server_->kept_sessions().begin_turn(uid_, *name, request.model->id()));
  request.turn = *name;
  // The text goes on: what begins a text is there already.
  if (!session->ids.empty()) request.encode.add_special = false;
  return {};
}

Status Session::evaluate(const Frame& frame) {
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(auto request, make_request(frame, json));
  HEARTH_TRY(const auto logits, json.boolean("logits"));
  HEARTH_TRY(const auto pooling, json.string("pooling"));
  HEARTH_TRY(const auto credit, json.integer("credit", 1, HEARTH_CREDIT_MAX));
  HEARTH_CHECK(json.done());
  if (pooling && *pooling != "none" && *pooling != "last" && *pooling != "mean") {
    return Error{Code::INVALID, "pooling: neither \"none\" nor \"last\" nor \"mean\""};
  }
  if (pooling && *pooling != "none" && logits.value_or(false)) {
    return Error{Code::INVALID, "pooling, logits: one or the other"};
  }
  request->submit.pooling = !pooling || *pooling == "none" ? Pooling::none
                            : *pooling == "last"           ? Pooling::last
                                                           : Pooling::mean;
  request->prompt = PromptKind::tokens;
  HEARTH_TRY(request->ids, read_ids(frame.payload));
  request->credit_total = static_cast<std::uint64_t>(credit.value_or(HEARTH_CREDIT_DEFAULT));
  request->submit.kind = RequestKind::evaluate;
  // No text goes on from one, and vectors of many texts would push out the user's chats.
  request->submit.checkpoints.max_checkpoints = 0;
  request->submit.want_logits = logits.value_or(false) ? 1 : 0;
  open(std::move(request));
  return {};
}

bool Session::is_administrator() const {
  return uid_ == 0 || uid_ == geteuid();
}

Status Session::check_administrator(const char* what) const {
  if (is_administrator()) return {};
  return Error{
      Code::INVALID_OPERATION,
      fmt::format("{}: only root and uid {}, which runs the daemon, may do that", what, geteuid())};
}

Status Session::load(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(auto request, make_request(frame, json));
  HEARTH_TRY(request->keep_alive_s,
             json.integer("keep_alive", Residency::kForever, HEARTH_KEEP_ALIVE_MAX));
  HEARTH_CHECK(json.done());
  if (request->keep_alive_s) HEARTH_CHECK(check_administrator("keep_alive"));
  open(std::move(request));
  return {};
}

Status Session::unload(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(auto request, make_request(frame, json));
  HEARTH_CHECK(json.done());
  HEARTH_CHECK(check_administrator("unload"));
  open(std::move(request));
  return {};
}

Status Session::cache(const Frame& frame) {
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(auto request, make_request(frame, json));
  HEARTH_TRY(request->ids, read_ids(frame.payload));
  if (request->ids.size() > Engine::kPromptTokensMax) {
    return Error{Code::LIMIT, fmt::format("payload: {} tokens, no prompt can have more than {}",
                                          request->ids.size(), Engine::kPromptTokensMax)};
  }
  request->cache.namespace_id = namespace_id_;
  HEARTH_CHECK(read_cache_command(json, request->ids.size(), groups(), request->cache));
  if (request->cache.all != 0) HEARTH_CHECK(check_administrator("all"));
  if (request->cache.namespace_id != namespace_id_) HEARTH_CHECK(check_administrator("uid"));
  open(std::move(request));
  return {};
}

Status Session::credit(const Frame& frame) {
  HEARTH_CHECK(no_payload(frame));
  HEARTH_TRY(JsonReader json, JsonReader::parse(frame.json));
  HEARTH_TRY(const auto tokens, json.integer("tokens", 1, HEARTH_CREDIT_MAX));
  HEARTH_CHECK(json.done());
  if (const auto found = open_.find(frame.header.request); tokens && found != open_.end()) {
    server_->dispatcher().grant(found->second, static_cast<std::uint32_t>(*tokens));
  }
  return {};
}

Status Session::cancel(const Frame& frame) {
  if (const auto found = open_.find(frame.header.request); found != open_.end()) {
    server_->dispatcher().cancel(found->second);
  }
  return {};
}

}  // namespace hearth
