// See log.hpp.
#include "daemon/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>

namespace hearth {
namespace {

bool for_journal = false;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// sd-daemon(3): "<N>" at a line's begin is its syslog priority.
int priority(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return 7;
    case LogLevel::info: return 6;
    case LogLevel::warning: return 4;
    case LogLevel::error: return 3;
  }
  return 6;
}

}  // namespace

void start_log(LogLevel level) {
  for_journal = std::getenv("JOURNAL_STREAM") != nullptr;
  spdlog::set_default_logger(spdlog::stderr_color_mt("hearthd"));
  spdlog::set_pattern(for_journal ? "%v" : "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(spdlog_level(level));
}

void log_line(LogLevel level, std::string_view text) {
  std::string line(text);  // names of files and clients must not forge lines
  std::ranges::replace_if(
      line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  if (for_journal) {
    spdlog::log(spdlog_level(level), "<{}>{}", priority(level), line);
  } else {
    spdlog::log(spdlog_level(level), "{}", line);
  }
}

}  // namespace hearth
