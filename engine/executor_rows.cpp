// The operations that take a row at a time: see executor.hpp.
#include <cmath>

#include "engine/executor.hpp"

namespace hearth {

// The angles of the row's position are computed here too: every layer uses them.
void Executor::compute(const EmbedOp& op, std::int64_t row, int /*worker*/) {
  const BatchRow& input = rows_[static_cast<std::size_t>(row)];
  float* hidden = row_of(Buffer::hidden, row);
  kernels::panel_row(
      {op.table.format, op.table.panels, input.token, op.table.cols, 0, op.table.cols, hidden});
  if (op.scale != 1) {
    for (std::int64_t i = 0; i < op.table.cols; ++i) hidden[i] *= op.scale;
  }
  for (std::size_t i = 0; i < table_->ropes.size(); ++i) {
    const Rope& rope = table_->ropes[i];
    rope.angles(input.position, cos_[i].data() + row * rope.pairs(),
                sin_[i].data() + row * rope.pairs());
  }
}

void Executor::normalize(const RmsNorm& norm, const float* from, float* to) const {
  kernels_.rms_norm({.x = from,
                     .y = to,
                     .weight = norm.weight,
                     .rows = 1,
                     .cols = norm.size,
                     .x_stride = norm.size,
                     .y_stride = norm.size,
                     .eps = norm.eps});
}

void Executor::compute(const PrepareOp& op, std::int64_t row, int worker) {
  const bool of_pairs = is_of_pairs(op.from);
  InputRoom& room = of_pairs ? pair_room(worker) : input_room(worker);
  const std::int64_t rows = rows_of(op.from, worker);
  const float* from = row_of(op.from, row);
  if (op.norm.weight != nullptr) {
    float* normed = room.floats.data() + row * stride(op.from);
    normalize(op.norm, from, normed);
    from = normed;
  }
  if (op.blocks) {
    kernels_.quantize_activations({from, op.cols, room.blocks.data() + row, rows});
  }
  const bool of_prompt = (of_pairs ? routing(worker).row_of(row) : row) >= generated_;
  if (of_prompt && takes_splits(op.floats)) {
    kernels_.split_activations({from, op.cols, room.splits.data() + row, rows});
  }
}

void Executor::compute(const GateOp& op, std::int64_t row, int /*worker*/) {
  gated(op.activation)({row_of(op.gate, row), row_of(op.up, row), op.cols});
}

void Executor::compute(const WeighOp& op, std::int64_t row, int /*worker*/) {
  const float score = *row_of(Buffer::shared_gate, row);
  const float weight = 1 / (1 + std::exp(-score));
  float* x = row_of(op.x, row);
  for (std::int64_t i = 0; i < op.cols; ++i) x[i] *= weight;
}

void Executor::compute(const AddNormedOp& op, std::int64_t row, int /*worker*/) {
  float* from = row_of(op.from, row);
  float* hidden = row_of(Buffer::hidden, row);
  normalize(op.norm, from, from);
  for (std::int64_t i = 0; i < op.norm.size; ++i) hidden[i] += from[i];
}

void Executor::compute(const NormPartsOp& op, std::int64_t row, int /*worker*/) {
  float* x = row_of(op.x, row);
  for (std::int64_t part = 0; part < op.parts; ++part) {
    RmsNorm norm = op.norm;
    if (op.own_weights) norm.weight += part * norm.size;
    normalize(norm, x + part * norm.size, x + part * norm.size);
  }
}

void Executor::compute(const StoreKvOp& op, std::int64_t row, int /*worker*/) {
  const BatchRow& input = rows_[static_cast<std::size_t>(row)];
  float* q = row_of(Buffer::q, row);
  float* k = row_of(Buffer::k, row);
  const float* v = row_of(Buffer::v, row);
  const auto prepare = [&](float* heads_begin, std::int64_t heads, const RmsNorm& norm) {
    if (norm.weight != nullptr) {
      kernels_.rms_norm({heads_begin, heads_begin, norm.weight, heads, op.head_dim, op.head_dim,
                         op.head_dim, norm.eps});
    }
    if (op.rope == kNoRope) return;
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

void Executor::compute(const HeadNormOp& op, std::int64_t i, int /*worker*/) {
  float* normed = head_input_.floats.data() + i * table_->hidden;
  normalize(op.norm, row_of(Buffer::hidden, logit_rows_[static_cast<std::size_t>(i)]), normed);
  if (!op.blocks) return;
  kernels_.quantize_activations(
      {normed, table_->hidden, head_input_.blocks.data() + i, std::ssize(logit_rows_)});
}

}  // namespace hearth
