// Reading what commands are given: texts and token ids, from arguments, files and standard input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "common/result.hpp"

namespace hearth::cli {

// Decimal ids, separated by commas or white space.  Errors: INVALID naming origin and byte.
Result<std::vector<std::int32_t>> parse_tokens(const std::string& text, const std::string& origin);

// The whole of a file, byte for byte; "-" is standard input.
Result<std::string> read_file(const std::string& path);

// The text of TEXT or --file.
Result<std::string> read_text(const Input& input);
// The ids of --tokens or --tokens-file.
Result<std::vector<std::int32_t>> read_tokens(const Input& input);

}  // namespace hearth::cli
