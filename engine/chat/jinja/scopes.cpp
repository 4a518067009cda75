// Names to places: those of the scopes around them, innermost first.
#include "engine/chat/jinja/scopes.hpp"

namespace hearth::jinja {

std::span<const Text* const> Scopes::resolve(Heap& heap) {
  std::map<std::string_view, std::uint32_t> indexes;
  std::vector<const Text*> globals;
  std::vector<NameExpr::Place> places;
  for (const Use& use : uses_) {
    const std::string_view name = use.name->name->view();
    places.clear();
    std::uint32_t up = 0;
    for (const StaticScope* scope = use.scope; scope != nullptr; scope = scope->outer, ++up) {
      const auto found = scope->slots.find(name);
      if (found != scope->slots.end()) places.push_back({up, found->second});
    }
    use.name->places = {heap.copy<NameExpr::Place>(places), places.size()};
    const auto [index, is_new] = indexes.emplace(name, globals.size());
    if (is_new) globals.push_back(use.name->name);
    use.name->global = index->second;
  }
  return {heap.copy<const Text*>(globals), globals.size()};
}

}  // namespace hearth::jinja
