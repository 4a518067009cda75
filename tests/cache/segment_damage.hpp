// The file of a segment, whose bytes tests change and put back.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <xxhash.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cache/segment.hpp"
#include "common/unique_fd.hpp"

namespace hearth::cache {

class SegmentDamage {
 public:
  enum class Kind { superblock, record, header, payload };

  // What the file of this segment holds now is what put_back() puts there.
  SegmentDamage(std::string path, const Segment& segment) : path_(std::move(path)) {
    open_file();
    for (const off_t at : {0, 4096}) {
      SuperBlock one = {};
      EXPECT_EQ(pread(fd_.get(), &one, sizeof(one), at), ssize_t{sizeof(one)});
      if (one.sequence > block_.sequence) block_ = one, block_at_ = at;
    }
    const std::uint64_t backed = segment.backed_slots();
    save(0, kTableOffset);
    save(kTableOffset, backed * sizeof(Record));
    save(block_.headers_offset, backed * block_.header_bytes);
    save(block_.data_offset, backed * block_.payload_stride);
  }

  void put_back() {
    open_file();  // it may be a new one
    for (const auto& [offset, bytes] : parts_) write_at(offset, bytes.data(), bytes.size());
  }

  // A bit or two of one of the first slots; with the checksums set to what they would be then.
  void flip(Kind kind, std::uint64_t slots, bool fix_sums) {
    const std::uint64_t slot = random_() % slots;
    const std::uint64_t record_at = kTableOffset + slot * sizeof(Record);
    const std::uint64_t header_at = block_.headers_offset + slot * block_.header_bytes;
    std::uint64_t begin = 0, bytes = 0;
    switch (kind) {
      case Kind::superblock:
        begin = static_cast<std::uint64_t>(block_at_), bytes = sizeof(block_);
        break;
      case Kind::record: begin = record_at, bytes = sizeof(Record); break;
      case Kind::header: begin = header_at, bytes = block_.header_bytes; break;
      case Kind::payload:
        begin = block_.data_offset + slot * block_.payload_stride;
        bytes = block_.payload_bytes;
        break;
    }
    for (std::uint64_t i = 0; i < 1 + random_() % 2; ++i) flip_bit(begin + random_() % bytes);
    if (fix_sums) fix(kind, begin, record_at);
  }

 private:
  void open_file() { fd_ = UniqueFd(open(path_.c_str(), O_RDWR | O_CLOEXEC)); }

  // begin: of what was changed.
  void fix(Kind kind, std::uint64_t begin, std::uint64_t record_at) {
    if (kind == Kind::superblock) {
      auto block = read_at<SuperBlock>(begin);
      block.checksum = superblock_sum(block);
      write_at(begin, &block, sizeof(block));
    }
    if (kind == Kind::header) {
      auto header = read_at<ObjectHeader>(begin);
      const std::uint64_t room = (block_.header_bytes - sizeof(header)) / sizeof(std::int32_t);
      std::vector<std::int32_t> tokens(std::min<std::uint64_t>(header.token_count, room));
      read_bytes(begin + sizeof(header), tokens.data(), tokens.size() * sizeof(std::int32_t));
      header.checksum = header_sum(header, tokens);
      write_at(begin, &header, sizeof(header));
    }
    auto record = read_at<Record>(record_at);
    if (kind == Kind::payload) {
      std::vector<std::byte> payload(block_.payload_bytes);
      read_bytes(begin, payload.data(), payload.size());
      record.payload_sum = XXH3_64bits(payload.data(), payload.size());
    }
    record.record_sum = record_sum(record);
    write_at(record_at, &record, sizeof(record));
  }

  void save(std::uint64_t offset, std::uint64_t bytes) {
    std::vector<std::byte> content(bytes);
    read_bytes(offset, content.data(), bytes);
    parts_.emplace_back(offset, std::move(content));
  }
  void read_bytes(std::uint64_t offset, void* into, std::size_t bytes) const {
    EXPECT_EQ(pread(fd_.get(), into, bytes, static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes));
  }
  template <class T>
  T read_at(std::uint64_t offset) const {
    T value;
    read_bytes(offset, &value, sizeof(value));
    return value;
  }
  void write_at(std::uint64_t offset, const void* from, std::size_t bytes) {
    ASSERT_EQ(pwrite(fd_.get(), from, bytes, static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes));
  }
  void flip_bit(std::uint64_t offset) {
    auto byte = read_at<unsigned char>(offset);
    byte = static_cast<unsigned char>(byte ^ (1u << (random_() % 8)));
    write_at(offset, &byte, 1);
  }

  const std::string path_;
  UniqueFd fd_;
  SuperBlock block_ = {};
  off_t block_at_ = 0;
  std::vector<std::pair<std::uint64_t, std::vector<std::byte>>> parts_;
  std::mt19937_64 random_{20261121};
};

}  // namespace hearth::cache
