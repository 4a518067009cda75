// See executor.hpp.
#include "engine/executor.hpp"

#include <algorithm>
#include <cassert>

namespace hearth {
namespace {

constexpr std::int64_t kBlockRows = 16;              // rows of a matrix in one work item
constexpr std::int64_t kAttentionHeads = 128;        // of a tile: what stays in L2 with a page
constexpr std::int64_t kTokenTileBytes = 128 << 10;  // inputs that stay in L2 while rows pass by

std::int64_t blocks_of(const Linear& linear) {
  return (linear.weight.rows + kBlockRows - 1) / kBlockRows;
}

}  // namespace

Executor::Executor(const LayerTable* table, Plan plan, WorkerPool* pool,
                   const kernels::KernelSet& kernels, const Limits& limits)
    : table_(table),
      plan_(std::move(plan)),
      pool_(pool),
      kernels_(kernels),
      limits_(limits),
      work_([this](int worker) { walk(worker); }),
      next_item_(plan_.ops.size()) {
  for (int i = 0; i < kBufferCount; ++i) {
    take(buffers_[i], limits_.rows_max, plan_.widths[static_cast<std::size_t>(i)]);
  }
  for (const Rope& rope : table_->ropes) {
    take(cos_.emplace_back(), limits_.rows_max, rope.pairs());
    take(sin_.emplace_back(), limits_.rows_max, rope.pairs());
  }
  take(head_input_, limits_.logit_rows_max, table_->hidden);
  take(logits_, limits_.logit_rows_max, table_->vocab);
  reserve_attention();
  logit_rows_.reserve(static_cast<std::size_t>(limits_.logit_rows_max));
}

// One tiling serves all layers, so that it is made for the largest groups.
void Executor::reserve_attention() {
  std::int64_t group_max = 1, kv_heads_max = 0, head_dim_max = 0, part_floats = 0;
  for (const Op& op : plan_.ops) {
    const auto* attend = std::get_if<AttendOp>(&op);
    if (!attend) continue;
    group_max = std::max(group_max, attend->heads / attend->kv_heads);
    kv_heads_max = std::max(kv_heads_max, attend->kv_heads);
    head_dim_max = std::max(head_dim_max, attend->head_dim);
    part_floats =
        std::max(part_floats, kernels::attention_state_floats(attend->heads, attend->head_dim));
  }
  const std::int64_t tile_rows = std::clamp<std::int64_t>(
      kAttentionHeads / group_max, 1,
      std::min<std::int64_t>(kernels::kAttentionRows, plan_.kv.page_tokens));
  tiling_ = AttentionTiling(limits_.rows_max, plan_.kv.page_tokens, tile_rows);
  const std::int64_t heads = tile_rows * group_max;
  for (int worker = 0; worker < pool_->size(); ++worker) {
    take(scratch_.emplace_back(), 1,
         kernels::attention_state_floats(heads, head_dim_max) +
             kernels::attention_scratch_floats(heads, head_dim_max, plan_.kv.page_tokens));
  }
  take(parts_, kAttentionParts, part_floats);
  parts_done_ = std::vector<std::atomic<std::int32_t>>(
      static_cast<std::size_t>(kAttentionParts / 2 * kv_heads_max));
}

void Executor::take(AlignedBuffer& buffer, std::int64_t rows, std::int64_t width) {
  buffer = AlignedBuffer(static_cast<std::size_t>(rows * width));
  buffer_bytes_ += static_cast<std::uint64_t>(rows * width) * sizeof(float);
}

bool Executor::forward(std::span<const BatchRow> rows, const std::atomic<bool>* give_up) {
  assert(!rows.empty() && std::ssize(rows) <= limits_.rows_max);
  rows_ = rows;
  logit_rows_.clear();
  wants_logits_ = false;
  for (std::int64_t row = 0; row < std::ssize(rows); ++row) {
    const RowOutput output = rows[static_cast<std::size_t>(row)].output;
    if (output != RowOutput::none) logit_rows_.push_back(row);
    wants_logits_ |= output == RowOutput::logits;
  }
  assert(std::ssize(logit_rows_) <= limits_.logit_rows_max);
  tiling_.cut(rows);
  for (std::atomic<std::int32_t>& done : parts_done_) done.store(0, std::memory_order_relaxed);
  for (std::atomic<std::int64_t>& next : next_item_) next.store(0, std::memory_order_relaxed);
  give_up_ = give_up;
  given_up_at_.store(plan_.ops.size(), std::memory_order_relaxed);
  pool_->run(work_);
  if (given_up_at_.load(std::memory_order_relaxed) != plan_.ops.size()) return false;
  rows_forwarded_ += rows.size();
  return true;
}

std::span<float> Executor::logits(std::int64_t i) {
  assert(i < std::ssize(logit_rows_));
  return {logits_.data() + i * table_->vocab, static_cast<std::size_t>(table_->vocab)};
}

std::span<const float> Executor::hidden(std::int64_t i) const {
  assert(i < std::ssize(logit_rows_));
  return {head_input_.data() + i * table_->hidden, static_cast<std::size_t>(table_->hidden)};
}

float* Executor::row_of(Buffer buffer, std::int64_t row) {
  return buffers_[static_cast<std::size_t>(buffer)].data() + row * width(buffer);
}

// Workers agree at a barrier whether they go on: the one who saw give_up names the operation, and
// nobody can be beyond it.
void Executor::walk(int worker) {
  for (std::size_t i = 0; i < plan_.ops.size(); ++i) {
    const std::int64_t count = items(plan_.ops[i]);
    for (std::int64_t item;
         (item = next_item_[i].fetch_add(1, std::memory_order_relaxed)) < count;) {
      if (give_up_ != nullptr && give_up_->load(std::memory_order_relaxed)) {
        given_up_at_.store(i, std::memory_order_relaxed);
        break;
      }
      compute(plan_.ops[i], item, worker);
    }
    pool_->barrier();
    if (given_up_at_.load(std::memory_order_relaxed) <= i) return;
  }
}

// How many independent pieces an operation has for this batch.
std::int64_t Executor::items(const Op& op) const {
  const std::int64_t rows = std::ssize(rows_);
  if (const auto* linear = std::get_if<LinearOp>(&op)) {
    std::int64_t blocks = 0;
    for (const LinearPart& part : linear->parts) blocks += blocks_of(part.linear);
    return blocks;
  }
  if (const auto* attend = std::get_if<AttendOp>(&op)) {
    return std::ssize(tiling_.pieces()) * attend->kv_heads;
  }
  if (std::holds_alternative<HeadNormOp>(op)) return std::ssize(logit_rows_);
  if (const auto* head = std::get_if<HeadOp>(&op)) {
    return wants_logits_ ? blocks_of(head->head) : 0;
  }
  return rows;
}

void Executor::compute(const Op& op, std::int64_t item, int worker) {
  std::visit(
      [&](const auto& o) {
        if constexpr (std::is_same_v<std::decay_t<decltype(o)>, AttendOp>) {
          compute(o, item, worker);
        } else {
          compute(o, item);
        }
      },
      op);
}

// The angles of the row's position are computed here too: every layer uses them.
void Executor::compute(const EmbedOp& op, std::int64_t row) {
  const BatchRow& input = rows_[static_cast<std::size_t>(row)];
  const auto format = static_cast<std::size_t>(op.table.format);
  kernels_.dequant_row[format]({op.table.data + input.token * op.table.row_bytes(), op.table.cols,
                                row_of(Buffer::hidden, row)});
  for (std::size_t i = 0; i < table_->ropes.size(); ++i) {
    const Rope& rope = table_->ropes[i];
    rope.angles(input.position, cos_[i].data() + row * rope.pairs(),
                sin_[i].data() + row * rope.pairs());
  }
}

void Executor::compute(const NormOp& op, std::int64_t row) {
  kernels_.rms_norm({.x = row_of(Buffer::hidden, row),
                     .y = row_of(Buffer::normed, row),
                     .weight = op.norm.weight,
                     .rows = 1,
                     .cols = op.norm.size,
                     .x_stride = op.norm.size,
                     .y_stride = op.norm.size,
                     .eps = op.norm.eps});
}

// One block of rows of a matrix times all tokens, in tiles of tokens that fit the cache.
void Executor::multiply(const Linear& linear, const float* x, std::int64_t x_stride, float* y,
                        std::int64_t y_stride, std::int64_t tokens, std::int64_t block,
                        bool accumulate) {
  const Matrix& weight = linear.weight;
  const std::int64_t row_begin = block * kBlockRows;
  const std::int64_t tile =
      std::max<std::int64_t>(12, kTokenTileBytes / (weight.cols * std::int64_t{sizeof(float)}));
  for (std::int64_t token = 0; token < tokens; token += tile) {
    kernels_.linear[static_cast<std::size_t>(weight.format)](
        {.weights = weight.data,
         .cols = weight.cols,
         .row_begin = row_begin,
         .row_end = std::min(row_begin + kBlockRows, weight.rows),
         .x = x + token * x_stride,
         .x_stride = x_stride,
         .y = y + token * y_stride,
         .y_stride = y_stride,
         .tokens = std::min(tile, tokens - token),
         .bias = linear.bias,
         .accumulate = accumulate});
  }
}

void Executor::compute(const LinearOp& op, std::int64_t block) {
  for (const LinearPart& part : op.parts) {
    const std::int64_t blocks = blocks_of(part.linear);
    if (block < blocks) {
      multiply(part.linear, row_of(op.in, 0), width(op.in), row_of(part.out, 0), width(part.out),
               std::ssize(rows_), block, op.accumulate);
      return;
    }
    block -= blocks;
  }
}

void Executor::compute(const StoreKvOp& op, std::int64_t row) {
  const BatchRow& input = rows_[static_cast<std::size_t>(row)];
  float* q = row_of(Buffer::q, row);
  float* k = row_of(Buffer::k, row);
  const float* v = row_of(Buffer::v, row);
  const auto prepare = [&](float* heads_begin, std::int64_t heads, const RmsNorm& norm) {
    if (norm.weight != nullptr) {
      kernels_.rms_norm({heads_begin, heads_begin, norm.weight, heads, op.head_dim, op.head_dim,
                         op.head_dim, norm.eps});
    }
    const auto rope_index = static_cast<std::size_t>(op.rope);
    const Rope& rope = table_->ropes[rope_index];
    const std::int64_t pairs = rope.pairs();
    kernels_.rope({heads_begin, cos_[rope_index].data() + row * pairs,
                   sin_[rope_index].data() + row * pairs, heads, op.head_dim, pairs,
                   rope.interleaved});
  };
  prepare(q, op.heads, op.q_norm);
  prepare(k, op.kv_heads, op.k_norm);

  const KvLayer& layer = plan_.kv.layers[static_cast<std::size_t>(op.kv_layer)];
  std::byte* page = input.pages[input.position / plan_.kv.page_tokens];
  const std::int64_t token = input.position % plan_.kv.page_tokens;
  const std::int64_t strip = plan_.kv.strip_bytes(layer);
  const std::int64_t within = token * strip / plan_.kv.page_tokens;
  const auto store = kernels_.kv_store[static_cast<std::size_t>(plan_.kv.format)];
  for (std::int64_t head = 0; head < op.kv_heads; ++head) {
    const std::int64_t offset = head * strip + within;
    store({k + head * op.head_dim, page + layer.k_offset + offset, op.head_dim});
    store({v + head * op.head_dim, page + layer.v_offset + offset, op.head_dim});
  }
}

// One piece of the tiling for one KV head.
void Executor::compute(const AttendOp& op, std::int64_t item, int worker) {
  const AttentionPiece& piece = tiling_.pieces()[static_cast<std::size_t>(item / op.kv_heads)];
  const AttentionTile& tile = tiling_.tiles()[static_cast<std::size_t>(piece.tile)];
  const bool spread = tile.spread >= 0;
  const std::int64_t kv_head = item % op.kv_heads;
  const std::int64_t group = op.heads / op.kv_heads;
  const std::int64_t state_floats = kernels::attention_state_floats(tile.rows * group, op.head_dim);
  float* scratch = scratch_[static_cast<std::size_t>(worker)].data();
  float* states = spread ? parts_of(op, tile, kv_head) : scratch;
  const BatchRow& row = rows_[static_cast<std::size_t>(tile.row)];
  const KvLayer& layer = plan_.kv.layers[static_cast<std::size_t>(op.kv_layer)];
  const std::int64_t strip = plan_.kv.strip_bytes(layer);
  const std::int64_t begin = piece.split * kernels::kAttentionSplit;
  const std::int64_t end = row.position + tile.rows;
  kernels_.attention[static_cast<std::size_t>(plan_.kv.format)](
      {.q = row_of(Buffer::q, tile.row) + kv_head * group * op.head_dim,
       .q_stride = width(Buffer::q),
       .pages = row.pages,
       .k_offset = layer.k_offset + kv_head * strip,
       .v_offset = layer.v_offset + kv_head * strip,
       .page_tokens = plan_.kv.page_tokens,
       .position = row.position,
       .rows = tile.rows,
       .begin = begin,
       .end = spread ? std::min(end, begin + kernels::kAttentionSplit) : end,
       .group = group,
       .head_dim = op.head_dim,
       .scale = op.scale,
       .state = states + piece.split * state_floats,
       .scratch = scratch + state_floats});
  if (spread && !was_last_part(op, tile, kv_head)) return;
  kernels_.attention_merge(
      {.states = states,
       .count = spread ? tile.splits : 1,
       .rows = tile.rows,
       .group = group,
       .head_dim = op.head_dim,
       .out = row_of(Buffer::attended, tile.row) + kv_head * group * op.head_dim,
       .out_stride = width(Buffer::attended)});
}

// The states of a spread tile for one KV head: [splits, attention_state_floats()].
float* Executor::parts_of(const AttendOp& op, const AttentionTile& tile, std::int64_t kv_head) {
  const std::int64_t group = op.heads / op.kv_heads;
  return parts_.data() + tile.part * kernels::attention_state_floats(op.heads, op.head_dim) +
         kv_head * tile.splits * kernels::attention_state_floats(tile.rows * group, op.head_dim);
}

// A piece of a spread tile is done.  True for the last one: it sees what the others wrote.
bool Executor::was_last_part(const AttendOp& op, const AttentionTile& tile, std::int64_t kv_head) {
  auto& done = parts_done_[static_cast<std::size_t>(tile.spread * op.kv_heads + kv_head)];
  if (done.fetch_add(1, std::memory_order_acq_rel) + 1 < tile.splits) return false;
  done.store(0, std::memory_order_relaxed);  // for the next layer, behind a barrier
  return true;
}

void Executor::compute(const SwigluOp& op, std::int64_t row) {
  kernels_.swiglu({row_of(Buffer::gate, row), row_of(Buffer::up, row), op.width});
}

void Executor::compute(const HeadNormOp& op, std::int64_t i) {
  const std::int64_t row = logit_rows_[static_cast<std::size_t>(i)];
  kernels_.rms_norm({.x = row_of(Buffer::hidden, row),
                     .y = head_input_.data() + i * table_->hidden,
                     .weight = op.norm.weight,
                     .rows = 1,
                     .cols = op.norm.size,
                     .x_stride = op.norm.size,
                     .y_stride = op.norm.size,
                     .eps = op.norm.eps});
}

void Executor::compute(const HeadOp& op, std::int64_t block) {
  multiply(op.head, head_input_.data(), table_->hidden, logits_.data(), table_->vocab,
           std::ssize(logit_rows_), block, /*accumulate=*/false);
}

}  // namespace hearth
