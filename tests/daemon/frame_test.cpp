// Goal: frames however their bytes come, and broken ones refused before anything is kept.
#include "daemon/frame.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace hearth {
namespace {

std::string header(std::uint32_t size, std::uint16_t verb, std::uint8_t flags, std::uint8_t fds,
                   std::uint32_t request, std::uint32_t json_size) {
  const hearth_frame_header head = {size, verb, flags, fds, request, json_size};
  return {reinterpret_cast<const char*>(&head), sizeof(head)};
}

// Feeds bytes in pieces of a size; what came of it.
struct Fed {
  std::vector<std::string> frames;  // verb/json/payload
  bool broken = false;
};
Fed feed(const std::string& bytes, std::size_t piece) {
  FrameReader reader;
  Fed fed;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::span<const std::byte> part =
        std::as_bytes(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    while (!part.empty()) {
      const auto used = reader.feed(part);
      if (!used) {
        fed.broken = true;
        return fed;
      }
      part = part.subspan(*used);
      if (!reader.complete()) continue;
      const Frame frame = reader.take();
      const auto text = [](std::span<const std::byte> b) {
        return std::string(reinterpret_cast<const char*>(b.data()), b.size());
      };
      fed.frames.push_back(std::to_string(frame.header.verb) + "/" + text(frame.json) + "/" +
                           text(frame.payload));
    }
  }
  return fed;
}

TEST(frame, frames_come_whole_however_the_bytes_come) {
  const std::string bytes = header(5, 7, 0, 0, 1, 2) + "{}abc" + header(0, 2, 0, 0, 2, 0) +
                            header(3, 5, 0, 0, 3, 0) + "xyz";
  const std::vector<std::string> wanted = {"7/{}/abc", "2//", "5//xyz"};
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const Fed fed = feed(bytes, piece);
    EXPECT_FALSE(fed.broken);
    EXPECT_EQ(fed.frames, wanted) << "pieces of " << piece;
  }
}

TEST(frame, broken_headers_are_refused_before_any_body_is_kept) {
  EXPECT_TRUE(feed(header(HEARTH_FRAME_BYTES_MAX + 1, 7, 0, 0, 1, 0), 16).broken);
  EXPECT_TRUE(feed(header(UINT32_MAX, 7, 0, 0, 1, 0), 16).broken);
  EXPECT_TRUE(feed(header(10, 7, 0, 0, 1, 11), 16).broken);
  EXPECT_TRUE(
      feed(header(HEARTH_FRAME_BYTES_MAX, 7, 0, 0, 1, HEARTH_JSON_BYTES_MAX + 1), 16).broken);
  EXPECT_TRUE(feed(header(HEARTH_FRAME_BYTES_MAX, 7, 0, 0, 1, 0), 16).broken)
      << "payload too large";
  EXPECT_TRUE(feed(header(0, 7, 1, 0, 1, 0), 16).broken);
  EXPECT_TRUE(feed(header(0, 7, 0, 2, 1, 0), 16).broken);
}

TEST(frame, a_descriptor_belongs_to_the_frame_whose_header_came_with_it) {
  FrameReader reader;
  EXPECT_FALSE(reader.takes_fd());
  const std::string with = header(1, 19, 0, 1, 1, 0) + "x", without = header(1, 7, 0, 0, 1, 0);
  ASSERT_TRUE(reader.feed(std::as_bytes(std::span(with).first(8))));
  EXPECT_TRUE(reader.takes_fd()) << "it may be that frame's";
  ASSERT_TRUE(reader.feed(std::as_bytes(std::span(with).subspan(8, 8))));
  EXPECT_TRUE(reader.takes_fd());
  ASSERT_TRUE(reader.feed(std::as_bytes(std::span(with).subspan(16))));
  EXPECT_EQ(reader.take().header.fd_count, 1);
  EXPECT_FALSE(reader.takes_fd());
  ASSERT_TRUE(reader.feed(std::as_bytes(std::span(without))));
  EXPECT_FALSE(reader.takes_fd());
}

TEST(frame, what_is_encoded_is_read_back) {
  const std::string payload = "some payload";
  const std::array parts = {std::as_bytes(std::span(payload).first(4)),
                            std::as_bytes(std::span(payload).subspan(4))};
  const std::vector<std::byte> bytes = encode_frame(HEARTH_VERB_TOKENS, 0, 9, "{\"a\":1}", parts);
  const Fed fed = feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, 7);
  EXPECT_EQ(fed.frames, (std::vector<std::string>{"32/{\"a\":1}/some payload"}));
}

TEST(frame, random_bytes_never_crash) {
  std::mt19937 random(11);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(random() % 200, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 4 == 0 ? random() : 0);
    feed(bytes, 1 + random() % 50);
  }
}

}  // namespace
}  // namespace hearth
