// The operations of a mixture of experts: see executor.hpp, expert_routing.hpp.
//
// A row is prepared once.  Its input is copied to each of its pairs, so that the rows of an expert
// lie side by side, and the kernels that serve all other matrices serve the expert's: items are
// groups of rows of the matrices of all experts that have any row, one expert's after another's.
#include <algorithm>

#include "engine/executor.hpp"
#include "engine/work_split.hpp"

namespace hearth {
namespace {

// Columns of a row in one item of CombineOp.
constexpr std::int64_t kCombineCols = 512;

}  // namespace

const ExpertRouting& Executor::routing(int worker) const {
  return is_private() ? routings_[static_cast<std::size_t>(worker)] : routings_.back();
}

Executor::InputRoom& Executor::pair_room(int worker) {
  return is_private() ? pair_inputs_[static_cast<std::size_t>(worker)] : pair_inputs_.back();
}

std::int64_t Executor::rows_of(Buffer buffer, int worker) const {
  return is_of_pairs(buffer) ? routing(worker).pairs() : std::ssize(rows_);
}

// The last row to have chosen sorts the pairs of all.
void Executor::compute(const RouteOp& op, std::int64_t row, int worker) {
  const std::int64_t rows = std::ssize(rows_);
  const auto index = is_private() ? static_cast<std::size_t>(worker) : routings_.size() - 1;
  ExpertRouting& routing = routings_[index];
  routing.choose(op.rule, row, row_of(Buffer::router, row));
  if (is_private()) {
    if (row + 1 < rows) return;
  } else {
    if (routed_rows_.fetch_add(1, std::memory_order_acq_rel) + 1 < rows) return;
    routed_rows_.store(0, std::memory_order_relaxed);  // for the next layer, behind a barrier
  }
  routing.sort(op.rule, rows, generated_);
}

void Executor::compute(const GatherOp& op, std::int64_t pair, int worker) {
  const InputRoom& from = input_room(worker);
  InputRoom& to = pair_room(worker);
  const std::int64_t pairs = routing(worker).pairs(), rows = std::ssize(rows_);
  const std::int64_t row = routing(worker).row_of(pair);
  const std::int64_t blocks = blocks_of(op.cols);
  if (op.floats) {
    const float* floats =
        op.normed ? from.floats.data() + row * stride(op.from) : row_of(op.from, row);
    std::copy_n(floats, op.cols, to.floats.data() + pair * stride(op.from));
  }
  for (std::int64_t i = 0; op.blocks && i < blocks; ++i) {
    to.blocks.data()[i * pairs + pair] = from.blocks.data()[i * rows + row];
  }
  if (!takes_splits(op.floats) || row < generated_) return;
  for (std::int64_t i = 0; i < blocks; ++i) {
    to.splits.data()[i * pairs + pair] = from.splits.data()[i * rows + row];
  }
}

// The rows of one expert: of one or two in all where they were prepared, see GatherOp.
Executor::Input Executor::input_of(const ExpertsOp& op, const ExpertRouting::Group& group,
                                   int worker) {
  const bool in_place = is_private() && !is_of_pairs(op.from);
  const bool in_room = in_place ? op.normed : !is_of_pairs(op.from);
  const InputRoom& room = in_place ? input_room(worker) : pair_room(worker);
  const std::int64_t first = in_place ? routing(worker).row_of(group.begin) : group.begin;
  return {.floats =
              in_room ? ahead(room.floats.data(), first * stride(op.from)) : row_of(op.from, first),
          .stride = stride(op.from),
          .blocks = ahead(room.blocks.data(), first),
          .splits = ahead(room.splits.data(), first),
          .block_stride = in_place ? std::ssize(rows_) : routing(worker).pairs(),
          .rows = group.count,
          .generated = group.generated};
}

std::int64_t Executor::experts_item_groups(const ExpertsOp& op,
                                           const ExpertRouting& routing) const {
  const auto experts = std::ssize(routing.groups());
  return std::min(groups_of_item(op.parts.front().experts.first, pool_->size(), experts),
                  groups_of_item(op.parts.back().experts.first, pool_->size(), experts));
}

Executor::Product Executor::product_of(const ExpertsPart& part, const ExpertRouting::Group& group) {
  return {row_of(part.out, group.begin), stride(part.out), /*accumulate=*/false};
}

void Executor::compute(const ExpertsOp& op, std::int64_t item, int worker) {
  const std::int64_t groups = experts_item_groups(op, routing(worker));
  const Matrix& shape = op.parts.front().experts.first;
  const std::int64_t of_expert = items_of(shape, groups);
  const ExpertRouting::Group& group =
      routing(worker).groups()[static_cast<std::size_t>(item / of_expert)];
  const Input input = input_of(op, group, worker);
  item %= of_expert;
  for (const ExpertsPart& part : op.parts) {
    multiply({part.experts.of(group.expert)}, input, item, groups, product_of(part, group));
  }
  if (!op.gated) return;
  activate(kernels::Activation::silu, shape, item, groups, product_of(op.parts.front(), group),
           product_of(op.parts.back(), group), group.count);
}

std::int64_t Executor::combine_pieces() const {
  return (table_->hidden + kCombineCols - 1) / kCombineCols;
}

void Executor::compute(const CombineOp& /*op*/, std::int64_t item, int worker) {
  const std::int64_t row = item / combine_pieces();
  const std::int64_t begin = item % combine_pieces() * kCombineCols;
  const std::int64_t count = std::min(kCombineCols, table_->hidden - begin);
  float sums[kCombineCols] = {};
  for (const ExpertRouting::Choice& choice : routing(worker).of_row(row)) {
    const float* out = row_of(Buffer::expert_out, choice.pair) + begin;
    for (std::int64_t i = 0; i < count; ++i) sums[i] += choice.weight * out[i];
  }
  float* hidden = row_of(Buffer::hidden, row) + begin;
  for (std::int64_t i = 0; i < count; ++i) hidden[i] += sums[i];
}

}  // namespace hearth
