// See generation.hpp.
#include "cli/generation.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <memory>
#include <sstream>
#include <utility>

namespace hearth::cli {
namespace {

// "ID=NUMBER" or "ID=off".
Result<std::vector<hearth_logit_bias>> parse_biases(const std::vector<std::string>& texts) {
  std::vector<hearth_logit_bias> biases;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    hearth_logit_bias one = {0, value == "off" ? -HUGE_VALF : 0};
    const auto id_end = text.data() + std::min(equals, text.size());
    const auto id = std::from_chars(text.data(), id_end, one.id);
    bool fits = id.ec == std::errc() && id.ptr == id_end && !value.empty();
    if (value != "off") {
      const char* end = value.data() + value.size();
      const auto number = std::from_chars(value.data(), end, one.bias);
      fits = fits && number.ec == std::errc() && number.ptr == end;
    }
    if (!fits) {
      return Error{Code::CONFIG,
                   fmt::format("--logit-bias: \"{}\" is neither ID=NUMBER nor ID=off", text)};
    }
    biases.push_back(one);
  }
  return biases;
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream stream(text);
  for (std::string name; std::getline(stream, name, ',');) names.push_back(name);
  return names;
}

}  // namespace

Result<Generation> Generation::create(const Options& options) {
  Generation made(&options);
  HEARTH_TRY(made.biases_, parse_biases(options.logit_bias));
  for (std::string& name : split_names(options.samplers.value_or(""))) {
    made.sampler_names_.push_back(std::make_unique<std::string>(std::move(name)));
  }
  for (const auto& name : made.sampler_names_) made.samplers_.push_back(name->c_str());
  made.samplers_.push_back("");
  for (const std::string& stop : options.stop) made.stops_.push_back(stop.c_str());
  return made;
}

hearth_generate_options Generation::request() const {
  const Options& options = *options_;
  hearth_generate_options request;
  hearth_generate_options_init(&request);
  request.model = options.model.c_str();
  request.max_tokens = options.max_tokens;
  request.temperature = options.temperature;
  request.top_k = options.top_k;
  request.top_p = options.top_p;
  request.seed = options.seed;
#define HEARTH_PASS_(type, name, low, high, fallback, help) request.name = options.name;
  HEARTH_SAMPLING_FIELDS(HEARTH_PASS_)
#undef HEARTH_PASS_
#define HEARTH_PASS_(name, field, low, high, help) request.name = options.name;
  HEARTH_CHECKPOINT_FIELDS(HEARTH_PASS_)
#undef HEARTH_PASS_
  request.logit_bias = biases_.data();
  request.logit_bias_count = biases_.size();
  if (options.samplers) request.samplers = samplers_.data();
  request.sampler_count = sampler_names_.size();
  request.n_probs = options.n_probs;
  request.stop = stops_.data();
  request.stop_count = stops_.size();
  if (options.ignore_eos) request.ignore_eos = 1;
  if (!options.session.empty()) request.session = options.session.c_str();
  return request;
}

}  // namespace hearth::cli
