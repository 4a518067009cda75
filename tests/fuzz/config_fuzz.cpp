// Configuration files.
#include "daemon/config.hpp"
#include "tests/fuzz/memory_file.hpp"

using namespace hearth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  const auto raw = settings_from_file(file.path());
  if (!raw) return 0;
  (void)make_config({*raw});
  (void)explain_config({*raw});
  return 0;
}
