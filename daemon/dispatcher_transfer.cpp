// The way of SESSION_EXPORT and SESSION_IMPORT through text threads and engine: see
// session_transfer.hpp.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "daemon/dispatcher.hpp"
#include "daemon/session.hpp"

namespace hearth {

std::size_t Dispatcher::transfers_of(uid_t uid) const {
  return static_cast<std::size_t>(std::ranges::count_if(requests_, [&](const auto& entry) {
    const Request& request = *entry.second;
    return request.uid == uid && (request.verb == HEARTH_VERB_SESSION_EXPORT ||
                                  request.verb == HEARTH_VERB_SESSION_IMPORT);
  }));
}

// A transfer on a text thread stays a request until its job is done, whatever its client does, so
// that jobs are bounded as requests are.
bool Dispatcher::waits_for_job(const Request& request) {
  return request.stage == RequestStage::on_text_thread;
}

// The request that goes on; null when it has ended.
Request* Dispatcher::on_job_done(RequestId id, const Status& status) {
  Request* request = find(id);
  if (request == nullptr) return nullptr;
  if (request->session == nullptr) {
    erase(id);
  } else if (request->cancel_wanted) {
    fail(*request, {Code::CANCELED, "canceled"});
  } else if (!status) {
    fail(*request, status.error());
  } else {
    return request;
  }
  return nullptr;
}

// Import, first: is it what this daemon exported?
void Dispatcher::receive(Request& request) {
  request.stage = RequestStage::on_text_thread;
  struct Work {
    std::unique_ptr<SessionTransfer> transfer;
    Status status;
  };
  const auto work = std::make_shared<Work>();  // shared by the job's two functions
  work->transfer = std::move(request.transfer);
  jobs_.run(
      [work, key = sessions_->key_of(request.uid)] {
        work->status = read_import(*work->transfer, key);
      },
      [this, work, id = request.id] {
        Request* found = on_job_done(id, work->status);
        if (found == nullptr) return;
        if (const std::string& model = work->transfer->session.model; model != found->model->id()) {
          return fail(*found, {Code::SESSION, fmt::format("the exported session: it is one of "
                                                          "model {}, not of {}",
                                                          model, found->model->id())});
        }
        found->transfer = std::move(work->transfer);
        found->stage = RequestStage::waits_for_engine;
        advance(*found);
      });
}

// Have the engine move pages and checkpoints.
void Dispatcher::transfer(Request& request) {
  Engine* engine = request.model->engine();
  if (engine == nullptr) return fail(request, {Code::UNAVAILABLE, "the daemon is shutting down"});
  SessionTransfer& transfer = *request.transfer;
  const bool import = request.verb == HEARTH_VERB_SESSION_IMPORT;
  if (!import && !transfer.fd) {
    if (const Status begun = begin_export(transfer); !begun) return fail(request, begun.error());
  }
  UniqueFd fd(fcntl(transfer.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return fail(request, from_errno("duplicate a memfd"));
  TransferCommand command = {};
  command.request = request.id;
  command.namespace_id = request.session->namespace_id();
  command.geometry = transfer.contents.geometry;
  command.pages_offset = transfer.offset;
  command.page_count = transfer.contents.page_count;
  command.checkpoints_offset = transfer.offset + *transfer.contents.pages_size();
  command.checkpoints = transfer.contents.checkpoints;
  command.max_checkpoints = request.model->checkpoint_settings().max_checkpoints;
  command.token_count = static_cast<std::uint32_t>(transfer.session.ids.size());
  command.fd = fd.get();
  command.import = import;
  if (!engine->transfer(command, transfer.session.ids)) {
    stalled_.insert(request.model);
    return;
  }
  fd.release();
  request.stage = RequestStage::in_engine;
}

void Dispatcher::on_transferred(const TransferredNotice& notice) {
  Request* request = find(notice.request);
  if (request == nullptr || request->session == nullptr) return erase(notice.request);
  // The engine has forgotten it: there is nothing to cancel any more.
  if (request->cancel_wanted) return fail(*request, {Code::CANCELED, "canceled"});
  SessionTransfer& transfer = *request->transfer;
  if (request->verb == HEARTH_VERB_SESSION_EXPORT) {
    transfer.contents.geometry = notice.geometry;
    transfer.contents.page_count = notice.page_count;
    transfer.contents.checkpoints = notice.checkpoints;
    return hand_out(*request);
  }
  const auto session = sessions_->create(request->uid, transfer.name, transfer.session.model,
                                         std::move(transfer.session.ids));
  if (!session) return fail(*request, session.error());
  JsonWriter json = session_document(**session);
  json.add("pages", transfer.contents.page_count)
      .add("pages_cached", notice.page_count)
      .add("checkpoints", std::uint64_t{transfer.contents.checkpoints.count})
      .add("checkpoints_cached", std::uint64_t{notice.checkpoints.count});
  request->session->reply(request->wire_request, request->verb, &json);
  close(*request);
}

// Export, last: the head, the seals, the descriptor.
void Dispatcher::hand_out(Request& request) {
  request.stage = RequestStage::on_text_thread;
  struct Work {
    std::unique_ptr<SessionTransfer> transfer;
    Status status;
  };
  const auto work = std::make_shared<Work>();
  work->transfer = std::move(request.transfer);
  const cache::Digest key = sessions_->key_of(request.uid);
  jobs_.run([work, key] { work->status = finish_export(*work->transfer, key); },
            [this, work, id = request.id] {
              Request* found = on_job_done(id, work->status);
              if (found == nullptr) return;
              JsonWriter json = session_document(work->transfer->session);
              const SessionContents& contents = work->transfer->contents;
              json.add("pages", contents.page_count)
                  .add("checkpoints", std::uint64_t{contents.checkpoints.count});
              found->stage = RequestStage::is_answered;
              found->session->reply(found->wire_request, found->verb, &json, {},
                                    std::move(work->transfer->fd), id);  // on_sent() ends it
            });
}

}  // namespace hearth
