// Whole pages of a sequence out of the cache into a file, and from a file into the cache: what
// exporting and importing a session take.  The checkpoints of its state, where the model has one,
// go behind the pages: checkpoint_transfer.hpp.
//
// THREAD: the engine.  A little in each turn of it, between steps, so that nobody who generates has
// to wait for gigabytes.  The file is a memfd; what is imported was checked by who asks, and cannot
// change any more.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "cache/sequence_pages.hpp"
#include "common/unique_fd.hpp"
#include "engine/checkpoint_transfer.hpp"
#include "engine/notice_writer.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

class PageTransfers {
 public:
  // All outlive us.  checkpoints: null where none are kept; kv: where rows lie in a page.
  PageTransfers(cache::PageCache* cache, cache::CheckpointStore* checkpoints, const KvGeometry* kv,
                NoticeWriter* notices)
      : cache_(cache), checkpoints_(checkpoints), kv_(kv), writer_(notices) {}

  // Take over a transfer; it ends with Notice::transferred or Notice::failed.
  void add(const TransferCommand& command, std::vector<TokenId> ids);
  void cancel(RequestId request);

  // End the transfer that holds pages, with what it has moved: somebody who generates needs pages.
  // False when there is none.
  bool give_way();

  // Move some bytes of the transfer that came first.  False when there is none.
  bool step();

  static constexpr std::uint64_t kStepBytes = 8u << 20;  // about 3 ms

 private:
  struct Transfer {
    TransferCommand command;
    std::vector<TokenId> ids;
    UniqueFd fd;
    std::unique_ptr<cache::SequencePages> pages;                // moved; from the first one on
    std::uint64_t next = 0;                                     // page
    std::unique_ptr<CheckpointTransfer> checkpoints = nullptr;  // from the last page on
  };
  Result<bool> move(Transfer& transfer);
  Result<bool> move_page(Transfer& transfer);
  Status copy_page(Transfer& transfer);
  bool begin_checkpoints(Transfer& transfer);
  void take_pages(Transfer& transfer);
  void finish(const Transfer& transfer);

  cache::PageCache* cache_;
  cache::CheckpointStore* checkpoints_;
  const KvGeometry* kv_;
  NoticeWriter* writer_;
  std::deque<Transfer> transfers_;
};

}  // namespace hearth
