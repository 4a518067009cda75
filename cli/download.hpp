// The door to libcurl: one file from a server to the disk, whole and checked, or not there.
//
// What has arrived lies in PATH.part until it is whole; beside it PATH.part.from says which version
// of the file it is of, so that a later attempt goes on where this one ended and never mixes two
// versions.  Connections that break are taken up again by themselves.
//
// THREAD: the caller's; interrupt.hpp's signals end it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/result.hpp"

namespace hearth::cli {

struct Download {
  std::string url;                    // http or https
  std::string token;                  // bearer token for the URL's host alone; empty: none
  std::string path;                   // of the file
  std::optional<std::string> sha256;  // 64 hex digits; the server's own word goes without it
  // done of total bytes; total is 0 while it is not known.  May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress;
  int retry_pause_ms = 1000;  // after the first failure; doubles with each one without progress
};

struct Downloaded {
  std::uint64_t bytes = 0;    // of the file
  std::uint64_t resumed = 0;  // of these, those that an earlier attempt had left
  std::string sha256;         // of the file, hex
  bool checked = false;       // against a checksum that was given or that the server told
};

// Errors: IO for what the network or the disk refuses, naming the URL or the file; NOT_FOUND,
// INVALID (a token is missing, or is not allowed to); LIMIT (no room on the disk); MODEL when the
// checksum or the length is another one: then what arrived is removed; CANCELED by a signal: then
// it is kept.
Result<Downloaded> download(const Download& request);

}  // namespace hearth::cli
