// The flat plan: a layer table compiled into the operations of one step, in order.
//
// A plan says nothing about threads or devices; the executor walks it.  Every operation reads and
// writes whole buffers of the step's rows, or of their pairs with experts (expert_routing.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "engine/layer_table.hpp"
#include "kernels/kernels.hpp"

namespace hearth {

// The activations of a step: each [rows, width of the buffer], the last ones [pairs, width].
enum class Buffer : std::uint8_t {
  hidden,    // the running state
  q,         // queries
  k,         // keys, before they go to their page
  v,         // values, likewise
  attended,  // what attention gives, or a recurrence
  z,         // the gate of that; the product of both lands here
  mixed,     // what a convolution takes, and gives
  step,      // of a recurrence: how far it goes, or how much it keeps
  write,     //   what it takes under, b or beta
  read,      //   what it gives by, c
  low_step,  // what step is made of
  branch,    // what a branch gives, before its norm
  gate,      // of a gated MLP; its product with up lands here
  up,
  router,       // the scores of experts
  shared_gate,  // the weight of the expert that every row goes to
  expert_gate,  // of pairs: as gate
  expert_up,
  expert_out,  // what the experts give
};
inline constexpr int kBufferCount = 19;
constexpr bool is_of_pairs(Buffer buffer) {
  return buffer >= Buffer::expert_gate;
}

// hidden[row] = scale * table[token of the row]
struct EmbedOp {
  Matrix table;
  float scale = 1;
};

// input = norm(from), or from itself: what the matrices that follow are multiplied with, in the
// forms that they take.  Rows and pairs have an input each.
struct PrepareOp {
  Buffer from;
  std::int64_t cols;    // of a row
  RmsNorm norm;         // no weight: none
  bool blocks = false;  // a matrix takes activation blocks
  bool floats = false;  // a matrix takes floats, or splits of them
};

// out = W input, or out += W input, for several matrices
struct LinearPart {
  Linear linear;
  Buffer out;
};
struct LinearOp {
  std::vector<LinearPart> parts;
  bool accumulate = false;
  bool gated = false;  // two parts of one shape: the first's out becomes act(first) * second
  Buffer from = Buffer::hidden;  // of the preparation before it
  bool normed = false;           // it had a norm: floats are prepared, too
  kernels::Activation activation = kernels::Activation::silu;
};

// Norms and rotation of q and k; k and v go to the row's page.
struct StoreKvOp {
  RmsNorm q_norm, k_norm;
  std::int64_t heads, kv_heads, head_dim;
  int rope;      // index in LayerTable::ropes; kNoRope: no rotation
  int kv_layer;  // index in KvGeometry::layers
};

// attended = attention of q over the row's pages, its own position included
struct AttendOp {
  std::int64_t heads, kv_heads, head_dim;
  float scale;
  int kv_layer;
  std::int64_t window;  // positions that a row sees; 0: all
};

// gate = act(gate) * up, of every row
struct GateOp {
  Buffer gate, up;
  std::int64_t cols;
  kernels::Activation activation;
};

// x = act(shared_gate) * x, of every row: one weight for all columns
struct WeighOp {
  Buffer x;
  std::int64_t cols;
};

// hidden += norm(from)
struct AddNormedOp {
  Buffer from;
  RmsNorm norm;
};

// Each of so many parts of a row, normed with the same weights or each with its own.
struct NormPartsOp {
  Buffer x;
  RmsNorm norm;  // of one part
  std::int64_t parts = 1;
  bool own_weights = false;  // norm.weight is [parts, size]
};

// mixed = convolution of mixed with the rows before; with gates: after * convolution of
// before * mixed.  A sequence's last rows are kept in its state.
struct ConvolveOp {
  Convolution conv;
  std::int64_t state;  // floats from a sequence's state to [width - 1, channels]
  bool silu;
  bool gated = false;  // write before it, read after it
};

// The recurrences: attended, for the rows of each sequence in order, from its state.
//   Gated delta net: mixed is q and k of all key heads, then v; step is alpha, write is beta.
struct DeltaNetOp {
  const float* a;
  const float* dt_bias;
  RmsNorm q_norm, k_norm;  // of each key head
  RmsNorm norm;            // of the output
  std::int64_t key_heads, value_heads, key_dim, value_dim;
  bool tiled_heads;
  std::int64_t state;  // [value_heads][tiles][key_dim][kStateTile]
  std::int64_t head_floats() const;
};
//   Mamba-1: mixed is x, step, write and read are dt, b and c.
struct SelectiveScanOp {
  const float* a;
  const float* d;
  std::int64_t channels, state_dim;
  std::int64_t state;  // [tiles][state_dim][kStateTile]
};
//   Mamba-2: mixed is x of all heads, b of all groups, then c; step is dt.
struct StateSpaceOp {
  const float* a;
  const float* d;
  const float* dt_bias;
  std::int64_t heads, head_dim, groups, state_dim;
  std::int64_t state;  // [heads][tiles][state_dim][kStateTile]
  std::int64_t head_floats() const;
};

// From the scores of all rows: which experts they go to.  Begins the pairs.
struct RouteOp {
  ExpertRule rule;
};

// The input of pairs = that of their rows.
struct GatherOp {
  Buffer from;          // of the rows' preparation
  std::int64_t cols;    // of a row
  bool normed = false;  // it had a norm
  bool blocks = false;  // what the experts' matrices take of it
  bool floats = false;
};

// out = W input for each pair with the matrices of its expert
struct ExpertsPart {
  ExpertMatrices experts;
  Buffer out;
};
struct ExpertsOp {
  std::vector<ExpertsPart> parts;
  bool gated = false;  // as in LinearOp
  // Of the preparation before it: of the rows, gathered, or of the pairs.
  Buffer from = Buffer::hidden;
  bool normed = false;
};

// hidden[row] += sum of weight * expert_out over the row's pairs, in the order of their scores
struct CombineOp {};

// For the rows that ask for logits only: input = norm(hidden), then logits = head(input).
struct HeadNormOp {
  RmsNorm norm;
  bool blocks;
};
struct HeadOp {
  Linear head;
};

using Op = std::variant<EmbedOp, PrepareOp, LinearOp, StoreKvOp, AttendOp, GateOp, WeighOp,
                        AddNormedOp, NormPartsOp, ConvolveOp, DeltaNetOp, SelectiveScanOp,
                        StateSpaceOp, RouteOp, GatherOp, ExpertsOp, CombineOp, HeadNormOp, HeadOp>;

// Where each layer's keys and values lie in a page: [layer][K or V][kv_head][token][head_dim].
struct KvLayer {
  std::int64_t k_offset;  // bytes from the payload's begin to K of head 0, token 0
  std::int64_t v_offset;
  std::int64_t kv_heads;
  std::int64_t head_dim;
};
struct KvGeometry {
  kernels::KvFormat format = kernels::KvFormat::f16;
  std::int64_t page_tokens = 32;
  std::int64_t page_bytes = 0;  // payload of one page
  std::vector<KvLayer> layers;

  // Bytes of one head's strip: [page_tokens, head_dim].
  std::int64_t strip_bytes(const KvLayer& layer) const {
    return page_tokens * kernels::kv_bytes(format, layer.head_dim);
  }
};

struct Plan {
  std::vector<Op> ops;
  std::array<std::int64_t, kBufferCount> widths = {};  // floats per row of each buffer
  std::int64_t input_width = 0;                        // of the widest input of a matrix
  // Of the layers with experts, 0 where there are none.
  std::int64_t experts_max = 0;         // experts of a layer
  std::int64_t pairs_max = 0;           // pairs of a row
  std::int64_t expert_input_width = 0;  // of the widest input of an expert's matrix
  bool experts_take_floats = false;     // some of their matrices do, or splits of them
  KvGeometry kv;
  std::int64_t state_floats = 0;  // of a sequence's recurrent layers; 0: there are none
};

Plan compile_plan(const LayerTable& table, kernels::KvFormat kv_format, std::int64_t page_tokens);

}  // namespace hearth
