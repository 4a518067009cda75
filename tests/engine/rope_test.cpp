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
    } else {
      parameters.factor = number(node, "factor", 1);
      parameters.original_context = number(node, "original_context", 0);
      parameters.beta_fast = number(node, "beta_fast", 32);
      parameters.beta_slow = number(node, "beta_slow", 1);
    }
    const Rope rope = make_rope(parameters, /*interleaved=*/true);
    const std::vector<double> wanted = numbers(node, "inv_freq");
    SCOPED_TRACE(std::string(cJSON_GetObjectItem(node, "type")->valuestring) + " case " +
                 std::to_string(checked));
    ASSERT_EQ(rope.frequencies.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      // The divisors are float32 in files.
      EXPECT_NEAR(rope.frequencies[i] / wanted[i], 1.0, type == "llama3" ? 1e-6 : 1e-12) << i;
    }
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

}  // namespace
}  // namespace hearth
