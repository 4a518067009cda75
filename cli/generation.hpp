// What the options say of how to generate, as libhearth takes it.
//
// It owns what request() points to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "common/result.hpp"
#include "hearth/hearth.h"

namespace hearth::cli {

class Generation {
 public:
  // options outlives it.  Errors: CONFIG naming the option.
  static Result<Generation> create(const Options& options);

  // All but the prompt.  Valid as long as this lives.
  hearth_generate_options request() const;

 private:
  explicit Generation(const Options* options) : options_(options) {}

  const Options* options_;
  std::vector<hearth_logit_bias> biases_;
  std::vector<std::unique_ptr<std::string>> sampler_names_;  // which stay where they are
  std::vector<const char*> samplers_;  // and one more, so that it is not null where none is wanted
  std::vector<const char*> stops_;
};

}  // namespace hearth::cli
