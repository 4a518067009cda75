// How the products of an operation are spread over the workers.  The executor computes by it, and
// weight_placement.hpp lays memory out by it: nobody else may have an opinion.
//
// Pure functions: any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/plan.hpp"

namespace hearth {

// The items of an operation that a worker begins with; those of all workers in order are all items.
struct Share {
  std::int64_t begin, end;
};
inline Share share_of(std::int64_t items, int worker, int workers) {  // for every item taken
  return {items * worker / workers, items * (worker + 1) / workers};
}

// Row groups of a matrix that make one item, where so many of its shape are multiplied at once; of
// both parts of a gated pair, whatever their formats: an item computes the same rows of both.
std::int64_t groups_of_item(const Matrix& matrix, int workers, std::int64_t matrices = 1);
std::int64_t groups_of_item(const LinearOp& gated, int workers);

// Items of a matrix, of so many row groups each, and of an operation: its parts' one behind the
// other, a gated pair's once.
std::int64_t items_of(const Matrix& matrix, std::int64_t groups);
std::int64_t items_of(const LinearOp& op, int workers);

// An item of an operation that is not gated, as one of a part.
struct PartItem {
  std::size_t part;
  std::int64_t item;    // of the part
  std::int64_t groups;  // of an item
};
PartItem part_item(const LinearOp& op, std::int64_t item, int workers);

}  // namespace hearth
