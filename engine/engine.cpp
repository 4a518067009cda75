// See engine.hpp.
#include "engine/engine.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "cache/page_cache.hpp"
#include "engine/cache_keeper.hpp"
#include "engine/clock.hpp"
#include "engine/executor.hpp"
#include "engine/fingerprint.hpp"
#include "engine/layer_table.hpp"
#include "engine/scheduler.hpp"
#include "engine/weight_placement.hpp"

namespace hearth {
namespace {

constexpr std::uint32_t kCommandRingBytes = 8u
                                            << 20;    // holds the longest prompt and its stop texts
constexpr std::uint32_t kNoticeRingBytes = 8u << 20;  // holds some rows of logits of any vocabulary
constexpr std::int64_t kRowsMax = 256;                // of a step
constexpr std::int64_t kLogitBytesMax = 64 << 20;     // of a step
constexpr std::int64_t kUpkeepNs = 2'000'000;         // on the cache, when nothing is computed
constexpr std::int64_t kUpkeepShare = 8;              // and at most this part of a step
static_assert(Engine::kPromptTokensMax * sizeof(TokenId) < kCommandRingBytes - 65536);

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// What is in a command, from its begin to its end.  The bytes come from our own daemon: their shape
// is asserted, not checked.
class CommandReader {
 public:
  explicit CommandReader(std::span<const std::byte> bytes) : left_(bytes) {}
  template <class T>
  T take() {
    return take_head<T>(left_);
  }
  template <class T>
  std::vector<T> take_all(std::size_t count) {
    std::vector<T> items(count);
    copy(items.data(), count * sizeof(T));
    return items;
  }
  std::string take_text() {  // u32 size, bytes
    std::string text(take<std::uint32_t>(), '\0');
    copy(text.data(), text.size());
    return text;
  }

 private:
  void copy(void* into, std::size_t size) {
    assert(size <= left_.size());
    if (size > 0) std::memcpy(into, left_.data(), size);
    left_ = left_.subspan(size);
  }
  std::span<const std::byte> left_;
};

// The model's file, if it is the one that the caller has read too.
Result<GgufFile> open_model(const EngineOptions& options) {
  HEARTH_TRY(GgufFile file, GgufFile::open(options.model_path));
  if (options.file_identity.empty() || file.identity() == options.file_identity) return file;
  return Error{Code::MODEL, file.path() +
                                ": the file was replaced while it was to be loaded: load "
                                "it again"};
}

// What a model's checkpoints may take of a budget.
std::uint64_t checkpoint_bytes(const EngineOptions& options, std::uint64_t budget) {
  return options.checkpoint_bytes != 0 ? options.checkpoint_bytes : budget / 4;
}

// The pages of a model: what an earlier engine or daemon has left when it fits, else a new segment.
// It may grow to the whole budget and must hold one context.  What is set aside for the model and
// is more than one context goes back to the others.
Status open_pages(const EngineOptions& options, const cache::SegmentStore& store,
                  const cache::SegmentGeometry& geometry, std::uint32_t context,
                  const cache::MemorySpread& spread, KvMemory& kv) {
  if (kv.pages != nullptr && kv.pages->geometry() == geometry) return {};
  kv.checkpoints.reset();  // they refer to the pages
  if (kv.pages != nullptr) kv.share = cache::PageCache::dissolve(std::move(kv.pages));
  assert(kv.share);
  const std::uint64_t capacity = kv.share->limit();
  HEARTH_TRY(auto segment, cache::Segment::open(store, options.segment_name, geometry, capacity,
                                                *std::exchange(kv.share, std::nullopt), spread));
  const std::uint64_t room = std::uint64_t{segment->slots_max()} * options.page_tokens;
  const std::uint64_t context_bytes = (context / options.page_tokens + 1) * segment->slot_bytes();
  if (room < context) {
    return Error{Code::CONFIG,
                 fmt::format("kv-bytes: {} bytes hold {} tokens of this model, the context is {}: "
                             "raise kv-bytes to {} or lower ctx",
                             capacity, room, context, context_bytes + (1u << 20))};
  }
  segment->set_aside(context_bytes -
                     std::min(context_bytes, segment->backed_slots() * segment->slot_bytes()));
  kv.pages = std::make_unique<cache::PageCache>(
      std::move(segment), options.master_secret,
      cache::NamespaceRules{.bytes_max = options.namespace_bytes});
  return {};
}

// The checkpoints of a model that has states, likewise; share: what they may take of the budget,
// where there are none yet.
Status open_checkpoints(const EngineOptions& options, const cache::SegmentStore& store,
                        std::uint64_t state_bytes, cache::BudgetShare share,
                        const cache::MemorySpread& spread, KvMemory& kv) {
  if (state_bytes == 0 || options.checkpoint_segment.empty()) {
    kv.checkpoints.reset();
    return {};
  }
  if (kv.checkpoints != nullptr) return {};
  HEARTH_TRY(const cache::SegmentGeometry geometry,
             cache::CheckpointStore::geometry_of(kv.pages->geometry(), state_bytes));
  const std::uint64_t capacity = checkpoint_bytes(options, share.limit());
  auto segment = cache::Segment::open(store, options.checkpoint_segment, geometry, capacity,
                                      std::move(share), spread);
  if (!segment && segment.error().code == Code::INVALID) {
    return Error{
        Code::CONFIG,
        fmt::format("checkpoint-bytes: {} bytes hold no checkpoint of this model, one takes "
                    "{}: raise it",
                    capacity, geometry.payload_bytes)};
  }
  if (!segment) return segment.error();
  kv.checkpoints = std::make_unique<cache::CheckpointStore>(
      *std::move(segment), kv.pages.get(),
      cache::NamespaceRules{.bytes_max = options.namespace_bytes});
  return {};
}

}  // namespace

KvType kv_type_of(std::string_view name) {
  for (int format = 0; format < kernels::kKvFormatCount; ++format) {
    if (name == kernels::kKvFormats[format].name) return static_cast<kernels::KvFormat>(format);
  }
  return {};
}

Result<std::uint32_t> features_of_tier(std::string_view tier) {
  const std::uint32_t features = kernels::cpu_features();
  std::string possible;
  for (const kernels::Tier& one : kernels::tiers()) {
    if ((one.needs & features) != one.needs) continue;
    if (tier == one.name || tier == "auto") return one.needs;
    possible.append(possible.empty() ? "" : ", ").append(one.name);
  }
  return Error{Code::CONFIG, fmt::format("this system has no {}, only {}", tier, possible)};
}

Result<kernels::KvFormat> choose_kv_format(KvType type, const LayerTable& table) {
  if (!type) {
    return table.embedding.format == kernels::WeightFormat::f32 ? kernels::KvFormat::f32
                                                                : kernels::KvFormat::f16;
  }
  const kernels::KvFormatInfo& info = kernels::kv_format_info(*type);
  for (const Layer& layer : table.layers) {
    for (const Branch& branch : layer.branches) {
      for (const Mixer& mixer : branch.mixers) {
        const auto* attention = std::get_if<FullAttention>(&mixer);
        if (attention == nullptr || attention->head_dim % info.block_elements == 0) continue;
        return Error{Code::CONFIG,
                     fmt::format("kv-type: {} has blocks of {} elements, the heads of this model "
                                 "have {}: choose f16, bf16 or f32",
                                 info.name, info.block_elements, attention->head_dim)};
      }
    }
  }
  return *type;
}

struct Engine::Loaded {
  std::unique_ptr<Weights> weights;
  LayerTable table;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<PageTransfers> transfers;
  std::unique_ptr<CacheKeeper> keeper;
  WeightPlacement placement;
  std::uint32_t context = 0;
  std::int64_t begin_ns = 0;  // of loading
  bool cache_opened = false;  // now, and not by an earlier engine of this daemon
};

Engine::Engine(EngineOptions options, const Tokenizer* tokenizer, WorkerPool* pool,
               const cache::SegmentStore* store, KvMemory kv)
    : options_(std::move(options)),
      tokenizer_(tokenizer),
      pool_(pool),
      store_(store),
      kv_(std::move(kv)),
      commands_(kCommandRingBytes),
      notices_(kNoticeRingBytes),
      writer_(&notices_),
      thread_([this] { run(); }) {}

KvMemory Engine::stop() {
  if (thread_.joinable()) {
    stop_ = true;
    hurry_ = true;
    writer_.abandon();
    commands_.readable().set();
    thread_.join();
    close_unread();
  }
  return std::exchange(kv_, {});
}

bool Engine::submit(const SubmitCommand& command, std::span<const TokenId> prompt,
                    std::span<const std::string> stops, std::span<const LogitBias> biases,
                    std::span<const std::uint32_t> marks) {
  assert(prompt.size() == command.prompt_count && prompt.size() <= kPromptTokensMax);
  assert(stops.size() == command.stop_count && biases.size() == command.bias_count);
  assert(marks.size() == command.mark_count && marks.size() <= SubmitCommand::kMarksMax);
  std::vector<std::byte> rest;
  for (const std::string& stop : stops) {
    const auto size = static_cast<std::uint32_t>(stop.size());
    const std::size_t at = rest.size();
    rest.resize(at + sizeof(size) + size);
    std::memcpy(rest.data() + at, &size, sizeof(size));
    std::memcpy(rest.data() + at + sizeof(size), stop.data(), size);
  }
  return commands_.push(static_cast<std::uint32_t>(Command::submit),
                        {bytes_of(command), std::as_bytes(prompt), std::as_bytes(biases),
                         std::as_bytes(marks), rest});
}

bool Engine::ask_cache(const CacheCommand& command, std::span<const TokenId> prefix) {
  assert(prefix.size() == command.prefix_count && prefix.size() <= kPromptTokensMax);
  return commands_.push(static_cast<std::uint32_t>(Command::cache),
                        {bytes_of(command), std::as_bytes(prefix)});
}

bool Engine::grant(RequestId request, std::uint32_t tokens) {
  const CreditCommand command = {request, tokens, 0};
  return commands_.push(static_cast<std::uint32_t>(Command::credit), {bytes_of(command)});
}

bool Engine::cancel(RequestId request) {
  const CancelCommand command = {request};
  if (!commands_.push(static_cast<std::uint32_t>(Command::cancel), {bytes_of(command)})) {
    return false;
  }
  hurry_ = true;
  return true;
}

bool Engine::transfer(const TransferCommand& command, std::span<const TokenId> ids) {
  assert(ids.size() == command.token_count && ids.size() <= kPromptTokensMax);
  return commands_.push(static_cast<std::uint32_t>(Command::transfer),
                        {bytes_of(command), std::as_bytes(ids)});
}

// What nobody will read may hold descriptors.
void Engine::close_unread() {
  std::uint32_t type = 0;
  while (commands_.pop(type, message_)) {
    if (static_cast<Command>(type) != Command::transfer) continue;
    UniqueFd(CommandReader(message_).take<TransferCommand>().fd).reset();
  }
}

void Engine::run() {
  prctl(PR_SET_NAME, "hearth-engine");
  std::unique_ptr<Loaded> loaded;
  if (const Status status = load(loaded); !status) {
    writer_.fail(Notice::load_failed, 0, status.error());
    return;
  }
  tell_loaded(*loaded);
  pool_->settle_caller();  // after loading, whose threads are everywhere
  serve(*loaded);
}

void Engine::serve(Loaded& loaded) {
  loaded.keeper = std::make_unique<CacheKeeper>(kv_.pages.get(), &writer_, loaded.scheduler.get(),
                                                kv_.checkpoints.get());
  loaded.scheduler->add_published(options_.published, options_.published_bytes);
  for (;;) {
    // A step of a large model takes long: what was cancelled must let go of its pages before it
    // ends.
    hurry_ = false;
    if (stop_) return;
    const bool told = handle_commands(loaded);
    const bool moved = loaded.transfers->step();
    const std::int64_t begin_ns = now_ns();
    const bool computed = loaded.scheduler->step(&hurry_);
    const std::int64_t step_share = (now_ns() - begin_ns) / kUpkeepShare;
    const bool kept = loaded.keeper->step(computed ? std::min(kUpkeepNs, step_share) : kUpkeepNs);
    if (!told && !moved && !computed && !kept) wait_for_command();
  }
}

void Engine::wait_for_command() {
  pollfd readable = {commands_.readable().fd(), POLLIN, 0};
  poll(&readable, 1, /*timeout_ms=*/-1);
  commands_.readable().clear();
}

Status Engine::load(std::unique_ptr<Loaded>& ret_loaded) {
  auto loaded = std::make_unique<Loaded>();
  loaded->begin_ns = now_ns();
  HEARTH_TRY(const GgufFile file, open_model(options_));
  HEARTH_TRY(const Architecture* architecture, find_architecture(file));
  int percent = -1;
  HEARTH_TRY(WeightLoader loader,
             WeightLoader::create(file, [&](std::uint64_t done, std::uint64_t total) {
               const int now = static_cast<int>(100 * done / std::max<std::uint64_t>(1, total));
               if (std::exchange(percent, now) == now) return;
               writer_.send(Notice::loading, LoadingNotice{now / 100.0});
             }));
  HEARTH_TRY(loaded->table, architecture->build(loader, {options_.rope, options_.context}));
  HEARTH_TRY(const kernels::KvFormat kv_format,
             choose_kv_format(options_.kv_type, loaded->table));  // before all that takes long
  const cache::Digest fingerprint =
      model_fingerprint(remembered_hash(file, options_.fingerprint_dir), loaded->table.ropes);
  const LayerTable& table = loaded->table;
  Plan plan = compile_plan(table, kv_format, options_.page_tokens);
  loaded->placement = place_weights(plan, pool_->places(), pool_->binder(), loader.memory());
  HEARTH_TRY(loaded->weights, loader.finish());
  if (tokenizer_ != nullptr &&
      tokenizer_->vocabulary().size() > static_cast<std::size_t>(table.vocab)) {
    return Error{Code::MODEL,
                 fmt::format("{}: the vocabulary has {} tokens, the embedding {} rows", file.path(),
                             tokenizer_->vocabulary().size(), table.vocab)};
  }
  loaded->context =
      options_.context != 0 ? options_.context : static_cast<std::uint32_t>(table.context_length);
  loaded->context = std::min(loaded->context, kPromptTokensMax);
  const KvGeometry& kv = plan.kv;
  const cache::SegmentGeometry geometry = {
      .fingerprint = fingerprint,
      .kv_format = static_cast<std::uint32_t>(kv.format),
      .page_tokens = options_.page_tokens,
      .payload_bytes = static_cast<std::uint64_t>(kv.page_bytes),
  };
  loaded->cache_opened = kv_.pages == nullptr || kv_.pages->geometry() != geometry;
  const cache::MemorySpread spread = {pool_->binder(), pool_->places().nodes};
  cache::BudgetShare for_states = kv_.share ? kv_.share->sibling() : kv_.pages->empty_share();
  HEARTH_CHECK(open_pages(options_, *store_, geometry, loaded->context, spread, kv_));
  const auto state_bytes = static_cast<std::uint64_t>(plan.state_floats) * sizeof(float);
  HEARTH_CHECK(
      open_checkpoints(options_, *store_, state_bytes, std::move(for_states), spread, kv_));

  const Executor::Limits limits = {.rows_max = kRowsMax,
                                   .logit_rows_max = std::clamp<std::int64_t>(
                                       kLogitBytesMax / (table.vocab * std::int64_t{sizeof(float)}),
                                       8, options_.sequences_max + 1)};
  const kernels::KernelSet kernels = kernels::select_kernels(options_.cpu_features);
  loaded->executor =
      std::make_unique<Executor>(&loaded->table, std::move(plan), pool_, kernels, limits);
  loaded->scheduler = std::make_unique<Scheduler>(
      loaded->executor.get(), kv_.pages.get(), kv_.checkpoints.get(), tokenizer_, &writer_, &board_,
      Scheduler::Limits{options_.sequences_max, loaded->context},
      static_cast<std::uint32_t>(table.vocab));
  loaded->transfers = std::make_unique<PageTransfers>(kv_.pages.get(), kv_.checkpoints.get(),
                                                      &loaded->executor->kv(), &writer_);
  loaded->scheduler->set_last_resort([own = loaded->transfers.get()] { return own->give_way(); });
  loaded->scheduler->publish();
  ret_loaded = std::move(loaded);
  return {};
}

void Engine::tell_loaded(const Loaded& loaded) {
  const KvGeometry& kv = loaded.executor->kv();
  LoadedNotice notice = {};
  notice.weight_bytes = loaded.weights->bytes();
  notice.buffer_bytes = loaded.executor->buffer_bytes();
  notice.page_bytes = static_cast<std::uint64_t>(kv.page_bytes);
  notice.page_tokens = options_.page_tokens;
  notice.context = loaded.context;
  notice.vocab = static_cast<std::uint32_t>(loaded.table.vocab);
  notice.kv_format = static_cast<std::uint32_t>(kv.format);
  notice.load_ns = now_ns() - loaded.begin_ns;
  std::strncpy(notice.tier, loaded.executor->kernels().tier, sizeof(notice.tier) - 1);
  notice.cache_opened = loaded.cache_opened;
  notice.cache_start = kv_.pages->recovery();
  const std::span<const std::uint64_t> placed = loaded.placement.bytes_on_node;
  notice.node_count = static_cast<std::uint32_t>(placed.size());
  std::string refusal;
  for (const Status& status : {loaded.placement.status, kv_.pages->spread_status()}) {
    if (!status) refusal = status.error().message;
  }
  writer_.send(Notice::loaded, notice, std::as_bytes(placed), std::as_bytes(std::span(refusal)));
}

// Take in every command that is there; true when there was one.
bool Engine::handle_commands(Loaded& loaded) {
  bool told = false;
  std::uint32_t type = 0;
  while (commands_.pop(type, message_)) {
    told = true;
    CommandReader reader(message_);
    switch (static_cast<Command>(type)) {
      case Command::submit: {
        const auto command = reader.take<SubmitCommand>();
        auto prompt = reader.take_all<TokenId>(command.prompt_count);
        auto biases = reader.take_all<LogitBias>(command.bias_count);
        auto marks = reader.take_all<std::uint32_t>(command.mark_count);
        std::vector<std::string> stops(command.stop_count);
        for (std::string& stop : stops) stop = reader.take_text();
        loaded.scheduler->submit(command, std::move(prompt), std::move(stops), std::move(biases),
                                 std::move(marks));
        break;
      }
      case Command::credit: {
        const auto command = reader.take<CreditCommand>();
        loaded.scheduler->grant(command);
        break;
      }
      case Command::cancel: {
        const auto command = reader.take<CancelCommand>();
        loaded.transfers->cancel(command.request);
        loaded.scheduler->cancel(command.request);
        loaded.keeper->cancel(command.request);
        break;
      }
      case Command::cache: {
        const auto command = reader.take<CacheCommand>();
        loaded.keeper->submit(command, reader.take_all<TokenId>(command.prefix_count));
        break;
      }
      case Command::transfer: {
        const auto command = reader.take<TransferCommand>();
        loaded.transfers->add(command, reader.take_all<TokenId>(command.token_count));
        break;
      }
    }
  }
  if (told) loaded.scheduler->publish();
  return told;
}

}  // namespace hearth
