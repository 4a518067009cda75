#include "cli/connection.hpp"

namespace hearth::cli {

Result<Connection> Connection::open(const std::string& socket) {
  hearth_connect_options options;
  hearth_connect_options_init(&options);
  if (!socket.empty()) options.socket_path = socket.c_str();
  hearth_client* client = nullptr;
  const int code = hearth_connect(&options, &client);
  if (code != HEARTH_OK) {
    std::string message = hearth_connect_error();
    if (code == HEARTH_EUNAVAILABLE) message += " (is hearthd running?)";
    return Error{static_cast<Code>(code), std::move(message)};
  }
  Connection connection;
  connection.client_.reset(client);
  return connection;
}

Status Connection::check(int code) const {
  if (code >= HEARTH_OK) return {};
  return Error{static_cast<Code>(code), hearth_last_error(client())};
}

Result<std::string> Connection::query(int kind) const {
  char* json = nullptr;
  HEARTH_CHECK(check(hearth_query(client(), kind, &json)));
  const Owned<char> owned(json);
  return std::string(json);
}

Result<bool> Connection::next(const Stream& stream, hearth_event& ret_event) const {
  const int code = hearth_stream_read(stream.get(), &ret_event, /*timeout_ms=*/-1);
  if (code == HEARTH_EAGAIN) return false;
  HEARTH_CHECK(check(code));
  return true;
}

}  // namespace hearth::cli
