// Reading what commands are given: texts and token ids, from arguments, files and standard input.
//
// All errors are CONFIG: what the command line names cannot be used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.hpp"
#include "common/result.hpp"

namespace hearth::cli {

// Decimal ids, separated by commas or white space; may be empty.  An error names origin and byte.
Result<std::vector<std::int32_t>> parse_tokens(std::string_view text, const std::string& origin);

// The whole of a file, byte for byte; "-" is standard input.
Result<std::string> read_file(const std::string& path);

// The text of the argument or of --file.
Result<std::string> read_text(const Input& input);
// The ids of the arguments, --tokens or --tokens-file; may be empty.
Result<std::vector<std::int32_t>> read_tokens(const Input& input);
// The same, at least one.
Result<std::vector<std::int32_t>> read_prompt_tokens(const Input& input);

}  // namespace hearth::cli
