// Goal: tokenize and detokenize through the command line keep every byte.
#include "tests/cli/program.hpp"

namespace hearth {
namespace {

constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";

void expect_vectors(const std::string& name) {
  const std::string path = HEARTH_SHARED_DIR "/vocab/ggml-vocab-" + name + ".gguf";
  if (access(path.c_str(), R_OK) != 0) GTEST_SKIP() << path << " is not there";
  DaemonProcess daemon({"--model", "v=" + path});
  const std::string texts = read_whole(path + ".inp");
  std::istringstream expected(read_whole(path + ".out"));
  const std::string file = daemon.directory() + "/text";
  std::size_t begin = 0;
  for (std::string line; std::getline(expected, line);) {
    const std::size_t end = texts.find(kSeparator, begin);
    ASSERT_NE(end, std::string::npos);
    const std::string text = texts.substr(begin, end - begin);
    begin = end + kSeparator.size();
    std::ofstream(file, std::ios::binary) << text;
    const Ran plain = run_hearth(daemon, {"tokenize", "v", "--file", file, "--no-special"});
    ASSERT_EQ(plain.status, 0) << plain.err;
    std::vector<std::int32_t> got, want;
    std::istringstream got_ids(plain.out), want_ids(line);
    for (std::int32_t id; got_ids >> id;) got.push_back(id);
    for (std::int32_t id; want_ids >> id;) want.push_back(id);
    EXPECT_EQ(got, want) << text;
    if (want.empty()) continue;
    EXPECT_EQ(run_hearth(daemon, {"detokenize", "v", "--tokens-file", "-"}, plain.out).out, text);
  }
  EXPECT_EQ(begin, texts.size());
}

TEST(cli_tokens, gpt2_vectors_are_exact) {
  expect_vectors("gpt-2");
}

TEST(cli_tokens, llama_vectors_are_exact) {
  expect_vectors("llama-spm");
}

TEST(cli_tokens, special_tokens_are_added_parsed_and_spelled_as_asked) {
  const std::string path = HEARTH_SHARED_DIR "/models/stories260K.gguf";
  if (access(path.c_str(), R_OK) != 0) GTEST_SKIP() << path << " is not there";
  DaemonProcess daemon({"--model", "s=" + path});
  EXPECT_EQ(run_hearth(daemon, {"--json", "tokenize", "s", "Once upon a time"}).out,
            "[1,403,407,261,378]\n");
  EXPECT_EQ(run_hearth(daemon, {"tokenize", "s", "Once upon a time", "--no-special"}).out,
            "403 407 261 378\n");
  EXPECT_EQ(run_hearth(daemon, {"--json", "detokenize", "s", "1", "403", "407"}).out,
            "{\"text\":\"Once upon\"}\n");
  EXPECT_EQ(run_hearth(daemon, {"detokenize", "s", "--tokens", "1,403", "--special"}).out,
            "<s>Once");
  EXPECT_EQ(run_hearth(daemon, {"tokenize", "s", "<s>", "--special", "--no-special"}).out, "1\n");
  EXPECT_EQ(run_hearth(daemon, {"tokenize", "s", "", "--no-special", "--json"}).out, "[]\n");
}

}  // namespace
}  // namespace hearth
