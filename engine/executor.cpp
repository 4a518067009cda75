// See executor.hpp.
#include "engine/executor.hpp"

#include <algorithm>
#include <cassert>
#include <ranges>

#include "engine/work_split.hpp"

namespace hearth {
namespace {

// Up to so many rows every worker prepares inputs for itself.
constexpr std::int64_t kPrivateRows = 2;
// Heads of a tile of attention: what stays in the second-level cache with a page; matrix units take
// the more at a time, the less staging costs (kernels/amx/attention_prompt.hpp).
constexpr std::int64_t kAttentionHeads = 128;
constexpr std::int64_t kMatrixAttentionHeads = 256;

}  // namespace

Executor::Executor(const LayerTable* table, Plan plan, WorkerPool* pool,
                   const kernels::KernelSet& kernels, const Limits& limits)
    : table_(table),
      plan_(std::move(plan)),
      pool_(pool),
      kernels_(kernels),
      limits_(limits),
      work_([this](int worker) { walk(worker); }),
      cursors_(plan_.ops.size() * static_cast<std::size_t>(pool->size())) {
  for (int i = 0; i < kBufferCount; ++i) {
    const auto buffer = static_cast<Buffer>(i);
    take(buffers_[i], limits_.rows_max * (is_of_pairs(buffer) ? plan_.pairs_max : 1),
         stride(buffer));
  }
  for (const Rope& rope : table_->ropes) {
    take(cos_.emplace_back(), limits_.rows_max, rope.pairs());
    take(sin_.emplace_back(), limits_.rows_max, rope.pairs());
  }
  for (int worker = 0; worker < pool_->size(); ++worker) {
    take_input(inputs_.emplace_back(), kPrivateRows, plan_.input_width);
  }
  take_input(inputs_.emplace_back(), limits_.rows_max, plan_.input_width);
  if (plan_.experts_max != 0) reserve_experts();
  take_input(head_input_, limits_.logit_rows_max, table_->hidden);
  take(logits_, limits_.logit_rows_max, table_->vocab);
  reserve_attention();
  if (plan_.state_floats != 0) reserve_recurrence();
  logit_rows_.reserve(static_cast<std::size_t>(limits_.logit_rows_max));
}

void Executor::reserve_experts() {
  for (int i = 0; i <= pool_->size(); ++i) {
    const std::int64_t rows = i < pool_->size() ? kPrivateRows : limits_.rows_max;
    take_input(pair_inputs_.emplace_back(), rows * plan_.pairs_max, plan_.expert_input_width,
               plan_.experts_take_floats);
    routings_.emplace_back(rows, plan_.experts_max, plan_.pairs_max);
  }
}

// One tiling serves all layers of a window, so that it is made for the largest groups.
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
  const auto format = static_cast<std::size_t>(plan_.kv.format);
  const bool matrix_units = kernels_.attention_prompt[format] != kernels_.attention[format];
  const std::int64_t tile_rows = std::clamp<std::int64_t>(
      (matrix_units ? kMatrixAttentionHeads : kAttentionHeads) / group_max, 1,
      std::min<std::int64_t>(kernels::kAttentionRows, plan_.kv.page_tokens));
  for (const Op& op : plan_.ops) {
    const auto* attend = std::get_if<AttendOp>(&op);
    if (!attend || std::ranges::count(tilings_, attend->window, &AttentionTiling::window)) continue;
    tilings_.emplace_back(limits_.rows_max, plan_.kv.page_tokens, tile_rows, attend->window);
  }
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

template <class T>
void Executor::take(AlignedBuffer<T>& buffer, std::int64_t rows, std::int64_t width) {
  buffer = AlignedBuffer<T>(static_cast<std::size_t>(rows * width));
  buffer_bytes_ += static_cast<std::uint64_t>(rows * width) * sizeof(T);
}

void Executor::take_input(InputRoom& room, std::int64_t rows, std::int64_t width, bool floats) {
  take(room.blocks, rows, blocks_of(width));
  if (floats) take(room.floats, rows, stride_of(width));
  if (floats && kernels_.prompt_takes_splits) take(room.splits, rows, blocks_of(width));
}

bool Executor::forward(std::span<const BatchRow> rows, const std::atomic<bool>* give_up) {
  assert(!rows.empty() && std::ssize(rows) <= limits_.rows_max);
  rows_ = rows;
  const auto prompts = std::ranges::find(rows, RowRole::prompt, &BatchRow::role);
  assert(std::ranges::count(prompts, rows.end(), RowRole::generated, &BatchRow::role) == 0);
  generated_ = prompts - rows.begin();
  logit_rows_.clear();
  wants_logits_ = false;
  for (std::int64_t row = 0; row < std::ssize(rows); ++row) {
    const RowOutput output = rows[static_cast<std::size_t>(row)].output;
    if (output != RowOutput::none) logit_rows_.push_back(row);
    wants_logits_ |= output == RowOutput::logits;
  }
  assert(std::ssize(logit_rows_) <= limits_.logit_rows_max);
  for (AttentionTiling& tiling : tilings_) tiling.cut(rows);
  if (plan_.state_floats != 0) find_runs();
  for (std::atomic<std::int32_t>& done : parts_done_) done.store(0, std::memory_order_relaxed);
  for (Cursor& cursor : cursors_) cursor.next.store(0, std::memory_order_relaxed);
  routed_rows_.store(0, std::memory_order_relaxed);
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
  return {head_input_.floats.data() + i * table_->hidden, static_cast<std::size_t>(table_->hidden)};
}

float* Executor::row_of(Buffer buffer, std::int64_t row) {
  return buffers_[static_cast<std::size_t>(buffer)].data() + row * stride(buffer);
}

// Workers agree at a barrier whether they go on: the one who saw give_up names the operation, and
// nobody can be beyond it.  Where nobody has anything to do, nobody has to wait.
void Executor::walk(int worker) {
  for (std::size_t i = 0; i < plan_.ops.size(); ++i) {
    const Op& op = plan_.ops[i];
    const std::int64_t count = items(op, worker);
    if (count == 0) continue;
    if (is_private(op)) {
      for (std::int64_t item = 0; item < count; ++item) compute(op, item, worker);
      continue;
    }
    while (const auto item = take_item(i, count, worker)) {
      if (give_up_ != nullptr && give_up_->load(std::memory_order_relaxed)) {
        given_up_at_.store(i, std::memory_order_relaxed);
        break;
      }
      compute(op, *item, worker);
    }
    pool_->barrier();
    if (given_up_at_.load(std::memory_order_relaxed) <= i) return;
  }
}

// A worker begins with its own share, so that it reads a matrix straight ahead, on its own node;
// then it helps those of its node before others.
std::optional<std::int64_t> Executor::take_item(std::size_t op, std::int64_t count, int worker) {
  const int workers = pool_->size();
  for (const int owner : pool_->helping_order(worker)) {
    const auto [begin, end] = share_of(count, owner, workers);
    std::atomic<std::int64_t>& next =
        cursors_[op * static_cast<std::size_t>(workers) + static_cast<std::size_t>(owner)].next;
    if (next.load(std::memory_order_relaxed) >= end - begin) continue;
    const std::int64_t item = begin + next.fetch_add(1, std::memory_order_relaxed);
    if (item < end) return item;
  }
  return std::nullopt;
}

bool Executor::is_private() const {
  return std::ssize(rows_) <= kPrivateRows;
}

bool Executor::is_private(const Op& op) const {
  return is_private() &&
         (std::holds_alternative<PrepareOp>(op) || std::holds_alternative<RouteOp>(op));
}

Executor::InputRoom& Executor::input_room(int worker) {
  return is_private() ? inputs_[static_cast<std::size_t>(worker)] : inputs_.back();
}

// How many independent pieces an operation has for this batch.
std::int64_t Executor::items(const Op& op, int worker) const {
  if (const auto* linear = std::get_if<LinearOp>(&op)) {
    return items_of(*linear, pool_->size());
  }
  if (const auto* attend = std::get_if<AttendOp>(&op)) {
    return std::ssize(tiling_of(*attend).pieces()) * attend->kv_heads;
  }
  if (const auto* prepare = std::get_if<PrepareOp>(&op)) {
    const bool idle =
        prepare->norm.weight == nullptr && !prepare->blocks && !takes_splits(prepare->floats);
    return idle ? 0 : rows_of(prepare->from, worker);
  }
  // Of one or two rows those that an expert has lie side by side as they are.
  if (std::holds_alternative<GatherOp>(op)) return is_private() ? 0 : routing(worker).pairs();
  if (const auto* experts = std::get_if<ExpertsOp>(&op)) {
    return std::ssize(routing(worker).groups()) *
           items_of(experts->parts.front().experts.first,
                    experts_item_groups(*experts, routing(worker)));
  }
  const std::int64_t rows = std::ssize(rows_);
  if (std::holds_alternative<CombineOp>(op)) return rows * combine_pieces();
  if (const std::int64_t pieces = recurrent_pieces(op)) return std::ssize(runs_) * pieces;
  if (std::holds_alternative<HeadNormOp>(op)) return std::ssize(logit_rows_);
  if (const auto* head = std::get_if<HeadOp>(&op)) {
    const Matrix& weight = head->head.weight;
    return wants_logits_ ? items_of(weight, groups_of_item(weight, pool_->size())) : 0;
  }
  return rows;
}

void Executor::compute(const Op& op, std::int64_t item, int worker) {
  std::visit([&](const auto& o) { compute(o, item, worker); }, op);
}

bool Executor::takes_splits(bool floats) const {
  return floats && kernels_.prompt_takes_splits && generated_ < std::ssize(rows_);
}

// The item-th so many groups of a matrix times all rows of the input, each by its role.
void Executor::multiply(const Linear& linear, const Input& input, std::int64_t item,
                        std::int64_t groups, const Product& product) const {
  const Matrix& weight = linear.weight;
  const auto format = static_cast<std::size_t>(weight.format);
  const auto multiply_rows = [&](kernels::LinearFn kernel, std::int64_t begin, std::int64_t end) {
    if (begin == end) return;
    kernel({.panels = weight.panels,
            .rows = weight.rows,
            .cols = weight.cols,
            .group_begin = item * groups,
            .group_end = std::min((item + 1) * groups, weight.groups()),
            .x = ahead(input.floats, begin * input.stride),
            .x_stride = input.stride,
            .blocks = ahead(input.blocks, begin),
            .splits = ahead(input.splits, begin),
            .block_stride = input.block_stride,
            .y = product.y + begin * product.stride,
            .y_stride = product.stride,
            .tokens = end - begin,
            .bias = linear.bias,
            .accumulate = product.accumulate});
  };
  // Rows of both roles at once where they are computed alike: the weights are read once.
  const kernels::LinearFn decode = kernels_.linear[format], prompt = kernels_.linear_prompt[format];
  const std::int64_t prompts = decode == prompt ? input.rows : input.generated;
  multiply_rows(decode, 0, prompts);
  multiply_rows(prompt, prompts, input.rows);
}

Executor::Product Executor::product_of(const LinearOp& op, const LinearPart& part) {
  return {row_of(part.out, 0), stride(part.out), op.accumulate};
}

void Executor::compute(const LinearOp& op, std::int64_t item, int worker) {
  const InputRoom& room = input_room(worker);
  const Input input = {.floats = op.normed ? room.floats.data() : row_of(op.from, 0),
                       .stride = stride(op.from),
                       .blocks = room.blocks.data(),
                       .splits = room.splits.data(),
                       .block_stride = std::ssize(rows_),
                       .rows = std::ssize(rows_),
                       .generated = generated_};
  if (op.gated) return compute_gated(op, input, item);
  const PartItem at = part_item(op, item, pool_->size());
  const LinearPart& part = op.parts[at.part];
  multiply(part.linear, input, at.item, at.groups, product_of(op, part));
}

// The same rows of both matrices, and at once what the activation makes of them.
void Executor::compute_gated(const LinearOp& op, const Input& input, std::int64_t item) {
  const LinearPart& gate = op.parts.front();
  const LinearPart& up = op.parts.back();
  const std::int64_t groups = groups_of_item(op, pool_->size());
  for (const LinearPart* part : {&gate, &up}) {
    multiply(part->linear, input, item, groups, product_of(op, *part));
  }
  activate(op.activation, gate.linear.weight, item, groups, product_of(op, gate),
           product_of(op, up), input.rows);
}

// What the item-th so many groups of two matrices gave.
void Executor::activate(kernels::Activation activation, const Matrix& matrix, std::int64_t item,
                        std::int64_t groups, const Product& gate, const Product& up,
                        std::int64_t rows) const {
  const std::int64_t begin = item * groups * kernels::kRowGroup;
  const std::int64_t count = std::min(groups * kernels::kRowGroup, matrix.rows - begin);
  for (std::int64_t row = 0; row < rows; ++row) {
    gated(activation)({gate.y + row * gate.stride + begin, up.y + row * up.stride + begin, count});
  }
}

// One piece of the tiling for one KV head.
void Executor::compute(const AttendOp& op, std::int64_t item, int worker) {
  const AttentionTiling& tiling = tiling_of(op);
  const AttentionPiece& piece = tiling.pieces()[static_cast<std::size_t>(item / op.kv_heads)];
  const AttentionTile& tile = tiling.tiles()[static_cast<std::size_t>(piece.tile)];
  const bool spread = tile.spread >= 0;
  const std::int64_t kv_head = item % op.kv_heads;
  const std::int64_t group = op.heads / op.kv_heads;
  const std::int64_t state_floats = kernels::attention_state_floats(tile.rows * group, op.head_dim);
  float* scratch = scratch_[static_cast<std::size_t>(worker)].data();
  float* states = spread ? parts_of(op, tile, kv_head) : scratch;
  const BatchRow& row = rows_[static_cast<std::size_t>(tile.row)];
  const KvLayer& layer = plan_.kv.layers[static_cast<std::size_t>(op.kv_layer)];
  const std::int64_t strip = plan_.kv.strip_bytes(layer);
  const std::int64_t begin = tile.begin + piece.split * kernels::kAttentionSplit;
  const std::int64_t end = row.position + tile.rows;
  const auto& attention =
      row.role == RowRole::prompt ? kernels_.attention_prompt : kernels_.attention;
  attention[static_cast<std::size_t>(plan_.kv.format)](
      {.q = row_of(Buffer::q, tile.row) + kv_head * group * op.head_dim,
       .q_stride = stride(Buffer::q),
       .pages = row.pages,
       .k_offset = layer.k_offset + kv_head * strip,
       .v_offset = layer.v_offset + kv_head * strip,
       .page_tokens = plan_.kv.page_tokens,
       .position = row.position,
       .rows = tile.rows,
       .begin = begin,
       .end = spread ? std::min(end, begin + kernels::kAttentionSplit) : end,
       .window = op.window,
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
       .out_stride = stride(Buffer::attended)});
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

// Logits are computed alike for all rows: those of a prompt are few.
void Executor::compute(const HeadOp& op, std::int64_t item, int /*worker*/) {
  const std::int64_t rows = std::ssize(logit_rows_);
  const Input input = {.floats = head_input_.floats.data(),
                       .stride = table_->hidden,
                       .blocks = head_input_.blocks.data(),
                       .splits = nullptr,
                       .block_stride = rows,
                       .rows = rows,
                       .generated = rows};
  multiply(op.head, input, item, groups_of_item(op.head.weight, pool_->size()),
           {logits_.data(), table_->vocab, /*accumulate=*/false});
}

}  // namespace hearth
