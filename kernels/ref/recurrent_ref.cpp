// The portable kernels of recurrent layers: see recurrent.hpp.
#include <algorithm>
#include <cmath>

#include "kernels/variants.hpp"

namespace hearth::kernels {
namespace {

// log(1 + exp(x)), without overflow and exact for small results.
float softplus(float x) {
  return std::fmax(x, 0.0f) + std::log1p(std::exp(-std::fabs(x)));
}
float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

// 16 columns of a row; 0 beyond its end.
struct Columns {
  float at[kStateTile] = {};

  Columns() = default;
  Columns(const float* row, std::int64_t begin, std::int64_t end) {
    std::copy_n(row + begin, std::min(kStateTile, end - begin), at);
  }
  void store(float* row, std::int64_t begin, std::int64_t end) const {
    std::copy_n(at, std::min(kStateTile, end - begin), row + begin);
  }
};

float dot(const float* a, const float* b, std::int64_t count) {
  float sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void conv_channel(const CausalConvArgs& args, std::int64_t channel) {
  const std::int64_t before = args.width - 1;
  float seen[kConvWidthMax] = {};  // the last width inputs, the oldest first
  for (std::int64_t j = 0; j < before; ++j) seen[j + 1] = args.tail[j * args.channels + channel];
  for (std::int64_t row = 0; row < args.rows; ++row) {
    std::copy_n(seen + 1, before, seen);
    seen[before] = args.x[row * args.x_stride + channel];
    float sum = args.bias != nullptr ? args.bias[channel] : 0.0f;
    for (std::int64_t j = 0; j < args.width; ++j) {
      sum += args.weight[j * args.channels + channel] * seen[j];
    }
    args.y[row * args.y_stride + channel] = args.silu ? sum * sigmoid(sum) : sum;
  }
  for (std::int64_t j = 0; j < before; ++j) args.tail[j * args.channels + channel] = seen[j + 1];
}

// One row and one tile of delta_net.
void delta_step(const DeltaNetArgs& args, std::int64_t row, std::int64_t tile) {
  const float* q = args.q + row * args.q_stride;
  const float* k = args.k + row * args.k_stride;
  const float decay = args.decay[row * args.decay_stride];
  const float beta = args.beta[row * args.beta_stride];
  float* state = args.state + tile * args.key_dim * kStateTile;
  Columns found, out;
  for (std::int64_t i = 0; i < args.key_dim; ++i) {
    for (std::int64_t j = 0; j < kStateTile; ++j) {
      found.at[j] += state[i * kStateTile + j] * k[i];
      out.at[j] += state[i * kStateTile + j] * q[i];
    }
  }
  Columns u(args.v + row * args.v_stride, tile * kStateTile, args.value_dim);
  const float overlap = dot(k, q, args.key_dim);
  for (std::int64_t j = 0; j < kStateTile; ++j) {
    u.at[j] = beta * (u.at[j] - decay * found.at[j]);
    out.at[j] = decay * out.at[j] + overlap * u.at[j];
  }
  for (std::int64_t i = 0; i < args.key_dim; ++i) {
    for (std::int64_t j = 0; j < kStateTile; ++j) {
      state[i * kStateTile + j] = decay * state[i * kStateTile + j] + k[i] * u.at[j];
    }
  }
  out.store(args.out + row * args.out_stride, tile * kStateTile, args.value_dim);
}

// One row and one tile of selective_scan.
void scan_step(const SelectiveScanArgs& args, std::int64_t row, std::int64_t tile) {
  const std::int64_t begin = tile * kStateTile;
  const float* b = args.b + row * args.b_stride;
  const float* c = args.c + row * args.c_stride;
  const float* a = args.a + begin * args.state_dim;
  float* state = args.state + begin * args.state_dim;
  const Columns x(args.x + row * args.x_stride, begin, args.channels);
  const Columns d(args.d, begin, args.channels);
  Columns dt(args.dt + row * args.dt_stride, begin, args.channels);
  Columns y;
  for (float& value : dt.at) value = softplus(value);
  for (std::int64_t n = 0; n < args.state_dim; ++n) {
    for (std::int64_t j = 0; j < kStateTile; ++j) {
      float& h = state[n * kStateTile + j];
      h = std::exp(dt.at[j] * a[n * kStateTile + j]) * h + b[n] * (dt.at[j] * x.at[j]);
      y.at[j] += c[n] * h;
    }
  }
  for (std::int64_t j = 0; j < kStateTile; ++j) y.at[j] += d.at[j] * x.at[j];
  y.store(args.y + row * args.y_stride, begin, args.channels);
}

// One row and one tile of state_space.
void space_step(const StateSpaceArgs& args, std::int64_t row, std::int64_t tile) {
  const float* b = args.b + row * args.b_stride;
  const float* c = args.c + row * args.c_stride;
  const float dt = softplus(args.dt[row * args.dt_stride] + args.dt_bias);
  const float decay = std::exp(dt * args.a);
  float* state = args.state + tile * args.state_dim * kStateTile;
  const Columns x(args.x + row * args.x_stride, tile * kStateTile, args.head_dim);
  Columns y;
  for (std::int64_t n = 0; n < args.state_dim; ++n) {
    for (std::int64_t j = 0; j < kStateTile; ++j) {
      float& s = state[n * kStateTile + j];
      s = decay * s + b[n] * (dt * x.at[j]);
      y.at[j] += c[n] * s;
    }
  }
  for (std::int64_t j = 0; j < kStateTile; ++j) y.at[j] += args.d * x.at[j];
  y.store(args.y + row * args.y_stride, tile * kStateTile, args.head_dim);
}

// step(args, row, tile) of all rows of each tile.
template <class Args, class Step>
void for_each_step(const Args& args, Step step) {
  for (std::int64_t tile = args.tile_begin; tile < args.tile_end; ++tile) {
    for (std::int64_t row = 0; row < args.rows; ++row) step(args, row, tile);
  }
}

}  // namespace

void causal_conv_ref(const CausalConvArgs& args) {
  for (std::int64_t channel = args.begin; channel < args.end; ++channel) {
    conv_channel(args, channel);
  }
}

void delta_gates_ref(const DeltaGatesArgs& args) {
  for (std::int64_t row = 0; row < args.rows; ++row) {
    for (std::int64_t head = 0; head < args.heads; ++head) {
      const float dt = softplus(args.a[row * args.a_stride + head] + args.dt_bias[head]);
      args.decay[row * args.decay_stride + head] = std::exp(args.rate[head] * dt);
      args.beta[row * args.beta_stride + head] = sigmoid(args.b[row * args.b_stride + head]);
    }
  }
}

void delta_net_ref(const DeltaNetArgs& args) {
  for_each_step(args, delta_step);
}
void selective_scan_ref(const SelectiveScanArgs& args) {
  for_each_step(args, scan_step);
}
void state_space_ref(const StateSpaceArgs& args) {
  for_each_step(args, space_step);
}

}  // namespace hearth::kernels
