// Speed of recurrent layers as a fraction of what bounds them, measured in turn with it, so that a
// shared machine's noise meets both.
//
// decode: one row of states of 64 MiB in total, beside a plain loop that reads and writes as many
// bytes (of_update).  prompt: 256 rows of one state in cache, beside fused multiply-adds on
// registers (of_peak); an exp counts as one operation.
#include "tests/kernels/recurrent_bench.hpp"

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace hearth::kernels {
namespace {

constexpr std::int64_t kStateFloats = std::int64_t{16} << 20;  // 64 MiB
constexpr std::int64_t kPromptRows = 256;

// Memory in huge pages, with small numbers.
float* floats_of(std::int64_t count, float value) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
  auto* floats = static_cast<float*>(std::aligned_alloc(kHugePage, bytes));
  if (floats == nullptr) std::abort();
  madvise(floats, bytes, MADV_HUGEPAGE);
  for (std::int64_t i = 0; i < count; ++i) floats[i] = value;
  return floats;
}
// Four times as much, so that the caches hold nothing of the part whose turn it is.
constexpr int kParts = 4;
int part = 0;
float* states() {
  static float* const floats = floats_of(kParts * kStateFloats, 0.01f);
  return floats + part * kStateFloats;
}
// What selective_scan reads besides.
float* rates() {
  static float* const floats = floats_of(kParts * kStateFloats, -0.5f);
  return floats + part * kStateFloats;
}

// Of the thread alone: others may run on the same core.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}
double seconds_of(auto&& body) {
  const double begin = thread_seconds();
  body();
  return thread_seconds() - begin;
}

using Vector = float __attribute__((vector_size(32), may_alias));

// The same bytes as an operation over all states: with or without rates.
__attribute__((target("avx2,fma"))) void update_memory(bool with_rates) {
  const Vector* other = reinterpret_cast<const Vector*>(with_rates ? rates() : states());
  auto* at = reinterpret_cast<Vector*>(states());
  const Vector factor = {0.999f, 0.999f, 0.999f, 0.999f, 0.999f, 0.999f, 0.999f, 0.999f};
  for (std::int64_t i = 0; i < kStateFloats / 8; i += 8) {
#pragma GCC unroll 8
    for (std::int64_t j = i; j < i + 8; ++j) at[j] = at[j] * factor - other[j] * 1e-9f;
  }
}

// What a benchmark found: its own times, and the bound's beside each.
class Fractions {
 public:
  void add(double own, double bound) {
    own_.push_back(own);
    fractions_.push_back(bound / own);
  }
  // Medians: others' work on the machine makes some rounds slow.
  void report(benchmark::State& state, const char* rate, double amount, const char* of) {
    state.counters[rate] = amount / median(own_);
    state.counters[of] = median(fractions_);
  }

 private:
  static double median(std::vector<double>& values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
  std::vector<double> own_, fractions_;
};

// body, of so many bytes for all states, in turn with update_memory.
template <class Body>
void bench_decode(benchmark::State& state, bool with_rates, Body body) {
  const auto bytes = static_cast<double>(kStateFloats) * sizeof(float) * (with_rates ? 3 : 2);
  Fractions found;
  for (auto _ : state) {
    const double bound = seconds_of([&] { update_memory(with_rates); });
    part = (part + 1) % kParts;
    const double own = seconds_of(body);
    part = (part + 1) % kParts;
    state.SetIterationTime(own);
    found.add(own, bound);
  }
  found.report(state, "bytes_per_second", bytes, "of_update");
}

// body, of so many operations, in turn with the tier's own peak.
template <class Body>
void bench_prompt(benchmark::State& state, std::uint32_t needs, double operations, Body body) {
  const PeakProbeFn probe = select_kernels(needs).peak_probe[static_cast<int>(PeakKind::f32)];
  Fractions found;
  for (auto _ : state) {
    float out = 0;
    std::int64_t probed = 0;
    const double seconds = seconds_of([&] { probed = probe(20'000, &out); });
    benchmark::DoNotOptimize(out);
    const double own = seconds_of(body);
    state.SetIterationTime(own);
    found.add(own, seconds * operations / static_cast<double>(probed));
  }
  found.report(state, "flops", operations, "of_peak");
}

// ---- Operations: rows of all states from one on, until as many floats had their turn -----------

struct Buffers {
  explicit Buffers(std::int64_t width)
      : stride(width + 16),
        in(static_cast<std::size_t>(4 * kPromptRows * stride), 0.05f),
        out(static_cast<std::size_t>(kPromptRows * stride)) {}
  const float* input(int which) const { return in.data() + which * kPromptRows * stride; }

  std::int64_t stride;
  std::vector<float> in, out;
};

void run_delta_net(DeltaNetFn fn, std::int64_t rows, std::int64_t floats) {
  constexpr std::int64_t kKeys = 128, kValues = 128;
  static Buffers buffers(128);
  for (std::int64_t at = 0; at < floats; at += state_floats(kKeys, kValues)) {
    fn({.q = buffers.input(0),
        .q_stride = buffers.stride,
        .k = buffers.input(1),
        .k_stride = buffers.stride,
        .v = buffers.input(2),
        .v_stride = buffers.stride,
        .decay = buffers.input(3),
        .decay_stride = buffers.stride,
        .beta = buffers.input(3),
        .beta_stride = buffers.stride,
        .out = buffers.out.data(),
        .out_stride = buffers.stride,
        .state = states() + at,
        .rows = rows,
        .key_dim = kKeys,
        .value_dim = kValues,
        .tile_begin = 0,
        .tile_end = state_tiles(kValues)});
  }
}

void run_state_space(StateSpaceFn fn, std::int64_t rows, std::int64_t floats) {
  constexpr std::int64_t kStates = 128, kHeadDim = 64;
  static Buffers buffers(128);
  for (std::int64_t at = 0; at < floats; at += state_floats(kStates, kHeadDim)) {
    fn({.x = buffers.input(0),
        .x_stride = buffers.stride,
        .dt = buffers.input(1),
        .dt_stride = buffers.stride,
        .b = buffers.input(2),
        .b_stride = buffers.stride,
        .c = buffers.input(3),
        .c_stride = buffers.stride,
        .y = buffers.out.data(),
        .y_stride = buffers.stride,
        .state = states() + at,
        .rows = rows,
        .state_dim = kStates,
        .head_dim = kHeadDim,
        .tile_begin = 0,
        .tile_end = state_tiles(kHeadDim),
        .a = -0.5f,
        .d = 1,
        .dt_bias = 0});
  }
}

void run_selective_scan(SelectiveScanFn fn, std::int64_t rows, std::int64_t floats) {
  constexpr std::int64_t kStates = 16, kChannels = 2048;
  static Buffers buffers(kChannels);
  for (std::int64_t at = 0; at < floats; at += state_floats(kStates, kChannels)) {
    fn({.x = buffers.input(0),
        .x_stride = buffers.stride,
        .dt = buffers.input(1),
        .dt_stride = buffers.stride,
        .b = buffers.input(2),
        .b_stride = buffers.stride,
        .c = buffers.input(3),
        .c_stride = buffers.stride,
        .a = rates() + at,
        .d = buffers.input(3),
        .y = buffers.out.data(),
        .y_stride = buffers.stride,
        .state = states() + at,
        .rows = rows,
        .channels = kChannels,
        .state_dim = kStates,
        .tile_begin = 0,
        .tile_end = state_tiles(kChannels)});
  }
}

// A layer of 8192 channels, rows of a prompt or one.
void bench_conv(benchmark::State& state, const Entry<CausalConvFn>& entry, std::int64_t rows) {
  constexpr std::int64_t kChannels = 8192, kWidth = 4;
  Buffers buffers(kChannels);
  std::vector<float> weight(kWidth * kChannels, 0.1f), tail((kWidth - 1) * kChannels);
  const CausalConvArgs args{.x = buffers.input(0),
                            .x_stride = buffers.stride,
                            .y = buffers.out.data(),
                            .y_stride = buffers.stride,
                            .weight = weight.data(),
                            .bias = nullptr,
                            .tail = tail.data(),
                            .rows = rows,
                            .channels = kChannels,
                            .width = kWidth,
                            .begin = 0,
                            .end = kChannels,
                            .silu = true};
  for (auto _ : state) state.SetIterationTime(seconds_of([&] { entry.fn(args); }));
}

// Of an operation: run(fn, rows, floats), operations for each float of the state and row.
template <class Fn, class Run>
void add(Table<Entry<Fn>> table, std::int64_t floats, double operations, bool with_rates, Run run) {
  for (const Entry<Fn>& entry : table) {
    if ((entry.needs & cpu_features()) != entry.needs) continue;
    const std::string name = entry.name;
    benchmark::RegisterBenchmark((name + "/decode").c_str(),
                                 [=](benchmark::State& state) {
                                   bench_decode(state, with_rates,
                                                [&] { run(entry.fn, 1, kStateFloats); });
                                 })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
    const auto all = operations * static_cast<double>(floats * kPromptRows);
    benchmark::RegisterBenchmark((name + "/prompt").c_str(),
                                 [=](benchmark::State& state) {
                                   bench_prompt(state, entry.needs, all,
                                                [&] { run(entry.fn, kPromptRows, floats); });
                                 })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace

void add_recurrent_benchmarks() {
  add(delta_net_table(), state_floats(128, 128), 7, false, run_delta_net);
  add(state_space_table(), state_floats(128, 64), 5, false, run_state_space);
  add(selective_scan_table(), state_floats(16, 2048), 7, true, run_selective_scan);
  for (const Entry<CausalConvFn>& entry : causal_conv_table()) {
    if ((entry.needs & cpu_features()) != entry.needs) continue;
    for (const std::int64_t rows : {std::int64_t{1}, kPromptRows}) {
      benchmark::RegisterBenchmark(
          (std::string(entry.name) + "/rows:" + std::to_string(rows)).c_str(),
          [=](benchmark::State& state) { bench_conv(state, entry, rows); })
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace hearth::kernels
