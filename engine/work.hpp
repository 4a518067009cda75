// What a forward step has to read and to compute at least: the denominators of every measurement.
//
// Pure functions: any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/layer_table.hpp"
#include "engine/plan.hpp"

namespace hearth {

// The experts of one layer: a row is multiplied with some of them.
struct ExpertsWork {
  std::uint64_t bytes = 0;  // of all
  std::int64_t count = 0;
  std::int64_t used = 0;  // for a row

  // Of those that so many rows go to when each chooses evenly and for itself.
  double expected_bytes(std::uint64_t rows) const;
};

struct Work {
  std::uint64_t matrix_bytes = 0;    // of the layers, but experts': read once a step
  std::uint64_t matrix_weights = 0;  // that a row is multiplied with, in the layers
  std::uint64_t head_bytes = 0;      // read by a step that gives logits
  std::uint64_t head_weights = 0;    // each multiplied once for every row that gives logits
  std::uint64_t kv_bytes = 0;        // read for every position that a row attends to
  std::uint64_t attention_ops = 0;   // multiplications and additions for every such position
  std::uint64_t state_bytes = 0;     // of recurrent layers: read and written for every sequence
  std::vector<ExpertsWork> experts;  // of the layers that have any

  // Of a step of one row for each sequence, with logits, at so many positions each.
  std::uint64_t decode_bytes(std::uint64_t sequences, std::uint64_t positions) const;
  // Of the rows of a prompt at positions [begin, end), of which the last gives logits.
  std::uint64_t prefill_ops(std::uint64_t begin, std::uint64_t end) const {
    const std::uint64_t attended = (end * (end + 1) - begin * (begin + 1)) / 2;
    return 2 * matrix_weights * (end - begin) + 2 * head_weights + attention_ops * attended;
  }
};

Work work_of(const LayerTable& table, const Plan& plan);

}  // namespace hearth
