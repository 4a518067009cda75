// A daemon that serves our own hybrid model.
#pragma once

#include <string>
#include <vector>

namespace hearth {

inline const std::vector<std::string> kTinderArguments = {
    "--model",    "tinder=" HEARTH_MODELS_DIR "/tinder-q8_0.gguf",
    "--ctx",      "2048",
    "--kv-bytes", "256M",
    "--threads",  "2"};

}  // namespace hearth
