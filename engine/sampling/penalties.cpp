// Penalties on what was said before: for single tokens, and for repeated sequences (DRY).
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "engine/sampling/steps.hpp"

namespace hearth {
namespace {

std::span<const TokenId> last_of(std::span<const TokenId> history, std::int32_t count) {
  const auto wanted = static_cast<std::size_t>(std::max(count, 0));
  return count < 0 || wanted >= history.size() ? history : history.last(wanted);
}

// Longest common prefix of backwards with each of its suffixes: the Z-function (Gusfield, 1997).
std::vector<std::int32_t> common_prefixes(const std::vector<TokenId>& backwards) {
  const auto size = static_cast<std::int32_t>(backwards.size());
  std::vector<std::int32_t> common(backwards.size(), 0);
  std::int32_t left = 0, right = 0;
  for (std::int32_t i = 1; i < size; ++i) {
    std::int32_t length =
        i < right ? std::min(right - i, common[static_cast<std::size_t>(i - left)]) : 0;
    while (i + length < size && backwards[static_cast<std::size_t>(length)] ==
                                    backwards[static_cast<std::size_t>(i + length)]) {
      ++length;
    }
    common[static_cast<std::size_t>(i)] = length;
    if (i + length > right) left = i, right = i + length;
  }
  return common;
}

// How many of the last tokens stand behind the last breaker: no repetition counts beyond them.
std::int32_t tokens_behind_breaker(const std::vector<TokenId>& backwards,
                                   const BreakerIndex* breakers) {
  const std::size_t size = breakers == nullptr ? 0 : backwards.size();
  for (std::size_t i = 0; i < size; ++i) {
    const auto* rests = breakers->find(backwards[i]);
    if (rests == nullptr) continue;
    std::int32_t longest = -1;
    for (const std::vector<TokenId>& rest : *rests) {
      if (rest.size() > i) continue;
      bool matches = true;
      for (std::size_t k = 0; k < rest.size() && matches; ++k) {
        matches = backwards[i - 1 - k] == rest[k];
      }
      if (matches) longest = std::max(longest, static_cast<std::int32_t>(rest.size()));
    }
    if (longest >= 0) return static_cast<std::int32_t>(i) - longest;
  }
  return static_cast<std::int32_t>(backwards.size());
}

}  // namespace

void penalize(const LogitOf& logit_of, std::span<const TokenId> history, const Penalties& penalties,
              std::vector<TokenId>& recent) {
  if (!penalties.active()) return;
  const std::span<const TokenId> last = last_of(history, penalties.last_n);
  recent.assign(last.begin(), last.end());
  std::ranges::sort(recent);
  for (auto run = recent.begin(); run != recent.end();) {
    const auto end = std::find_if(run, recent.end(), [&](TokenId id) { return id != *run; });
    const auto count = static_cast<float>(end - run);
    if (float* logit = logit_of(*run)) {
      *logit = *logit <= 0 ? *logit * penalties.repeat : *logit / penalties.repeat;
      *logit -= count * penalties.frequency + penalties.presence;
    }
    run = end;
  }
}

void penalize(Candidates& candidates, std::span<const TokenId> history,
              const Penalties& penalties) {
  if (!penalties.active()) return;
  penalize([&](TokenId id) { return candidates.find_logit(id); }, history, penalties,
           candidates.recent);
  candidates.sorted = false;
}

void dry(const LogitOf& logit_of, std::span<const TokenId> history, const Dry& settings) {
  if (!settings.active()) return;
  const std::span<const TokenId> last = last_of(history, settings.last_n);
  const std::vector<TokenId> backwards(last.rbegin(), last.rend());
  const std::int32_t limit = tokens_behind_breaker(backwards, settings.breakers.get());
  if (limit < settings.allowed_length) return;
  // What followed an earlier occurrence of the last tokens, and how many tokens it repeats.
  std::unordered_map<TokenId, std::int32_t> repeats;
  const std::vector<std::int32_t> common = common_prefixes(backwards);
  for (std::size_t i = 1; i < backwards.size(); ++i) {
    const std::int32_t length = std::min(common[i], limit);
    if (length < settings.allowed_length) continue;
    std::int32_t& longest = repeats[backwards[i - 1]];
    longest = std::max(longest, length);
  }
  const float most = settings.base > 1.000001F
                         ? std::log(std::numeric_limits<float>::max()) / std::log(settings.base)
                         : std::numeric_limits<float>::max();
  for (const auto& [id, length] : repeats) {
    if (settings.breakers != nullptr && settings.breakers->is_breaker(id)) continue;
    float* logit = logit_of(id);
    if (logit == nullptr) continue;
    const auto beyond = static_cast<float>(length - settings.allowed_length);
    *logit -= settings.multiplier * std::pow(settings.base, std::min(beyond, most));
  }
}

void dry(Candidates& candidates, std::span<const TokenId> history, const Dry& settings) {
  if (!settings.active()) return;
  dry([&](TokenId id) { return candidates.find_logit(id); }, history, settings);
  candidates.sorted = false;
}

}  // namespace hearth
