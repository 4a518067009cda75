// The verb CACHE: from its JSON to what the engine is told, and from what the engine says to the
// document that answers; and what a generation's reply says of the cache.  docs/wire.md.
//
// THREAD: loop.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "cache/recovery.hpp"
#include "daemon/json.hpp"
#include "daemon/user_groups.hpp"
#include "engine/messages.hpp"

namespace hearth {

// Reads all keys but "model", which was read; namespace_id is that of the caller, and is replaced
// by that of the user who is named.  Errors: INVALID naming the key.
Status read_cache_command(JsonReader& json, std::size_t prefix_count, const UserGroups& groups,
                          CacheCommand& ret_command);

// "ls", "evict", "verify".
const char* cache_action_name(CacheAction action);

// What the reply's payload is.  texts: what follows the notice in its message.
std::string cache_document(const std::string& model, CacheAction action,
                           const CacheDoneNotice& done, std::span<const std::byte> texts,
                           const UserGroups& groups);

// "cache" of a reply.  cold: how the model's cache began.
JsonWriter cache_use_document(const CacheUse& use, cache::ColdReason cold);

}  // namespace hearth
