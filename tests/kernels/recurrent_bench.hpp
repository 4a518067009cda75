// Benchmarks of recurrent layers, a part of kernels_bench.
#pragma once

namespace hearth::kernels {

void add_recurrent_benchmarks();

}  // namespace hearth::kernels
