// Speed of every variant that this CPU can run, on one thread, beside what the machine can do.
//
// bytes_per_second is weight (or key and value) bytes read; compare it with read_memory, which
// streams the same buffer.  flops counts a multiply-add as two; compare it with fma_peak.
// Weights cycle through a buffer much larger than the caches, as the layers of a model do.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/cpu_features.hpp"
#include "kernels/kernels.hpp"
#include "tests/kernels/recurrent_bench.hpp"

namespace hearth::kernels {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 20;
constexpr std::int64_t kWidth = 4096;

// Scales and weights that are small and finite in every format: each 16-bit word is 0x2c1d.
unsigned char* weight_buffer() {
  static unsigned char* const buffer = [] {
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    auto* bytes = static_cast<unsigned char*>(std::aligned_alloc(kHugePage, kBufferBytes));
    if (bytes == nullptr) std::abort();
    madvise(bytes, kBufferBytes, MADV_HUGEPAGE);
    for (std::size_t i = 0; i < kBufferBytes; ++i) bytes[i] = i % 2 == 0 ? 0x1d : 0x2c;
    return bytes;
  }();
  return buffer;
}

using Rate = benchmark::Counter;

void set_rates(benchmark::State& state, double bytes, double flops) {
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["bytes_per_second"] = Rate(bytes * rounds, Rate::kIsRate);
  if (flops > 0) state.counters["flops"] = Rate(flops * rounds, Rate::kIsRate);
}

// ---- What the machine can do -----------------------------------------------------------------

using Vector = float __attribute__((vector_size(32), may_alias, aligned(4)));

__attribute__((target("avx2,fma"))) void read_memory(benchmark::State& state) {
  const unsigned char* buffer = weight_buffer();
  for (auto _ : state) {
    Vector sum[8] = {};
    for (std::size_t i = 0; i < kBufferBytes; i += 256) {
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) sum[j] += *reinterpret_cast<const Vector*>(buffer + i + 32 * j);
    }
    for (int j = 1; j < 8; ++j) sum[0] += sum[j];
    benchmark::DoNotOptimize(sum[0]);
  }
  set_rates(state, kBufferBytes, 0);
}

__attribute__((target("avx2,fma"))) void fma_peak_avx2(benchmark::State& state) {
  constexpr int kSteps = 10000;
  Vector a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, i{}, j{};
  const Vector factor = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
  for (auto _ : state) {
    for (int step = 0; step < kSteps; ++step) {
      asm volatile(
          "vfmadd231ps %[x], %[x], %0\n\tvfmadd231ps %[x], %[x], %1\n\t"
          "vfmadd231ps %[x], %[x], %2\n\tvfmadd231ps %[x], %[x], %3\n\t"
          "vfmadd231ps %[x], %[x], %4\n\tvfmadd231ps %[x], %[x], %5\n\t"
          "vfmadd231ps %[x], %[x], %6\n\tvfmadd231ps %[x], %[x], %7\n\t"
          "vfmadd231ps %[x], %[x], %8\n\tvfmadd231ps %[x], %[x], %9"
          : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), "+x"(h), "+x"(i), "+x"(j)
          : [x] "x"(factor));
    }
  }
  set_rates(state, 0, 2.0 * 8 * 10 * kSteps);
}

// ---- The kernels -----------------------------------------------------------------------------

void bench_linear(benchmark::State& state, Entry<LinearFn, WeightFormat> entry,
                  std::int64_t tokens) {
  const auto bytes = static_cast<std::size_t>(panel_bytes(entry.format, kWidth, kWidth));
  std::vector<float> x(tokens * kWidth, 0.5f);
  std::vector<float> y(tokens * kWidth);
  std::vector<ActivationBlock> blocks(tokens * kWidth / kActivationCols);
  for (std::int64_t t = 0; t < tokens; ++t) {
    select_kernels(0).quantize_activations({x.data(), kWidth, blocks.data() + t, tokens});
  }
  std::size_t at = 0;
  for (auto _ : state) {
    if (at + bytes > kBufferBytes) at = 0;
    entry.fn({.panels = weight_buffer() + at,
              .rows = kWidth,
              .cols = kWidth,
              .group_begin = 0,
              .group_end = kWidth / kRowGroup,
              .x = x.data(),
              .x_stride = kWidth,
              .blocks = blocks.data(),
              .block_stride = tokens,
              .y = y.data(),
              .y_stride = kWidth,
              .tokens = tokens,
              .bias = nullptr,
              .accumulate = false});
    at += bytes;
    benchmark::DoNotOptimize(y.data());
  }
  set_rates(state, static_cast<double>(bytes), 2.0 * kWidth * kWidth * tokens);
}

// rows tokens of a sequence, the last at position depth - 1, that share one KV head: one row is
// decode, many are a tile of a prompt.  Other heads and layers lie between the strips of a page.
struct AttentionShape {
  std::int64_t depth, rows, group, head_dim;
};

void bench_attention(benchmark::State& state, Entry<AttentionFn, KvFormat> entry,
                     AttentionShape shape) {
  constexpr std::int64_t kPageTokens = 32, kStrips = 16;
  const std::int64_t heads = shape.rows * shape.group;
  const std::int64_t strip_bytes = kv_bytes(entry.format, kPageTokens * shape.head_dim);
  const auto page_bytes = static_cast<std::size_t>(kStrips * strip_bytes);
  const std::size_t slots = kBufferBytes / page_bytes;
  std::vector<float> q(heads * shape.head_dim, 0.01f);
  std::vector<float> result(attention_state_floats(heads, shape.head_dim));
  std::vector<float> scratch(attention_scratch_floats(heads, shape.head_dim, kPageTokens));
  std::vector<const std::byte*> pages(shape.depth / kPageTokens);
  std::size_t at = 0;
  for (auto _ : state) {
    for (const std::byte*& page : pages) {
      const std::size_t slot = at % slots, strip = at / slots % (kStrips / 2);
      page = reinterpret_cast<const std::byte*>(weight_buffer()) + slot * page_bytes +
             strip * strip_bytes;
      ++at;
    }
    entry.fn({.q = q.data(),
              .q_stride = shape.group * shape.head_dim,
              .pages = pages.data(),
              .k_offset = 0,
              .v_offset = kStrips / 2 * strip_bytes,
              .page_tokens = kPageTokens,
              .position = shape.depth - shape.rows,
              .rows = shape.rows,
              .begin = 0,
              .end = shape.depth,
              .group = shape.group,
              .head_dim = shape.head_dim,
              .scale = 0.088f,
              .state = result.data(),
              .scratch = scratch.data()});
    benchmark::DoNotOptimize(result.data());
  }
  set_rates(state, static_cast<double>(2 * kv_bytes(entry.format, shape.depth * shape.head_dim)),
            4.0 * static_cast<double>(shape.depth * shape.head_dim * heads));
}

void bench_rms_norm(benchmark::State& state, Entry<RmsNormFn> entry) {
  std::vector<float> x(kWidth, 0.5f), weight(kWidth, 1.0f), y(kWidth);
  for (auto _ : state) {
    entry.fn({x.data(), y.data(), weight.data(), 1, kWidth, kWidth, kWidth, 1e-5f});
    benchmark::DoNotOptimize(y.data());
  }
}

void bench_gated(benchmark::State& state, Entry<GatedFn, Activation> entry) {
  std::vector<float> gate(kWidth, 0.5f), up(kWidth, 0.0f);
  for (auto _ : state) {
    entry.fn({gate.data(), up.data(), kWidth});
    benchmark::DoNotOptimize(gate.data());
  }
}

// Logits of a large vocabulary: no more than a few near the largest.
constexpr std::int64_t kVocab = 151'936;

std::vector<float> make_logits() {
  std::vector<float> x(kVocab);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1000) * 0.01f;
  x[77] = 20;
  return x;
}

void bench_scan(benchmark::State& state, Entry<ScanFn> entry, bool wants_sum) {
  const std::vector<float> x = make_logits();
  std::vector<float> tops(kVocab / kScanBlock + 1);
  double sum = 0;
  for (auto _ : state) {
    entry.fn({x.data(), kVocab, tops.data(), 20, wants_sum ? &sum : nullptr});
    benchmark::DoNotOptimize(tops.data());
  }
}

template <class EntryT, class Fn, class... Args>
void add(const EntryT& entry, Fn bench, const std::string& suffix, Args... args) {
  if ((entry.needs & cpu_features()) != entry.needs) return;
  benchmark::RegisterBenchmark((entry.name + suffix).c_str(), bench, entry, args...)
      ->Unit(benchmark::kMicrosecond);
}

void add_attention(const Entry<AttentionFn, KvFormat>& entry,
                   std::initializer_list<AttentionShape> shapes) {
  for (const AttentionShape& shape : shapes) {
    add(entry, bench_attention,
        "/depth:" + std::to_string(shape.depth) + "/rows:" + std::to_string(shape.rows) +
            "/group:" + std::to_string(shape.group) + "/dim:" + std::to_string(shape.head_dim),
        shape);
  }
}

void add_all() {
  benchmark::RegisterBenchmark("read_memory", read_memory)->Unit(benchmark::kMicrosecond);
  if ((cpu_features() & kCpuAvx2) != 0) {
    benchmark::RegisterBenchmark("fma_peak_avx2", fma_peak_avx2)->Unit(benchmark::kMicrosecond);
  }
  for (const auto& entry : linear_table()) {
    for (std::int64_t tokens : {1, 2, 4, 8, 16, 64}) {
      add(entry, bench_linear, "/tokens:" + std::to_string(tokens), tokens);
    }
  }
  for (const auto& entry : attention_table()) {
    add_attention(entry, {{4096, 1, 1, 128},
                          {4096, 1, 4, 128},
                          {4096, 1, 8, 128},
                          {4096, 1, 7, 64},
                          {4096, 32, 2, 128},
                          {4096, 32, 4, 128},
                          {4096, 32, 7, 64}});
  }
  for (const auto& entry : attention_prompt_table()) {
    if (!std::string(entry.name).starts_with("attention_prompt_")) continue;
    add_attention(entry, {{4096, 32, 1, 128},
                          {4096, 32, 4, 128},
                          {16384, 32, 4, 128},
                          {16384, 32, 8, 128},
                          {16384, 32, 7, 64}});
  }
  for (const auto& entry : rms_norm_table()) add(entry, bench_rms_norm, "/cols:4096");
  for (const auto& entry : gated_table()) add(entry, bench_gated, "/count:4096");
  for (const auto& entry : scan_table()) {
    add(entry, bench_scan, "/count:151936/sum:0", false);
    add(entry, bench_scan, "/count:151936/sum:1", true);
  }
  add_recurrent_benchmarks();
}

}  // namespace
}  // namespace hearth::kernels

int main(int argc, char** argv) {
  (void)hearth::kernels::enable_amx();
  benchmark::Initialize(&argc, argv);
  hearth::kernels::add_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
