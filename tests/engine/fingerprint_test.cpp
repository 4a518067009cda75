// Goal: a model file is hashed once, and never mistaken for what it was before a change.
#include "engine/fingerprint.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

namespace fs = std::filesystem;

class fingerprint : public testing::Test {
 protected:
  fingerprint() { fs::copy_file(HEARTH_TEST_DATA "/models/llama.gguf", path_); }
  // Times of change as they were an hour ago: only then is a hash kept.  The inode's own time of
  // change cannot be set, so the test waits for it.
  void settle() const {
    while (!GgufFile::open(path_)->files().front().is_settled()) usleep(100'000);
  }
  cache::Digest hash() const { return remembered_hash(*GgufFile::open(path_), kept_); }
  std::size_t kept() const {
    return fs::exists(kept_) ? static_cast<std::size_t>(std::distance(fs::directory_iterator(kept_),
                                                                      fs::directory_iterator()))
                             : 0;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/model.gguf";
  const std::string kept_ = directory_.path() + "/kept";
};

TEST_F(fingerprint, a_hash_is_kept_once_the_file_has_settled) {
  const cache::Digest digest = hash_model(*GgufFile::open(path_));
  EXPECT_EQ(hash(), digest);
  EXPECT_EQ(kept(), 0u) << "a file written just now could still change unseen";
  settle();
  EXPECT_EQ(hash(), digest);
  EXPECT_EQ(kept(), 1u);
  // It is really used: what is written there is believed.
  const std::string file = fs::directory_iterator(kept_)->path();
  std::ifstream stream(file);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  char& digit = text[text.size() - 2];
  digit = digit == '0' ? '1' : '0';
  std::ofstream(file) << text;
  EXPECT_NE(hash(), digest);
  // What is cut off or of another form is not.
  for (const std::string& wrong : {std::string(), text.substr(0, 40), text + "x"}) {
    std::ofstream(file) << wrong;
    EXPECT_EQ(hash(), digest) << wrong.size();
  }
}

TEST_F(fingerprint, a_changed_file_is_hashed_again) {
  settle();
  const cache::Digest before = hash();
  struct stat times = {};
  ASSERT_EQ(stat(path_.c_str(), &times), 0);
  {  // one byte of the last tensor, in place, and the time of modification set back
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-4, std::ios::end);
    file.put(0x55);
  }
  const timespec back[2] = {times.st_atim, times.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, path_.c_str(), back, 0), 0);
  EXPECT_NE(hash(), before);
}

TEST_F(fingerprint, rotations_are_part_of_it) {
  const cache::Digest model = hash_model(*GgufFile::open(path_));
  RopeParameters parameters;
  parameters.dims = 8;
  const Rope plain = make_rope(parameters, true);
  parameters.scaling = RopeScaling::linear;
  parameters.factor = 2;
  const Rope scaled = make_rope(parameters, true);
  EXPECT_NE(model_fingerprint(model, {&plain, 1}), model_fingerprint(model, {&scaled, 1}));
  EXPECT_EQ(model_fingerprint(model, {&plain, 1}), model_fingerprint(model, {&plain, 1}));
}

}  // namespace
}  // namespace hearth
