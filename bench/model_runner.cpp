// See model_runner.hpp.
#include "bench/model_runner.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "engine/clock.hpp"
#include "engine/notice_writer.hpp"

namespace hearth::bench {

Result<std::unique_ptr<ScratchStore>> ScratchStore::create() {
  auto scratch = std::make_unique<ScratchStore>();
  const char* root = std::getenv("TMPDIR");
  scratch->path_ = fmt::format("{}/hearth-bench-XXXXXX", root != nullptr ? root : "/tmp");
  if (mkdtemp(scratch->path_.data()) == nullptr) return from_errno("make " + scratch->path_);
  HEARTH_TRY(auto store, cache::SegmentStore::open(scratch->path_));
  scratch->store_ = std::make_unique<cache::SegmentStore>(std::move(store));
  return scratch;
}

ScratchStore::~ScratchStore() {
  store_.reset();  // purging needs its lock
  (void)cache::SegmentStore::purge(path_);
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

Result<std::unique_ptr<ModelRunner>> ModelRunner::create(const Settings& settings,
                                                         WorkerPool* pool) {
  std::unique_ptr<ModelRunner> runner(new ModelRunner(settings.kv_bytes));
  HEARTH_CHECK(runner->measure_file(settings));
  HEARTH_TRY(runner->scratch_, ScratchStore::create());
  EngineOptions options;
  options.model_path = settings.path;
  options.segment_name = "bench";
  options.context = settings.context;
  options.kv_type = settings.kv_type;
  options.cpu_features = settings.cpu_features;
  runner->engine_ = std::make_unique<Engine>(
      std::move(options), /*tokenizer=*/nullptr, pool, &runner->scratch_->store(),
      KvMemory{cache::BudgetShare(&runner->budget_), nullptr});
  HEARTH_CHECK(runner->wait_until_loaded());
  return runner;
}

// The layer table once more, without reading any weights: what there is to read and to compute.
Status ModelRunner::measure_file(const Settings& settings) {
  HEARTH_TRY(const GgufFile file, GgufFile::open(settings.path));
  HEARTH_TRY(const Architecture* architecture, find_architecture(file));
  HEARTH_TRY(WeightLoader loader, WeightLoader::create(file, nullptr));
  HEARTH_TRY(const LayerTable table, architecture->build(loader, {{}, settings.context}));
  HEARTH_TRY(const kernels::KvFormat kv, choose_kv_format(settings.kv_type, table));
  work_ = work_of(table, compile_plan(table, kv, EngineOptions().page_tokens));
  std::map<kernels::WeightFormat, std::uint64_t> bytes;
  for (const GgufTensor& tensor : file.tensors()) {
    for (const kernels::WeightFormatInfo& info : kernels::kWeightFormats) {
      if (info.gguf_number == tensor.type) bytes[info.format] += tensor.data.size();
    }
  }
  format_ =
      std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
  return {};
}

Result<Notice> ModelRunner::next_notice() {
  MessageRing& ring = engine_->notices();
  std::uint32_t type = 0;
  while (!ring.pop(type, message_)) {
    pollfd readable = {ring.readable().fd(), POLLIN, 0};
    poll(&readable, 1, /*timeout_ms=*/-1);
    ring.readable().clear();
  }
  const auto notice = static_cast<Notice>(type);
  if (notice == Notice::load_failed || notice == Notice::failed) return error_of(message_);
  return notice;
}

Status ModelRunner::wait_until_loaded() {
  for (;;) {
    HEARTH_TRY(const Notice notice, next_notice());
    if (notice != Notice::loaded) continue;
    std::memcpy(&loaded_, message_.data(), sizeof(loaded_));
    return {};
  }
}

RequestId ModelRunner::submit(const std::vector<TokenId>& prompt, std::uint32_t max_tokens) {
  SubmitCommand command = {};
  command.request = ++last_request_;
  command.namespace_id = 1;
  command.received_ns = now_ns();
  command.prompt_count = static_cast<std::uint32_t>(prompt.size());
  command.max_tokens = max_tokens;
  command.credit = UINT32_MAX;
  command.temperature = 0;
  command.top_p = 1;
  command.ignore_eos = 1;
  engine_->submit(command, prompt, {});
  return command.request;
}

// Until so many requests are over.
Result<std::vector<DoneNotice>> ModelRunner::wait(std::size_t count) {
  std::vector<DoneNotice> done;
  while (done.size() < count) {
    HEARTH_TRY(const Notice notice, next_notice());
    if (notice == Notice::done) {
      std::memcpy(&done.emplace_back(), message_.data(), sizeof(DoneNotice));
    }
  }
  return done;
}

std::vector<TokenId> ModelRunner::random_tokens(std::uint64_t seed, std::uint32_t count) const {
  std::mt19937_64 random(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % loaded_.vocab);
  return tokens;
}

// Another one for every sequence: nothing is shared that a real batch would not share.
std::vector<TokenId> ModelRunner::cached_prompt(std::uint32_t sequence, std::uint32_t depth) const {
  return random_tokens(1000 + sequence, depth);
}

Status ModelRunner::fill_cache(const std::vector<TokenId>& prompt) {
  submit(prompt, 1);
  HEARTH_TRY(const auto done, wait(1));
  return {};
}

Result<double> ModelRunner::prefill(std::uint32_t depth, std::uint32_t tokens) {
  std::vector<TokenId> prompt = cached_prompt(0, depth);
  if (depth > 0) HEARTH_CHECK(fill_cache(prompt));
  const std::vector<TokenId> fresh = random_tokens(1'000'000 + ++fresh_, tokens);
  prompt.insert(prompt.end(), fresh.begin(), fresh.end());
  submit(prompt, 1);
  HEARTH_TRY(const auto done, wait(1));
  const std::uint32_t computed = done[0].prompt_tokens - done[0].cached_tokens;
  return computed * 1e9 / static_cast<double>(done[0].prefill_ns);
}

Result<double> ModelRunner::decode(std::uint32_t depth, std::uint32_t tokens,
                                   std::uint32_t sequences) {
  depth = std::max<std::uint32_t>(1, depth);
  for (std::uint32_t i = 0; i < sequences; ++i) HEARTH_CHECK(fill_cache(cached_prompt(i, depth)));
  for (std::uint32_t i = 0; i < sequences; ++i) submit(cached_prompt(i, depth), tokens + 1);
  HEARTH_TRY(const auto done, wait(sequences));
  std::int64_t longest_ns = 0;
  for (const DoneNotice& one : done) longest_ns = std::max(longest_ns, one.decode_ns);
  return static_cast<double>(tokens) * sequences * 1e9 / static_cast<double>(longest_ns);
}

}  // namespace hearth::bench
