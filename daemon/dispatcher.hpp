// The way of a request: from its session to text threads and engine, and of what they say back
// again.
//
// THREAD: loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "daemon/request.hpp"
#include "daemon/residency.hpp"
#include "daemon/served_model.hpp"
#include "daemon/session_store.hpp"
#include "daemon/text_conversion.hpp"
#include "daemon/text_job.hpp"

namespace hearth {

class Dispatcher : public ModelOwner, public ResidencyOwner {
 public:
  // residency and sessions outlive the dispatcher.
  Dispatcher(uv_loop_t* loop, Residency* residency, SessionStore* sessions)
      : jobs_(loop), residency_(residency), sessions_(sessions) {}

  // An id that no request had before.
  RequestId next_id() { return next_id_++; }

  // Take a request in; it is answered through its session, possibly before this returns.
  void open(std::unique_ptr<Request> request);

  // The client granted credit to a request, cancelled it, or is gone.
  void grant(RequestId id, std::uint32_t tokens);
  void cancel(RequestId id);
  void forget(RequestId id);

  // A frame with rows of logits of this request was handed to the kernel.
  void on_sent(RequestId id);

  Request* find(RequestId id);
  std::size_t count() const { return requests_.size(); }
  std::uint64_t count_total() const { return next_id_ - 1; }  // since the start
  std::uint64_t errors_total() const { return errors_total_; }
  const std::unordered_map<RequestId, std::unique_ptr<Request>>& requests() const {
    return requests_;
  }
  TextJobs& jobs() { return jobs_; }

  // Exports and imports of a user that are not over.
  std::size_t transfers_of(uid_t uid) const;

  static constexpr std::size_t kRequestsMax = 4096;       // of all clients
  static constexpr std::size_t kTransfersPerUserMax = 2;  // they take descriptors and text threads

  void on_model_changed(ServedModel& model) override;
  void on_term(ServedModel& model) override;
  void on_refused(ServedModel& model, const Error& why) override;
  void on_waited(ServedModel& model, std::uint32_t patience) override;
  void on_notice(ServedModel& model, Notice notice, std::span<const std::byte> payload) override;

 private:
  void advance(Request& request);
  void advance_all(ServedModel& model);
  std::vector<RequestId> requests_of(const ServedModel& model) const;
  static std::optional<TextConversion::Kind> conversion_of(const Request& request);
  void convert(Request& request, TextConversion::Kind kind);
  void take_conversion(Request& request, TextConversion& conversion, std::uint64_t catalog_version);
  void answer_conversion(Request& request);
  static void send_deltas(const Request& request, std::span<const chat::Delta> deltas);
  static std::string call_id(const Request& request, std::size_t call);
  static Status end_chat(Request& request);
  void answer_load(Request& request);
  void advance_unload(Request& request);
  void submit(Request& request);
  void add_history(Request& request);
  void transfer(Request& request);
  void receive(Request& request);
  void hand_out(Request& request);
  static bool waits_for_job(const Request& request);
  Request* on_job_done(RequestId id, const Status& status);
  void on_transferred(const TransferredNotice& notice);
  void submit_cache(Request& request);
  bool join_for_cache(Request& request);
  Status check_prompt(const Request& request) const;
  std::uint64_t passable_credit(const Request& request) const;
  void pass_credit(Request& request);
  void pass_cancel(Request& request);
  void retry(ServedModel& model);
  void fail(Request& request, const Error& error);
  void close(Request& request);
  void erase(RequestId id);
  void on_request_notice(Notice notice, std::span<const std::byte> payload);
  void on_done(const DoneNotice& done);
  void on_cache_done(const CacheDoneNotice& done, std::span<const std::byte> texts);

  TextJobs jobs_;
  Residency* residency_;
  SessionStore* sessions_;
  std::unordered_map<RequestId, std::unique_ptr<Request>> requests_;
  RequestId next_id_ = 1;
  std::uint64_t errors_total_ = 0;
  std::unordered_set<const ServedModel*> stalled_;  // their engines' rings were full: something
                                                    // waits to be told
};

}  // namespace hearth
