// See cache_verb.hpp.
#include "daemon/cache_verb.hpp"

#include <fmt/format.h>

#include <cstring>

#include "common/limits.h"
#include "engine/clock.hpp"

namespace hearth {
namespace {

constexpr std::int64_t kLimitDefault = 100;
constexpr std::int64_t kFirstTokensDefault = 16;
constexpr std::int64_t kBytesMax = std::int64_t{1} << 53;
constexpr std::int64_t kUidMax = 4294967294;

Error only_for(const char* key, const char* action) {
  return {Code::INVALID, fmt::format("{}: only for \"do\":\"{}\"", key, action)};
}

const char* match_end_name(std::uint32_t match_end) {
  switch (match_end) {
#define HEARTH_MATCH_END_(name, value, wire, text) \
  case HEARTH_MATCH_END_##name: return wire;
    HEARTH_MATCH_END_MAP(HEARTH_MATCH_END_)
#undef HEARTH_MATCH_END_
    default: return "none";
  }
}

JsonWriter text_document(std::span<const std::byte>& texts, std::uint64_t page_bytes,
                         const UserGroups& groups) {
  const auto head = take_head<CachedTextHead>(texts);
  JsonWriter first_tokens = JsonWriter::array();
  for (std::uint32_t i = 0; i < head.id_count; ++i)
    first_tokens.push(take_head<std::int32_t>(texts));
  JsonWriter json;
  const std::string* group = groups.group_name(head.namespace_id);
  if (UserGroups::is_uid(head.namespace_id)) {
    json.add("uid", head.namespace_id);
  } else {
    json.add_null("uid");
  }
  if (group != nullptr) {
    json.add("group", *group);
  } else {
    json.add_null("group");
  }
  json.add("published", head.namespace_id == cache::kPublishedNamespace)
      .add("tokens", head.tokens)
      .add("pages", head.pages)
      .add("bytes", head.pages * page_bytes)
      .add("published_bytes", head.published_pages * page_bytes)
      .add("own_bytes", head.own_pages * page_bytes)
      .add("in_use_bytes", head.pages_in_use * page_bytes)
      .add("first_tokens", std::move(first_tokens));
  return json;
}

}  // namespace

const char* cache_action_name(CacheAction action) {
  switch (action) {
    case CacheAction::list: return "ls";
    case CacheAction::evict: return "evict";
    case CacheAction::verify: return "verify";
  }
  return "ls";
}

Status read_cache_command(JsonReader& json, std::size_t prefix_count, const UserGroups& groups,
                          CacheCommand& ret_command) {
  HEARTH_TRY(const std::string action, json.require_string("do"));
  HEARTH_TRY(const auto uid, json.integer("uid", 0, kUidMax));
  HEARTH_TRY(const auto all, json.boolean("all"));
  HEARTH_TRY(const auto max_bytes, json.integer("max_bytes", 1, kBytesMax));
  HEARTH_TRY(const auto limit, json.integer("limit", 1, CacheCommand::kTextsMax));
  HEARTH_TRY(const auto first_tokens,
             json.integer("first_tokens", 0, CacheCommand::kFirstTokensMax));
  HEARTH_CHECK(json.done());
  if (action == "ls") {
    ret_command.action = CacheAction::list;
  } else if (action == "evict") {
    ret_command.action = CacheAction::evict;
  } else if (action == "verify") {
    ret_command.action = CacheAction::verify;
  } else {
    return Error{Code::INVALID, "do: neither \"ls\" nor \"evict\" nor \"verify\""};
  }
  if (uid && all.value_or(false)) return Error{Code::INVALID, "uid, all: one or the other"};
  if (max_bytes && ret_command.action != CacheAction::evict) return only_for("max_bytes", "evict");
  if (limit && ret_command.action != CacheAction::list) return only_for("limit", "ls");
  if (first_tokens && ret_command.action != CacheAction::list)
    return only_for("first_tokens", "ls");
  if (prefix_count > 0 && ret_command.action == CacheAction::verify) {
    return Error{Code::INVALID, "payload: verify takes none, it checks all pages of a user"};
  }
  if (uid) ret_command.namespace_id = groups.namespace_of(static_cast<uid_t>(*uid));
  ret_command.all = all.value_or(false) ? 1 : 0;
  ret_command.bytes_max = max_bytes ? static_cast<std::uint64_t>(*max_bytes) : UINT64_MAX;
  ret_command.limit = static_cast<std::uint32_t>(limit.value_or(kLimitDefault));
  ret_command.first_tokens = static_cast<std::uint32_t>(first_tokens.value_or(kFirstTokensDefault));
  ret_command.prefix_count = static_cast<std::uint32_t>(prefix_count);
  return {};
}

std::string cache_document(const std::string& model, CacheAction action,
                           const CacheDoneNotice& done, std::span<const std::byte> texts,
                           const UserGroups& groups) {
  JsonWriter json;
  json.add("do", cache_action_name(action))
      .add("model", model)
      .add("canceled", done.canceled != 0)
      .add("page_bytes", done.page_bytes)
      .add("pages", done.pages)
      .add("bytes", done.pages * done.page_bytes)
      .add("checkpoints", done.checkpoints)
      .add("checkpoint_bytes", done.checkpoints * done.checkpoint_bytes);
  switch (action) {
    case CacheAction::list: {
      JsonWriter prefixes = JsonWriter::array();
      for (std::uint32_t i = 0; i < done.text_count; ++i) {
        prefixes.push(text_document(texts, done.page_bytes, groups));
      }
      json.add("pages_in_use", done.pages_in_use)
          .add("tokens", done.tokens)
          .add("prefixes", std::move(prefixes))
          .add("left_out", done.left_out);
      break;
    }
    case CacheAction::evict:
      json.add("pages_in_use", done.pages_in_use).add("tokens", done.tokens);
      break;
    case CacheAction::verify:
      json.add("damaged", done.damaged)
          .add("damaged_in_use", done.damaged_in_use)
          .add("dropped", done.dropped)
          .add("ms", milliseconds(done.ns));
      break;
  }
  return json.text();
}

JsonWriter cache_use_document(const CacheUse& use, cache::ColdReason cold) {
  JsonWriter json;
  json.add("published_tokens", use.published_tokens)
      .add("copied_tokens", use.copied_tokens)
      .add("waited_tokens", use.waited_tokens)
      .add("restored_tokens", use.restored_tokens)
      .add("restored_pages", use.restored_pages)
      .add("restore_ms", milliseconds(use.restore_ns))
      .add("computed_tokens", use.computed_tokens)
      .add("recomputed_tokens", use.recomputed_tokens)
      .add("state_hit", use.state_tokens)
      .add("lost_no_checkpoint", use.lost_tokens);
  if (use.tier == HEARTH_CACHE_TIER_HOST) {
    json.add("tier", "host");
  } else {
    json.add_null("tier");
  }
  json.add("match_end", match_end_name(use.match_end));
  // What was cached and is gone since is no matter of how the cache began.
  const bool cold_start = use.match_end == HEARTH_MATCH_END_COLD && use.was_empty != 0;
  if (cold_start) json.add("cold", cache::cold_reason_name(cold));
  return json;
}

}  // namespace hearth
