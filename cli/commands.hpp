// The commands, one file each.
//
// Each reads what it was given, then asks the daemon, and returns the exit status of the program or
// the error to tell.  CONFIG is an error of the command line and of what it names; CANCELED is a
// signal, about which nothing is said.
#pragma once

#include "cli/options.hpp"
#include "common/result.hpp"

namespace hearth::cli {

Result<int> run_generate(const Options& options);
// A conversation in the terminal.
Result<int> run_chat(const Options& options);
Result<int> run_render(const Options& options);
Result<int> run_eval(const Options& options);
Result<int> run_embed(const Options& options);
Result<int> run_tokenize(const Options& options);
Result<int> run_detokenize(const Options& options);
// models, ps and stats
Result<int> run_status(const Options& options);
// load and unload
Result<int> run_load(const Options& options);
Result<int> run_sessions(const Options& options);
// cache stats, ls, evict and verify
Result<int> run_cache(const Options& options);
// Of files: no daemon is asked.
Result<int> run_pull(const Options& options);
Result<int> run_info(const Options& options);
Result<int> run_quantize(const Options& options);

Result<int> run_card(const Options& options);
Result<int> run_config(const Options& options);

}  // namespace hearth::cli
