// What a model is: the layer table that an architecture makes of a model file.
//
// A layer is a list of branches; a branch normalises the running hidden state, sends it through its
// mixers or feed-forwards and adds what they give to the hidden state.  engine/arch/ has one file
// per architecture, engine/plan.hpp compiles the table.  docs/adding-an-architecture.md is the
// guide.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.hpp"
#include "engine/expert_routing.hpp"
#include "engine/rope.hpp"
#include "engine/weights.hpp"

namespace hearth {

struct RmsNorm {
  const float* weight = nullptr;  // [size]; null: there is no norm
  std::int64_t size = 0;
  float eps = 0;
};

// Softmax attention over all earlier positions, with grouped query heads.
struct FullAttention {
  Linear q;        // [heads * head_dim, hidden]
  Linear k;        // [kv_heads * head_dim, hidden]
  Linear v;        // [kv_heads * head_dim, hidden]
  Linear out;      // [hidden, heads * head_dim]
  RmsNorm q_norm;  // of each query head, before the rotation
  RmsNorm k_norm;  // of each key head
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  float scale = 0;  // of q . k
  int rope = 0;     // index in LayerTable::ropes
};

// out(silu(gate(x)) * up(x))
struct GatedMlp {
  Linear gate;  // [width, hidden]
  Linear up;    // [width, hidden]
  Linear down;  // [hidden, width]
};

// A mixture of experts: a gated MLP from each expert that the router chooses for a row, summed up
// with the router's weights in the order of their scores.
struct MoeMlp {
  Linear router;        // [experts, hidden]: the scores
  ExpertMatrices gate;  // of each expert [width, hidden]
  ExpertMatrices up;    // [width, hidden]
  ExpertMatrices down;  // [hidden, width]
  ExpertRule rule;
};

using Mixer = std::variant<FullAttention, GatedMlp, MoeMlp>;

// hidden += sum of mixers(norm(hidden))
struct Branch {
  RmsNorm norm;  // [hidden]
  std::vector<Mixer> mixers;
};

struct Layer {
  std::vector<Branch> branches;
};

struct LayerTable {
  std::int64_t hidden = 0;
  std::int64_t vocab = 0;           // rows of the embedding and of the head
  std::int64_t context_length = 0;  // what the model was made for, tokens
  Matrix embedding;                 // [vocab, hidden]
  std::vector<Layer> layers;
  RmsNorm final_norm;       // [hidden]
  Linear head;              // [vocab, hidden]; the embedding itself when they are tied
  std::vector<Rope> ropes;  // the rotations that layers refer to
};

// What a configuration says about a model.
struct BuildOptions {
  RopeOverride rope = {};
  std::uint32_t context = 0;  // longest sequence, tokens; 0: what the model was trained for
};

// One architecture: its name in general.architecture and how its layer table is made.
struct Architecture {
  const char* name;
  Result<LayerTable> (*build)(WeightLoader& loader, const BuildOptions& options);
};

// All architectures that can be run.
std::span<const Architecture> architectures();

// The entry for a model file.  Errors: MODEL naming the architecture and those supported.
Result<const Architecture*> find_architecture(const GgufFile& file);

}  // namespace hearth
