// See checkpoint_policy.hpp.
#include "cache/checkpoint_policy.hpp"

#include <algorithm>
#include <ranges>

namespace hearth::cache {
namespace {

// So many at most, whatever a client asks for: of its marks, and of each kind of spaced ones.
constexpr std::uint32_t kCutsMax = 256;

struct Cut {
  std::uint32_t position;
  bool always;
};

// The positions of one prompt, ascending.
class Cuts {
 public:
  Cuts(const CheckpointSettings& settings, const PromptCuts& prompt)
      : settings_(settings), prompt_(prompt) {}

  // Where there is a reason.
  void add(std::uint64_t position) {
    if (!is_possible(position)) return;
    const auto at = place_of(position);
    if (at != cuts_.end() && at->position == position) {
      at->always = true;
    } else {
      cuts_.insert(at, {static_cast<std::uint32_t>(position), /*always=*/true});
    }
  }

  // Where nothing is near: what is computed begins at one, too.  False when something is.
  bool add_spaced(std::uint64_t position) {
    if (!is_possible(position) || position - prompt_.begin < settings_.min_gap) return false;
    const auto at = place_of(position);
    if (at != cuts_.end() && at->position - position < std::max(1u, settings_.min_gap)) {
      return false;
    }
    if (at != cuts_.begin() && position - std::prev(at)->position < settings_.min_gap) return false;
    cuts_.insert(at, {static_cast<std::uint32_t>(position), /*always=*/false});
    return true;
  }

  // Leave out a spaced one, the one between the nearest neighbours; false when there is none.
  bool thin() {
    auto best = cuts_.end();
    std::uint32_t best_gap = UINT32_MAX;
    for (auto at = cuts_.begin(); at != cuts_.end(); ++at) {
      if (at->always) continue;
      const std::uint32_t above = at == cuts_.begin() ? prompt_.begin : std::prev(at)->position;
      const std::uint32_t below =
          std::next(at) == cuts_.end() ? prompt_.end : std::next(at)->position;
      if (below - above >= best_gap) continue;
      best = at;
      best_gap = below - above;
    }
    if (best == cuts_.end()) return false;
    cuts_.erase(best);
    return true;
  }

  const std::vector<Cut>& all() const { return cuts_; }

 private:
  bool is_possible(std::uint64_t position) const {
    if (position <= prompt_.begin || position >= prompt_.end) return false;
    return position >= settings_.min_tokens || position + 1 == prompt_.end;
  }
  std::vector<Cut>::iterator place_of(std::uint64_t position) {
    return std::ranges::lower_bound(cuts_, position, {}, &Cut::position);
  }

  const CheckpointSettings& settings_;
  const PromptCuts& prompt_;
  std::vector<Cut> cuts_;
};

// Of ascending positions, those of (begin, end).
std::span<const std::uint32_t> within(std::span<const std::uint32_t> positions,
                                      const PromptCuts& prompt) {
  const auto first = std::ranges::upper_bound(positions, prompt.begin);
  const auto last = std::ranges::lower_bound(first, positions.end(), prompt.end);
  return {first, last};
}

}  // namespace

std::vector<std::uint32_t> plan_checkpoints(const CheckpointSettings& settings,
                                            const PromptCuts& prompt) {
  if (settings.max_checkpoints == 0 || prompt.end <= prompt.begin) return {};
  Cuts cuts(settings, prompt);
  const std::uint64_t tail = std::uint64_t{kPromptTailTokens} + prompt.microbatch;
  cuts.add(prompt.end - 1);
  if (prompt.end > kPromptTailTokens) cuts.add(prompt.end - kPromptTailTokens);
  if (prompt.end > tail) cuts.add(prompt.end - tail);
  cuts.add(prompt.divergence);
  const auto starts = within(prompt.turn_starts, prompt);
  if (!starts.empty()) cuts.add(starts.back());
  const auto marks = within(prompt.marks, prompt);
  const std::size_t count =
      std::min({marks.size(), std::size_t{settings.max_checkpoints}, std::size_t{kCutsMax}});
  for (const std::uint32_t mark : marks.last(count)) cuts.add(mark);

  std::uint32_t spaced = 0;
  for (const std::uint32_t start : starts | std::views::reverse) {
    if (spaced < kCutsMax && cuts.add_spaced(start)) ++spaced;
  }
  std::uint64_t every = std::max(0, settings.every_n_tokens);
  while (every > 0 && (prompt.end - prompt.begin) / every > kCutsMax) every *= 2;
  if (every > 0) {
    std::uint64_t at = (prompt.begin / every + 1) * every;
    for (; at < prompt.end; at += every) cuts.add_spaced(at);
  }
  while (cuts.all().size() > settings.max_checkpoints && cuts.thin()) continue;

  std::vector<std::uint32_t> positions;
  for (const Cut& cut : cuts.all()) positions.push_back(cut.position);
  return positions;
}

bool at_turn_end(const CheckpointSettings& settings, std::uint32_t computed, std::uint32_t last) {
  return settings.max_checkpoints > 0 && computed > last && computed >= settings.min_tokens;
}

}  // namespace hearth::cache
