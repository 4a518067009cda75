// Work for the text threads: anything about text that takes time, off the loop.
//
// THREAD: made and finished on the loop, run() on one of libuv's threads in between.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>

namespace hearth {

class TextJobs {
 public:
  explicit TextJobs(uv_loop_t* loop) : loop_(loop) {}

  // work runs on a text thread and may touch only what it was given; done runs on the loop after
  // it.
  void run(std::function<void()> work, std::function<void()> done);

  // Jobs begun and not done: the loop must not end before they are.
  int pending() const { return pending_; }

 private:
  struct Job {
    uv_work_t handle;
    TextJobs* jobs;
    std::function<void()> work;
    std::function<void()> done;
  };
  uv_loop_t* loop_;
  int pending_ = 0;
};

}  // namespace hearth
