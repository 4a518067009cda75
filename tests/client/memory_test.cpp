// Goal: an allocation that fails is an error value and loses nothing: no crash, no leak, no
// half-made object, wherever in the life of a client it fails.
// Method: the same life again and again, in which the first, the second, ... allocation of this
// thread fails, until none does.  malloc() and its relatives are replaced for the whole program;
// the daemon's thread never fails.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>

#include "tests/client/client_testing.hpp"

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void __libc_free(void* memory);
}

namespace {

thread_local bool counting = false;
thread_local long allocations_left = 0;  // of those that succeed
thread_local long failures = 0;
thread_local long balance = 0;  // allocated and not freed

bool may_allocate() {
  if (!counting) return true;
  if (allocations_left == 0) {
    ++failures;
    errno = ENOMEM;
    return false;
  }
  --allocations_left;
  ++balance;
  return true;
}

}  // namespace

extern "C" {
void* malloc(std::size_t size) {
  return may_allocate() ? __libc_malloc(size) : nullptr;
}
void* calloc(std::size_t count, std::size_t size) {
  return may_allocate() ? __libc_calloc(count, size) : nullptr;
}
void* realloc(void* memory, std::size_t size) {
  if (!may_allocate()) return nullptr;
  if (counting && memory != nullptr) --balance;
  return __libc_realloc(memory, size);
}
void free(void* memory) {
  if (counting && memory != nullptr) --balance;
  __libc_free(memory);
}
}

namespace hearth::client_test {
namespace {

// Answers whatever a client asks, as long as it asks.
void serve(Peer& peer) {
  for (ReceivedFrame frame = peer.read(); frame.verb() != 0; frame = peer.read()) {
    switch (frame.verb()) {
      case kHello: peer.reply(frame, kGreeting); break;
      case kTokenize: peer.reply(frame, R"({"count":2})", raw_bytes<std::int32_t>({1, 2})); break;
      case kDetokenize: peer.reply(frame, "", "text"); break;
      case kGenerate:
        peer.send(encode(kProgress, 0, frame.request(), R"({"state":"prefill","progress":0.5})"));
        peer.tokens(frame, {1, 2, 3}, "text");
        peer.reply(frame, kResult);
        break;
      case kEval:
        peer.send(encode_logits(frame.request(), 0, 1, 2, {1, 2}));
        peer.reply(frame, kResult);
        break;
      case kCache:
        peer.reply(frame, R"({"do":"ls","cache":{"match_end":"cold"}})", R"({"prefixes":[]})");
        break;
      case kCredit:
      case kCancel: break;
      default: peer.reply(frame, "", R"({"models":[]})");
    }
  }
}

bool is_fine(int code) {
  return code == HEARTH_OK || code == HEARTH_EOUT_OF_MEMORY;
}

// Reads a stream to its end; false for an error that is not about memory.
bool drain(hearth_stream* stream) {
  hearth_event event;
  hearth_event_init(&event);
  int code = HEARTH_OK;
  do {
    code = hearth_stream_read(stream, &event, kPatienceMs);
  } while (code == HEARTH_OK && event.kind != HEARTH_EVENT_DONE);
  hearth_result result;
  hearth_result_init(&result);
  if (code == HEARTH_OK && hearth_stream_result(stream, &result) != HEARTH_OK) return false;
  return is_fine(code) && hearth_stream_close(stream) == nullptr;
}

// Everything a client can do.  No expectation of gtest here: they allocate.
bool live(const hearth_connect_options& connect_options,
          const hearth_generate_options& generate_options,
          const hearth_eval_options& eval_options) {
  hearth_client* client = nullptr;
  if (const int code = hearth_connect(&connect_options, &client); code != HEARTH_OK) {
    return is_fine(code) && client == nullptr && hearth_connect_error()[0] != '\0';
  }
  bool fine = true;
  char* text = nullptr;
  std::size_t size = 0;
  std::int32_t* ids = nullptr;
  fine &= is_fine(hearth_query(client, HEARTH_QUERY_MODELS, &text));
  hearth_free(text);
  text = nullptr;
  fine &= is_fine(hearth_tokenize(client, "m", "text", 4, 0, &ids, &size));
  fine &= is_fine(hearth_detokenize(client, "m", generate_options.prompt_ids, 1, 0, &text, &size));
  hearth_free(text);
  hearth_free(ids);
  hearth_stream* stream = nullptr;
  int code = hearth_generate(client, &generate_options, &stream);
  fine &= code == HEARTH_OK ? drain(stream) : is_fine(code) && stream == nullptr;
  stream = nullptr;
  code = hearth_eval(client, &eval_options, &stream);
  fine &= code == HEARTH_OK ? drain(stream) : is_fine(code) && stream == nullptr;
  hearth_cache_options cache_options;
  hearth_cache_options_init(&cache_options);
  cache_options.model = "m";
  cache_options.action = HEARTH_CACHE_LS;
  stream = nullptr;
  code = hearth_cache(client, &cache_options, &stream);
  fine &= code == HEARTH_OK ? drain(stream) : is_fine(code) && stream == nullptr;
  // One that is left running, for hearth_close() to end.
  stream = nullptr;
  fine &= is_fine(hearth_generate(client, &generate_options, &stream));
  return fine && hearth_close(client) == nullptr;
}

TEST(memory, every_allocation_may_fail_and_nothing_is_lost) {
  FakeDaemon daemon(serve);
  hearth_connect_options connect_options;
  hearth_connect_options_init(&connect_options);
  connect_options.socket_path = daemon.socket().c_str();
  connect_options.timeout_ms = kPatienceMs;
  const std::int32_t ids[] = {1, 2};
  hearth_generate_options ask;
  hearth_generate_options_init(&ask);
  ask.model = "m";
  ask.prompt_ids = ids;
  ask.prompt_id_count = 2;
  hearth_eval_options eval;
  hearth_eval_options_init(&eval);
  eval.model = "m";
  eval.ids = ids;
  eval.id_count = 2;
  eval.want_logits = 1;

  long allowed = 0;
  const std::ptrdiff_t descriptors = open_descriptors();
  for (bool failed = true; failed; ++allowed) {
    allocations_left = allowed;
    failures = 0;
    balance = 0;
    counting = true;
    const bool fine = live(connect_options, ask, eval);
    counting = false;
    ASSERT_TRUE(fine) << "after " << allowed << " allocations";
    ASSERT_EQ(balance, 0) << "after " << allowed << " allocations";
    failed = failures > 0;
    ASSERT_LT(allowed, 10000) << "it never succeeds";
  }
  EXPECT_GT(allowed, 20) << "allocations of one life: is malloc() replaced at all?";
  EXPECT_LE(open_descriptors(), descriptors + 1) << "the daemon may hold its end a moment longer";
}

}  // namespace
}  // namespace hearth::client_test
