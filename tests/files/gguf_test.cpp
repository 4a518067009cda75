// Goal: right files are read right; a wrong file is one error that says where, never a crash.
// The rows of reference/daemon.md 6.1 that concern the container each have a test here.
#include "files/gguf.hpp"

#include <gtest/gtest.h>

#include <random>

#include "tests/files/gguf_builder.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

class Gguf : public testing::Test {
 protected:
  Result<GgufFile> open(const std::string& bytes) {
    return GgufFile::open(write_file(directory_.path() + "/model.gguf", bytes));
  }
  // Expects an error whose text contains a word.
  void expect_error(const std::string& bytes, const std::string& word) {
    const auto file = open(bytes);
    ASSERT_FALSE(file) << "accepted: " << word;
    EXPECT_EQ(file.error().code, Code::MODEL);
    EXPECT_NE(file.error().message.find(word), std::string::npos) << file.error().message;
    EXPECT_NE(file.error().message.find("model.gguf"), std::string::npos);
  }
  TemporaryDirectory directory_;
};

using B = GgufBuilder;

TEST_F(Gguf, values_of_every_type_are_read) {
  GgufBuilder builder;
  builder.raw("u8", 0, B::number<std::uint8_t>(200))
      .raw("i8", 1, B::number<std::int8_t>(-3))
      .raw("u16", 2, B::number<std::uint16_t>(60000))
      .raw("i16", 3, B::number<std::int16_t>(300))
      .u32("u32", 4000000000u)
      .raw("i32", 5, B::number<std::int32_t>(-70000))
      .f32("f32", 1.5f)
      .raw("bool", 7, B::number<std::uint8_t>(1))
      .string("string", "two words")
      .strings("strings", {"a", "", "ccc"})
      .raw("u64", 10, B::number<std::uint64_t>(1ull << 40))
      .raw("i64", 11, B::number<std::int64_t>(12))
      .raw("f64", 12, B::number<double>(2.25))
      .raw("i32s", 9,
           B::number<std::uint32_t>(5) + B::number<std::uint64_t>(2) + B::number<std::int32_t>(-1) +
               B::number<std::int32_t>(7))
      .raw("nested", 9,
           B::number<std::uint32_t>(9) + B::number<std::uint64_t>(1) + B::number<std::uint32_t>(4) +
               B::number<std::uint64_t>(1) + B::number<std::uint32_t>(9));
  for (const std::uint32_t version : {2u, 3u}) {
    builder.version = version;
    const auto file = open(builder.bytes());
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(**file->uint_value("u8"), 200u);
    EXPECT_EQ(**file->uint_value("u16"), 60000u);
    EXPECT_EQ(**file->uint_value("i16"), 300u);
    EXPECT_EQ(**file->uint_value("u32"), 4000000000u);
    EXPECT_EQ(**file->uint_value("u64"), 1ull << 40);
    EXPECT_EQ(**file->uint_value("i64"), 12u);
    EXPECT_EQ(**file->real_value("i8"), -3);
    EXPECT_EQ(**file->real_value("i32"), -70000);
    EXPECT_EQ(**file->real_value("f32"), 1.5);
    EXPECT_EQ(**file->real_value("f64"), 2.25);
    EXPECT_TRUE(**file->bool_value("bool"));
    EXPECT_EQ(**file->string_value("string"), "two words");
    EXPECT_EQ(**file->string_array("strings"), (std::vector<std::string_view>{"a", "", "ccc"}));
    EXPECT_EQ(**file->real_array("i32s"), (std::vector<double>{-1, 7}));
    ASSERT_NE(file->find("nested"), nullptr);
    EXPECT_FALSE(*file->uint_value("absent"));
  }
}

TEST_F(Gguf, a_value_of_another_type_is_an_error_that_names_the_key) {
  GgufBuilder builder;
  builder.string("llama.block_count", "four").raw("negative", 5, B::number<std::int32_t>(-1));
  builder.raw("nan", 6, B::number<float>(std::numeric_limits<float>::quiet_NaN()));
  const auto file = open(builder.bytes());
  ASSERT_TRUE(file);
  for (const char* key : {"llama.block_count", "negative"}) {
    const auto value = file->uint_value(key);
    ASSERT_FALSE(value);
    EXPECT_NE(value.error().message.find(key), std::string::npos);
  }
  EXPECT_FALSE(file->real_value("nan"));
  EXPECT_FALSE(file->require_uint("missing"));
}

TEST_F(Gguf, tensors_are_placed_by_their_offsets) {
  GgufBuilder builder;
  builder.tensor("a", {3}, 0, B::floats({1, 2, 3})).tensor("b", {2, 2}, 0, B::floats({4, 5, 6, 7}));
  const auto file = open(builder.bytes());
  ASSERT_TRUE(file) << file.error().message;
  const GgufTensor* b = file->find_tensor("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dims[0], 2u);
  EXPECT_EQ(b->dims[1], 2u);
  EXPECT_EQ(b->dims[2], 1u);
  float values[4];
  ASSERT_EQ(b->data.size(), sizeof(values));
  std::memcpy(values, b->data.data(), sizeof(values));
  EXPECT_EQ(values[3], 7);
  EXPECT_EQ(file->find_tensor("c"), nullptr);
}

TEST_F(Gguf, alignment_is_the_files_own) {
  GgufBuilder builder;
  builder.alignment = 256;
  builder.u32("general.alignment", 256);
  builder.tensor("a", {1}, 0, B::floats({1})).tensor("b", {1}, 0, B::floats({2}));
  const auto file = open(builder.bytes());
  ASSERT_TRUE(file) << file.error().message;
  float value = 0;
  std::memcpy(&value, file->find_tensor("b")->data.data(), sizeof(value));
  EXPECT_EQ(value, 2);
}

TEST_F(Gguf, bad_heads_are_refused) {
  expect_error("GG", "cut off");
  expect_error("this is a text file, not a model", "not a GGUF file");
  GgufBuilder builder;
  builder.version = 1;
  expect_error(builder.bytes(), "version 1");
  builder.version = 0x03000000;
  expect_error(builder.bytes(), "big-endian");
}

TEST_F(Gguf, counts_that_cannot_be_are_refused_before_memory_is_taken) {
  GgufBuilder builder;
  builder.value_count_lie = 1ull << 60;
  expect_error(builder.bytes(), "at most");
  builder.value_count_lie = 0;
  builder.tensor_count_lie = UINT64_MAX / 2;
  expect_error(builder.bytes(), "at most");
  builder.tensor_count_lie = 100;
  expect_error(builder.bytes(), "cannot fit");
  // A file may be as long as it likes without taking any room.
  builder.tensor_count_lie = 1'000'000'000;
  const std::string path = write_file(directory_.path() + "/sparse.gguf", builder.bytes());
  ASSERT_EQ(truncate(path.c_str(), std::int64_t{1} << 36), 0);
  EXPECT_EQ(GgufFile::open(path).error().code, Code::MODEL);
}

TEST_F(Gguf, tensors_that_lie_over_each_other_are_refused) {
  const std::string eight = B::floats({1, 2, 3, 4, 5, 6, 7, 8});
  expect_error(GgufBuilder()
                   .tensor("first", {8}, 0, eight)
                   .tensor("apart", {8}, 0, eight)
                   .tensor_at("second", {4}, 0, 0, "")
                   .bytes(),
               "overlaps");
}

TEST_F(Gguf, a_string_array_that_changes_after_it_was_checked_is_an_error) {
  const auto file = open(GgufBuilder().strings("k", {"aaaaaaaa", "bbbbbbb"}).bytes());
  ASSERT_TRUE(file) << file.error().message;
  const std::string path = file->path();
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  // The first string grows until 0 .. 8 bytes are left for the second one's length.
  const auto at = static_cast<std::streamoff>(bytes.find("aaaaaaaa") - 8);
  for (std::uint64_t left = 0; left <= 8; ++left) {
    const std::string size = B::number<std::uint64_t>(8 + 8 + 7 - left);
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(at) << size;
    const auto strings = file->string_array("k");
    if (!strings) {
      EXPECT_NE(strings.error().message.find("changed"), std::string::npos);
    } else {
      EXPECT_LE((**strings)[1].size(), 8u);
    }
  }
}

TEST_F(Gguf, lengths_beyond_the_file_are_refused) {
  expect_error(GgufBuilder().raw("s", 8, B::number<std::uint64_t>(UINT64_MAX)).bytes(), "a string");
  expect_error(GgufBuilder().raw("s", 8, B::number<std::uint64_t>(1ull << 40) + "abc").bytes(),
               "a string");
  for (const std::uint32_t element : {0u, 4u, 8u, 9u, 12u}) {
    const std::string head = B::number(element) + B::number<std::uint64_t>(UINT64_MAX / 3);
    expect_error(GgufBuilder().raw("a", 9, head + "xxxxxxxxxxxxxxxx").bytes(), "array");
  }
  expect_error(GgufBuilder().raw("t", 77, "").bytes(), "value type 77");
}

TEST_F(Gguf, deep_nesting_is_refused) {
  std::string nested;
  for (int i = 0; i < 1000; ++i)
    nested += B::number<std::uint32_t>(9) + B::number<std::uint64_t>(1);
  expect_error(
      GgufBuilder()
          .raw("deep", 9, nested + B::number<std::uint32_t>(0) + B::number<std::uint64_t>(0))
          .bytes(),
      "nested");
}

TEST_F(Gguf, bad_alignments_are_refused) {
  for (const std::uint32_t alignment : {0u, 3u, 48u, 1u << 31}) {
    expect_error(GgufBuilder().u32("general.alignment", alignment).bytes(), "general.alignment");
  }
  expect_error(GgufBuilder().string("general.alignment", "32").bytes(), "general.alignment");
}

TEST_F(Gguf, bad_tensors_are_refused) {
  const std::string four = B::floats({1, 2, 3, 4});
  expect_error(GgufBuilder().tensor("t", {}, 0, four).bytes(), "0 dimensions");
  expect_error(GgufBuilder().tensor("t", {1, 1, 1, 1, 1}, 0, four).bytes(), "5 dimensions");
  expect_error(GgufBuilder().tensor("t", {4, 0}, 0, four).bytes(), "dimension 1 is 0");
  expect_error(GgufBuilder().tensor("t", {1ull << 62, 1ull << 62}, 0, four).bytes(), "shape");
  expect_error(GgufBuilder().tensor("t", {1ull << 32, 1ull << 32}, 0, four).bytes(), "tensor t");
  expect_error(GgufBuilder().tensor("t", {31}, 8, four).bytes(), "no shape of Q8_0");
  expect_error(GgufBuilder().tensor_at("t", {4}, 0, 16, four).bytes(), "not a multiple");
  expect_error(GgufBuilder().tensor_at("t", {4}, 0, 1 << 20, four).bytes(), "beyond the file");
  expect_error(GgufBuilder().tensor_at("t", {4}, 0, UINT64_MAX - 31, four).bytes(),
               "beyond the file");
  expect_error(GgufBuilder().tensor("t", {4}, 0, four).tensor("t", {4}, 0, four).bytes(), "twice");
  expect_error(GgufBuilder().tensor(std::string(5000, 'n'), {4}, 0, four).bytes(), "tensor name");
}

TEST_F(Gguf, a_key_that_stands_twice_is_refused) {
  expect_error(GgufBuilder().u32("k", 1).u32("k", 2).bytes(), "\"k\"");
}

TEST_F(Gguf, an_unknown_tensor_type_is_kept_without_data) {
  const auto file = open(GgufBuilder().tensor("t", {4}, 777, "xxxx").bytes());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->find_tensor("t")->data.empty());
  EXPECT_EQ(tensor_type_name(777), "type 777");
  EXPECT_EQ(tensor_type_name(12), "Q4_K");
}

TEST_F(Gguf, files_that_are_none_are_errors) {
  EXPECT_EQ(GgufFile::open(directory_.path() + "/absent").error().code, Code::IO);
  EXPECT_EQ(GgufFile::open(directory_.path()).error().code, Code::MODEL);
  expect_error("", "empty");
}

TEST_F(Gguf, split_files_are_one_model) {
  const std::string stem = directory_.path() + "/m";
  const auto part = [&](std::uint32_t number, std::uint32_t count, const char* name, float value) {
    GgufBuilder builder;
    builder.raw("split.no", 2, B::number<std::uint16_t>(static_cast<std::uint16_t>(number)));
    builder.raw("split.count", 2, B::number<std::uint16_t>(static_cast<std::uint16_t>(count)));
    builder.raw("split.tensors.count", 5, B::number<std::int32_t>(2));
    if (number == 0) builder.string("general.architecture", "llama");
    builder.tensor(name, {1}, 0, B::floats({value}));
    char path[64];
    std::snprintf(path, sizeof(path), "-%05u-of-%05u.gguf", number + 1, count);
    return write_file(stem + path, builder.bytes());
  };
  const std::string first = part(0, 2, "a", 1);
  const std::string second = part(1, 2, "b", 2);
  {
    const auto file = GgufFile::open(first);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->files().size(), 2u);
    float value = 0;
    std::memcpy(&value, file->find_tensor("b")->data.data(), sizeof(value));
    EXPECT_EQ(value, 2);
    EXPECT_EQ(**file->string_value("general.architecture"), "llama");
  }
  const auto wrong_part = GgufFile::open(second);
  ASSERT_FALSE(wrong_part);
  EXPECT_NE(wrong_part.error().message.find("first part"), std::string::npos);
  part(1, 2, "a", 2);
  EXPECT_FALSE(GgufFile::open(first)) << "the same tensor in two parts";
  std::filesystem::remove(second);
  EXPECT_EQ(GgufFile::open(first).error().code, Code::IO);
}

// Every prefix of a right file is either an error or, where only padding is missing, still right.
TEST_F(Gguf, a_file_cut_anywhere_never_crashes) {
  GgufBuilder builder;
  builder.u32("a", 1).string("s", "text").strings("l", {"x", "yy"});
  builder.tensor("t", {2, 2}, 0, B::floats({1, 2, 3, 4}))
      .tensor("u", {32}, 8, std::string(34, 'q'));
  const std::string whole = builder.bytes();
  ASSERT_TRUE(open(whole));
  for (std::size_t size = 0; size + 32 < whole.size(); ++size) {
    EXPECT_FALSE(open(whole.substr(0, size))) << size;
  }
}

TEST_F(Gguf, random_damage_never_crashes) {
  GgufBuilder builder;
  builder.u32("general.alignment", 32).string("s", "text").strings("l", {"x", "yy", "zzz"});
  builder.tensor("t", {2, 2}, 0, B::floats({1, 2, 3, 4}))
      .tensor("u", {32}, 8, std::string(34, 'q'));
  const std::string whole = builder.bytes();
  std::mt19937 random(42);
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = whole;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const auto file = open(damaged);
    accepted += static_cast<bool>(file);
    if (!file) continue;
    std::uint64_t bytes = 0;  // everything that is offered must be readable
    for (const GgufTensor& tensor : file->tensors()) {
      for (const std::byte byte : tensor.data) bytes += static_cast<std::uint64_t>(byte);
    }
    (void)file->string_array("l");
    (void)file->string_value("s");
    EXPECT_GE(bytes, 0u);
  }
  EXPECT_GT(accepted, 0);
}

// A file truncated while it is mapped gives zeros and a flag, not a dead process.
TEST_F(Gguf, a_file_that_vanishes_while_it_is_read_is_noticed) {
  guard_mappings();
  const std::string path = directory_.path() + "/model.gguf";
  GgufBuilder builder;
  builder.tensor("t", {65536}, 0, std::string(65536 * 4, 'x'));
  const auto file = open(builder.bytes());
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->vanished());
  std::filesystem::resize_file(path, 4096);
  std::uint64_t sum = 0;
  for (const std::byte byte : file->find_tensor("t")->data) sum += static_cast<std::uint64_t>(byte);
  EXPECT_LT(sum, 65536u * 4 * 'x');
  EXPECT_TRUE(file->vanished());
}

}  // namespace
}  // namespace hearth
