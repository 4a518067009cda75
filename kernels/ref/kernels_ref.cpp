// The portable kernels: plain C++ for any CPU, the fallback where there is no AVX2.
//
// The arithmetic is that of kernels.hpp, in float.  Sums are kept in kLanes partial sums that take
// turns, added up at the end: errors grow more slowly than in one long sum, and a compiler may use
// whatever vectors the baseline CPU has.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/half.hpp"
#include "kernels/quant.h"
#include "kernels/variants.hpp"

namespace hearth::kernels {
namespace {

constexpr int kLanes = 8;
constexpr std::int64_t kTokenTile = 16;  // that share a row of weights

struct PartialSums {
  float lane[kLanes] = {};

  // Adds a[i] * b[i], i < count; count is a multiple of kLanes in every call but the last.
  void add(const float* a, const float* b, std::int64_t count) {
    std::int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) lane[j] += a[i + j] * b[i + j];
    }
    for (int j = 0; i + j < count; ++j) lane[j] += a[i + j] * b[i + j];
  }
  float total() const {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  }
};

// A stored row, widened in pieces that stay in the first-level cache, times x.
float dot(WeightFormat format, const unsigned char* row, const float* x, std::int64_t cols) {
  constexpr std::int64_t kPiece = kSuperBlock;
  const BlockShape block = block_shape(format);
  float widened[kPiece];
  PartialSums sums;
  for (std::int64_t k = 0; k < cols; k += kPiece) {
    const std::int64_t count = std::min(kPiece, cols - k);
    dequant_row({format, row + k / block.weights * block.bytes, count, widened});
    sums.add(widened, x + k, count);
  }
  return sums.total();
}

// ---- Operations --------------------------------------------------------------------------------

// A row is read back from its panels, 256 columns at a time, and multiplied in float with what
// activations stand for.
void linear_row(WeightFormat format, const LinearArgs& args, std::int64_t row, std::int64_t token,
                std::int64_t tokens) {
  const bool floats = block_shape(format).weights == 1;
  PartialSums sums[kTokenTile];
  for (std::int64_t k = 0; k < args.cols; k += kActivationCols) {
    const std::int64_t count = std::min<std::int64_t>(kActivationCols, args.cols - k);
    float weights[kActivationCols];
    panel_row({format, args.panels, row, args.cols, k, k + count, weights});
    for (std::int64_t t = 0; t < tokens; ++t) {
      if (floats) {
        sums[t].add(weights, args.x + (token + t) * args.x_stride + k, count);
        continue;
      }
      const ActivationBlock& block =
          args.blocks[k / kActivationCols * args.block_stride + token + t];
      float x[kActivationCols];
      for (std::int64_t i = 0; i < count; ++i) x[i] = block.scale * block.q[i];
      sums[t].add(weights, x, count);
    }
  }
  for (std::int64_t t = 0; t < tokens; ++t) {
    float sum = sums[t].total();
    float* y = args.y + (token + t) * args.y_stride + row;
    if (args.bias != nullptr) sum += args.bias[row];
    *y = args.accumulate ? sum + *y : sum;
  }
}

void linear(WeightFormat format, const LinearArgs& args) {
  const std::int64_t row_end = std::min(args.group_end * kRowGroup, args.rows);
  for (std::int64_t row = args.group_begin * kRowGroup; row < row_end; ++row) {
    for (std::int64_t token = 0; token < args.tokens; token += kTokenTile) {
      linear_row(format, args, row, token, std::min(kTokenTile, args.tokens - token));
    }
  }
}

// A query head's state in the arrays of attention_state_floats().
struct HeadState {
  float* out;  // [head_dim]
  float& max;
  float& sum;
};
HeadState head_state(float* state, std::int64_t heads, std::int64_t head_dim, std::int64_t head) {
  float* maxima = state + heads * head_dim;
  return {state + head * head_dim, maxima[head], maxima[heads + head]};
}

// Tokens [begin, end) of one page, of one head: a step of the online softmax.
void attend_page(WeightFormat format, const AttentionArgs& args, const float* q,
                 const unsigned char* payload, std::int64_t begin, std::int64_t end,
                 const HeadState& state) {
  const BlockShape block = block_shape(format);
  const std::int64_t row_bytes = args.head_dim / block.weights * block.bytes;
  float* scores = args.scratch;
  float* values = scores + args.page_tokens;
  const float old_max = state.max;
  for (std::int64_t j = begin; j < end; ++j) {
    const unsigned char* key = payload + args.k_offset + j * row_bytes;
    scores[j] = args.scale * dot(format, key, q, args.head_dim);
    state.max = std::fmax(state.max, scores[j]);
  }
  const float factor = std::exp(old_max - state.max);
  state.sum *= factor;
  for (std::int64_t k = 0; k < args.head_dim; ++k) state.out[k] *= factor;
  for (std::int64_t j = begin; j < end; ++j) {
    dequant_row({format, payload + args.v_offset + j * row_bytes, args.head_dim, values});
    const float weight = std::exp(scores[j] - state.max);
    state.sum += weight;
    for (std::int64_t k = 0; k < args.head_dim; ++k) state.out[k] += weight * values[k];
  }
}

// Nothing found yet.  The sums are -0: what is added to it keeps even the sign of a zero.
void clear(const HeadState& state, std::int64_t head_dim) {
  state.max = -std::numeric_limits<float>::infinity();
  state.sum = 0.0f;
  for (std::int64_t k = 0; k < head_dim; ++k) state.out[k] = -0.0f;
}

// Positions [begin, end) of one split, of one head.
void attend_split(WeightFormat format, const AttentionArgs& args, const float* q,
                  std::int64_t begin, std::int64_t end, const HeadState& state) {
  clear(state, args.head_dim);
  for (std::int64_t at = begin; at < end;) {
    const std::int64_t page = at / args.page_tokens;
    const std::int64_t first = page * args.page_tokens;
    const std::int64_t next = std::min(first + args.page_tokens, end);
    const auto* payload = reinterpret_cast<const unsigned char*>(args.pages[page]);
    attend_page(format, args, q, payload, at - first, next - first, state);
    at = next;
  }
}

// to = to and from together, by the greater maximum; nothing where from found nothing.
void fold(const HeadState& to, const HeadState& from, std::int64_t head_dim) {
  if (from.sum == 0.0f) return;
  const float max = std::fmax(to.max, from.max);
  const float keep = std::exp(to.max - max);
  const float take = std::exp(from.max - max);
  for (std::int64_t k = 0; k < head_dim; ++k) to.out[k] = to.out[k] * keep + from.out[k] * take;
  to.sum = to.sum * keep + from.sum * take;
  to.max = max;
}

void attention(WeightFormat format, const AttentionArgs& args) {
  const std::int64_t heads = args.rows * args.group;
  float* part = args.scratch + args.page_tokens + args.head_dim;
  for (std::int64_t head = 0; head < heads; ++head) {
    const std::int64_t row = head / args.group;
    const float* q = args.q + row * args.q_stride + head % args.group * args.head_dim;
    const std::int64_t first = attention_first(args.position + row, args.window);
    const std::int64_t end = std::min(args.end, args.position + row + 1);
    const HeadState state = head_state(args.state, heads, args.head_dim, head);
    const HeadState other = head_state(part, 1, args.head_dim, 0);
    clear(state, args.head_dim);
    for (std::int64_t begin = std::max(args.begin, first); begin < end;) {
      const std::int64_t next = std::min((begin / kAttentionSplit + 1) * kAttentionSplit, end);
      attend_split(format, args, q, begin, next, other);
      fold(state, other, args.head_dim);
      begin = next;
    }
  }
}

template <class Half>
void store_halves(const KvStoreArgs& args, Half half_from_float) {
  auto* out = static_cast<std::byte*>(args.out);
  for (std::int64_t i = 0; i < args.count; ++i) {
    const std::uint16_t half = half_from_float(args.x[i]);
    std::memcpy(out + i * sizeof(half), &half, sizeof(half));
  }
}

// d = scale, in f16; q[i] = x[i] / d, rounded to nearest and clamped.
template <class Block>
void scale_block(const float* x, float scale, float lowest, float highest, Block& block,
                 int (&q)[kQuantBlock]) {
  block.d = f16_from_float(scale);
  const float stored = float_from_f16(block.d);
  const float inverse = stored == 0.0f ? 0.0f : 1.0f / stored;
  for (int i = 0; i < kQuantBlock; ++i) {
    q[i] = static_cast<int>(std::nearbyint(std::fmax(lowest, std::fmin(x[i] * inverse, highest))));
  }
}

void quantize(const float* x, BlockQ8_0& block) {
  float magnitude = 0.0f;
  for (int i = 0; i < kQuantBlock; ++i) magnitude = std::fmax(magnitude, std::fabs(x[i]));
  int q[kQuantBlock];
  scale_block(x, magnitude / 127.0f, -127.0f, 127.0f, block, q);
  for (int i = 0; i < kQuantBlock; ++i) block.q[i] = static_cast<std::int8_t>(q[i]);
}

void quantize(const float* x, BlockQ4_0& block) {
  float max = 0.0f, min = 0.0f;
  for (int i = 0; i < kQuantBlock; ++i) {
    max = std::fmax(max, x[i]);
    min = std::fmin(min, x[i]);
  }
  int q[kQuantBlock];
  scale_block(x, (max >= -min ? max : min) / -8.0f, -8.0f, 7.0f, block, q);
  for (int i = 0; i < kQuantBlock / 2; ++i) {
    block.q[i] = static_cast<std::uint8_t>((q[i] + 8) | (q[i + kQuantBlock / 2] + 8) << 4);
  }
}

template <class Block>
void store_blocks(const KvStoreArgs& args) {
  auto* out = static_cast<std::byte*>(args.out);
  for (std::int64_t i = 0; i < args.count; i += kQuantBlock, out += sizeof(Block)) {
    Block block;
    quantize(args.x + i, block);
    std::memcpy(out, &block, sizeof(block));
  }
}

}  // namespace

#define HEARTH_DEFINE_(format, type, name, number, weights, bytes) \
  void linear_##format##_ref(const LinearArgs& args) {             \
    linear(WeightFormat::format, args);                            \
  }
HEARTH_WEIGHT_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

void split_activations_ref(const SplitActivationsArgs& args) {
  SplitBlock* out = args.out;
  for (std::int64_t col = 0; col < args.cols; col += kActivationCols, out += args.block_stride) {
    for (std::int64_t k = 0; k < kActivationCols; ++k) {
      const float x = col + k < args.cols ? args.x[col + k] : 0.0f;
      out->high[k] = bf16_from_float(x);
      out->low[k] = bf16_from_float(x - float_from_bf16(out->high[k]));
    }
  }
}

void quantize_activations_ref(const QuantizeActivationsArgs& args) {
  constexpr float kSmallestMax = 1e-36f;  // below, the inverse of the scale is no number
  ActivationBlock* out = args.out;
  for (std::int64_t k = 0; k < args.cols; k += kActivationCols, out += args.block_stride) {
    const std::int64_t count = std::min<std::int64_t>(kActivationCols, args.cols - k);
    float max = 0, poison = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      max = std::max(max, std::fabs(args.x[k + i]));  // keeps max where the other is a NaN
      poison += args.x[k + i] * 0.0f;
    }
    *out = {};
    out->scale = (max > kSmallestMax ? max / 127.0f : 0.0f) + poison;
    if (!(max > kSmallestMax) || !std::isfinite(out->scale)) continue;
    const float inverse = 127.0f / max;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto number = static_cast<std::int16_t>(std::nearbyint(args.x[k + i] * inverse));
      out->q[i] = static_cast<std::int8_t>(number);
      out->sums16[i / 16] = static_cast<std::int16_t>(out->sums16[i / 16] + number);
      out->sums32[i / 32] = static_cast<std::int16_t>(out->sums32[i / 32] + number);
    }
  }
}

void rms_norm_ref(const RmsNormArgs& args) {
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * args.x_stride;
    float* y = args.y + row * args.y_stride;
    PartialSums squares;
    squares.add(x, x, args.cols);
    const float mean = squares.total() / static_cast<float>(args.cols);
    const float scale = 1.0f / std::sqrt(mean + args.eps);
    for (std::int64_t k = 0; k < args.cols; ++k) y[k] = x[k] * scale * args.weight[k];
  }
}

void rope_ref(const RopeArgs& args) {
  const std::int64_t step = args.interleaved ? 2 : 1;
  const std::int64_t partner = args.interleaved ? 1 : args.pairs;
  for (std::int64_t head = 0; head < args.heads; ++head) {
    for (std::int64_t i = 0; i < args.pairs; ++i) {
      float* x = args.x + head * args.head_dim + i * step;
      const float a = x[0];
      const float b = x[partner];
      x[0] = a * args.cos[i] - b * args.sin[i];
      x[partner] = a * args.sin[i] + b * args.cos[i];
    }
  }
}

void kv_store_f32_ref(const KvStoreArgs& args) {
  std::memcpy(args.out, args.x, static_cast<std::size_t>(args.count) * sizeof(float));
}
void kv_store_f16_ref(const KvStoreArgs& args) {
  store_halves(args, f16_from_float);
}
void kv_store_bf16_ref(const KvStoreArgs& args) {
  store_halves(args, bf16_from_float);
}

void kv_store_q8_0_ref(const KvStoreArgs& args) {
  store_blocks<BlockQ8_0>(args);
}
void kv_store_q4_0_ref(const KvStoreArgs& args) {
  store_blocks<BlockQ4_0>(args);
}

#define HEARTH_DEFINE_(format, type, elements, bytes)        \
  void attention_##format##_ref(const AttentionArgs& args) { \
    attention(WeightFormat::format, args);                   \
  }
HEARTH_KV_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

void attention_merge_ref(const AttentionMergeArgs& args) {
  const std::int64_t heads = args.rows * args.group;
  for (std::int64_t head = 0; head < heads; ++head) {
    const HeadState state = head_state(args.states, heads, args.head_dim, head);
    for (std::int64_t i = 1; i < args.count; ++i) {
      float* other = args.states + i * attention_state_floats(heads, args.head_dim);
      fold(state, head_state(other, heads, args.head_dim, head), args.head_dim);
    }
    float* out = args.out + head / args.group * args.out_stride + head % args.group * args.head_dim;
    for (std::int64_t k = 0; k < args.head_dim; ++k) out[k] = state.out[k] / state.sum;
  }
}

void gated_silu_ref(const GatedArgs& args) {
  for (std::int64_t i = 0; i < args.count; ++i) {
    const float gate = args.gate[i];
    args.gate[i] = gate / (1.0f + std::exp(-gate)) * args.up[i];
  }
}
// 1 + tanh(u) = 2 / (1 + exp(-2u))
void gated_gelu_ref(const GatedArgs& args) {
  for (std::int64_t i = 0; i < args.count; ++i) {
    const float gate = args.gate[i];
    const float inner = kGelu * gate * (1.0f + kGeluCube * gate * gate);
    args.gate[i] = gate / (1.0f + std::exp(-2.0f * inner)) * args.up[i];
  }
}
void gated_sigmoid_ref(const GatedArgs& args) {
  for (std::int64_t i = 0; i < args.count; ++i) {
    args.gate[i] = 1.0f / (1.0f + std::exp(-args.gate[i])) * args.up[i];
  }
}

void scan_ref(const ScanArgs& args) {
  double sum = 0;
  for (std::int64_t begin = 0; begin < args.count; begin += kScanBlock) {
    float top = -std::numeric_limits<float>::infinity();
    for (std::int64_t i = begin; i < std::min(begin + kScanBlock, args.count); ++i) {
      const float x = args.x[i];
      top = x > top ? x : top;
      if (args.sum == nullptr || std::isnan(x)) continue;
      sum += static_cast<double>(std::exp(x - args.shift));
    }
    args.tops[begin / kScanBlock] = top;
  }
  if (args.sum != nullptr) *args.sum = sum;
}

void read_probe_ref(const ReadProbeArgs& args) {
  const auto* words = static_cast<const unsigned char*>(args.data);
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < args.bytes; i += static_cast<std::int64_t>(sizeof(sum))) {
    std::uint64_t word;
    __builtin_memcpy(&word, words + i, sizeof(word));
    sum |= word;
  }
  *args.out = static_cast<float>(sum);
}

namespace {

template <class T>
std::int64_t peak_of(std::int64_t rounds, float* out) {
  constexpr int kChains = 8;
  T acc[kChains] = {};
  T a = 1;
  for (std::int64_t i = 0; i < rounds; ++i) {
    asm volatile("" : "+m"(a));
    for (T& chain : acc) chain += a * a;
  }
  *out = 0;
  for (const T chain : acc) *out += static_cast<float>(chain);
  return rounds * kChains * 2;
}

}  // namespace

std::int64_t peak_probe_f32_ref(std::int64_t rounds, float* out) {
  return peak_of<float>(rounds, out);
}
std::int64_t peak_probe_int8_ref(std::int64_t rounds, float* out) {
  return peak_of<std::uint32_t>(rounds, out);
}

}  // namespace hearth::kernels
