// A line typed in a terminal: edited with libedit (emacs keys, or as ~/.editrc says), with the
// lines typed before at the arrow keys and behind Ctrl-R, also those of earlier runs.
//
// The door to libedit.  Bytes come through a read of our own, which waits for the keyboard and for
// the signals of interrupt.hpp at once: none is lost, and the terminal is never left in its editing
// mode.  One editor a program, used by one thread.
#pragma once

#include <memory>
#include <string>

namespace hearth::cli {

class LineEditor {
 public:
  // Prompts and what is typed show on standard error; lines come from standard input.
  // history_file: where lines are kept from run to run, readable by its owner only, made together
  // with its directories at the first line; empty: they are kept for this run.  A file that cannot
  // be read or written is told once on standard error, and left alone.
  explicit LineEditor(std::string history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  enum class Read {
    line,
    end,          // Ctrl-D in an empty line, or the terminal is gone
    interrupted,  // Ctrl-C: what was typed is dropped
    terminated,   // SIGTERM or SIGHUP
  };
  // The next line, without its end.
  Read read(const char* prompt, std::string& line);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace hearth::cli
