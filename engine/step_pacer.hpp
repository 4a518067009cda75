// How many prompt rows a step may take, so that running streams keep their pace.
//
// A stream beside which another client prefills shall not wait longer than kSlowdown times its own
// step. The pacer learns what a step of generated rows alone costs and what a prompt row adds, from
// the times of the steps themselves, and looks again every kProbeInterval steps.
//
// THREAD: the engine.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hearth {

class StepPacer {
 public:
  static constexpr double kSlowdown = 1.7;  // of a stream's time between tokens; promised are 2.5
  static constexpr int kProbeInterval = 16;

  explicit StepPacer(std::int64_t rows_max) : rows_max_(rows_max) {}

  // Prompt rows to take beside this many generated rows; 0 now and then, to measure.
  std::int64_t prompt_rows(std::int64_t generated_rows) {
    if (generated_rows == 0) return rows_max_;
    const std::int64_t room = rows_max_ - generated_rows;
    if (generated_ns_ == 0 || ++steps_since_probe_ >= kProbeInterval) {
      steps_since_probe_ = 0;
      return 0;
    }
    if (prompt_row_ns_ == 0) return std::min<std::int64_t>(room, 1);
    const double rows = (kSlowdown - 1) * generated_ns_ / prompt_row_ns_;
    // Not more than twice the last step's: one wrong measurement must not stall a stream.
    const double bounded =
        std::min(rows, 2.0 * static_cast<double>(std::max<std::int64_t>(1, last_rows_)));
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(bounded),
                                    std::min<std::int64_t>(1, room), room);
  }

  // A step of this many rows took ns.
  void measured(std::int64_t generated_rows, std::int64_t prompt_rows, std::int64_t ns) {
    const auto time = static_cast<double>(ns);
    if (prompt_rows == 0) {
      learn(generated_ns_, time);
    } else if (generated_rows == 0) {
      // Large steps are cheaper per row than small ones: a first guess, mixed steps correct it.
      if (prompt_row_ns_ == 0) prompt_row_ns_ = time / static_cast<double>(prompt_rows);
    } else {
      const double added = std::max(time - generated_ns_, 0.05 * time);
      learn(prompt_row_ns_, added / static_cast<double>(prompt_rows));
      last_rows_ = prompt_rows;
    }
    if (generated_rows == 0) last_rows_ = 1;
  }

 private:
  static void learn(double& value, double sample) {
    // A sample far above what we know is more likely a scheduling hiccup than news: take a little
    // of it.
    value = value == 0 ? sample : value + 0.25 * (std::min(sample, 2 * value) - value);
  }

  const std::int64_t rows_max_;
  double generated_ns_ = 0;     // a step of generated rows alone
  double prompt_row_ns_ = 0;    // what one prompt row adds to it
  std::int64_t last_rows_ = 1;  // prompt rows of the last mixed step
  int steps_since_probe_ = 0;
};

}  // namespace hearth
