// The header stands alone in C++11: nothing is included before it, and twice does no harm.
#include "hearth/hearth.h"

int header_alone_cpp();
int header_alone_cpp() {
  hearth_generate_options options;
  hearth_generate_options_init(&options);
  return hearth_strerror(HEARTH_EAGAIN) != nullptr;
}
