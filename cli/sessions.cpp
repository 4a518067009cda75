// hearth sessions: the texts that the daemon keeps for its user.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/json.hpp"
#include "cli/output_file.hpp"
#include "cli/standard_output.hpp"
#include "cli/table.hpp"
#include "common/unique_fd.hpp"

namespace hearth::cli {
namespace {

// An argument that may be left out, as libhearth wants it.
const char* or_null(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

hearth_session_info empty_info() {
  hearth_session_info info;
  hearth_session_info_init(&info);
  return info;
}

// What a session is now: its name, so that a script can go on with it; or all of it.
Status tell(const hearth_session_info& info, const Options& options) {
  if (!options.json) return write_output(fmt::format("{}\n", info.name));
  JsonObject json;
  json.add("session", std::string(info.name))
      .add("model", std::string(info.model))
      .add("tokens", info.tokens);
  const bool moved = options.session_action == SessionAction::to_file ||
                     options.session_action == SessionAction::from_file;
  if (moved) json.add("pages", info.pages).add("checkpoints", info.checkpoints);
  if (options.session_action == SessionAction::from_file) {
    json.add("pages_cached", info.pages_cached).add("checkpoints_cached", info.checkpoints_cached);
  }
  return write_output(json.text() + '\n');
}

Status list(const Connection& connection, const Options& options) {
  HEARTH_TRY(const std::string text, connection.query(HEARTH_QUERY_SESSIONS));
  if (options.json) return write_output(text + '\n');
  const JsonDocument document(text);
  if (!document.valid()) return Error{Code::PROTOCOL, "the daemon sent a document that is no JSON"};
  const double now = static_cast<double>(time(nullptr));
  Table table({"SESSION", "MODEL", ">TOKENS", ">UNUSED", "STATE"});
  document.view()["sessions"].each([&](JsonView one) {
    table.add({one["session"].string(), one["model"].string(),
               fmt::format("{:.0f}", one["tokens"].number()),
               duration_text(std::max(0.0, now - one["used_s"].number())),
               one["busy"].boolean() ? "generating" : "idle"});
  });
  return write_output(table.text());
}

Status show(const Connection& connection, const Options& options) {
  hearth_session_info info = empty_info();
  std::int32_t* ids = nullptr;
  std::size_t count = 0;
  HEARTH_CHECK(connection.call([&](hearth_client* client) {
    return hearth_session_open(client, nullptr, options.session.c_str(), HEARTH_SESSION_ATTACH,
                               &info);
  }));
  HEARTH_CHECK(connection.call([&](hearth_client* client) {
    return hearth_session_tokens(client, options.session.c_str(), &ids, &count);
  }));
  const Owned<std::int32_t> owned(ids);
  const std::span<const std::int32_t> tokens(ids, count);
  const auto text = connection.detokenize(info.model, tokens, HEARTH_PARSE_SPECIAL);
  const bool has_text = text || text.error().code != Code::TOKENIZATION;
  if (!text && has_text) return text.error();
  if (!options.json) {
    if (!has_text) return write_output(json_array(tokens) + '\n');
    const bool ended = text->empty() || text->back() == '\n' || !output_is_terminal();
    return write_output(ended ? *text : *text + '\n');
  }
  JsonObject json;
  json.add("session", std::string(info.name))
      .add("model", std::string(info.model))
      .add("text", has_text ? *text : std::string())
      .add("tokens", tokens);
  return write_output(json.text() + '\n');
}

// From the descriptor that the daemon gave into a file.
Status save(int from, const std::string& path) {
  // It holds the user's text.
  HEARTH_TRY(OutputFile file, OutputFile::create(path == "-" ? "/dev/stdout" : path, 0600));
  std::array<std::byte, 1 << 16> chunk;
  if (lseek(from, 0, SEEK_SET) < 0) return from_errno("read an exported session");
  for (;;) {
    const ssize_t size = read(from, chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return from_errno("read an exported session");
    if (size == 0) return file.commit();
    HEARTH_CHECK(file.write(std::span(chunk).first(static_cast<std::size_t>(size))));
  }
}

Status export_to_file(const Connection& connection, const Options& options) {
  hearth_session_info info = empty_info();
  int fd = -1;
  HEARTH_CHECK(connection.call([&](hearth_client* client) {
    return hearth_session_export(client, options.session.c_str(), &fd, &info);
  }));
  const UniqueFd owned(fd);
  HEARTH_CHECK(save(fd, options.session_file));
  return options.session_file == "-" ? Status() : tell(info, options);
}

Status import_from_file(const Connection& connection, const Options& options) {
  UniqueFd file;
  int fd = STDIN_FILENO;
  if (options.session_file != "-") {
    file = UniqueFd(open(options.session_file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return from_errno("open " + options.session_file);
    fd = file.get();
  }
  hearth_session_info info = empty_info();
  HEARTH_CHECK(connection.call([&](hearth_client* client) {
    return hearth_session_import(client, options.model.c_str(), fd, or_null(options.new_session),
                                 &info);
  }));
  return tell(info, options);
}

// Those that ask one question and tell what the session is then.
Status change(const Connection& connection, const Options& options) {
  hearth_session_info info = empty_info();
  const char* name = options.session.c_str();
  HEARTH_CHECK(connection.call([&](hearth_client* client) {
    switch (options.session_action) {
      case SessionAction::create:
        return hearth_session_open(client, options.model.c_str(), or_null(options.new_session),
                                   HEARTH_SESSION_CREATE, &info);
      case SessionAction::fork:
        return hearth_session_fork(client, name, or_null(options.new_session), &info);
      case SessionAction::roll_back:
        return hearth_session_rollback(client, name, options.session_tokens, &info);
      default: return hearth_session_destroy(client, name);
    }
  }));
  if (options.session_action == SessionAction::remove) return {};
  return tell(info, options);
}

}  // namespace

Result<int> run_sessions(const Options& options) {
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  Status status;
  switch (options.session_action) {
    case SessionAction::list: status = list(connection, options); break;
    case SessionAction::show: status = show(connection, options); break;
    case SessionAction::to_file: status = export_to_file(connection, options); break;
    case SessionAction::from_file: status = import_from_file(connection, options); break;
    default: status = change(connection, options); break;
  }
  if (!status) return status.error();
  return 0;
}

}  // namespace hearth::cli
