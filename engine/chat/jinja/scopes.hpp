// Which variable a name means: known once a whole template is read, since {% set %} may come after
// a macro that uses it.
#pragma once

#include <deque>
#include <map>
#include <string_view>
#include <vector>

#include "engine/chat/jinja/ast.hpp"

namespace hearth::jinja {

// The variables that one body sets.
struct StaticScope {
  StaticScope* outer = nullptr;
  std::map<std::string_view, std::uint32_t> slots = {};

  std::uint32_t declare(std::string_view name) {
    return slots.emplace(name, static_cast<std::uint32_t>(slots.size())).first->second;
  }
};

class Scopes {
 public:
  StaticScope* current() { return current_; }
  StaticScope* add(StaticScope* outer) { return &scopes_.emplace_back(StaticScope{outer}); }
  // Names from here on stand in this scope; returns the one before.
  StaticScope* enter(StaticScope* scope) { return std::exchange(current_, scope); }

  void use(NameExpr* name) { uses_.push_back({name, current_}); }

  // Fills in places and globals of all names; to be called once, at the end.
  std::span<const Text* const> resolve(Heap& heap);

 private:
  struct Use {
    NameExpr* name;
    const StaticScope* scope;
  };
  std::deque<StaticScope> scopes_ = {StaticScope{}};
  StaticScope* current_ = &scopes_.front();
  std::vector<Use> uses_;
};

}  // namespace hearth::jinja
