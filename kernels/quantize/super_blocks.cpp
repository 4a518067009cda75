// The formats with super-blocks of 256: sub-blocks whose scales are integers, times one float16.
//
// First every sub-block gets the scale that suits it alone.  Then, in turns: the integers that
// stand for the scales are chosen, each with its neighbours, for the float16 that is given; and the
// float16 is chosen, in closed form, for the integers.  The best of the turns is kept.
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/half.hpp"
#include "kernels/quant.h"
#include "kernels/quantize/blocks.hpp"
#include "kernels/quantize/fit.hpp"

namespace hearth::kernels {
namespace {

constexpr int kTurns = 3;

using Numbers = std::array<std::uint8_t, kSuperBlock>;  // q of every weight, as it is stored

// ---- w = d * scale * q - dmin * min ------------------------------------------------------------

template <int kSub, int kHigh, int kScaleHigh>
class LineFit {
 public:
  static constexpr int kSubs = kSuperBlock / kSub;
  struct Result {
    std::uint16_t d = 0, dmin = 0;
    int scale[kSubs] = {}, min[kSubs] = {};
    Numbers q = {};
  };

  explicit LineFit(const float* x) : x_(x) {
    float scale_max = 0, min_max = 0;
    for (int s = 0; s < kSubs; ++s) {
      lines_[s] = fit_line(x + s * kSub, kSub, kHigh, /*any_offset=*/false);
      scale_max = std::fmax(scale_max, lines_[s].scale);
      min_max = std::fmax(min_max, -lines_[s].offset);
    }
    float d = scale_max / kScaleHigh, dmin = min_max / kScaleHigh;
    double best = INFINITY;
    for (int turn = 0; turn < kTurns; ++turn) {
      const double error = choose_integers(f16_from_float(d), f16_from_float(dmin));
      if (error < best) {
        best = error;
        best_ = now_;
      }
      if (!choose_scales(d, dmin)) break;
    }
  }
  const Result& best() const { return best_; }

 private:
  // Squared error of a sub-block with these integers; its q are left in q.
  double round(int s, float scale, float min, std::uint8_t* q) const {
    const float* x = x_ + s * kSub;
    const float inverse_scale = inverse(scale);
    float error = 0;
    for (int l = 0; l < kSub; ++l) {
      const int number = round_to(inverse_scale * (x[l] + min), 0, kHigh);
      const float miss = x[l] + min - scale * static_cast<float>(number);
      q[l] = static_cast<std::uint8_t>(number);
      error += miss * miss;
    }
    return static_cast<double>(error);
  }

  double choose_integers(std::uint16_t d_bits, std::uint16_t dmin_bits) {
    const float d = float_from_f16(d_bits), dmin = float_from_f16(dmin_bits);
    now_.d = d_bits;
    now_.dmin = dmin_bits;
    double total = 0;
    for (int s = 0; s < kSubs; ++s) {
      const int scale = round_to(inverse(d) * lines_[s].scale, 0, kScaleHigh);
      const int min = round_to(inverse(dmin) * -lines_[s].offset, 0, kScaleHigh);
      double least = INFINITY;
      for (int i = -1; i <= 1; ++i) {
        for (int j = -1; j <= 1; ++j) {
          const int a = scale + i, b = min + j;
          if (a < 0 || a > kScaleHigh || b < 0 || b > kScaleHigh) continue;
          std::uint8_t q[kSub];
          const double error = round(s, d * static_cast<float>(a), dmin * static_cast<float>(b), q);
          if (!(error < least) && least != INFINITY) continue;
          least = error;
          now_.scale[s] = a;
          now_.min[s] = b;
          std::memcpy(now_.q.data() + s * kSub, q, sizeof(q));
        }
      }
      total += least;
    }
    return total;
  }

  // The d and dmin of least error for the integers of now_; false when there are none.
  bool choose_scales(float& d, float& dmin) const {
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int i = 0; i < kSuperBlock; ++i) {
      const double a = now_.scale[i / kSub] * now_.q[static_cast<std::size_t>(i)];
      const double b = -now_.min[i / kSub];
      const double x = static_cast<double>(x_[i]);
      aa += a * a, ab += a * b, bb += b * b, xa += x * a, xb += x * b;
    }
    const double determinant = aa * bb - ab * ab;
    if (determinant > 1e-9 * aa * bb) {
      d = static_cast<float>((xa * bb - xb * ab) / determinant);
      dmin = static_cast<float>((xb * aa - xa * ab) / determinant);
    } else if (aa > 0) {
      d = static_cast<float>(xa / aa);
      dmin = 0;
    } else {
      return false;
    }
    return d > 0 && dmin >= 0;
  }

  const float* x_;
  Line lines_[kSubs];
  Result now_, best_;
};

// ---- w = d * scale * value(q) ------------------------------------------------------------------

// Integers from kLow to kHigh, stored with -kLow added.
template <int kLow, int kHigh>
struct Integers {
  static float fit(const float* x, int n) { return fit_symmetric(x, n, kLow, kHigh); }
  static int stored(float x) { return round_to(x, kLow, kHigh) - kLow; }
  static float value(int stored) { return static_cast<float>(stored + kLow); }
};
struct Iq4Grid {
  static float fit(const float* x, int n) { return fit_values(x, n, kIq4Values); }
  static int stored(float x) { return nearest(kIq4Values, x); }
  static float value(int stored) { return kIq4Values[stored]; }
};

template <class Grid, int kSub, int kScaleLow>
class ScaleFit {
 public:
  static constexpr int kSubs = kSuperBlock / kSub;
  static constexpr int kScaleHigh = -kScaleLow - 1;
  struct Result {
    std::uint16_t d = 0;
    int scale[kSubs] = {};
    Numbers q = {};
  };

  explicit ScaleFit(const float* x) : x_(x) {
    for (int s = 0; s < kSubs; ++s) scales_[s] = Grid::fit(x + s * kSub, kSub);
    float d = extreme(scales_, kSubs) / kScaleLow;
    double best = INFINITY;
    for (int turn = 0; turn < kTurns; ++turn) {
      const double error = choose_integers(f16_from_float(d));
      if (error < best) {
        best = error;
        best_ = now_;
      }
      if (!choose_scale(d)) break;
    }
  }
  const Result& best() const { return best_; }

 private:
  double round(int s, float scale, std::uint8_t* q) const {
    const float* x = x_ + s * kSub;
    const float inverse_scale = inverse(scale);
    float error = 0;
    for (int l = 0; l < kSub; ++l) {
      const int stored = Grid::stored(inverse_scale * x[l]);
      const float miss = x[l] - scale * Grid::value(stored);
      q[l] = static_cast<std::uint8_t>(stored);
      error += miss * miss;
    }
    return static_cast<double>(error);
  }

  double choose_integers(std::uint16_t d_bits) {
    const float d = float_from_f16(d_bits);
    now_.d = d_bits;
    double total = 0;
    for (int s = 0; s < kSubs; ++s) {
      const int scale = round_to(inverse(d) * scales_[s], kScaleLow, kScaleHigh);
      double least = INFINITY;
      for (int a = scale - 1; a <= scale + 1; ++a) {
        if (a < kScaleLow || a > kScaleHigh) continue;
        std::uint8_t q[kSub];
        const double error = round(s, d * static_cast<float>(a), q);
        if (!(error < least) && least != INFINITY) continue;
        least = error;
        now_.scale[s] = a;
        std::memcpy(now_.q.data() + s * kSub, q, sizeof(q));
      }
      total += least;
    }
    return total;
  }

  bool choose_scale(float& d) const {
    double aa = 0, xa = 0;
    for (int i = 0; i < kSuperBlock; ++i) {
      const double a = static_cast<double>(Grid::value(now_.q[static_cast<std::size_t>(i)])) *
                       now_.scale[i / kSub];
      aa += a * a;
      xa += static_cast<double>(x_[i]) * a;
    }
    if (aa > 0) d = static_cast<float>(xa / aa);
    return aa > 0;
  }

  const float* x_;
  float scales_[kSubs];
  Result now_, best_;
};

// ---- storing -----------------------------------------------------------------------------------

std::uint8_t byte(int value) {
  return static_cast<std::uint8_t>(value);
}

// Bits [shift, shift + 2) of every number: weight 128 h + 32 j + l at bits 2 j of byte 32 h + l.
void put_two_bits(const Numbers& q, int shift, std::uint8_t (&out)[64]) {
  std::memset(out, 0, sizeof(out));
  for (int i = 0; i < kSuperBlock; ++i) {
    const int number = q[static_cast<std::size_t>(i)] >> shift & 3;
    out[i / 128 * 32 + i % 32] |= byte(number << (i % 128 / 32 * 2));
  }
}

// Scales and mins of 6 bits, as BlockQ4K describes them.
void put_scales(const int (&scale)[8], const int (&min)[8], std::uint8_t (&out)[12]) {
  for (int s = 0; s < 4; ++s) {
    out[s] = byte(scale[s] | scale[s + 4] >> 4 << 6);
    out[s + 4] = byte(min[s] | min[s + 4] >> 4 << 6);
    out[s + 8] = byte((scale[s + 4] & 15) | (min[s + 4] & 15) << 4);
  }
}

// Weight 64 g + l in the low and weight 64 g + 32 + l in the high nibble of byte 32 g + l.
void put_nibbles(const Numbers& q, std::uint8_t (&out)[128]) {
  for (int i = 0; i < 128; ++i) {
    const auto low = static_cast<std::size_t>(i / 32 * 64 + i % 32);
    out[i] = byte((q[low] & 15) | (q[low + 32] & 15) << 4);
  }
}

}  // namespace

void quantize_block(const float* x, BlockQ2K& block) {
  const auto fit = LineFit<16, 3, 15>(x).best();
  block.d = fit.d;
  block.dmin = fit.dmin;
  for (int s = 0; s < 16; ++s) block.scales[s] = byte(fit.scale[s] | fit.min[s] << 4);
  put_two_bits(fit.q, 0, block.q);
}

void quantize_block(const float* x, BlockQ3K& block) {
  const auto fit = ScaleFit<Integers<-4, 3>, 16, -32>(x).best();
  block.d = fit.d;
  std::memset(block.scales, 0, sizeof(block.scales));
  for (int s = 0; s < 16; ++s) {
    const int scale = fit.scale[s] + 32;
    block.scales[s % 8] |= byte((scale & 15) << (s / 8 * 4));
    block.scales[8 + s % 4] |= byte(scale >> 4 << (s / 4 * 2));
  }
  put_two_bits(fit.q, 0, block.q);
  std::memset(block.high, 0, sizeof(block.high));
  for (int i = 0; i < kSuperBlock; ++i) {
    block.high[i % 32] |= byte(fit.q[static_cast<std::size_t>(i)] >> 2 << (i / 32));
  }
}

void quantize_block(const float* x, BlockQ4K& block) {
  const auto fit = LineFit<32, 15, 63>(x).best();
  block.d = fit.d;
  block.dmin = fit.dmin;
  put_scales(fit.scale, fit.min, block.scales);
  put_nibbles(fit.q, block.q);
}

void quantize_block(const float* x, BlockQ5K& block) {
  const auto fit = LineFit<32, 31, 63>(x).best();
  block.d = fit.d;
  block.dmin = fit.dmin;
  put_scales(fit.scale, fit.min, block.scales);
  put_nibbles(fit.q, block.q);
  std::memset(block.high, 0, sizeof(block.high));
  for (int i = 0; i < kSuperBlock; ++i) {
    block.high[i % 32] |= byte(fit.q[static_cast<std::size_t>(i)] >> 4 << (i / 32));
  }
}

void quantize_block(const float* x, BlockQ6K& block) {
  const auto fit = ScaleFit<Integers<-32, 31>, 16, -128>(x).best();
  block.d = fit.d;
  for (int s = 0; s < 16; ++s) block.scales[s] = static_cast<std::int8_t>(fit.scale[s]);
  for (int i = 0; i < 128; ++i) {
    const auto low = static_cast<std::size_t>(i / 64 * 128 + i % 64);
    block.low[i] = byte((fit.q[low] & 15) | (fit.q[low + 64] & 15) << 4);
  }
  put_two_bits(fit.q, 4, block.high);
}

void quantize_block(const float* x, BlockIq4Xs& block) {
  const auto fit = ScaleFit<Iq4Grid, 32, -32>(x).best();
  block.d = fit.d;
  block.scales_high = 0;
  std::memset(block.scales_low, 0, sizeof(block.scales_low));
  for (int s = 0; s < 8; ++s) {
    const int scale = fit.scale[s] + 32;
    block.scales_low[s / 2] |= byte((scale & 15) << (s % 2 * 4));
    block.scales_high = static_cast<std::uint16_t>(block.scales_high | scale >> 4 << (2 * s));
  }
  for (int i = 0; i < 128; ++i) {
    const auto low = static_cast<std::size_t>(i / 16 * 32 + i % 16);
    block.q[i] = byte(fit.q[low] | fit.q[low + 16] << 4);
  }
}

}  // namespace hearth::kernels
