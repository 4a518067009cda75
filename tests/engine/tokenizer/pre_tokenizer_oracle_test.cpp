// Goal: pre-tokenizers cut texts as the engine that their makers use does (Oniguruma, see
// tools/fixtures/make_split_cases.py).
#include <fstream>

#include "engine/tokenizer/pre_tokenizer.hpp"
#include "tests/daemon/daemon_process.hpp"

namespace hearth {
namespace {

TEST(pre_tokenizer_oracle, pieces_are_those_of_another_engine) {
  std::ifstream file(HEARTH_TEST_DATA "/splits.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const Json cases = parse_json(text);
  ASSERT_NE(cases, nullptr);
  const cJSON* family = nullptr;
  int count = 0;
  cJSON_ArrayForEach(family, cases.get()) {
    const auto made = PreTokenizer::create(family->string);
    ASSERT_TRUE(made) << made.error().message;
    const cJSON* one = nullptr;
    cJSON_ArrayForEach(one, family) {
      std::string whole;
      std::vector<std::string> want, got;
      const cJSON* piece = nullptr;
      cJSON_ArrayForEach(piece, one) {
        want.emplace_back(piece->valuestring);
        whole += want.back();
      }
      std::vector<std::uint32_t> ends;
      ASSERT_TRUE(made->split(whole, ends));
      std::size_t begin = 0;
      for (const std::uint32_t end : ends) {
        got.push_back(whole.substr(begin, end - begin));
        begin = end;
      }
      EXPECT_EQ(got, want) << family->string << ": " << whole;
      ++count;
    }
  }
  EXPECT_GT(count, 1000);
}

}  // namespace
}  // namespace hearth
