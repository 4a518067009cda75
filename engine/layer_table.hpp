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

// Softmax attention over earlier positions, with grouped query heads.
struct FullAttention {
  Linear q;          // [heads * head_dim, hidden]
  Linear k;          // [kv_heads * head_dim, hidden]
  Linear v;          // [kv_heads * head_dim, hidden]
  Linear gate = {};  // [heads * head_dim, hidden]: out(sigmoid(gate(x)) * heads); no weight: none
  Linear out;        // [hidden, heads * head_dim]
  RmsNorm q_norm;    // of each query head, before the rotation
  RmsNorm k_norm;    // of each key head
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  float scale = 0;          // of q . k
  int rope = 0;             // index in LayerTable::ropes; kNoRope: none
  std::int64_t window = 0;  // positions that a row sees, its own included; 0: all
};
inline constexpr int kNoRope = -1;

// A causal convolution over the last rows, each channel for itself.
struct Convolution {
  const float* weight = nullptr;  // [width, channels], the newest row's last
  const float* bias = nullptr;    // [channels] or null
  std::int64_t channels = 0;
  std::int64_t width = 0;
};

// Gated delta net (Yang et al. 2024, "Gated Delta Networks"): a matrix for each head that forgets,
// and replaces what it has under a key.
struct GatedDeltaNet {
  Linear qkv;            // [conv channels, hidden]: q and k of all key heads, v of all value heads
  Linear z;              // [value_heads * value_dim, hidden]: gate of the output
  Linear alpha;          // [value_heads, hidden]: how much is kept
  Linear beta;           // [value_heads, hidden]: how much is replaced
  Linear out;            // [hidden, value_heads * value_dim]
  Convolution conv;      // of q, k and v
  const float* a;        // [value_heads]: -exp(A_log)
  const float* dt_bias;  // [value_heads]
  RmsNorm norm;          // of each value head
  RmsNorm q_norm;        // length 1, times the scale: of each key head
  RmsNorm k_norm;        // length 1
  std::int64_t key_heads = 0;
  std::int64_t value_heads = 0;
  std::int64_t key_dim = 0;
  std::int64_t value_dim = 0;
  bool tiled_heads = false;  // value head i has key head i % key_heads, else i / (values per key)
};

// Mamba (Gu & Dao 2023): a state for each channel, whose step depends on the input.
struct Mamba1 {
  Linear x;           // [inner, hidden]
  Linear z;           // [inner, hidden]: gate of the output
  Linear low_step;    // [rank, inner]: of the convolved x, as are b and c
  Linear b;           // [state, inner]
  Linear c;           // [state, inner]
  Linear step;        // [inner, rank], with the bias of the steps
  Linear out;         // [hidden, inner]
  Convolution conv;   // of x
  const float* a;     // [inner / kStateTile][state][kStateTile]: -exp(A_log)
  const float* d;     // [inner]
  RmsNorm step_norm;  // of low_step, b and c; no weight: none
  RmsNorm b_norm;
  RmsNorm c_norm;
  std::int64_t inner = 0;
  std::int64_t state = 0;
};

// Mamba-2 (Dao & Gu 2024): a matrix for each head, whose step depends on the input.
struct Mamba2 {
  Linear z;              // [inner, hidden]: gate of the output
  Linear xbc;            // [inner + 2 * groups * state, hidden]
  Linear step;           // [heads, hidden]
  Linear out;            // [hidden, inner]
  Convolution conv;      // of x, b and c
  const float* a;        // [heads]: -exp(A_log)
  const float* d;        // [heads]
  const float* dt_bias;  // [heads]
  RmsNorm norm;          // of each of groups parts, each with weights of its own
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;  // inner / heads
  std::int64_t groups = 0;    // that share b and c
  std::int64_t state = 0;
};

// A gated convolution (LFM2): out(c * conv(b * x)).
struct ShortConvolution {
  Linear b, c, x;  // [channels, hidden]
  Linear out;      // [hidden, channels]
  Convolution conv;
};

// out(act(gate(x)) * up(x))
struct GatedMlp {
  Linear gate;  // [width, hidden]
  Linear up;    // [width, hidden]
  Linear down;  // [hidden, width]
  kernels::Activation activation = kernels::Activation::silu;
};

// A mixture of experts: a gated MLP from each expert that the router chooses for a row, summed up
// with the router's weights in the order of their scores.
struct MoeMlp {
  Linear router;        // [experts, hidden]: the scores
  ExpertMatrices gate;  // of each expert [width, hidden]
  ExpertMatrices up;    // [width, hidden]
  ExpertMatrices down;  // [hidden, width]
  ExpertRule rule;
  std::optional<GatedMlp> shared = {};  // an expert that every row goes to
  Linear shared_gate = {};              // [1, hidden]: its weight, a sigmoid; none: 1
};

using Mixer =
    std::variant<FullAttention, GatedDeltaNet, Mamba1, Mamba2, ShortConvolution, GatedMlp, MoeMlp>;

// hidden += post_norm(sum of mixers(norm(hidden)))
struct Branch {
  RmsNorm norm;  // [hidden]
  std::vector<Mixer> mixers;
  RmsNorm post_norm = {};  // [hidden]; no weight: none
};

struct Layer {
  std::vector<Branch> branches;
};

struct LayerTable {
  std::int64_t hidden = 0;
  std::int64_t vocab = 0;           // rows of the embedding and of the head
  std::int64_t context_length = 0;  // what the model was made for, tokens
  Matrix embedding;                 // [vocab, hidden]
  float embedding_scale = 1;        // of what the embedding gives
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
