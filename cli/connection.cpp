// See connection.hpp.
#include "cli/connection.hpp"

#include <poll.h>

#include <cerrno>

#include "cli/interrupt.hpp"

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
  return Error{static_cast<Code>(code), hearth_last_error(client_.get())};
}

Result<std::string> Connection::query(int kind) const {
  char* json = nullptr;
  HEARTH_CHECK(check(hearth_query(client_.get(), kind, &json)));
  const Owned<char> owned(json);
  return std::string(json);
}

Result<std::vector<std::int32_t>> Connection::tokenize(const std::string& model,
                                                       const std::string& text,
                                                       std::uint32_t flags) const {
  std::int32_t* ids = nullptr;
  std::size_t count = 0;
  HEARTH_CHECK(check(hearth_tokenize(client_.get(), model.c_str(), text.data(), text.size(), flags,
                                     &ids, &count)));
  const Owned<std::int32_t> owned(ids);
  return std::vector<std::int32_t>(ids, ids + count);
}

Result<std::string> Connection::detokenize(const std::string& model,
                                           std::span<const std::int32_t> ids,
                                           std::uint32_t flags) const {
  char* text = nullptr;
  std::size_t size = 0;
  HEARTH_CHECK(check(hearth_detokenize(client_.get(), model.c_str(), ids.data(), ids.size(), flags,
                                       &text, &size)));
  const Owned<char> owned(text);
  return std::string(text, size);
}

Result<Stream> Connection::generate(const hearth_generate_options& options) const {
  hearth_stream* stream = nullptr;
  HEARTH_CHECK(check(hearth_generate(client_.get(), &options, &stream)));
  return Stream(stream);
}

Result<Stream> Connection::evaluate(const hearth_eval_options& options) const {
  hearth_stream* stream = nullptr;
  HEARTH_CHECK(check(hearth_eval(client_.get(), &options, &stream)));
  return Stream(stream);
}

Result<Stream> Connection::load(const std::string& model, std::int64_t keep_alive_s) const {
  hearth_stream* stream = nullptr;
  HEARTH_CHECK(check(hearth_load(client_.get(), model.c_str(), keep_alive_s, &stream)));
  return Stream(stream);
}

Result<Stream> Connection::unload(const std::string& model) const {
  hearth_stream* stream = nullptr;
  HEARTH_CHECK(check(hearth_unload(client_.get(), model.c_str(), &stream)));
  return Stream(stream);
}

Result<Stream> Connection::cache(const hearth_cache_options& options) const {
  hearth_stream* stream = nullptr;
  HEARTH_CHECK(check(hearth_cache(client_.get(), &options, &stream)));
  return Stream(stream);
}

Result<bool> Connection::next(const Stream& stream, hearth_event& ret_event) const {
  for (;;) {
    pollfd waits[] = {{signal_fd(), POLLIN, 0}, {-1, 0, 0}};
    if (poll(waits, 1, 0) == 1) return false;
    const int code = hearth_stream_read(stream.get(), &ret_event, /*timeout_ms=*/0);
    if (code != HEARTH_EAGAIN) {
      HEARTH_CHECK(check(code));
      return true;
    }
    waits[1] = {hearth_fd(client_.get()), static_cast<short>(hearth_events(client_.get())), 0};
    const int ready = poll(waits, 2, -1);
    if (ready < 0 && errno != EINTR) return from_errno("wait for the daemon");
    if (ready > 0 && waits[1].revents != 0) HEARTH_CHECK(check(hearth_process(client_.get())));
  }
}

Status Connection::cancel(const Stream& stream) const {
  const int code = hearth_stream_cancel(stream.get());
  if (code == HEARTH_OK) return {};
  return Error{static_cast<Code>(code), hearth_strerror(code)};
}

Result<hearth_result> Connection::result_of(const Stream& stream) const {
  hearth_result result;
  hearth_result_init(&result);
  HEARTH_CHECK(check(hearth_stream_result(stream.get(), &result)));
  return result;
}

}  // namespace hearth::cli
