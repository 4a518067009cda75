// A connection to the daemon and its streams, closed when they go; libhearth's codes as Results.
#pragma once

#include <memory>
#include <string>

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

  hearth_client* client() const { return client_.get(); }
  // The outcome of a call on this client.
  Status check(int code) const;
  // The document of a HEARTH_QUERY_*.
  Result<std::string> query(int kind) const;

  // Wait for the next event of a stream; false when a signal came first.
  Result<bool> next(const Stream& stream, hearth_event& ret_event) const;

 private:
  struct Close {
    void operator()(hearth_client* client) const { hearth_close(client); }
  };
  std::unique_ptr<hearth_client, Close> client_;
};

}  // namespace hearth::cli
