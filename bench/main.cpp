// hearth-bench: how fast the daemon's engine runs a model here, as a fraction of what this machine
// can do.
//
// Limits and rows are measured in turn, several rounds of both: machines are shared and noisy, and
// a fraction is true only where both of its parts were measured at the same time.  What is told is
// the median of the rounds.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "bench/machine.hpp"
#include "bench/model_runner.hpp"
#include "cache/topology.hpp"
#include "cli/json.hpp"
#include "cli/table.hpp"
#include "files/mapped_file.hpp"
#include "kernels/cpu_features.hpp"

namespace hearth::bench {
namespace {

struct Options {
  std::string model;
  std::vector<std::uint32_t> prompts = {512};
  std::vector<std::uint32_t> generated = {64};
  std::vector<std::uint32_t> depths = {0};
  std::vector<std::uint32_t> sequences = {1};
  int threads = 0;
  int rounds = 5;
  std::string kv_type = "auto";
  std::string tier = "auto";
  std::uint64_t probe_mib = 2048;
  bool json = false;
};

constexpr const char* kExamples = R"(
  hearth-bench                                   the machine alone
  hearth-bench -m model.gguf -p 512 -n 64 -d 0,4096
  hearth-bench -m model.gguf -p 0 -n 64 -b 1,8 --json | jq '.rows[].fraction_of_limit'

pp512: a prompt of 512 tokens; tg64: 64 tokens generated; @d4096: after 4096 tokens in the cache;
x8: by 8 sequences together.  The limit of pp is the peak of the arithmetic for the model's weights,
that of tg the bandwidth of reading them and the cache.)";

// What is measured, and what came of it.
struct Row {
  std::uint32_t prompt = 0;     // tokens; 0: it generates
  std::uint32_t generated = 0;  // tokens
  std::uint32_t depth = 0;
  std::uint32_t sequences = 1;
  std::vector<double> tokens_per_s = {};
  std::vector<double> done = {};  // operations or bytes per second
  std::vector<double> fraction = {};

  bool is_prefill() const { return prompt != 0; }
  std::string name() const {
    std::string text = is_prefill() ? fmt::format("pp{}", prompt) : fmt::format("tg{}", generated);
    if (depth != 0) text += fmt::format("@d{}", depth);
    if (sequences != 1) text += fmt::format("x{}", sequences);
    return text;
  }
};

std::vector<Row> rows_of(const Options& options) {
  std::vector<Row> rows;
  for (const std::uint32_t depth : options.depths) {
    for (const std::uint32_t prompt : options.prompts) {
      if (prompt != 0) rows.push_back({.prompt = prompt, .depth = depth});
    }
    for (const std::uint32_t generated : options.generated) {
      for (const std::uint32_t sequences : options.sequences) {
        if (generated == 0) continue;
        rows.push_back({.generated = generated, .depth = depth, .sequences = sequences});
      }
    }
  }
  return rows;
}

const char* name_of(kernels::PeakKind kind) {
  switch (kind) {
    case kernels::PeakKind::f32: return "f32";
    case kernels::PeakKind::bf16: return "bf16";
    case kernels::PeakKind::int8: return "int8";
  }
  return "";
}

// The arithmetic that a machine has at its best for weights of a format.
kernels::PeakKind peak_for(kernels::WeightFormat format) {
  switch (format) {
    case kernels::WeightFormat::f32:
    case kernels::WeightFormat::f16: return kernels::PeakKind::f32;
    case kernels::WeightFormat::bf16: return kernels::PeakKind::bf16;
    default: return kernels::PeakKind::int8;
  }
}

Status measure(Row& row, ModelRunner& runner, const Machine& machine) {
  const Work& work = runner.work();
  if (row.is_prefill()) {
    const double limit = machine.peak_ops(peak_for(runner.format()), /*one_core=*/false);
    HEARTH_TRY(const double speed, runner.prefill(row.depth, row.prompt));
    const auto ops = static_cast<double>(work.prefill_ops(row.depth, row.depth + row.prompt));
    row.tokens_per_s.push_back(speed);
    row.done.push_back(speed / row.prompt * ops);
    row.fraction.push_back(row.done.back() / limit);
  } else {
    const double limit = machine.read_bytes(/*one_core=*/false);
    HEARTH_TRY(const double speed, runner.decode(row.depth, row.generated, row.sequences));
    const std::uint64_t middle = std::max(1U, row.depth) + row.generated / 2;
    const auto bytes = static_cast<double>(work.decode_bytes(row.sequences, middle));
    row.tokens_per_s.push_back(speed);
    row.done.push_back(speed / row.sequences * bytes);
    row.fraction.push_back(row.done.back() / limit);
  }
  return {};
}

struct MachineFigures {
  int threads = 0;
  std::string tier;
  double read[2] = {};  // bytes per second: one core, all
  double peak[kernels::kPeakKindCount][2] = {};
};

MachineFigures measure_machine(const Machine& machine, int threads, const char* tier, int rounds) {
  MachineFigures figures = {.threads = threads, .tier = tier};
  for (const bool one_core : {true, false}) {
    std::vector<double> read;
    for (int i = 0; i < rounds; ++i) read.push_back(machine.read_bytes(one_core));
    figures.read[one_core ? 0 : 1] = median(read);
    for (int kind = 0; kind < kernels::kPeakKindCount; ++kind) {
      std::vector<double> peak;
      for (int i = 0; i < rounds; ++i) {
        peak.push_back(machine.peak_ops(static_cast<kernels::PeakKind>(kind), one_core));
      }
      figures.peak[kind][one_core ? 0 : 1] = median(peak);
    }
  }
  return figures;
}

std::string machine_text(const MachineFigures& figures) {
  cli::Table table({"MACHINE", ">1 CORE", fmt::format(">{} CORES", figures.threads)});
  table.add({"read GB/s", fmt::format("{:.1f}", figures.read[0] / 1e9),
             fmt::format("{:.1f}", figures.read[1] / 1e9)});
  for (int kind = 0; kind < kernels::kPeakKindCount; ++kind) {
    table.add({fmt::format("{} TOPS", name_of(static_cast<kernels::PeakKind>(kind))),
               fmt::format("{:.3f}", figures.peak[kind][0] / 1e12),
               fmt::format("{:.3f}", figures.peak[kind][1] / 1e12)});
  }
  return fmt::format("kernels: {}\n\n{}", figures.tier, table.text());
}

std::string rows_text(const std::vector<Row>& rows) {
  cli::Table table({"TEST", ">TOKENS/S", ">DONE", "", ">OF THE LIMIT"});
  for (const Row& row : rows) {
    const double done = median(row.done);
    table.add(
        {row.name(), fmt::format("{:.1f}", median(row.tokens_per_s)),
         row.is_prefill() ? fmt::format("{:.3f}", done / 1e12) : fmt::format("{:.1f}", done / 1e9),
         row.is_prefill() ? "TOPS" : "GB/s", fmt::format("{:.1f} %", 100 * median(row.fraction))});
  }
  return table.text();
}

std::string json_text(const MachineFigures& figures, const std::vector<Row>& rows) {
  const auto pair = [](const double(&values)[2], double unit) {
    cli::JsonObject object;
    object.add("one_core", values[0] / unit).add("all_cores", values[1] / unit);
    return object;
  };
  cli::JsonObject machine;
  machine.add("threads", std::int64_t{figures.threads})
      .add("tier", figures.tier)
      .add("read_gb_per_s", pair(figures.read, 1e9));
  for (int kind = 0; kind < kernels::kPeakKindCount; ++kind) {
    machine.add(fmt::format("{}_tops", name_of(static_cast<kernels::PeakKind>(kind))).c_str(),
                pair(figures.peak[kind], 1e12));
  }
  std::string list;
  for (const Row& row : rows) {
    cli::JsonObject object;
    object.add("test", row.name())
        .add("tokens_per_s", median(row.tokens_per_s))
        .add(row.is_prefill() ? "tops" : "gb_per_s",
             median(row.done) / (row.is_prefill() ? 1e12 : 1e9))
        .add("fraction_of_limit", median(row.fraction))
        .add("rounds", static_cast<std::int64_t>(row.fraction.size()));
    list += (list.empty() ? "" : ",") + object.text();
  }
  cli::JsonObject document;
  document.add("machine", std::move(machine)).add_json("rows", "[" + list + "]");
  return document.text() + '\n';
}

Status run(const Options& options) {
  guard_mappings();
  HEARTH_TRY(const std::uint32_t features, features_of_tier(options.tier));
  HEARTH_TRY(const auto topology, cache::Topology::discover());
  const int threads = options.threads != 0 ? options.threads : topology.core_count();
  WorkerPool pool(threads, &topology);
  pool.settle_caller();
  const kernels::KernelSet kernels = kernels::select_kernels(features);
  HEARTH_TRY(const Machine machine, Machine::create(&pool, kernels, options.probe_mib << 20));
  const MachineFigures figures = measure_machine(machine, threads, kernels.tier, options.rounds);

  std::vector<Row> rows;
  if (!options.model.empty()) {
    rows = rows_of(options);
    std::uint32_t context = 64;
    for (const Row& row : rows) {
      context = std::max(context, row.depth + row.prompt + row.generated + 64);
    }
    const auto memory = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                        static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    HEARTH_TRY(const auto runner, ModelRunner::create({.path = options.model,
                                                       .context = context,
                                                       .kv_type = kv_type_of(options.kv_type),
                                                       .cpu_features = features,
                                                       .kv_bytes = memory / 4},
                                                      &pool));
    for (int round = 0; round < options.rounds; ++round) {
      for (Row& row : rows) HEARTH_CHECK(measure(row, *runner, machine));
    }
  }
  std::string text;
  if (options.json) {
    text = json_text(figures, rows);
  } else {
    text = machine_text(figures);
    if (!rows.empty()) text += '\n' + rows_text(rows);
  }
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0 ? Status() : Status(Error{Code::IO, "write standard output"});
}

int main(int argc, char** argv) {
  if (const int refused = kernels::enable_amx(); refused != 0) {
    fmt::print(stderr, "hearth-bench: no AMX: {}\n", std::strerror(refused));
  }
  CLI::App app("hearth-bench measures a model and the machine it runs on.", "hearth-bench");
  app.footer(kExamples);
  app.set_version_flag("--version", "hearth-bench " HEARTH_VERSION_STRING);
  Options options;
  app.add_option("-m,--model", options.model, "GGUF file; without it the machine is measured")
      ->type_name("");
  const auto list = [&](const char* name, std::vector<std::uint32_t>& field, std::uint32_t min,
                        std::uint32_t max, const char* help) {
    app.add_option(name, field, help)->delimiter(',')->check(CLI::Range(min, max))->type_name("");
  };
  list("-p,--prompt", options.prompts, 0, 1U << 18, "tokens of prompts; 0: none [512]");
  list("-n,--generate", options.generated, 0, 1U << 18, "tokens to generate; 0: none [64]");
  list("-d,--depth", options.depths, 0, 1U << 19, "tokens in the cache before [0]");
  list("-b,--sequences", options.sequences, 1, 64, "sequences that generate together [1]");
  app.add_option("-t,--threads", options.threads, "threads [one per core]")
      ->check(CLI::Range(1, 1024))
      ->type_name("");
  app.add_option("-r,--rounds", options.rounds, "measurements of everything [5]")
      ->check(CLI::Range(1, 1000))
      ->type_name("");
  app.add_option("--kv-type", options.kv_type,
                 "precision of the KV cache: auto, f32, f16, bf16, q8_0, q4_0")
      ->check(CLI::IsMember({"auto", "f32", "f16", "bf16", "q8_0", "q4_0"}))
      ->type_name("");
  app.add_option("--cpu-tier", options.tier, "best kernels to use: auto, amx, avx512, avx2, ref")
      ->envname("HEARTH_CPU_TIER")
      ->check(CLI::IsMember({"auto", "amx", "avx512", "avx2", "ref"}))
      ->type_name("");
  app.add_option("--probe-mib", options.probe_mib, "memory to measure reading with [2048]")
      ->check(CLI::Range(16, 1 << 20))
      ->type_name("");
  app.add_flag("--json", options.json, "one JSON document on standard output");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const Status status = run(options);
  if (status) return 0;
  fmt::print(stderr, "hearth-bench: {}\n", cli::printable(status.error().message));
  return status.error().code == Code::CONFIG ? 2 : 1;
}

}  // namespace
}  // namespace hearth::bench

int main(int argc, char** argv) {
  return hearth::bench::main(argc, argv);
}
