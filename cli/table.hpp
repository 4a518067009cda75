// Text for people: tables and quantities on a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hearth::cli {

// What comes from elsewhere, on one line and without control characters: they could move the cursor
// or worse.
std::string printable(std::string_view text);

// "1.5 GiB", "700 B"
std::string bytes_text(double bytes);
// "260K", "7.6B"
std::string count_text(double count);
// "12 s", "5 m 20 s", "3 h 4 m", "2 d 5 h"
std::string duration_text(double seconds);

// Columns as wide as their widest cell, two spaces between.  A heading that begins with '>' makes
// its column flush right; the '>' is not shown.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);  // as many as there are headings
  bool empty() const { return rows_.size() == 1; }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first are the headings
  std::vector<bool> flush_right_;
};

}  // namespace hearth::cli
