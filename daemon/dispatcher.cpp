// See dispatcher.hpp.
#include "daemon/dispatcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "daemon/cache_verb.hpp"
#include "daemon/sampling_report.hpp"
#include "daemon/session.hpp"
#include "engine/clock.hpp"

namespace hearth {
namespace {

// Rows of logits on their way to one client: from the engine until the kernel has them.
constexpr std::uint64_t kLogitBytesOnTheWay = 16u << 20;

void append_ids(std::vector<TokenId>& ids, std::span<const std::byte> bytes) {
  const std::size_t before = ids.size();
  ids.resize(before + bytes.size() / sizeof(TokenId));
  if (!bytes.empty()) std::memcpy(ids.data() + before, bytes.data(), bytes.size());
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

double per_second(std::uint64_t count, std::int64_t ns) {
  return count == 0 || ns <= 0 ? 0 : static_cast<double>(count) * 1e9 / static_cast<double>(ns);
}

Error no_tokens() {
  return {Code::INVALID, "prompt: it has no tokens"};
}

bool needs_weights(hearth_verb verb) {
  switch (verb) {
    case HEARTH_VERB_LOAD:
    case HEARTH_VERB_GENERATE:
    case HEARTH_VERB_EVAL:
    case HEARTH_VERB_SESSION_EXPORT:
    case HEARTH_VERB_SESSION_IMPORT: return true;
    default: return false;
  }
}

const char* stop_reason_name(std::uint32_t reason) {
  switch (reason) {
    case HEARTH_STOP_END: return "end";
    case HEARTH_STOP_SEQUENCE: return "stop";
    case HEARTH_STOP_LENGTH: return "length";
    case HEARTH_STOP_CONTEXT: return "context";
    default: return "canceled";
  }
}

}  // namespace

Request* Dispatcher::find(RequestId id) {
  const auto found = requests_.find(id);
  return found == requests_.end() ? nullptr : found->second.get();
}

void Dispatcher::open(std::unique_ptr<Request> request) {
  Request& opened = *request;
  requests_.emplace(opened.id, std::move(request));
  ServedModel& model = *opened.model;
  // Asked for by name, it gets another chance.
  const bool another = model.state() == ModelState::failed ||
                       (model.state() == ModelState::vocabulary && !model.is_current());
  if (opened.verb == HEARTH_VERB_LOAD && another) model.read_file();
  if (opened.verb == HEARTH_VERB_UNLOAD) residency_->let_go(model);
  const bool takes_ids = opened.verb == HEARTH_VERB_EVAL || (opened.verb == HEARTH_VERB_GENERATE &&
                                                             opened.prompt == PromptKind::tokens);
  // Before a model is loaded for it, at the cost of others.
  if (takes_ids && opened.ids.empty() && opened.turn.empty()) return fail(opened, no_tokens());
  if (needs_weights(opened.verb)) opened.term = residency_->join(model);
  advance(opened);
}

// One step on the way of a request, as far as its model lets it go.
void Dispatcher::advance(Request& request) {
  ServedModel& model = *request.model;
  if (request.verb == HEARTH_VERB_UNLOAD) return advance_unload(request);
  if (model.state() == ModelState::failed) return fail(request, model.error());
  if (model.state() == ModelState::waiting) return;  // on_model_changed() comes back here
  if (request.stage == RequestStage::waits_for_catalog) {
    if (const auto kind = conversion_of(request)) return convert(request, *kind);
    if (request.verb == HEARTH_VERB_SESSION_IMPORT) return receive(request);
    if (request.verb == HEARTH_VERB_CACHE && !join_for_cache(request)) return;
    request.stage = RequestStage::waits_for_engine;
  }
  if (request.stage != RequestStage::waits_for_engine) return;
  switch (model.state()) {
    case ModelState::vocabulary:
      return fail(request,
                  {Code::MODEL, fmt::format("model {} has a vocabulary only: it can tokenize "
                                            "and detokenize",
                                            model.id())});
    case ModelState::loading:
      return request.session->send_progress(request.wire_request, "loading", model.progress());
    case ModelState::ready:
      if (!residency_->admits(model, request.term)) return;
      if (request.verb == HEARTH_VERB_CACHE) return submit_cache(request);
      if (request.verb == HEARTH_VERB_LOAD) return answer_load(request);
      return request.transfer != nullptr ? transfer(request) : submit(request);
    default: return;  // it will be loaded
  }
}

void Dispatcher::answer_load(Request& request) {
  const ServedModel& model = *request.model;
  if (request.keep_alive_s) residency_->keep_alive(model, *request.keep_alive_s);
  JsonWriter json;
  json.add("state", model_state_name(model.state()))
      .add("memory_bytes", model.memory_bytes())
      .add("load_ms", milliseconds(model.loaded().load_ns));
  request.session->reply(request.wire_request, request.verb, &json);
  close(request);
}

// Over as soon as the model is out of memory, if only for a moment.
void Dispatcher::advance_unload(Request& request) {
  const ServedModel& model = *request.model;
  if (model.in_memory()) return;
  JsonWriter json;
  json.add("state", model_state_name(model.state()));
  request.session->reply(request.wire_request, request.verb, &json);
  close(request);
}

// In order of arrival.  A copy: a request that ends leaves the table.
std::vector<RequestId> Dispatcher::requests_of(const ServedModel& model) const {
  std::vector<RequestId> ids;
  for (const auto& [id, request] : requests_) {
    if (request->model == &model) ids.push_back(id);
  }
  std::ranges::sort(ids);
  return ids;
}

void Dispatcher::advance_all(ServedModel& model) {
  for (const RequestId id : requests_of(model)) {
    Request* request = find(id);
    if (request != nullptr && request->stage != RequestStage::in_engine) advance(*request);
  }
}

Status Dispatcher::check_prompt(const Request& request) const {
  const LoadedNotice& loaded = request.model->loaded();
  if (request.ids.empty()) return no_tokens();
  if (request.ids.size() > loaded.context) {
    return Error{Code::LIMIT, fmt::format("prompt: {} tokens, the context of {} is {}",
                                          request.ids.size(), request.model->id(), loaded.context)};
  }
  for (std::size_t i = 0; i < request.ids.size(); ++i) {
    const TokenId id = request.ids[i];
    if (id < 0 || static_cast<std::uint32_t>(id) >= loaded.vocab) {
      return Error{Code::INVALID, fmt::format("prompt: token {} has id {}, outside the vocabulary "
                                              "of {}",
                                              i, id, loaded.vocab)};
    }
  }
  return {};
}

// How much of the client's credit the engine may have now.  Tokens are small: all of it.  Rows of
// logits are not: as many as may be on their way.
std::uint64_t Dispatcher::passable_credit(const Request& request) const {
  if (request.submit.want_logits == 0) return request.credit_total;
  const std::uint64_t row_bytes = std::uint64_t{request.model->loaded().vocab} * sizeof(float);
  const std::uint64_t window = std::max<std::uint64_t>(1, kLogitBytesOnTheWay / row_bytes);
  return std::min(request.credit_total, request.rows_sent + window);
}

void Dispatcher::submit(Request& request) {
  Engine* engine = request.model->engine();
  if (engine == nullptr) return fail(request, {Code::UNAVAILABLE, "the daemon is shutting down"});
  if (request.catalog_version != 0 && request.catalog_version != request.model->catalog_version()) {
    return fail(request, {Code::UNAVAILABLE, fmt::format("the file of model {} was replaced while "
                                                         "this request waited: ask again",
                                                         request.model->id())});
  }
  add_history(request);
  if (const Status status = check_prompt(request); !status) return fail(request, status.error());
  SubmitCommand& submit = request.submit;
  submit.request = request.id;
  submit.namespace_id = request.session->namespace_id();
  submit.received_ns = request.received_ns;
  submit.prompt_count = static_cast<std::uint32_t>(request.ids.size());
  submit.credit = static_cast<std::uint32_t>(passable_credit(request));
  submit.mark_count = static_cast<std::uint8_t>(request.marks.size());
  if (!engine->submit(submit, request.ids, request.stops, request.biases, request.marks)) {
    stalled_.insert(request.model);
    return;
  }
  request.credit_passed = submit.credit;
  request.stage = RequestStage::in_engine;
  request.turn_ids = std::move(request.ids);
  request.ids = {};
  if (request.turn.empty()) request.turn_ids = {};
}

// A turn of a kept session begins with what the session has.  Once: what a full ring did not take
// is submitted again.
void Dispatcher::add_history(Request& request) {
  if (request.turn.empty() || std::exchange(request.has_history, true)) return;
  const auto session = sessions_->find(request.uid, request.turn);
  request.ids.insert(request.ids.begin(), (*session)->ids.begin(), (*session)->ids.end());
  for (std::uint32_t& mark : request.marks)
    mark += static_cast<std::uint32_t>((*session)->ids.size());
}

// A model is not loaded for looking at its cache, but one that is stays until that is over.  False
// when the request has failed.
bool Dispatcher::join_for_cache(Request& request) {
  ServedModel& model = *request.model;
  const bool loaded = model.state() == ModelState::ready || model.state() == ModelState::loading;
  if (loaded && !std::as_const(*residency_).use_of(model).has_to_go()) {
    request.term = residency_->join(model);
    return true;
  }
  if (model.state() == ModelState::vocabulary) return true;  // fails as others do
  fail(request,
       {Code::INVALID_OPERATION,
        fmt::format("model {} is not loaded: {}; load it first (hearth load {})", model.id(),
                    model.has_idle_cache() ? "its cache is kept, but only its engine can tell or "
                                             "change what is in it"
                                           : "it has no cache in memory",
                    model.id())});
  return false;
}

void Dispatcher::submit_cache(Request& request) {
  Engine* engine = request.model->engine();
  if (engine == nullptr) return fail(request, {Code::UNAVAILABLE, "the daemon is shutting down"});
  request.cache.request = request.id;
  if (!engine->ask_cache(request.cache, request.ids)) {
    stalled_.insert(request.model);
    return;
  }
  request.stage = RequestStage::in_engine;
  request.ids = {};
}

void Dispatcher::pass_credit(Request& request) {
  Engine* engine = request.model->engine();
  if (request.stage != RequestStage::in_engine || engine == nullptr) return;
  const std::uint64_t passable = passable_credit(request);
  if (passable <= request.credit_passed) return;
  const auto more = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(passable - request.credit_passed, UINT32_MAX));
  if (engine->grant(request.id, more)) {
    request.credit_passed += more;
  } else {
    stalled_.insert(request.model);
  }
}

void Dispatcher::grant(RequestId id, std::uint32_t tokens) {
  Request* request = find(id);
  if (request == nullptr) return;
  request->credit_total += tokens;
  pass_credit(*request);
}

void Dispatcher::on_sent(RequestId id) {
  Request* request = find(id);
  if (request == nullptr) return;
  if (request->verb == HEARTH_VERB_SESSION_EXPORT) return close(*request);
  ++request->rows_sent;
  pass_credit(*request);
}

void Dispatcher::cancel(RequestId id) {
  Request* request = find(id);
  if (request == nullptr) return;
  if (request->stage == RequestStage::is_answered) return;
  if (waits_for_job(*request)) {
    request->cancel_wanted = true;  // on_job_done() says so
    return;
  }
  if (request->stage != RequestStage::in_engine) {
    return fail(*request, {Code::CANCELED, "canceled before it began"});
  }
  pass_cancel(*request);
}

// Tell the engine, now or when its ring has room.  An engine that is gone has forgotten everything.
void Dispatcher::pass_cancel(Request& request) {
  Engine* engine = request.model->engine();
  request.cancel_wanted = true;
  request.cancel_passed = request.cancel_passed || engine == nullptr || engine->cancel(request.id);
  if (!request.cancel_passed) stalled_.insert(request.model);
}

// The client is gone: nobody to answer.
void Dispatcher::forget(RequestId id) {
  Request* request = find(id);
  if (request == nullptr) return;
  request->session = nullptr;
  if (waits_for_job(*request)) return;  // it counts as long as its job takes
  if (request->stage == RequestStage::in_engine) pass_cancel(*request);
  if (request->cancel_wanted && !request->cancel_passed) return;  // kept until the engine knows
  erase(id);
}

void Dispatcher::erase(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  const ServedModel& model = *found->second->model;
  const std::uint64_t term = found->second->term;
  if (!found->second->turn.empty()) sessions_->drop_turn(found->second->uid, found->second->turn);
  requests_.erase(found);
  if (term != 0) residency_->leave(model, term);
}

// Tell an engine what its full ring did not take before.
void Dispatcher::retry(ServedModel& model) {
  for (const RequestId id : requests_of(model)) {
    Request* request = find(id);
    if (request == nullptr) continue;
    if (request->stage == RequestStage::waits_for_engine) {
      advance(*request);
    } else if (request->cancel_wanted && !request->cancel_passed) {
      pass_cancel(*request);
      if (request->cancel_passed && request->session == nullptr) erase(id);
    } else {
      pass_credit(*request);
    }
  }
}

void Dispatcher::fail(Request& request, const Error& error) {
  ++errors_total_;
  if (request.session != nullptr) {
    request.session->reply_error(request.wire_request, request.verb, error);
  }
  close(request);
}

void Dispatcher::close(Request& request) {
  Session* session = request.session;
  const std::uint32_t number = request.wire_request;
  erase(request.id);  // request is dangling from here
  if (session != nullptr) session->close_request(number);
}

void Dispatcher::on_term(ServedModel& model) {
  advance_all(model);
}

void Dispatcher::on_refused(ServedModel& model, const Error& why) {
  for (const RequestId id : requests_of(model)) {
    Request* request = find(id);
    if (request != nullptr && request->term != 0) fail(*request, why);
  }
}

void Dispatcher::on_waited(ServedModel& model, std::uint32_t patience) {
  for (const RequestId id : requests_of(model)) {
    Request* request = find(id);
    if (request == nullptr || request->session == nullptr) continue;
    const std::uint64_t computed =
        request->submit.want_logits != 0 ? request->rows_computed : request->completion_tokens;
    const bool streams = request->verb == HEARTH_VERB_GENERATE || request->verb == HEARTH_VERB_EVAL;
    const bool goes_on =
        request->stage != RequestStage::in_engine || !streams || computed < request->credit_passed;
    if (goes_on || request->times_parked++ < patience) continue;
    request->session->reply_error(
        request->wire_request, request->verb,
        {Code::UNAVAILABLE, fmt::format("model {} has to be unloaded for others, and this client "
                                        "kept it waiting for {} s: what was sent was not read",
                                        model.id(), patience)});
    request->session->close_request(request->wire_request);
    forget(id);
  }
}

void Dispatcher::on_model_changed(ServedModel& model) {
  residency_->on_model_changed(model);
  advance_all(model);
}

void Dispatcher::on_notice(ServedModel& model, Notice notice, std::span<const std::byte> payload) {
  switch (notice) {
    case Notice::done: on_done(take_head<DoneNotice>(payload)); break;
    case Notice::transferred: on_transferred(take_head<TransferredNotice>(payload)); break;
    case Notice::cache_done: {
      const auto done = take_head<CacheDoneNotice>(payload);
      on_cache_done(done, payload);
      break;
    }
    default: on_request_notice(notice, payload); break;
  }
  if (stalled_.erase(&model) != 0) retry(model);
}

void Dispatcher::on_request_notice(Notice notice, std::span<const std::byte> payload) {
  RequestId id = 0;  // every other notice begins with it
  std::memcpy(&id, payload.data(), sizeof(id));
  Request* request = find(id);
  if (request == nullptr || request->session == nullptr) return;
  Session& session = *request->session;
  switch (notice) {
    case Notice::prefill: {
      const auto head = take_head<PrefillNotice>(payload);
      session.send_progress(request->wire_request, "prefill",
                            static_cast<double>(head.done) / head.total);
      break;
    }
    case Notice::tokens: {
      const auto head = take_head<TokensNotice>(payload);
      request->completion_tokens += head.id_count;
      const std::size_t id_bytes = head.id_count * sizeof(TokenId);
      if (!request->turn.empty()) append_ids(request->turn_ids, payload.first(id_bytes));
      if (request->parser != nullptr) {
        session.send_tokens(request->wire_request, payload.first(id_bytes), {});
        send_deltas(*request, request->parser->feed(as_text(payload.subspan(id_bytes))));
        break;
      }
      session.send_tokens(request->wire_request, payload.first(id_bytes),
                          payload.subspan(id_bytes));
      break;
    }
    case Notice::logits: {
      const auto head = take_head<LogitsNotice>(payload);
      request->rows_computed += head.row_count;
      session.send_logits(request->wire_request, id, {head.position, head.row_count, head.row_size},
                          payload);
      break;
    }
    case Notice::probs: {
      const auto head = take_head<ProbsNotice>(payload);
      session.send_probs(request->wire_request, {head.position, head.count, 0}, payload);
      break;
    }
    case Notice::embedding: {
      take_head<EmbeddingNotice>(payload);
      request->result.assign(payload.begin(), payload.end());
      break;
    }
    case Notice::cache_progress: {
      const auto head = take_head<CacheProgressNotice>(payload);
      session.send_progress(request->wire_request, "verify", head.fraction);
      break;
    }
    case Notice::failed: fail(*request, error_of(payload)); break;
    default: break;
  }
}

void Dispatcher::on_cache_done(const CacheDoneNotice& done, std::span<const std::byte> texts) {
  Request* request = find(done.request);
  if (request == nullptr || request->session == nullptr) return erase(done.request);
  const CacheAction action = request->cache.action;
  const std::string document =
      cache_document(request->model->id(), action, done, texts, request->session->groups());
  JsonWriter json;
  json.add("do", cache_action_name(action));
  if (done.canceled != 0) json.add("stop_reason", "canceled");
  request->session->reply(request->wire_request, request->verb, &json,
                          std::as_bytes(std::span(document)));
  close(*request);
}

void Dispatcher::on_done(const DoneNotice& done) {
  if (Request* request = find(done.request); request != nullptr && request->session != nullptr) {
    JsonWriter usage;
    usage.add("prompt_tokens", done.prompt_tokens)
        .add("cached_tokens", done.cached_tokens)
        .add("completion_tokens", done.completion_tokens);
    const std::uint32_t computed = done.prompt_tokens - done.cached_tokens;
    const std::uint32_t later = done.completion_tokens - std::min(1u, done.completion_tokens);
    JsonWriter timings;
    timings.add("ttft_ms", milliseconds(done.ttft_ns))
        .add("prefill_ms", milliseconds(done.prefill_ns))
        .add("decode_ms", milliseconds(done.decode_ns))
        .add("prefill_tps", per_second(computed, done.prefill_ns))
        .add("decode_tps", per_second(later, done.decode_ns));
    JsonWriter json;
    json.add("usage", std::move(usage))
        .add("cache", cache_use_document(done.cache, request->model->loaded().cache_start.cold))
        .add("timings", std::move(timings))
        .add("seed", request->submit.seed)
        .add("stop_reason", stop_reason_name(done.stop_reason));
    if (const std::string name = std::exchange(request->turn, {}); !name.empty()) {
      const std::uint64_t tokens = request->turn_ids.size();
      const Status kept = sessions_->end_turn(request->uid, name, std::move(request->turn_ids));
      if (!kept) return fail(*request, kept.error());
      json.add("session", name).add("session_tokens", tokens);
    }
    if (request->submit.kind == RequestKind::evaluate) {
      json.add("mean_nll", done.mean_nll);
    } else {
      json.add("sampling", sampling_document(request->submit));
    }
    if (request->parser != nullptr) {
      if (const Status ended = end_chat(*request); !ended) return fail(*request, ended.error());
    }
    request->session->reply(request->wire_request, request->verb, &json, request->result);
    close(*request);
  } else {
    erase(done.request);
  }
}

}  // namespace hearth
