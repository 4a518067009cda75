// The checkpoints of one text out of their store into a file, and from a file into the store: what
// page_transfer.hpp does after the pages, for models with recurrent layers.
//
// Export takes the last checkpoint of the text, where the next turn goes on, and the one above it,
// where its last reply is said again; further ones above, the last first, while all of them take no
// more than the text's pages do: FileCheckpoints::kCountMax in all.  Those found damaged are left
// out.  Rows of a page that are not the text's are zeroed: they may be another's of its namespace.
//
// Import trusts a file for bytes only, which who asks has checked; it was told sizes and positions.
// Keys are made from the tokens, with the secret of the namespace that imports, which also has the
// quota.  What is there already, or continues pages that are not, is passed over; what has no room
// is left out.
//
// THREAD: the engine.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "cache/checkpoint_store.hpp"
#include "cache/sequence_pages.hpp"
#include "engine/messages.hpp"
#include "engine/plan.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

class CheckpointTransfer {
 public:
  struct Job {
    bool import;
    int fd;                         // the caller's
    std::uint64_t offset;           // in the file, of the first one
    std::span<const TokenId> ids;   // of the text; the caller's
    FileCheckpoints there;          // import: those in the file, of our state's size
    std::uint32_t max_checkpoints;  // import: on the path of a text; 0: none are taken in
  };
  // All that is passed by pointer outlives us; pages are those of the text that are there.
  CheckpointTransfer(cache::CheckpointStore* store, const KvGeometry* kv,
                     const cache::SequencePages* pages, const Job& job);
  ~CheckpointTransfer() { let_go(); }
  CheckpointTransfer(const CheckpointTransfer&) = delete;
  CheckpointTransfer& operator=(const CheckpointTransfer&) = delete;

  // Move so many bytes, at most.  False when all is moved.  Errors: IO, STORAGE.
  Result<bool> move(std::uint64_t bytes_max);

  // Export: those in the file, whole.  Import: count of the file's that the store has now.
  FileCheckpoints result() const;

 private:
  static constexpr std::uint32_t kAlwaysCount = 2;  // however large they are

  cache::CheckpointPath path(std::uint32_t limit) const;
  std::uint64_t object_bytes() const { return parts_bytes_[0] + parts_bytes_[1]; }
  bool begin_next();
  bool begin_export();
  bool begin_import();
  bool continues_pages(std::uint32_t position) const;
  bool is_there(std::uint32_t position);
  Result<std::uint64_t> move_part(std::uint64_t bytes_max);
  void end();
  void let_go();

  cache::CheckpointStore* const store_;
  const KvGeometry* const kv_;
  const cache::SequencePages* const pages_;
  const Job job_;
  const std::array<std::uint64_t, 2> parts_bytes_;  // of a state, of a page
  FileCheckpoints moved_;                           // export
  std::uint32_t left_ = 0;                          // import: of job_.there, the first ones
  cache::SlotId slot_ = cache::kNoSlot;             // that is being moved, with a reference
  std::array<std::span<std::byte>, 2> parts_;       // of it: state, page
  std::uint64_t done_ = 0;                          // bytes of it
  std::vector<std::byte> page_copy_;                // export
};

}  // namespace hearth
