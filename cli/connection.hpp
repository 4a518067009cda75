// A connection to the daemon and its streams, closed when they go; libhearth's codes as Results.
//
// One thread.  The objects that libhearth hands over are freed by Owned and Stream.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "hearth/hearth.h"

namespace hearth::cli {

// What libhearth hands over.
struct HearthFree {
  void operator()(void* memory) const { hearth_free(memory); }
};
template <class T>
using Owned = std::unique_ptr<T[], HearthFree>;

struct StreamClose {
  void operator()(hearth_stream* stream) const { hearth_stream_close(stream); }
};
using Stream = std::unique_ptr<hearth_stream, StreamClose>;

class Connection {
 public:
  // socket may be empty: the default.
  static Result<Connection> open(const std::string& socket);

  // The document of a HEARTH_QUERY_*.
  Result<std::string> query(int kind) const;
  Result<std::vector<std::int32_t>> tokenize(const std::string& model, const std::string& text,
                                             std::uint32_t flags) const;
  Result<std::string> detokenize(const std::string& model, std::span<const std::int32_t> ids,
                                 std::uint32_t flags) const;

  Result<Stream> generate(const hearth_generate_options& options) const;
  Result<Stream> evaluate(const hearth_eval_options& options) const;

  Result<Stream> load(const std::string& model, std::int64_t keep_alive_s) const;
  Result<Stream> unload(const std::string& model) const;
  Result<Stream> cache(const hearth_cache_options& options) const;

  // Any other call of libhearth on this client: its code as a Status.
  template <class Call>
  Status call(Call call) const {
    return check(call(client_.get()));
  }

  // Wait for the next event of a stream; false when a signal was noted, see interrupt.hpp.
  Result<bool> next(const Stream& stream, hearth_event& ret_event) const;
  Status cancel(const Stream& stream) const;
  // The numbers of a stream whose HEARTH_EVENT_DONE was read.
  Result<hearth_result> result_of(const Stream& stream) const;

 private:
  struct Close {
    void operator()(hearth_client* client) const { hearth_close(client); }
  };
  // The outcome of a call on this client.
  Status check(int code) const;

  std::unique_ptr<hearth_client, Close> client_;
};

}  // namespace hearth::cli
