// The layers that keep a state: see executor.hpp, kernels/recurrent.hpp.
//
// The rows of a batch that share a state are a run: one sequence's, in order of position.  A run is
// computed from its state on, and changes it; its heads, or channels, are independent items.  Where
// a row wants a snapshot, each item copies its part of the state on its way: a checkpoint costs no
// step of its own.
#include <algorithm>
#include <cassert>

#include "engine/executor.hpp"

namespace hearth {
namespace {

// Channels of an item: of rows that are few, enough to be worth a worker's coming.
constexpr std::int64_t kItemChannels = 256;
constexpr std::int64_t kItemTiles = kItemChannels / kernels::kStateTile;

constexpr std::int64_t pieces_of(std::int64_t count, std::int64_t piece) {
  return (count + piece - 1) / piece;
}

}  // namespace

void Executor::reserve_recurrence() {
  std::int64_t key_dim_max = 0;
  for (const Op& op : plan_.ops) {
    if (const auto* net = std::get_if<DeltaNetOp>(&op)) {
      key_dim_max = std::max(key_dim_max, net->key_dim);
    }
  }
  runs_.reserve(static_cast<std::size_t>(limits_.rows_max));
  if (key_dim_max == 0) return;
  for (int worker = 0; worker < pool_->size(); ++worker) {
    take(heads_.emplace_back(), limits_.rows_max, 2 * stride_of(key_dim_max) + 2);
  }
}

void Executor::find_runs() {
  runs_.clear();
  for (std::int64_t row = 0; row < std::ssize(rows_); ++row) {
    float* state = rows_[static_cast<std::size_t>(row)].state;
    assert(state != nullptr);
    if (runs_.empty() || runs_.back().state != state) runs_.push_back({row, 0, state});
    ++runs_.back().rows;
  }
}

// Items of one run; 0: the operation has no state.
std::int64_t Executor::recurrent_pieces(const Op& op) {
  if (const auto* conv = std::get_if<ConvolveOp>(&op)) {
    return pieces_of(conv->conv.channels, kItemChannels);
  }
  if (const auto* net = std::get_if<DeltaNetOp>(&op)) return net->value_heads;
  if (const auto* scan = std::get_if<SelectiveScanOp>(&op)) {
    return pieces_of(scan->channels, kItemChannels);
  }
  if (const auto* space = std::get_if<StateSpaceOp>(&op)) return space->heads;
  return 0;
}

const Executor::Run& Executor::run_of(const Op& op, std::int64_t item) const {
  return runs_[static_cast<std::size_t>(item / recurrent_pieces(op))];
}

// A run up to and including each row that wants a snapshot: compute(first row, rows), then
// keep(snapshot), which copies what the item has changed.
template <class Compute, class Keep>
void Executor::each_part(const Run& run, const Compute& compute, const Keep& keep) const {
  std::int64_t begin = run.row;
  for (std::int64_t row = run.row; row < run.row + run.rows; ++row) {
    float* snapshot = rows_[static_cast<std::size_t>(row)].snapshot;
    if (snapshot == nullptr && row + 1 < run.row + run.rows) continue;
    compute(begin, row + 1 - begin);
    if (snapshot != nullptr) keep(snapshot);
    begin = row + 1;
  }
}

void Executor::compute(const ConvolveOp& op, std::int64_t item, int /*worker*/) {
  const Run& run = run_of(op, item);
  const Convolution& conv = op.conv;
  const std::int64_t begin = item % recurrent_pieces(op) * kItemChannels;
  const std::int64_t end = std::min(begin + kItemChannels, conv.channels);
  const auto multiply_by = [&](Buffer gate) {
    for (std::int64_t row = run.row; row < run.row + run.rows; ++row) {
      float* x = row_of(Buffer::mixed, row);
      const float* by = row_of(gate, row);
      for (std::int64_t i = begin; i < end; ++i) x[i] *= by[i];
    }
  };
  if (op.gated) multiply_by(Buffer::write);
  float* tail = run.state + op.state;
  const auto convolve = [&](std::int64_t row, std::int64_t rows) {
    kernels_.causal_conv({.x = row_of(Buffer::mixed, row),
                          .x_stride = stride(Buffer::mixed),
                          .y = row_of(Buffer::mixed, row),
                          .y_stride = stride(Buffer::mixed),
                          .weight = conv.weight,
                          .bias = conv.bias,
                          .tail = tail,
                          .rows = rows,
                          .channels = conv.channels,
                          .width = conv.width,
                          .begin = begin,
                          .end = end,
                          .silu = op.silu});
  };
  each_part(run, convolve, [&](float* snapshot) {
    for (std::int64_t i = 0; i < conv.width - 1; ++i) {
      const std::int64_t at = i * conv.channels + begin;
      std::copy_n(tail + at, end - begin, snapshot + op.state + at);
    }
  });
  if (op.gated) multiply_by(Buffer::read);
}

// A value head, from its gates to its gated output.  Heads that share a key norm it each for
// themselves: it takes less time than waiting for one another.
void Executor::compute(const DeltaNetOp& op, std::int64_t item, int worker) {
  const Run& run = run_of(op, item);
  const std::int64_t head = item % op.value_heads;
  const std::int64_t key_head =
      op.tiled_heads ? head % op.key_heads : head / (op.value_heads / op.key_heads);
  const float* mixed = row_of(Buffer::mixed, run.row);
  const std::int64_t mixed_stride = stride(Buffer::mixed);
  const std::int64_t key_stride = stride_of(op.key_dim);
  float* q = heads_[static_cast<std::size_t>(worker)].data();  // [rows, key_stride], as is k
  float* k = q + run.rows * key_stride;
  float* decay = k + run.rows * key_stride;  // [rows]
  float* beta = decay + run.rows;            // [rows]
  const auto norm_keys = [&](const RmsNorm& norm, const float* x, float* y) {
    kernels_.rms_norm(
        {x, y, norm.weight, run.rows, op.key_dim, mixed_stride, key_stride, norm.eps});
  };
  norm_keys(op.q_norm, mixed + key_head * op.key_dim, q);
  norm_keys(op.k_norm, mixed + (op.key_heads + key_head) * op.key_dim, k);
  kernels_.delta_gates({.a = row_of(Buffer::step, run.row) + head,
                        .a_stride = stride(Buffer::step),
                        .b = row_of(Buffer::write, run.row) + head,
                        .b_stride = stride(Buffer::write),
                        .rate = op.a + head,
                        .dt_bias = op.dt_bias + head,
                        .decay = decay,
                        .decay_stride = 1,
                        .beta = beta,
                        .beta_stride = 1,
                        .rows = run.rows,
                        .heads = 1});
  const std::int64_t out_stride = stride(Buffer::attended);
  const std::int64_t state = op.state + head * op.head_floats();
  const auto recur = [&](std::int64_t row, std::int64_t rows) {
    const std::int64_t at = row - run.row;
    kernels_.delta_net(
        {.q = q + at * key_stride,
         .q_stride = key_stride,
         .k = k + at * key_stride,
         .k_stride = key_stride,
         .v = row_of(Buffer::mixed, row) + 2 * op.key_heads * op.key_dim + head * op.value_dim,
         .v_stride = mixed_stride,
         .decay = decay + at,
         .decay_stride = 1,
         .beta = beta + at,
         .beta_stride = 1,
         .out = row_of(Buffer::attended, row) + head * op.value_dim,
         .out_stride = out_stride,
         .state = run.state + state,
         .rows = rows,
         .key_dim = op.key_dim,
         .value_dim = op.value_dim,
         .tile_begin = 0,
         .tile_end = kernels::state_tiles(op.value_dim)});
  };
  each_part(run, recur, [&](float* snapshot) {
    std::copy_n(run.state + state, op.head_floats(), snapshot + state);
  });
  float* out = row_of(Buffer::attended, run.row) + head * op.value_dim;
  kernels_.rms_norm(
      {out, out, op.norm.weight, run.rows, op.value_dim, out_stride, out_stride, op.norm.eps});
  for (std::int64_t i = 0; i < run.rows; ++i) {
    gated(kernels::Activation::silu)(
        {row_of(Buffer::z, run.row + i) + head * op.value_dim, out + i * out_stride, op.value_dim});
  }
}

// Some channels, to their gated output.
void Executor::compute(const SelectiveScanOp& op, std::int64_t item, int /*worker*/) {
  const Run& run = run_of(op, item);
  const std::int64_t begin = item % recurrent_pieces(op) * kItemChannels;
  const std::int64_t end = std::min(begin + kItemChannels, op.channels);
  const std::int64_t tile_begin = begin / kernels::kStateTile;
  const std::int64_t tile_end = kernels::state_tiles(end);
  const auto scan = [&](std::int64_t row, std::int64_t rows) {
    kernels_.selective_scan({.x = row_of(Buffer::mixed, row),
                             .x_stride = stride(Buffer::mixed),
                             .dt = row_of(Buffer::step, row),
                             .dt_stride = stride(Buffer::step),
                             .b = row_of(Buffer::write, row),
                             .b_stride = stride(Buffer::write),
                             .c = row_of(Buffer::read, row),
                             .c_stride = stride(Buffer::read),
                             .a = op.a,
                             .d = op.d,
                             .y = row_of(Buffer::attended, row),
                             .y_stride = stride(Buffer::attended),
                             .state = run.state + op.state,
                             .rows = rows,
                             .channels = op.channels,
                             .state_dim = op.state_dim,
                             .tile_begin = tile_begin,
                             .tile_end = tile_end});
  };
  each_part(run, scan, [&](float* snapshot) {
    const std::int64_t tile = op.state_dim * kernels::kStateTile;
    const std::int64_t at = op.state + tile_begin * tile;
    std::copy_n(run.state + at, (tile_end - tile_begin) * tile, snapshot + at);
  });
  for (std::int64_t row = run.row; row < run.row + run.rows; ++row) {
    gated(kernels::Activation::silu)(
        {row_of(Buffer::z, row) + begin, row_of(Buffer::attended, row) + begin, end - begin});
  }
}

void Executor::compute(const StateSpaceOp& op, std::int64_t item, int /*worker*/) {
  const Run& run = run_of(op, item);
  const std::int64_t head = item % op.heads;
  const std::int64_t group = head / (op.heads / op.groups);
  const std::int64_t state = op.state + head * op.head_floats();
  const auto recur = [&](std::int64_t row, std::int64_t rows) {
    const float* mixed = row_of(Buffer::mixed, row);
    const float* b = mixed + op.heads * op.head_dim + group * op.state_dim;
    kernels_.state_space({.x = mixed + head * op.head_dim,
                          .x_stride = stride(Buffer::mixed),
                          .dt = row_of(Buffer::step, row) + head,
                          .dt_stride = stride(Buffer::step),
                          .b = b,
                          .b_stride = stride(Buffer::mixed),
                          .c = b + op.groups * op.state_dim,
                          .c_stride = stride(Buffer::mixed),
                          .y = row_of(Buffer::attended, row) + head * op.head_dim,
                          .y_stride = stride(Buffer::attended),
                          .state = run.state + state,
                          .rows = rows,
                          .state_dim = op.state_dim,
                          .head_dim = op.head_dim,
                          .tile_begin = 0,
                          .tile_end = kernels::state_tiles(op.head_dim),
                          .a = op.a[head],
                          .d = op.d[head],
                          .dt_bias = op.dt_bias[head]});
  };
  each_part(run, recur, [&](float* snapshot) {
    std::copy_n(run.state + state, op.head_floats(), snapshot + state);
  });
}

}  // namespace hearth
