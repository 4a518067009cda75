// Goal: beside a long prefill a stream's step stays within the promise, and prefill is not starved.
// Method: a simulated machine whose step costs a + b * generated + c(rows) * prompt rows, with
// noise.
#include "engine/step_pacer.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace hearth {
namespace {

struct Machine {
  double fixed_ns, generated_ns, prompt_ns;
  std::int64_t step(std::int64_t generated, std::int64_t prompt, std::mt19937& random) const {
    const double noise = 1.0 + 0.1 * (static_cast<double>(random() % 1000) / 1000.0 - 0.5);
    return static_cast<std::int64_t>(noise *
                                     (fixed_ns + generated_ns * static_cast<double>(generated) +
                                      prompt_ns * static_cast<double>(prompt)));
  }
};

TEST(step_pacer, streams_keep_their_pace_on_every_kind_of_machine) {
  const Machine machines[] = {
      {1e6, 1e5, 1e5},   // compute bound
      {50e6, 1e5, 2e5},  // bandwidth bound: rows are nearly free
      {1e5, 1e4, 1e5},   // tiny model, where one prompt row nearly doubles a step
  };
  for (const Machine& machine : machines) {
    std::mt19937 random(3);
    StepPacer pacer(256);
    for (int i = 0; i < 20; ++i) pacer.measured(1, 0, machine.step(1, 0, random));
    const double alone = machine.fixed_ns + machine.generated_ns;
    std::vector<double> slowdowns;
    std::int64_t prompt_rows = 0;
    for (int i = 0; i < 400; ++i) {
      const std::int64_t rows = pacer.prompt_rows(1);
      ASSERT_GE(rows, 0);
      ASSERT_LE(rows, 255);
      const std::int64_t ns = machine.step(1, rows, random);
      pacer.measured(1, rows, ns);
      prompt_rows += rows;
      slowdowns.push_back(static_cast<double>(ns) / alone);
    }
    std::ranges::sort(slowdowns);
    EXPECT_LE(slowdowns[slowdowns.size() * 99 / 100], 2.5);
    EXPECT_GT(prompt_rows, 300) << "prefill goes on";
  }
}

TEST(step_pacer, without_streams_a_step_is_full) {
  StepPacer pacer(256);
  EXPECT_EQ(pacer.prompt_rows(0), 256);
}

}  // namespace
}  // namespace hearth
