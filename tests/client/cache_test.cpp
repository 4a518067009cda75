// Goal: hearth_cache() asks what it was told, gives the daemon's document, and believes no daemon
// that lies; results have what replies say of the cache.
#include <gtest/gtest.h>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

hearth_cache_options cache_options(int action) {
  hearth_cache_options options;
  hearth_cache_options_init(&options);
  options.model = "m";
  options.action = action;
  return options;
}

Stream ask(const Client& client, const hearth_cache_options& options) {
  hearth_stream* stream = nullptr;
  EXPECT_EQ(hearth_cache(client.get(), &options, &stream), HEARTH_OK) << last_error(client);
  return Stream(stream);
}

TEST(cache, options_are_sent_and_the_document_comes_back) {
  ReceivedFrame listed, checked;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    listed = peer.expect(kCache);
    peer.reply(listed, R"({"do":"ls"})", R"({"prefixes":[]})");
    checked = peer.expect(kCache);
    peer.send(encode(kProgress, 0, checked.request(), R"({"state":"verify","progress":0.5})"));
    peer.reply(checked, R"({"do":"verify","stop_reason":"canceled"})", R"({"pages":3})");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  hearth_cache_options options = cache_options(HEARTH_CACHE_LS);
  const std::int32_t prefix[] = {7, 8};
  options.prefix_ids = prefix;
  options.prefix_id_count = 2;
  options.limit = 5;
  options.first_tokens = 0;
  options.uid = 1000;
  {
    const Stream stream = ask(client, options);
    EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_DONE);
    hearth_result result;
    hearth_result_init(&result);
    ASSERT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_OK);
    EXPECT_STREQ(result.document, R"({"prefixes":[]})");
    EXPECT_EQ(result.document_size, 15u);
    EXPECT_EQ(result.embedding, nullptr);
    EXPECT_EQ(result.cache, nullptr);
  }
  options = cache_options(HEARTH_CACHE_VERIFY);
  options.all = 1;
  const Stream stream = ask(client, options);
  const hearth_event event = next_event(stream);
  EXPECT_EQ(event.kind, HEARTH_EVENT_PROGRESS);
  EXPECT_STREQ(event.state, "verify");
  EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_DONE);
  hearth_result result;
  hearth_result_init(&result);
  ASSERT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_OK);
  EXPECT_EQ(result.stop_reason, HEARTH_STOP_CANCELED);
  EXPECT_EQ(listed.json, R"({"model":"m","do":"ls","uid":1000,"limit":5,"first_tokens":0})");
  EXPECT_EQ(listed.payload, raw_bytes(std::vector<std::int32_t>{7, 8}));
  EXPECT_EQ(checked.json, R"({"model":"m","do":"verify","all":true})");
  EXPECT_EQ(checked.payload, "");
}

TEST(cache, a_reply_without_a_whole_document_breaks_the_connection) {
  for (const std::string& payload : {std::string(), std::string("{\0}", 3)}) {
    FakeDaemon daemon([&](Peer& peer) {
      peer.greet();
      peer.reply(peer.expect(kCache), R"({"do":"ls"})", payload);
      peer.wait_for_end();
    });
    const Client client = connect_to(daemon.socket());
    const Stream stream = ask(client, cache_options(HEARTH_CACHE_LS));
    EXPECT_EQ(read_code(stream), HEARTH_EPROTOCOL);
  }
}

TEST(cache, what_cannot_be_asked_is_refused_before_it_is_sent) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    EXPECT_EQ(peer.read().verb(), 0) << "nothing was sent";
  });
  const Client client = connect_to(daemon.socket());
  hearth_stream* stream = nullptr;
  const auto refused = [&](const hearth_cache_options& options, const char* field) {
    EXPECT_EQ(hearth_cache(client.get(), &options, &stream), HEARTH_EINVALID) << field;
    EXPECT_TRUE(mentions(last_error(client), field)) << last_error(client);
  };
  hearth_cache_options options = cache_options(HEARTH_CACHE_LS);
  options.model = nullptr;
  refused(options, "model");
  refused(cache_options(0), "action");
  refused(cache_options(4), "action");
  options = cache_options(HEARTH_CACHE_LS);
  options.prefix_id_count = 3;
  refused(options, "prefix_ids");
  options = cache_options(HEARTH_CACHE_LS);
  options.uid = -1;
  refused(options, "uid");
  options.uid = std::int64_t{1} << 32;
  refused(options, "uid");
  options = cache_options(HEARTH_CACHE_EVICT);
  options.max_bytes = 0;
  refused(options, "max_bytes");
  options = cache_options(HEARTH_CACHE_LS);
  options.limit = 1001;
  refused(options, "limit");
  options = cache_options(HEARTH_CACHE_LS);
  options.first_tokens = 65;
  refused(options, "first_tokens");
  options = cache_options(HEARTH_CACHE_LS);
  options.all = 2;
  refused(options, "all");
  options = cache_options(HEARTH_CACHE_LS);
  EXPECT_EQ(hearth_cache(client.get(), &options, nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_cache(client.get(), nullptr, &stream), HEARTH_EINVALID);
  EXPECT_EQ(hearth_cache(nullptr, &options, &stream), HEARTH_EINVALID);
  EXPECT_EQ(stream, nullptr);
}

TEST(cache, results_have_what_replies_say_of_the_cache) {
  const std::string cache =
      R"({"copied_tokens":1,"waited_tokens":2,"restored_tokens":3,"restored_pages":4,)"
      R"("restore_ms":1.5,"computed_tokens":6,"recomputed_tokens":7,"tier":"host",)"
      R"("match_end":"damaged"})";
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    peer.reply(peer.expect(kGenerate), R"({"cache":)" + cache + "}");
    peer.reply(peer.expect(kGenerate),
               R"({"cache":{"tier":"tape","match_end":"eaten","eaten":true}})");
    peer.reply(peer.expect(kGenerate), R"({"cache":{"computed_tokens":-1}})");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  Stream stream = generate(client);
  EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_DONE);
  hearth_result result;
  hearth_result_init(&result);
  ASSERT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_OK);
  EXPECT_EQ(result.copied_tokens, 1);
  EXPECT_EQ(result.waited_tokens, 2);
  EXPECT_EQ(result.restored_tokens, 3);
  EXPECT_EQ(result.restored_pages, 4);
  EXPECT_EQ(result.restore_ms, 1.5);
  EXPECT_EQ(result.computed_tokens, 6);
  EXPECT_EQ(result.recomputed_tokens, 7);
  EXPECT_EQ(result.match_end, HEARTH_MATCH_END_DAMAGED);
  EXPECT_EQ(result.cache_tier, HEARTH_CACHE_TIER_HOST);
  EXPECT_STREQ(result.cache, cache.c_str());
  stream = generate(client);
  EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_DONE);
  ASSERT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_OK);
  EXPECT_EQ(result.match_end, -1) << "of a later version";
  EXPECT_EQ(result.cache_tier, HEARTH_CACHE_TIER_NONE);
  stream = generate(client);
  EXPECT_EQ(read_code(stream), HEARTH_EPROTOCOL);
}

}  // namespace
}  // namespace hearth::client_test
