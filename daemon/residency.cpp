// See residency.hpp.
#include "daemon/residency.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "daemon/log.hpp"
#include "engine/clock.hpp"

namespace hearth {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

double mib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / (1u << 20);
}

// When an idle model has to go; the end of time for one that stays.
std::int64_t idle_until(const Residency::Use& use) {
  if (use.keep_alive_s == Residency::kForever) return INT64_MAX;
  return use.last_used_ns + use.keep_alive_s * kSecond;
}

}  // namespace

Residency::Residency(uv_loop_t* loop, const Settings& settings, ResidencyOwner* owner)
    : settings_(settings), owner_(owner) {
  uv_timer_init(loop, &timer_);
  timer_.data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(&timer_));  // what waits for it keeps the loop alive
}

void Residency::close() {
  if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&timer_))) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

void Residency::add(ServedModel* model) {
  uses_.push_back(std::make_unique<Use>(Use{.model = model,
                                            .keep_alive_s = settings_.keep_alive_s,
                                            .last_used_ns = now_ns(),
                                            .order = ++asked_,
                                            .preload = settings_.preload}));
}

const Residency::Use& Residency::use_of(const ServedModel& model) const {
  return **std::ranges::find(uses_, &model, &Use::model);
}

Residency::Use& Residency::use_of(const ServedModel& model) {
  return const_cast<Use&>(std::as_const(*this).use_of(model));
}

std::uint64_t Residency::bytes_used() const {
  std::uint64_t bytes = 0;
  for (const auto& use : uses_) bytes += use->model->in_memory() ? use->model->memory_bytes() : 0;
  return bytes;
}

std::uint64_t Residency::join(ServedModel& model) {
  Use& use = use_of(model);
  use.last_used_ns = now_ns();
  if (use.has_to_go()) {
    ++use.later;
    return use.term + 1;
  }
  if (use.users++ == 0 && !model.in_memory()) {
    if (!use.preload) use.order = ++asked_;
    // Now, before its text is made tokens; make_room() looks once more.
    if (model.state() == ModelState::unloaded && !model.is_current()) model.read_file();
    schedule();
  }
  return use.term;
}

void Residency::leave(const ServedModel& model, std::uint64_t term) {
  Use& use = use_of(model);
  std::uint32_t& count = term <= use.term ? use.users : use.later;
  assert(count > 0);
  use.last_used_ns = now_ns();
  if (--count == 0) schedule();
}

void Residency::let_go(const ServedModel& model) {
  Use& use = use_of(model);
  use.preload = false;
  // One that is unloading goes already, and keeps what it has noted of that.
  if (model.state() == ModelState::loading || model.state() == ModelState::ready) {
    use.told_to_go = true;
  }
  schedule();
}

void Residency::keep_alive(const ServedModel& model, std::int64_t seconds) {
  use_of(model).keep_alive_s = seconds;
  schedule();
}

void Residency::on_model_changed(const ServedModel& model) {
  Use& use = use_of(model);
  const ModelState state = model.state();
  if (state == ModelState::ready) use.last_used_ns = now_ns();
  if (state == ModelState::ready || state == ModelState::failed ||
      state == ModelState::vocabulary) {
    use.preload = false;
  }
  const bool gone = state == ModelState::unloaded || state == ModelState::failed;
  if (gone && use.has_to_go()) {
    use.keep_alive_s = settings_.keep_alive_s;
    begin_term(use);
  }
  schedule();
}

// The requests that had to wait are taken from now on.
void Residency::begin_term(Use& use) {
  use.told_to_go = false;
  use.makes_room = nullptr;
  use.next_look_ns = 0;
  ++use.term;
  use.users += std::exchange(use.later, 0);
  if (use.users > 0) use.order = ++asked_;
}

void Residency::schedule() {
  if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&timer_))) return;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Residency*>(timer->data)->settle(); },
      /*timeout_ms=*/0, /*repeat_ms=*/0);
}

void Residency::settle() {
  const std::int64_t now = now_ns();
  keep_those_that_may_stay();
  let_idle_go(now);
  make_room();
  unload_free(now);
  set_timer(now);
}

// Nobody waits for their memory any more.
void Residency::keep_those_that_may_stay() {
  for (const auto& use : uses_) {
    const bool needed = use->told_to_go || use->makes_room == nullptr || use->makes_room->wanted();
    if (needed || use->model->state() != ModelState::ready) continue;
    begin_term(*use);
    owner_->on_term(*use->model);
  }
}

void Residency::let_idle_go(std::int64_t now) {
  for (const auto& use : uses_) {
    if (use->model->state() != ModelState::ready || use->has_to_go() || use->users > 0) continue;
    if (idle_until(*use) > now) continue;
    log_info("model {}: idle for {} s: it has to go", use->model->id(), use->keep_alive_s);
    use->told_to_go = true;
  }
}

// Load what is wanted, as long as it has room.
void Residency::make_room() {
  while (Use* wanted = next_wanted()) {
    ServedModel& model = *wanted->model;
    const std::uint64_t need = model.memory_bytes();
    const std::uint64_t used = bytes_used();
    const bool preload = std::exchange(wanted->preload, false);
    if (!model.is_current()) {
      model.read_file();  // and comes back here
      wanted->preload = preload;
    } else if (need > settings_.model_bytes) {
      const Error why = {Code::LIMIT,
                         fmt::format("model {} needs {:.1f} MiB of memory, model-bytes "
                                     "is {:.1f} MiB: raise model-bytes or take a "
                                     "smaller quantisation",
                                     model.id(), mib(need), mib(settings_.model_bytes))};
      log_warning("{}", why.message);
      owner_->on_refused(model, why);
    } else if (used <= settings_.model_bytes - need) {
      if (make_cache(model)) {
        wanted->preload = preload;  // until it is ready: its order is that of the configuration
        model.load();
      }
    } else if (wanted->users == 0) {
      log_info("model {}: not loaded at the start: {:.1f} of {:.1f} MiB (model-bytes) are taken",
               model.id(), mib(used), mib(settings_.model_bytes));
    } else {
      wanted->preload = preload;
      return choose_victims(wanted, need, /*idle_only=*/false);
    }
  }
  // What was loaded may have turned out to be larger than it looked.
  if (bytes_used() > settings_.model_bytes) choose_victims(nullptr, 0, /*idle_only=*/true);
}

// A part of the budget for the model's cache, at the cost of models that are not loaded.
bool Residency::make_cache(ServedModel& model) {
  while (!model.reserve_cache()) {
    Use* oldest = nullptr;
    for (const auto& use : uses_) {
      if (use->model == &model || !use->model->has_idle_cache()) continue;
      if (oldest == nullptr || use->last_used_ns < oldest->last_used_ns) oldest = use.get();
    }
    if (oldest == nullptr) {
      owner_->on_refused(model, {Code::LIMIT,
                                 "kv-bytes: the caches of other models leave no room "
                                 "for this one's: raise kv-bytes or unload others"});
      return false;
    }
    oldest->model->drop_cache();
  }
  return true;
}

// Who is next: models that requests wait for, then those of the configuration, in its order.
Residency::Use* Residency::next_wanted() {
  Use* next = nullptr;
  for (const auto& use : uses_) {
    if (use->users == 0 || !use->wanted()) continue;
    if (next == nullptr || use->order < next->order) next = use.get();
  }
  if (next != nullptr) return next;
  const auto preload = std::ranges::find_if(uses_, [](const auto& use) { return use->preload; });
  return preload != uses_.end() && (*preload)->wanted() ? preload->get() : nullptr;
}

// Models that have to go until need bytes are free.  Those that go already are counted first.
void Residency::choose_victims(const Use* wanted, std::uint64_t need, bool idle_only) {
  std::uint64_t staying = 0;
  std::vector<Use*> candidates;
  for (const auto& use : uses_) {
    const ModelState state = use->model->state();
    if (!use->model->in_memory() || state == ModelState::unloading || use->has_to_go()) continue;
    staying += use->model->memory_bytes();
    if (state == ModelState::ready && (use->users == 0 || !idle_only)) {
      candidates.push_back(use.get());
    }
  }
  std::ranges::sort(candidates, {},
                    [](const Use* use) { return std::pair(use->users > 0, use->last_used_ns); });
  for (Use* victim : candidates) {
    if (staying + need <= settings_.model_bytes) return;
    if (wanted == nullptr) {
      victim->told_to_go = true;
    } else {
      victim->makes_room = wanted;
    }
    staying -= victim->model->memory_bytes();
    log_info("model {}: has to go{}{}", victim->model->id(), wanted ? ", for " : "",
             wanted ? wanted->model->id() : "");
  }
}

void Residency::unload_free(std::int64_t now) {
  for (const auto& use : uses_) {
    if (use->model->state() != ModelState::ready || !use->has_to_go()) continue;
    if (use->users == 0) {
      use->model->unload();
    } else if (use->next_look_ns <= now) {
      use->next_look_ns = now + kSecond;
      owner_->on_waited(*use->model, settings_.patience_s);
    }
  }
}

// Until the next thing that only time brings.
void Residency::set_timer(std::int64_t now) {
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_))) return;  // something changed meanwhile
  std::int64_t next = INT64_MAX;
  for (const auto& use : uses_) {
    if (use->model->state() != ModelState::ready) continue;
    if (use->has_to_go()) {
      next = std::min(next, use->next_look_ns);
    } else if (use->users == 0) {
      next = std::min(next, idle_until(*use));
    }
  }
  if (next == INT64_MAX) return;
  const std::int64_t ms = std::max<std::int64_t>(0, next - now) / 1'000'000 + 1;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Residency*>(timer->data)->settle(); },
      static_cast<std::uint64_t>(ms), /*repeat_ms=*/0);
}

}  // namespace hearth
