// Goal: what was computed is there again after any death of the daemon, byte for byte, and the next
// daemon serves at once.
//
// Method: kill -9, by chance under load, too.  What the dead daemon left is read as the next one
// will, and every page is held to keys and values that are computed here from its tokens.  The
// environment's HEARTH_KILLS says how often: scripts/crash.sh sets it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>

#include "cache/page_cache.hpp"
#include "tests/daemon/daemon_process.hpp"
#include "tests/engine/forward_testing.hpp"
#include "tests/random_prompt.hpp"
#include "tests/system/client_process.hpp"

namespace hearth {
namespace {

using namespace cache;

const std::string kFile = HEARTH_TEST_DATA "/models/qwen3.gguf";

// Of a tier where rows of prompts and generated ones have the same bits.
kernels::KernelSet plain_kernels() {
  return kernels::select_kernels(kernels::cpu_features() & ~std::uint32_t{kernels::kCpuAmx});
}
const std::vector<std::string> kArguments = {
    "--model", "qwen=" + kFile, "--ctx", "1024",       "--kv-bytes",
    "64M",     "--threads",     "2",     "--cpu-tier", plain_kernels().tier};
constexpr std::uint32_t kPageTokens = 32;

using Tokens = std::vector<std::int32_t>;
// The pages that a dead daemon has left.
class LeftBehind {
 public:
  explicit LeftBehind(const DaemonProcess& daemon) {
    auto store = SegmentStore::open(daemon.directory() + "/state");
    if (!store) throw std::runtime_error(store.error().message);
    store_ = std::make_unique<SegmentStore>(*std::move(store));
    const std::string name = only_file(*store_);
    if (name.empty()) return;
    committed_ = count(store_->directory() + "/" + name, geometry_);
    auto segment = Segment::open(*store_, name, geometry_, 64 << 20, BudgetShare(&budget_));
    if (!segment) throw std::runtime_error(segment.error().message);
    segment_ = segment->get();
    cache_ = std::make_unique<PageCache>(*std::move(segment), store_->secret());
    cache_->check();
  }

  // Committed records, as they lie there, without a closer look.
  static std::uint32_t count(const DaemonProcess& daemon) {
    const auto store = SegmentStore::open(daemon.directory() + "/state");
    if (!store) throw std::runtime_error(store.error().message);
    SegmentGeometry ignored;
    return count(store->directory() + "/" + only_file(*store), ignored);
  }

  std::uint32_t committed() const { return committed_; }  // before anybody looked closer
  Recovery recovery() const { return cache_ ? cache_->recovery() : Recovery{}; }

  // Compute every page's tokens, and compare keys and values.  Returns how many pages that were.
  std::uint32_t compare(ForwardModel& model) const {
    std::map<Digest, Tokens> until;  // a page's key, and all tokens up to its end
    std::uint32_t compared = 0;
    for (std::uint32_t first = 0; first < 1024 && cache_; first += kPageTokens) {
      for (SlotId slot = 0; slot < segment_->backed_slots(); ++slot) {
        const bool counts =
            is_committed(segment_->record(slot)) && segment_->header(slot).first_token == first;
        if (!counts) continue;
        Tokens tokens = until[segment_->header(slot).parent_key];
        EXPECT_EQ(tokens.size(), first);
        const auto own = segment_->tokens(slot);
        tokens.insert(tokens.end(), own.begin(), own.end());
        until[segment_->record(slot).key] = tokens;
        EXPECT_TRUE(segment_->payload_intact(slot));
        EXPECT_TRUE(is_right(model, tokens, segment_->payload(slot))) << "slot " << slot;
        ++compared;
      }
    }
    return compared;
  }

 private:
  static bool is_committed(const Record& record) {
    return record.state == static_cast<std::uint32_t>(SlotState::committed);
  }
  static std::string only_file(const SegmentStore& store) {
    const std::filesystem::directory_iterator files(store.directory());
    return files == std::filesystem::directory_iterator() ? "" : files->path().filename().string();
  }
  static std::uint32_t count(const std::string& path, SegmentGeometry& ret_geometry) {
    std::ifstream file(path, std::ios::binary);
    SuperBlock blocks[2] = {};
    for (int i = 0; i < 2; ++i) {
      file.seekg(i * static_cast<std::streamoff>(kSuperBlockBytes));
      file.read(reinterpret_cast<char*>(&blocks[i]), sizeof(SuperBlock));
    }
    const SuperBlock& block = blocks[blocks[1].sequence > blocks[0].sequence ? 1 : 0];
    ret_geometry = {block.fingerprint, block.kv_format, block.page_tokens, block.payload_bytes};
    const std::uint32_t backed = std::max(blocks[0].backed_slots, blocks[1].backed_slots);
    file.seekg(kTableOffset);
    std::uint32_t committed = 0;
    for (std::uint32_t i = 0; i < backed; ++i) {
      Record record = {};
      file.read(reinterpret_cast<char*>(&record), sizeof(record));
      committed += is_committed(record);
    }
    return committed;
  }

  // The last page of these tokens, computed, is this payload as far as its tokens go.
  static bool is_right(ForwardModel& model, const Tokens& tokens, const std::byte* payload) {
    ForwardModel::Pages pages = model.make_pages(tokens.size() / kPageTokens + 1);
    std::vector<BatchRow> rows;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      rows.push_back(
          {tokens[i], static_cast<std::int32_t>(i), pages.payloads.data(), RowOutput::none});
      if (rows.size() < 96 && i + 1 < tokens.size()) continue;
      EXPECT_TRUE(model.executor().forward(rows));
      rows.clear();
    }
    const KvGeometry& kv = model.executor().kv();
    const std::byte* computed = pages.payloads[(tokens.size() - 1) / kPageTokens];
    const std::size_t count = (tokens.size() - 1) % kPageTokens + 1;
    for (const KvLayer& layer : kv.layers) {
      const std::int64_t strip = kv.strip_bytes(layer);
      const std::size_t bytes = static_cast<std::size_t>(strip) / kPageTokens * count;
      for (std::int64_t head = 0; head < layer.kv_heads; ++head) {
        for (const std::int64_t begin : {layer.k_offset, layer.v_offset}) {
          const std::int64_t at = begin + head * strip;
          if (std::memcmp(computed + at, payload + at, bytes) != 0) return false;
        }
      }
    }
    return true;
  }

  MemoryBudget budget_{UINT64_MAX >> 1};
  std::unique_ptr<SegmentStore> store_;
  SegmentGeometry geometry_ = {};
  std::uint32_t committed_ = 0;
  std::unique_ptr<PageCache> cache_;
  Segment* segment_ = nullptr;  // of cache_
};

TEST(restart, the_same_prompt_is_warm_after_a_kill_and_says_the_same) {
  DaemonProcess daemon(kArguments);
  const Tokens prompt = random_prompt(1, 330);
  const ClientOutcome cold = ClientProcess(daemon.socket(), "qwen", prompt, 40).outcome();
  ASSERT_EQ(cold.code, HEARTH_OK);
  EXPECT_EQ(cold.cached_tokens, 0);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(daemon.stop(SIGKILL), -SIGKILL);
    daemon.restart();  // over the socket that the dead one has left
    const ClientOutcome warm = ClientProcess(daemon.socket(), "qwen", prompt, 40).outcome();
    ASSERT_EQ(warm.code, HEARTH_OK);
    EXPECT_GE(warm.cached_tokens, 330 / kPageTokens * kPageTokens);
    EXPECT_EQ(warm.tokens, cold.tokens);
    EXPECT_EQ(stat_of(daemon, "rows.prompt"), static_cast<double>(330 - warm.cached_tokens));
  }
}

// What a reply has generated is kept before the reply ends.
TEST(restart, full_pages_of_a_reply_that_never_ended_are_kept) {
  DaemonProcess daemon(kArguments);
  const Tokens prompt = random_prompt(2, 40);
  const ClientOutcome whole = ClientProcess(daemon.socket(), "qwen", prompt, 60).outcome();
  ASSERT_EQ(whole.tokens.size(), 60u);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  DaemonProcess other(kArguments);  // knows nothing of it
  RawClient client(other.socket());
  ASSERT_TRUE(client.send(kGenerate, 1,
                          R"({"model":"qwen","prompt_kind":"tokens","temperature":0,)"
                          R"("ignore_eos":true,"max_tokens":900,"credit":60})",
                          std::string(reinterpret_cast<const char*>(prompt.data()),
                                      prompt.size() * sizeof(std::int32_t))));
  ASSERT_TRUE(eventually([&] { return stat_of(other, "rows.generated") >= 59; }));
  ASSERT_EQ(other.stop(SIGKILL), -SIGKILL);
  const LeftBehind left(other);
  EXPECT_EQ(left.recovery().kept, (40u + 59u) / kPageTokens);
}

// The segment that a daemon has mapped.
std::string mapped_segment(const DaemonProcess& daemon) {
  std::ifstream maps("/proc/" + std::to_string(daemon.pid()) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t at = line.find("/dev/shm/hearth-");
    if (at != std::string::npos) return line.substr(at);
  }
  return "";
}

// Only root and the daemon's own user can do that.
TEST(restart, a_cache_that_is_truncated_under_it_ends_the_daemon_and_the_next_begins_cold) {
  DaemonProcess daemon(kArguments);
  const Tokens prompt = random_prompt(9, 330);
  const ClientOutcome cold = ClientProcess(daemon.socket(), "qwen", prompt, 40).outcome();
  ASSERT_EQ(cold.code, HEARTH_OK);
  std::filesystem::resize_file(mapped_segment(daemon), 16384);
  EXPECT_NE(ClientProcess(daemon.socket(), "qwen", prompt, 40).outcome().code, HEARTH_OK);
  EXPECT_EQ(daemon.wait(), -SIGBUS);
  EXPECT_NE(daemon.log().find("was truncated"), std::string::npos) << daemon.log();
  daemon.restart();
  const ClientOutcome again = ClientProcess(daemon.socket(), "qwen", prompt, 40).outcome();
  ASSERT_EQ(again.code, HEARTH_OK);
  EXPECT_EQ(again.cached_tokens, 0);
  EXPECT_EQ(again.tokens, cold.tokens);
  EXPECT_NE(daemon.log().find("its cache begins empty"), std::string::npos) << daemon.log();
}

TEST(restart, another_model_of_the_name_begins_cold) {
  const TemporaryDirectory files;
  const std::string file = files.path() + "/model.gguf";
  std::filesystem::copy_file(kFile, file);
  DaemonProcess daemon({"--model", "qwen=" + file, "--ctx", "1024", "--kv-bytes", "64M"});
  const Tokens prompt = random_prompt(3, 100);
  ASSERT_EQ(ClientProcess(daemon.socket(), "qwen", prompt, 4).outcome().code, HEARTH_OK);
  ASSERT_EQ(daemon.stop(SIGKILL), -SIGKILL);
  std::filesystem::copy_file(HEARTH_TEST_DATA "/models/qwen3-tied.gguf", file,
                             std::filesystem::copy_options::overwrite_existing);
  daemon.restart();
  const ClientOutcome outcome = ClientProcess(daemon.socket(), "qwen", prompt, 4).outcome();
  EXPECT_EQ(outcome.code, HEARTH_OK);
  EXPECT_EQ(outcome.cached_tokens, 0);
  EXPECT_NE(daemon.log().find("begins empty: it belongs to another model"), std::string::npos);
}

// A cache that has grown to all of kv-bytes does not keep a model out that is new.
TEST(restart, a_new_model_finds_room_beside_what_another_has_kept) {
  DaemonProcess daemon({"--model", "qwen=" + kFile, "--ctx", "256", "--kv-bytes", "2M"});
  for (unsigned i = 0; i < 30; ++i) {
    ASSERT_EQ(ClientProcess(daemon.socket(), "qwen", random_prompt(i, 200), 4).outcome().code,
              HEARTH_OK);
  }
  EXPECT_GT(stat_of(daemon, "evictions"), 0) << "the budget is too large for this test";
  ASSERT_EQ(daemon.stop(SIGKILL), -SIGKILL);
  daemon.restart(
      {"--model", "new=" HEARTH_TEST_DATA "/models/qwen3-tied.gguf", "--preload", "none"});
  const Tokens prompt = random_prompt(99, 200);
  for (const char* model : {"new", "qwen", "new"}) {
    EXPECT_EQ(ClientProcess(daemon.socket(), model, prompt, 4).outcome().code, HEARTH_OK) << model;
  }
  RawClient client(daemon.socket());
  const Json stats = parse_json(client.ask(kStats).payload);
  EXPECT_LE(number_at(stats.get(), "daemon.kv_bytes_used"),
            number_at(stats.get(), "daemon.kv_bytes_limit"));
}

TEST(restart, killed_at_random_under_load_it_keeps_every_committed_page) {
  const char* wanted = std::getenv("HEARTH_KILLS");
  const int kills = wanted != nullptr ? std::atoi(wanted) : 20;
  DaemonProcess daemon(kArguments);
  std::mt19937 random(20261122);
  std::uint64_t compared = 0, unfinished = 0;
  for (int i = 0; i < kills; ++i) {
    SCOPED_TRACE(i);
    ASSERT_EQ(RawClient(daemon.socket()).ask(kLoad, R"({"model":"qwen"})").flags, 1);
    std::vector<std::unique_ptr<ClientProcess>> clients;
    for (int k = 0; k < 4; ++k) {
      // Prompts with common beginnings.
      Tokens prompt = random_prompt(random() % 3, 40 + random() % 200);
      for (const std::int32_t token : random_prompt(random() % 50, random() % 120)) {
        prompt.push_back(token);
      }
      clients.push_back(std::make_unique<ClientProcess>(daemon.socket(), "qwen", prompt, 60));
    }
    if (i == 0) {
      EXPECT_EQ(clients.front()->outcome().code, HEARTH_OK);  // at least something
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 200'000));
    ASSERT_EQ(daemon.stop(SIGKILL), -SIGKILL) << daemon.log();
    clients.clear();
    // Every other time the next daemon is the first to look.
    std::uint32_t committed = 0;
    if (i % 2 == 0) {
      const LeftBehind left(daemon);
      WorkerPool pool(1, nullptr);
      ForwardModel model(kFile, plain_kernels(), &pool);
      committed = left.committed();
      EXPECT_EQ(left.recovery().kept, committed);
      EXPECT_EQ(left.recovery().damaged, 0u);
      EXPECT_EQ(left.recovery().orphaned, 0u);
      EXPECT_EQ(left.compare(model), committed);
      compared += committed;
      unfinished += left.recovery().unfinished;
    } else {
      committed = LeftBehind::count(daemon);
    }
    daemon.restart();
    ASSERT_EQ(RawClient(daemon.socket()).ask(kLoad, R"({"model":"qwen"})").flags, 1);
    EXPECT_EQ(stat_of(daemon, "cache_start.kept"), committed);
    EXPECT_EQ(stat_of(daemon, "cache_start.damaged"), 0);
    EXPECT_EQ(stat_of(daemon, "cache_start.orphaned"), 0);
    if (HasFailure()) return;
  }
  RecordProperty("pages_compared", std::to_string(compared));
  RecordProperty("pages_unfinished", std::to_string(unfinished));
  EXPECT_GT(compared, static_cast<std::uint64_t>(kills));
}

}  // namespace
}  // namespace hearth
