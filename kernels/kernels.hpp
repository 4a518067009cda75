// The border of the kernels: one argument struct and one function type per operation.
//
// Shapes are row-major, the last dimension contiguous.  Kernels run on any thread, allocate
// nothing, keep no state and cannot fail: the engine checks shapes when it builds a plan.  A kernel
// writes only what its arguments name.
//
// Arithmetic.  A result depends on its own row only, never on how many rows are computed together
// or on which worker computes them: for each output there is one order of operations per tier.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/recurrent.hpp"

namespace hearth::kernels {

// How the weights of a matrix are stored: X(enumerator, struct in the tiers, name, number in GGUF,
// weights per block, bytes per block).  The layouts are in quant.h.
#define HEARTH_WEIGHT_FORMATS(X)           \
  X(f32, F32, "F32", 0, 1, 4)              \
  X(f16, F16, "F16", 1, 1, 2)              \
  X(bf16, Bf16, "BF16", 30, 1, 2)          \
  X(q8_0, Q8_0, "Q8_0", 8, 32, 34)         \
  X(q4_0, Q4_0, "Q4_0", 2, 32, 18)         \
  X(q4_1, Q4_1, "Q4_1", 3, 32, 20)         \
  X(q5_0, Q5_0, "Q5_0", 6, 32, 22)         \
  X(q5_1, Q5_1, "Q5_1", 7, 32, 24)         \
  X(q2_k, Q2K, "Q2_K", 10, 256, 84)        \
  X(q3_k, Q3K, "Q3_K", 11, 256, 110)       \
  X(q4_k, Q4K, "Q4_K", 12, 256, 144)       \
  X(q5_k, Q5K, "Q5_K", 13, 256, 176)       \
  X(q6_k, Q6K, "Q6_K", 14, 256, 210)       \
  X(iq4_nl, Iq4Nl, "IQ4_NL", 20, 32, 18)   \
  X(iq4_xs, Iq4Xs, "IQ4_XS", 23, 256, 136) \
  X(mxfp4, Mxfp4, "MXFP4", 39, 32, 17)

enum class WeightFormat : std::uint8_t {
#define HEARTH_ENUMERATOR_(format, type, name, number, weights, bytes) format,
  HEARTH_WEIGHT_FORMATS(HEARTH_ENUMERATOR_)
#undef HEARTH_ENUMERATOR_
};

struct WeightFormatInfo {
  WeightFormat format;
  const char* name;           // "Q4_K"
  std::uint32_t gguf_number;  // of the tensor type
  int block_weights;
  int block_bytes;
};
inline constexpr WeightFormatInfo kWeightFormats[] = {
#define HEARTH_INFO_(format, type, name, number, weights, bytes) \
  {WeightFormat::format, name, number, weights, bytes},
    HEARTH_WEIGHT_FORMATS(HEARTH_INFO_)
#undef HEARTH_INFO_
};
inline constexpr int kWeightFormatCount = sizeof(kWeightFormats) / sizeof(kWeightFormats[0]);

// How keys and values are stored in a page: X(enumerator, struct in the tiers, elements per block,
// bytes per block).  Blocks lie along head_dim; the layouts are in quant.h.
#define HEARTH_KV_FORMATS(X) \
  X(f32, F32, 1, 4)          \
  HEARTH_SHORT_KV_FORMATS(X)
#define HEARTH_SHORT_KV_FORMATS(X) \
  X(f16, F16, 1, 2)                \
  X(bf16, Bf16, 1, 2)              \
  X(q8_0, Q8_0, 32, 34)            \
  X(q4_0, Q4_0, 32, 18)

// The numbers are in the headers of segments: append only.
enum class KvFormat : std::uint8_t {
#define HEARTH_ENUMERATOR_(format, type, elements, bytes) format,
  HEARTH_KV_FORMATS(HEARTH_ENUMERATOR_)
#undef HEARTH_ENUMERATOR_
};

struct KvFormatInfo {
  const char* name;  // "q8_0"
  int block_elements;
  int block_bytes;
};
inline constexpr KvFormatInfo kKvFormats[] = {
#define HEARTH_INFO_(format, type, elements, bytes) {#format, elements, bytes},
    HEARTH_KV_FORMATS(HEARTH_INFO_)
#undef HEARTH_INFO_
};
inline constexpr int kKvFormatCount = sizeof(kKvFormats) / sizeof(kKvFormats[0]);

// Weights per block and bytes per block of a format.
struct BlockShape {
  int weights;
  int bytes;
};
constexpr BlockShape block_shape(WeightFormat format) {
  const WeightFormatInfo& info = kWeightFormats[static_cast<int>(format)];
  return {info.block_weights, info.block_bytes};
}
constexpr const KvFormatInfo& kv_format_info(KvFormat format) {
  return kKvFormats[static_cast<int>(format)];
}
// Bytes of count elements, a whole number of blocks.
constexpr std::int64_t kv_bytes(KvFormat format, std::int64_t count) {
  const KvFormatInfo& info = kv_format_info(format);
  return count / info.block_elements * info.block_bytes;
}

// A row of activations in 256 columns: x[k] = scale * q[k], and the sums that zero points and mins
// of weights are multiplied with.  Columns beyond the row's end are 0.
inline constexpr int kActivationCols = 256;
struct alignas(64) ActivationBlock {
  std::int8_t q[kActivationCols];  // -127 .. 127
  std::int16_t sums16[16];         // of 16 columns each
  std::int16_t sums32[8];          // of 32 columns each
  float scale;                     // NaN when a value of the 256 is NaN or infinite
};
static_assert(sizeof(ActivationBlock) == 320);

// quantize_activations: the nearest whole numbers to x[k] / scale, ties to even, of each 256
// columns with the scale that makes the largest 127.
struct QuantizeActivationsArgs {
  const float* x;  // [cols]
  std::int64_t cols;
  ActivationBlock* out;       // ceil(cols / 256) blocks
  std::int64_t block_stride;  // from a block to the next: rows of a batch lie between
};
using QuantizeActivationsFn = void (*)(const QuantizeActivationsArgs&);

// A row of activations in 256 columns as sums of two bf16, to 16 bits: x[k] = high[k] + low[k].
// Columns beyond the row's end are 0.
struct alignas(64) SplitBlock {
  std::uint16_t high[kActivationCols];
  std::uint16_t low[kActivationCols];
};
static_assert(sizeof(SplitBlock) == 1024);

// split_activations: high is the bf16 nearest to x[k], low the one nearest to x[k] - high, ties to
// even.  Of a NaN or an infinity high is no finite number; nor is it, and low is a NaN or an
// infinity, where x[k] rounds to infinity: from 2^128 - 2^119 on.
struct SplitActivationsArgs {
  const float* x;  // [cols]
  std::int64_t cols;
  SplitBlock* out;            // ceil(cols / 256) blocks
  std::int64_t block_stride;  // from a block to the next
};
using SplitActivationsFn = void (*)(const SplitActivationsArgs&);

// Matrices are packed into panels, row groups of 16 rows (kernels/panels/layout.hpp).
inline constexpr int kRowGroup = 16;
// Bytes of a matrix in panels; a multiple of 64.
std::int64_t panel_bytes(WeightFormat format, std::int64_t rows, std::int64_t cols);

// pack_group: 16 rows as they lie in a file, or the last rows of a matrix, into their panels.
struct PackGroupArgs {
  WeightFormat format;
  const void* rows;        // [row_count, cols] in the format, any alignment
  std::int64_t row_count;  // 1 .. 16
  std::int64_t cols;       // a multiple of the format's block
  void* panels;            // [panel_bytes(format, 16, cols)], 64-byte aligned
};
void pack_group(const PackGroupArgs& args);

// panel_row: out[k - begin] = W[row, k], exactly, for k in [begin, end): the embedding's gather.
struct PanelRowArgs {
  WeightFormat format;
  const void* panels;  // of the whole matrix
  std::int64_t row;
  std::int64_t cols;   // of the matrix
  std::int64_t begin;  // a multiple of 256
  std::int64_t end;    // cols, or a multiple of 256
  float* out;          // [end - begin]
};
void panel_row(const PanelRowArgs& args);

// linear: y[t, r] = sum_k W[r, k] * x[t, k] (+ bias[r]) (+ y[t, r])   for the rows of some groups
//
// F32, F16 and BF16 are multiplied with floats and summed up in float, 64 columns in one chain.
// All other formats are multiplied with activation blocks: sums of products of whole numbers are
// exact within 256 columns (by_super) or 32 (by_block, see panels/layout.hpp), and then:
//   by_block: a = sum over s of scale[s] * sum[s] (+ min[s] * sums32[s]);  y += x.scale * a
//   by_super: a = d * sum over s of small_scale[s] * sum[s] - dmin * sum of small_min[s] * sums[s]
// each step one fused multiply-add, so that all vector tiers give the same bits.
struct LinearArgs {
  const void* panels;        // of the whole matrix, 64-byte aligned
  std::int64_t rows;         // of the matrix
  std::int64_t cols;         // a multiple of the format's block
  std::int64_t group_begin;  // row groups that this call computes
  std::int64_t group_end;
  const float* x;                      // [tokens, x_stride]: F32, F16 and BF16
  std::int64_t x_stride;               // floats, >= cols
  const ActivationBlock* blocks;       // [ceil(cols / 256), block_stride]: all other formats
  const SplitBlock* splits = nullptr;  // the same for linear_prompt with F32, F16 and BF16
  std::int64_t block_stride;           // >= tokens
  float* y;               // [tokens, y_stride]; the columns of the groups' rows are written
  std::int64_t y_stride;  // floats, >= rows
  std::int64_t tokens;    // >= 1
  const float* bias;      // [rows] or null
  bool accumulate;        // add to what y holds: the residual connection
};
using LinearFn = void (*)(const LinearArgs&);

// linear_prompt: the same product for rows of prompts, of which there are many.  Tiers without
// matrix units have linear's kernels here.  For matrix units (amx):
//
// F32, F16 and BF16 are multiplied with splits, in bf16, and summed up in float: F32 and F16 as
// low * high + high * high + high * low, of 16 bits of each factor; BF16 with high alone.
//
// All other formats are made int8 with one scale for every row of 256 columns (I8R; see
// avx512/requantize.hpp), so that the sum of 256 products is exact and is scaled once:
//   y += (x.scale * scale[row]) * sum     one rounded product, one fused multiply-add
// The NMSE that this adds is 3e-5 to 8e-5, more than the activations' eight bits, 1.5e-5.

// dequant_row: out[k] = row[k], exactly, of a row as it lies in a file.
struct DequantRowArgs {
  WeightFormat format;
  const void* row;    // [cols], any alignment
  std::int64_t cols;  // a multiple of the format's block
  float* out;         // [cols]
};
void dequant_row(const DequantRowArgs& args);

// rms_norm: y[i, k] = x[i, k] / sqrt(mean_k(x[i, k]^2) + eps) * weight[k].  y may be x.
struct RmsNormArgs {
  const float* x;       // [rows, x_stride]
  float* y;             // [rows, y_stride]
  const float* weight;  // [cols]
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t x_stride;  // floats, >= cols
  std::int64_t y_stride;  // floats, >= cols
  float eps;
};
using RmsNormFn = void (*)(const RmsNormArgs&);

// rope: rotates the first 2 * pairs elements of every head in place.
//   interleaved: (x[2i], x[2i + 1]);  else: (x[i], x[i + pairs])
//   (a, b) -> (a * cos[i] - b * sin[i], a * sin[i] + b * cos[i])
struct RopeArgs {
  float* x;          // [heads, head_dim] of one token
  const float* cos;  // [pairs] of the token's position
  const float* sin;  // [pairs]
  std::int64_t heads;
  std::int64_t head_dim;
  std::int64_t pairs;  // 2 * pairs <= head_dim
  bool interleaved;
};
using RopeFn = void (*)(const RopeArgs&);

// kv_store: out[i] = x[i] in the op's KV format.
//   f16, bf16: rounded to nearest even; f16 saturates at +-65504
//   q8_0: d = max |x| / 127 of the block, q = x / d rounded to nearest
//   q4_0: d = m / -8 where m is the block's x of the largest magnitude, the positive one of
//         equals; q = x / d rounded to nearest, at most 7; 8 is added
// The scale is d as stored, in f16.  A block of q8_0 or q4_0 with a NaN or an infinity has no
// meaning.
struct KvStoreArgs {
  const float* x;      // [count]
  void* out;           // [count] elements of the format, any alignment
  std::int64_t count;  // whole blocks
};
using KvStoreFn = void (*)(const KvStoreArgs&);

// attention: some rows of one sequence at consecutive positions, each with the query heads that
// share one KV head, over positions [begin, end) as far as the row sees them, that is up to its
// own:
//   s[r, g, j] = scale * q[r, g] . k[j];   state[r, g] = sum_j exp(s[r, g, j] - max_j s) * v[j]
// with that max and sum_j exp(s - max) for attention_merge.  With a window, a row at position p
// sees (p - window, p] only; pages before what the first row sees are not read.  Where a row sees
// nothing its sums are zero and its max is -infinity, which changes nothing in a merge.
//
// The order of operations of a row depends on its position alone, not on the rows beside it:
// positions are taken in splits of kAttentionSplit, each from nothing, their states folded in
// order; within a split the pages in order, each with one update of the running maximum and sum
// (the online softmax of Milakov and Gimelshein, 2018).  Nor does it depend on how positions are
// cut into calls, as long as only the first takes more than one split.  What a row does not see
// has no influence, not even when it is a NaN.
inline constexpr std::int64_t kAttentionSplit = 512;  // positions
inline constexpr std::int64_t kAttentionRows = 32;    // of a call, at most
struct AttentionArgs {
  const float* q;                 // [rows, q_stride]: of each row [group, head_dim]
  std::int64_t q_stride;          // floats, >= group * head_dim
  const std::byte* const* pages;  // payloads of the sequence's pages from position 0 on
  std::int64_t k_offset;          // bytes from a payload to K of this layer and head:
  std::int64_t v_offset;          //   [page_tokens, head_dim] in the op's KV format; V likewise
  std::int64_t page_tokens;       // positions per page, a power of two, 8 .. 256
  std::int64_t position;          // of the first row
  std::int64_t rows;              // all at positions of one page
  std::int64_t begin;             // a multiple of kAttentionSplit, <= position
  std::int64_t end;               // position + rows, or a multiple of kAttentionSplit before
  std::int64_t window = 0;        // positions that a row sees, the last its own; 0: all
  std::int64_t group;             // query heads per KV head
  std::int64_t head_dim;          // any; whole blocks of the op's format
  float scale;
  float* state;    // [attention_state_floats(rows * group, head_dim)], written whole
  float* scratch;  // [attention_scratch_floats(rows * group, head_dim, page_tokens)], any contents
};
using AttentionFn = void (*)(const AttentionArgs&);

// The first position that a row at a position sees.
constexpr std::int64_t attention_first(std::int64_t position, std::int64_t window) {
  return window != 0 && position >= window ? position - window + 1 : 0;
}
// Where the first split begins that it sees.
constexpr std::int64_t attention_first_split(std::int64_t position, std::int64_t window) {
  return attention_first(position, window) / kAttentionSplit * kAttentionSplit;
}

// A state is [heads, head_dim] sums, then [heads] maxima, then [heads] sums of weights.
constexpr std::int64_t attention_state_floats(std::int64_t heads, std::int64_t head_dim) {
  return heads * (head_dim + 2);
}
// The scratch of attention: queries, a page in float, scores, factors, and the state of a split.
constexpr std::int64_t attention_vector_floats(std::int64_t heads, std::int64_t head_dim,
                                               std::int64_t page_tokens) {
  return heads * (head_dim + page_tokens + 1) + page_tokens * head_dim +
         attention_state_floats(heads, head_dim);
}
// That of attention_prompt with matrix units, which takes 32 heads, 32 columns and a split's tokens
// at a time: queries and keys of two bf16 and values of one; two times scores, and weights of one
// bf16, of 32 heads; what 32 heads found; and what aligns all of it to 64 bytes.
inline constexpr std::int64_t kAttentionTileHeads = 32;
constexpr std::int64_t attention_tile_floats(std::int64_t heads, std::int64_t head_dim) {
  constexpr std::int64_t kTileHeads = kAttentionTileHeads, kTokens = kAttentionSplit;
  const std::int64_t cols = (head_dim + 31) / 32 * 32;
  return (heads + kTileHeads - 1) / kTileHeads * kTileHeads * cols + kTokens * cols +
         kTokens * cols / 2 + 2 * kTokens * kTileHeads + kTokens * kTileHeads / 2 +
         kTileHeads * cols + 15;
}
// Of both operations.
constexpr std::int64_t attention_scratch_floats(std::int64_t heads, std::int64_t head_dim,
                                                std::int64_t page_tokens) {
  const std::int64_t vector_floats = attention_vector_floats(heads, head_dim, page_tokens);
  const std::int64_t tile_floats = attention_tile_floats(heads, head_dim);
  return vector_floats < tile_floats ? tile_floats : vector_floats;
}

// attention_prompt: the same for rows of prompts, of which there are many; AttentionFn.  Tiers
// without matrix units have attention's kernels here, and so have all for F32, which is chosen to
// be exact.  For matrix units (amx):
//
// q * scale and keys are split into two bf16 each, and a score is summed up in float from low *
// high (of queries and keys), high * high and high * low; keys in bf16 have no low part.  Weights,
// whose sum is taken of what they are rounded to, and values are bf16, their products summed up in
// float.  The NMSE that this adds is 2.3e-6 for values that are no bf16, and up to 2.6e-6 for
// weights, the less of it the more one of them has of the sum: 4e-6 over many heads.
//
// A row's order of operations depends on its position alone here, too: each split has one maximum.

// attention_merge: what several attention calls for the same rows found, folded in the order of
// their positions, to out[r, g] = sum_j softmax_j(s[r, g, :]) * v[j].
struct AttentionMergeArgs {
  float* states;       // [count, attention_state_floats(rows * group, head_dim)]; changed
  std::int64_t count;  // >= 1
  std::int64_t rows;
  std::int64_t group;
  std::int64_t head_dim;
  float* out;               // [rows, out_stride]: of each row [group, head_dim]
  std::int64_t out_stride;  // floats, >= group * head_dim
};
using AttentionMergeFn = void (*)(const AttentionMergeArgs&);

// What a gate is bent by: X(enumerator).
//   silu: x / (1 + exp(-x));   sigmoid: 1 / (1 + exp(-x))
//   gelu, the form with tanh: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))
#define HEARTH_ACTIVATIONS(X) \
  X(silu)                     \
  X(gelu)                     \
  X(sigmoid)

enum class Activation : std::uint8_t {
#define HEARTH_ENUMERATOR_(activation) activation,
  HEARTH_ACTIVATIONS(HEARTH_ENUMERATOR_)
#undef HEARTH_ENUMERATOR_
};
inline constexpr int kActivationCount = 3;
inline constexpr float kGelu = 0.79788456080286535588F;  // sqrt(2 / pi)
inline constexpr float kGeluCube = 0.044715F;

// gated: gate[i] = act(gate[i]) * up[i]
struct GatedArgs {
  float* gate;      // [count], in and out
  const float* up;  // [count]
  std::int64_t count;
};
using GatedFn = void (*)(const GatedArgs&);

// scan: what choosing among many logits needs, in one pass:
//   tops[b] = max_i x[i] of the kScanBlock values from b * kScanBlock on; a NaN never wins;
//             -infinity for nothing else
//   *sum    = sum_i exp(x[i] - shift), in a fixed order; a NaN adds nothing.  To about 3e-6
//             where the largest x is within 20 of shift, 1e-5 elsewhere.
//             Meaningless when some x[i] - shift is above 80: scan again with a better shift.
inline constexpr std::int64_t kScanBlock = 256;
struct ScanArgs {
  const float* x;  // [count]
  std::int64_t count;
  float* tops;  // [ceil(count / kScanBlock)]
  float shift;  // finite
  double* sum;  // null: not wanted
};
using ScanFn = void (*)(const ScanArgs&);

// read_probe: reads all bytes and does next to nothing with them: what memory can deliver.
struct ReadProbeArgs {
  const void* data;    // [bytes], 64-byte aligned
  std::int64_t bytes;  // a multiple of 256
  float* out;          // [1] means nothing
};
using ReadProbeFn = void (*)(const ReadProbeArgs&);

// peak_probe: multiply-adds on registers: what arithmetic of a kind can deliver.  Returns how many
// multiplications and additions were done; out [1] means nothing.
//
// bf16: products of bf16 summed in float.  A tier that has no instruction for them computes in
// float, and has the peak of that.
enum class PeakKind : std::uint8_t { f32, bf16, int8 };
inline constexpr int kPeakKindCount = 3;
using PeakProbeFn = std::int64_t (*)(std::int64_t rounds, float* out);

// CPU features that a kernel may need; bits of a mask.
enum CpuFeature : std::uint32_t {
  kCpuAvx2 = 1u << 0,    // with FMA and F16C
  kCpuAvx512 = 1u << 1,  // F, BW, VL, DQ and VNNI: Ice Lake, Zen 4 and later
  kCpuAmx = 1u << 2,     // TILE, INT8 and BF16, with AVX512_BF16: Sapphire Rapids and later
};

// What this CPU and this operating system offer; AMX after enable_amx() of cpu_features.hpp.
std::uint32_t cpu_features();

// One entry of an operation's table: tables are best first, and the last entry needs nothing.
template <class Fn, class Format = int>
struct Entry {
  const char* name;     // "linear_q8_0_avx2", for logs, tests and benchmarks
  Format format;        // of the op's weights or pages; or what else it has variants by
  std::uint32_t needs;  // CpuFeature bits
  Fn fn;
};

template <class T>
struct Table {
  const T* first;
  std::size_t count;
  const T* begin() const { return first; }
  const T* end() const { return first + count; }
};

// Every variant of every operation that was compiled in: what the tests go through.
Table<Entry<LinearFn, WeightFormat>> linear_table();
Table<Entry<LinearFn, WeightFormat>> linear_prompt_table();
Table<Entry<QuantizeActivationsFn>> quantize_activations_table();
Table<Entry<SplitActivationsFn>> split_activations_table();
Table<Entry<RmsNormFn>> rms_norm_table();
Table<Entry<RopeFn>> rope_table();
Table<Entry<KvStoreFn, KvFormat>> kv_store_table();
Table<Entry<AttentionFn, KvFormat>> attention_table();
Table<Entry<AttentionFn, KvFormat>> attention_prompt_table();
Table<Entry<AttentionMergeFn>> attention_merge_table();
Table<Entry<GatedFn, Activation>> gated_table();
Table<Entry<ScanFn>> scan_table();
Table<Entry<ReadProbeFn>> read_probe_table();
Table<Entry<PeakProbeFn, PeakKind>> peak_probe_table();
Table<Entry<CausalConvFn>> causal_conv_table();
Table<Entry<DeltaGatesFn>> delta_gates_table();
Table<Entry<DeltaNetFn>> delta_net_table();
Table<Entry<SelectiveScanFn>> selective_scan_table();
Table<Entry<StateSpaceFn>> state_space_table();

// The best variant of every operation for a set of features.
struct KernelSet {
  LinearFn linear[kWeightFormatCount];
  LinearFn linear_prompt[kWeightFormatCount];
  QuantizeActivationsFn quantize_activations;
  SplitActivationsFn split_activations;
  RmsNormFn rms_norm;
  RopeFn rope;
  KvStoreFn kv_store[kKvFormatCount];
  AttentionFn attention[kKvFormatCount];
  AttentionFn attention_prompt[kKvFormatCount];
  AttentionMergeFn attention_merge;
  GatedFn gated[kActivationCount];
  ScanFn scan;
  ReadProbeFn read_probe;
  PeakProbeFn peak_probe[kPeakKindCount];
  CausalConvFn causal_conv;
  DeltaGatesFn delta_gates;
  DeltaNetFn delta_net;
  SelectiveScanFn selective_scan;
  StateSpaceFn state_space;
  bool prompt_takes_splits;  // linear_prompt with F32, F16 and BF16 reads splits instead of x
  const char* tier;          // the best of tiers() that features allows
};
KernelSet select_kernels(std::uint32_t features);

// Kernels for a generation of CPUs.  An operation without an entry of a tier takes the next one's.
struct Tier {
  const char* name;
  std::uint32_t needs;  // CpuFeature bits
};
// Those that were compiled in, of "amx", "avx512", "avx2" and "ref": best first.
Table<Tier> tiers();

}  // namespace hearth::kernels
