// Operations of recurrent layers: part of the border of the kernels, see kernels.hpp.
//
// Each takes some rows of one sequence at consecutive positions, in order, and changes the state
// that the sequence is in.  All is computed in float, row by row: rows in one call give the same
// bits as in any number of calls, and tiles (or channels) have the same bits in any call.
#pragma once

#include <cstdint>

namespace hearth::kernels {

// Columns of a state that lie together.  A state of [key_dim, columns] lies as
// [tiles][key_dim][16], a tile of 16 columns after the other.  Columns beyond the last are 0 when a
// sequence begins, and then stay it.  Nothing of other tiles than a call's is touched.  64-byte
// aligned is fastest.
inline constexpr std::int64_t kStateTile = 16;
constexpr std::int64_t state_tiles(std::int64_t columns) {
  return (columns + kStateTile - 1) / kStateTile;
}
constexpr std::int64_t state_floats(std::int64_t key_dim, std::int64_t columns) {
  return state_tiles(columns) * key_dim * kStateTile;
}

// causal_conv: y[t, c] = act(bias[c] + sum_j weight[j, c] * x[t - (width - 1) + j, c])
// of channels [begin, end).  Rows before the first are those of the tail, which then holds the last
// width - 1 inputs.  act is silu or nothing.
inline constexpr std::int64_t kConvWidthMax = 8;
struct CausalConvArgs {
  const float* x;         // [rows, x_stride]
  std::int64_t x_stride;  // floats, >= channels
  float* y;               // [rows, y_stride]; may be x
  std::int64_t y_stride;  // floats, >= channels
  const float* weight;    // [width, channels]
  const float* bias;      // [channels] or null
  float* tail;            // [width - 1, channels], the oldest first; in and out
  std::int64_t rows;      // >= 1
  std::int64_t channels;
  std::int64_t width;  // 1 .. kConvWidthMax
  std::int64_t begin;  // a multiple of kStateTile
  std::int64_t end;    // channels, or a multiple of kStateTile
  bool silu;
};
using CausalConvFn = void (*)(const CausalConvArgs&);

// delta_gates: decay[t, h] = exp(rate[h] * softplus(a[t, h] + dt_bias[h])),
//              beta[t, h]  = sigmoid(b[t, h])                                for delta_net
struct DeltaGatesArgs {
  const float* a;             // [rows, a_stride]
  std::int64_t a_stride;      // floats, >= heads
  const float* b;             // [rows, b_stride]
  std::int64_t b_stride;      // floats, >= heads
  const float* rate;          // [heads], -exp(A_log): negative
  const float* dt_bias;       // [heads]
  float* decay;               // [rows, decay_stride]; may be a
  std::int64_t decay_stride;  // floats, >= heads
  float* beta;                // [rows, beta_stride]; may be b
  std::int64_t beta_stride;   // floats, >= heads
  std::int64_t rows;
  std::int64_t heads;
};
using DeltaGatesFn = void (*)(const DeltaGatesArgs&);

// delta_net: one head of the gated delta rule, with the state S [key_dim, value_dim]:
//   S = decay[t] * S;   u = beta[t] * (v[t] - S^T k[t]);   S = S + k[t] u^T;   out[t] = S^T q[t]
// computed as
//   f = S^T k[t];  g = S^T q[t];   u = beta[t] * (v[t] - decay[t] * f)
//   S = decay[t] * S + k[t] u^T;   out[t] = decay[t] * g + (k[t] . q[t]) * u
// so that a row's change of S and the next row's products with it take one pass over S.
//
// Source: S. Yang, J. Kautz and A. Hatamizadeh, "Gated Delta Networks", 2024.
inline constexpr std::int64_t kDeltaKeyDimMax = 256;
struct DeltaNetArgs {
  const float* q;             // [rows, q_stride]: [key_dim], normalised and scaled
  std::int64_t q_stride;      // floats
  const float* k;             // [rows, k_stride]: [key_dim], normalised
  std::int64_t k_stride;      // floats
  const float* v;             // [rows, v_stride]: [value_dim]
  std::int64_t v_stride;      // floats
  const float* decay;         // [rows, decay_stride]: one number, 0 .. 1
  std::int64_t decay_stride;  // floats
  const float* beta;          // [rows, beta_stride]: one number
  std::int64_t beta_stride;   // floats
  float* out;                 // [rows, out_stride]: [value_dim], the tiles' columns; may be v
  std::int64_t out_stride;    // floats
  float* state;               // [state_floats(key_dim, value_dim)] of the head
  std::int64_t rows;          // >= 1
  std::int64_t key_dim;       // 1 .. kDeltaKeyDimMax
  std::int64_t value_dim;
  std::int64_t tile_begin;  // tiles of value_dim
  std::int64_t tile_end;
};
using DeltaNetFn = void (*)(const DeltaNetArgs&);

// selective_scan: Mamba-1, with the state h [state_dim, channels]:
//   dt = softplus(dt[t, c]);   h[n, c] = exp(dt * a[n, c]) * h[n, c] + b[t, n] * (dt * x[t, c])
//   y[t, c] = sum_n c[t, n] * h[n, c] + d[c] * x[t, c]
//
// Source: A. Gu and T. Dao, "Mamba", 2023.
struct SelectiveScanArgs {
  const float* x;          // [rows, x_stride]: [channels]
  std::int64_t x_stride;   // floats
  const float* dt;         // [rows, dt_stride]: [channels], the bias added
  std::int64_t dt_stride;  // floats
  const float* b;          // [rows, b_stride]: [state_dim]
  std::int64_t b_stride;   // floats
  const float* c;          // [rows, c_stride]: [state_dim]
  std::int64_t c_stride;   // floats
  const float* a;          // [state_floats(state_dim, channels)], -exp(A_log): negative; beyond the
                           // last channel anything finite that is not positive
  const float* d;          // [channels]
  float* y;                // [rows, y_stride]: the tiles' channels; may be x
  std::int64_t y_stride;   // floats
  float* state;            // [state_floats(state_dim, channels)]
  std::int64_t rows;       // >= 1
  std::int64_t channels;
  std::int64_t state_dim;   // >= 1
  std::int64_t tile_begin;  // tiles of channels
  std::int64_t tile_end;
};
using SelectiveScanFn = void (*)(const SelectiveScanArgs&);

// state_space: one head of Mamba-2, with the state S [state_dim, head_dim]:
//   dt = softplus(dt[t] + dt_bias);   S = exp(dt * a) * S + b[t] (dt * x[t])^T
//   y[t] = S^T c[t] + d * x[t]
//
// Source: T. Dao and A. Gu, "Transformers are SSMs", 2024.
struct StateSpaceArgs {
  const float* x;          // [rows, x_stride]: [head_dim]
  std::int64_t x_stride;   // floats
  const float* dt;         // [rows, dt_stride]: one number
  std::int64_t dt_stride;  // floats
  const float* b;          // [rows, b_stride]: [state_dim] of the head's group
  std::int64_t b_stride;   // floats
  const float* c;          // [rows, c_stride]: [state_dim] of the head's group
  std::int64_t c_stride;   // floats
  float* y;                // [rows, y_stride]: [head_dim], the tiles' columns; may be x
  std::int64_t y_stride;   // floats
  float* state;            // [state_floats(state_dim, head_dim)] of the head
  std::int64_t rows;       // >= 1
  std::int64_t state_dim;  // >= 1
  std::int64_t head_dim;
  std::int64_t tile_begin;  // tiles of head_dim
  std::int64_t tile_end;
  float a;  // -exp(A_log): negative
  float d;
  float dt_bias;
};
using StateSpaceFn = void (*)(const StateSpaceArgs&);

}  // namespace hearth::kernels
