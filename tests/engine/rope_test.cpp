// Goal: frequencies and temperatures are those of transformers' ROPE_INIT_FUNCTIONS.
// Method: tests/data/rope_cases.json, made by tools/fixtures/make_rope_cases.py.
#include "engine/rope.hpp"

#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>

namespace hearth {
namespace {

double number(const cJSON* node, const char* key, double fallback) {
  const cJSON* value = cJSON_GetObjectItem(node, key);
  return value == nullptr ? fallback : value->valuedouble;
}

std::vector<double> numbers(const cJSON* node, const char* key) {
  std::vector<double> list;
  const cJSON* child = nullptr;
  cJSON_ArrayForEach(child, cJSON_GetObjectItem(node, key)) list.push_back(child->valuedouble);
  return list;
}

void expect_frequencies(const Rope& rope, const cJSON* node, double tolerance) {
  const std::vector<double> wanted = numbers(node, "inv_freq");
  ASSERT_EQ(rope.frequencies.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(rope.frequencies[i] / wanted[i], 1.0, tolerance) << i;
  }
}

TEST(rope, frequencies_are_those_of_transformers) {
  std::ifstream file(HEARTH_TEST_DATA "/rope_cases.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::unique_ptr<cJSON, decltype(&cJSON_Delete)> root(cJSON_Parse(text.c_str()),
                                                             &cJSON_Delete);
  ASSERT_TRUE(root);
  int checked = 0;
  const cJSON* node = nullptr;
  cJSON_ArrayForEach(node, cJSON_GetObjectItem(root.get(), "cases")) {
    // GGUF files cannot say these two.
    if (cJSON_GetObjectItem(node, "truncate") || cJSON_GetObjectItem(node, "attention_factor"))
      continue;
    RopeParameters parameters;
    const std::string type = cJSON_GetObjectItem(node, "type")->valuestring;
    parameters.dims = static_cast<std::int64_t>(number(node, "dim", 0));
    parameters.base = number(node, "base", 0);
    const std::vector<double> divisors = numbers(node, "divisors");
    const std::vector<float> float_divisors(divisors.begin(), divisors.end());
    if (type == "linear") parameters.scaling = RopeScaling::linear;
    if (type == "yarn") parameters.scaling = RopeScaling::yarn;
    if (type == "llama3") {
      parameters.divisors = float_divisors;  // as model files carry it
      RopeParameters from_configuration = parameters;
      from_configuration.divisors = {};
      from_configuration.scaling = RopeScaling::llama3;
      from_configuration.factor = number(node, "factor", 0);
      from_configuration.original_context = number(node, "original_context", 0);
      from_configuration.low_frequency = number(node, "low_freq_factor", 0);
      from_configuration.high_frequency = number(node, "high_freq_factor", 0);
      expect_frequencies(make_rope(from_configuration, /*interleaved=*/true), node, 1e-12);
    } else {
      parameters.factor = number(node, "factor", 1);
      parameters.original_context = number(node, "original_context", 0);
      parameters.beta_fast = number(node, "beta_fast", 32);
      parameters.beta_slow = number(node, "beta_slow", 1);
    }
    const Rope rope = make_rope(parameters, /*interleaved=*/true);
    SCOPED_TRACE(std::string(cJSON_GetObjectItem(node, "type")->valuestring) + " case " +
                 std::to_string(checked));
    // The divisors are float32 in files.
    expect_frequencies(rope, node, type == "llama3" ? 1e-6 : 1e-12);
    EXPECT_NEAR(rope.magnitude, number(node, "cos_sin_factor", 1), 1e-12);
    ++checked;
  }
  EXPECT_GE(checked, 40);
}

TEST(rope, angles_stay_exact_at_large_positions) {
  RopeParameters parameters;
  parameters.dims = 4;
  parameters.base = 1e6;
  const Rope rope = make_rope(parameters, true);
  float cos[2];
  float sin[2];
  rope.angles(1000000, cos, sin);
  EXPECT_FLOAT_EQ(cos[0], static_cast<float>(std::cos(1000000.0)));
  EXPECT_FLOAT_EQ(sin[1], static_cast<float>(std::sin(1000000.0 * 1e-3)));
}

// The formulas of reference/seed-systems.md, section 1.4, and of LongRoPE, once more by hand.
TEST(rope, the_other_scalings_are_their_formulas) {
  RopeParameters parameters;
  parameters.dims = 64;
  parameters.base = 1e4;
  parameters.factor = 4;
  parameters.original_context = 2048;
  parameters.context = 6000;
  const auto frequencies = [&](RopeScaling scaling) {
    parameters.scaling = scaling;
    return make_rope(parameters, true).frequencies;
  };
  const double pi = std::acos(-1.0);
  const std::vector<double> ntk = frequencies(RopeScaling::ntk);
  const std::vector<double> dynamic = frequencies(RopeScaling::dynamic);
  const std::vector<double> ramp = frequencies(RopeScaling::by_parts);
  EXPECT_EQ(make_rope(parameters, true).magnitude, 1) << "no temperature";
  parameters.fine_grained = false;
  const std::vector<double> step = frequencies(RopeScaling::by_parts);
  bool any_between = false;
  for (std::size_t i = 0; i < 32; ++i) {
    const double exponent = static_cast<double>(i) / 32;
    EXPECT_NEAR(ntk[i] * std::pow(1e4 * std::pow(4.0, 64.0 / 62), exponent), 1, 1e-12);
    const double stretch = 4.0 * 6000 / 2048 - 3;
    EXPECT_NEAR(dynamic[i] * std::pow(1e4 * std::pow(stretch, 64.0 / 62), exponent), 1, 1e-12);
    const double theta = std::pow(1e4, -exponent);
    const double r = 2048 * theta / (2 * pi);
    const double gamma = r < 1 ? 0 : r > 32 ? 1 : (r - 1) / 31;
    EXPECT_NEAR(ramp[i] / ((1 - gamma) * theta / 4 + gamma * theta), 1, 1e-12);
    EXPECT_NEAR(step[i] / (gamma < 0.5 ? theta / 4 : theta), 1, 1e-12);
    any_between = any_between || (gamma > 0 && gamma < 1);
  }
  EXPECT_TRUE(any_between);
  // Within the original context nothing is stretched.
  parameters.context = 1000;
  EXPECT_NEAR(frequencies(RopeScaling::dynamic)[31], std::pow(1e4, -31.0 / 32), 1e-15);

  std::vector<float> divisors(32);
  for (std::size_t i = 0; i < 32; ++i) divisors[i] = 1 + static_cast<float>(i) / 4;
  parameters.divisors = divisors;
  parameters.context = 8192;
  parameters.attention_factor = 0;
  EXPECT_NEAR(frequencies(RopeScaling::longrope)[16], 0.01 / 5, 1e-12);
  EXPECT_NEAR(make_rope(parameters, true).magnitude,
              std::sqrt(1 + std::log(4.0) / std::log(2048.0)), 1e-12);
  parameters.attention_factor = 1.25;
  EXPECT_EQ(make_rope(parameters, true).magnitude, 1.25);
}

TEST(rope, a_configuration_is_read_strictly) {
  const auto rope = parse_rope_override("by_parts,factor=4,original=32768,fine_grained=false");
  ASSERT_TRUE(rope) << rope.error().message;
  RopeParameters parameters;
  parameters.base = 5e5;
  rope->apply(parameters);
  EXPECT_EQ(parameters.scaling, RopeScaling::by_parts);
  EXPECT_EQ(parameters.factor, 4);
  EXPECT_EQ(parameters.original_context, 32768);
  EXPECT_FALSE(parameters.fine_grained);
  EXPECT_EQ(parameters.base, 5e5) << "what is not said stays";
  for (const char* wrong : {"spiral", "yarn,factor=0", "yarn,factor=-1", "yarn,factor=x", "factor=",
                            "yarn,=4", "yarn,speed=3", "fine_grained=maybe", "factor=nan", ","}) {
    const auto refused = parse_rope_override(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, Code::CONFIG);
  }
}

}  // namespace
}  // namespace hearth
