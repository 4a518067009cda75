// Walks a plan on the CPU: one forward step over a ragged batch of rows.
//
// THREAD: the engine calls forward(); the workers of the pool compute.  All memory is taken at
// construction: forward() allocates nothing.
//
// A row's result depends on its token, its position, the pages and the state before it, and on
// nothing else in the batch: kernels compute every output in one order of operations (kernels.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/aligned_buffer.hpp"
#include "engine/attention_tiling.hpp"
#include "engine/batch.hpp"
#include "engine/plan.hpp"
#include "engine/worker_pool.hpp"
#include "kernels/kernels.hpp"

namespace hearth {

class Executor {
 public:
  struct Limits {
    std::int64_t rows_max = 256;       // of a batch
    std::int64_t logit_rows_max = 64;  // of these, how many may want logits
  };
  Executor(const LayerTable* table, Plan plan, WorkerPool* pool, const kernels::KernelSet& kernels,
           const Limits& limits);

  // Compute the batch: keys and values go to the pages, logits to logits().  False when give_up
  // (which may be null) became true before the end: there are no logits then, and the same rows may
  // be computed again, if they have no state: what was begun has changed that.
  bool forward(std::span<const BatchRow> rows, const std::atomic<bool>* give_up = nullptr);

  // Logits of the i-th row with an output, [vocab]; valid until the next forward().  Of no meaning
  // when no row of the batch wanted logits.
  std::span<float> logits(std::int64_t i);
  // What the head takes, of the i-th row that wanted hidden or logits, [hidden]; as long.
  std::span<const float> hidden(std::int64_t i) const;

  const Limits& limits() const { return limits_; }
  const kernels::KernelSet& kernels() const { return kernels_; }
  const KvGeometry& kv() const { return plan_.kv; }
  std::int64_t state_floats() const { return plan_.state_floats; }  // of a sequence; 0: no state
  std::uint64_t rows_forwarded() const { return rows_forwarded_; }  // since the start
  std::uint64_t buffer_bytes() const { return buffer_bytes_; }      // of activations

 private:
  // What matrices are multiplied with, in floats, activation blocks or splits, and room for it.
  struct Input {
    const float* floats;  // [rows, stride]
    std::int64_t stride;
    const kernels::ActivationBlock* blocks;  // [blocks of a row, rows]
    const kernels::SplitBlock* splits;       // likewise, of the rows of prompts
    std::int64_t block_stride;               // rows of the whole input: >= rows
    std::int64_t rows;
    std::int64_t generated;  // so many rows come first, the others are of prompts
  };
  struct InputRoom {
    AlignedBuffer<float> floats;                     // [rows, stride]
    AlignedBuffer<kernels::ActivationBlock> blocks;  // [blocks of the widest input, rows]
    AlignedBuffer<kernels::SplitBlock> splits;       // likewise; empty where no kernel takes them
  };
  // Where a product goes: [rows, stride].
  struct Product {
    float* y;
    std::int64_t stride;
    bool accumulate;
  };
  // Rows of one sequence, which change its state one after the other.
  struct Run {
    std::int64_t row;  // the first one's index in the batch
    std::int64_t rows;
    float* state;  // [Plan::state_floats]
  };
  // The next item that a worker takes of its share of an operation's items, and others when they
  // have done theirs.
  struct alignas(64) Cursor {
    std::atomic<std::int64_t> next;
  };

  template <class T>
  void take(AlignedBuffer<T>& buffer, std::int64_t rows, std::int64_t width);
  void take_input(InputRoom& room, std::int64_t rows, std::int64_t width, bool floats = true);
  void reserve_experts();
  void reserve_attention();
  void reserve_recurrence();
  void walk(int worker);
  std::int64_t items(const Op& op, int worker) const;
  std::optional<std::int64_t> take_item(std::size_t op, std::int64_t count, int worker);
  bool is_private() const;
  bool is_private(const Op& op) const;
  const ExpertRouting& routing(int worker) const;
  InputRoom& input_room(int worker);
  InputRoom& pair_room(int worker);
  std::int64_t rows_of(Buffer buffer, int worker) const;
  bool takes_splits(bool floats) const;
  void compute(const Op& op, std::int64_t item, int worker);
  void compute(const EmbedOp& op, std::int64_t row, int worker);
  void compute(const PrepareOp& op, std::int64_t row, int worker);
  void compute(const LinearOp& op, std::int64_t item, int worker);
  void compute_gated(const LinearOp& op, const Input& input, std::int64_t item);
  void activate(kernels::Activation activation, const Matrix& matrix, std::int64_t item,
                std::int64_t groups, const Product& gate, const Product& up,
                std::int64_t rows) const;
  kernels::GatedFn gated(kernels::Activation activation) const {
    return kernels_.gated[static_cast<std::size_t>(activation)];
  }
  void compute(const GateOp& op, std::int64_t row, int worker);
  void compute(const WeighOp& op, std::int64_t row, int worker);
  void compute(const AddNormedOp& op, std::int64_t row, int worker);
  void compute(const NormPartsOp& op, std::int64_t row, int worker);
  void compute(const StoreKvOp& op, std::int64_t row, int worker);
  void compute(const AttendOp& op, std::int64_t item, int worker);
  const AttentionTiling& tiling_of(const AttendOp& op) const {
    return *std::ranges::find(tilings_, op.window, &AttentionTiling::window);
  }
  float* parts_of(const AttendOp& op, const AttentionTile& tile, std::int64_t kv_head);
  bool was_last_part(const AttendOp& op, const AttentionTile& tile, std::int64_t kv_head);
  void find_runs();
  static std::int64_t recurrent_pieces(const Op& op);
  const Run& run_of(const Op& op, std::int64_t item) const;
  template <class Compute, class Keep>
  void each_part(const Run& run, const Compute& compute, const Keep& keep) const;
  void compute(const ConvolveOp& op, std::int64_t item, int worker);
  void compute(const DeltaNetOp& op, std::int64_t item, int worker);
  void compute(const SelectiveScanOp& op, std::int64_t item, int worker);
  void compute(const StateSpaceOp& op, std::int64_t item, int worker);
  void compute(const RouteOp& op, std::int64_t row, int worker);
  void compute(const GatherOp& op, std::int64_t pair, int worker);
  Input input_of(const ExpertsOp& op, const ExpertRouting::Group& group, int worker);
  void compute(const ExpertsOp& op, std::int64_t item, int worker);
  std::int64_t combine_pieces() const;
  void compute(const CombineOp& op, std::int64_t item, int worker);
  void compute(const HeadNormOp& op, std::int64_t i, int worker);
  void compute(const HeadOp& op, std::int64_t item, int worker);
  void normalize(const RmsNorm& norm, const float* from, float* to) const;
  std::int64_t experts_item_groups(const ExpertsOp& op, const ExpertRouting& routing) const;
  void multiply(const Linear& linear, const Input& input, std::int64_t item, std::int64_t groups,
                const Product& product) const;
  Product product_of(const LinearOp& op, const LinearPart& part);
  Product product_of(const ExpertsPart& part, const ExpertRouting::Group& group);
  float* row_of(Buffer buffer, std::int64_t row);
  static std::int64_t blocks_of(std::int64_t width) {  // activation blocks, or splits
    return (width + kernels::kActivationCols - 1) / kernels::kActivationCols;
  }
  // What is not there stays so: a form of an input that nothing takes.
  template <class T>
  static T* ahead(T* at, std::int64_t count) {
    return at == nullptr ? nullptr : at + count;
  }
  std::int64_t width(Buffer buffer) const { return plan_.widths[static_cast<std::size_t>(buffer)]; }
  // Floats from one row of so many to the next, and of a buffer: an odd number of cache lines.  A
  // matrix writes a line of each of many rows in turn, and at a multiple of 4096 bytes they all
  // want one cache set.
  static std::int64_t stride_of(std::int64_t width) {
    constexpr std::int64_t kLineFloats = 16;
    return ((width + kLineFloats - 1) / kLineFloats | 1) * kLineFloats;
  }
  std::int64_t stride(Buffer buffer) const { return stride_of(width(buffer)); }

  const LayerTable* table_;  // outlives us
  const Plan plan_;
  WorkerPool* pool_;  // outlives us
  const kernels::KernelSet kernels_;
  const Limits limits_;
  WorkerPool::Work work_;

  AlignedBuffer<float> buffers_[kBufferCount];  // [rows_max, width]
  // One for each worker, for few rows: each prepares them, and chooses their experts, for itself,
  // which takes less time than waiting for one another.  The last one is for all, and many rows.
  std::vector<InputRoom> inputs_;
  std::vector<AlignedBuffer<float>> cos_, sin_;  // per rope: [rows_max, pairs]
  // Where there are experts: likewise of pairs.
  std::vector<InputRoom> pair_inputs_;
  std::vector<ExpertRouting> routings_;
  std::atomic<std::int64_t> routed_rows_{0};   // of the current RouteOp
  InputRoom head_input_;                       // [logit_rows_max, hidden]
  AlignedBuffer<float> logits_;                // [logit_rows_max, vocab]
  std::vector<AttentionTiling> tilings_;       // of the current batch, one for each window
  std::vector<AlignedBuffer<float>> scratch_;  // per worker: a tile's state, then scratch
  AlignedBuffer<float> parts_;                 // [kAttentionParts, floats of a row's states]
  std::vector<std::atomic<std::int32_t>> parts_done_;  // per spread tile and KV head
  std::vector<Run> runs_;                              // of the current batch
  std::vector<AlignedBuffer<float>> heads_;            // per worker: q, k and gates of a run's head
  std::vector<std::int64_t> logit_rows_;               // rows of the batch with an output
  bool wants_logits_ = false;                          // one of them is logits
  std::vector<Cursor> cursors_;                        // [ops, workers]
  std::span<const BatchRow> rows_;                     // of the current batch
  std::int64_t generated_ = 0;                         // of these, the first ones
  const std::atomic<bool>* give_up_ = nullptr;         // the caller's, for the current batch
  std::atomic<std::size_t> given_up_at_{0};            // op; the number of ops: not given up
  std::uint64_t rows_forwarded_ = 0;
  std::uint64_t buffer_bytes_ = 0;
};

}  // namespace hearth
