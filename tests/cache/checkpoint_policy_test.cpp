// Goal: checkpoints are planned where docs/checkpoints.md says, and nowhere else.
#include "cache/checkpoint_policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace hearth::cache {
namespace {

using Positions = std::vector<std::uint32_t>;

struct Rows {
  std::uint32_t begin, end, microbatch;
};

struct Case {
  const char* name;
  CheckpointSettings settings;
  Rows rows;
  Positions turn_starts, marks;
  std::uint32_t divergence;
  Positions expected;
};

const CheckpointSettings kUsual;

const std::vector<Case> kCases = {
    {"the end of a prompt", kUsual, {0, 1000, 512}, {}, {}, 0, {484, 996, 999}},
    {"the end is within one batch", kUsual, {0, 300, 512}, {}, {}, 0, {296, 299}},
    {"a short prompt: its end only", kUsual, {0, 60, 16}, {30}, {20}, 25, {59}},
    {"one as long as min_tokens", kUsual, {0, 64, 16}, {}, {}, 0, {63}},
    {"a little longer", kUsual, {0, 68, 16}, {}, {}, 0, {64, 67}},
    {"nothing but one token", kUsual, {0, 1, 512}, {}, {}, 0, {}},
    {"two tokens", kUsual, {0, 2, 512}, {}, {}, 0, {1}},
    {"nothing at all", kUsual, {0, 0, 512}, {}, {}, 0, {}},
    {"what is there is not planned", kUsual, {996, 1000, 512}, {100}, {}, 0, {999}},
    {"all but one token is there", kUsual, {999, 1000, 512}, {}, {}, 0, {}},
    {"begin beyond the end", kUsual, {1001, 1000, 512}, {}, {}, 0, {}},
    {"off", {.max_checkpoints = 0}, {0, 9000, 512}, {100}, {200}, 300, {}},
    {"the last turn of the user", kUsual, {0, 1000, 512}, {0, 970}, {}, 0, {484, 970, 996, 999}},
    {"near others, too", kUsual, {0, 1000, 512}, {0, 994}, {}, 0, {484, 994, 996, 999}},
    {"earlier turns when nothing is near",
     kUsual,
     {0, 1000, 512},
     {0, 100, 200, 250, 450, 900},
     {},
     0,
     {100, 250, 484, 900, 996, 999}},
    {"and not near the begin",
     kUsual,
     {200, 1000, 512},
     {0, 100, 200, 250, 900},
     {},
     0,
     {484, 900, 996, 999}},
    {"a start behind the prompt is none",
     kUsual,
     {0, 1000, 512},
     {300, 1000, 2000},
     {},
     0,
     {300, 484, 996, 999}},
    {"marks of the client",
     kUsual,
     {0, 1000, 512},
     {},
     {0, 70, 71, 72, 1500},
     0,
     {70, 71, 72, 484, 996, 999}},
    {"the last max_checkpoints of them",
     {.max_checkpoints = 2},
     {0, 1000, 512},
     {},
     {100, 200, 300},
     0,
     {200, 300, 484, 996, 999}},
    {"where another text parts", kUsual, {0, 1000, 512}, {}, {}, 480, {480, 484, 996, 999}},
    {"every so many tokens",
     kUsual,
     {0, 20000, 512},
     {},
     {},
     0,
     {8192, 16384, 19484, 19996, 19999}},
    {"counted from the begin of the text",
     kUsual,
     {8300, 20000, 512},
     {},
     {},
     0,
     {16384, 19484, 19996, 19999}},
    {"not near others",
     {.every_n_tokens = 520},
     {0, 1600, 512},
     {480},
     {},
     0,
     {480, 1084, 1596, 1599}},
    {"never", {.every_n_tokens = 0}, {0, 20000, 512}, {}, {}, 0, {19484, 19996, 19999}},
    {"never, too", {.every_n_tokens = -1}, {0, 20000, 512}, {}, {}, 0, {19484, 19996, 19999}},
    {"no more than max_checkpoints",
     {.max_checkpoints = 5, .every_n_tokens = 1000},
     {0, 6000, 512},
     {},
     {},
     0,
     {2000, 4000, 5484, 5996, 5999}},
    {"but for those that always are",
     {.max_checkpoints = 1, .every_n_tokens = 1000},
     {0, 6000, 512},
     {700},
     {800},
     900,
     {700, 800, 900, 5484, 5996, 5999}},
    {"one for two reasons", kUsual, {0, 1000, 512}, {484}, {484, 996}, 999, {484, 996, 999}},
};

TEST(checkpoint_policy, positions_are_those_of_the_table) {
  for (const Case& one : kCases) {
    const Positions found = plan_checkpoints(one.settings, {.begin = one.rows.begin,
                                                            .end = one.rows.end,
                                                            .microbatch = one.rows.microbatch,
                                                            .turn_starts = one.turn_starts,
                                                            .marks = one.marks,
                                                            .divergence = one.divergence});
    EXPECT_EQ(found, one.expected) << one.name;
  }
}

TEST(checkpoint_policy, the_end_of_a_turn_gets_one_when_something_was_generated) {
  EXPECT_TRUE(at_turn_end(kUsual, 100, 99));
  EXPECT_TRUE(at_turn_end(kUsual, 64, 0));
  EXPECT_FALSE(at_turn_end(kUsual, 63, 0)) << "it is short";
  EXPECT_FALSE(at_turn_end(kUsual, 100, 100)) << "it is there";
  EXPECT_FALSE(at_turn_end({.max_checkpoints = 0}, 100, 99));
}

// Goal: whatever a client asks for, the plan is in order, within the prompt, has its end, and is
// made in reasonable time with a reasonable length.
TEST(checkpoint_policy, any_settings_give_a_plan_in_order) {
  std::mt19937 random(7);
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  for (int i = 0; i < 3000; ++i) {
    SCOPED_TRACE(i);
    const std::uint32_t top = i % 10 == 0 ? UINT32_MAX : 3000;
    const CheckpointSettings settings = {.max_checkpoints = below(3) == 0 ? below(UINT32_MAX) : 8,
                                         .every_n_tokens = static_cast<std::int32_t>(below(300)),
                                         .min_tokens = below(200),
                                         .min_gap = below(3) == 0 ? 0 : below(200)};
    Positions starts, marks;
    for (std::uint32_t n = below(600); n > 0; --n) starts.push_back(below(top));
    for (std::uint32_t n = below(600); n > 0; --n) marks.push_back(below(top));
    std::ranges::sort(starts);
    std::ranges::sort(marks);
    const PromptCuts prompt = {.begin = below(top),
                               .end = below(top),
                               .microbatch = below(3) == 0 ? UINT32_MAX : below(1000),
                               .turn_starts = starts,
                               .marks = marks,
                               .divergence = below(top)};
    const Positions plan = plan_checkpoints(settings, prompt);
    EXPECT_TRUE(std::ranges::is_sorted(plan));
    EXPECT_EQ(std::ranges::adjacent_find(plan), plan.end());
    EXPECT_LE(plan.size(), 1024u);
    const bool any = settings.max_checkpoints > 0 && prompt.end > std::uint64_t{prompt.begin} + 1;
    EXPECT_EQ(!plan.empty(), any);
    if (!any) continue;
    EXPECT_GT(plan.front(), prompt.begin);
    EXPECT_EQ(plan.back(), prompt.end - 1);
  }
}

}  // namespace
}  // namespace hearth::cache
