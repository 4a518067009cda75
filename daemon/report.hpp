// The documents that MODELS, PS and STATS answer with; docs/wire.md lists their keys.
//
// THREAD: loop.
#pragma once

#include <sys/types.h>

#include <string>

namespace hearth {

class Server;
class Session;

std::string models_document(Server& server);
std::string ps_document(Server& server, uid_t asker);
std::string stats_document(Server& server, const Session& asker);

}  // namespace hearth
