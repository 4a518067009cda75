// Goal: what an export takes of a text's checkpoints brings them back where they are usable, within
// what the importing user may have, and has nothing of any other text.
// Method: a cache with a "model" of whose state every byte is known (tests/cache); real engines of
// random weights, whose logits are compared with those of one that has never seen anything.
#include "engine/checkpoint_transfer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "common/message_ring.hpp"
#include "common/unique_fd.hpp"
#include "common/whole_io.hpp"
#include "engine/page_transfer.hpp"
#include "tests/cache/checkpoint_testing.hpp"
#include "tests/engine/engine_harness.hpp"

namespace hearth {
namespace {

using cache::HybridCache;
using cache::HybridRequest;
using cache::ids;
using cache::joined;
using cache::positions_of;
using cache::warm_until;
using Tokens = cache::Tokens;
using Positions = std::vector<std::uint32_t>;

constexpr cache::NamespaceId kAlice = 1000, kBob = 1001;
constexpr std::uint32_t kPages = 40, kCheckpoints = 16, kAll = 1000;

UniqueFd new_file() {
  return UniqueFd(memfd_create("test", MFD_CLOEXEC));
}

std::vector<std::byte> contents(int fd) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)));
  EXPECT_TRUE(read_whole_at(fd, bytes, 0, "read"));
  return bytes;
}

// ---- Where every byte is known ------------------------------------------------------------------

// Where rows lie in a page of the tests' model.
const KvGeometry kKv = {
    .format = kernels::KvFormat::f32,
    .page_tokens = HybridRequest::kPage,
    .page_bytes = cache::SmallCache::kPayloadBytes,
    .layers = {{.k_offset = 0, .v_offset = 0, .kv_heads = 1, .head_dim = cache::kTokenBytes / 4}}};
constexpr std::uint64_t kObjectBytes = sizeof(cache::State) + cache::SmallCache::kPayloadBytes;

Positions told(const FileCheckpoints& checkpoints) {
  return {checkpoints.positions, checkpoints.positions + checkpoints.count};
}

// A transfer of one text, with the pages of it that are there.
class Transfer {
 public:
  Transfer(HybridCache& cache, cache::NamespaceId id, const Tokens& text)
      : cache_(cache), text_(text), pages_(cache.pages().get(), id, HybridRequest::kTokensMax) {
    pages_.adopt_pages(text_, static_cast<std::uint32_t>(text_.size()));
  }
  CheckpointTransfer& begin(int fd, const FileCheckpoints* there = nullptr,
                            std::uint32_t max_checkpoints = kAll) {
    return transfer_.emplace(
        &cache_.store(), &kKv, &pages_,
        CheckpointTransfer::Job{.import = there != nullptr,
                                .fd = fd,
                                .offset = 100,
                                .ids = text_,
                                .there = there != nullptr ? *there : FileCheckpoints{},
                                .max_checkpoints = max_checkpoints});
  }
  void drop() { transfer_.reset(); }
  std::span<const cache::Digest> keys() const { return pages_.keys(); }

 private:
  HybridCache& cache_;
  const Tokens text_;
  cache::SequencePages pages_;
  std::optional<CheckpointTransfer> transfer_;
};

FileCheckpoints move_all(CheckpointTransfer& transfer, std::uint64_t bytes = 1u << 20) {
  for (;;) {
    const Result<bool> moved = transfer.move(bytes);
    EXPECT_TRUE(moved);
    if (!moved || !*moved) return transfer.result();
  }
}
FileCheckpoints export_to(int fd, HybridCache& cache, cache::NamespaceId id, const Tokens& text) {
  Transfer transfer(cache, id, text);
  return move_all(transfer.begin(fd));
}
FileCheckpoints import_from(int fd, const FileCheckpoints& there, HybridCache& cache,
                            cache::NamespaceId id, const Tokens& text,
                            std::uint32_t max_checkpoints = kAll) {
  Transfer transfer(cache, id, text);
  return move_all(transfer.begin(fd, &there, max_checkpoints));
}

TEST(checkpoint_transfer, the_last_two_go_and_others_while_they_are_no_more_than_the_pages) {
  const Positions all = {8, 20, 30, 41, 52, 63, 74, 85, 96, 107, 118, 130};
  const auto taken = [&](std::uint32_t tokens) {
    HybridCache cache(kPages, kCheckpoints);
    const Tokens text = ids(1, static_cast<int>(tokens));
    Positions positions = all;
    std::erase_if(positions, [&](std::uint32_t position) { return position > tokens; });
    keep(cache, kAlice, text, positions);
    const UniqueFd file = new_file();
    return told(export_to(file.get(), cache, kAlice, text));
  };
  EXPECT_EQ(taken(7), Positions{});
  EXPECT_EQ(taken(20), (Positions{20, 8}));
  EXPECT_EQ(taken(47), (Positions{41, 30}));  // five pages: 1280 bytes, three objects: 1368
  EXPECT_EQ(taken(48), (Positions{41, 30, 20}));
  EXPECT_EQ(taken(150), (Positions{130, 118, 107, 96, 85, 74, 63, 52}));
}

TEST(checkpoint_transfer, what_is_exported_is_imported_in_pieces_of_any_size) {
  const Tokens text = ids(1, 60);
  HybridCache from(kPages, kCheckpoints);
  keep(from, kAlice, text, {13, 32, 59, 60});
  for (const std::uint64_t bytes : {1u, 7u, 200u, 201u, 456u, 5000u}) {
    const UniqueFd file = new_file();
    Transfer out(from, kAlice, text);
    const FileCheckpoints exported = move_all(out.begin(file.get()), bytes);
    EXPECT_EQ(told(exported), (Positions{60, 59, 32}));
    EXPECT_EQ(exported.state_bytes, sizeof(cache::State));
    EXPECT_EQ(contents(file.get()).size(), 100 + 3 * kObjectBytes);
    HybridCache to(kPages, kCheckpoints);
    keep(to, kBob, text, {});
    EXPECT_EQ(warm_until(to, kBob, text), 0u);
    Transfer in(to, kBob, text);
    EXPECT_EQ(move_all(in.begin(file.get(), &exported), bytes).count, 3u);
    EXPECT_EQ(positions_of(to, kBob, text), (Positions{32, 59, 60}));
    EXPECT_EQ(warm_until(to, kBob, text), 60u);  // and what is restored is right
    EXPECT_EQ(warm_until(to, kAlice, text), 0u) << "it is Bob's";
    to.check();
    from.check();
  }
}

TEST(checkpoint_transfer, the_last_ones_stay_where_there_is_little_room) {
  const Tokens text = ids(1, 100);
  HybridCache from(kPages, kCheckpoints);
  keep(from, kAlice, text, {20, 40, 60, 80, 100});
  const UniqueFd file = new_file();
  const FileCheckpoints exported = export_to(file.get(), from, kAlice, text);
  ASSERT_EQ(exported.count, 5u);
  {
    HybridCache one(kPages, /*checkpoints=*/1);
    keep(one, kAlice, text, {});
    EXPECT_EQ(import_from(file.get(), exported, one, kAlice, text).count, 1u);
    EXPECT_EQ(warm_until(one, kAlice, text), 100u);
  }
  HybridCache quota(kPages, kCheckpoints, {.bytes_max = cache::SmallCache::quota(2)});
  keep(quota, kAlice, text, {});
  keep(quota, kBob, ids(200, 30), {29});
  EXPECT_EQ(import_from(file.get(), exported, quota, kAlice, text).count, 2u);
  EXPECT_EQ(warm_until(quota, kAlice, text), 100u);
  EXPECT_EQ(warm_until(quota, kBob, ids(200, 30)), 29u) << "Alice's quota is Alice's";
  for (const std::uint32_t max : {0u, 1u, 3u}) {  // on a path, as the model's settings have it
    HybridCache few(kPages, kCheckpoints);
    keep(few, kAlice, text, {});
    EXPECT_EQ(import_from(file.get(), exported, few, kAlice, text, max).count, max);
    EXPECT_EQ(warm_until(few, kAlice, text), max == 0 ? 0u : 100u);
  }
}

// A slot in use is not to be had: the import does without, and leaves nothing behind.
TEST(checkpoint_transfer, without_room_none_is_taken_in) {
  const Tokens text = ids(1, 30);
  HybridCache from(kPages, kCheckpoints), to(kPages, /*checkpoints=*/1);
  keep(from, kAlice, text, {20, 29});
  const UniqueFd file = new_file();
  const FileCheckpoints exported = export_to(file.get(), from, kAlice, text);
  keep(to, kAlice, text, {});
  const auto taken = to.store().begin(kBob);
  ASSERT_TRUE(taken && *taken != cache::kNoSlot);
  EXPECT_EQ(import_from(file.get(), exported, to, kAlice, text).count, 0u);
  to.store().release(*taken);
  EXPECT_EQ(import_from(file.get(), exported, to, kAlice, text).count, 1u);
  to.check();
}

TEST(checkpoint_transfer, what_ends_in_the_middle_leaves_what_was_whole) {
  const Tokens text = ids(1, 60);
  HybridCache from(kPages, kCheckpoints), to(kPages, kCheckpoints);
  keep(from, kAlice, text, {20, 40, 60});
  keep(to, kAlice, text, {});
  const UniqueFd file = new_file();
  Transfer out(from, kAlice, text);
  CheckpointTransfer& begun = out.begin(file.get());
  EXPECT_TRUE(*begun.move(kObjectBytes + 300));
  EXPECT_EQ(told(begun.result()), Positions{60});
  out.drop();
  EXPECT_EQ(from.store().stats().checkpoints_in_use, 0u);
  const FileCheckpoints exported = export_to(file.get(), from, kAlice, text);
  Transfer in(to, kAlice, text);
  CheckpointTransfer& half = in.begin(file.get(), &exported);
  EXPECT_TRUE(*half.move(kObjectBytes + 300));
  EXPECT_EQ(half.result().count, 1u);
  EXPECT_EQ(to.store().stats().checkpoints_in_use, 1u);
  in.drop();
  EXPECT_EQ(to.store().stats().checkpoints_in_use, 0u);
  EXPECT_EQ(positions_of(to, kAlice, text), Positions{20});
  to.check();
  from.check();
}

TEST(checkpoint_transfer, a_file_that_ends_too_soon_is_an_error) {
  const Tokens text = ids(1, 30);
  HybridCache to(kPages, kCheckpoints);
  keep(to, kAlice, text, {});
  const UniqueFd file = new_file();
  ASSERT_EQ(ftruncate(file.get(), 100 + kObjectBytes - 1), 0);
  const FileCheckpoints there = {
      .state_bytes = sizeof(cache::State), .count = 1, .positions = {29}};
  Transfer in(to, kAlice, text);
  const Result<bool> moved = in.begin(file.get(), &there).move(1u << 20);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code, Code::STORAGE);
  in.drop();
  EXPECT_EQ(to.store().stats().checkpoints_kept, 0u);
  to.check();
}

TEST(checkpoint_transfer, what_is_there_or_continues_nothing_is_passed_over) {
  const Tokens text = ids(1, 60);
  HybridCache from(kPages, kCheckpoints);
  keep(from, kAlice, text, {20, 40, 60});
  const UniqueFd file = new_file();
  const FileCheckpoints exported = export_to(file.get(), from, kAlice, text);
  HybridCache same(kPages, kCheckpoints);
  keep(same, kAlice, text, {20, 60});
  EXPECT_EQ(import_from(file.get(), exported, same, kAlice, text).count, 3u);
  EXPECT_EQ(positions_of(same, kAlice, text), (Positions{20, 40, 60}));
  HybridCache half(kPages, kCheckpoints);
  keep(half, kAlice, ids(1, 39), {});  // pages of 32 tokens
  EXPECT_EQ(import_from(file.get(), exported, half, kAlice, text).count, 2u);
  EXPECT_EQ(warm_until(half, kAlice, text), 40u) << "it has its own page";
  half.check();
}

// Behind a text's last row a page may have another's: in a group, of another user.
TEST(checkpoint_transfer, nothing_of_another_text_goes) {
  const Tokens text = ids(1, 12);
  HybridCache cache(kPages, kCheckpoints);
  HybridRequest request(&cache, kAlice, text);
  request.compute();
  const auto slot = cache.store().begin(kAlice);
  ASSERT_TRUE(slot);
  const std::span<std::byte> page = cache.store().page(*slot);
  constexpr std::size_t kRows = 4 * cache::kTokenBytes;
  std::copy_n(request.pages().payloads()[1], kRows, page.begin());
  std::fill(page.begin() + kRows, page.end(), std::byte{0xee});
  cache.store().release(
      cache.store().commit(*slot, request.pages().checkpoint_identity(text), kAll));
  const UniqueFd file = new_file();
  EXPECT_EQ(export_to(file.get(), cache, kAlice, text).count, 1u);
  const std::vector<std::byte> bytes = contents(file.get());
  const auto copy = bytes.begin() + 100 + sizeof(cache::State);
  EXPECT_TRUE(std::equal(page.begin(), page.begin() + kRows, copy));
  EXPECT_EQ(std::count(copy + kRows, bytes.end(), std::byte{0}), 256 - kRows);
  EXPECT_EQ(page.back(), std::byte{0xee}) << "the store has what it had";
}

// One that was changed in memory since another daemon wrote it does not go; the next one does.
TEST(checkpoint_transfer, a_damaged_one_is_left_out) {
  const Tokens text = ids(1, 60);
  HybridCache cache(kPages, kCheckpoints);
  keep(cache, kAlice, text, {20, 40, 60});
  {
    Transfer found(cache, kAlice, text);
    const cache::SlotId slot = cache.store().find({kAlice, found.keys(), text, 60});
    ASSERT_NE(slot, cache::kNoSlot);
    cache.store().state(slot)[7] ^= std::byte{1};
    cache.store().release(slot);
  }
  cache.reopen(kPages, kCheckpoints);
  const UniqueFd file = new_file();
  EXPECT_EQ(told(export_to(file.get(), cache, kAlice, text)), (Positions{40, 20}));
  EXPECT_EQ(cache.store().stats().damaged, 1u);
  cache.check();
}

// What it tells when it is over: request 0 is one that failed.
TransferredNotice last_notice(MessageRing& ring) {
  TransferredNotice notice = {};
  std::uint32_t type = 0;
  std::vector<std::byte> message;
  while (ring.pop(type, message)) {
    if (static_cast<Notice>(type) != Notice::transferred) return {};
    std::memcpy(&notice, message.data(), sizeof(notice));
  }
  return notice;
}

// A transfer may be ended at any time: what was moved is told, what was not is nobody's.
TEST(checkpoint_transfer, gives_way_and_is_canceled_between_pages_and_checkpoints) {
  const Tokens text = ids(1, 60);
  HybridCache from(kPages, kCheckpoints), to(kPages, kCheckpoints);
  keep(from, kAlice, text, {20, 40, 60});
  MessageRing ring(1u << 16);
  NoticeWriter writer(&ring);
  PageTransfers out(from.pages().get(), &from.store(), &kKv, &writer);
  PageTransfers in(to.pages().get(), &to.store(), &kKv, &writer);
  const UniqueFd file = new_file();
  const auto add = [&](PageTransfers& transfers, TransferCommand command) {
    command.request = 1;
    command.namespace_id = kAlice;
    command.fd = fcntl(file.get(), F_DUPFD_CLOEXEC, 0);
    transfers.add(command, text);
    EXPECT_TRUE(transfers.step());  // all pages
  };
  add(out, {});
  EXPECT_TRUE(out.give_way());
  EXPECT_FALSE(out.give_way());
  TransferredNotice told = last_notice(ring);
  EXPECT_EQ(told.page_count, 7u);
  EXPECT_EQ(told.checkpoints.count, 0u);
  add(out, {});
  while (out.step()) continue;
  told = last_notice(ring);
  EXPECT_EQ(told.page_count, 7u);
  EXPECT_EQ(told.checkpoints.count, 3u);
  TransferCommand import = {};
  import.import = true;
  import.geometry = told.geometry;
  import.page_count = told.page_count;
  import.checkpoints_offset = told.page_count * cache::SmallCache::kPayloadBytes;
  import.checkpoints = told.checkpoints;
  import.max_checkpoints = kAll;
  add(in, import);
  in.cancel(1);
  EXPECT_EQ(last_notice(ring).request, 0u);
  EXPECT_EQ(warm_until(to, kAlice, text), 0u);
  add(in, import);
  while (in.step()) continue;
  EXPECT_EQ(last_notice(ring).checkpoints.count, 3u);
  EXPECT_EQ(warm_until(to, kAlice, text), 60u);
  for (HybridCache* cache : {&from, &to}) {
    EXPECT_EQ(cache->pages()->stats().pages_in_use, 0u);
    EXPECT_EQ(cache->store().stats().checkpoints_in_use, 0u);
    cache->check();
  }
}

// ---- Real models --------------------------------------------------------------------------------

constexpr std::uint64_t kOffset = 4096;

// What an engine's export has left in a file.
struct Exported {
  UniqueFd file = new_file();
  TransferredNotice notice = {};

  TransferCommand import() const {
    TransferCommand command = {};
    command.import = true;
    command.fd = file.get();
    command.geometry = notice.geometry;
    command.pages_offset = kOffset;
    command.page_count = notice.page_count;
    command.checkpoints_offset = kOffset + notice.page_count * notice.geometry.payload_bytes;
    command.checkpoints = notice.checkpoints;
    command.max_checkpoints = 8;
    return command;
  }
};

class MovedText : public testing::TestWithParam<const char*> {
 protected:
  MovedText() : from_(path(), settings()) {
    text_ = joined(random_prompt(1, 100), ask(from_, random_prompt(1, 100)).tokens);
    text_ = joined(text_, random_prompt(2, 45));
    text_ = joined(text_, ask(from_, text_).tokens);
    TransferCommand command = {};
    command.pages_offset = kOffset;
    command.fd = exported_.file.get();
    exported_.notice = from_.transfer(command, text_);
  }

  static std::string path() {
    return std::string(HEARTH_TEST_DATA "/models/") + GetParam() + ".gguf";
  }
  static EngineHarness::Settings settings() { return {.context = 512, .with_tokenizer = false}; }
  static Outcome ask(EngineHarness& engine, const Tokens& prompt, cache::NamespaceId id = kAlice) {
    SubmitCommand command = EngineHarness::greedy(4);
    command.namespace_id = id;
    command.ignore_eos = 1;
    command.want_logits = 1;
    return engine.run(command, prompt);
  }

  EngineHarness from_;
  Tokens text_;  // two turns
  Exported exported_;
};

TEST_P(MovedText, is_warm_elsewhere_and_says_the_same_bit_for_bit) {
  const std::uint64_t pages = (text_.size() - 1) / 32;
  ASSERT_EQ(exported_.notice.page_count, pages);
  ASSERT_GE(exported_.notice.checkpoints.count, 2u);
  EXPECT_EQ(exported_.notice.checkpoints.positions[0], text_.size() - 1);
  EngineHarness to(path(), settings()), cold(path(), settings());
  const TransferredNotice imported = to.transfer(exported_.import(), text_);
  EXPECT_EQ(imported.page_count, pages);
  EXPECT_EQ(imported.checkpoints.count, exported_.notice.checkpoints.count);
  const Tokens next = joined(text_, random_prompt(3, 20));
  const Outcome expected = ask(cold, next);
  const Outcome another = ask(to, next, kBob);
  EXPECT_EQ(another.done->cached_tokens, 0u) << "it is Alice's";
  const Outcome warm = ask(to, next);
  EXPECT_EQ(warm.done->cache.computed_tokens, 1u + 20u);
  EXPECT_EQ(warm.done->cache.state_tokens, text_.size() - 1);
  EXPECT_EQ(warm.tokens, expected.tokens);
  EXPECT_TRUE(warm.logits == expected.logits) << "bits differ";
  // Its last reply is said again.
  const Tokens prompt(text_.begin(), text_.end() - 4);
  const Outcome again = ask(to, prompt);
  EXPECT_EQ(again.done->cache.computed_tokens, 1u);
  EXPECT_TRUE(again.logits == ask(cold, prompt).logits) << "bits differ";
}

TEST_P(MovedText, is_computed_where_its_states_are_of_another_size) {
  EngineHarness to(path(), settings());
  TransferCommand command = exported_.import();
  command.checkpoints.state_bytes += 64;
  const TransferredNotice imported = to.transfer(command, text_);
  EXPECT_EQ(imported.page_count, exported_.notice.page_count);
  EXPECT_EQ(imported.checkpoints.count, 0u);
  const Outcome outcome = ask(to, text_);
  EXPECT_EQ(outcome.done->cache.computed_tokens, text_.size());
  EXPECT_TRUE(outcome.logits == ask(from_, text_).logits) << "bits differ";
}

// Without a page there is a checkpoint still: the first page needs none before it.
TEST_P(MovedText, may_be_shorter_than_a_page) {
  Tokens text = random_prompt(4, 12);
  text = joined(text, ask(from_, text).tokens);
  Exported small;
  TransferCommand command = {};
  command.pages_offset = kOffset;
  command.fd = small.file.get();
  small.notice = from_.transfer(command, text);
  EXPECT_EQ(small.notice.page_count, 0u);
  ASSERT_EQ(small.notice.checkpoints.count, 1u) << "none is taken before 64 tokens but at the end";
  EXPECT_EQ(small.notice.checkpoints.positions[0], 11u);
  EngineHarness to(path(), settings());
  EXPECT_EQ(to.transfer(small.import(), text).checkpoints.count, 1u);
  const Outcome warm = ask(to, text);
  EXPECT_EQ(warm.done->cache.computed_tokens, text.size() - 11);
  EXPECT_TRUE(warm.logits == ask(from_, text).logits) << "bits differ";
}

INSTANTIATE_TEST_SUITE_P(models, MovedText,
                         testing::Values("qwen35", "qwen3next", "jamba", "mamba", "mamba2", "lfm2"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace hearth
