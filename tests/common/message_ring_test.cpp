// Goal: the ring gives out what was put in, in order, across its end and between two threads.
#include "common/message_ring.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <thread>

namespace hearth {
namespace {

MessageRing::Part bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(message_ring, gives_messages_in_order_with_their_parts_joined) {
  MessageRing ring(256);
  ASSERT_TRUE(ring.push(1, {bytes_of("ab"), bytes_of("cd")}));
  ASSERT_TRUE(ring.push(2, {}));
  std::uint32_t type = 0;
  std::vector<std::byte> payload;
  ASSERT_TRUE(ring.pop(type, payload));
  EXPECT_EQ(type, 1u);
  EXPECT_EQ(text_of(payload), "abcd");
  ASSERT_TRUE(ring.pop(type, payload));
  EXPECT_EQ(type, 2u);
  EXPECT_TRUE(payload.empty());
  EXPECT_FALSE(ring.pop(type, payload));
}

TEST(message_ring, a_full_ring_refuses_and_says_when_there_is_room) {
  MessageRing ring(64);
  const std::string twenty(20, 'x');  // 28 bytes with its head, 32 padded
  ASSERT_TRUE(ring.push(1, {bytes_of(twenty)}));
  ASSERT_TRUE(ring.push(1, {bytes_of(twenty)}));
  EXPECT_FALSE(ring.push(1, {bytes_of(twenty)}));
  pollfd writable = {ring.writable().fd(), POLLIN, 0};
  EXPECT_EQ(poll(&writable, 1, 0), 0);
  std::uint32_t type = 0;
  std::vector<std::byte> payload;
  ASSERT_TRUE(ring.pop(type, payload));
  EXPECT_EQ(poll(&writable, 1, 0), 1);
  EXPECT_TRUE(ring.push(1, {bytes_of(twenty)}));
}

TEST(message_ring, a_message_larger_than_the_ring_is_refused) {
  MessageRing ring(64);
  EXPECT_FALSE(ring.push(1, {bytes_of(std::string(64, 'x'))}));
  EXPECT_TRUE(ring.push(1, {bytes_of(std::string(56, 'x'))}));
}

// Method: one thread writes messages of every size in turn, another reads and checks them; the ring
// is small, so both ends wait and wrap many times.
TEST(message_ring, two_threads_pass_a_hundred_thousand_messages) {
  constexpr int kCount = 100000;
  MessageRing ring(1024);
  std::thread writer([&] {
    for (int i = 0; i < kCount; ++i) {
      const std::string text(static_cast<std::size_t>(i % 200), static_cast<char>('a' + i % 26));
      while (!ring.push(static_cast<std::uint32_t>(i), {bytes_of(text)})) {
        pollfd writable = {ring.writable().fd(), POLLIN, 0};
        poll(&writable, 1, 1000);
        ring.writable().clear();
      }
    }
  });
  std::vector<std::byte> payload;
  int bad = 0;
  for (int i = 0; i < kCount;) {
    std::uint32_t type = 0;
    if (!ring.pop(type, payload)) {
      pollfd readable = {ring.readable().fd(), POLLIN, 0};
      poll(&readable, 1, 1000);
      ring.readable().clear();
      continue;
    }
    const std::string wanted(static_cast<std::size_t>(i % 200), static_cast<char>('a' + i % 26));
    bad += type != static_cast<std::uint32_t>(i) || text_of(payload) != wanted;
    ++i;
  }
  writer.join();
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace hearth
