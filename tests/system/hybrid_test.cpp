// Goal: a model with recurrent layers is as warm as any: from turn to turn, after an edit, and
// after the daemon's death, and says the same as if it were cold. Method: real daemon, libhearth,
// our own hybrid model; what was computed is counted.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <functional>

#include "hearth/hearth.h"
#include "tests/system/connected_client.hpp"
#include "tests/system/tinder.hpp"

namespace hearth {
namespace {

struct Message {
  std::string role, content;
};
using Chat = std::vector<Message>;

std::string json_of(const Chat& chat) {
  const Json list(cJSON_CreateArray(), &cJSON_Delete);
  for (const Message& message : chat) {
    cJSON* one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "role", message.role.c_str());
    cJSON_AddStringToObject(one, "content", message.content.c_str());
    cJSON_AddItemToArray(list.get(), one);
  }
  char* text = cJSON_PrintUnformatted(list.get());
  std::string json = text;
  cJSON_free(text);
  return json;
}

// The counts of a reply, and what it said.
struct Reply {
  hearth_result result = {};
  std::string content;
};

Reply ask(const ConnectedClient& client, const Chat& chat, int max_tokens = 24) {
  hearth_generate_options options;
  hearth_generate_options_init(&options);
  options.model = "tinder";
  options.max_tokens = max_tokens;
  options.temperature = 0;
  hearth_conversation conversation;
  hearth_conversation_init(&conversation);
  const std::string messages = json_of(chat);
  conversation.messages = messages.c_str();
  hearth_stream* stream = nullptr;
  Reply reply;
  hearth_result_init(&reply.result);
  int code = hearth_chat(client.get(), &options, &conversation, &stream);
  hearth_event event;
  hearth_event_init(&event);
  while (code == HEARTH_OK && event.kind != HEARTH_EVENT_DONE) {
    code = hearth_stream_read(stream, &event, -1);
    if (code == HEARTH_OK && event.kind == HEARTH_EVENT_DELTA) {
      reply.content.append(event.text, event.text_size);
    }
  }
  EXPECT_EQ(code, HEARTH_OK) << client.error();
  if (code == HEARTH_OK) {
    EXPECT_EQ(hearth_stream_result(stream, &reply.result), HEARTH_OK);
  }
  hearth_stream_close(stream);
  return reply;
}

std::string question(int turn) {
  constexpr const char* kThings[] = {"tea", "a boat", "bread", "a kite", "rain"};
  return fmt::format("Question {}: tell me what you know about {}, and why people like it.", turn,
                     kThings[turn % 5]);
}

// Ten questions and their answers; every reply is told to see().
Chat talk(const ConnectedClient& client, const std::function<void(int, const Reply&)>& see) {
  Chat chat;
  for (int turn = 0; turn < 10; ++turn) {
    chat.push_back({"user", question(turn)});
    const Reply reply = ask(client, chat);
    see(turn, reply);
    chat.push_back({"assistant", reply.content});
  }
  return chat;
}

// What a request that is begun came to.
hearth_result result_of(const ConnectedClient& client, hearth_stream* stream) {
  hearth_event event;
  hearth_event_init(&event);
  while (event.kind != HEARTH_EVENT_DONE) {
    if (hearth_stream_read(stream, &event, -1) != HEARTH_OK) break;
  }
  hearth_result result;
  hearth_result_init(&result);
  EXPECT_EQ(hearth_stream_result(stream, &result), HEARTH_OK) << client.error();
  return result;
}

// Evicts all that the user has in the cache, and tells how many checkpoints those were.
double evicted_checkpoints(const ConnectedClient& client) {
  hearth_cache_options options;
  hearth_cache_options_init(&options);
  options.model = "tinder";
  options.action = HEARTH_CACHE_EVICT;
  hearth_stream* stream = nullptr;
  EXPECT_EQ(hearth_cache(client.get(), &options, &stream), HEARTH_OK) << client.error();
  const hearth_result result = result_of(client, stream);
  const Json document = parse_json(std::string(result.document, result.document_size));
  hearth_stream_close(stream);
  return number_at(document.get(), "checkpoints");
}

TEST(hybrid, a_chat_of_ten_turns_computes_what_is_new) {
  DaemonProcess daemon(kTinderArguments);
  const ConnectedClient client(daemon);
  std::int64_t before = 0;  // tokens of the last prompt and its reply
  const Chat chat = talk(client, [&](int turn, const Reply& reply) {
    const hearth_result& result = reply.result;
    const std::int64_t fresh = result.prompt_tokens - before;
    // The reply's last token was drawn and not computed; the reply as text may have other tokens
    // where it was cut off: then it goes on from the prompt's end.
    EXPECT_LE(result.computed_tokens, turn == 0 ? result.prompt_tokens : fresh + 24 + 5)
        << "turn " << turn;
    EXPECT_EQ(result.cached_tokens + result.computed_tokens, result.prompt_tokens);
    before = result.prompt_tokens + result.completion_tokens;
  });
  Chat again(chat.begin(), chat.end() - 1);
  const Reply regenerated = ask(client, again);
  EXPECT_EQ(regenerated.result.computed_tokens, 1);
  EXPECT_EQ(regenerated.content, chat.back().content);
  again.back().content = "Something else: who are you, and what do you do all day long?";
  const Reply edited = ask(client, again);
  EXPECT_EQ(edited.result.lost_no_checkpoint, 0) << "there is one where the user's turn begins";
  EXPECT_LE(edited.result.computed_tokens, 40);
}

TEST(hybrid, it_is_warm_after_the_daemons_death_and_says_the_same) {
  DaemonProcess daemon(kTinderArguments);
  Chat chat;
  Reply last;
  {
    const ConnectedClient client(daemon);
    chat = talk(client, [&](int, const Reply& reply) { last = reply; });
    chat.pop_back();
  }
  EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
  daemon.restart();
  const ConnectedClient client(daemon);
  const Reply warm = ask(client, chat);
  EXPECT_EQ(warm.result.computed_tokens, 1);
  EXPECT_EQ(warm.result.state_hit, warm.result.prompt_tokens - 1);
  EXPECT_EQ(warm.content, last.content);
  // And as if nothing had been there.
  EXPECT_GT(evicted_checkpoints(client), 0);
  const Reply cold = ask(client, chat);
  EXPECT_EQ(cold.result.cached_tokens, 0);
  EXPECT_EQ(cold.content, last.content);
}

TEST(hybrid, evaluations_leave_no_state) {
  DaemonProcess daemon(kTinderArguments);
  const ConnectedClient client(daemon);
  std::vector<std::int32_t> ids(100);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(300 + i);
  hearth_eval_options options;
  hearth_eval_options_init(&options);
  options.model = "tinder";
  options.ids = ids.data();
  options.id_count = ids.size();
  options.pooling = HEARTH_POOLING_MEAN;
  hearth_stream* stream = nullptr;
  ASSERT_EQ(hearth_eval(client.get(), &options, &stream), HEARTH_OK) << client.error();
  EXPECT_EQ(result_of(client, stream).prompt_tokens, 100);
  hearth_stream_close(stream);
  EXPECT_EQ(evicted_checkpoints(client), 0);
}

TEST(hybrid, requests_and_models_choose_what_is_kept) {
  std::vector<std::string> arguments = kTinderArguments;
  arguments.insert(arguments.end(), {"--checkpoints", "tinder=max-checkpoints=0"});
  DaemonProcess daemon(arguments);
  const ConnectedClient client(daemon);
  const Chat chat = {{"user", question(0) + " " + question(1) + " " + question(2)}};
  ask(client, chat);
  const Reply again = ask(client, chat);
  EXPECT_EQ(again.result.computed_tokens, again.result.prompt_tokens);
  EXPECT_GT(again.result.lost_no_checkpoint, 0);
  EXPECT_EQ(again.result.match_end, HEARTH_MATCH_END_NO_CHECKPOINT);
}

}  // namespace
}  // namespace hearth
