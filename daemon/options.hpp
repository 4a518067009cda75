// The command line of hearthd; options.cpp is its door to CLI11.
//
// THREAD: main, before there are others.
#pragma once

#include <optional>
#include <string>

#include "daemon/config.hpp"

namespace hearth {

struct Options {
  RawSettings settings;     // what was given, by name
  std::string config_file;  // empty: none was named
  bool check_config = false;
  std::string check_card;  // path of a model card to tell about, and end; empty: none
  bool json = false;       // check_card: tell it as JSON
  bool purge = false;      // remove what was kept for the state directory, and end
};

// Parse the command line.  On --help, --version or an error it has printed everything and
// ret_exit_code is the process's exit code.
std::optional<Options> parse_options(int argc, char** argv, int& ret_exit_code);

}  // namespace hearth
