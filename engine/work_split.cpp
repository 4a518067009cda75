// See work_split.hpp.
#include "engine/work_split.hpp"

#include <algorithm>
#include <cassert>

namespace hearth {
namespace {

// Of panels in one work item: a worker's items lie one behind the other.
constexpr std::int64_t kItemBytes = 32 << 10;

}  // namespace

std::int64_t groups_of_item(const Matrix& matrix, int workers, std::int64_t matrices) {
  const std::int64_t at_most = matrix.groups() * matrices / (4 * workers);
  return std::max<std::int64_t>(1, std::min(at_most, kItemBytes / matrix.group_bytes()));
}

std::int64_t groups_of_item(const LinearOp& gated, int workers) {
  return std::min(groups_of_item(gated.parts.front().linear.weight, workers),
                  groups_of_item(gated.parts.back().linear.weight, workers));
}

std::int64_t items_of(const Matrix& matrix, std::int64_t groups) {
  return (matrix.groups() + groups - 1) / groups;
}

std::int64_t items_of(const LinearOp& op, int workers) {
  if (op.gated) return items_of(op.parts.front().linear.weight, groups_of_item(op, workers));
  std::int64_t count = 0;
  for (const LinearPart& part : op.parts) {
    count += items_of(part.linear.weight, groups_of_item(part.linear.weight, workers));
  }
  return count;
}

PartItem part_item(const LinearOp& op, std::int64_t item, int workers) {
  for (std::size_t part = 0; part < op.parts.size(); ++part) {
    const Matrix& weight = op.parts[part].linear.weight;
    const std::int64_t groups = groups_of_item(weight, workers);
    const std::int64_t count = items_of(weight, groups);
    if (item < count) return {part, item, groups};
    item -= count;
  }
  assert(false && "an item beyond the operation's");
  return {};
}

}  // namespace hearth
