// The commands.  Each returns the exit status of the program, or the error to tell.
#pragma once

#include "cli/connection.hpp"
#include "cli/options.hpp"
#include "common/result.hpp"

namespace hearth::cli {

inline constexpr int kExitInterrupted = 130;

Result<int> run_generate(Connection& connection, const Options& options);
Result<int> run_eval(Connection& connection, const Options& options);
Result<int> run_tokenize(Connection& connection, const Options& options);
Result<int> run_detokenize(Connection& connection, const Options& options);
// models, ps and stats
Result<int> run_status(Connection& connection, const Options& options);

}  // namespace hearth::cli
