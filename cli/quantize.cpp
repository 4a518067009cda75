// hearth quantize: a model file in another format.  Needs no daemon.
#include <fmt/format.h>

#include <thread>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/json.hpp"
#include "cli/output_file.hpp"
#include "cli/progress_bar.hpp"
#include "cli/standard_output.hpp"
#include "cli/table.hpp"
#include "files/quantizer.hpp"

namespace hearth::cli {
namespace {

Result<QuantizeMix> find_mix(const std::string& type) {
  if (const auto mix = QuantizeMix::find(type)) return *mix;
  std::string known;
  for (const std::string& name : QuantizeMix::names()) known += (known.empty() ? "" : ", ") + name;
  return Error{Code::CONFIG, fmt::format("TYPE: \"{}\" is not known; known are {}", type, known)};
}

Status tell(const QuantizeReport& report, const Options& options) {
  if (!options.json) {
    return write_output(fmt::format("{}: {} of {} tensors converted, {} of weights became {}\n",
                                    options.out_file, report.tensors_quantized, report.tensors,
                                    bytes_text(static_cast<double>(report.bytes_before)),
                                    bytes_text(static_cast<double>(report.bytes_after))));
  }
  JsonObject object;
  object.add("file", options.out_file)
      .add("type", options.type)
      .add("tensors", static_cast<std::int64_t>(report.tensors))
      .add("tensors_converted", static_cast<std::int64_t>(report.tensors_quantized))
      .add("bytes_before", static_cast<std::int64_t>(report.bytes_before))
      .add("bytes_after", static_cast<std::int64_t>(report.bytes_after));
  return write_output(object.text() + '\n');
}

}  // namespace

Result<int> run_quantize(const Options& options) {
  HEARTH_TRY(const QuantizeMix mix, find_mix(options.type));
  guard_mappings();
  HEARTH_TRY(const GgufFile in, GgufFile::open(options.in_file));
  const SignalHold hold;  // the half-written file is removed
  HEARTH_TRY(OutputFile out, OutputFile::create(options.out_file));
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  ProgressBar bar;
  QuantizeCallbacks callbacks;
  callbacks.write = [&](std::span<const std::byte> bytes) -> Status {
    if (caught_signal() != 0) return Error{Code::CANCELED, "interrupted"};
    return out.write(bytes);
  };
  callbacks.on_tensor = [&](std::string_view name, const std::string& type, std::uint64_t done,
                            std::uint64_t total) {
    bar.show(fmt::format("{} to {}", name, type),
             static_cast<double>(done) / static_cast<double>(total));
  };
  HEARTH_TRY(const QuantizeReport report,
             quantize_file(in, mix, options.threads != 0 ? options.threads : cores, callbacks));
  HEARTH_CHECK(out.commit());
  bar.erase();
  HEARTH_CHECK(tell(report, options));
  return 0;
}

}  // namespace hearth::cli
