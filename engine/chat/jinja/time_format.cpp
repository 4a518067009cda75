// strftime() in the C locale, without what depends on the process: its locale, its zone.
#include "engine/chat/jinja/builtins.hpp"

namespace hearth::jinja {
namespace {

constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};

std::string_view name_of(std::span<const std::string_view> names, int index) {
  return names[static_cast<std::size_t>(index) % names.size()];
}

// What one letter stands for; `plain`: %-d, without leading zeros.
std::string part(const std::tm& time, char letter, bool plain) {
  const auto number = [&](int value, int digits) {
    return plain ? fmt::format("{}", value) : fmt::format("{:0{}}", value, digits);
  };
  const int hour12 = time.tm_hour % 12 == 0 ? 12 : time.tm_hour % 12;
  switch (letter) {
    case 'a': return std::string(name_of(kDays, time.tm_wday).substr(0, 3));
    case 'A': return std::string(name_of(kDays, time.tm_wday));
    case 'b':
    case 'h': return std::string(name_of(kMonths, time.tm_mon).substr(0, 3));
    case 'B': return std::string(name_of(kMonths, time.tm_mon));
    case 'd': return number(time.tm_mday, 2);
    case 'e': return fmt::format("{:2}", time.tm_mday);
    case 'm': return number(time.tm_mon + 1, 2);
    case 'y': return number(time.tm_year % 100, 2);
    case 'Y': return fmt::format("{}", 1900 + time.tm_year);
    case 'H': return number(time.tm_hour, 2);
    case 'I': return number(hour12, 2);
    case 'M': return number(time.tm_min, 2);
    case 'S': return number(time.tm_sec, 2);
    case 'f': return "000000";
    case 'p': return time.tm_hour < 12 ? "AM" : "PM";
    case 'j': return number(time.tm_yday + 1, 3);
    case 'w': return fmt::format("{}", time.tm_wday);
    case 'u': return fmt::format("{}", time.tm_wday == 0 ? 7 : time.tm_wday);
    case 'F': return format_time(time, "%Y-%m-%d");
    case 'T': return format_time(time, "%H:%M:%S");
    case 'R': return format_time(time, "%H:%M");
    case 'D':
    case 'x': return format_time(time, "%m/%d/%y");
    case 'X': return format_time(time, "%H:%M:%S");
    case 'c': return format_time(time, "%a %b %e %H:%M:%S %Y");
    case 'Z':
    case 'z': return {};  // as of Python's datetime.now(), which knows no zone
    case 'n': return "\n";
    case 't': return "\t";
    case '%': return "%";
    default: fail(fmt::format("strftime_now: %{} is not supported", letter));
  }
}

}  // namespace

std::string format_time(const std::tm& time, std::string_view format) {
  std::string text;
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%' || at + 1 == format.size()) {
      text += format[at];
      continue;
    }
    const bool plain = format[at + 1] == '-' && at + 2 < format.size();
    at += plain ? 2 : 1;
    text += part(time, format[at], plain);
  }
  return text;
}

}  // namespace hearth::jinja
