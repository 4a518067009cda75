/* The header stands alone in C99: nothing is included before it, and twice does no harm. */
#include "hearth/hearth.h"

int header_alone_c(void);
int header_alone_c(void) {
  hearth_generate_options options;
  hearth_generate_options_init(&options);
  return hearth_strerror(HEARTH_EAGAIN) != 0;
}
