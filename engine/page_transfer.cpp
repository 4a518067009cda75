// See page_transfer.hpp.
#include "engine/page_transfer.hpp"

#include <unistd.h>

#include <algorithm>

#include "common/whole_io.hpp"

namespace hearth {
void PageTransfers::add(const TransferCommand& command, std::vector<TokenId> ids) {
  Transfer transfer = {
      .command = command, .ids = std::move(ids), .fd = UniqueFd(command.fd), .pages = nullptr};
  const bool fits = !command.import || command.geometry == cache_->geometry();
  const std::uint64_t whole = transfer.ids.size() / cache_->page_tokens();
  transfer.command.page_count = !fits            ? 0
                                : command.import ? std::min(command.page_count, whole)
                                                 : whole;
  const bool fits_state = fits && checkpoints_ != nullptr &&
                          command.checkpoints.state_bytes == checkpoints_->geometry().state_bytes;
  if (!fits_state) transfer.command.checkpoints = {};
  transfers_.push_back(std::move(transfer));
}

void PageTransfers::cancel(RequestId request) {
  const auto of_request = [&](const Transfer& one) { return one.command.request == request; };
  if (std::erase_if(transfers_, of_request) == 0) return;
  writer_->fail(Notice::failed, request, {Code::CANCELED, "canceled"});
}

bool PageTransfers::step() {
  if (transfers_.empty()) return false;
  Transfer& transfer = transfers_.front();
  const Result<bool> moved = move(transfer);
  if (moved && *moved) return true;
  if (moved) {
    finish(transfer);
  } else {
    writer_->fail(Notice::failed, transfer.command.request, moved.error());
  }
  transfers_.pop_front();
  return true;
}

// Some bytes of it; false when there is nothing left of it.
Result<bool> PageTransfers::move(Transfer& transfer) {
  if (transfer.checkpoints != nullptr) return transfer.checkpoints->move(kStepBytes);
  for (std::uint64_t bytes = 0; bytes < kStepBytes; bytes += cache_->payload_bytes()) {
    HEARTH_TRY(const bool moved, move_page(transfer));
    if (!moved) return begin_checkpoints(transfer);
  }
  return true;
}

bool PageTransfers::give_way() {
  if (transfers_.empty() || transfers_.front().pages == nullptr) return false;
  finish(transfers_.front());
  transfers_.pop_front();
  return true;
}

// False when there is none left, no such page to export, or no room for one to import.  A page that
// is there already needs no import.
Result<bool> PageTransfers::move_page(Transfer& transfer) {
  if (transfer.next >= transfer.command.page_count) return false;
  take_pages(transfer);
  const auto end = static_cast<std::uint32_t>((transfer.next + 1) * cache_->page_tokens());
  const bool there = transfer.pages->adopt_pages(transfer.ids, end) == end;
  if (!transfer.command.import && !there) return false;
  if (!there) {
    HEARTH_TRY(const bool room, transfer.pages->reserve(end));
    if (!room) return false;
  }
  if (!transfer.command.import || !there) HEARTH_CHECK(copy_page(transfer));
  if (!there) transfer.pages->advance(transfer.ids, end);
  ++transfer.next;
  return true;
}

Status PageTransfers::copy_page(Transfer& transfer) {
  const std::uint64_t size = cache_->payload_bytes();
  const std::uint64_t at = transfer.command.pages_offset + transfer.next * size;
  const std::span payload(transfer.pages->payloads()[transfer.next], size);
  constexpr const char* kWhat = "move the pages of a session";
  return transfer.command.import ? read_whole_at(transfer.fd.get(), payload, at, kWhat)
                                 : write_whole_at(transfer.fd.get(), payload, at, kWhat);
}

void PageTransfers::take_pages(Transfer& transfer) {
  if (transfer.pages != nullptr) return;
  transfer.pages = std::make_unique<cache::SequencePages>(
      cache_, transfer.command.namespace_id, static_cast<std::uint32_t>(transfer.ids.size()));
}

// All pages are moved.  False where there are no checkpoints to move.
bool PageTransfers::begin_checkpoints(Transfer& transfer) {
  const TransferCommand& command = transfer.command;
  if (checkpoints_ == nullptr || (command.import && command.checkpoints.count == 0)) return false;
  take_pages(transfer);
  const std::uint64_t behind = command.pages_offset + transfer.next * cache_->payload_bytes();
  transfer.checkpoints = std::make_unique<CheckpointTransfer>(
      checkpoints_, kv_, transfer.pages.get(),
      CheckpointTransfer::Job{.import = command.import,
                              .fd = transfer.fd.get(),
                              .offset = command.import ? command.checkpoints_offset : behind,
                              .ids = transfer.ids,
                              .there = command.checkpoints,
                              .max_checkpoints = command.max_checkpoints});
  return true;
}

void PageTransfers::finish(const Transfer& transfer) {
  TransferredNotice notice = {};
  notice.request = transfer.command.request;
  notice.page_count = transfer.next;
  notice.geometry = cache_->geometry();
  if (transfer.checkpoints != nullptr) notice.checkpoints = transfer.checkpoints->result();
  writer_->send(Notice::transferred, notice);
}

}  // namespace hearth
