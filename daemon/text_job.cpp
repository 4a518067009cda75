// See text_job.hpp.
#include "daemon/text_job.hpp"

#include <cassert>

namespace hearth {

void TextJobs::run(std::function<void()> work, std::function<void()> done) {
  auto job = std::make_unique<Job>();
  job->handle.data = job.get();
  job->jobs = this;
  job->work = std::move(work);
  job->done = std::move(done);
  ++pending_;
  const int failed = uv_queue_work(
      loop_, &job->handle, [](uv_work_t* handle) { static_cast<Job*>(handle->data)->work(); },
      [](uv_work_t* handle, int) {
        const std::unique_ptr<Job> finished(static_cast<Job*>(handle->data));
        --finished->jobs->pending_;
        finished->done();
      });
  assert(failed == 0);  // only a missing callback makes it fail
  (void)failed;
  job.release();  // the done callback owns it now
}

}  // namespace hearth
