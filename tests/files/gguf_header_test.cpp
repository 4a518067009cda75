// Goal: what GgufHeader writes, the reader reads back: values bit for bit, tensors in their places.
#include "files/gguf_header.hpp"

#include <gtest/gtest.h>

#include "tests/files/gguf_builder.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

TEST(gguf_header, is_read_back_as_it_was_written) {
  const TemporaryDirectory directory;
  const auto source = GgufFile::open(write_file(
      directory.path() + "/source.gguf",
      GgufBuilder()
          .string("general.name", "a model")
          .strings("words", {"one", "", "three"})
          .raw("numbers", 9,
               GgufBuilder::number<std::uint32_t>(5) + GgufBuilder::number<std::uint64_t>(2) +
                   GgufBuilder::number<std::int32_t>(-7) + GgufBuilder::number(8))
          .bytes()));
  ASSERT_TRUE(source) << source.error().message;
  GgufHeader header;
  for (const auto key : source->keys_with_prefix("")) header.copy_value(key, *source->find(key));
  header.add_u32("count", 42);
  header.add_f32("share", 0.5F);
  header.add_string("text", "t\0t");
  const std::uint64_t first_dims[] = {3, 2}, second_dims[] = {5};
  header.add_tensor("first", first_dims, 0, 24);
  header.add_tensor("second", second_dims, 0, 20);
  std::string bytes = header.bytes();
  EXPECT_EQ(bytes.size() % 32, 0u);
  bytes += GgufBuilder::floats({1, 2, 3, 4, 5, 6});
  bytes.append(GgufHeader::padding(24), '\0');
  bytes += GgufBuilder::floats({7, 8, 9, 10, 11});
  bytes.append(GgufHeader::padding(20), '\0');
  EXPECT_EQ(bytes.size(), header.bytes().size() + header.data_bytes());

  const auto file = GgufFile::open(write_file(directory.path() + "/new.gguf", bytes));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(**file->string_value("general.name"), "a model");
  EXPECT_EQ((**file->string_array("words"))[2], "three");
  EXPECT_EQ((**file->real_array("numbers"))[0], -7);
  EXPECT_EQ(**file->uint_value("count"), 42u);
  EXPECT_EQ(**file->real_value("share"), 0.5);
  const GgufTensor* second = file->find_tensor("second");
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->dims[0], 5u);
  float values[5];
  std::memcpy(values, second->data.data(), sizeof(values));
  EXPECT_EQ(values[4], 11);
  EXPECT_EQ(file->find_tensor("first")->dims[1], 2u);
}

}  // namespace
}  // namespace hearth
