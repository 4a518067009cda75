// The daemon's log: one line per event on standard error, for a person or for the journal.
//
// Any thread.  Only the daemon logs, each failure once, where it is handled.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace hearth {

enum class LogLevel { debug, info, warning, error };

// Once, before threads start.  Under systemd (JOURNAL_STREAM) lines carry priorities, not times.
void start_log(LogLevel level);
void log_line(LogLevel level, std::string_view line);

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace hearth
