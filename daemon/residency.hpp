// Which models have their weights in memory.  A model is loaded when somebody asks for it, and
// unloaded when it was idle for long, when an administrator says so, or when another one needs its
// memory: the least recently used first, and one that computes only when there is no other.
//
// THREAD: loop.  All is decided in settle(), which a timer calls: never in the middle of something.
//
// Nobody starves.  Models get memory in the order in which they were asked for, and one that has to
// go takes no more requests: those that come wait for its next term, after the one it makes room
// for.  A model that computes is waited for, but not for clients who do not read.
#pragma once

#include <uv.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "daemon/served_model.hpp"

namespace hearth {

// What it tells the dispatcher, from settle().
class ResidencyOwner {
 public:
  // The model takes requests of the next term from now on, without having been unloaded.
  virtual void on_term(ServedModel& model) = 0;
  // The model cannot be loaded, for a reason that is not its file's: fail the requests that wait.
  virtual void on_refused(ServedModel& model, const Error& why) = 0;
  // Once a second while others wait for a model that computes: fail the requests whose clients had
  // not read what they were sent, and so kept it from going on, at so many of these times.
  virtual void on_waited(ServedModel& model, std::uint32_t patience) = 0;

 protected:
  ~ResidencyOwner() = default;
};

class Residency {
 public:
  struct Settings {
    std::uint64_t model_bytes;  // for all models in memory
    std::int64_t keep_alive_s;  // how long an idle model stays; -1: for ever
    std::uint32_t
        patience_s;  // what a client may keep a model by not reading, that others want out
    bool preload;    // load every model at the start, as long as there is memory
  };
  static constexpr std::int64_t kForever = -1;

  // What is known of the use of one model.
  struct Use {
    ServedModel* model;
    std::int64_t keep_alive_s;
    std::int64_t last_used_ns;        // a request began or ended
    std::uint64_t term = 1;           // of the requests that the model takes now
    std::uint32_t users = 0;          // requests of this term, waiting ones too
    std::uint32_t later = 0;          // of the next term
    std::uint64_t order = 0;          // in which it was asked for
    bool preload = false;             // asked for by the configuration
    bool told_to_go = false;          // by an administrator, or for being idle
    const Use* makes_room = nullptr;  // for this one
    std::int64_t next_look_ns = 0;    // at those who use it, when it has to go
    bool has_to_go() const { return told_to_go || makes_room != nullptr; }
    bool wanted() const { return model->state() == ModelState::unloaded && (users > 0 || preload); }
  };

  // owner outlives us.
  Residency(uv_loop_t* loop, const Settings& settings, ResidencyOwner* owner);
  void add(ServedModel* model);
  void close();  // before the models are shut down; idempotent

  // A request needs the model in memory: the term it belongs to, for admits() and leave().
  std::uint64_t join(ServedModel& model);
  // Whether a request of this term may begin, once the model is ready.
  bool admits(const ServedModel& model, std::uint64_t term) const {
    return term <= use_of(model).term;
  }
  // The request is over.
  void leave(const ServedModel& model, std::uint64_t term);

  // Unload it as soon as the requests that are open are over.
  void let_go(const ServedModel& model);
  // Until the model is unloaded.
  void keep_alive(const ServedModel& model, std::int64_t seconds);
  // The state of a model is another one.
  void on_model_changed(const ServedModel& model);

  const Use& use_of(const ServedModel& model) const;
  std::uint64_t bytes_used() const;
  std::uint64_t bytes_limit() const { return settings_.model_bytes; }

 private:
  Use& use_of(const ServedModel& model);
  void schedule();
  void settle();
  void keep_those_that_may_stay();
  void let_idle_go(std::int64_t now);
  void make_room();
  Use* next_wanted();
  bool make_cache(ServedModel& model);
  void choose_victims(const Use* wanted, std::uint64_t need, bool idle_only);
  void unload_free(std::int64_t now);
  void begin_term(Use& use);
  void set_timer(std::int64_t now);

  const Settings settings_;
  ResidencyOwner* owner_;
  std::vector<std::unique_ptr<Use>> uses_;  // in the order of the configuration
  std::uint64_t asked_ = 0;
  uv_timer_t timer_ = {};
};

}  // namespace hearth
