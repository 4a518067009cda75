// What only hearthd knows: it is run in place of us, with our environment.
#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"

namespace hearth::cli {

// Does not return but for an error.
Result<int> run_hearthd(const std::vector<std::string>& arguments);

}  // namespace hearth::cli
