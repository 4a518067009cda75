// Goal: hearth-bench measures what it says, on a model and without one, and refuses what it cannot.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "engine/work.hpp"
#include "kernels/cpu_features.hpp"
#include "tests/daemon/daemon_process.hpp"

namespace hearth {
namespace {

struct Ended {
  int code;
  std::string output;
};
// Standard output; with 2>&1 among the arguments errors, too, which a library may mix with
// warnings.
Ended run_bench(const std::string& arguments) {
  const std::string command = HEARTH_PROGRAMS_DIR "/hearth-bench --probe-mib 16 -r 1 " + arguments;
  FILE* pipe = popen(command.c_str(), "r");
  Ended ended = {0, ""};
  char buffer[4096];
  while (const std::size_t size = fread(buffer, 1, sizeof(buffer), pipe)) {
    ended.output.append(buffer, size);
  }
  ended.code = WEXITSTATUS(pclose(pipe));
  return ended;
}

TEST(bench, every_row_has_its_speed_and_its_fraction_of_the_limit) {
  const Ended ended =
      run_bench("-m " HEARTH_MODELS_DIR "/ember-q8_0.gguf -p 40 -n 4 -d 0,70 -b 1,3 -t 1 --json");
  ASSERT_EQ(ended.code, 0) << ended.output;
  const Json json = parse_json(ended.output);
  EXPECT_EQ(number_at(json.get(), "machine.threads"), 1);
  EXPECT_GT(number_at(json.get(), "machine.read_gb_per_s.all_cores"), 0);
  EXPECT_GT(number_at(json.get(), "machine.f32_tops.one_core"), 0);
  EXPECT_GT(number_at(json.get(), "machine.int8_tops.one_core"), 0);
  EXPECT_GT(number_at(json.get(), "machine.bf16_tops.all_cores"), 0);
  const cJSON* rows = cJSON_GetObjectItem(json.get(), "rows");
  ASSERT_NE(rows, nullptr) << ended.output;
  std::string names;
  for (const cJSON* row = rows->child; row != nullptr; row = row->next) {
    names += string_at(row, "test") + " ";
    EXPECT_GT(number_at(row, "tokens_per_s"), 0);
    EXPECT_GT(number_at(row, "fraction_of_limit"), 0);
  }
  EXPECT_EQ(names, "pp40 tg4 tg4x3 pp40@d70 tg4@d70 tg4@d70x3 ");
}

TEST(bench, models_with_experts_or_states_are_measured) {
  for (const char* model : {"qwen3moe", "qwen35", "mamba"}) {
    const Ended ended = run_bench(
        fmt::format("-m " HEARTH_TEST_DATA "/models/{}.gguf -p 20 -n 4 -b 1,3 -t 2 --json", model));
    ASSERT_EQ(ended.code, 0) << ended.output;
    const Json json = parse_json(ended.output);
    const cJSON* rows = cJSON_GetObjectItem(json.get(), "rows");
    ASSERT_NE(rows, nullptr) << ended.output;
    for (const cJSON* row = rows->child; row != nullptr; row = row->next) {
      EXPECT_GT(number_at(row, "tokens_per_s"), 0) << model;
      EXPECT_GT(number_at(row, "fraction_of_limit"), 0) << model;
    }
  }
}

TEST(bench, without_a_model_the_machine_is_measured) {
  const Ended ended = run_bench("");
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.output.find("read GB/s"), std::string::npos) << ended.output;
  EXPECT_EQ(ended.output.find("TOKENS/S"), std::string::npos);
}

TEST(bench, what_is_wrong_is_named) {
  EXPECT_EQ(run_bench("-p many").code, 2);
  EXPECT_EQ(run_bench("-b 0").code, 2);
  EXPECT_EQ(run_bench("--kv-type q1").code, 2);
  EXPECT_EQ(run_bench("--cpu-tier sse").code, 2);
  (void)kernels::enable_amx();  // as hearth-bench does
  const std::string best = kernels::select_kernels(kernels::cpu_features()).tier;
  if (best != "amx") {
    const Ended lacking = run_bench("--cpu-tier amx 2>&1");
    EXPECT_EQ(lacking.code, 2);
    EXPECT_NE(lacking.output.find("no amx, only " + best), std::string::npos) << lacking.output;
  }
  const Ended missing = run_bench("-m /nonexistent.gguf 2>&1");
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.output.find("/nonexistent.gguf"), std::string::npos) << missing.output;
}

TEST(bench, nothing_is_left_behind) {
  const TemporaryDirectory directory;
  setenv("TMPDIR", directory.path().c_str(), /*overwrite=*/1);
  EXPECT_EQ(run_bench("-m " HEARTH_MODELS_DIR "/ember-q8_0.gguf -p 8 -n 0").code, 0);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(work, counts_what_a_step_reads_and_computes) {
  LayerTable table;
  table.head.weight = {nullptr, kernels::WeightFormat::q8_0, 64, 32};
  FullAttention attention;
  attention.heads = 2;
  attention.kv_heads = 1;
  attention.head_dim = 8;
  attention.q.weight = {nullptr, kernels::WeightFormat::f32, 16, 32};
  attention.k.weight = attention.v.weight = {nullptr, kernels::WeightFormat::f32, 8, 32};
  attention.out.weight = {nullptr, kernels::WeightFormat::f32, 32, 16};
  GatedMlp mlp;
  mlp.gate.weight = mlp.up.weight = {nullptr, kernels::WeightFormat::f16, 48, 32};
  mlp.down.weight = {nullptr, kernels::WeightFormat::f16, 32, 48};
  table.layers = {{{{{}, {attention}}, {{}, {mlp}}}}};
  Plan plan;
  plan.kv.page_tokens = 16;
  plan.kv.page_bytes = 16 * 32;
  plan.state_floats = 100;
  const Work work = work_of(table, plan);
  EXPECT_EQ(work.matrix_weights, 16u * 32 + 2 * 8 * 32 + 32 * 16 + 3 * 48 * 32);
  EXPECT_EQ(work.matrix_bytes, 4u * (16 * 32 + 2 * 8 * 32 + 32 * 16) + 2 * 3 * 48 * 32);
  EXPECT_EQ(work.head_bytes, 64u * 34);
  EXPECT_EQ(work.kv_bytes, 32u);
  EXPECT_EQ(work.attention_ops, 4u * 2 * 8);
  EXPECT_EQ(work.decode_bytes(3, 10),
            work.matrix_bytes + work.head_bytes + 3 * (10 * 32 + 2 * 400));
  // Three rows at positions 2, 3 and 4 attend to 3 + 4 + 5 positions.
  EXPECT_EQ(work.prefill_ops(2, 5),
            2 * work.matrix_weights * 3 + 2 * work.head_weights + 12 * work.attention_ops);
}

TEST(work, counts_the_experts_that_rows_go_to) {
  MoeMlp moe;
  moe.router.weight = {nullptr, kernels::WeightFormat::f32, 8, 32};
  moe.gate = moe.up = {{nullptr, kernels::WeightFormat::q8_0, 48, 32}, 8};
  moe.down = {{nullptr, kernels::WeightFormat::f16, 32, 48}, 8};
  moe.rule = {.experts = 8, .used = 2};
  LayerTable table;
  table.head.weight = {nullptr, kernels::WeightFormat::f16, 64, 32};
  table.layers = {{{{{}, {moe}}}}, {{{{}, {moe}}}}};
  const Work work = work_of(table, Plan());
  const std::uint64_t expert_weights = 3 * 48 * 32, expert_bytes = 2 * 48 * 34 + 32 * 48 * 2;
  EXPECT_EQ(work.matrix_weights, 2 * (8 * 32 + 2 * expert_weights));
  EXPECT_EQ(work.matrix_bytes, 2u * 8 * 32 * 4);
  const std::uint64_t always = work.matrix_bytes + work.head_bytes;
  EXPECT_EQ(work.decode_bytes(1, 0), always + 2 * 2 * expert_bytes);
  // A second row finds each of its experts unused with a chance of 6 in 8.
  EXPECT_EQ(work.decode_bytes(2, 0), always + static_cast<std::uint64_t>(2 * 3.5 * expert_bytes));
  EXPECT_NEAR(static_cast<double>(work.decode_bytes(1000, 0)),
              static_cast<double>(always + 2 * 8 * expert_bytes), 1);
}

}  // namespace
}  // namespace hearth
