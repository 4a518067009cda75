// Goal: what needs no daemon: initialising structs of any size, and the one list of errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "hearth/hearth.h"

namespace hearth::client_test {
namespace {

TEST(structs, init_sets_no_byte_beyond_the_size_it_is_told) {
  const auto check = [](auto init, std::size_t size) {
    std::vector<unsigned char> memory(size + 64, 0xee);
    const auto fill = [&](std::size_t struct_size) {
      std::fill(memory.begin(), memory.end(), 0xee);
      init(memory.data(), struct_size);
      for (std::size_t i = struct_size; i < memory.size(); ++i) {
        ASSERT_EQ(memory[i], 0xee) << "byte " << i << " of a struct of " << struct_size;
      }
      std::size_t written;
      std::memcpy(&written, memory.data(), sizeof(written));
      EXPECT_EQ(written, struct_size);
    };
    for (std::size_t struct_size = sizeof(std::size_t); struct_size <= size + 32; ++struct_size) {
      fill(struct_size);
    }
    std::fill(memory.begin(), memory.end(), 0xee);
    init(memory.data(), sizeof(std::size_t) - 1);
    EXPECT_EQ(memory[0], 0xee) << "no room for the size itself";
    init(nullptr, size);
  };
  const auto as = [](auto* function) {
    return [function](void* memory, std::size_t size) {
      using Struct = std::remove_pointer_t<decltype(
          []<class T>(void (*)(T*, std::size_t)) { return static_cast<T*>(nullptr); }(function))>;
      function(static_cast<Struct*>(memory), size);
    };
  };
  check(as(&hearth_connect_options_init_sized), sizeof(hearth_connect_options));
  check(as(&hearth_generate_options_init_sized), sizeof(hearth_generate_options));
  check(as(&hearth_eval_options_init_sized), sizeof(hearth_eval_options));
  check(as(&hearth_cache_options_init_sized), sizeof(hearth_cache_options));
  check(as(&hearth_result_init_sized), sizeof(hearth_result));
  check(as(&hearth_event_init_sized), sizeof(hearth_event));
}

TEST(errors, every_code_has_a_name_and_a_text) {
#define EXPECT_NAMED(error, value, wire, text)            \
  EXPECT_EQ(HEARTH_E##error, value);                      \
  EXPECT_STREQ(hearth_error_name(HEARTH_E##error), wire); \
  EXPECT_STREQ(hearth_strerror(HEARTH_E##error), text);
  HEARTH_ERROR_MAP(EXPECT_NAMED)
#undef EXPECT_NAMED
  EXPECT_STREQ(hearth_error_name(HEARTH_OK), "ok");
  EXPECT_STREQ(hearth_strerror(7), "success");
  EXPECT_STREQ(hearth_error_name(-999), "unknown");
  EXPECT_STREQ(hearth_strerror(-999), "an error of a later version");
  EXPECT_STREQ(hearth_version(), HEARTH_VERSION_STRING);
  EXPECT_STREQ(hearth_stop_reason_name(HEARTH_STOP_SEQUENCE), "stop");
  EXPECT_STREQ(hearth_stop_reason_name(-1), "unknown");
  EXPECT_STREQ(hearth_stop_reason_name(6), "unknown");
}

TEST(errors, every_end_of_a_match_has_a_name_and_a_text) {
#define EXPECT_NAMED(end, value, wire, text)                         \
  EXPECT_EQ(HEARTH_MATCH_END_##end, value);                          \
  EXPECT_STREQ(hearth_match_end_name(HEARTH_MATCH_END_##end), wire); \
  EXPECT_STREQ(hearth_match_end_text(HEARTH_MATCH_END_##end), text);
  HEARTH_MATCH_END_MAP(EXPECT_NAMED)
#undef EXPECT_NAMED
  EXPECT_STREQ(hearth_match_end_name(-1), "unknown");
  EXPECT_STREQ(hearth_match_end_text(999), "a reason of a later version");
}

}  // namespace
}  // namespace hearth::client_test
